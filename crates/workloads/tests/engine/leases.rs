//! Leases: a "no" is obeyed at the next item or blob, and nothing half done is left behind.

use bytes::Bytes;
use freehold_workloads::{BLOB, INLINE, Kind, Outcome, Put, Replacement};
use model::refusal::Code;

use crate::support::{World, caller, item, message, name, noise};

#[tokio::test]
async fn without_a_key_nothing_is_written_read_listed_found_or_imported() {
    for code in [Code::RefusedByCustomer, Code::Outage, Code::Lying] {
        let (world, _) = World::memory(1);
        let me = caller(1);
        let alice = world.mailbox(&me, "alice@contoso.com").await;
        let written = world.put(&me, &alice, "plan", b"x").await;
        world.keys.refuse(code);
        let engine = &world.engine;
        let put = Put { name: name("x"), kind: Kind::File, content: noise(1, INLINE).into() };
        let replacement = Replacement { name: None, version: None, content: Bytes::new().into() };
        let stopped = world.import(&me, &alice, vec![item("x", Kind::File, vec![1])]).await;
        let stopped = stopped.expect_err("no key");
        assert_eq!(stopped.summary.imported, 0);
        for refusal in [
            engine.put(&me, alice.id, put).await.expect_err("no key"),
            engine.overwrite(&me, alice.id, written.id, replacement).await.expect_err("no key"),
            engine.read(&me, alice.id, written.id, None).await.err().expect("no key"),
            engine.list(&me, alice.id, None, 10).await.expect_err("no key"),
            engine.find(&me, alice.id, &name("plan")).await.expect_err("no key"),
            stopped.refusal,
        ] {
            assert_eq!(refusal.code, code, "{refusal}");
        }
        assert_eq!(world.blob_names().await, [""; 0]);
        world.keys.restore();
        assert_eq!(world.all(&me, &alice).await.len(), 1);
    }
}

#[tokio::test]
async fn data_can_be_deleted_while_its_keys_are_refused() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let written = world.put(&caller(1), &alice, "plan", &noise(1, INLINE)).await;
    world.keys.refuse(Code::RefusedByCustomer);
    world.engine.delete(&caller(1), alice.id, written.id, None).await.expect("it needs no key");
    assert_eq!(world.blob_names().await, [""; 0]);
}

#[tokio::test]
async fn a_denial_in_the_middle_of_a_download_cuts_it_at_the_next_blob() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let content = noise(1, 3 * BLOB);
    let written = world.put(&caller(1), &alice, "film", &content).await;
    for range in [None, Some(5..3 * BLOB as u64 - 5)] {
        let start = range.as_ref().map_or(0, |range| range.start as usize);
        let mut reader = world.engine.read(&caller(1), alice.id, written.id, range).await.expect("it opens");
        let first = reader.next().await.expect("the first blob").expect("a piece");
        assert!(first == content[start..BLOB]);
        world.keys.refuse(Code::RefusedByCustomer);
        assert_eq!(reader.next().await.expect_err("the lease has ended").code, Code::RefusedByCustomer);
        assert_eq!(reader.next().await.expect_err("it has still ended").code, Code::RefusedByCustomer);
        world.keys.restore();
        let second = reader.next().await.expect("access is back").expect("a piece");
        assert!(second == content[BLOB..2 * BLOB], "nothing was skipped");
    }
}

#[tokio::test]
async fn a_lease_that_merely_ended_is_renewed_and_the_stream_goes_on() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let content = noise(1, 3 * BLOB + 1);
    world.keys.end_leases_after(3, None);
    let written = world.put(&caller(1), &alice, "film", &content).await;
    let asked = world.keys.asked();
    world.keys.end_leases_after(4, None);
    assert!(world.content(&caller(1), &alice, written.id).await == Ok(content));
    assert_eq!(world.keys.asked() - asked, 2, "once to open, once to renew");
}

#[tokio::test]
async fn a_denial_at_any_moment_of_an_upload_leaves_nothing() {
    let mut refused = 0;
    for uses in 0.. {
        let (world, _) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        world.keys.end_leases_after(uses, Some(Code::RefusedByCustomer));
        let put = Put { name: name("film"), kind: Kind::File, content: noise(1, 2 * BLOB).into() };
        let written = world.engine.put(&caller(1), alice.id, put).await;
        world.keys.restore();
        match written {
            Ok(_) => break,
            Err(refusal) => assert_eq!(refusal.code, Code::RefusedByCustomer, "{uses}"),
        }
        assert_eq!(world.all(&caller(1), &alice).await, [], "{uses}");
        assert_eq!(world.blob_names().await, [""; 0], "{uses}");
        refused += 1;
    }
    assert!(refused >= 3, "asked for each blob and for the row: {refused}");
}

#[tokio::test]
async fn a_denial_at_any_item_of_an_import_keeps_what_was_acknowledged() {
    let items = || (0..150).map(|n| item(&format!("{n}.eml"), Kind::Message, message(n, 300))).collect();
    let mut stopped = 0;
    for uses in (0..).step_by(37) {
        let (world, _) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        world.keys.end_leases_after(uses, Some(Code::RefusedByCustomer));
        let (ended, told) = world.import_told(&caller(1), &alice, items()).await;
        world.keys.restore();
        let listed = world.all(&caller(1), &alice).await;
        assert_eq!(listed.len(), told.len(), "{uses}");
        let Err(ended) = ended else { break };
        assert_eq!(ended.refusal.code, Code::RefusedByCustomer);
        assert_eq!(ended.summary.imported as usize, told.len());
        let again = world.import(&caller(1), &alice, items()).await.expect("the keys are back");
        assert_eq!((again.already_there, again.imported), (told.len() as u64, 150 - told.len() as u64));
        stopped += 1;
    }
    assert!(stopped >= 3, "{stopped}");
}

#[tokio::test]
async fn leases_that_merely_end_do_not_stop_an_import() {
    for uses in [1, 5, 100, 200] {
        let (world, _) = World::memory(1);
        let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
        world.keys.end_leases_after(uses, None);
        let items = (0..150).map(|n| item(&format!("{n}.eml"), Kind::Message, message(n, 300))).collect();
        let (ended, told) = world.import_told(&caller(1), &alice, items).await;
        assert_eq!(ended.expect("keys are given").imported, 150, "{uses}");
        assert!(told.iter().all(|one| matches!(one.outcome, Outcome::Imported { .. })));
    }
}
