//! What the service does by itself: nobody starves, nobody is hammered, and a denial that it hears counts.

use std::time::Duration;

use model::fault::Answer;
use model::policy::PolicyKind;
use model::unwrap::Family;

use super::world::*;
use crate::roots::testing::Asked;
use crate::service::Keys;
use crate::upkeep::Swept;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_policy_that_does_not_open_is_asked_once_in_a_sweep_and_not_for_each_mailbox() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    for number in 1..=60 {
        world.custody.create(&caller, container(number), Family::Exchange).await.expect("a mailbox");
    }
    let policy = world.policy(&caller, PolicyKind::MultiWorkload, "All").await;
    let assigned = world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(policy.id)).await;
    assigned.expect("assigned");
    world.denies("contoso-a", "exo");
    world.denies("contoso-b", "exo");
    let before = world.vaults.customer.calls().len();
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept { rewrapped: 0, waiting: 60 });
    assert_eq!(world.vaults.customer.calls().len(), before + 2);
    world.heals("contoso-a", "exo");
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept { rewrapped: 60, waiting: 0 });
}

#[tokio::test]
async fn upkeep_leaves_a_policy_alone_that_did_not_open_lately_and_comes_back_to_it() {
    let world = World::new().await;
    let (tenant, _, id, _) = mailbox(&world).await;
    let caller = user(&tenant);
    for vault in ["contoso-a", "contoso-b"] {
        world.vaults.customer.answer_all(&key(vault, "exo"), Answer::Internal);
    }
    world.custody.assign(&caller, id, None).await.expect("assigned");
    world.pass(3 * SECOND).await;
    let upkeep = {
        let custody = world.custody.clone();
        tokio::spawn(async move { custody.upkeep().await })
    };
    let before = world.vaults.customer.calls().len();
    world.pass(10 * 60 * SECOND).await;
    assert_eq!(world.vaults.customer.calls().len(), before + 2, "ten minutes, twenty rounds");
    for vault in ["contoso-a", "contoso-b"] {
        world.heals(vault, "exo");
    }
    world.pass(6 * 60 * SECOND).await;
    let standing = world.custody.standing(&caller, id).await.expect("standing");
    assert!(!standing.pending);
    upkeep.abort();
}

#[tokio::test]
async fn a_vault_that_hangs_holds_up_nobody_elses_proof_and_nobody_elses_rewrap() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let hanging = world.policy(&caller, PolicyKind::Mailbox, "Hangs").await;
    let new = new_policy(PolicyKind::Mailbox, "Answers", ["fabrikam-a", "fabrikam-b"]);
    let answers = world.custody.create_policy(&caller, new).await.expect("a policy");
    for (number, policy) in [(1, hanging.id), (2, answers.id)] {
        world.custody.create(&caller, container(number), Family::Exchange).await.expect("a mailbox");
        world.custody.assign(&caller, container(number), Some(policy)).await.expect("assigned");
    }
    let held = ["contoso-a", "contoso-b"]
        .map(|vault| [0; 4].map(|_| world.vaults.customer.hold(&key(vault, "exo"), Asked::Unwrap)));
    world.clock.advance(7 * HOUR);
    let upkeep = {
        let custody = world.custody.clone();
        tokio::spawn(async move { custody.upkeep().await })
    };
    world.pass(SECOND).await;
    let standing = world.custody.standing(&caller, container(2)).await.expect("standing");
    assert_eq!(standing.effective, Some(answers.id), "rewrapped");
    assert!(world.unwraps("fabrikam-a", "exo") >= 2 && world.unwraps("fabrikam-b", "exo") >= 2, "proved");
    upkeep.abort();
    drop(held);
}

#[tokio::test]
async fn a_proof_whose_upkeep_is_dropped_leaves_no_intent_open() {
    let world = World::new().await;
    let (tenant, _, _, _) = mailbox(&world).await;
    world.clock.advance(7 * HOUR);
    let held = world.vaults.customer.hold(&key("contoso-a", "exo"), Asked::Unwrap);
    let proving = {
        let custody = world.custody.clone();
        tokio::spawn(async move { custody.prove_due().await })
    };
    held.reached().await;
    proving.abort();
    drop(held);
    world.pass(SECOND).await;
    world.nothing_is_open(&user(&tenant)).await;
}
