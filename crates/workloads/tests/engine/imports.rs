//! Import: everything once, in order, byte for byte, and again without doing it twice.

use std::io::Cursor;

use bytes::Bytes;
use freehold_workloads::{BATCH_BYTES, BATCH_ITEMS, Content, INLINE, Item, Kind, Outcome};
use futures::{StreamExt, stream};
use model::refusal::Code;

use crate::support::{World, caller, item, message, name, noise};

fn again(bytes: Vec<u8>) -> Content {
    let bytes = Bytes::from(bytes);
    Content::again(move || Ok(Box::new(Cursor::new(bytes.clone()))))
}

fn streamed(bytes: Vec<u8>) -> Content {
    let pieces: Vec<_> = bytes.chunks(100_003).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Content::Stream(stream::iter(pieces).boxed())
}

/// Messages and files of every size, as bytes, files and streams; more than two batches.
fn sources() -> Vec<(String, Kind, Vec<u8>)> {
    let mut all = Vec::new();
    for number in 0..300 {
        all.push((format!("mail/{number}.eml"), Kind::Message, message(number, 200 + number * 7)));
    }
    for (at, size) in [
        (3, INLINE),
        (7, INLINE - 1),
        (40, 3 << 20),
        (90, BATCH_BYTES),
        (95, BATCH_BYTES + 1),
        (160, 9 << 20),
        (161, 5 << 20),
    ] {
        all.insert(at, (format!("files/{size}"), Kind::File, noise(size as u64, size)));
    }
    all
}

fn items(way: usize) -> Vec<Item> {
    let item = |(at, (path, kind, bytes)): (usize, (String, Kind, Vec<u8>))| {
        let content = match (at + way) % 3 {
            0 => bytes.into(),
            1 => again(bytes),
            _ => streamed(bytes),
        };
        Item { path: path.into_bytes(), kind, content }
    };
    sources().into_iter().enumerate().map(item).collect()
}

#[tokio::test]
async fn everything_comes_in_once_in_order_and_byte_for_byte() {
    for way in 0..3 {
        let (world, _) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        let (ended, told) = world.import_told(&caller(1), &alice, items(way)).await;
        let summary = ended.expect("nothing stops it");
        let sources = sources();
        assert_eq!((summary.imported, summary.marked, summary.refused), (sources.len() as u64, 0, 0));
        assert!(told.iter().map(|one| one.index).eq(0..sources.len() as u64));

        let listed = world.all(&caller(1), &alice).await;
        assert_eq!(listed.len(), sources.len());
        for ((one, entry), (path, kind, bytes)) in told.iter().zip(&listed).zip(&sources) {
            assert_eq!(one.outcome, Outcome::Imported { object: entry.id, mark: None });
            assert_eq!((entry.kind, entry.size), (*kind, bytes.len() as u64));
            assert_eq!(entry.details.as_ref().expect("they open").name, name(path));
            assert!(world.content(&caller(1), &alice, entry.id).await.as_ref() == Ok(bytes), "{path}");
        }

        let (ended, told) = world.import_told(&caller(1), &alice, items(way + 1)).await;
        let summary = ended.expect("nothing stops it");
        assert_eq!((summary.imported, summary.already_there), (0, sources.len() as u64));
        for (one, entry) in told.iter().zip(&listed) {
            assert_eq!(one.outcome, Outcome::AlreadyThere { object: entry.id });
        }
        assert_eq!(world.all(&caller(1), &alice).await, listed);
    }
}

#[tokio::test]
async fn a_second_run_of_a_large_file_writes_nothing() {
    let (world, faults) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let bytes = noise(1, 9 << 20);
    world
        .import(&caller(1), &alice, vec![item("film", Kind::File, again(bytes.clone()))])
        .await
        .expect("it runs");
    let (commits, blobs) = (faults.commits(), world.blob_names().await);
    for content in [again(bytes.clone()), bytes.clone().into()] {
        let summary = world.import(&caller(1), &alice, vec![item("film", Kind::File, content)]).await;
        assert_eq!(summary.expect("it runs").already_there, 1);
    }
    assert_eq!((faults.commits(), world.blob_names().await), (commits, blobs.clone()));
    // A stream is only known once it was read; nothing of it stays.
    let summary = world.import(&caller(1), &alice, vec![item("film", Kind::File, streamed(bytes))]).await;
    assert_eq!(summary.expect("it runs").already_there, 1);
    assert_eq!(world.blob_names().await, blobs);
}

#[tokio::test]
async fn the_same_file_twice_in_one_import_is_there_once() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let mut items: Vec<Item> =
        (0..2 * BATCH_ITEMS).map(|n| item(&n.to_string(), Kind::Message, message(n, 200))).collect();
    // In the same batch, in the one that is being committed, and long after.
    for at in [5, BATCH_ITEMS + 5, 2 * BATCH_ITEMS] {
        items.insert(at, item("0", Kind::Message, message(0, 200)));
    }
    let total = items.len() as u64;
    let (ended, told) = world.import_told(&caller(1), &alice, items).await;
    let summary = ended.expect("nothing stops it");
    assert_eq!((summary.imported, summary.already_there), (total - 3, 3));
    let Outcome::Imported { object, .. } = told[0].outcome else { panic!("{:?}", told[0]) };
    for at in [5, BATCH_ITEMS + 5, 2 * BATCH_ITEMS] {
        assert_eq!(told[at].outcome, Outcome::AlreadyThere { object }, "{at}");
    }
}

#[tokio::test]
async fn the_same_path_with_other_content_and_the_same_content_at_another_path_are_other_objects() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let run = async |path: &str, byte: u8| {
        let summary = world.import(&caller(1), &alice, vec![item(path, Kind::File, vec![byte; 10])]).await;
        summary.expect("it runs").imported
    };
    assert_eq!((run("a", 1).await, run("a", 2).await, run("b", 1).await, run("a", 1).await), (1, 1, 1, 0));
}

#[tokio::test]
async fn a_deleted_object_is_brought_in_again_and_an_overwritten_one_is_not() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let items = || vec![item("a", Kind::File, vec![1]), item("b", Kind::File, vec![2])];
    world.import(&me, &alice, items()).await.expect("it runs");
    let listed = world.all(&me, &alice).await;
    world.engine.delete(&me, alice.id, listed[0].id, None).await.expect("it is deleted");
    let replacement = freehold_workloads::Replacement {
        name: None,
        version: None,
        content: Bytes::from_static(b"mine").into(),
    };
    world.engine.overwrite(&me, alice.id, listed[1].id, replacement).await.expect("it is replaced");
    let summary = world.import(&me, &alice, items()).await.expect("it runs");
    assert_eq!((summary.imported, summary.already_there), (1, 1));
    assert_eq!(world.content(&me, &alice, listed[1].id).await, Ok(b"mine".to_vec()));
}

#[tokio::test]
async fn a_full_disk_stops_the_import_and_a_second_run_goes_on() {
    let (world, faults) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let total = 3 * BATCH_ITEMS;
    let items =
        || (0..total).map(|n| item(&n.to_string(), Kind::Message, message(n, 300))).collect::<Vec<_>>();
    let mut seen = 0;
    let full = faults.clone();
    let stopped = world
        .engine
        .import(&caller(1), alice.id, stream::iter(items()), |_| {
            seen += 1;
            if seen == 1 {
                full.fill();
            }
        })
        .await
        .expect_err("the disk is full");
    assert_eq!(stopped.refusal.code, Code::DiskFull);
    assert_eq!(stopped.summary.imported, seen);
    assert_eq!(world.all(&caller(1), &alice).await.len() as u64, seen);
    faults.free();
    let summary = world.import(&caller(1), &alice, items()).await.expect("there is space again");
    assert_eq!((summary.already_there, summary.imported), (seen, total as u64 - seen));
}

#[tokio::test]
async fn two_imports_of_the_same_files_at_once_bring_each_in_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::disk(1, folder.path()).await;
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let me = caller(1);
    let (one, two) = futures::join!(world.import(&me, &alice, items(0)), world.import(&me, &alice, items(1)));
    let (one, two) = (one.expect("it runs"), two.expect("it runs"));
    let total = sources().len() as u64;
    assert_eq!(one.imported + two.imported, total);
    assert_eq!(one.already_there + two.already_there, total);
    let listed = world.all(&caller(1), &alice).await;
    assert_eq!(listed.len() as u64, total);
    let mut names: Vec<_> =
        listed.iter().map(|entry| entry.details.clone().expect("they open").name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len() as u64, total);
    let in_blobs = sources().into_iter().filter(|(_, _, bytes)| bytes.len() >= INLINE);
    let blobs: usize = in_blobs.map(|(_, _, bytes)| bytes.len().div_ceil(freehold_workloads::BLOB)).sum();
    assert_eq!(world.blob_names().await.len(), blobs);
}

#[tokio::test]
async fn what_is_durable_is_told_while_the_next_items_are_still_to_come() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let (told, hears) = tokio::sync::oneshot::channel();
    let message = |n: usize| item(&n.to_string(), Kind::Message, message(n, 300));
    let first = stream::iter((0..BATCH_ITEMS).map(message));
    let second = stream::once(async move {
        hears.await.expect("it is told of the first batch");
        message(BATCH_ITEMS)
    });
    let mut told = Some(told);
    let told = |one: &freehold_workloads::Acknowledged| {
        if one.index + 1 == BATCH_ITEMS as u64 {
            told.take().expect("once").send(()).expect("the items wait for it");
        }
    };
    let summary = world.engine.import(&caller(1), alice.id, first.chain(second), told).await;
    assert_eq!(summary.expect("it runs").imported, BATCH_ITEMS as u64 + 1);
}

#[tokio::test]
async fn a_batch_asks_custody_once_and_commits_once() {
    let (world, faults) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let (asked, commits) = (world.keys.asked(), faults.commits());
    let items = (0..3 * BATCH_ITEMS).map(|n| item(&n.to_string(), Kind::Message, message(n, 300))).collect();
    world.import(&caller(1), &alice, items).await.expect("it runs");
    assert_eq!((world.keys.asked() - asked, faults.commits() - commits), (3, 3));
}

#[tokio::test]
async fn the_largest_rows_still_fit_into_one_commit() {
    let (world, faults) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let commits = faults.commits();
    let items = (0..BATCH_ITEMS).map(|n| {
        // Controls take six bytes each where the details are written.
        let path = format!("{n:03}{}", "\u{1}".repeat(4093));
        let mut content = format!("From: {0}\nSubject: {0}\n\n", "\u{1}".repeat(1024)).into_bytes();
        content.resize(INLINE - 1, b'x');
        item(&path, Kind::Message, content)
    });
    let summary = world.import(&caller(1), &alice, items.collect()).await.expect("it fits");
    assert_eq!((summary.imported, faults.commits() - commits), (BATCH_ITEMS as u64, 1));
}
