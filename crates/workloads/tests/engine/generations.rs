//! Key generations: what was sealed under an older key of the container is still found and still known.

use bytes::Bytes;
use freehold_workloads::{BLOB, Content, Kind, Put, Replacement};
use futures::{StreamExt, stream};
use model::refusal::Code;

use crate::support::{World, caller, item, name, noise};

#[tokio::test]
async fn objects_of_every_generation_are_read_listed_and_found() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let mut put = Vec::new();
    for number in 0..3_u8 {
        put.push(world.put(&me, &alice, "plan", &[number; 100]).await.id);
        world.keys.next_generation(&me, alice.id);
    }
    for (number, object) in put.iter().enumerate() {
        assert_eq!(world.content(&me, &alice, *object).await, Ok(vec![number as u8; 100]));
    }
    assert_eq!(world.all(&me, &alice).await.len(), 3);
    let found = world.engine.find(&me, alice.id, &name("plan")).await.expect("a lookup");
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), put);
}

#[tokio::test]
async fn an_import_knows_what_came_in_under_an_older_generation() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let items = || vec![item("a", Kind::File, vec![1; 50]), item("b", Kind::File, noise(1, 5 << 20))];
    world.import(&me, &alice, items()).await.expect("it is brought in");
    world.keys.next_generation(&me, alice.id);
    let mut more = items();
    more.push(item("c", Kind::File, vec![3; 50]));
    let summary = world.import(&me, &alice, more).await.expect("it is brought in");
    assert_eq!((summary.already_there, summary.imported), (2, 1));
}

#[tokio::test]
async fn an_overwrite_moves_an_object_to_the_present_generation_with_its_name_and_its_tag() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let items = || vec![item("plan", Kind::File, vec![1; 50])];
    world.import(&me, &alice, items()).await.expect("it is brought in");
    let object = world.all(&me, &alice).await[0].id;
    world.keys.next_generation(&me, alice.id);
    let replacement = Replacement { name: None, version: None, content: Bytes::from_static(b"new").into() };
    world.engine.overwrite(&me, alice.id, object, replacement).await.expect("it is replaced");
    let found = world.engine.find(&me, alice.id, &name("plan")).await.expect("a lookup");
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), [object]);
    let again = world.import(&me, &alice, items()).await.expect("it runs");
    assert_eq!((again.already_there, again.imported), (1, 0));
    world.engine.delete(&me, alice.id, object, None).await.expect("it is deleted");
    let again = world.import(&me, &alice, items()).await.expect("it runs");
    assert_eq!((again.already_there, again.imported), (0, 1));
}

#[tokio::test]
async fn a_key_that_is_replaced_during_a_write_refuses_it_and_leaves_nothing() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let keys = world.keys.clone();
    let (caller, container) = (me.clone(), alice.id);
    let pieces = (0..3_u64).map(move |number| {
        if number == 1 {
            keys.next_generation(&caller, container);
            keys.end_leases_after(0, None);
        }
        Ok(Bytes::from(noise(number, BLOB)))
    });
    let content = Content::Stream(stream::iter(pieces).boxed());
    let put = Put { name: name("film"), kind: Kind::File, content };
    let refused = world.engine.put(&me, alice.id, put).await.expect_err("another key");
    assert_eq!(refused.code, Code::Conflict);
    assert_eq!(world.blob_names().await, [""; 0]);
    assert_eq!(world.all(&me, &alice).await, []);
}

#[tokio::test]
async fn what_only_an_import_sealed_under_a_generation_is_found_after_the_next_one() {
    let (world, _) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let items = || vec![item("small", Kind::File, vec![1; 50]), item("large", Kind::File, noise(1, 5 << 20))];
    world.keys.next_generation(&me, alice.id);
    world.import(&me, &alice, items()).await.expect("it is brought in");
    world.keys.next_generation(&me, alice.id);
    for text in ["small", "large"] {
        let found = world.engine.find(&me, alice.id, &name(text)).await.expect("a lookup");
        assert_eq!(found.len(), 1, "{text}");
    }
    let again = world.import(&me, &alice, items()).await.expect("it runs");
    assert_eq!((again.already_there, again.imported), (2, 0));
}
