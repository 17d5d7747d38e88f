//! Crashes: at every commit, before and after; what was acknowledged is there, and nothing is half there.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use freehold_workloads::{BATCH_ITEMS, BLOB, Content, Holder, INLINE, Item, Kind, Outcome, Put, Replacement};
use store::Faults;

use crate::support::{World, caller, item, message, name, noise};

/// Two batches and a half, with blobs in batches and one streamed file between them.
fn sources() -> &'static [(String, Bytes)] {
    static SOURCES: LazyLock<Vec<(String, Bytes)>> = LazyLock::new(|| {
        let mut all: Vec<(String, Bytes)> =
            (0..2 * BATCH_ITEMS + 30).map(|n| (format!("{n}.eml"), message(n, 250).into())).collect();
        for at in [2, 60, BATCH_ITEMS + 40] {
            all.insert(at, (format!("blob {at}"), noise(at as u64, INLINE + at).into()));
        }
        all.insert(BATCH_ITEMS + 10, ("film".to_owned(), noise(9, BLOB + 5).into()));
        all
    });
    &SOURCES
}

fn items() -> Vec<Item> {
    sources().iter().map(|(path, bytes)| item(path, Kind::Message, bytes.clone())).collect()
}

fn crash(faults: &Faults, after: bool, nth: u64) {
    if after { faults.crash_after(nth) } else { faults.crash_before(nth) }
}

/// Everything that can be seen must be whole, and be one of the sources.
async fn seen(world: &World, alice: &Holder) -> HashMap<model::id::ObjectId, String> {
    let sources: HashMap<&str, &Bytes> =
        sources().iter().map(|(path, bytes)| (path.as_str(), bytes)).collect();
    let mut seen = HashMap::new();
    for entry in world.all(&caller(1), alice).await {
        let name = entry.details.expect("they open").name.as_str().to_owned();
        let content = world.content(&caller(1), alice, entry.id).await.expect("it is whole");
        assert!(sources.get(name.as_str()).is_some_and(|bytes| **bytes == content), "{name}");
        seen.insert(entry.id, name);
    }
    seen
}

#[tokio::test]
async fn a_crash_at_any_commit_of_an_import_loses_nothing_and_a_second_run_completes_it() {
    let total = sources().len();
    for after in [false, true] {
        let mut crashes = 0;
        for nth in 1.. {
            let (world, faults) = World::memory(1);
            let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
            crash(&faults, after, nth);
            let (ended, told) = world.import_told(&caller(1), &alice, items()).await;
            faults.restart();
            if ended.is_ok() {
                break;
            }
            crashes += 1;
            let world = world.restarted(77);
            let there = seen(&world, &alice).await;
            for one in &told {
                let Outcome::Imported { object, .. } = &one.outcome else { panic!("{one:?}") };
                assert_eq!(there.get(object), Some(&sources()[one.index as usize].0), "crash {nth}");
            }
            let summary = world.import(&caller(1), &alice, items()).await.expect("it runs to its end");
            assert_eq!(summary.already_there as usize, there.len(), "crash {nth}");
            assert_eq!(summary.imported as usize, total - there.len(), "crash {nth}");
            assert_eq!(seen(&world, &alice).await.len(), total);
            // What the crash left of the first run is orphans, and only that.
            world.engine.sweep().await.expect("a sweep");
            assert_eq!(world.blob_names().await.len(), 3 + 2);
            assert_eq!(seen(&world, &alice).await.len(), total);
        }
        assert!(crashes >= 4, "{crashes}");
    }
}

#[tokio::test]
async fn a_crash_at_any_commit_of_an_overwrite_leaves_one_version_or_the_other() {
    let (old, new) = (noise(1, BLOB + 9), noise(2, 2 * BLOB + 9));
    let mut outcomes = Vec::new();
    for (after, nth) in [(false, 1), (true, 1), (false, 2)] {
        let (world, faults) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        let object = world.put(&caller(1), &alice, "plan", &old).await.id;
        crash(&faults, after, nth);
        let replacement =
            Replacement { name: Some(name("new plan")), version: None, content: new.clone().into() };
        let written = world.engine.overwrite(&caller(1), alice.id, object, replacement).await;
        faults.restart();
        let content = world.content(&caller(1), &alice, object).await.expect("it is whole");
        assert!(content == old || content == new);
        assert!(written.is_err() || content == new);
        let entry = world.all(&caller(1), &alice).await.remove(0);
        let is_new = content == new;
        let bears = entry.details.expect("they open").name;
        assert_eq!(bears, name(if is_new { "new plan" } else { "plan" }));
        assert_eq!(world.engine.find(&caller(1), alice.id, &bears).await.expect("a lookup").len(), 1);
        world.engine.sweep().await.expect("a sweep");
        assert_eq!(world.blob_names().await.len(), if is_new { 3 } else { 2 });
        assert!(world.content(&caller(1), &alice, object).await == Ok(content));
        outcomes.push((written.is_ok(), is_new));
    }
    assert_eq!(outcomes, [(false, false), (false, true), (true, true)]);
}

#[tokio::test]
async fn a_crash_of_a_put_or_a_delete_is_all_or_nothing() {
    for after in [false, true] {
        let (world, faults) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        let content = noise(1, BLOB + 9);
        crash(&faults, after, 1);
        let put = Put { name: name("film"), kind: Kind::File, content: content.clone().into() };
        world.engine.put(&caller(1), alice.id, put).await.expect_err("it crashed");
        faults.restart();
        let listed = world.all(&caller(1), &alice).await;
        assert_eq!(listed.len(), usize::from(after));
        for entry in listed {
            assert!(world.content(&caller(1), &alice, entry.id).await.as_ref() == Ok(&content));
        }

        let object = world.put(&caller(1), &alice, "other", &content).await.id;
        crash(&faults, after, 1);
        world.engine.delete(&caller(1), alice.id, object, None).await.expect_err("it crashed");
        faults.restart();
        assert_eq!(world.content(&caller(1), &alice, object).await.is_ok(), !after);
        let found = world.engine.find(&caller(1), alice.id, &name("other")).await.expect("a lookup");
        assert_eq!(found.len(), usize::from(!after));
        world.engine.sweep().await.expect("a sweep");
        assert_eq!(world.blob_names().await.len(), 2);
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_write_leaves_orphans_alone() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let (hangs, hanging) = tokio::sync::oneshot::channel();
    let pieces = futures::stream::iter([Ok(Bytes::from(noise(1, 2 * BLOB)))]);
    let end = futures::stream::once(async move {
        hangs.send(()).expect("the test waits");
        std::future::pending().await
    });
    let content = Content::Stream(Box::pin(futures::StreamExt::chain(pieces, end)));
    let put = Put { name: name("film"), kind: Kind::File, content };
    let (engine, id) = (world.engine.clone(), alice.id);
    let writing = tokio::spawn(async move { engine.put(&caller(1), id, put).await });
    hanging.await.expect("it has begun");
    writing.abort();
    writing.await.expect_err("it was killed");
    assert_eq!(world.all(&caller(1), &alice).await, []);
    world.engine.sweep().await.expect("a sweep");
    assert_eq!(world.blob_names().await, [""; 0]);
}
