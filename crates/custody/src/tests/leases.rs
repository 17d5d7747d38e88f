//! What a lease costs the vaults and the node, and what ends one: keepers, single flight, dropped callers.

use std::time::Duration;

use model::caller::{Caller, Initiator};
use model::fault::Answer;
use model::refusal::Code;

use super::world::*;
use crate::roots::testing::Asked;

const SECOND: Duration = Duration::from_secs(1);

/// One bound in steps of a millisecond, in which a keeper that asks again at once would ask a thousand times.
async fn pass_slowly(world: &World, by: Duration) {
    for _ in 0..by.as_millis() {
        world.clock.advance(Duration::from_millis(1));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

async fn settled() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn system(caller: &Caller) -> Caller {
    Caller { initiator: Initiator::System, ..caller.clone() }
}

#[tokio::test]
async fn a_renewal_that_opened_nothing_is_not_asked_again_at_once() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.pass(10 * SECOND).await;
    open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("open");
    for vault in ["contoso-a", "contoso-b"] {
        world.vaults.customer.answer_all(&key(vault, "exo"), Answer::Internal);
    }
    let before = world.vaults.customer.calls().len();
    pass_slowly(&world, 2 * SECOND).await;
    let asked = world.vaults.customer.calls().len() - before;
    assert!((2..=16).contains(&asked), "{asked} calls within one bound");
}

#[tokio::test]
async fn a_key_opened_for_a_rewrap_leaves_memory_when_its_lease_ends() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    assert!(world.custody.leases().held() > 0);
    // The provider's policy, under which the mailbox was born, has a bound of a minute.
    world.pass(130 * SECOND).await;
    assert_eq!(world.custody.leases().held(), 0);
    assert!(open_word(&world.custody, &user(&tenant), id, &sealed).await.is_ok());
}

#[tokio::test]
async fn callers_who_waited_for_an_unwrap_that_failed_do_not_ask_one_after_the_other() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = site(&world).await;
    let caller = user(&tenant);
    world.pass(20 * SECOND).await;
    world.unreachable("contoso-a", "spo");
    world.unreachable("contoso-b", "spo");
    let before = world.vaults.customer.calls().len();
    let reads = (0..16).map(|_| open_word(&world.custody, &caller, id, &sealed));
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.expect_err("silent").code, Code::Outage);
    }
    assert_eq!(world.vaults.customer.calls().len(), before + 2);
    world.heals("contoso-a", "spo");
    assert!(open_word(&world.custody, &caller, id, &sealed).await.is_ok(), "a failure is not kept");
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_one_unwrap_behind_and_the_next_one_waits_for_it() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.pass(10 * SECOND).await;
    let gates = ["contoso-a", "contoso-b"]
        .map(|vault| [0; 4].map(|_| world.vaults.customer.hold(&key(vault, "exo"), Asked::Unwrap)));
    let before = world.vaults.customer.calls().len();
    for _ in 0..4 {
        let (custody, caller) = (world.custody.clone(), user(&tenant));
        let impatient = tokio::spawn(async move { custody_open(&custody, &caller, id).await });
        settled().await;
        impatient.abort();
        settled().await;
    }
    assert_eq!(world.vaults.customer.calls().len(), before + 1);
    drop(gates);
    settled().await;
    assert!(open_word(&world.custody, &user(&tenant), id, &sealed).await.is_ok());
    assert_eq!(world.vaults.customer.calls().len(), before + 1, "what the first one opened serves");
}

async fn custody_open(custody: &crate::Custody, caller: &Caller, id: model::id::ContainerId) {
    let _ = crate::service::Keys::seal(custody, caller, id).await;
}

#[tokio::test]
async fn a_yes_from_before_a_no_opens_nothing_although_another_no_came_between() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = site(&world).await;
    let caller = user(&tenant);
    world.pass(20 * SECOND).await;
    let [first, second] =
        ["contoso-a", "contoso-b"].map(|vault| world.vaults.customer.hold(&key(vault, "spo"), Asked::Unwrap));
    let (custody, reader) = (world.custody.clone(), caller.clone());
    let reading = tokio::spawn(async move { open_word(&custody, &reader, id, &sealed).await });
    settled().await;
    world.clock.advance(Duration::from_millis(200));
    settled().await;
    // Both requests are on their way. Another caller hears a no from the second vault, nothing from the first.
    world.unreachable("contoso-a", "spo");
    world.denies("contoso-b", "spo");
    let refused = crate::service::Keys::seal(&world.custody, &system(&caller), id).await;
    assert_eq!(refused.expect_err("denied").code, Code::RefusedByCustomer);
    // Then the first caller hears a no from the first vault, and the second's yes that was held back.
    world.denies("contoso-a", "spo");
    first.open();
    settled().await;
    world.heals("contoso-b", "spo");
    second.open();
    let refused = reading.await.expect("no panic").expect_err("the yes is older than the no");
    assert_ne!(refused.code, Code::Ours, "{refused}");
}

#[tokio::test]
async fn whoever_holds_an_ended_lease_is_told_of_the_denial_and_not_of_the_outage_before_it() {
    let world = World::new().await;
    let (tenant, _, id, _) = site(&world).await;
    let caller = user(&tenant);
    let opened = crate::service::Keys::seal(&world.custody, &caller, id).await.expect("open");
    world.unreachable("contoso-a", "spo");
    world.unreachable("contoso-b", "spo");
    world.pass(4 * SECOND).await;
    assert!(opened.key().is_ok(), "held");
    world.denies("contoso-a", "spo");
    let refused = crate::service::Keys::seal(&world.custody, &system(&caller), id).await;
    assert_eq!(refused.expect_err("denied").code, Code::RefusedByCustomer);
    let told = opened.key().expect_err("the denial ends the hold");
    assert_ne!(told.code, Code::Outage, "{told}");
}

#[tokio::test]
async fn what_the_availability_key_gives_after_a_denial_was_heard_opens_nothing() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.pass(10 * SECOND).await;
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    let availability = key("availability", &format!("dep-{}", policy.id));
    let held = world.vaults.provider.hold(&availability, Asked::Unwrap);
    let (custody, reader) = (world.custody.clone(), caller.clone());
    let reading = tokio::spawn(async move { open_word(&custody, &reader, id, &sealed).await });
    held.reached().await;
    world.denies("contoso-a", "exo");
    let refused = crate::service::Keys::seal(&world.custody, &system(&caller), id).await;
    assert_eq!(refused.expect_err("denied").code, Code::RefusedByCustomer);
    held.open();
    assert!(reading.await.expect("no panic").is_err(), "the evidence was void before the answer came");
}

#[tokio::test]
async fn whoever_reads_just_before_an_outage_reads_on_however_long_nobody_had_read() {
    for idle in (5_000..10_000).step_by(100).map(Duration::from_millis) {
        let world = World::new().await;
        let (tenant, _, id, sealed) = site(&world).await;
        world.pass(idle).await;
        open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("open");
        world.unreachable("contoso-a", "spo");
        world.unreachable("contoso-b", "spo");
        // Past the bound, and short of the hold.
        world.pass(3 * SECOND).await;
        let read = open_word(&world.custody, &user(&tenant), id, &sealed).await;
        assert!(read.is_ok(), "after {idle:?} without a read: {:?}", read.err());
    }
}
