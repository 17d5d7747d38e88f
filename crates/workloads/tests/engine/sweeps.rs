//! The sweep: takes what no row names and nothing else, and never what is young.

use std::time::Duration;

use bytes::Bytes;
use freehold_workloads::{BLOB, INLINE, Replacement, Swept};
use model::time::Clock;

use crate::support::{World, caller, noise};

/// Longer ago than any write may take.
const LONG: Duration = Duration::from_secs(27 * 60 * 60);

#[tokio::test]
async fn orphans_are_removed_and_blobs_with_a_row_stay() {
    let (world, faults) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let kept = world.put(&me, &alice, "kept", &noise(1, BLOB + 1)).await;
    let replaced = world.put(&me, &alice, "replaced", &noise(2, INLINE)).await;
    // A crash before the swap leaves the new blob, one after it leaves the old one.
    for (after, seed) in [(false, 3), (true, 4)] {
        if after {
            faults.crash_after(1)
        } else {
            faults.crash_before(1)
        }
        let replacement = Replacement { name: None, version: None, content: noise(seed, INLINE).into() };
        world.engine.overwrite(&me, alice.id, replaced.id, replacement).await.expect_err("it crashed");
        faults.restart();
    }
    let foreign: store::BlobName = "00aa/11bb".parse().expect("a name");
    world.blobs.put_many(vec![(foreign.clone(), Bytes::from_static(b"not ours"))]).await.expect("a write");
    assert_eq!(world.blob_names().await.len(), 2 + 3 + 1);

    assert_eq!(world.engine.sweep().await, Ok(Swept { seen: 6, removed: 2 }));
    assert_eq!(world.engine.sweep().await, Ok(Swept { seen: 4, removed: 0 }));
    assert!(world.content(&me, &alice, kept.id).await == Ok(noise(1, BLOB + 1)));
    assert!(world.content(&me, &alice, replaced.id).await == Ok(noise(4, INLINE)));
    assert!(world.blobs.read(&foreign).await.expect("a read").is_some());
}

#[tokio::test]
async fn a_young_blob_may_still_get_its_row_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::disk(1, folder.path()).await;
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let name = format!("{}/{}/{}", me.tenant, alice.id, "0".repeat(48));
    let name: store::BlobName = name.parse().expect("a name");
    world.blobs.put_many(vec![(name, Bytes::from_static(b"young"))]).await.expect("a write");
    // The file says when it was written; the engine's clock is set beside that.
    let file = walk(folder.path()).into_iter().find(|path| path.ends_with("0".repeat(48))).expect("a file");
    let age = |ago: Duration| {
        let now = std::time::UNIX_EPOCH + Duration::from_millis(world.clock.now().0 as u64);
        let file = std::fs::File::options().write(true).open(&file).expect("it opens");
        file.set_modified(now - ago).expect("a time");
    };
    age(Duration::from_secs(24 * 60 * 60));
    assert_eq!(world.engine.sweep().await, Ok(Swept::default()));
    age(LONG);
    assert_eq!(world.engine.sweep().await, Ok(Swept { seen: 1, removed: 1 }));
}

#[tokio::test]
async fn a_write_that_outlives_the_age_of_orphans_is_refused_at_its_end() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let clock = world.clock.clone();
    let content = freehold_workloads::Content::again(move || {
        clock.advance(LONG);
        Ok(Box::new(std::io::Cursor::new(noise(1, INLINE))))
    });
    let put = freehold_workloads::Put {
        name: crate::support::name("slow"),
        kind: freehold_workloads::Kind::File,
        content,
    };
    let refused = world.engine.put(&me, alice.id, put).await.expect_err("it took too long");
    assert_eq!(refused.code, model::refusal::Code::BadRequest);
    assert_eq!(world.all(&me, &alice).await, []);
    assert_eq!(world.blob_names().await, [""; 0]);
}

/// Every file below a folder.
pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
