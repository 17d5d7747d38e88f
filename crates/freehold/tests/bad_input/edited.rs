//! Stores that somebody edited by hand: what they hold opens nothing, is called damage, and is not made anew in silence.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Data, freehold, json, run, text};

#[test]
fn a_wrap_set_edited_by_hand_opens_nothing_and_is_called_ours() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("1.eml");
    std::fs::write(&file, "Subject: x\r\n\r\ny").expect("written");
    let data = Data::new(folder.path().join("data"));
    data.mailbox("import", &["--create", &text(&file)]);
    let wraps = Connection::open(data.folder.join("wraps/wraps.sqlite")).expect("a database");
    let set = |payload: &[u8]| {
        assert_eq!(wraps.execute("UPDATE wrap_sets SET payload = ?1", [payload]).expect("written"), 1);
    };
    let query = "SELECT payload FROM wrap_sets";
    let sound: Vec<u8> = wraps.query_row(query, [], |row| row.get(0)).expect("one set");
    let at = sound.windows(10).position(|window| window == b"provider-b").expect("the second vault's name");
    let mut renamed = sound.clone();
    renamed[at..at + 10].copy_from_slice(b"stranger-b");
    let mut flipped = sound.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    for edited in [&renamed[..], &flipped, &sound[..sound.len() / 2], b""] {
        set(edited);
        for (command, more) in
            [("read", &["--name", "1.eml"][..]), ("list", &[]), ("import", &[&text(&file)])]
        {
            let refused = data.on_mailbox(command, more).output().expect("it runs");
            let said = String::from_utf8_lossy(&[&refused.stdout[..], &refused.stderr].concat()).into_owned();
            assert_eq!(refused.status.code(), Some(4), "{command}: {said}");
            assert!(said.contains("FH4001") && said.contains("wrap set"), "{command}: {said}");
        }
    }
    set(&sound);
    assert_eq!(data.mailbox("read", &["--name", "1.eml"]), b"Subject: x\r\n\r\ny", "nothing is lost");
}

#[test]
fn a_root_key_of_the_provider_that_was_lost_is_no_first_start() {
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("data"));
    let serve = ["serve", "--data", &data, "--set", "vault.listen=127.0.0.1:0"];
    let serve = [&serve[..], &["--set", "availability-vault.listen=127.0.0.1:0"]].concat();
    let mut first = freehold(&serve).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(first.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "ready"));
    first.kill().expect("killed");
    first.wait().expect("gone");

    let tenants = || run(&["tenant", "list", "--data", &data]);
    let database = folder.path().join("data/availability-vault/vault.sqlite");
    let vault = Connection::open(database).expect("a database");
    let count =
        || -> u32 { vault.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).expect("a count") };
    let lose = || {
        let kept = "CREATE TEMP TABLE kept AS SELECT * FROM keys WHERE key = 'provider-b/root'";
        vault
            .execute_batch(&format!("{kept}; DELETE FROM keys WHERE key = 'provider-b/root'"))
            .expect("deleted");
    };
    // Nothing was made under it yet: a first start that was cut goes on.
    lose();
    assert!(tenants().status.success());
    assert_eq!(count(), 2);
    vault.execute_batch("DROP TABLE kept").expect("dropped");

    json(&["tenant", "create", "Contoso", "--data", &data, "--json"]);
    lose();
    let before = count();
    let refused = tenants();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("provider-b") && said.contains("restore"), "{said}");
    assert_eq!(count(), before, "no key was made in its place");
    vault.execute_batch("INSERT INTO keys SELECT * FROM kept").expect("restored");
    assert!(tenants().status.success());
}
