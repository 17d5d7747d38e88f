//! A wrap set that somebody edited by hand: it opens nothing, it is called damage, and no vault takes it for the policy's.

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Data, text};

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
