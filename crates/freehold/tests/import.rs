//! Import and read as an administrator uses them, and what a kill in the middle leaves.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Data, copy, run, text, tree};
use tempfile::TempDir;

/// How many imports are killed.
const KILLS: u64 = 20;
/// How many of them must have been killed between their first and their last commit.
const BETWEEN: usize = 10;
/// Messages of the import that is killed: enough for many commits.
const MESSAGES: usize = 3000;

fn write_mail(folder: &Path, messages: usize) {
    fs::create_dir_all(folder).expect("a folder");
    for number in 0..messages {
        let body = format!("line {number} of a letter that nobody has read\r\n").repeat(40);
        let text = format!("From: a@contoso.example\r\nSubject: letter {number}\r\n\r\n{body}");
        fs::write(folder.join(format!("{number:05}.eml")), text).expect("written");
    }
}

#[test]
fn a_second_run_stores_nothing_twice() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, 7);
    let data = Data::new(folder.path().join("data"));
    let first = data.mailbox_json("import", &["--create", &text(&mail)]);
    assert_eq!((&first["imported"], &first["alreadyThere"]), (&7.into(), &0.into()));
    let second = data.mailbox_json("import", &[&text(&mail)]);
    assert_eq!((&second["imported"], &second["alreadyThere"]), (&0.into(), &7.into()));
    assert_eq!(data.mailbox_json("list", &[])["objects"].as_array().expect("a list").len(), 7);
}

#[test]
fn an_object_is_read_whole_by_range_overwritten_and_deleted() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, 1);
    let source = fs::read(mail.join("00000.eml")).expect("the message");
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&mail)]);
    assert_eq!(data.mailbox("read", &["--name", "00000.eml"]), source);
    assert_eq!(data.mailbox("read", &["--name", "00000.eml", "--range", "5-9"]), source[5..10]);
    let list = data.mailbox_json("list", &[]);
    let id = list["objects"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(list["objects"][0]["subject"], "letter 0");
    let other = folder.path().join("other");
    fs::write(&other, b"other content").expect("written");
    data.mailbox("overwrite", &["--id", &id, "--version", "1", &text(&other)]);
    assert_eq!(data.mailbox("read", &["--id", &id]), b"other content");
    let stale = data.on_mailbox("overwrite", &["--id", &id, "--version", "1", &text(&other)]).output();
    let stale = stale.expect("it runs");
    assert_eq!(stale.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&stale.stderr).contains("never was"));
    let never = data.on_mailbox("overwrite", &["--id", &id, "--version", "9", &text(&other)]).output();
    let never = String::from_utf8_lossy(&never.expect("it runs").stderr).into_owned();
    assert!(never.contains("there never was a version 9") && never.contains("at 2"), "{never}");
    let beyond = data.on_mailbox("read", &["--id", &id, "--range", "13-20"]).output().expect("it runs");
    assert_eq!(beyond.status.code(), Some(1));
    let beyond = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert!(beyond.contains("has 13 bytes") && !beyond.contains("request"), "{beyond}");
    assert_eq!(data.mailbox("read", &["--id", &id, "--range", "12-20"]), b"t");
    data.mailbox("delete", &["--id", &id]);
    let gone = data.on_mailbox("read", &["--id", &id]).output().expect("it runs");
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("FH3004"));
}

#[test]
fn bad_input_is_refused_by_name_or_kept_and_marked_and_the_rest_comes_in() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, 2);
    fs::write(mail.join("empty.eml"), b"").expect("written");
    fs::write(mail.join("noise.eml"), [0xff, 0x00, 0xfe].repeat(50)).expect("written");
    fs::write(mail.join("evil\u{202e}gpj.eml"), b"Subject: x\r\n\r\ny").expect("written");
    symlink(&mail, mail.join("loop")).expect("a link");
    symlink(&mail, mail.join(OsStr::from_bytes(b"loop-\xff"))).expect("a link");
    let data = Data::new(folder.path().join("data"));
    let import = data.on_mailbox("import", &["--create", &text(&mail), "--json"]).output().expect("it runs");
    assert_eq!(import.status.code(), Some(4), "a part was skipped");
    let summary: serde_json::Value = serde_json::from_slice(&import.stdout).expect("one JSON document");
    assert_eq!(summary["stopped"], serde_json::Value::Null);
    let refused = summary["refusals"].as_array().expect("refusals");
    assert!(
        refused.iter().any(|one| one["path"].as_str().is_some_and(|path| path.ends_with("loop"))),
        "{summary}"
    );
    let seen = summary["imported"].as_u64().expect("a count") + summary["refused"].as_u64().expect("a count");
    assert_eq!(seen, 7, "{summary}");
    assert!(summary["imported"].as_u64() >= Some(4), "{summary}");
}

#[test]
fn a_read_that_is_refused_leaves_no_file_and_hides_no_reason() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, 1);
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&mail)]);
    let out = folder.path().join("out.eml");
    for _ in 0..2 {
        let missing = data.on_mailbox("read", &["--name", "none.eml", "--out", &text(&out)]).output();
        let stranger = "00000000-0000-4000-8000-000000000000";
        let refused = data.on_mailbox("read", &["--id", stranger, "--out", &text(&out)]).output();
        for output in [missing.expect("it runs"), refused.expect("it runs")] {
            assert_eq!(output.status.code(), Some(1));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!said.contains("not replaced"), "{said}");
        }
    }
    assert!(!out.exists());
    data.mailbox("read", &["--name", "00000.eml", "--out", &text(&out)]);
    assert_eq!(fs::metadata(&out).expect("there").permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(&out).expect("read"), fs::read(mail.join("00000.eml")).expect("the source"));
    let again = data.on_mailbox("read", &["--name", "00000.eml", "--out", &text(&out)]).output();
    assert!(String::from_utf8_lossy(&again.expect("it runs").stderr).contains("not replaced"));
}

#[test]
fn bytes_come_out_as_they_are_and_namesakes_are_both_filed() {
    let folder = TempDir::new().expect("a folder");
    let files = ["one", "two"].map(|name| folder.path().join(name));
    let contents = [b"\x1b[31mred\x1b[0m\xff\x00\r\n".as_slice(), b"another of the same name"];
    let data = Data::new(folder.path().join("data"));
    for (parent, content) in files.iter().zip(contents) {
        fs::create_dir(parent).expect("a folder");
        fs::write(parent.join("same.bin"), content).expect("written");
        data.mailbox("import", &["--create", &text(&parent.join("same.bin"))]);
    }
    let list = data.mailbox_json("list", &[]);
    let id = |number: usize| list["objects"][number]["id"].as_str().expect("an id").to_owned();
    assert_eq!(data.mailbox("read", &["--id", &id(0)]), contents[0]);
    let back = folder.path().join("back");
    data.mailbox("read", &["--all", "--out", &text(&back)]);
    let tree = tree(&back);
    assert_eq!((tree["same.bin"].as_slice(), tree[&id(1)].as_slice()), (contents[0], contents[1]));
    let again = data.on_mailbox("read", &["--all", "--out", &text(&back)]).output().expect("it runs");
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
}

#[test]
fn a_list_of_many_pages_is_one_document_and_nothing_is_one_too() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, 450);
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&mail)]);
    assert_eq!(data.mailbox_json("list", &[])["objects"].as_array().expect("a list").len(), 450);
    assert_eq!(String::from_utf8(data.mailbox("list", &[])).expect("text").lines().count(), 450);
    let site = ["--data", &text(&data.folder), "--tenant", &data.tenant, "--site", "empty"];
    support::json(
        &[&["import", "--json", "--create"][..], &site, &[&text(&mail.join("00000.eml"))]].concat(),
    );
    let id = support::json(&[&["list", "--json"][..], &site].concat())["objects"][0]["id"].clone();
    let gone = run(&[&["delete", "--id", id.as_str().expect("an id")][..], &site].concat());
    assert!(gone.status.success());
    assert_eq!(support::json(&[&["list", "--json"][..], &site].concat())["objects"], serde_json::json!([]));
}

#[test]
fn a_subject_cannot_forge_a_line_or_drive_the_terminal_of_whoever_lists() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    fs::create_dir_all(&mail).expect("a folder");
    // An encoded word that holds an escape sequence, a new line and a mark of direction.
    let subject = "=?utf-8?B?G1sySnplcm8KbGluZSDigK5ldmls?=";
    let message = format!("From: a@contoso.example\r\nSubject: {subject}\r\n\r\nx");
    fs::write(mail.join("one.eml"), message).expect("written");
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&mail)]);
    let listed = String::from_utf8(data.mailbox("list", &[])).expect("text");
    assert_eq!(listed.lines().count(), 1, "{listed:?}");
    assert!(!listed.contains(['\u{1b}', '\u{202e}']), "{listed:?}");
    assert!(listed.contains("evil"), "{listed:?}");
}

#[test]
fn what_cannot_be_told_is_no_success() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = support::freehold(&["tenant", "list", "--data", &text(&data.folder)]);
    let output = command.stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}

#[test]
fn a_folder_without_an_installation_is_refused_and_not_touched() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("mistyped"));
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    let (file, id) = (text(&file), "00000000-0000-4000-8000-000000000000");
    let place = ["--tenant", id, "--site", "s"];
    let commands: [&[&str]; 6] = [
        &["tenant", "list"],
        &["list"],
        &["read", "--id", id],
        &["delete", "--id", id],
        &["overwrite", "--id", id, &file],
        &["import", "--create", &file],
    ];
    for command in commands {
        let place: &[&str] = if command[0] == "tenant" { &[] } else { &place };
        let output = run(&[command, place, &["--data", &data]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains(&data) && said.contains("tenant create"), "{said}");
        assert!(!folder.path().join("mistyped").exists(), "{command:?}");
    }
    let made = run(&["tenant", "create", "Contoso", "--data", &data]);
    assert!(made.status.success());
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(said.contains("the keys of this node are in"), "{said}");
    let second = run(&["tenant", "create", "Fabrikam", "--data", &data]);
    assert_eq!(String::from_utf8_lossy(&second.stderr), "");
}

#[test]
fn a_tenant_that_does_not_exist_has_nothing() {
    let folder = TempDir::new().expect("a folder");
    let data = Data::new(folder.path().join("data"));
    let stranger = "00000000-0000-4000-8000-000000000000";
    let arguments =
        ["list", "--data", &text(&data.folder), "--tenant", stranger, "--mailbox", "alice@contoso.com"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("FH3004: there is no tenant {stranger}")), "{said}");
}

#[test]
fn an_import_killed_at_twenty_moments_loses_nothing_and_stores_nothing_twice() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    write_mail(&mail, MESSAGES);
    let source = tree(&mail);
    let fresh = Data::new(folder.path().join("fresh"));
    fresh.mailbox("import", &["--create", "--json", &text(&mail.join("00000.eml"))]);

    // One import that nobody kills tells how long there is.
    let rehearsal = Data { folder: folder.path().join("rehearsal"), tenant: fresh.tenant.clone() };
    copy(&fresh.folder, &rehearsal.folder);
    let began = Instant::now();
    rehearsal.mailbox("import", &[&text(&mail)]);
    let whole = began.elapsed();

    let seed = u64::from(std::process::id()) ^ whole.as_nanos() as u64;
    println!("seed {seed}, an import of {MESSAGES} takes {whole:?}");
    let mut random = seed;
    let mut between = 0;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = 0.25 + 0.7 * (f64::from((random >> 33) as u32) / f64::from(1_u32 << 31));
        let data =
            Data { folder: folder.path().join(format!("killed-{kill}")), tenant: fresh.tenant.clone() };
        copy(&fresh.folder, &data.folder);
        let mut import = data.on_mailbox("import", &[&text(&mail)]);
        let mut child = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * share));
        child.kill().expect("killed");
        child.wait().expect("gone");

        let kept = data.mailbox_json("list", &[])["objects"].as_array().expect("a list").len();
        between += usize::from(kept > 1 && kept <= MESSAGES);
        let again = data.mailbox_json("import", &[&text(&mail)]);
        let there = |field: &str| again[field].as_u64().expect("a count");
        // The one message of before was imported under another path.
        assert_eq!(there("imported") + there("alreadyThere"), MESSAGES as u64, "{again}");
        assert_eq!(there("alreadyThere"), kept as u64, "what was there is not stored twice: {again}");
        let back = folder.path().join("back");
        data.mailbox("read", &["--all", "--out", &text(&back)]);
        assert!(tree(&back) == source, "kill {kill} at {share:.2}: something differs");
        fs::remove_dir_all(&back).expect("removed");
        fs::remove_dir_all(&data.folder).expect("removed");
    }
    println!("{between} of {KILLS} kills between the first commit and the last");
    assert!(between >= BETWEEN, "only {between} kills hit the middle of an import");
}
