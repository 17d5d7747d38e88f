//! Names that mislead, are too long or lead in a circle, in folders that are imported.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Data, json, run, text, tree};

/// How deep `deep` goes: beyond the 4,096 bytes of a path that one call of the system takes.
const DEPTH: usize = 30;

/// Makes a file so deep below the folder that its path cannot be said in one call.
fn deep(folder: &Path) {
    let name = "d".repeat(200);
    let step = format!("mkdir {name} && cd -P {name} || exit 1\n");
    let script = format!("{}echo deep > file.eml", step.repeat(DEPTH));
    let made = Command::new("sh").args(["-c", &script]).current_dir(folder).status().expect("a shell");
    assert!(made.success());
}

#[test]
fn odd_names_of_a_folder_come_in_as_they_are_or_are_refused_by_name() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    // 4,000 bytes of a name, in segments that a file system allows.
    let long = Path::new(&"n".repeat(199)).to_owned();
    let long = (0..19).fold(long.clone(), |path, _| path.join(&long));
    assert_eq!(text(&long).len(), 3_999);
    let short = |path: &Path| text(path).len() < 3_000;
    let good = [
        "\u{202e}gpj.eml",
        "line\nend.eml",
        "\u{1b}[2J.eml",
        "..eml",
        "a..b.eml",
        "\u{200f}.eml",
        "C:\\x.eml",
    ];
    fs::create_dir(&mail).expect("a folder");
    for name in good {
        fs::write(mail.join(name), format!("Subject: s\r\n\r\n{name}")).expect("written");
    }
    let half = long.ancestors().find(|path| short(path)).expect("a part of it");
    fs::create_dir_all(mail.join(half)).expect("folders");
    fs::write(mail.join(half).join("long.eml"), "Subject: s\r\n\r\nlong").expect("written");
    deep(&mail);
    symlink("loop", mail.join("loop")).expect("a link");
    symlink(".", mail.join("here")).expect("a link");
    symlink("/etc/passwd", mail.join("..passwd")).expect("a link");
    let bytes = mail.join(OsStr::from_bytes(b"caf\xe9.eml"));
    fs::write(&bytes, "Subject: s\r\n\r\ncoffee").expect("written");

    let data = Data::new(folder.path().join("data"));
    let import = data.on_mailbox("import", &["--create", "--json", &text(&mail)]).output().expect("it runs");
    assert_eq!(import.status.code(), Some(4), "a part was skipped");
    let summary: Value = serde_json::from_slice(&import.stdout).expect("one JSON document");
    assert_eq!((&summary["imported"], &summary["refused"]), (&8.into(), &5.into()), "{summary:#}");
    let refusals = summary["refusals"].as_array().expect("refusals");
    let why = |end: &str| {
        let of = |one: &&Value| one["path"].as_str().is_some_and(|path| path.ends_with(end));
        refusals.iter().find(of).and_then(|one| one["why"].as_str()).unwrap_or_default()
    };
    for link in ["/loop", "/here", "/..passwd"] {
        assert_eq!(why(link), "it is no file; links are not followed", "{link}");
    }
    assert!(why("\u{fffd}.eml").contains("name: it must be UTF-8 text"), "{summary:#}");
    assert!(why(&"d".repeat(200)).contains("File name too long"), "{summary:#}");

    let told = data.on_mailbox("import", &[&text(&mail)]).output().expect("it runs");
    let told = String::from_utf8(told.stdout).expect("text");
    assert_eq!(told.lines().count(), 6, "no name forges a line: {told}");
    let list = String::from_utf8(data.mailbox("list", &[])).expect("text");
    assert!(!list.contains(['\u{202e}', '\u{1b}', '\u{200f}']) && list.lines().count() == 8, "{list}");
    let back = folder.path().join("back");
    data.mailbox("read", &["--all", "--out", &text(&back)]);
    let back = tree(&back);
    for name in good {
        assert_eq!(data.mailbox("read", &["--name", name]), format!("Subject: s\r\n\r\n{name}").as_bytes());
        assert!(back.values().any(|content| content.ends_with(name.as_bytes())), "{name:?}");
    }
    assert_eq!(back.len(), 8);
}

#[test]
fn a_name_that_is_asked_for_is_refused_with_the_field_and_the_rule() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    let file = folder.path().join("1.eml");
    fs::write(&file, "Subject: s\r\n\r\nx").expect("written");
    data.mailbox("import", &["--create", &text(&file)]);
    let long = "n".repeat(5000);
    for (name, rule) in
        [("../1.eml", "`..`"), ("/1.eml", "`..`"), ("", "must not be empty"), (&long, "4,096 bytes")]
    {
        let refused = data.on_mailbox("read", &["--name", name]).output().expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("FH3001: name: ") && said.contains(rule), "{said}");
    }
    let many = format!("{}@contoso.com", "a".repeat(4000));
    for (flag, name) in [("--mailbox", "a\u{202e}b@contoso.com"), ("--mailbox", &many), ("--site", "a/../b")]
    {
        let data = text(&data.folder);
        let tenant = json(&["tenant", "list", "--json", "--data", &data])["tenants"][0]["id"].clone();
        let tenant = tenant.as_str().expect("an id");
        let command = ["import", "--create", "--data", &data, "--tenant", tenant, flag, name, &text(&file)];
        let refused = run(&command);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("FH3001: {}: ", &flag[2..])), "{said}");
    }
}

#[test]
fn a_circle_of_links_that_is_named_itself_is_called_one() {
    let folder = TempDir::new().expect("a folder");
    let circle = folder.path().join("circle");
    symlink("circle", &circle).expect("a link");
    let data = Data::new(folder.path().join("data"));
    let refused = data.on_mailbox("import", &["--create", &text(&circle)]).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&text(&circle)) && said.contains("symbolic links"), "{said}");
    for setting in [format!("data={}", text(&circle)), format!("keys.folder={}", text(&circle))] {
        let refused = run(&["tenant", "create", "Contoso", "--set", &setting, "--data", &text(&circle)]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("symbolic links"), "{setting}: {said}");
    }
}
