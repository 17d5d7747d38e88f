//! Mailboxes and sites: how they come, are found and listed.

use freehold_workloads::HolderKind;
use model::refusal::Code;

use crate::support::{World, caller};

#[tokio::test]
async fn a_holder_is_found_by_its_name_in_any_case_and_by_its_id() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "Alice@Contoso.com").await;
    let name = HolderKind::Mailbox.name("alice@contoso.COM").expect("an address");
    let found = world.engine.holder_by_name(&caller(1), HolderKind::Mailbox, &name).await;
    assert_eq!(found.as_ref(), Ok(&alice));
    assert_eq!(alice.name.as_str(), "Alice@Contoso.com");
    assert_eq!(world.engine.holder(&caller(1), alice.id).await, Ok(alice));
}

#[tokio::test]
async fn one_name_belongs_to_one_holder_of_a_kind_and_a_tenant() {
    let (world, _) = World::memory(1);
    world.mailbox(&caller(1), "alice@contoso.com").await;
    let again = HolderKind::Mailbox.name("ALICE@contoso.com").expect("an address");
    let refused = world.engine.create_holder(&caller(1), HolderKind::Mailbox, &again).await;
    assert_eq!(refused.expect_err("it is taken").code, Code::Conflict);
    world.mailbox(&caller(2), "alice@contoso.com").await;
    let site = HolderKind::Site.name("alice@contoso.com").expect("a path");
    world.engine.create_holder(&caller(1), HolderKind::Site, &site).await.expect("another kind");
}

#[tokio::test]
async fn holders_are_listed_by_pages_in_the_order_of_their_ids() {
    let (world, _) = World::memory(1);
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(world.mailbox(&caller(1), &format!("user{number}@contoso.com")).await);
    }
    made.sort_by_key(|holder| holder.id);
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = world.engine.holders(&caller(1), after, 3).await.expect("a page");
        assert!(page.holders.len() <= 3);
        listed.extend(page.holders);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn a_holder_that_is_still_coming_neither_fills_a_page_nor_promises_one() {
    let (world, _) = World::memory(1);
    let made = [world.mailbox(&caller(1), "a@b.c").await, world.mailbox(&caller(1), "b@b.c").await];
    world.keys.refuse(Code::Outage);
    for number in 0..8 {
        let name = HolderKind::Mailbox.name(&format!("coming{number}@b.c")).expect("an address");
        world.engine.create_holder(&caller(1), HolderKind::Mailbox, &name).await.expect_err("no key");
    }
    let first = world.engine.holders(&caller(1), None, 1).await.expect("a page");
    assert_eq!((first.holders.len(), first.next), (1, Some(first.holders[0].id)));
    let second = world.engine.holders(&caller(1), first.next, 1).await.expect("a page");
    assert_eq!((second.holders.len(), second.next), (1, None));
    assert!(made.contains(&first.holders[0]) && made.contains(&second.holders[0]));
}

#[tokio::test]
async fn a_creation_that_custody_refused_is_nowhere_and_can_be_finished_later() {
    let (world, _) = World::memory(1);
    world.keys.refuse(Code::Outage);
    let name = HolderKind::Mailbox.name("alice@contoso.com").expect("an address");
    let refused = world.engine.create_holder(&caller(1), HolderKind::Mailbox, &name).await;
    assert_eq!(refused.expect_err("no key").code, Code::Outage);
    let unknown = world.engine.holder_by_name(&caller(1), HolderKind::Mailbox, &name).await;
    assert_eq!(unknown.expect_err("it is not there").code, Code::NotFound);
    assert_eq!(world.engine.holders(&caller(1), None, 10).await.expect("a page").holders, []);
    world.keys.restore();
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    world.put(&caller(1), &alice, "note", b"text").await;
}

#[tokio::test]
async fn a_creation_that_crashed_is_finished_by_the_next_one() {
    for (after, nth) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let (world, faults) = World::memory(1);
        if after {
            faults.crash_after(nth)
        } else {
            faults.crash_before(nth)
        }
        let name = HolderKind::Mailbox.name("alice@contoso.com").expect("an address");
        world.engine.create_holder(&caller(1), HolderKind::Mailbox, &name).await.expect_err("it crashed");
        faults.restart();
        let again = world.engine.create_holder(&caller(1), HolderKind::Mailbox, &name).await;
        if (after, nth) == (true, 2) {
            // It was there already; nobody had been told.
            assert_eq!(again.expect_err("it is there").code, Code::Conflict);
        }
        let alice = world.engine.holder_by_name(&caller(1), HolderKind::Mailbox, &name).await;
        world.put(&caller(1), &alice.expect("it is there"), "note", b"text").await;
    }
}
