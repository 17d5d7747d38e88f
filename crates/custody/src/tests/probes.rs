//! A probe tells what stands between the service and a root key, is recorded, and teaches the slots nothing.

use model::fault::{Answer, Fault};
use model::policy::PolicyKind;
use model::refusal::Code;
use model::slot::Slot;
use store::Scan;

use super::world::*;
use crate::probe::Reached;
use crate::roots::testing::Asked;
use crate::rows::SLOTS;

async fn slots(world: &World) -> Vec<(String, u64)> {
    let scan = Scan { prefix: "", after: None, limit: 100 };
    let rows = world.service.0.scan(SLOTS, scan).await.expect("a list");
    rows.into_iter().map(|row| (row.key, row.version)).collect()
}

#[tokio::test]
async fn each_answer_is_told_by_whose_fault_it_is_and_changes_no_slot() {
    let world = World::new().await;
    let caller = user(&world.tenant(1).await);
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let before = slots(&world).await;
    let first = key("contoso-a", "exo");
    for (answer, fault) in [
        (Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac")), Fault::Denied),
        (Answer::Refused, Fault::Unreachable),
        (Answer::Tls, Fault::Lying),
        (Answer::token(401, Some("invalid_client"), &[7_000_215]), Fault::Ours),
    ] {
        world.vaults.customer.answer_once(&first, Asked::Describe, answer.clone());
        let [a, b] = world.custody.probe(&caller, policy.id).await.expect("asked");
        assert!(matches!(a.reached, Reached::No(finding) if finding.fault == fault), "{answer:?}: {a:?}");
        assert_eq!((a.slot, b.slot, b.reached), (Slot::First, Slot::Second, Reached::Usable));
        assert_eq!((&a.key, &b.key), (&policy.keys[0], &policy.keys[1]));
    }
    assert_eq!(slots(&world).await, before);
    assert_eq!(world.unwraps("contoso-a", "exo"), 1, "only the proof of its creation");
}

#[tokio::test]
async fn both_calls_are_recorded_with_what_came_of_them() {
    let world = World::new().await;
    let caller = user(&world.tenant(1).await);
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let before = world.audit(&caller, "RootKeyCall").await.len();
    world.denies("contoso-b", "exo");
    world.custody.probe(&caller, policy.id).await.expect("asked");
    let calls = world.audit(&caller, "RootKeyCall").await.split_off(before);
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call["operation"] == "describe"));
    let outcomes: Vec<_> = calls.iter().filter(|call| call["phase"] == "outcome").collect();
    let of =
        |slot: &str| outcomes.iter().find(|call| call["slot"] == slot).map(|call| call["outcome"].clone());
    assert_eq!(of("first"), Some("done".into()));
    assert_eq!(of("second"), Some("role-missing".into()));
    world.nothing_is_open(&caller).await;
}

#[tokio::test]
async fn a_key_that_breaks_a_rule_is_told_as_that() {
    let world = World::new().await;
    let caller = user(&world.tenant(1).await);
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let mut described =
        crate::roots::RootKeys::describe(&world.vaults.customer, &policy.keys[0], caller.request)
            .await
            .expect("there");
    described.key_ops = vec!["wrapKey".into()];
    world.vaults.customer.add_described(described);
    let [a, _] = world.custody.probe(&caller, policy.id).await.expect("asked");
    assert!(matches!(&a.reached, Reached::Unusable(why) if why.contains("no unwrapKey")), "{a:?}");
}

#[tokio::test]
async fn a_probe_whose_caller_leaves_gets_its_outcome_and_another_tenants_policy_is_not_found() {
    let world = World::new().await;
    let caller = user(&world.tenant(1).await);
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let held = world.vaults.customer.hold(&key("contoso-a", "exo"), Asked::Describe);
    let probing = {
        let (custody, caller) = (world.custody.clone(), caller.clone());
        tokio::spawn(async move { custody.probe(&caller, policy.id).await })
    };
    held.reached().await;
    probing.abort();
    drop(held);
    world.pass(std::time::Duration::from_secs(1)).await;
    world.nothing_is_open(&caller).await;
    let stranger = user(&world.tenant(2).await);
    let refused = world.custody.probe(&stranger, policy.id).await.expect_err("not theirs");
    assert_eq!(refused.code, Code::NotFound);
}
