//! Six thousand real messages through the house: imported, read back byte for byte, and found in no file.
//!
//! The messages are no part of this repository: `cargo xtask test` installs them and names their folder.

mod support;

use std::path::{Path, PathBuf};
use std::{env, fs};

use support::{Data, text, tree};
use tempfile::TempDir;

/// Where the suite says that the messages are.
const CORPUS: &str = "XTASK_CORPUS";

#[test]
fn every_message_reads_back_byte_for_byte_and_no_word_of_it_lies_on_the_disk() {
    let Some(corpus) = env::var_os(CORPUS).map(PathBuf::from) else {
        println!("skipped: {CORPUS} names no folder of messages; `cargo xtask test` installs one");
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let (mail, back) = (folder.path().join("mail"), folder.path().join("back"));
    let messages = gather(&corpus, &mail);
    let canaries = plant(&mail);
    let data = Data::new(folder.path().join("data"));

    let imported =
        data.on_mailbox("import", &["--create", "--json", &text(&mail)]).output().expect("it runs");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&imported.stdout).expect("one JSON document");
    assert_eq!(summary["imported"], messages + canaries.len(), "{summary}");
    assert_eq!(summary["refused"], 0, "{summary}");
    println!("{} imported, {} of them marked", summary["imported"], summary["marked"]);

    data.mailbox("read", &["--all", "--out", &text(&back)]);
    let (source, read) = (tree(&mail), tree(&back));
    let equal = source.iter().filter(|(name, bytes)| read.get(*name) == Some(bytes)).count();
    assert_eq!(
        equal,
        source.len(),
        "differ or lack: {:?}",
        source.keys().find(|name| !read.contains_key(*name))
    );
    println!("{} of {messages} byte for byte", equal - canaries.len());

    for (name, bytes) in tree(&data.folder) {
        for canary in &canaries {
            assert!(!holds(&bytes, canary), "{canary} lies in {name}");
        }
    }
    for canary in &canaries {
        assert!(!holds(&imported.stderr, canary), "{canary} was logged");
    }
}

/// Every message of the corpus in one folder; how many.
fn gather(corpus: &Path, mail: &Path) -> usize {
    let messages: Vec<_> = tree(corpus).into_iter().filter(|(name, _)| name.ends_with(".txt")).collect();
    for (name, bytes) in &messages {
        let path = mail.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }
    messages.len()
}

/// Messages of our own with words that stand nowhere else: in a subject, an address, a body, an attachment, a name.
fn plant(mail: &Path) -> Vec<String> {
    let words: Vec<String> = (0..10).map(|number| format!("canary{number}quixotryvellum")).collect();
    for word in &words {
        let message = format!(
            "From: {word} <{word}@contoso.example>\r\nTo: b@contoso.example\r\nSubject: {word}\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n{word}\r\n\
             --x\r\nContent-Disposition: attachment; filename={word}.txt\r\n\r\n{word}\r\n--x--\r\n"
        );
        fs::write(mail.join(format!("{word}.eml")), message).expect("written");
    }
    words
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
