//! `freehold serve` as processes: what each party says, what its listener answers, and how it ends.

mod support;

use std::process::Stdio;

use support::process::{Process, free_ports};
use support::{freehold, text};
use tempfile::TempDir;

#[test]
fn all_three_in_one_say_so_and_stop_in_good_order() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let free = free_ports();
    let free: Vec<&str> = free.iter().map(String::as_str).collect();
    let first = Process::start(&[&["serve", "--data", &data][..], &free].concat());
    assert!(first.said.iter().any(|line| line.contains("the keys of this node are in")), "{:?}", first.said);
    assert!(first.said.iter().any(|line| line.contains("not a separation of powers")), "{:?}", first.said);
    let busy = freehold(&[&["serve", "--data", &data][..], &free].concat()).output().expect("it runs");
    assert_eq!(busy.status.code(), Some(3), "the folder is held by the first");
    assert_eq!(first.stop(), Some(0));
    let second = Process::start(&[&["serve", "--data", &data][..], &free].concat());
    assert!(!second.said.iter().any(|line| line.contains("first start")), "{:?}", second.said);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn the_three_parties_run_as_three_processes_on_ports_of_their_own() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let early = freehold(&["serve", "--data", &data, "--role", "service"]).output().expect("it runs");
    assert_eq!(early.status.code(), Some(3), "there is nothing to reach yet");
    let listen = ["--listen", "127.0.0.1:0"];
    let vault = Process::start(&[&["serve", "--data", &data, "--role", "vault"][..], &listen].concat());
    let role = ["serve", "--data", &data, "--role", "availability-vault"];
    let availability = Process::start(&[&role[..], &listen].concat());
    let at = |party: &str, process: &Process| format!("{party}.listen=127.0.0.1:{}", process.port());
    let (vault_at, availability_at) = (at("vault", &vault), at("availability-vault", &availability));
    let wires = ["--set", &vault_at, "--set", &availability_at, "--listen", "127.0.0.1:0"];
    let service = Process::start(&[&["serve", "--data", &data, "--role", "service"][..], &wires].concat());
    for process in [service, availability, vault] {
        assert_eq!(process.stop(), Some(0));
    }
}

#[test]
fn a_start_that_is_stopped_before_it_is_ready_ends_well() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let free = ["--set", "vault.listen=127.0.0.1:0", "--set", "availability-vault.listen=127.0.0.1:0"];
    let mut child = freehold(&[&["serve", "--data", &text(&data)][..], &free].concat());
    let child = child.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut process = Process { child, said: Vec::new() };
    // The first key of the first party: the root keys of the provider are still to be made.
    while !data.join("keys/vault/master.key").exists() {
        assert!(process.child.try_wait().expect("a child").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let data = text(&folder.path().join("data"));
    let output = freehold(&["serve", "--data", &data, "--role", "vault", "--listen", &address]).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use") && said.contains("vault.listen"), "{said}");
}

#[test]
fn the_api_is_not_shown_to_others_with_the_labs_certificate() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let free = free_ports();
    let free: Vec<&str> = free[..2].iter().map(String::as_str).collect();
    let open = ["serve", "--data", &data, "--listen", "0.0.0.0:0"];
    let output = freehold(&[&open[..], &free].concat()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("service.listen") && said.contains("tls.certificate"), "{said}");
}

/// Every name that the two vault programs have, where nobody chose other domains.
const LAB_NAMES: [&str; 2] = ["*.vault.localhost", "*.availability.localhost"];

#[test]
fn own_certificates_are_shown_and_trusted_by_all_three_in_one_process() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let own = support::own::certificates(folder.path(), &LAB_NAMES);
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let run = |command: &[&str]| {
        let output = freehold(&[command, &["--data", &data], &own].concat()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let made: serde_json::Value =
        serde_json::from_str(&run(&["tenant", "create", "Contoso", "--json"])).expect("JSON");
    let tenant = made["tenant"]["id"].as_str().expect("an id");
    let mail = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/mail");
    let place = ["--tenant", tenant, "--mailbox", "alice@contoso.com"];
    run(&[&["import", mail, "--create"], &place[..]].concat());
    assert!(run(&["doctor"]).contains("it is valid and covers every name"));
    let lab: Vec<_> = std::fs::read_dir(folder.path().join("data/tls")).expect("read").collect();
    assert!(lab.is_empty(), "nothing of the lab's authority is made: {lab:?}");
    let stranger = freehold(&["list", "--data", &data, "--tenant", tenant, "--mailbox", "alice@contoso.com"])
        .args(["--set", &own[1].replace("own.pem", "own-ca.pem")])
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("set both or neither"), "{stranger:?}");
}

#[test]
fn own_certificates_serve_names_outside_localhost_and_every_role() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let names = ["*.vault.example.test", "*.availability.example.test"];
    let own = support::own::certificates(folder.path(), &names);
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let suffixes = [
        "--set",
        "vault.suffix=vault.example.test",
        "--set",
        "availability-vault.suffix=availability.example.test",
    ];
    let role = |role: &str, more: &[&str]| {
        let free = free_ports();
        let free: Vec<&str> = free.iter().map(String::as_str).collect();
        Process::start(&[&["serve", "--data", &data, "--role", role][..], &free, &suffixes, more].concat())
    };
    let all = role("all", &own);
    assert_eq!(all.stop(), Some(0));
    let vaults = [role("vault", &own), role("availability-vault", &own)];
    let authority = format!("tls.authority={}", text(&folder.path().join("own-ca.pem")));
    let service = role("service", &["--set", &authority]);
    assert_eq!(service.stop(), Some(0));
    vaults.into_iter().for_each(|vault| assert_eq!(vault.stop(), Some(0)));
    let data = ["--data", &data, "--role", "service"];
    let unvouched = freehold(&[&["serve"], &data[..], &suffixes].concat()).output().expect("it runs");
    assert!(String::from_utf8_lossy(&unvouched.stderr).contains("tls.authority"), "{unvouched:?}");
}

#[test]
fn a_listener_that_shows_a_strangers_certificate_is_not_believed() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let own = support::own::certificates(folder.path(), &LAB_NAMES);
    let other = TempDir::new().expect("a folder");
    support::own::certificates(other.path(), &LAB_NAMES);
    let authority = format!("tls.authority={}", text(&other.path().join("own-ca.pem")));
    let mut command =
        freehold(&["serve", "--data", &data, "--role", "availability-vault", "--listen", "127.0.0.1:0"]);
    let output = command.args(&own).args(["--set", &authority]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("invalid peer certificate"), "{said}");
}

/// What the doctor says about vault connections: verdict, and detail with advice.
fn connections(arguments: &[&str]) -> Vec<(String, String)> {
    let output = freehold(&[&["doctor", "--json"], arguments].concat()).output().expect("it runs");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let checks = document["checks"].as_array().expect("checks").iter();
    let connections = checks.filter(|check| check["check"] == "vault connection");
    let told =
        |check: &serde_json::Value| format!("{} -> {}", text(&check["detail"]), text(&check["advice"]));
    connections.map(|check| (text(&check["verdict"]), told(check))).collect()
}

#[test]
fn the_doctor_tells_what_stands_between_the_service_and_each_root_key() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    support::Data::new(folder.path().join("data"));
    let start = |role: &str, port: &str| {
        Process::start(&["serve", "--data", &data, "--role", role, "--listen", port])
    };
    let (vault, provider) = (start("vault", "127.0.0.1:0"), start("availability-vault", "127.0.0.1:0"));
    let vault_at = format!("vault.listen=127.0.0.1:{}", vault.port());
    let provider_at = format!("availability-vault.listen=127.0.0.1:{}", provider.port());
    let service = ["--data", &data, "--set", "role=service", "--set", &vault_at, "--set", &provider_at];
    let each = |more: &[&str], verdict: &str, word: &str| {
        let told = connections(&[&service[..], more].concat());
        assert!(
            !told.is_empty() && told.iter().all(|(v, what)| v == verdict && what.contains(word)),
            "{word}: {told:?}"
        );
        told.len()
    };
    assert_eq!(each(&[], "ok", "may be used"), 2, "the provider's two root keys");

    support::own::certificates(folder.path(), &LAB_NAMES);
    let stranger = format!("tls.authority={}", text(&folder.path().join("own-ca.pem")));
    each(&["--set", &stranger], "failed", "set tls.authority to who signed");

    let secret = folder.path().join("data/keys/handover/availability-vault.secret");
    let good = std::fs::read(&secret).expect("read");
    std::fs::write(&secret, "of-somebody-else").expect("written");
    each(&[], "failed", "our own credential was not accepted");
    std::fs::write(&secret, good).expect("written");

    let running = Process::start(&[&["serve", "--listen", "127.0.0.1:0"], &service[..]].concat());
    each(&[], "not-checked", "stop what runs on this folder");
    assert_eq!(running.stop(), Some(0));
    assert_eq!(provider.stop(), Some(0));
    each(&[], "failed", "unreachable");
    assert_eq!(vault.stop(), Some(0));
    assert_eq!(connections(&["--data", &data, "--set", "role=vault"]), [], "a vault connects to nobody");
}

#[test]
fn the_doctor_reaches_the_customers_keys_of_a_folder_that_nobody_holds() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let tour = freehold(&["tour", "--data", &data, "--json"]).output().expect("it runs");
    assert!(tour.status.success(), "{}", String::from_utf8_lossy(&tour.stderr));
    let told = connections(&["--data", &data]);
    assert!(told.iter().all(|(verdict, _)| verdict == "ok"), "{told:?}");
    for wanted in ["the provider's own: https://provider-b", "https://contoso-a", "https://contoso-b"] {
        assert!(told.iter().any(|(_, what)| what.contains(wanted)), "{wanted}: {told:?}");
    }
}

#[test]
fn each_party_runs_on_a_folder_that_holds_its_own_files_and_what_was_handed_over() {
    let folder = TempDir::new().expect("a folder");
    let whole = support::Data::new(folder.path().join("whole")).folder;
    let part = |name: &str, folders: &[&str], secrets: &[&str]| {
        let root = folder.path().join(name);
        let handed: Vec<_> = secrets.iter().map(|secret| format!("keys/handover/{secret}.secret")).collect();
        support::copy(&whole, &root);
        let ours = |path: &str| {
            folders.iter().any(|ours| path.starts_with(ours)) || handed.iter().any(|ours| path == ours)
        };
        for path in support::tree(&root).keys().filter(|path| !ours(path)) {
            std::fs::remove_file(root.join(path)).expect("removed");
        }
        text(&root)
    };
    let customers = ["exchange", "sharepoint", "data-at-rest"];
    let customer = part("customer", &["vault/", "keys/vault/"], &customers);
    let provider =
        part("provider", &["availability-vault/", "keys/availability-vault/"], &["availability-vault"]);
    let handed = [&customers[..], &["availability-vault"]].concat();
    let service = part("service", &["service/", "wraps", "keys/service/"], &handed);

    let start = |data: &str, role: &str| {
        Process::start(&["serve", "--data", data, "--role", role, "--listen", "127.0.0.1:0"])
    };
    let vaults = [start(&customer, "vault"), start(&provider, "availability-vault")];
    let pem = |data: &String| std::fs::read_to_string(format!("{data}/tls/ca.pem")).expect("an authority");
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, pem(&customer) + &pem(&provider)).expect("written");
    let set = [
        "role=service".to_owned(),
        format!("tls.authority={}", text(&authorities)),
        format!("vault.listen=127.0.0.1:{}", vaults[0].port()),
        format!("availability-vault.listen=127.0.0.1:{}", vaults[1].port()),
    ];
    let set: Vec<_> = set.iter().flat_map(|setting| ["--set", setting]).collect();
    let told = connections(&[&["--data", &service], &set[..]].concat());
    assert!(told.len() == 2 && told.iter().all(|(verdict, _)| verdict == "ok"), "{told:?}");
    vaults.into_iter().for_each(|vault| assert_eq!(vault.stop(), Some(0)));
    let keys = |data: &str| {
        let files = support::tree(std::path::Path::new(data)).into_keys();
        files.filter(|path| path.starts_with("keys/") && !path.ends_with(".ends")).collect::<Vec<_>>()
    };
    assert_eq!([keys(&service).len(), keys(&customer).len(), keys(&provider).len()], [5, 4, 3]);
}
