//! Commands at a server, as its tenants use them: over TLS, with tokens of their own directories.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::process::{Process, free_ports};
use support::{freehold, json, text, tree};
use tempfile::TempDir;

/// A customer, and how its first administrator signs in.
struct Customer {
    folder: PathBuf,
    tenant: String,
    directory: String,
    user: String,
    credential: String,
}

/// A service with its parties in one process or in three, and two customers.
struct World {
    folder: TempDir,
    process: Process,
    /// The two vaults, where they have processes of their own.
    vaults: Vec<Process>,
    service: String,
    customers: Vec<Customer>,
}

/// A file that its owner alone can read.
fn secret(path: &Path, content: &str) -> String {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    writeln!(file.expect("a file"), "{content}").expect("written");
    text(path)
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("rights");
}

fn samples(which: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(which)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl World {
    /// All parties in one process.
    fn start() -> Self {
        let (folder, customers) = Self::customers();
        let data = text(&folder.path().join("data"));
        let ports = free_ports();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        let process = Process::start(
            &[&["serve", "--role", "all", "--set=log.level=warn", "--data", &data][..], &ports].concat(),
        );
        Self::of(folder, process, Vec::new(), customers)
    }

    /// Each party in a process of its own.
    fn start_apart() -> Self {
        let (folder, customers) = Self::customers();
        let data = text(&folder.path().join("data"));
        let start = |role: &str, more: &[&str]| {
            let quiet = ["--listen", "127.0.0.1:0", "--set=log.level=warn"];
            let party = ["serve", "--data", &data, "--role", role];
            Process::start(&[&party[..], &quiet, more].concat())
        };
        let vaults = vec![start("vault", &[]), start("availability-vault", &[])];
        let at =
            |party: &str, process: &Process| format!("--set={party}.listen=127.0.0.1:{}", process.port());
        let wires = [at("vault", &vaults[0]), at("availability-vault", &vaults[1])];
        let process = start("service", &[&wires[0], &wires[1]]);
        Self::of(folder, process, vaults, customers)
    }

    fn of(folder: TempDir, process: Process, vaults: Vec<Process>, customers: Vec<Customer>) -> Self {
        let service = format!("https://localhost:{}", process.service_port());
        Self { service, process, vaults, customers, folder }
    }

    fn customers() -> (TempDir, Vec<Customer>) {
        let folder = TempDir::new().expect("a folder");
        let data = text(&folder.path().join("data"));
        let customers = ["contoso", "fabrikam"].map(|name| {
            let made = json(&["tenant", "create", name, "--data", &data, "--json"]);
            let told = |value: &Value| value.as_str().expect("text").to_owned();
            let own = folder.path().join(name);
            fs::create_dir(&own).expect("a folder");
            secret(&own.join("password"), &told(&made["administrator"]["password"]));
            secret(&own.join("credential"), &told(&made["credential"]));
            Customer {
                tenant: told(&made["tenant"]["id"]),
                directory: told(&made["tenant"]["directory"]),
                user: told(&made["administrator"]["signInName"]),
                credential: text(&own.join("credential")),
                folder: own,
            }
        });
        (folder, customers.into())
    }

    fn ca(&self) -> String {
        text(&self.folder.path().join("data/tls/ca.pem"))
    }

    /// A command at the server, with the token in a file.
    fn command(&self, token: &Path, arguments: &[&str]) -> Command {
        let mut command = freehold(arguments);
        command.args(["--server", &self.service, "--token-file", &text(token)]).env("FREEHOLD_CA", self.ca());
        command
    }

    fn operator(&self, arguments: &[&str]) -> Output {
        let find = walkdir::WalkDir::new(self.folder.path().join("data")).into_iter().filter_map(Result::ok);
        let token = find.map(walkdir::DirEntry::into_path).find(|path| path.ends_with("operator.token"));
        self.command(&token.expect("the operator's token"), arguments).output().expect("it runs")
    }

    /// Signs in and keeps the token.
    fn sign_in(&self, customer: &Customer) {
        let login =
            format!("https://login.vault.localhost:{}", self.vaults.first().unwrap_or(&self.process).port());
        let (password, token) = (text(&customer.folder.join("password")), text(&customer.token()));
        let who =
            ["--directory", &customer.directory, "--user", &customer.user, "--password-file", &password];
        let asked = ["token", "--login", &login, "--ca", &self.ca(), "--out", &token];
        let signed_in = freehold(&[&asked[..], &who].concat()).output().expect("it runs");
        assert!(signed_in.status.success() && signed_in.stdout.is_empty(), "{}", said(&signed_in));
    }

    fn run(&self, customer: &Customer, arguments: &[&str]) -> Output {
        self.command(&customer.token(), arguments).output().expect("it runs")
    }

    /// A command of a customer on a holder of its own, run to a good end; what it printed.
    #[track_caller]
    fn done(&self, customer: &Customer, holder: [&str; 2], arguments: &[&str]) -> Vec<u8> {
        let place = ["--tenant", &customer.tenant, holder[0], holder[1]];
        let output = self.run(customer, &[arguments, &place].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        output.stdout
    }

    #[track_caller]
    fn done_json(&self, customer: &Customer, holder: [&str; 2], arguments: &[&str]) -> Value {
        let told = self.done(customer, holder, &[arguments, &["--json"]].concat());
        serde_json::from_slice(&told).expect("one JSON document")
    }

    #[track_caller]
    fn refused(&self, customer: &Customer, arguments: &[&str], status: i32, words: &str) {
        let output = self.run(customer, arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
        assert!(
            said(&output).contains(words) && output.stdout.is_empty(),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}

impl Customer {
    fn token(&self) -> PathBuf {
        self.folder.join("token")
    }
}

const MAILBOX: [&str; 2] = ["--mailbox", "alice@example.com"];
const SITE: [&str; 2] = ["--site", "sites/operations"];

/// Everything that a customer does with objects; `mail` is its own.
fn use_everything(world: &World, customer: &Customer, mail: &Path) {
    for (holder, from, name) in [(MAILBOX, mail, "mail"), (SITE, &samples("files"), "files")] {
        let here = tree(from);
        let import =
            |words: &[&str]| world.done_json(customer, holder, &[&["import", &text(from)], words].concat());
        let first = import(&["--create"]);
        assert_eq!((&first["imported"], &first["refused"]), (&here.len().into(), &0.into()), "{first}");
        let again = import(&[]);
        assert_eq!((&again["imported"], &again["alreadyThere"]), (&0.into(), &here.len().into()), "{again}");
        let list = world.done_json(customer, holder, &["list"]);
        assert_eq!(list["objects"].as_array().expect("a list").len(), here.len());
        let back = customer.folder.join(name);
        world.done(customer, holder, &["read", "--all", "--out", &text(&back)]);
        assert_eq!(tree(&back), here, "byte for byte");
    }
    let list = world.done_json(customer, MAILBOX, &["list"]);
    let (id, name) = (&list["objects"][0]["id"], &list["objects"][0]["name"]);
    let (id, name) = (id.as_str().expect("an id"), name.as_str().expect("a name"));
    let content = fs::read(mail.join(name)).expect("the message");
    assert_eq!(world.done(customer, MAILBOX, &["read", "--name", name]), content);
    assert_eq!(world.done(customer, MAILBOX, &["read", "--id", id, "--range", "3-9"]), content[3..10]);
    let other = customer.folder.join("other");
    fs::write(&other, vec![7; 3 << 20]).expect("written");
    let told = world.done(customer, MAILBOX, &["overwrite", "--id", id, "--version", "1", &text(&other)]);
    assert_eq!(String::from_utf8_lossy(&told), "version 2, 3145728 bytes\n");
    assert_eq!(world.done(customer, MAILBOX, &["read", "--id", id]), vec![7; 3 << 20]);
    let place = ["--tenant", &customer.tenant, MAILBOX[0], MAILBOX[1], "--id", id];
    let missing = text(&customer.folder.join("none"));
    world.refused(customer, &[&["overwrite", &missing][..], &place].concat(), 1, "none: No such file");
    let file = text(&other);
    let stale = [&["overwrite", "--version", "1", &file][..], &place].concat();
    world.refused(customer, &stale, 1, "FH3005");
    assert_eq!(
        world.done(customer, MAILBOX, &["delete", "--id", id]),
        format!("{id} is gone\n").into_bytes()
    );
    world.refused(customer, &[&["read"][..], &place].concat(), 1, "FH3004");
    let out = text(&customer.folder.join("out"));
    world.refused(customer, &[&["read", "--out", &out][..], &place].concat(), 1, "FH3004");
    assert!(!Path::new(&out).exists(), "what is refused leaves nothing");
}

#[test]
fn two_tenants_use_one_server_and_see_nothing_of_each_other() {
    use_and_see_nothing(&World::start());
}

#[test]
fn the_same_holds_where_each_party_is_a_process_of_its_own() {
    let world = World::start_apart();
    use_and_see_nothing(&world);
    assert_eq!(world.process.stop(), Some(0));
    world.vaults.into_iter().for_each(|vault| assert_eq!(vault.stop(), Some(0)));
}

fn use_and_see_nothing(world: &World) {
    let [contoso, fabrikam] = world.customers.as_slice() else { panic!("two customers") };
    let own_mail = fabrikam.folder.join("own");
    fs::create_dir(&own_mail).expect("a folder");
    for number in 0..300 {
        let message = format!("From: a@fabrikam.com\r\nSubject: {number}\r\n\r\nof Fabrikam alone\r\n");
        fs::write(own_mail.join(format!("{number}.eml")), message).expect("written");
    }
    for (customer, mail) in [(contoso, samples("mail")), (fabrikam, own_mail)] {
        world.sign_in(customer);
        let list = [&["list", "--tenant", &customer.tenant][..], &MAILBOX].concat();
        world.refused(customer, &list, 1, "FH3004");
        let enrol = ["enrol", "--credential-file", &customer.credential];
        let enrolled = world.run(customer, &enrol);
        let told = String::from_utf8_lossy(&enrolled.stdout).into_owned();
        assert!(
            told.contains(&customer.tenant) && told.contains("administrator"),
            "{told}{}",
            said(&enrolled)
        );
        world.refused(customer, &enrol, 1, "FH3003");
        use_everything(world, customer, &mail);
    }
    // Each is enrolled, and the other's tenant does not exist for it.
    for (one, other) in [(contoso, fabrikam), (fabrikam, contoso)] {
        for command in
            [&["list"][..], &["read", "--name", "1-plain.eml"], &["import", &text(&samples("mail"))]]
        {
            let place = ["--tenant", &other.tenant, MAILBOX[0], MAILBOX[1]];
            world.refused(one, &[command, &place].concat(), 1, "FH3004");
        }
    }
    let left = world.done_json(contoso, MAILBOX, &["list"]);
    let names = left["objects"].as_array().expect("a list").iter().map(|object| object["name"].as_str());
    assert!(names.flatten().all(|name| samples("mail").join(name).exists()), "its own alone: {left}");
}

#[test]
fn the_operator_makes_and_lists_tenants_and_opens_nothing() {
    let world = World::start();
    let directory = "11111111-1111-4111-8111-111111111111";
    let create = ["tenant", "create", "Northwind", "--domain", "northwind.example"];
    let homeless = world.operator(&create);
    assert_eq!(homeless.status.code(), Some(2), "{}", said(&homeless));
    assert!(said(&homeless).contains("--directory"), "{}", said(&homeless));
    let made = world.operator(&[&create[..], &["--directory", directory, "--json"]].concat());
    let made: Value = serde_json::from_slice(&made.stdout).expect("one JSON document");
    assert!(made["credential"].as_str().is_some_and(|text| text.starts_with("fhin_")), "a credential");
    assert_eq!(made["tenant"]["directory"], directory);
    let listed = world.operator(&["tenant", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("one JSON document");
    let listed = listed["tenants"].as_array().expect("a list");
    assert_eq!(listed.len(), 3);
    assert!(listed.contains(&made["tenant"]));
    let contoso = &world.customers[0].tenant;
    let opened = world.operator(&[&["list", "--tenant", contoso][..], &MAILBOX].concat());
    assert_eq!(opened.status.code(), Some(1), "{}", said(&opened));
}

#[test]
fn an_administrator_invites_lists_and_removes_people_and_the_operator_invites_the_first_one_alone() {
    let world = World::start();
    let customer = &world.customers[0];
    let of = ["--tenant", customer.tenant.as_str()];
    let first = world.operator(&[&["people", "invite", "--first"][..], &of].concat());
    assert!(first.stdout.starts_with(b"fhin_"), "{}", said(&first));
    world.sign_in(customer);
    let enrolled = world.run(customer, &["enrol", "--credential-file", &customer.credential]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    let again = world.operator(&[&["people", "invite", "--first"][..], &of].concat());
    assert!(said(&again).contains("FH3005"), "{}", said(&again));
    let people = |words: &[&str]| world.run(customer, &[&["people"], words, &of].concat());
    let invited = people(&["invite", "--role", "auditor", "--role", "reader"]);
    assert!(invited.stdout.starts_with(b"fhin_"), "{}", said(&invited));
    let wrong = people(&["invite", "--role", "king"]);
    assert!(wrong.status.code() == Some(2) && said(&wrong).contains("auditor"), "{}", said(&wrong));
    let listed: Value =
        serde_json::from_slice(&people(&["list", "--json"]).stdout).expect("one JSON document");
    let listed = listed["people"].as_array().expect("people");
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(listed.len(), 1);
    let last = people(&["remove", "--person", id]);
    assert!(said(&last).contains("last administrator"), "{}", said(&last));
}

#[test]
fn a_server_is_not_trusted_without_its_authority_and_a_token_not_shown_to_others() {
    let world = World::start();
    let customer = &world.customers[0];
    let list = [&["list", "--tenant", &customer.tenant][..], &MAILBOX].concat();
    secret(&customer.token(), "no-token-of-anybody");
    world.refused(customer, &list, 1, "FH3002");
    let mut stranger = world.command(&customer.token(), &list);
    let stranger = stranger.env_remove("FREEHOLD_CA").output().expect("it runs");
    assert_eq!(stranger.status.code(), Some(1));
    assert!(
        said(&stranger).contains("is not trusted") && said(&stranger).contains("--ca"),
        "{}",
        said(&stranger)
    );
    let mut both = world.command(&customer.token(), &[&list[..], &["--data", "elsewhere"]].concat());
    let both = both.output().expect("it runs");
    assert_eq!(both.status.code(), Some(2), "{}", said(&both));
    allow(&customer.token(), 0o644);
    world.refused(customer, &list, 1, "chmod 600");
    let mut in_environment = freehold(&[&list[..], &["--server", &world.service]].concat());
    in_environment.env("FREEHOLD_CA", world.ca()).env("FREEHOLD_TOKEN", "another");
    assert!(said(&in_environment.output().expect("it runs")).contains("FH3002"));
    allow(&customer.token(), 0o600);
    let (service, ca) = (world.service.clone(), world.ca());
    assert_eq!(world.process.stop(), Some(0));
    let mut gone = freehold(&[&list[..], &["--server", &service, "--ca", &ca]].concat());
    let gone = gone.args(["--token-file", &text(&customer.token())]).output().expect("it runs");
    assert_eq!(gone.status.code(), Some(3), "an outage: {}", said(&gone));
}
