//! What blobs promise, over a folder and over an object store that is no folder.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use freehold_store as store;
use futures::{TryStreamExt, stream};
use model::time::Timestamp;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use store::limits::{MAX_BLOBS, MAX_BLOBS_BYTES};
use store::{BlobName, Blobs, MAX_BLOB, StoreError};
use tempfile::TempDir;

macro_rules! both {
    ($($case:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case(store::Blobs::folder(folder.path()).await.unwrap()).await;
                super::no_leftovers(folder.path());
            })*
            use super::store;
        }
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::Blobs::memory()).await; })*
        }
    };
}

both! {
    what_was_put_is_read
    a_name_that_exists_is_replaced
    ranges_are_read
    a_stream_becomes_a_blob
    a_stream_that_fails_leaves_nothing
    deleting_is_idempotent
    age_bounds_the_list
    bounds_are_refused
    folders_come_and_go_while_blobs_are_put
}

fn name(text: &str) -> BlobName {
    text.parse().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn no_leftovers(folder: &Path) {
    assert!(files(&folder.join("staging")).is_empty(), "{:?}", files(&folder.join("staging")));
}

async fn list(blobs: &Blobs, than: i64) -> Vec<BlobName> {
    let mut found: Vec<_> = blobs.list_older(Timestamp(than)).try_collect().await.unwrap();
    found.sort();
    found
}

async fn what_was_put_is_read(blobs: Blobs) {
    let batch: Vec<_> = (0..70u32)
        .map(|i| (name(&format!("{:02x}/{i:08x}/0", i % 3)), Bytes::from(vec![i as u8; i as usize * 1000])))
        .collect();
    blobs.put_many(batch.clone()).await.unwrap();
    for (name, bytes) in &batch {
        assert_eq!(blobs.read(name).await.unwrap().as_ref(), Some(bytes), "{name}");
    }
    assert_eq!(blobs.read(&name("00/ffffffff/0")).await.unwrap(), None);
    assert_eq!(blobs.read(&name("ff/0/0")).await.unwrap(), None);
    blobs.put_many(Vec::new()).await.unwrap();
}

async fn a_name_that_exists_is_replaced(blobs: Blobs) {
    for content in ["first", "second"] {
        blobs.put_many(vec![(name("a/b"), Bytes::from(content))]).await.unwrap();
    }
    assert_eq!(blobs.read(&name("a/b")).await.unwrap().unwrap(), "second");
}

async fn ranges_are_read(blobs: Blobs) {
    let content: Vec<u8> = (0..=255).collect();
    blobs.put_many(vec![(name("a"), content.clone().into()), (name("b"), Bytes::new())]).await.unwrap();
    for range in [0..256, 0..1, 17..99, 255..256, 200..1000, 5..5, 256..300, 300..400, 1_000..2_000] {
        let end = range.end.min(256) as usize;
        let expected = content.get(range.start as usize..end).unwrap_or_default();
        let got = blobs.read_range(&name("a"), range.clone()).await.unwrap().unwrap();
        assert_eq!(got, expected, "{range:?}");
    }
    assert_eq!(blobs.read_range(&name("b"), 0..10).await.unwrap(), Some(Bytes::new()));
    assert_eq!(blobs.read_range(&name("c"), 0..10).await.unwrap(), None);
    assert_eq!(blobs.read_range(&name("c"), 7..7).await.unwrap(), None);
}

async fn a_stream_becomes_a_blob(blobs: Blobs) {
    let pieces: Vec<Bytes> = (0..300).map(|i| Bytes::from(vec![i as u8; 1 + i * 17 % 5000])).collect();
    let content = pieces.concat();
    let pushed = stream::iter(pieces).map_ok_only();
    let length = blobs.put_stream(&name("a/1"), pushed).await.unwrap();
    assert_eq!(length, content.len() as u64);
    assert_eq!(blobs.read(&name("a/1")).await.unwrap().unwrap(), content);
    let none = stream::iter(Vec::<Bytes>::new()).map_ok_only();
    assert_eq!(blobs.put_stream(&name("a/2"), none).await.unwrap(), 0);
    assert_eq!(blobs.read(&name("a/2")).await.unwrap(), Some(Bytes::new()));
}

trait MapOk: futures::Stream<Item = Bytes> + Sized {
    fn map_ok_only(self) -> impl futures::Stream<Item = Result<Bytes, StoreError>> {
        futures::StreamExt::map(self, Ok)
    }
}

impl<S: futures::Stream<Item = Bytes>> MapOk for S {}

async fn a_stream_that_fails_leaves_nothing(blobs: Blobs) {
    let broken = stream::iter([
        Ok(Bytes::from(vec![1; 1 << 20])),
        Err(StoreError::Io("the caller went away".into())),
        Ok(Bytes::from_static(b"more")),
    ]);
    let fault = blobs.put_stream(&name("a/1"), broken).await.unwrap_err();
    assert_eq!(fault, StoreError::Io("the caller went away".into()));
    let mut dropped = blobs.start(&name("a/2")).await.unwrap();
    dropped.push(&[2; 1 << 20]).await.unwrap();
    drop(dropped);
    assert!(list(&blobs, i64::MAX).await.is_empty());
    assert_eq!(blobs.read(&name("a/1")).await.unwrap(), None);
}

async fn deleting_is_idempotent(blobs: Blobs) {
    blobs.put_many(vec![(name("a/b/1"), Bytes::new()), (name("a/b/2"), Bytes::new())]).await.unwrap();
    for _ in 0..2 {
        blobs.delete(&name("a/b/1")).await.unwrap();
    }
    assert_eq!(list(&blobs, i64::MAX).await, [name("a/b/2")]);
    blobs.delete(&name("00/00")).await.unwrap();
    blobs.put_many(vec![(name("a/b/1"), Bytes::new())]).await.unwrap();
    assert_eq!(list(&blobs, i64::MAX).await, [name("a/b/1"), name("a/b/2")]);
}

async fn age_bounds_the_list(blobs: Blobs) {
    let names = ["a/1", "b/2", "b/3"].map(name);
    let batch = names.iter().map(|name| (name.clone(), Bytes::from_static(b"x"))).collect();
    blobs.put_many(batch).await.unwrap();
    assert_eq!(list(&blobs, i64::MAX).await, names);
    assert!(list(&blobs, 0).await.is_empty());
}

async fn bounds_are_refused(blobs: Blobs) {
    let misuse =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Misuse(_))), "{result:?}");
    misuse(blobs.put_many(vec![(name("a"), Bytes::from(vec![0; MAX_BLOB + 1]))]).await);
    misuse(blobs.put_many((0..=MAX_BLOBS).map(|i| (name(&format!("{i:x}")), Bytes::new())).collect()).await);
    let part = Bytes::from(vec![0; MAX_BLOB]);
    let heavy = (0..=MAX_BLOBS_BYTES / MAX_BLOB).map(|i| (name(&format!("{i:x}")), part.clone()));
    misuse(blobs.put_many(heavy.collect()).await);
    assert!(list(&blobs, i64::MAX).await.is_empty());

    let mut large = blobs.start(&name("a")).await.unwrap();
    for _ in 0..3 {
        large.push(&part).await.unwrap();
    }
    assert_eq!(large.finish().await.unwrap(), 3 * MAX_BLOB as u64);
    assert!(matches!(blobs.read(&name("a")).await, Err(StoreError::Misuse(_))), "it is read in ranges");
    assert!(matches!(blobs.read_range(&name("a"), 0..MAX_BLOB as u64 + 1).await, Err(StoreError::Misuse(_))));
    let last = blobs.read_range(&name("a"), 2 * MAX_BLOB as u64..4 * MAX_BLOB as u64 - MAX_BLOB as u64).await;
    assert_eq!(last.unwrap().unwrap().len(), MAX_BLOB);
}

/// Deletes empty the very folders that puts move into.
async fn folders_come_and_go_while_blobs_are_put(blobs: Blobs) {
    let tasks: Vec<_> = (0..4u32)
        .map(|task| {
            let blobs = blobs.clone();
            tokio::spawn(async move {
                for round in 0..40u32 {
                    let name = name(&format!("{:x}/aa/{task}{round}", round % 2));
                    blobs.put_many(vec![(name.clone(), Bytes::from_static(b"x"))]).await.unwrap();
                    assert!(blobs.read(&name).await.unwrap().is_some());
                    blobs.delete(&name).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(list(&blobs, i64::MAX).await.is_empty());
}

#[tokio::test]
async fn only_what_is_older_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).await.unwrap();
    blobs.put_many(vec![(name("a/1"), Bytes::new()), (name("a/2"), Bytes::new())]).await.unwrap();
    let old = Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
    let times = Timestamps { last_access: old, last_modification: old };
    utimensat(CWD, folder.path().join("objects/a/1"), &times, AtFlags::empty()).unwrap();
    assert!(list(&blobs, 1_000_000_000).await.is_empty(), "exactly that old is not older");
    assert_eq!(list(&blobs, 1_000_000_001).await, [name("a/1")]);
}

#[tokio::test]
async fn a_folder_is_private_and_tidy() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).await.unwrap();
    blobs.put_many(vec![(name("a/b/1"), Bytes::new()), (name("a/c/1"), Bytes::new())]).await.unwrap();
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("objects/a"), mode("objects/a/b"), mode("objects/a/b/1")), (0o700, 0o700, 0o600));
    blobs.delete(&name("a/b/1")).await.unwrap();
    assert!(!folder.path().join("objects/a/b").exists(), "an empty folder is removed");
    assert!(folder.path().join("objects/a").exists());
    blobs.delete(&name("a/c/1")).await.unwrap();
    assert!(folder.path().join("objects").exists(), "but never the folder of all blobs");
}

#[tokio::test]
async fn what_a_crash_left_is_collected_and_what_is_not_ours_is_left() {
    let folder = tempfile::tempdir().unwrap();
    drop(Blobs::folder(folder.path()).await.unwrap());
    std::fs::write(folder.path().join("staging/17"), b"half a blob").unwrap();
    std::fs::write(folder.path().join("objects/README"), b"by the operator").unwrap();
    let blobs = Blobs::folder(folder.path()).await.unwrap();
    no_leftovers(folder.path());
    assert!(list(&blobs, i64::MAX).await.is_empty(), "a file with no blob's name is no blob");
    assert!(folder.path().join("objects/README").exists());
}

#[tokio::test]
async fn one_bad_blob_of_a_batch_leaves_no_file_under_way() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).await.unwrap();
    blobs.put_many(vec![(name("a/1"), Bytes::new())]).await.unwrap();
    // a name that is a folder of another one cannot be written
    let batch =
        vec![(name("b/1"), Bytes::from_static(b"x")), (name("a"), Bytes::new()), (name("b/2"), Bytes::new())];
    assert!(matches!(blobs.put_many(batch).await, Err(StoreError::Io(_))));
    no_leftovers(folder.path());
    assert_eq!(blobs.read(&name("a/1")).await.unwrap(), Some(Bytes::new()));
}
