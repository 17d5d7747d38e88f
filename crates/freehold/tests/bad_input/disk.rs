//! A disk that is really full: every command says so with one status, a deletion makes room, and an import that was
//! stopped by it keeps what it had told of and goes on.
//!
//! Each test runs itself again inside a user namespace with a small file system of its own. Where the machine does not
//! allow that, it says so on standard error, past the harness that keeps the words of a test that passes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Data, text, tree};

/// Names, for a child, the folder that its small disk is mounted on; what lies beside it is on the large one.
const FOLDER: &str = "SMALL_DISK_OF_A_TEST";
const MOUNT: &str = r#"mount -t tmpfs -o size=64m tmpfs "$1" || exit 77; exec "$2" "$3" --exact --nocapture"#;
/// What the shell ends with if it may not mount.
const NO_MOUNT: i32 = 77;

/// Runs a test of this file again with a small disk.
#[track_caller]
fn on_a_small_disk(child: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("made");
    let output = Command::new("unshare")
        .args(["--user", "--mount", "--map-root-user", "sh", "-c", MOUNT, "sh"])
        .args([&disk, &std::env::current_exe().expect("this test")])
        .arg(format!("disk::{child}"))
        .env(FOLDER, &disk)
        .output();
    let unchecked = |why: &str| {
        let _ = writeln!(std::io::stderr(), "NOT CHECKED, a full disk ({child}): {why}");
    };
    let Ok(output) = output else { return unchecked("no `unshare` on this machine") };
    let (told, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NO_MOUNT) || faults.starts_with("unshare:") {
        return unchecked(&format!("this machine allows no file system of our own: {faults}"));
    }
    assert!(told.contains("small disk: done"), "{}\n{told}\n{faults}", output.status);
}

fn small_disk() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Takes all space but so many bytes, to the last block.
fn fill(disk: &Path, but: usize) {
    let spare = disk.join("spare");
    fs::write(&spare, vec![1; but]).expect("written");
    let mut filler = File::create(disk.join("filler")).expect("made");
    while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    fs::remove_file(spare).expect("removed");
}

#[test]
fn on_a_full_disk_one_thing_is_deleted_and_the_rest_goes_on() {
    on_a_small_disk("child_that_deletes");
}

#[test]
fn child_that_deletes() {
    let Some(disk) = small_disk() else { return };
    let data = Data::new(disk.join("data"));
    let big = disk.join("big");
    fs::write(&big, vec![7; 9_000_000]).expect("written");
    data.mailbox("import", &["--create", &text(&big)]);
    fill(&disk, 0);
    let refused = || {
        let full = data.on_mailbox("import", &[&text(&big)]).output().expect("it runs");
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(full.status.code(), Some(3), "{said}");
        assert!(said.contains("FH2003") && said.contains("freehold delete"), "{said}");
    };
    refused();
    // Whoever looks for what to delete finds it, and what looking gave back is nobody's need to delete.
    let id = data.mailbox_json("list", &[])["objects"][0]["id"].as_str().expect("an id").to_owned();
    let mut filler = File::create(disk.join("more")).expect("made");
    while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    refused();
    data.mailbox("delete", &["--id", &id]);
    assert!(data.mailbox_json("list", &[])["objects"].as_array().expect("a list").is_empty());
    println!("small disk: done");
}

/// Messages of the import that fills the disk.
const MESSAGES: usize = 1000;
/// Space that the import finds: not enough for all.
const SPACE: usize = 6_000_000;

#[test]
fn an_import_that_fills_the_disk_keeps_what_it_told_of_and_goes_on_when_there_is_space() {
    on_a_small_disk("child_that_imports");
}

#[test]
fn child_that_imports() {
    let Some(disk) = small_disk() else { return };
    let mail = disk.with_file_name("mail");
    fs::create_dir(&mail).expect("a folder");
    for number in 0..MESSAGES {
        // Some lie in rows, some in blobs, and two are streamed.
        let lines = match number {
            500 | 900 => 200_000,
            _ => 10 + number % 7 * 60,
        };
        let body = format!("line {number} of a letter that nobody has read\r\n").repeat(lines);
        let message = format!("Subject: letter {number}\r\n\r\n{body}");
        fs::write(mail.join(format!("{number:04}.eml")), message).expect("written");
    }
    let source = tree(&mail);
    let data = Data::new(disk.join("data"));
    data.mailbox("import", &["--create", &text(&mail.join("0001.eml"))]);
    data.mailbox(
        "delete",
        &["--id", data.mailbox_json("list", &[])["objects"][0]["id"].as_str().expect("an id")],
    );
    fill(&disk, SPACE);

    let import = |expected: i32| -> Value {
        let output = data.on_mailbox("import", &["--json", &text(&mail)]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    };
    let stopped = import(3);
    let why = stopped["stopped"].as_str().expect("why");
    assert!(why.contains("FH2003") && why.contains("Free space") && why.contains("freehold delete"), "{why}");
    let told = stopped["imported"].as_u64().expect("a count");
    assert!(told > 0 && told < MESSAGES as u64, "{stopped:#}");
    println!("{told} of {MESSAGES} came in: {why}");

    let listed = data.mailbox_json("list", &[])["objects"].as_array().expect("a list").len();
    assert_eq!(listed as u64, told, "also while the disk is full");
    fs::remove_file(disk.join("filler")).expect("removed");
    let list = data.mailbox_json("list", &[]);
    let list = list["objects"].as_array().expect("a list");
    assert_eq!(list.len() as u64, told, "what was told of is there, and nothing else");
    let name = list[list.len() - 1]["name"].as_str().expect("a name");
    assert!(data.mailbox("read", &["--name", name]) == source[name], "{name}");
    let reserve = fs::metadata(data.folder.join("service/reserve")).expect("a reserve");
    assert_eq!(reserve.len(), freehold::reserve::RESERVE_BYTES as u64, "it is whole again");
    let resumed = import(0);
    assert_eq!(
        (&resumed["alreadyThere"], &resumed["imported"]),
        (&told.into(), &(MESSAGES as u64 - told).into())
    );
    let back = disk.with_file_name("back");
    data.mailbox("read", &["--all", "--out", &text(&back)]);
    assert!(tree(&back) == source, "every message once, byte for byte");
    println!("small disk: done");
}
