//! A kill between any two commits: what was acknowledged is there, nothing is half visible, the same call works again.

use std::time::Duration;

use model::caller::{Caller, Principal};
use model::id::DirectoryId;
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::unwrap::Family;

use super::world::*;
use crate::service::Keys;
use crate::{Custody, NewTenant, Policy, Tenant};

const SECOND: Duration = Duration::from_secs(1);
/// More commits than any of the operations has.
const MANY: u64 = 60;

/// Where a store dies: at which commit, of which store, and whether that commit is durable.
#[derive(Debug, Clone, Copy)]
struct Death {
    nth: u64,
    durable: bool,
    wraps: bool,
}

impl Death {
    fn every() -> impl Iterator<Item = Self> {
        let stores = [(true, 1), (false, MANY)];
        stores.into_iter().flat_map(|(wraps, many)| {
            (1..=many).flat_map(move |nth| [false, true].map(|durable| Self { nth, durable, wraps }))
        })
    }

    fn plan(self, world: &World) {
        let faults = if self.wraps { &world.wraps.1 } else { &world.service.1 };
        if self.durable { faults.crash_after(self.nth) } else { faults.crash_before(self.nth) }
    }
}

/// Runs an operation with every death of a store in it, until one comes too late to matter.
async fn every_death<S, T>(
    prepare: impl AsyncFn(&World) -> S,
    run: impl AsyncFn(&Custody, &S) -> Result<T, Refusal>,
    again: impl AsyncFn(&World, &S, Death),
) {
    let mut died = 0;
    for death in Death::every() {
        let mut world = World::new().await;
        let state = prepare(&world).await;
        death.plan(&world);
        let outcome = run(&world.custody, &state).await;
        let late = outcome.is_ok();
        world.pass(SECOND).await;
        for faults in [&world.service.1, &world.wraps.1] {
            faults.crash_now();
            faults.restart();
        }
        world.restart().await;
        world.nothing_is_half_there().await;
        again(&world, &state, death).await;
        world.nothing_is_half_there().await;
        if late && !death.wraps && death.durable {
            break;
        }
        died += u64::from(!late);
    }
    assert!(died > 0, "nothing died");
}

fn contoso() -> NewTenant {
    NewTenant {
        name: "Contoso".into(),
        directory: DirectoryId::from_random([1; 16]),
        domains: Vec::new(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    }
}

async fn new_tenant(custody: &Custody) -> Result<Tenant, Refusal> {
    custody.create_tenant(&Principal("operator".into()), contoso()).await
}

#[tokio::test]
async fn a_tenant_is_made_whole_or_not_at_all_and_its_directory_is_not_lost() {
    every_death(
        async |_| (),
        async |custody, ()| new_tenant(custody).await,
        async |world, (), death| {
            let before = world.custody.tenants(None, 10).await.expect("a list");
            match new_tenant(&world.custody).await {
                Ok(tenant) => {
                    assert!(before.is_empty(), "{death:?}");
                    world
                        .custody
                        .create(&user(&tenant), container(1), Family::Exchange)
                        .await
                        .expect("usable");
                }
                Err(refusal) => {
                    assert_eq!((refusal.code, before.len()), (Code::Conflict, 1), "{death:?}: {refusal}");
                }
            }
            assert_eq!(world.custody.tenants(None, 10).await.expect("a list").len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn the_same_intake_again_ends_with_one_tenant_of_one_directory_wherever_it_died() {
    let again = async |custody: &Custody, proposed: u8| {
        let directory = DirectoryId::from_random([proposed; 16]);
        let new = custody.begin_intake(NewTenant { directory, ..contoso() }, true).await?;
        let tenant = custody.take_tenant_in(&Principal("operator".into()), &new).await?;
        Ok::<_, Refusal>((new, tenant))
    };
    every_death(
        async |_| (),
        async |custody, ()| again(custody, 1).await,
        async |world, (), death| {
            let (new, tenant) = again(&world.custody, 2).await.expect("it goes on");
            assert_eq!(new.directory, tenant.directory, "{death:?}");
            assert_eq!(world.custody.tenants(None, 10).await.expect("a list").len(), 1, "{death:?}");
            world.custody.end_intake(new.directory).await.expect("told");
            let (_, another) =
                again(&world.custody, 3).await.expect("another of the same name, with no domain");
            assert_ne!(another.id, tenant.id);
        },
    )
    .await;
}

#[tokio::test]
async fn a_policy_is_made_whole_or_not_at_all() {
    let make = async |custody: &Custody, caller: &Caller| {
        custody
            .create_policy(caller, new_policy(PolicyKind::Mailbox, "Mail", ["contoso-a", "contoso-b"]))
            .await
    };
    every_death(
        async |world| user(&world.tenant(1).await),
        async |custody, caller| make(custody, caller).await,
        async |world, caller, death| {
            let before = world.custody.policies(caller).await.expect("a list").len();
            let made = make(&world.custody, caller).await;
            assert_eq!(made.is_ok(), before == 1, "{death:?}: {made:?}");
            let all = world.custody.policies(caller).await.expect("a list");
            let mail: Vec<&Policy> = all.iter().filter(|policy| policy.kind == PolicyKind::Mailbox).collect();
            assert_eq!(mail.len(), 1, "{death:?}");
            world.custody.create(caller, container(1), Family::Exchange).await.expect("a mailbox");
            world.custody.assign(caller, container(1), Some(mail[0].id)).await.expect("assigned");
            assert!(!world.custody.rewrap(caller, container(1)).await.expect("usable").pending);
        },
    )
    .await;
}

#[tokio::test]
async fn a_refresh_is_done_or_not_and_the_row_says_what_the_wraps_say() {
    every_death(
        async |world| {
            let mailbox = mailbox(world).await;
            world.vaults.customer.add(&version("contoso-a", "exo", 2));
            mailbox
        },
        async |custody, (tenant, policy, _, _)| custody.refresh(&user(tenant), policy.id).await,
        async |world, (tenant, policy, id, sealed), death| {
            let caller = user(tenant);
            let word = open_word(&world.custody, &caller, *id, sealed).await;
            assert_eq!(word.unwrap_or_else(|refusal| panic!("{death:?}: {refusal}")), b"a word");
            let found = world.custody.policy(&caller, policy.id).await.expect("a policy");
            let layers = world.custody.layers(&caller, *id).await.expect("layers");
            let in_wraps: Vec<String> = layers.roots[..2].iter().map(|(key, _)| key.clone()).collect();
            assert_eq!(found.keys.map(|key| key.to_string()).to_vec(), in_wraps, "{death:?}");
            let refreshed = world.custody.refresh(&caller, policy.id).await.expect("again");
            assert_eq!(refreshed.policy.keys, [version("contoso-a", "exo", 2), key("contoso-b", "exo")]);
        },
    )
    .await;
}

#[tokio::test]
async fn an_assignment_and_its_rewrap_are_done_or_not_and_never_half() {
    every_death(
        async |world| {
            let (tenant, policy, id, sealed) = mailbox(world).await;
            (user(&tenant), policy, id, sealed)
        },
        async |custody, (caller, _, id, _)| {
            custody.assign(caller, *id, None).await?;
            custody.rewrap(caller, *id).await
        },
        async |world, (caller, policy, id, sealed), death| {
            let word = open_word(&world.custody, caller, *id, sealed).await;
            assert_eq!(word.unwrap_or_else(|refusal| panic!("{death:?}: {refusal}")), b"a word");
            world.custody.assign(caller, *id, None).await.expect("again");
            world.custody.sweep().await.expect("swept");
            let standing = world.custody.standing(caller, *id).await.expect("standing");
            assert!(standing.provider_managed && !standing.pending, "{death:?}: {standing:?}");
            assert_ne!(standing.effective, Some(policy.id));
        },
    )
    .await;
}

#[tokio::test]
async fn a_denial_that_was_told_is_kept_wherever_the_process_dies() {
    every_death(
        async |world| {
            let (tenant, _, id, sealed) = mailbox(world).await;
            world.pass(10 * SECOND).await;
            world.denies("contoso-a", "exo");
            world.unreachable("contoso-b", "exo");
            (user(&tenant), id, sealed)
        },
        async |custody, (caller, id, sealed)| {
            // Refused by the customer is the success of this operation: the denial was told.
            match open_word(custody, caller, *id, sealed).await {
                Err(refusal) if refusal.code == Code::RefusedByCustomer => Ok(()),
                Err(refusal) => Err(refusal),
                Ok(_) => panic!("a denied key was opened"),
            }
        },
        async |world, (caller, id, sealed), death| {
            let stored = !world.audit(caller, "Denied by customer key").await.is_empty();
            world.unreachable("contoso-a", "exo");
            let read = open_word(&world.custody, caller, *id, sealed).await;
            if stored {
                assert_eq!(read.expect_err("denied").code, Code::RefusedByCustomer, "{death:?}");
            }
            world.heals("contoso-a", "exo");
            assert!(open_word(&world.custody, caller, *id, sealed).await.is_ok(), "{death:?}");
        },
    )
    .await;
}
