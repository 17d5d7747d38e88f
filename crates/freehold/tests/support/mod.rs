//! What tests of the binary share: running it, a tenant on a data folder, and files as they lie on the disk.

#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod own;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use walkdir::WalkDir;

/// The binary with these arguments.
pub(crate) fn freehold(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    command.args(arguments);
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    freehold(arguments).output().expect("the binary runs")
}

/// Runs it to a good end, and reads its JSON document.
#[track_caller]
pub(crate) fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// A data folder with one tenant.
pub(crate) struct Data {
    pub(crate) folder: PathBuf,
    pub(crate) tenant: String,
}

impl Data {
    pub(crate) fn new(folder: PathBuf) -> Self {
        let made = json(&["tenant", "create", "Contoso", "--data", &text(&folder), "--json"]);
        let tenant = made["tenant"]["id"].as_str().expect("an id").to_owned();
        Self { folder, tenant }
    }

    /// A command on a mailbox of the tenant.
    pub(crate) fn on_mailbox(&self, command: &str, more: &[&str]) -> Command {
        let data = text(&self.folder);
        let place = [command, "--data", &data, "--tenant", &self.tenant, "--mailbox", "alice@contoso.com"];
        freehold(&[&place, more].concat())
    }

    /// The same, run to a good end; what it printed.
    #[track_caller]
    pub(crate) fn mailbox(&self, command: &str, more: &[&str]) -> Vec<u8> {
        let output = self.on_mailbox(command, more).output().expect("the binary runs");
        assert!(output.status.success(), "{command} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[track_caller]
    pub(crate) fn mailbox_json(&self, command: &str, more: &[&str]) -> Value {
        serde_json::from_slice(&self.mailbox(command, &[more, &["--json"]].concat()))
            .expect("one JSON document")
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a path of the tests is text").to_owned()
}

/// Every file below a folder, by its path there.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = WalkDir::new(folder).into_iter().map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.file_type().is_file());
    let named = |path: &Path| text(path.strip_prefix(folder).expect("below the folder"));
    files.map(|entry| (named(entry.path()), fs::read(entry.path()).expect("its bytes"))).collect()
}

/// A copy of a folder with everything in it; what is private stays private.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in WalkDir::new(from) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.path().strip_prefix(from).expect("below the folder"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            fs::set_permissions(&target, entry.metadata().expect("metadata").permissions()).expect("rights");
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
