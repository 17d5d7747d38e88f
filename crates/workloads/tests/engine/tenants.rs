//! Two tenants: what one has does not exist for the other.

use bytes::Bytes;
use freehold_workloads::{HolderKind, Kind, Put, Replacement};
use model::refusal::Code;

use crate::support::{World, caller, item, name, noise};

#[tokio::test]
async fn one_tenant_never_sees_another_not_even_that_something_exists() {
    let (world, _) = World::memory(1);
    let (mine, theirs) = (caller(1), caller(2));
    let alice = world.mailbox(&mine, "alice@contoso.com").await;
    let bob = world.mailbox(&theirs, "bob@fabrikam.com").await;
    let secret = world.put(&mine, &alice, "plan", &noise(1, 100_000)).await;

    let engine = &world.engine;
    let nothing = world.engine.holder(&theirs, bob.id).await.expect("their own");
    assert_eq!(nothing, bob);
    let mut refusals = vec![
        engine.holder(&theirs, alice.id).await.expect_err("not theirs"),
        engine.read(&theirs, alice.id, secret.id, None).await.err().expect("not theirs"),
        engine.list(&theirs, alice.id, None, 10).await.expect_err("not theirs"),
        engine.find(&theirs, alice.id, &name("plan")).await.expect_err("not theirs"),
        engine.delete(&theirs, alice.id, secret.id, None).await.expect_err("not theirs"),
        // Their own mailbox, our object.
        engine.read(&theirs, bob.id, secret.id, None).await.err().expect("not theirs"),
        engine.delete(&theirs, bob.id, secret.id, None).await.expect_err("not theirs"),
    ];
    for container in [alice.id, bob.id] {
        let replacement = Replacement { name: None, version: None, content: Bytes::new().into() };
        let refused = engine.overwrite(&theirs, container, secret.id, replacement).await;
        refusals.push(refused.expect_err("not theirs"));
    }
    let put = Put { name: name("x"), kind: Kind::File, content: Bytes::new().into() };
    refusals.push(engine.put(&theirs, alice.id, put).await.expect_err("not theirs"));
    let stopped = world.import(&theirs, &alice, vec![item("x", Kind::File, vec![1])]).await;
    refusals.push(stopped.expect_err("not theirs").refusal);
    let name = HolderKind::Mailbox.name("alice@contoso.com").expect("an address");
    refusals.push(engine.holder_by_name(&theirs, HolderKind::Mailbox, &name).await.expect_err("not theirs"));
    for refusal in refusals {
        assert_eq!(refusal.code, Code::NotFound, "{refusal}");
    }
    assert_eq!(engine.list(&theirs, bob.id, None, 10).await.expect("a page").entries, []);
    let page = engine.holders(&theirs, None, 10).await.expect("a page");
    assert_eq!(page.holders, [bob]);
    world.content(&mine, &alice, secret.id).await.expect("it is untouched");
}

#[tokio::test]
async fn an_id_that_never_was_is_refused_in_the_same_words_as_another_tenants() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let bob = world.mailbox(&caller(2), "bob@fabrikam.com").await;
    let secret = world.put(&caller(1), &alice, "plan", b"x").await;
    let never = "0199f0a1-c2d3-7004-8005-060708090a0b".parse().expect("an id");
    let theirs = world.engine.read(&caller(2), bob.id, secret.id, None).await.err().expect("not theirs");
    let nobodys = world.engine.read(&caller(2), bob.id, never, None).await.err().expect("it never was");
    let words = |detail: &str, id: String| detail.replace(&id, "ID");
    assert_eq!(words(&theirs.detail, secret.id.to_string()), words(&nobodys.detail, never.to_string()));
}

#[tokio::test]
async fn the_same_file_in_two_tenants_has_nothing_visible_in_common() {
    let (world, _) = World::memory(1);
    let (alice, bob) = (
        world.mailbox(&caller(1), "alice@contoso.com").await,
        world.mailbox(&caller(2), "bob@fabrikam.com").await,
    );
    for (me, holder) in [(caller(1), &alice), (caller(2), &bob)] {
        let summary = world.import(&me, holder, vec![item("same", Kind::File, vec![7; 1000])]).await;
        assert_eq!(summary.expect("it is brought in").imported, 1);
    }
    for table in ["object_names", "imports"] {
        let tags = async |tenant: u8| {
            let prefix = caller(tenant).tenant.to_string();
            let scan = store::Scan { prefix: &prefix, after: None, limit: 10 };
            let rows = world.store.scan(store::Table(table), scan).await.expect("a scan");
            rows.iter().map(|row| row.key.split('/').nth(3).expect("a tag").to_owned()).collect::<Vec<_>>()
        };
        let (ours, theirs) = (tags(1).await, tags(2).await);
        assert_eq!((ours.len(), theirs.len()), (1, 1), "{table}");
        assert_ne!(ours, theirs, "{table}");
    }
}
