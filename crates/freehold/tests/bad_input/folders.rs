//! A data folder of a newer program, and one that a process holds which is no node of it.

use std::fs::File;
use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::support::{Data, run, text, tree};

/// Every database of a data folder.
const DATABASES: [&str; 4] =
    ["service/service.sqlite", "wraps/wraps.sqlite", "vault/vault.sqlite", "availability-vault/vault.sqlite"];

/// Every command that opens all parties of a folder, and how it ended.
fn each_command(data: &Data, mail: &Path) -> Vec<(String, Output)> {
    outputs(data, mail, |_| true)
}

/// The same, of those commands that are wanted.
fn outputs(data: &Data, mail: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Output)> {
    let folder = text(&data.folder);
    let place = ["--tenant", &data.tenant, "--mailbox", "alice@contoso.com"];
    let mail = text(mail);
    let commands: [(&[&str], &[&str]); 7] = [
        (
            &["serve", "--set", "vault.listen=127.0.0.1:0", "--set", "availability-vault.listen=127.0.0.1:0"],
            &[],
        ),
        (&["list"], &place),
        (&["read", "--name", "1.eml"], &place),
        (&["import", &mail], &place),
        (&["tenant", "list"], &[]),
        (&["tenant", "create", "Fabrikam"], &[]),
        (&["doctor"], &[]),
    ];
    let run = |(command, place): &(&[&str], &[&str])| {
        (command[0].to_owned(), run(&[*command, place, &["--data", &folder]].concat()))
    };
    commands.iter().filter(|(command, _)| wanted(command[0])).map(run).collect()
}

/// Everything that it printed.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn with_one_message(folder: &TempDir) -> (Data, std::path::PathBuf) {
    let mail = folder.path().join("1.eml");
    std::fs::write(&mail, "Subject: x\r\n\r\ny").expect("written");
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&mail)]);
    (data, mail)
}

#[test]
fn a_database_of_a_newer_program_is_named_by_every_command_and_not_touched() {
    let folder = TempDir::new().expect("a folder");
    let (data, mail) = with_one_message(&folder);
    for database in DATABASES {
        let path = data.folder.join(database);
        let set = |version: u32| {
            let connection = Connection::open(&path).expect("a database");
            let known =
                connection.query_row("SELECT version FROM schema", [], |row| row.get(0)).expect("a row");
            connection.execute("UPDATE schema SET version = ?1", [version]).expect("written");
            known
        };
        let known = set(99);
        let before = tree(&data.folder.join("service/blobs"));
        for (command, output) in each_command(&data, &mail) {
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{command} {database}: {said}");
            let named = said.contains(database) && said.contains("version 99");
            assert!(named && said.contains("use the newer program"), "{command} {database}: {said}");
        }
        assert_eq!(tree(&data.folder.join("service/blobs")), before);
        assert_eq!(set(known), 99, "{database}: nobody wrote over it");
    }
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), b"Subject: x\r\n\r\ny", "nothing is lost");
}

#[test]
fn a_folder_of_a_newer_format_is_named_by_every_command_and_not_touched() {
    let folder = TempDir::new().expect("a folder");
    let (data, mail) = with_one_message(&folder);
    for party in ["service", "vault", "availability-vault"] {
        let marker = data.folder.join(party).join("freehold.json");
        let known = std::fs::read(&marker).expect("a marker");
        std::fs::write(&marker, r#"{"format":99}"#).expect("written");
        for (command, output) in each_command(&data, &mail) {
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{command} {party}: {said}");
            assert!(
                said.contains(&format!("data/{party}: ")) && said.contains("version 99"),
                "{command}: {said}"
            );
        }
        std::fs::write(&marker, known).expect("restored");
    }
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), b"Subject: x\r\n\r\ny", "nothing is lost");
}

#[test]
fn a_folder_that_a_stranger_holds_is_refused_without_blame_for_the_last_node() {
    let folder = TempDir::new().expect("a folder");
    let (data, mail) = with_one_message(&folder);
    for party in ["service", "vault", "availability-vault"] {
        let path = data.folder.join(party).join("freehold.lock");
        let last = std::fs::read_to_string(&path).expect("the last node's process");
        let lock = File::open(&path).expect("a lock file");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
        for (command, output) in each_command(&data, &mail) {
            let said = said(&output);
            // The doctor looks at everything else, and cannot tell whether the vaults can be reached.
            let expected = if command == "doctor" { 0 } else { 3 };
            assert_eq!(output.status.code(), Some(expected), "{command} {party}: {said}");
            assert!(!said.contains(&format!("process {last} ")), "{command} {party}: {said}");
            assert!(said.contains(&format!("`fuser {}`", path.display())), "{command} {party}: {said}");
        }
    }
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), b"Subject: x\r\n\r\ny", "nothing is lost");
}

#[test]
fn a_database_that_a_stranger_holds_is_named_and_everything_goes_on_when_he_leaves() {
    let folder = TempDir::new().expect("a folder");
    let (data, mail) = with_one_message(&folder);
    for (database, command) in DATABASES.into_iter().zip(["import", "list", "serve", "doctor"]) {
        let path = data.folder.join(database);
        let stranger = Connection::open(&path).expect("a database");
        stranger.execute_batch("BEGIN EXCLUSIVE").expect("nobody else is there");
        // One command each, because each waits as long as a lock may last.
        for output in outputs(&data, &mail, |one| one == command) {
            let said = said(&output.1);
            let expected = if command == "doctor" { 1 } else { 3 };
            assert_eq!(output.1.status.code(), Some(expected), "{command} {database}: {said}");
            assert!(said.contains("in use") && said.contains(&text(&path)), "{command} {database}: {said}");
        }
        drop(stranger);
    }
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), b"Subject: x\r\n\r\ny", "nothing is lost");
}
