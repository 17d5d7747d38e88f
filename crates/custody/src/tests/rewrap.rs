//! Assigned and effective policy, and how the one becomes the other.

use std::time::Duration;

use model::policy::PolicyKind;
use model::unwrap::Family;

use super::world::*;
use crate::service::Keys;
use crate::upkeep::Swept;

#[tokio::test]
async fn a_mailbox_starts_under_the_providers_keys_and_an_assignment_changes_nothing_until_it_is_touched() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let born = world.custody.create(&caller, container(1), Family::Exchange).await.expect("a mailbox");
    assert!(born.provider_managed && !born.pending);
    let sealed = seal(&world.custody, &caller, container(1)).await.expect("sealed");
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let assigned = world.custody.assign(&caller, container(1), Some(policy.id)).await.expect("assigned");
    assert_eq!(assigned.assigned, Some(policy.id));
    assert_eq!(assigned.effective, Some(tenant.provider_policy));
    assert!(assigned.pending);
    assert_eq!(open_word(&world.custody, &caller, container(1), &sealed).await.expect("open"), b"a word");
    let touched = world.custody.standing(&caller, container(1)).await.expect("standing");
    assert_eq!(touched.effective, Some(policy.id));
    assert!(!touched.pending);
}

#[tokio::test]
async fn the_sweeper_brings_under_the_policy_what_nobody_touches() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    for number in 1..=3 {
        world.custody.create(&caller, container(number), Family::Exchange).await.expect("a mailbox");
    }
    let policy = world.policy(&caller, PolicyKind::MultiWorkload, "All").await;
    let assigned = world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(policy.id)).await;
    assigned.expect("assigned");
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept { rewrapped: 3, waiting: 0 });
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept::default());
    for number in 1..=3 {
        let standing = world.custody.standing(&caller, container(number)).await.expect("standing");
        assert_eq!(standing.effective, Some(policy.id));
    }
}

#[tokio::test]
async fn an_administrator_cannot_take_a_mailbox_from_key_holders_who_closed_it() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.denies("contoso-a", "exo");
    world.denies("contoso-b", "exo");
    world.pass(Duration::from_secs(3)).await;
    world.custody.assign(&caller, id, None).await.expect("an assignment opens nothing");
    assert!(open_word(&world.custody, &caller, id, &sealed).await.is_err());
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept { rewrapped: 0, waiting: 1 });
    let standing = world.custody.standing(&caller, id).await.expect("standing");
    assert_eq!(standing.effective, Some(policy.id));
    assert!(standing.pending);
}

#[tokio::test]
async fn in_an_outage_a_mailbox_is_read_by_the_availability_key_and_not_rewrapped_by_it() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.unreachable("contoso-a", "exo");
    world.unreachable("contoso-b", "exo");
    world.pass(Duration::from_secs(10)).await;
    world.custody.assign(&caller, id, None).await.expect("assigned");
    assert_eq!(open_word(&world.custody, &caller, id, &sealed).await.expect("outage"), b"a word");
    let standing = world.custody.standing(&caller, id).await.expect("standing");
    assert_eq!(standing.effective, Some(policy.id));
    assert!(standing.pending);
}

#[tokio::test]
async fn a_site_follows_the_sharepoint_policy_and_never_the_multi_workload_policy() {
    let world = World::new().await;
    let (tenant, share_point, id, _) = site(&world).await;
    let caller = user(&tenant);
    let all = world.policy(&caller, PolicyKind::MultiWorkload, "All").await;
    world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(all.id)).await.expect("assigned");
    let standing = world.custody.standing(&caller, id).await.expect("standing");
    assert_eq!((standing.covering, standing.effective), (share_point.id, Some(share_point.id)));
}

async fn two_policies_for_all(world: &World) -> (model::caller::Caller, [model::id::DepId; 2]) {
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let one = world.policy(&caller, PolicyKind::MultiWorkload, "One").await;
    let mut new = new_policy(PolicyKind::MultiWorkload, "Two", ["fabrikam-a", "fabrikam-b"]);
    new.settings = None;
    let two = world.custody.create_policy(&caller, new).await.expect("a policy");
    (caller, [one.id, two.id])
}

#[tokio::test]
async fn a_rewrap_that_an_assignment_to_the_tenant_overtook_loses_nothing_from_the_sweepers_list() {
    let world = World::new().await;
    let (caller, [one, two]) = two_policies_for_all(&world).await;
    world.custody.create(&caller, container(1), Family::Exchange).await.expect("a mailbox");
    let to_all = |policy| world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(policy));
    to_all(one).await.expect("assigned");
    let gates = ["contoso-a", "contoso-b"]
        .map(|vault| world.vaults.customer.hold(&key(vault, "exo"), crate::roots::testing::Asked::Unwrap));
    let (custody, toucher) = (world.custody.clone(), caller.clone());
    let rewrapping = tokio::spawn(async move { custody.rewrap(&toucher, container(1)).await });
    world.pass(Duration::from_millis(100)).await;
    to_all(two).await.expect("assigned");
    drop(gates);
    rewrapping.await.expect("no panic").expect("rewrapped");
    world.custody.sweep().await.expect("swept");
    let standing = world.custody.standing(&caller, container(1)).await.expect("standing");
    assert_eq!((standing.effective, standing.pending), (Some(two), false));
}

#[tokio::test]
async fn a_container_that_is_born_during_an_assignment_is_not_left_under_the_old_policy() {
    let world = World::new().await;
    let (caller, [one, _]) = two_policies_for_all(&world).await;
    let gates = ["provider-a", "provider-b"]
        .map(|vault| world.vaults.provider.hold(&key(vault, "root"), crate::roots::testing::Asked::Unwrap));
    let (custody, owner) = (world.custody.clone(), caller.clone());
    let birth = tokio::spawn(async move { custody.create(&owner, container(1), Family::Exchange).await });
    world.pass(Duration::from_millis(100)).await;
    let assigned = world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(one)).await;
    assigned.expect("assigned");
    drop(gates);
    birth.await.expect("no panic").expect("born");
    world.custody.sweep().await.expect("swept");
    let standing = world.custody.standing(&caller, container(1)).await.expect("standing");
    assert_eq!((standing.effective, standing.pending), (Some(one), false));
}

#[tokio::test]
async fn an_assignment_to_the_tenant_reaches_every_container_although_the_process_died_right_after_it() {
    let mut world = World::new().await;
    let (caller, [one, _]) = two_policies_for_all(&world).await;
    for number in 1..=3 {
        world.custody.create(&caller, container(number), Family::Exchange).await.expect("a mailbox");
    }
    world.service.1.crash_after(1);
    let assigned = world.custody.assign_tenant(&caller, PolicyKind::MultiWorkload, Some(one)).await;
    assert!(assigned.is_err());
    world.service.1.restart();
    world.restart().await;
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept { rewrapped: 3, waiting: 0 });
    assert_eq!(world.custody.sweep().await.expect("swept"), Swept::default());
}
