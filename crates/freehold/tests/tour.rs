//! The tour as a newcomer runs it: every step holds, and what it leaves behind is what it claims.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use walkdir::WalkDir;

fn tour(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_freehold");
    Command::new(binary).arg("tour").args(arguments).output().expect("the binary runs")
}

fn steps(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    document["steps"].as_array().expect("steps").clone()
}

fn failed(steps: &[Value]) -> Vec<&Value> {
    steps.iter().filter(|step| step["ok"] != true).collect()
}

/// Every byte of every file under the folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = WalkDir::new(folder).into_iter().map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().display().to_string(), fs::read(entry.path()).expect("bytes"))).collect()
}

#[test]
fn every_step_holds_on_the_samples() {
    let output = tour(&["--json"]);
    let steps = steps(&output);
    assert_eq!(failed(&steps), Vec::<&Value>::new());
    assert!(output.status.success());
    assert!(steps.len() >= 19, "{} steps", steps.len());
    // A refusal is told as whoever calls the API sees it.
    for (name, refusal) in [
        ("multi-workload", "400 FH3001 bad-request"),
        ("hold-ends", "503 FH2001 outage"),
        ("revoked", "403 FH1001 refused-by-customer"),
        ("still-revoked", "403 FH1001 refused-by-customer"),
        ("neighbour", "404 FH3004 not-found"),
    ] {
        let step = steps.iter().find(|step| step["name"] == name).expect("the step");
        assert!(step["detail"].as_str().is_some_and(|told| told.contains(refusal)), "{step}");
    }
    let lines: BTreeSet<u64> = steps
        .iter()
        .flat_map(|step| step["article"].as_array().expect("lines"))
        .filter_map(Value::as_u64)
        .collect();
    assert!(lines.iter().all(|line| (1..=117).contains(line)));
}

#[test]
fn own_mail_and_files_leave_no_word_and_no_name_in_the_data_folder() {
    let input = TempDir::new().expect("a folder");
    let (mail, documents) = (input.path().join("mail"), input.path().join("documents"));
    fs::create_dir_all(mail.join("archive")).expect("a folder");
    fs::create_dir_all(&documents).expect("a folder");
    // Words that stand nowhere else: whoever finds one of them found the input.
    let letters = |n: usize| ["qx", "vk", "jw", "zb", "fh", "pg", "dy", "mc"][n];
    let words: Vec<String> =
        (0..60).map(|n| format!("marmalade{}{}zeppelin", letters(n / 8), letters(n % 8))).collect();
    for (number, five) in words.chunks(5).enumerate() {
        let text = format!(
            "From: somebody@contoso.example\r\nSubject: {}\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n{}\r\n",
            five[0],
            five[1..].join(" and ")
        );
        fs::write(mail.join("archive").join(format!("{number}.eml")), text).expect("written");
    }
    let names = ["unpublished-merger-plan.txt", "salaries-of-everybody.csv"];
    for name in names {
        fs::write(documents.join(name), words.join("\n").repeat(400)).expect("written");
    }
    let data = input.path().join("data");
    let text = |path: &Path| path.display().to_string();
    let output =
        tour(&["--mail", &text(&mail), "--files", &text(&documents), "--data", &text(&data), "--json"]);
    let steps = steps(&output);
    assert_eq!(failed(&steps), Vec::<&Value>::new());
    let disk = steps.iter().find(|step| step["name"] == "disk").expect("a look at the disk");
    let said = disk["detail"].as_str().and_then(|detail| detail.split_once(" words, "));
    let looked_for: usize = said.and_then(|(count, _)| count.parse().ok()).expect("how many words");
    assert!(looked_for >= 50, "{disk}");

    let given: Vec<u8> =
        files(&mail).into_iter().chain(files(&documents)).flat_map(|(_, bytes)| bytes).collect();
    let stored = files(&data);
    let total: usize = stored.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total >= given.len(), "{total} bytes stored of {}", given.len());
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    for word in words.iter().map(String::as_str).chain(names) {
        assert!(names.contains(&word) || holds(&given, word), "{word} is not in the input");
        for (file, bytes) in &stored {
            assert!(!holds(bytes, word), "{word} lies in {file}");
        }
    }
}

#[test]
fn a_folder_that_is_in_use_is_refused_before_the_first_step() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let made = Command::new(env!("CARGO_BIN_EXE_freehold"))
        .args(["tenant", "create", "Contoso", "--data", &data])
        .output();
    assert!(made.expect("the binary runs").status.success());
    let output = tour(&["--data", &data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("plays on a new folder"));
}

#[test]
fn input_without_words_is_searched_for_by_its_lines() {
    let input = TempDir::new().expect("a folder");
    let (mail, files) = (input.path().join("1.eml"), input.path().join("2.csv"));
    fs::write(&mail, "From: a@b.example\r\n\r\nok\r\n").expect("written");
    fs::write(&files, "1;2;3;4;5;6;7;8;9\n9;8;7;6;5;4;3;2;1\n").expect("written");
    let output =
        tour(&["--mail", &mail.display().to_string(), "--files", &files.display().to_string(), "--json"]);
    let steps = steps(&output);
    assert_eq!(failed(&steps), Vec::<&Value>::new());
    let disk = steps.iter().find(|step| step["name"] == "disk").expect("a look at the disk");
    assert!(disk["detail"].as_str().is_some_and(|told| told.contains("2 words")), "{disk}");
}

#[test]
fn input_that_cannot_be_read_is_named_before_anything_is_made() {
    // A file of every process, which has nothing at its beginning that can be read.
    let output = tour(&["--files", "/proc/self/mem"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/proc/self/mem: "), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_interrupted_tour_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a folder");
    let keys = || {
        let mut found = fs::read_dir(folder.path()).expect("a folder");
        found.any(|entry| entry.expect("an entry").path().join("keys/service/volume.key").exists())
    };
    for signal in ["-INT", "-TERM"] {
        let mut tour = Command::new(env!("CARGO_BIN_EXE_freehold"));
        tour.arg("tour").env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut tour = tour.spawn().expect("the binary runs");
        while !keys() {
            assert!(tour.try_wait().expect("a child").is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        let sent = Command::new("kill").args([signal, &tour.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        assert_eq!(tour.wait().expect("it ends").code(), Some(130), "{signal}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "{signal}");
    }
}

#[test]
fn a_path_that_is_not_there_is_said_before_anything_is_made() {
    let folder = TempDir::new().expect("a folder");
    let (absent, data) = (folder.path().join("absent"), folder.path().join("data"));
    let output = tour(&["--mail", &absent.display().to_string(), "--data", &data.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent"));
    assert!(!data.exists());
}
