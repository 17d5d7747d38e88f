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
