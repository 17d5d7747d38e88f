//! A disk that is really full: every command says so with one status, and a deletion makes room.
//!
//! The test runs itself again inside a user namespace with a tiny file system of its own. Where the machine does not
//! allow that, it says so.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use support::{Data, text};

const FOLDER: &str = "SMALL_DISK_OF_A_TEST";
const MOUNT: &str =
    r#"mount -t tmpfs -o size=40m tmpfs "$1" || exit 77; exec "$2" child --exact --nocapture"#;
/// What the shell ends with if it may not mount.
const NO_MOUNT: i32 = 77;

#[test]
fn on_a_full_disk_one_thing_is_deleted_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("unshare")
        .args(["--user", "--mount", "--map-root-user", "sh", "-c", MOUNT, "sh"])
        .args([folder.path(), &std::env::current_exe().expect("this test")])
        .env(FOLDER, folder.path())
        .output();
    let Ok(output) = output else { return eprintln!("not checked: no `unshare` on this machine") };
    let (told, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NO_MOUNT) || faults.starts_with("unshare:") {
        return eprintln!("not checked: this machine allows no file system of our own: {faults}");
    }
    assert!(told.contains("small disk: done"), "{}\n{told}\n{faults}", output.status);
}

#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let data = Data::new(folder.join("data"));
    let big = folder.join("big");
    fs::write(&big, vec![7; 9_000_000]).expect("written");
    data.mailbox("import", &["--create", &text(&big)]);
    let id = data.mailbox_json("list", &[])["objects"][0]["id"].as_str().expect("an id").to_owned();
    let mut filler = fs::File::create(folder.join("filler")).expect("made");
    while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    for (command, more) in [("list", vec![]), ("import", vec![text(&big)])] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let full = data.on_mailbox(command, &more).output().expect("it runs");
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(full.status.code(), Some(3), "{command}: {said}");
        assert!(said.contains("FH2003") && said.contains("freehold delete"), "{said}");
    }
    data.mailbox("delete", &["--id", &id]);
    assert!(data.mailbox_json("list", &[])["objects"].as_array().expect("a list").is_empty());
    println!("small disk: done");
}
