//! How policies come to be, and what is refused before anything is written.

use model::fault::Answer;
use model::key_identifier::KeyIdentifier;
use model::policy::PolicyKind;
use model::refusal::Code;
use store::{Batch, Cause, Table};

use super::world::*;
use crate::roots::testing::Asked;
use crate::roots::{RootDescription, RootKeys};
use crate::service::{Family, Keys};

#[tokio::test]
async fn a_policy_names_the_versions_that_wrapped_its_seed() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let policy = world.policy(&user(&tenant), PolicyKind::Mailbox, "Mail").await;
    assert_eq!(policy.keys, [key("contoso-a", "exo"), key("contoso-b", "exo")]);
    assert_eq!(world.custody.policies(&user(&tenant)).await.expect("a list").len(), 2);
}

#[tokio::test]
async fn a_key_that_breaks_a_rule_is_refused_with_the_rule_and_nothing_is_written() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let weak = RootDescription {
        key: key("contoso-a", "exo"),
        kty: "RSA".into(),
        size: Some(2048),
        key_ops: vec!["wrapKey".into(), "unwrapKey".into()],
        enabled: true,
        expires: None,
        not_before: None,
        recovery_level: Some("Recoverable+Purgeable".into()),
    };
    world.vaults.customer.add_described(weak);
    let new = new_policy(PolicyKind::Mailbox, "Mail", ["contoso-a", "contoso-b"]);
    let refused = world.custody.create_policy(&user(&tenant), new).await.expect_err("purgeable");
    assert_eq!(refused.code, Code::UnusableKey, "{refused}");
    assert!(refused.detail.contains("RecoveryLevel"), "{refused}");
    assert_eq!(world.custody.policies(&user(&tenant)).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn the_same_vault_twice_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let mut new = new_policy(PolicyKind::Mailbox, "Mail", ["contoso-a", "contoso-b"]);
    new.keys =
        [key("contoso-a", "exo"), key("contoso-a", "exo2")].map(|key: KeyIdentifier| key.versionless());
    let refused = world.custody.create_policy(&user(&tenant), new).await.expect_err("one vault");
    assert!(refused.detail.contains("VaultUniquePerPolicy"), "{refused}");
}

#[tokio::test]
async fn a_key_that_we_may_not_use_and_a_key_that_is_not_there_are_refused_in_the_same_words() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let refuse = async |vaults: [&str; 2]| {
        let new = new_policy(PolicyKind::Mailbox, "Mail", vaults);
        world.custody.create_policy(&user(&tenant), new).await.expect_err("unusable")
    };
    world.denies("contoso-a", "exo");
    let denied = refuse(["contoso-a", "contoso-b"]).await;
    world.vaults.customer.answer_all(&key("contoso-a", "exo"), Answer::vault(404, Some("KeyNotFound"), None));
    let missing = refuse(["contoso-a", "contoso-b"]).await;
    assert_eq!((denied.code, missing.code), (Code::UnusableKey, Code::UnusableKey));
    let words = |text: &str| text.split(" (").next().map(str::to_owned);
    assert_eq!(words(&denied.detail), words(&missing.detail));
}

#[tokio::test]
async fn a_vault_whose_wrap_does_not_open_to_the_seed_carries_no_policy() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    world.vaults.customer.lie(&key("contoso-b", "exo"));
    let new = new_policy(PolicyKind::Mailbox, "Mail", ["contoso-a", "contoso-b"]);
    let refused = world.custody.create_policy(&user(&tenant), new).await.expect_err("lying");
    assert_eq!(refused.code, Code::Lying, "{refused}");
}

#[tokio::test]
async fn a_directory_belongs_to_one_tenant() {
    let world = World::new().await;
    world.tenant(1).await;
    let new = crate::NewTenant {
        name: "Another".into(),
        directory: model::id::DirectoryId::from_random([1; 16]),
        domains: Vec::new(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let refused = world.custody.create_tenant(&model::caller::Principal("operator".into()), new).await;
    assert_eq!(refused.expect_err("taken").code, Code::Conflict);
}

#[tokio::test]
async fn a_domain_belongs_to_one_tenant_and_the_refusal_says_no_more_than_that_of_a_directory() {
    let world = World::new().await;
    world.tenant(1).await;
    let operator = model::caller::Principal("operator".into());
    let new = |directory: u8, domain: &str| crate::NewTenant {
        name: "Another".into(),
        directory: model::id::DirectoryId::from_random([directory; 16]),
        domains: vec!["another.com".into(), domain.into()],
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let domain = world.custody.create_tenant(&operator, new(2, "contoso-1.com")).await.expect_err("taken");
    let directory = world.custody.create_tenant(&operator, new(1, "free.com")).await.expect_err("taken");
    assert_eq!((domain.code, directory.code), (Code::Conflict, Code::Conflict));
    assert_eq!(domain.detail.replace("domain", "directory"), directory.detail);
    assert_eq!(world.custody.begin_intake(new(2, "contoso-1.com"), true).await, Err(domain));
    assert_eq!(world.custody.begin_intake(new(1, "free.com"), false).await, Err(directory));
    // Neither refusal took anything: the other domain and the directory are free.
    let (one, two) = futures::future::join(
        world.custody.create_tenant(&operator, new(2, "free.com")),
        world.custody.create_tenant(&operator, new(3, "free.com")),
    )
    .await;
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    world.nothing_is_half_there().await;
}

#[tokio::test]
async fn refresh_takes_the_newest_versions_and_content_opens_as_before() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    world.vaults.customer.add(&version("contoso-a", "exo", 2));
    let refreshed = world.custody.refresh(&user(&tenant), policy.id).await.expect("refreshed");
    assert_eq!(refreshed.policy.keys, [version("contoso-a", "exo", 2), key("contoso-b", "exo")]);
    assert_eq!(refreshed.policy.generation, policy.generation);
    world.pass(std::time::Duration::from_secs(10)).await;
    assert_eq!(open_word(&world.custody, &user(&tenant), id, &sealed).await.expect("open"), b"a word");
}

#[tokio::test]
async fn a_wrap_set_edited_by_hand_is_ours_and_cannot_be_refreshed() {
    const WRAP_SETS: Table = Table("wrap_sets");
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    let row_key = format!("{}/{}", tenant.id, policy.id);
    let row = world.wraps.0.read(WRAP_SETS, &row_key).await.expect("read").expect("there");
    let mut bytes = row.payload.expect("a set").to_vec();
    let at = bytes.windows(9).position(|window| window == b"contoso-b").expect("the second vault's name");
    bytes[at..at + 9].copy_from_slice(b"fabrikam-");
    let label: serde_json::Value = serde_json::from_slice(&row.body).expect("JSON");
    let batch = Batch::new().put_with_payload(WRAP_SETS, &row_key, &label, bytes);
    world.wraps.0.commit(batch, Cause::Housekeeping("an edit by hand")).await.expect("edited");
    world.pass(std::time::Duration::from_secs(10)).await;
    let refused = open_word(&world.custody, &user(&tenant), id, &sealed).await.expect_err("damaged");
    assert_eq!(refused.code, Code::Ours, "{refused}");
    let refused = world.custody.refresh(&user(&tenant), policy.id).await.expect_err("damaged");
    assert_eq!(refused.code, Code::Ours, "{refused}");
    let wraps = world.vaults.customer.calls().iter().filter(|call| call.asked == Asked::Wrap).count();
    assert_eq!(wraps, 2, "no stranger was asked to wrap");
}

#[tokio::test]
async fn a_wrap_set_of_a_strangers_seed_is_not_the_policys_whatever_its_mac_says() {
    const WRAP_SETS: Table = Table("wrap_sets");
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let policy = world.policy(&user(&tenant), PolicyKind::MultiWorkload, "All").await;
    let assigned =
        world.custody.assign_tenant(&user(&tenant), PolicyKind::MultiWorkload, Some(policy.id)).await;
    assigned.expect("assigned");
    // Whoever can write the database wraps a seed of his own for the same public keys, with a sound MAC.
    let seed = crypto::Seed::generate(&crypto::testing::SeededRandom::new(666));
    let place = policy.place();
    let mut slots = Vec::new();
    for key in &policy.keys {
        let wrapped = world.vaults.customer.wrap(key, &seed, user(&tenant).request).await.expect("wrapped");
        slots.push(crypto::Slot { key_identifier: key.to_string(), directory: Some([1; 16]), wrapped });
    }
    slots.push(crypto::Slot { directory: None, ..slots[0].clone() });
    let forged =
        crypto::WrapSet::new(place, policy.settings.preset.to_string(), slots, &seed).expect("a set");
    let row_key = format!("{}/{}", tenant.id, policy.id);
    let row = world.wraps.0.read(WRAP_SETS, &row_key).await.expect("read").expect("there");
    let label: serde_json::Value = serde_json::from_slice(&row.body).expect("JSON");
    let batch = Batch::new().put_with_payload(WRAP_SETS, &row_key, &label, forged.to_bytes());
    world.wraps.0.commit(batch, Cause::Housekeeping("an edit by hand")).await.expect("edited");
    world.pass(std::time::Duration::from_secs(10)).await;
    let born = world.custody.create(&user(&tenant), container(7), Family::Exchange).await;
    assert_eq!(born.expect_err("no mailbox is born under a key that a stranger knows").code, Code::Ours);
}

#[tokio::test]
async fn another_tenant_sees_no_policy_and_no_container() {
    let world = World::new().await;
    let (_, policy, id, sealed) = mailbox(&world).await;
    let other = world.tenant(2).await;
    assert_eq!(
        world.custody.policy(&user(&other), policy.id).await.expect_err("unseen").code,
        Code::NotFound
    );
    let read = open_word(&world.custody, &user(&other), id, &sealed).await;
    assert_eq!(read.expect_err("unseen").code, Code::NotFound);
    let assigned = world.custody.assign(&user(&other), id, None).await;
    assert_eq!(assigned.expect_err("unseen").code, Code::NotFound);
}

#[tokio::test]
async fn two_policies_of_one_name_that_are_made_at_once_are_one() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let make = |name: &str| {
        world
            .custody
            .create_policy(&caller, new_policy(PolicyKind::Mailbox, name, ["contoso-a", "contoso-b"]))
    };
    let (one, two) = futures::future::join(make("Mail"), make("MAIL")).await;
    let refused = if one.is_ok() { two.expect_err("taken") } else { one.expect_err("taken") };
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    assert_eq!(world.custody.policies(&caller).await.expect("a list").len(), 2);
    world.nothing_is_half_there().await;
    let (one, two) = futures::future::join(make("Three"), make("Four")).await;
    assert!(one.is_ok() && two.is_ok(), "others only look again");
}

#[tokio::test]
async fn many_policies_that_are_made_at_once_stay_within_the_limit() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let names: Vec<String> = (0..4).map(|number| format!("Sites {number}")).collect();
    let made = names.iter().map(|name| {
        world
            .custody
            .create_policy(&caller, new_policy(PolicyKind::SharePoint, name, ["contoso-a", "contoso-b"]))
    });
    let made = futures::future::join_all(made).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    world.nothing_is_half_there().await;
}

#[tokio::test]
async fn two_tenants_that_claim_one_directory_at_once_are_one() {
    let world = World::new().await;
    let new = |name: &str| crate::NewTenant {
        name: name.into(),
        directory: model::id::DirectoryId::from_random([1; 16]),
        domains: Vec::new(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let operator = model::caller::Principal("operator".into());
    let make = |name: &str| world.custody.create_tenant(&operator, new(name));
    let (one, two) = futures::future::join(make("One"), make("Two")).await;
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    assert_eq!(world.custody.tenants(None, 10).await.expect("a list").len(), 1);
    world.nothing_is_half_there().await;
}

#[tokio::test]
async fn a_tenant_whose_creation_failed_can_be_created_later() {
    let world = World::new().await;
    let new = crate::NewTenant {
        name: "Contoso".into(),
        directory: model::id::DirectoryId::from_random([1; 16]),
        domains: Vec::new(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let operator = model::caller::Principal("operator".into());
    world.vaults.provider.answer_all(&key("provider-b", "root"), Answer::Refused);
    let refused = world.custody.create_tenant(&operator, new.clone()).await.expect_err("no vault");
    assert_eq!(refused.code, Code::Outage, "{refused}");
    world.vaults.provider.heal(&key("provider-b", "root"));
    world.custody.create_tenant(&operator, new).await.expect("the directory was not lost");
}

#[tokio::test]
async fn a_creation_whose_caller_left_goes_on_to_its_end() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let held = world.vaults.customer.hold(&key("contoso-b", "exo"), Asked::Wrap);
    let (custody, maker) = (world.custody.clone(), caller.clone());
    let making = tokio::spawn(async move {
        custody
            .create_policy(&maker, new_policy(PolicyKind::Mailbox, "Mail", ["contoso-a", "contoso-b"]))
            .await
    });
    held.reached().await;
    making.abort();
    held.open();
    for _ in 0..400 {
        world.pass(std::time::Duration::from_millis(10)).await;
        if world.custody.policies(&caller).await.expect("a list").len() == 2 {
            break;
        }
        a_turn_for_the_replica().await;
    }
    assert_eq!(world.custody.policies(&caller).await.expect("a list").len(), 2);
    world.nothing_is_half_there().await;
}

#[tokio::test]
async fn a_refresh_whose_caller_left_goes_on_to_its_end() {
    let world = World::new().await;
    let (tenant, policy, _, _) = mailbox(&world).await;
    let caller = user(&tenant);
    world.vaults.customer.add(&version("contoso-a", "exo", 2));
    let held = world.vaults.customer.hold(&key("contoso-b", "exo"), Asked::Wrap);
    let (custody, maker) = (world.custody.clone(), caller.clone());
    let refreshing = tokio::spawn(async move { custody.refresh(&maker, policy.id).await });
    held.reached().await;
    refreshing.abort();
    held.open();
    for _ in 0..400 {
        world.pass(std::time::Duration::from_millis(10)).await;
        if world.custody.policy(&caller, policy.id).await.expect("a policy").keys[0] != policy.keys[0] {
            break;
        }
        a_turn_for_the_replica().await;
    }
    assert_eq!(
        world.custody.policy(&caller, policy.id).await.expect("a policy").keys[0],
        version("contoso-a", "exo", 2)
    );
    world.nothing_is_half_there().await;
}

#[tokio::test]
async fn two_refreshes_at_once_leave_row_wraps_and_replica_in_agreement() {
    let world = World::new().await;
    let (tenant, policy, id, sealed) = mailbox(&world).await;
    let caller = user(&tenant);
    world.vaults.customer.add(&version("contoso-a", "exo", 2));
    let refresh = || world.custody.refresh(&caller, policy.id);
    let (one, two) = futures::future::join(refresh(), refresh()).await;
    assert!(one.is_ok() || two.is_ok());
    world.nothing_is_half_there().await;
    let found = world.custody.policy(&caller, policy.id).await.expect("a policy");
    let layers = world.custody.layers(&caller, id).await.expect("layers");
    assert_eq!(found.keys[0].to_string(), layers.roots[0].0);
    world.pass(std::time::Duration::from_secs(10)).await;
    assert!(open_word(&world.custody, &caller, id, &sealed).await.is_ok());
}

#[tokio::test]
async fn a_list_of_policies_is_whole_however_long() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let model = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    let mut batch = Batch::new();
    for number in 0..1_200_u16 {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let id = model::id::DepId::from_random(id);
        let policy = crate::Policy { id, enabled: false, ..model.clone() };
        batch = batch.put(Table("policies"), format!("{}/{id}", tenant.id), &policy);
    }
    world.service.0.commit(batch, Cause::Housekeeping("many policies")).await.expect("written");
    assert_eq!(world.custody.policies(&caller).await.expect("a list").len(), 1_202);
}

#[tokio::test]
async fn start_up_takes_nothing_from_the_shelf_on_the_word_of_a_database_that_never_knew_the_tenant() {
    let mut world = World::new().await;
    let (_, policy, ..) = mailbox(&world).await;
    world.forget_service();
    world.restart().await;
    let kept = world.custody.shelf().read(policy.tenant, policy.id).await;
    assert!(kept.is_ok(), "the wrap sets of a service whose database was lost are still there");
}

#[tokio::test]
async fn a_damaged_wrap_set_stops_no_start_and_takes_no_copys_place() {
    let mut world = World::new().await;
    let (tenant, policy, ..) = mailbox(&world).await;
    let place = format!("{}/{}", tenant.id, policy.id);
    let batch = Batch::new().put_with_payload(WRAP_SETS, &place, &serde_json::json!({ "v": 1 }), vec![0; 64]);
    world.wraps.0.commit(batch, Cause::Housekeeping("a dead disk")).await.expect("edited");
    let before = world.copy_of(&place).await;
    world.restart().await;
    assert_eq!(world.copy_of(&place).await, before);
    let refused = world.custody.refresh(&user(&tenant), policy.id).await.expect_err("damaged");
    assert_eq!(refused.code, Code::Ours);
    assert!(world.custody.create(&user(&tenant), container(9), Family::Exchange).await.is_ok());
}

/// The replica writes in a thread of its own, which no clock of ours drives.
async fn a_turn_for_the_replica() {
    let turn = tokio::task::spawn_blocking(|| std::thread::sleep(std::time::Duration::from_millis(5)));
    turn.await.expect("no panic");
}

#[tokio::test]
async fn the_replica_keeps_a_replaced_wrap_set_for_its_history_and_no_longer() {
    let world = World::new().await;
    let (tenant, policy, _, _) = mailbox(&world).await;
    world.vaults.customer.add(&version("contoso-a", "exo", 2));
    world.clock.advance(std::time::Duration::from_secs(1));
    world.custody.refresh(&user(&tenant), policy.id).await.expect("refreshed");
    assert_eq!(world.custody.shelf().prune().await.expect("pruned"), 0);
    world.clock.advance(crate::HISTORY + std::time::Duration::from_secs(1));
    assert_eq!(world.custody.shelf().prune().await.expect("pruned"), 1);
    assert!(world.custody.refresh(&user(&tenant), policy.id).await.is_ok(), "the present set stays");
}
