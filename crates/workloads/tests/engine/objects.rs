//! Objects: written, read whole and in ranges, listed, found, replaced and deleted.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use freehold_workloads::{BLOB, Content, Holder, INLINE, Kind, Put, Replacement};
use futures::{StreamExt, TryStreamExt, stream};
use model::refusal::Code;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::support::{World, caller, message, name, noise};

#[tokio::test]
async fn every_byte_comes_back_whatever_the_size() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    for size in [0, 1, INLINE - 1, INLINE, INLINE + 1, BLOB - 1, BLOB, BLOB + 1, 2 * BLOB + 12_345] {
        let content = noise(size as u64, size);
        let written = world.put(&caller(1), &alice, "some/file", &content).await;
        assert_eq!((written.size, written.version), (size as u64, 1));
        assert!(world.content(&caller(1), &alice, written.id).await == Ok(content), "{size} bytes");
    }
}

#[tokio::test]
async fn content_may_come_as_a_stream_or_from_something_that_is_opened_again() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let bytes = Bytes::from(noise(3, BLOB + 70_000));
    let pieces: Vec<_> = bytes.chunks(65_521).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let file = bytes.clone();
    for content in [
        Content::Stream(stream::iter(pieces).boxed()),
        Content::again(move || Ok(Box::new(std::io::Cursor::new(file.clone())))),
    ] {
        let put = Put { name: name("x"), kind: Kind::File, content };
        let written = world.engine.put(&caller(1), alice.id, put).await.expect("it is stored");
        let download = world.engine.read(&caller(1), alice.id, written.id, None).await.expect("it opens");
        let pieces: Vec<Bytes> = download.into_stream().try_collect().await.expect("it reads");
        assert!(pieces.concat() == bytes);
        assert!(pieces.iter().all(|piece| piece.len() <= BLOB));
    }
}

#[tokio::test]
async fn a_message_shows_what_its_header_says() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    for size in [300, INLINE, BLOB + 1] {
        let content = message(7, size);
        let put = Put { name: name("inbox/7.eml"), kind: Kind::Message, content: content.clone().into() };
        let written = world.engine.put(&caller(1), alice.id, put).await.expect("it is stored");
        assert_eq!(written.mark, None);
        let entry = world.engine.read(&caller(1), alice.id, written.id, None).await.expect("it opens").entry;
        let details = entry.details.expect("they open");
        assert_eq!(details.name, name("inbox/7.eml"));
        assert_eq!(details.subject.as_deref(), Some("message number 7"));
        assert_eq!(details.from.as_deref(), Some("Sender 7 <sender7@contoso.com>"));
        assert_eq!((entry.kind, entry.size), (Kind::Message, content.len() as u64));
    }
}

#[tokio::test]
async fn a_list_is_in_the_order_of_arrival_and_by_pages() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let mut put = Vec::new();
    for number in 0..8 {
        put.push(world.put(&caller(1), &alice, &format!("file {}", 9 - number), b"x").await.id);
    }
    let listed = world.all(&caller(1), &alice).await;
    assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), put);
    let first = listed[0].details.clone().expect("they open");
    assert_eq!(first.name, name("file 9"));
}

#[tokio::test]
async fn a_name_finds_every_object_that_bears_it_and_no_other() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let (one, two) =
        (world.put(&caller(1), &alice, "a/b", b"1").await, world.put(&caller(1), &alice, "a/b", b"2").await);
    let other = world.put(&caller(1), &alice, "a/B", b"3").await;
    let found = async |text: &str| {
        let entries = world.engine.find(&caller(1), alice.id, &name(text)).await.expect("a lookup");
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(found("a/b").await, [one.id, two.id]);
    assert_eq!(found("a/B").await, [other.id]);
    assert_eq!(found("a").await, []);

    let renamed = Replacement { name: Some(name("c")), version: None, content: Bytes::new().into() };
    world.engine.overwrite(&caller(1), alice.id, one.id, renamed).await.expect("it is replaced");
    world.engine.delete(&caller(1), alice.id, other.id, None).await.expect("it is deleted");
    assert_eq!(found("a/b").await, [two.id]);
    assert_eq!(found("c").await, [one.id]);
    assert_eq!(found("a/B").await, []);
}

#[tokio::test]
async fn an_overwrite_gives_a_new_version_and_takes_the_old_bytes_away() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let first = world.put(&caller(1), &alice, "plan", &noise(1, BLOB + 5)).await;
    assert_eq!(world.blob_names().await.len(), 2);
    for (version, size) in [(2, 3 * INLINE), (3, 10), (4, BLOB + 1)] {
        let content = noise(u64::from(version), size);
        let replacement =
            Replacement { name: None, version: Some(version - 1), content: content.clone().into() };
        let written = world.engine.overwrite(&caller(1), alice.id, first.id, replacement).await;
        let written = written.expect("it is replaced");
        assert_eq!((written.id, written.version, written.size), (first.id, version, size as u64));
        assert!(world.content(&caller(1), &alice, first.id).await == Ok(content));
    }
    assert_eq!(world.blob_names().await.len(), 2);
    let entries = world.all(&caller(1), &alice).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].details.as_ref().map(|details| &details.name), Ok(&name("plan")));
}

#[tokio::test]
async fn an_overwrite_of_another_version_than_expected_is_refused_and_leaves_nothing() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let first = world.put(&caller(1), &alice, "plan", b"first").await;
    let stale = Replacement { name: None, version: Some(7), content: noise(1, INLINE).into() };
    let refused = world.engine.overwrite(&caller(1), alice.id, first.id, stale).await;
    assert_eq!(refused.expect_err("another version").code, Code::Conflict);
    assert_eq!(world.content(&caller(1), &alice, first.id).await, Ok(b"first".to_vec()));
    assert_eq!(world.blob_names().await, [""; 0]);
}

#[tokio::test]
async fn of_two_overwrites_at_once_one_wins_and_the_other_leaves_nothing() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let first = world.put(&caller(1), &alice, "plan", b"first").await;
    let (slow, fast) = (noise(1, INLINE), noise(2, INLINE));
    // The slow one has read the row when the fast one begins and ends.
    let (started, starts) = tokio::sync::oneshot::channel();
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let bytes = Bytes::from(slow);
    let content = stream::once(async move {
        started.send(()).expect("the test waits");
        gate.await.expect("the test lets it go");
        Ok(bytes)
    });
    let replacement = Replacement { name: None, version: None, content: Content::Stream(content.boxed()) };
    let (engine, id, object) = (world.engine.clone(), alice.id, first.id);
    let slow = tokio::spawn(async move { engine.overwrite(&caller(1), id, object, replacement).await });
    starts.await.expect("it has begun");
    let replacement = Replacement { name: None, version: None, content: fast.clone().into() };
    world.engine.overwrite(&caller(1), alice.id, first.id, replacement).await.expect("it is first");
    go.send(()).expect("it waits");
    assert_eq!(slow.await.expect("no panic").expect_err("it is late").code, Code::Conflict);
    assert!(world.content(&caller(1), &alice, first.id).await == Ok(fast));
    assert_eq!(world.blob_names().await.len(), 1);
}

#[tokio::test]
async fn a_version_that_is_replaced_while_it_is_read_ends_in_a_conflict() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let content = noise(1, 2 * BLOB);
    let first = world.put(&caller(1), &alice, "plan", &content).await;
    let mut reader = world.engine.read(&caller(1), alice.id, first.id, None).await.expect("it opens");
    assert!(reader.next().await.expect("the first blob").expect("a piece") == content[..BLOB]);
    let replacement = Replacement { name: None, version: None, content: noise(2, 2 * BLOB).into() };
    world.engine.overwrite(&caller(1), alice.id, first.id, replacement).await.expect("it is replaced");
    assert_eq!(reader.next().await.expect_err("the version is gone").code, Code::Conflict);

    let mut reader = world.engine.read(&caller(1), alice.id, first.id, Some(5..9)).await.expect("it opens");
    world.engine.delete(&caller(1), alice.id, first.id, None).await.expect("it is deleted");
    assert_eq!(reader.next().await.expect_err("the object is gone").code, Code::NotFound);
}

#[tokio::test]
async fn a_deleted_object_is_gone_with_all_its_bytes() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let large = world.put(&caller(1), &alice, "large", &noise(1, BLOB + 1)).await;
    let small = world.put(&caller(1), &alice, "small", b"x").await;
    world.engine.delete(&caller(1), alice.id, large.id, None).await.expect("it is deleted");
    let gone = world.content(&caller(1), &alice, large.id).await;
    assert_eq!(gone.expect_err("it is deleted").code, Code::NotFound);
    let again = world.engine.delete(&caller(1), alice.id, large.id, None).await;
    assert_eq!(again.expect_err("it is deleted").code, Code::NotFound);
    assert_eq!(world.blob_names().await, [""; 0]);
    assert_eq!(world.all(&caller(1), &alice).await.len(), 1);
    assert_eq!(world.content(&caller(1), &alice, small.id).await, Ok(b"x".to_vec()));
}

#[tokio::test]
async fn every_write_is_in_the_log_of_the_tenant_with_ids_alone() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let written = world.put(&caller(1), &alice, "planted-name", b"planted-body").await;
    let replacement = Replacement { name: None, version: None, content: Bytes::new().into() };
    world.engine.overwrite(&caller(1), alice.id, written.id, replacement).await.expect("it is replaced");
    world.engine.delete(&caller(1), alice.id, written.id, None).await.expect("it is deleted");
    let log = world.store.audit(&caller(1).tenant.to_string(), 0, 100).await.expect("a log");
    let operations: Vec<&str> = log.iter().map(|record| record.operation.as_str()).collect();
    assert_eq!(operations, ["Create holder", "Put object", "Overwrite object", "Delete object"]);
    for record in log {
        let words: serde_json::Value = serde_json::from_slice(&record.body).expect("JSON");
        let me = caller(1);
        assert_eq!(words["userId"], me.principal.to_string());
        assert_eq!(words["requestId"], me.request.to_string());
        assert_eq!(words["containerId"], alice.id.to_string());
        let body = String::from_utf8(record.body).expect("JSON");
        assert!(body.contains(&alice.id.to_string()) && !body.contains("planted"), "{body}");
    }
}

/// One object of two blobs and a half for all range cases.
fn ranged() -> &'static (Runtime, World, Holder, model::id::ObjectId, Vec<u8>) {
    static RANGED: OnceLock<(Runtime, World, Holder, model::id::ObjectId, Vec<u8>)> = OnceLock::new();
    RANGED.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let (world, _) = World::memory(5);
        let content = noise(5, 2 * BLOB + BLOB / 2);
        let (alice, written) = runtime.block_on(async {
            let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
            let written = world.put(&caller(1), &alice, "large", &content).await;
            (alice, written)
        });
        (runtime, world, alice, written.id, content)
    })
}

/// Places around the borders of chunks and blobs, and anywhere.
fn places() -> impl Strategy<Value = u64> {
    let near = |border: u64| (0..=4u64).prop_map(move |off| (border + off).saturating_sub(2));
    prop_oneof![
        near(0),
        near(INLINE as u64),
        near(BLOB as u64),
        near(2 * BLOB as u64),
        near(2 * BLOB as u64 + BLOB as u64 / 2),
        0..3 * BLOB as u64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_range_is_the_slice_of_the_whole(start in places(), end in places()) {
        let (runtime, world, alice, object, content) = ranged();
        let size = content.len() as u64;
        let read = runtime.block_on(async {
            world.engine.read(&caller(1), alice.id, *object, Some(start..end)).await?.bytes().await
        });
        if start >= end || start >= size {
            prop_assert_eq!(read.expect_err("no such range").code, Code::BadRequest);
        } else {
            let (start, end) = (start as usize, end.min(size) as usize);
            prop_assert!(read.expect("a range") == content[start..end]);
        }
    }
}

/// What a user may do to one mailbox.
#[derive(Debug, Clone)]
enum Deed {
    Put(u8, usize),
    Overwrite(u8, Option<u8>, usize),
    Delete(u8),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let size = || prop_oneof![0..300usize, INLINE - 2..INLINE + 2, INLINE..3 * INLINE];
    let deed = prop_oneof![
        3 => (0..6u8, size()).prop_map(|(name, size)| Deed::Put(name, size)),
        2 => (any::<u8>(), proptest::option::of(0..6u8), size())
            .prop_map(|(which, name, size)| Deed::Overwrite(which, name, size)),
        1 => any::<u8>().prop_map(Deed::Delete),
    ];
    proptest::collection::vec(deed, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_mailbox_holds_what_a_map_would_hold(deeds in deeds()) {
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (world, _) = World::memory(8);
            let me = caller(1);
            let alice = world.mailbox(&me, "alice@contoso.com").await;
            let mut expected = BTreeMap::new();
            for (seed, deed) in deeds.into_iter().enumerate() {
                let which = |number: u8, map: &BTreeMap<_, _>| {
                    let at = usize::from(number) % map.len().max(1);
                    map.keys().nth(at).copied()
                };
                match deed {
                    Deed::Put(number, size) => {
                        let (text, content) = (format!("name {number}"), noise(seed as u64, size));
                        let written = world.put(&me, &alice, &text, &content).await;
                        expected.insert(written.id, (text, content));
                    }
                    Deed::Overwrite(number, to, size) => {
                        let Some(object) = which(number, &expected) else { continue };
                        let content = noise(seed as u64, size);
                        let to = to.map(|number| format!("name {number}"));
                        let replacement = Replacement {
                            name: to.as_deref().map(name),
                            version: None,
                            content: content.clone().into(),
                        };
                        world.engine.overwrite(&me, alice.id, object, replacement).await.expect("it is replaced");
                        let entry = expected.get_mut(&object).expect("it is there");
                        *entry = (to.unwrap_or_else(|| entry.0.clone()), content);
                    }
                    Deed::Delete(number) => {
                        let Some(object) = which(number, &expected) else { continue };
                        world.engine.delete(&me, alice.id, object, None).await.expect("it is deleted");
                        expected.remove(&object);
                    }
                }
            }
            let listed = world.all(&me, &alice).await;
            assert_eq!(
                listed.iter().map(|entry| entry.id).collect::<Vec<_>>(),
                expected.keys().copied().collect::<Vec<_>>()
            );
            for (entry, (text, content)) in listed.iter().zip(expected.values()) {
                assert_eq!(entry.details.as_ref().expect("they open").name, name(text));
                assert!(world.content(&me, &alice, entry.id).await.as_ref() == Ok(content));
            }
            for number in 0..6 {
                let text = format!("name {number}");
                let found = world.engine.find(&me, alice.id, &name(&text)).await.expect("a lookup");
                let found: Vec<_> = found.into_iter().map(|entry| entry.id).collect();
                let bearing = expected.iter().filter(|(_, (bears, _))| *bears == text).map(|(id, _)| *id);
                assert_eq!(found, bearing.collect::<Vec<_>>());
            }
            let in_blobs = expected.values().filter(|(_, content)| content.len() >= INLINE).count();
            assert_eq!(world.blob_names().await.len(), in_blobs);
        });
    }
}
