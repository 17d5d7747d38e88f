//! Who gets a key, and for how long: outage, denial, lies, leases, holds, restarts.

use std::time::Duration;

use model::fault::Answer;
use model::refusal::Code;
use model::unwrap::Family;

use super::world::*;
use crate::roots::testing::Asked;
use crate::service::Keys;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn one_vault_down_changes_nothing() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.unreachable("contoso-a", "exo");
    world.pass(10 * SECOND).await;
    assert_eq!(open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("open"), b"a word");
    assert!(world.audit(&user(&tenant), "Fallback to Availability Key").await.is_empty());
}

#[tokio::test]
async fn in_an_outage_of_both_mail_opens_by_the_availability_key_and_each_use_is_recorded() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    world.pass(10 * SECOND).await;
    assert_eq!(open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("open"), b"a word");
    let uses = world.audit(&user(&tenant), "Fallback to Availability Key").await;
    assert_eq!(uses[0]["policyId"], policy.id.to_string());
    assert!(uses[0]["scopeKeyVersionId"].as_str().expect("a key").contains("availability"));
    let request = user(&tenant).request.to_string();
    assert!(uses.iter().any(|used| used["requestId"] == request), "{uses:?}");
}

#[tokio::test]
async fn without_evidence_of_an_outage_the_availability_key_stays_shut() {
    let mut world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    world.clock.advance(73 * HOUR);
    world.restart().await;
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("too old");
    assert_eq!(refused.code, Code::Outage, "{refused}");
}

#[tokio::test]
async fn a_denial_is_obeyed_within_the_bound_and_stays_when_the_vault_falls_silent_and_after_a_restart() {
    let mut world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.denies("contoso-a", "exo");
    world.denies("contoso-b", "exo");
    world.pass(2 * SECOND).await;
    let refused = open_word(&world.custody, &caller, id, &sealed).await.expect_err("denied");
    assert_eq!(refused.code, Code::RefusedByCustomer, "{refused}");
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    let refused = open_word(&world.custody, &caller, id, &sealed).await.expect_err("still denied");
    assert_eq!(refused.code, Code::RefusedByCustomer, "{refused}");
    world.restart().await;
    let refused = open_word(&world.custody, &caller, id, &sealed).await.expect_err("denied for good");
    assert_eq!(refused.code, Code::RefusedByCustomer, "{refused}");
    assert!(world.audit(&caller, "Fallback to Availability Key").await.is_empty());
    world.heals("contoso-a", "exo");
    assert_eq!(open_word(&world.custody, &caller, id, &sealed).await.expect("given back"), b"a word");
}

#[tokio::test]
async fn one_denial_among_the_faults_is_a_denial() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.denies("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    world.pass(3 * SECOND).await;
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("denied");
    assert_eq!(refused.code, Code::RefusedByCustomer, "{refused}");
}

#[tokio::test]
async fn a_vault_that_lies_opens_nothing_and_is_named() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.vaults.customer.lie(&key("contoso-a", "exo"));
    world.unreachable("contoso-b", "exo");
    world.pass(3 * SECOND).await;
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("lying");
    assert_eq!(refused.code, Code::Lying, "{refused}");
    assert!(refused.detail.contains("the first key"), "{refused}");
}

#[tokio::test]
async fn sites_live_on_for_their_hold_and_then_it_is_an_outage_never_the_availability_key() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = site(&world).await;
    let caller = user(&tenant);
    world.unreachable("contoso-a", "spo");
    world.unreachable("contoso-b", "spo");
    world.pass(4 * SECOND).await;
    assert_eq!(open_word(&world.custody, &caller, id, &sealed).await.expect("held"), b"a word");
    world.pass(6 * SECOND).await;
    let refused = open_word(&world.custody, &caller, id, &sealed).await.expect_err("the hold is over");
    assert_eq!(refused.code, Code::Outage, "{refused}");
    assert!(world.audit(&caller, "Fallback to Availability Key").await.is_empty());
}

#[tokio::test]
async fn a_denial_ends_a_hold_at_once() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = site(&world).await;
    let caller = user(&tenant);
    world.unreachable("contoso-a", "spo");
    world.unreachable("contoso-b", "spo");
    world.pass(3 * SECOND).await;
    assert!(open_word(&world.custody, &caller, id, &sealed).await.is_ok());
    world.denies("contoso-a", "spo");
    world.pass(2 * SECOND).await;
    let refused = open_word(&world.custody, &caller, id, &sealed).await.expect_err("denied");
    assert_eq!(refused.code, Code::RefusedByCustomer, "{refused}");
}

#[tokio::test]
async fn an_open_key_that_nobody_renews_is_cut_in_the_middle_of_a_stream() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    let opened = world.custody.open(&user(&tenant), id, model::id::Generation::FIRST).await.expect("open");
    assert!(opened.key().is_ok());
    world.denies("contoso-a", "exo");
    world.denies("contoso-b", "exo");
    world.pass(2 * SECOND).await;
    assert!(opened.key().is_err());
    drop(sealed);
}

#[tokio::test]
async fn a_key_in_use_is_renewed_ahead_of_expiry_and_callers_share_one_unwrap() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    let opened = world.custody.open(&caller, id, model::id::Generation::FIRST).await.expect("open");
    for _ in 0..20 {
        world.pass(SECOND / 2).await;
        assert!(opened.key().is_ok(), "renewed in time");
        assert!(open_word(&world.custody, &caller, id, &sealed).await.is_ok());
    }
    let unwraps = world.unwraps("contoso-a", "exo") + world.unwraps("contoso-b", "exo");
    assert!(unwraps < 20, "{unwraps} unwraps for ten seconds under a bound of two");
}

#[tokio::test]
async fn callers_of_one_class_wait_for_one_unwrap() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.pass(10 * SECOND).await;
    let before = world.unwraps("contoso-a", "exo") + world.unwraps("contoso-b", "exo");
    let reads = (0..16).map(|_| open_word(&world.custody, &caller, id, &sealed));
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.expect("open"), b"a word");
    }
    assert_eq!(world.unwraps("contoso-a", "exo") + world.unwraps("contoso-b", "exo"), before + 1);
}

#[tokio::test]
async fn a_raced_request_that_lost_is_recorded_as_cancelled() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = site(&world).await;
    world.pass(10 * SECOND).await;
    let gates =
        ["contoso-a", "contoso-b"].map(|vault| world.vaults.customer.hold(&key(vault, "spo"), Asked::Unwrap));
    let (custody, caller) = (world.custody.clone(), user(&tenant));
    let reading = tokio::spawn(async move { open_word(&custody, &caller, id, &sealed).await });
    world.pass(SECOND).await;
    let [_held, second] = gates;
    second.open();
    world.pass(SECOND / 2).await;
    assert_eq!(reading.await.expect("no panic").expect("open"), b"a word");
    let calls = world.audit(&user(&tenant), "RootKeyCall").await;
    assert!(calls.iter().any(|call| call["outcome"] == "cancelled"));
}

#[tokio::test]
async fn an_intent_without_outcome_is_reported_at_the_next_start() {
    let mut world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    world.pass(10 * SECOND).await;
    let gates =
        ["contoso-a", "contoso-b"].map(|vault| world.vaults.customer.hold(&key(vault, "exo"), Asked::Unwrap));
    let (custody, caller) = (world.custody.clone(), user(&tenant));
    let reading = tokio::spawn(async move { open_word(&custody, &caller, id, &sealed).await });
    world.pass(SECOND).await;
    reading.abort();
    world.restart().await;
    let calls = world.audit(&user(&tenant), "RootKeyCall").await;
    let lost: Vec<_> = calls.iter().filter(|call| call["phase"] == "intent without outcome").collect();
    assert_eq!(lost.len(), 1, "{calls:?}");
    assert_eq!(lost[0]["policyId"], policy.id.to_string());
    drop(gates);
}

#[tokio::test]
async fn without_a_durable_intent_there_is_no_call() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    world.pass(10 * SECOND).await;
    let before = world.vaults.customer.calls().len();
    world.service.1.fill();
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("full");
    assert_eq!(refused.code, Code::DiskFull, "{refused}");
    assert_eq!(world.vaults.customer.calls().len(), before);
}

#[tokio::test]
async fn our_own_fault_is_neither_a_denial_nor_an_outage() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    for vault in ["contoso-a", "contoso-b"] {
        world.vaults.customer.answer_all(&key(vault, "exo"), Answer::Internal);
    }
    world.pass(3 * SECOND).await;
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("ours");
    assert_eq!(refused.code, Code::Ours, "{refused}");
}

#[tokio::test]
async fn idle_slots_are_proved_so_that_there_is_evidence_when_an_outage_comes() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    for _ in 0..16 {
        world.clock.advance(6 * HOUR);
        assert!(world.custody.prove_due().await > 0);
    }
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    assert_eq!(open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("evidence"), b"a word");
}

#[tokio::test]
async fn a_slot_that_stays_silent_is_not_asked_in_every_round() {
    let world = World::new().await;
    let (tenant, _, _, _) = mailbox(&world).await;
    world.unreachable("contoso-a", "exo");
    world.clock.advance(6 * HOUR);
    world.custody.prove_due().await;
    let asked = world.unwraps("contoso-a", "exo");
    for _ in 0..10 {
        world.clock.advance(30 * SECOND);
        world.custody.prove_due().await;
    }
    assert_eq!(world.unwraps("contoso-a", "exo"), asked);
    world.clock.advance(15 * 60 * SECOND);
    world.custody.prove_due().await;
    assert_eq!(world.unwraps("contoso-a", "exo"), asked + 1);
    drop(tenant);
}

#[tokio::test]
async fn the_providers_keys_refusing_is_ours_and_is_never_written_down_as_the_customers_act() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    world.custody.create(&caller, container(1), Family::Exchange).await.expect("a mailbox");
    world.pass(130 * SECOND).await;
    for vault in ["provider-a", "provider-b"] {
        let denial = Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac"));
        world.vaults.provider.answer_all(&key(vault, "root"), denial);
    }
    let refused = seal(&world.custody, &caller, container(1)).await.map(|_| ()).expect_err("refused");
    assert_eq!(refused.code, Code::Ours, "{refused}");
    assert!(world.audit(&caller, "Denied by customer key").await.is_empty());
    assert_eq!(world.audit(&caller, "Denied by provider key").await.len(), 2);
    for vault in ["provider-a", "provider-b"] {
        world.vaults.provider.answer_all(&key(vault, "root"), Answer::Timeout);
    }
    let refused = seal(&world.custody, &caller, container(1)).await.map(|_| ()).expect_err("refused");
    assert_eq!(refused.code, Code::Ours, "a denial stays, whoever's it is: {refused}");
    world.vaults.provider.heal(&key("provider-b", "root"));
    assert!(seal(&world.custody, &caller, container(1)).await.is_ok());
}

#[tokio::test]
async fn an_outcome_that_could_not_be_written_is_reported_when_there_is_space_again() {
    let world = World::new().await;
    let (tenant, _, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.pass(10 * SECOND).await;
    let held =
        ["contoso-a", "contoso-b"].map(|vault| world.vaults.customer.hold(&key(vault, "exo"), Asked::Unwrap));
    let (custody, reader) = (world.custody.clone(), caller.clone());
    let reading = tokio::spawn(async move { open_word(&custody, &reader, id, &sealed).await });
    world.pass(SECOND).await;
    world.service.1.fill();
    drop(held);
    let refused = reading.await.expect("no panic").expect_err("no key without its record");
    assert_eq!(refused.code, Code::DiskFull, "{refused}");
    world.service.1.free();
    let upkeep = {
        let custody = world.custody.clone();
        tokio::spawn(async move { custody.upkeep().await })
    };
    world.pass(12 * 60 * SECOND).await;
    upkeep.abort();
    world.nothing_is_open(&caller).await;
    let calls = world.audit(&caller, "RootKeyCall").await;
    assert_eq!(calls.iter().filter(|call| call["phase"] == "intent without outcome").count(), 1);
}
