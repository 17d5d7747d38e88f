//! `freehold vault renew-master-key` on a data folder: after it, after a stop in the middle, and beside a vault that runs.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::process::Process;
use support::{Data, json, run, text};
use tempfile::TempDir;

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn both_vaults_get_new_master_keys_and_everything_opens_as_before() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    let letter = folder.path().join("1.eml");
    fs::write(&letter, "Subject: Quarter\r\n\r\nhello\r\n").expect("written");
    data.mailbox("import", &["--create", &text(&letter)]);
    let place = text(&data.folder);
    for (party, more) in [("vault", &[][..]), ("availability-vault", &["--availability"])] {
        let key = data.folder.join("keys").join(party).join("master.key");
        let before = fs::read(&key).expect("a key");
        let renewed = json(&[&["vault", "renew-master-key", "--data", &place, "--json"], more].concat());
        assert!(renewed["resealed"].as_u64() > Some(0), "{renewed}");
        assert_eq!((&renewed["resealedBefore"], &renewed["formerMasterKeys"]), (&0.into(), &1.into()));
        assert_ne!(fs::read(&key).expect("a key"), before);
        assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), fs::read(&letter).expect("the letter"));
}

#[test]
fn a_renewal_that_was_stopped_is_named_by_every_start_and_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    let place = text(&data.folder);
    // What a run leaves that is stopped right after it has made the new key.
    let next = data.folder.join("keys/vault/master.key.next");
    fs::write(&next, [7; 32]).expect("written");
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).expect("rights");
    for command in [&["tenant", "list"][..], &["serve", "--role", "vault", "--listen", "127.0.0.1:0"]] {
        let refused = run(&[command, &["--data", &place]].concat());
        assert!(
            !refused.status.success() && said(&refused).contains("renew-master-key"),
            "{}",
            said(&refused)
        );
    }
    let renewed = run(&["vault", "renew-master-key", "--data", &place, "--forget-backups"]);
    assert!(renewed.status.success(), "{}", said(&renewed));
    let told = String::from_utf8_lossy(&renewed.stdout).into_owned();
    assert!(told.contains("the master key is a new one") && told.contains("are void"), "{told}");
    assert!(!next.exists());
    assert_eq!(fs::read(next.with_extension("")).expect("the key"), [7; 32]);
    assert!(run(&["tenant", "list", "--data", &place]).status.success());
}

#[test]
fn a_vault_that_runs_keeps_its_key_and_a_folder_without_one_is_not_touched() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let renew = ["vault", "renew-master-key", "--data", &data];
    let nothing = run(&renew);
    assert_eq!(nothing.status.code(), Some(1), "{}", said(&nothing));
    assert!(said(&nothing).contains("--data") && !folder.path().join("data").exists());
    let vault = Process::start(&["serve", "--data", &data, "--role", "vault", "--listen", "127.0.0.1:0"]);
    let refused = run(&renew);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert_eq!(vault.stop(), Some(0));
    assert!(run(&renew).status.success());
}
