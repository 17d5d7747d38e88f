//! Canaries: words planted in mail and files stand nowhere under the data folder and in no log.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use freehold_workloads::{BLOB, INLINE, Kind, Replacement};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{World, caller, item, name, noise};
use crate::sweeps::walk;

const CANARIES: &[&str] = &["zanzibar-subject", "zanzibar-sender", "zanzibar-body", "zanzibar-name"];

/// Keeps every field of every event of the process.
struct Everything(Arc<Mutex<String>>);

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut log = self.0.lock().expect("no test panics while it logs");
        writeln!(log, "{field}={value:?}").expect("a string takes everything");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Everything(self.0.clone()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Everything(self.0.clone()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Everything(self.0.clone()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn planted(number: usize, len: usize) -> Vec<u8> {
    let mut text = format!(
        "From: zanzibar-sender <zanzibar-sender@contoso.com>\r\nSubject: zanzibar-subject {number}\r\n\r\n"
    )
    .into_bytes();
    while text.len() < len {
        text.extend_from_slice(b"zanzibar-body and some more words\r\n");
    }
    text
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[tokio::test]
async fn no_planted_word_reaches_the_disk_or_a_log() {
    let log = Arc::new(Mutex::new(String::new()));
    tracing::subscriber::set_global_default(Everything(log.clone())).expect("the only one of this process");
    let folder = tempfile::tempdir().expect("a folder");
    let mut sources = Vec::new();
    {
        let world = World::disk(1, folder.path()).await;
        let me = caller(1);
        let alice = world.mailbox(&me, "alice@contoso.com").await;
        for number in 0..200 {
            let len = if number % 40 == 7 { 2 * INLINE } else { 400 };
            sources.push((format!("zanzibar-name/{number}.eml"), planted(number, len)));
        }
        sources.push(("zanzibar-name/film".to_owned(), planted(200, BLOB + 100)));
        let items = || {
            let item = |(path, bytes): &(String, Vec<u8>)| item(path, Kind::Message, bytes.clone());
            let mut items: Vec<_> = sources.iter().map(item).collect();
            items.push(crate::support::item("zanzibar-name/../x", Kind::Message, planted(9, 400)));
            items
        };
        let summary = world.import(&me, &alice, items()).await.expect("it runs");
        assert_eq!((summary.imported, summary.refused), (201, 1));
        assert!(!format!("{summary:?}").contains("zanzibar"));

        let listed = world.all(&me, &alice).await;
        for (entry, (path, bytes)) in listed.iter().zip(&sources) {
            assert_eq!(entry.details.as_ref().expect("they open").name.as_str(), path);
            assert!(world.content(&me, &alice, entry.id).await.as_ref() == Ok(bytes), "{path}");
        }
        let replacement = Replacement {
            name: Some(name("zanzibar-name/new")),
            version: None,
            content: planted(1, 500).into(),
        };
        world.engine.overwrite(&me, alice.id, listed[0].id, replacement).await.expect("it is replaced");
        world.engine.delete(&me, alice.id, listed[1].id, None).await.expect("it is deleted");
        world.engine.find(&me, alice.id, &name("zanzibar-name/new")).await.expect("a lookup");
        // Damage is logged with ids alone.
        let blob: store::BlobName = world.blob_names().await[0].parse().expect("a name");
        world.blobs.put_many(vec![(blob, noise(1, 500).into())]).await.expect("a write");
        for entry in &listed[2..] {
            let _ = world.content(&me, &alice, entry.id).await;
        }
        search(folder.path(), &sources);
    }
    // Once more after the database was closed and its journal moved into it.
    search(folder.path(), &sources);
    let log = log.lock().expect("no test panics while it logs");
    assert!(log.contains("object="), "damage is logged");
    for canary in CANARIES {
        assert!(!log.contains(canary), "{canary} is in a log");
    }
}

/// Every file must be free of canaries; the same search finds all of them in the input.
fn search(folder: &std::path::Path, sources: &[(String, Vec<u8>)]) {
    for canary in CANARIES {
        let in_source =
            |(path, bytes): &(String, Vec<u8>)| path.contains(canary) || holds(bytes, canary.as_bytes());
        assert!(sources.iter().all(in_source), "{canary} was planted");
    }
    let mut total = 0;
    for path in walk(folder) {
        let bytes = std::fs::read(&path).expect("a file");
        total += bytes.len();
        for canary in CANARIES {
            assert!(!holds(&bytes, canary.as_bytes()), "{canary} is in {}", path.display());
            assert!(!path.to_string_lossy().contains(canary), "{canary} is in a name");
        }
    }
    let given: usize = sources.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(total >= given, "{total} bytes on disk for {given}");
}
