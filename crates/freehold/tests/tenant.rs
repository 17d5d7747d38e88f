//! `freehold tenant`: what is refused leaves nothing, a run that was cut is finished by the same command, and a wrong
//! key file is no tenant's damage.

mod support;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Data, copy, freehold, json, run, text};
use tempfile::TempDir;

/// How many creations are killed, at moments spread over the length of one.
const KILLS: u32 = 8;

fn create(data: &str) -> [&str; 8] {
    ["tenant", "create", "Fabrikam", "--domain", "fabrikam.com", "--json", "--data", data]
}

fn tenants(data: &str) -> Vec<serde_json::Value> {
    json(&["tenant", "list", "--json", "--data", data])["tenants"].as_array().expect("a list").clone()
}

#[test]
fn a_tenant_that_cannot_be_is_refused_before_anything_is_made() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    for wrong in [["--domain", "not a domain"], ["--geo", "!"], ["--entitlement", "E5\n"]] {
        let refused = run(&[&["tenant", "create", "Contoso", "--data", &data][..], &wrong].concat());
        assert_eq!(refused.status.code(), Some(1), "{wrong:?}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_domain_is_one_tenants_and_who_has_it_is_not_told() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    json(&create(&data));
    let again = run(&["tenant", "create", "Other", "--domain", "FABRIKAM.com", "--data", &data]);
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("domain: it cannot be used for this tenant"), "{said}");
    assert_eq!(tenants(&data).len(), 1);
}

#[test]
fn a_password_that_nobody_heard_is_replaced_by_the_same_command() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let unheard = freehold(&create(&data)).stdout(full).output().expect("it runs");
    assert_eq!(unheard.status.code(), Some(4));
    let said = String::from_utf8_lossy(&unheard.stderr).into_owned();
    assert!(said.contains("run the same command again"), "{said}");
    let made = tenants(&data);
    let told = json(&create(&data));
    assert_eq!(made, [told["tenant"].clone()]);
    assert!(told["administrator"]["password"].as_str().is_some_and(|password| !password.is_empty()));
    assert_eq!(run(&create(&data)).status.code(), Some(1), "what was told is over");
}

#[test]
fn a_creation_killed_at_any_moment_is_finished_by_the_same_command() {
    let folder = TempDir::new().expect("a folder");
    let fresh = Data::new(folder.path().join("fresh"));
    let rehearsal = folder.path().join("rehearsal");
    copy(&fresh.folder, &rehearsal);
    let began = Instant::now();
    json(&create(&text(&rehearsal)));
    let whole = began.elapsed();
    for kill in 0..KILLS {
        let data = folder.path().join(format!("killed-{kill}"));
        copy(&fresh.folder, &data);
        let data = text(&data);
        let mut child = freehold(&create(&data)).stdout(Stdio::null()).spawn().expect("it starts");
        // The second half is where the steps are; before it the parties start.
        std::thread::sleep(whole / 2 + whole * kill / (2 * KILLS) + Duration::from_millis(1));
        child.kill().expect("killed");
        let ended = child.wait().expect("gone").success();
        let made = tenants(&data).len();
        let again = run(&create(&data));
        // Only a run that had told its end is over.
        assert!(again.status.success() || ended || made == 2, "kill {kill}");
        let all = tenants(&data);
        assert_eq!(all.len(), 2, "kill {kill}: {all:?}");
        println!("kill {kill}: ended {ended}, {made} tenants, again {:?}", again.status.code());
    }
}

#[test]
fn a_wrong_key_file_is_named_at_the_start() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    for name in ["service/volume.key", "vault/master.key", "availability-vault/master.key"] {
        let file = data.folder.join("keys").join(name);
        let right = fs::read(&file).expect("a key");
        fs::write(&file, [7; 32]).expect("written");
        let refused = run(&["tenant", "list", "--data", &text(&data.folder)]);
        assert_eq!(refused.status.code(), Some(4), "{name}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(&format!("{} is not the key that", file.display())), "{said}");
        fs::write(&file, right).expect("restored");
    }
    assert_eq!(tenants(&text(&data.folder)).len(), 1);
}
