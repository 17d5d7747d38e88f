//! The renewal of the master key: cut anywhere it goes on, keys work as before, and so do the backups of before.

use std::sync::Arc;

use crypto::testing::SeededRandom;
use crypto::{Key, Master};
use freehold_vault::{MAX_FORMERS, OpenFault, Renewal, RenewalFault, Renewed, SCHEMA, Vault};
use http::Method;
use serde_json::json;
use store::Store;

use crate::world::{Keys, SECRET, START, World, master, settings, token, value};

/// More than one page of versions.
const VERSIONS: u64 = 120;

fn key(number: u64) -> Key<Master> {
    Key::generate(&SeededRandom::new(1000 + number))
}

async fn renew(store: &Store, keys: [&Key<Master>; 2], keep_backups: bool) -> Result<Renewed, RenewalFault> {
    let random = SeededRandom::new(9);
    let [former, new] = keys;
    Renewal { store, former, new, keep_backups, now: START, random: &random }.run(|_| {}).await
}

/// A world with a key that wrapped something, a backup of it, and many versions of another key.
async fn filled() -> (World, Before) {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("mail").await;
    let wrapped = value(officer.wrap("mail").await);
    let backup = value(officer.call(Method::POST, "/keys/mail/backup", None).await);
    for _ in 0..VERSIONS {
        officer.create("many", json!({ "kty": "EC" })).await.ok();
    }
    officer.call(Method::DELETE, "/keys/many", None).await.ok();
    let token = officer.token.clone();
    (world, Before { version, wrapped, backup, token })
}

struct Before {
    version: String,
    wrapped: String,
    backup: String,
    token: String,
}

async fn open(store: Store, master: Key<Master>) -> Result<Vault, OpenFault> {
    let clock = Arc::new(model::time::ManualClock::at(START));
    Vault::open(settings(true), store, master, clock, Arc::new(SeededRandom::new(8))).await
}

/// Everything of before works, and the backup is restored or is no backup of this service.
async fn works(world: &World, vault: &Vault, before: &Before, backups: bool) {
    let router = vault.router();
    let officer = Keys { router: &router, host: world.contoso.host(), token: before.token.clone() };
    assert_eq!(value(officer.unwrap("mail", &before.version, &before.wrapped).await), SECRET);
    officer.call(Method::POST, "/deletedkeys/many/recover", None).await.ok();
    let digest = json!({ "alg": "ES256", "value": SECRET });
    officer.call(Method::POST, "/keys/many/sign", Some(&digest)).await.ok();
    officer.call(Method::DELETE, "/keys/mail", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/mail", None).await.ok();
    let restored =
        officer.call(Method::POST, "/keys/restore", Some(&json!({ "value": before.backup }))).await;
    if !backups {
        return restored.refused(400, "BadParameter", "");
    }
    restored.ok();
    assert_eq!(value(officer.unwrap("mail", &before.version, &before.wrapped).await), SECRET);
    // A backup of now, and a token of now.
    let blob = value(officer.call(Method::POST, "/keys/mail/backup", None).await);
    assert_ne!(blob, before.backup);
    token(&router, &world.contoso, &world.contoso.service, "https://vault.localhost").await;
}

#[tokio::test]
async fn cut_before_or_after_any_commit_a_renewal_goes_on_and_loses_nothing() {
    for cut in 1..=5 {
        for durable in [false, true] {
            let (world, before) = filled().await;
            let store = world.faults.reopen(&SCHEMA).unwrap();
            match durable {
                true => world.faults.crash_after(cut),
                false => world.faults.crash_before(cut),
            }
            assert!(renew(&store, [&master(), &key(1)], true).await.is_err(), "commit {cut}");
            let store = world.faults.reopen(&SCHEMA).unwrap();
            let renewed = renew(&store, [&master(), &key(1)], true).await.unwrap();
            // One signing key, one version of the one key, and all of the other.
            assert_eq!((renewed.resealed + renewed.before, renewed.formers), (VERSIONS + 2, 1), "{cut}");
            assert!(matches!(open(store.clone(), master()).await, Err(OpenFault::MasterKey)));
            works(&world, &open(store, key(1)).await.unwrap(), &before, true).await;
        }
    }
}

#[tokio::test]
async fn backups_of_many_master_keys_ago_come_back_until_they_are_given_up() {
    let (world, before) = filled().await;
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let mut former = master();
    for number in 1..=3 {
        assert_eq!(renew(&store, [&former, &key(number)], true).await.unwrap().formers as u64, number);
        former = key(number);
    }
    works(&world, &open(store.clone(), key(3)).await.unwrap(), &before, true).await;
    let (world, before) = filled().await;
    let store = world.faults.reopen(&SCHEMA).unwrap();
    renew(&store, [&master(), &key(1)], true).await.unwrap();
    assert_eq!(renew(&store, [&key(1), &key(2)], false).await.unwrap().formers, 0);
    works(&world, &open(store, key(2)).await.unwrap(), &before, false).await;
}

#[tokio::test]
async fn the_oldest_master_key_leaves_when_there_are_too_many() {
    let (store, _) = Store::memory(&SCHEMA);
    open(store.clone(), key(0)).await.unwrap();
    for number in 1..=MAX_FORMERS as u64 + 2 {
        let renewed = renew(&store, [&key(number - 1), &key(number)], true).await.unwrap();
        assert_eq!(renewed.formers as u64, number.min(MAX_FORMERS as u64));
    }
    open(store, key(MAX_FORMERS as u64 + 2)).await.unwrap();
}

#[tokio::test]
async fn a_former_key_that_is_none_changes_nothing() {
    let (world, before) = filled().await;
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let refused = renew(&store, [&key(7), &key(1)], false).await.unwrap_err();
    assert!(matches!(refused, RenewalFault::Neither { table: "signing_keys", .. }), "{refused}");
    works(&world, &open(store, master()).await.unwrap(), &before, true).await;
}
