//! A file of 2 GiB, streamed in and out: every byte comes back, and the memory stays that of a few blobs.

use std::fs;

#[path = "engine/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use bytes::Bytes;
use freehold_workloads::{BLOB, Content, Item, Kind, Outcome};
use futures::{StreamExt, stream};

use support::{World, caller, noise};

/// 2 GiB and a few bytes.
const SIZE: u64 = (2 << 30) + 12_345;
/// How much more memory the process may have held at its highest than before the import.
const ALLOWED: u64 = 200 << 20;

/// A piece of a known content that is never in memory as a whole.
fn piece(number: u64) -> Bytes {
    let start = number * BLOB as u64;
    let len = (SIZE - start).min(BLOB as u64) as usize;
    let mut bytes = vec![number as u8; len];
    bytes[..1024.min(len)].copy_from_slice(&noise(number, 1024.min(len)));
    bytes.into()
}

/// The most memory that the process has held so far.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[tokio::test]
async fn two_gibibytes_are_imported_and_read_with_the_memory_of_a_few_blobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::disk(1, folder.path()).await;
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let before = peak();

    let pieces = stream::iter((0..SIZE.div_ceil(BLOB as u64)).map(|number| Ok(piece(number))));
    let item = Item { path: b"film".to_vec(), kind: Kind::File, content: Content::Stream(pieces.boxed()) };
    let (ended, told) = world.import_told(&me, &alice, vec![item]).await;
    assert_eq!(ended.expect("it runs").imported, 1);
    let Outcome::Imported { object, .. } = told[0].outcome else { panic!("{told:?}") };

    let download = world.engine.read(&me, alice.id, object, None).await.expect("it opens");
    assert_eq!(download.entry.size, SIZE);
    let mut read = 0;
    let mut pieces = Box::pin(download.into_stream()).enumerate();
    while let Some((number, bytes)) = pieces.next().await {
        let bytes = bytes.expect("it reads");
        assert!(bytes == piece(number as u64), "blob {number}");
        read += bytes.len() as u64;
    }
    assert_eq!(read, SIZE);
    let range = SIZE - 30..SIZE;
    let end = world.engine.read(&me, alice.id, object, Some(range)).await.expect("it opens").bytes().await;
    let last = piece(SIZE / BLOB as u64);
    assert_eq!(end.expect("it reads"), last[last.len() - 30..]);

    let used = peak() - before;
    assert!(used < ALLOWED, "{} MiB for {} MiB", used >> 20, SIZE >> 20);
}
