//! The life of a key in a vault with soft delete: deleted, recovered, purged.

use std::time::Duration;

use freehold_vault::{Log, SCHEMA};
use http::Method;
use serde_json::{Value, json};
use store::{Scan, Table};

use crate::world::{Answer, Keys, SECRET, World, value, vault_body, version};

const DELETED: i64 = 1_795_521_600;
const NINETY_DAYS: i64 = 90 * 24 * 3600;

async fn delete(keys: &Keys<'_>, name: &str) -> Answer {
    keys.call(Method::DELETE, &format!("/keys/{name}"), None).await
}

async fn recover(keys: &Keys<'_>, name: &str) -> Answer {
    keys.call(Method::POST, &format!("/deletedkeys/{name}/recover"), None).await
}

async fn purge(keys: &Keys<'_>, name: &str) -> Answer {
    keys.call(Method::DELETE, &format!("/deletedkeys/{name}"), None).await
}

/// How many rows of keys, deleted keys and versions the store holds.
async fn rows(world: &World) -> [usize; 3] {
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let count = async |table| {
        let scan = Scan { prefix: "", after: None, limit: 1000 };
        store.scan(Table(table), scan).await.unwrap().len()
    };
    [count("keys").await, count("deleted_keys").await, count("key_versions").await]
}

#[tokio::test]
async fn a_deleted_key_looks_as_the_service_shows_it() {
    let world = World::new().await;
    let officer = world.officer().await;
    let bundle = officer.create("Key-EXO", json!({"kty": "RSA", "tags": {"for": "mail"}})).await.ok();
    officer.patch("/keys/key-exo/", json!({"attributes": {"enabled": false}})).await.ok();
    let deleted = delete(&officer, "key-exo").await.ok();
    let mut expected = bundle;
    expected["attributes"]["enabled"] = json!(false);
    expected["recoveryId"] = json!("https://contoso-ck-a1.vault.localhost/deletedkeys/Key-EXO");
    expected["deletedDate"] = json!(DELETED);
    expected["scheduledPurgeDate"] = json!(DELETED + NINETY_DAYS);
    assert_eq!(deleted, expected);
    assert_eq!(officer.get("/deletedkeys/KEY-exo").await.ok(), expected, "a disabled key is shown, too");
    let item = officer.get("/deletedkeys").await.ok()["value"][0].clone();
    assert_eq!(
        item,
        json!({
            "recoveryId": expected["recoveryId"], "deletedDate": DELETED, "scheduledPurgeDate": DELETED + NINETY_DAYS,
            "kid": "https://contoso-ck-a1.vault.localhost/keys/Key-EXO", "attributes": expected["attributes"],
            "tags": {"for": "mail"},
        })
    );
}

#[tokio::test]
async fn nothing_leads_to_a_deleted_key_and_its_name_is_not_free() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let old = officer.make("K").await;
    let wrapped = value(service.wrap("k").await);
    service.unwrap("k", &old, &wrapped).await.ok();
    officer.make("k").await;
    assert_eq!(world.vault.parsed_keys(), 1);
    delete(&officer, "k").await.ok();
    assert_eq!(world.vault.parsed_keys(), 0, "no private half stays in memory");
    for answer in [
        officer.get("/keys/k").await,
        officer.get(&format!("/keys/k/{old}")).await,
        officer.get("/keys/k/versions").await,
        service.wrap("k").await,
        service.unwrap("k", &old, &wrapped).await,
        officer.patch(&format!("/keys/k/{old}"), json!({})).await,
        delete(&officer, "k").await,
    ] {
        answer.refused(404, "KeyNotFound", "");
    }
    assert_eq!(officer.get("/keys").await.ok()["value"], json!([]));
    let taken = officer.create("k", json!({"kty": "RSA"})).await;
    taken.refused(409, "Conflict", "ObjectIsDeletedButRecoverable");
    assert_eq!(
        taken.message(),
        "Key K is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key \
         can only be recovered or purged."
    );
}

#[tokio::test]
async fn a_recovered_key_is_back_with_all_versions() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let old = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    officer.make("k").await;
    let before = officer.get("/keys/k").await.ok();
    for _ in 0..2 {
        delete(&officer, "k").await.ok();
        assert_eq!(recover(&officer, "K").await.ok(), before);
    }
    assert_eq!(officer.get("/keys/k").await.ok(), before);
    assert_eq!(value(service.unwrap("k", &old, &wrapped).await), SECRET);
    assert_eq!(officer.get("/deletedkeys").await.ok()["value"], json!([]));
    officer.get("/deletedkeys/k").await.refused(404, "KeyNotFound", "");
    assert_eq!(rows(&world).await, [1, 0, 2]);
}

#[tokio::test]
async fn a_purged_key_leaves_nothing_and_its_name_is_free() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let old = officer.make("k").await;
    officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    delete(&officer, "k").await.ok();
    assert_eq!(rows(&world).await, [0, 1, 2]);
    let purged = purge(&officer, "k").await;
    assert_eq!((purged.status.as_u16(), &purged.json), (204, &Value::Null));
    assert_eq!(purged.header("content-type"), None);
    assert_eq!(rows(&world).await, [0, 0, 0]);
    officer.get("/deletedkeys/k").await.refused(404, "KeyNotFound", "");
    let again = officer.make("k").await;
    assert_ne!(again, old);
    service.unwrap("k", &old, &wrapped).await.refused(404, "KeyNotFound", "");
    service.unwrap("k", &again, &wrapped).await.refused(400, "BadParameter", "");
}

#[tokio::test]
async fn a_purge_leaves_the_neighbours() {
    let world = World::new().await;
    let officer = world.officer().await;
    for name in ["k", "k-2", "k2"] {
        officer.make(name).await;
        delete(&officer, name).await.ok();
    }
    purge(&officer, "k").await.ok();
    for name in ["k-2", "k2"] {
        recover(&officer, name).await.ok();
        officer.wrap(name).await.ok();
    }
}

#[tokio::test]
async fn what_is_not_deleted_cannot_be_shown_recovered_or_purged() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("live").await;
    for name in ["live", "none"] {
        for answer in [officer.get(&format!("/deletedkeys/{name}")).await, purge(&officer, name).await] {
            answer.refused(404, "KeyNotFound", "");
            assert_eq!(answer.message(), format!("Deleted Key not found: {name}"));
        }
        let answer = recover(&officer, name).await;
        answer.refused(404, "KeyNotFound", "");
        let start = format!("A key with (name/id) {name} was not found in this key vault.");
        assert!(answer.message().starts_with(&start));
    }
    officer.get("/keys/live").await.ok();
}

#[tokio::test]
async fn a_protected_vault_lets_nobody_purge_and_says_so_of_keys_that_are_deleted_already() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let level = |json: &Value| json["attributes"]["recoveryLevel"].as_str().unwrap().to_owned();
    assert_eq!(level(&delete(&officer, "k").await.ok()), "Recoverable+Purgeable");
    let mut body = vault_body(&world.contoso);
    body["properties"]["enablePurgeProtection"] = json!(true);
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(level(&officer.get("/deletedkeys/k").await.ok()), "Recoverable");
    let refused = purge(&officer, "k").await;
    refused.refused(403, "Forbidden", "");
    assert_eq!(
        refused.message(),
        "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will \
         automatically purge it after the retention period has passed. Vault: contoso-ck-a1;location=westeurope"
    );
    assert_eq!(level(&recover(&officer, "k").await.ok()), "Recoverable");
}

#[tokio::test]
async fn deleted_keys_are_listed_in_pages() {
    let world = World::new().await;
    let officer = world.officer().await;
    for name in ["Mail", "files", "chat", "live"] {
        officer.make(name).await;
    }
    for name in ["mail", "files", "chat"] {
        delete(&officer, name).await.ok();
    }
    let names = |page: &Value| -> Vec<String> {
        let items = page["value"].as_array().unwrap().iter();
        items.map(|item| item["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let page = officer.get("/deletedkeys?maxresults=2").await.ok();
    assert_eq!(names(&page), ["chat", "files"]);
    let next = page["nextLink"].as_str().unwrap().split_once(".localhost").unwrap().1.to_owned();
    assert!(next.starts_with("/deletedkeys?"));
    let rest = officer.get(&next).await.ok();
    assert_eq!(names(&rest), ["Mail"]);
    assert!(rest["nextLink"].is_null());
    officer.get("/deletedkeys?maxresults=26").await.refused(400, "BadParameter", "");
}

#[tokio::test]
async fn each_step_needs_its_own_right() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.make("k").await;
    for (answer, action) in [
        (delete(&service, "k").await, "keys/delete"),
        (recover(&service, "k").await, "keys/recover/action"),
        (purge(&service, "k").await, "keys/purge/action"),
    ] {
        answer.refused(403, "Forbidden", "ForbiddenByRbac");
        let action = format!("Action: 'Microsoft.KeyVault/vaults/{action}'");
        assert!(answer.message().contains(&action), "{}", answer.message());
    }
    // Who may read keys sees deleted ones.
    delete(&officer, "k").await.ok();
    service.get("/deletedkeys/k").await.ok();
    service.get("/deletedkeys").await.ok();
}

#[tokio::test]
async fn each_step_is_in_the_log() {
    let world = World::new().await;
    let officer = world.officer().await;
    let made = officer.make("k").await;
    delete(&officer, "k").await.ok();
    officer.get("/deletedkeys/k").await.ok();
    officer.get("/deletedkeys").await.ok();
    recover(&officer, "k").await.ok();
    delete(&officer, "k").await.ok();
    purge(&officer, "k").await.ok();
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 1, 100).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let told: Vec<(&str, i64)> = records
        .iter()
        .map(|record| {
            let status = record["properties"]["httpStatusCode"].as_i64().unwrap();
            (record["operationName"].as_str().unwrap(), status)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("KeyDelete", 200),
            ("KeyGetDeleted", 200),
            ("KeyListDeleted", 200),
            ("KeyRecover", 200),
            ("KeyDelete", 200),
            ("KeyPurge", 204)
        ]
    );
    assert_eq!(
        records[5]["properties"]["id"],
        format!("https://contoso-ck-a1.vault.localhost/keys/k/{made}")
    );
}

#[tokio::test]
async fn a_crash_leaves_the_state_of_before_a_step_or_of_after_it() {
    const LIVE: [usize; 3] = [1, 0, 2];
    const SET_ASIDE: [usize; 3] = [0, 1, 2];
    const GONE: [usize; 3] = [0, 0, 0];
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let newest = officer.make("k").await;
    type Step = (Method, &'static str, [usize; 3], [usize; 3]);
    let steps: [Step; 4] = [
        (Method::DELETE, "/keys/k", LIVE, SET_ASIDE),
        (Method::POST, "/deletedkeys/k/recover", SET_ASIDE, LIVE),
        (Method::DELETE, "/keys/k", LIVE, SET_ASIDE),
        (Method::DELETE, "/deletedkeys/k", SET_ASIDE, GONE),
    ];
    for (method, path, before, after) in steps {
        world.faults.crash_before(1);
        officer.call(method.clone(), path, None).await.refused(503, "ServiceUnavailable", "");
        assert_eq!(rows(&world).await, before, "{method} {path}");
        if before == LIVE {
            assert_eq!(version(&officer.get("/keys/k").await.ok()), newest);
            officer.wrap("k").await.ok();
        }
        world.faults.crash_after(1);
        officer.call(method.clone(), path, None).await.refused(503, "ServiceUnavailable", "");
        assert_eq!(rows(&world).await, after, "{method} {path}");
    }
    officer.make("k").await;
}

/// Deletes the key `gone` now and the key `later` a day after, in a vault that keeps deleted keys for seven days.
async fn two_deleted(world: &World) -> Keys<'_> {
    let path = format!("{}/providers/Microsoft.KeyVault/vaults/contoso-seven", world.contoso.group_path());
    let mut body = vault_body(&world.contoso);
    body["properties"]["softDeleteRetentionInDays"] = json!(7);
    body["properties"]["enablePurgeProtection"] = json!(true);
    world.manage().put(&path, &body).await.ok();
    world.manage().assign(&path, &world.contoso.officer, crate::world::OFFICER, 7).await.ok();
    let mut keys = world.officer().await;
    keys.host = "contoso-seven.vault.localhost".into();
    for name in ["gone", "gone", "later", "live"] {
        keys.make(name).await;
    }
    delete(&keys, "gone").await.ok();
    world.clock.advance(DAY);
    keys.token = world.officer().await.token;
    delete(&keys, "later").await.ok();
    keys
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_deleted_key_is_purged_by_itself_when_its_time_is_over_and_not_before() {
    let world = World::new().await;
    two_deleted(&world).await;
    world.clock.advance(DAY * 6 - Duration::from_secs(1));
    assert_eq!(world.vault.purge_due().await, 0);
    assert_eq!(rows(&world).await, [1, 2, 4]);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.vault.purge_due().await, 1, "purge protection ends with the time");
    assert_eq!(rows(&world).await, [1, 1, 2]);
    world.clock.advance(DAY);
    assert_eq!((world.vault.purge_due().await, world.vault.purge_due().await), (1, 0));
    assert_eq!(rows(&world).await, [1, 0, 1]);
    let rows = world.vault.log(Log::Vault("contoso-seven"), 0, 100).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let purged: Vec<&Value> = records.iter().filter(|record| record["operationName"] == "KeyPurge").collect();
    assert_eq!(purged.len(), 2);
    assert_eq!(purged[0]["identity"], json!({"claim": {}}), "nobody asked for it");
    let id = purged[0]["properties"]["id"].as_str().unwrap();
    assert!(id.starts_with("https://contoso-seven.vault.localhost/keys/gone/"), "{id}");
}

#[tokio::test]
async fn a_crash_of_the_job_leaves_each_key_whole_or_gone() {
    let world = World::new().await;
    two_deleted(&world).await;
    world.clock.advance(DAY * 30);
    world.faults.crash_before(1);
    assert_eq!(world.vault.purge_due().await, 0);
    assert_eq!(rows(&world).await, [1, 2, 4]);
    world.faults.crash_after(1);
    assert_eq!(world.vault.purge_due().await, 0);
    assert_eq!(rows(&world).await, [1, 1, 2]);
    assert_eq!(world.vault.purge_due().await, 1);
    assert_eq!(rows(&world).await, [1, 0, 1]);
}

#[tokio::test]
async fn upkeep_purges_round_after_round() {
    let world = World::new().await;
    two_deleted(&world).await;
    let upkeep = {
        let vault = world.vault.clone();
        tokio::spawn(async move { vault.upkeep().await })
    };
    while rows(&world).await != [1, 0, 1] {
        tokio::task::yield_now().await;
        world.clock.advance(DAY);
    }
    upkeep.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_was_decided_before_a_recovery_does_not_take_the_key_that_is_deleted_again() {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("k").await;
    let wrapped = value(officer.wrap("k").await);
    delete(&officer, "k").await.ok();
    world.clock.advance(DAY * 90);
    let officer = world.officer().await;
    let hold = world.gate.hold_now();
    let job = {
        let vault = world.vault.clone();
        tokio::spawn(async move { vault.purge_due().await })
    };
    let release = hold.reached().await;
    recover(&officer, "k").await.ok();
    delete(&officer, "k").await.ok();
    release.send(()).unwrap();
    assert_eq!(job.await.unwrap(), 0);
    assert_eq!(world.vault.purge_due().await, 0);
    recover(&officer, "k").await.ok();
    assert_eq!(value(officer.unwrap("k", &version, &wrapped).await), SECRET);
}
