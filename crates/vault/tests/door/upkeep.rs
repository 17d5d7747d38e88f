//! What rotation policies do by themselves: new versions, and records of versions that are about to end.

use std::time::Duration;

use freehold_vault::{Log, SCHEMA};
use http::Method;
use serde_json::{Value, json};
use store::{Scan, Table};

use crate::world::{Keys, SECRET, World, value, version};

const NOW: i64 = 1_795_521_600;
const DAY: i64 = 24 * 3600;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

async fn set(keys: &Keys<'_>, name: &str, trigger: Value, expiry: Option<&str>) {
    let action = json!({"trigger": trigger, "action": {"type": "Rotate"}});
    let policy = json!({"lifetimeActions": [action], "attributes": {"expiryTime": expiry}});
    keys.call(Method::PUT, &format!("/keys/{name}/rotationpolicy"), Some(&policy)).await.ok();
}

/// How many versions the store holds, of all keys.
async fn versions(world: &World) -> usize {
    let store = world.faults.reopen(&SCHEMA).unwrap();
    store.scan(Table("key_versions"), Scan { prefix: "", after: None, limit: 100 }).await.unwrap().len()
}

/// When the store says that keys are due, in the order of time.
async fn due(world: &World) -> Vec<String> {
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let rows = store.scan(Table("due"), Scan { prefix: "", after: None, limit: 100 }).await.unwrap();
    rows.into_iter().map(|row| row.key).filter(|key| key != "complete").collect()
}

fn rotation(at: i64, name: &str) -> String {
    format!("rotation/{at:012}/contoso-ck-a1/{name}")
}

/// What the program did by itself, and with which version.
async fn own(world: &World) -> Vec<(String, String)> {
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 1000).await.unwrap();
    let records = rows.iter().map(|row| row.parse::<Value>().unwrap());
    let own = records.filter(|record| record["identity"] == json!({"claim": {}}));
    let told = own.map(|record| {
        let id = record["properties"]["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (record["operationName"].as_str().unwrap().to_owned(), id)
    });
    told.collect()
}

fn told(operation: &str, version: &str) -> (String, String) {
    (operation.to_owned(), version.to_owned())
}

const ROTATED: &str = "KeyRotateIfDue";
const NOTIFIED: &str = "KeyNearExpiryEventGridNotification";

#[tokio::test]
async fn a_key_is_rotated_when_its_policy_says_and_not_before() {
    let world = World::new().await;
    let officer = world.officer().await;
    let first = officer.make("K").await;
    let wrapped = value(officer.wrap("k").await);
    set(&officer, "k", json!({"timeAfterCreate": "P90D"}), Some("P180D")).await;
    assert_eq!(due(&world).await, [rotation(NOW + 90 * DAY, "k")]);
    world.clock.advance(days(90) - Duration::from_secs(1));
    assert_eq!(world.vault.rotate_due().await, 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    let officer = world.officer().await;
    let newest = officer.get("/keys/k").await.ok();
    assert_ne!(version(&newest), first);
    assert_eq!(newest["attributes"]["created"], NOW + 90 * DAY);
    assert_eq!(newest["attributes"]["exp"], NOW + 270 * DAY);
    assert_eq!(value(officer.unwrap("k", &first, &wrapped).await), SECRET);
    assert_eq!(due(&world).await, [rotation(NOW + 180 * DAY, "k")], "90 days after the new version");
    assert_eq!(own(&world).await, [told(ROTATED, &version(&newest))]);
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 1000).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let record = records.iter().find(|record| record["operationName"] == ROTATED).unwrap();
    assert_eq!(record["properties"]["id"], newest["key"]["kid"], "with the name as it was first written");
}

#[tokio::test]
async fn a_program_that_was_off_for_years_catches_up_once() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P90D"}), None).await;
    world.clock.advance(days(1000));
    assert_eq!(world.vault.rotate_due().await, 1);
    assert_eq!(world.vault.rotate_due().await, 0);
    assert_eq!(versions(&world).await, 2);
    assert_eq!(due(&world).await, [rotation(NOW + 1090 * DAY, "k")]);
}

#[tokio::test]
async fn a_rotation_before_the_end_follows_the_end_of_the_newest_version() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeBeforeExpiry": "P40D"}), Some("P100D")).await;
    assert_eq!(due(&world).await, [""; 0], "this version has no end");
    officer.patch("/keys/k/", json!({"attributes": {"exp": NOW + 100 * DAY}})).await.ok();
    assert_eq!(due(&world).await, [rotation(NOW + 60 * DAY, "k")]);
    officer.patch("/keys/k/", json!({"attributes": {"exp": NOW + 50 * DAY}})).await.ok();
    assert_eq!(due(&world).await, [rotation(NOW + 10 * DAY, "k")]);
    world.clock.advance(days(10));
    assert_eq!(world.vault.rotate_due().await, 1);
    assert_eq!(due(&world).await, [rotation(NOW + 70 * DAY, "k")]);
}

#[tokio::test]
async fn a_key_that_is_switched_off_waits() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P90D"}), None).await;
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    assert_eq!(due(&world).await, [""; 0]);
    world.clock.advance(days(100));
    assert_eq!(world.vault.rotate_due().await, 0);
    let officer = world.officer().await;
    officer.patch("/keys/k/", json!({"attributes": {"enabled": true}})).await.ok();
    assert_eq!(world.vault.rotate_due().await, 1);
}

#[tokio::test]
async fn the_end_of_a_version_is_told_once() {
    let world = World::new().await;
    let officer = world.officer().await;
    let attributes = json!({"exp": NOW + 40 * DAY});
    let first = officer.create("k", json!({"kty": "RSA", "attributes": attributes})).await.ok();
    assert_eq!(due(&world).await, [rotation(NOW + 10 * DAY, "k")], "also without a policy of its own");
    world.clock.advance(days(10) - Duration::from_secs(1));
    assert_eq!(world.vault.rotate_due().await, 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    let officer = world.officer().await;
    officer.patch("/keys/k/", json!({"attributes": {"exp": NOW + 41 * DAY}})).await.ok();
    assert_eq!(due(&world).await, [""; 0]);
    let attributes = json!({"exp": NOW + 41 * DAY});
    let second = officer.create("k", json!({"kty": "RSA", "attributes": attributes})).await.ok();
    world.clock.advance(days(300));
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    let expected = [told(NOTIFIED, &version(&first)), told(NOTIFIED, &version(&second))];
    assert_eq!(own(&world).await, expected);
    assert_eq!(versions(&world).await, 2, "nothing else was asked for");
}

#[tokio::test]
async fn a_version_that_is_rotated_in_time_needs_no_notice() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P80D"}), Some("P100D")).await;
    let exp = officer.call(Method::POST, "/keys/k/rotate", None).await.ok()["attributes"]["exp"].clone();
    assert_eq!(exp, NOW + 100 * DAY);
    assert_eq!(due(&world).await, [rotation(NOW + 70 * DAY, "k")], "the notice is first");
    world.clock.advance(days(70));
    assert_eq!(world.vault.rotate_due().await, 1);
    assert_eq!(due(&world).await, [rotation(NOW + 80 * DAY, "k")]);
    world.clock.advance(days(10));
    assert_eq!(world.vault.rotate_due().await, 1);
    world.clock.advance(days(90));
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    let done: Vec<String> = own(&world).await.into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(done, [NOTIFIED, ROTATED, ROTATED]);
}

#[tokio::test]
async fn a_deleted_key_is_not_rotated_and_catches_up_when_it_is_back() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P7D"}), None).await;
    let backup = officer.call(Method::POST, "/keys/k/backup", None).await.ok();
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    let purge = format!("purge/{:012}/contoso-ck-a1/k", NOW + 90 * DAY);
    assert_eq!(due(&world).await, [purge]);
    world.clock.advance(days(30));
    assert_eq!(world.vault.rotate_due().await, 0);
    let officer = world.officer().await;
    officer.call(Method::POST, "/deletedkeys/k/recover", None).await.ok();
    assert_eq!(due(&world).await, [rotation(NOW + 7 * DAY, "k")]);
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    assert_eq!(versions(&world).await, 2);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    assert_eq!(due(&world).await, [""; 0]);
    officer.call(Method::POST, "/keys/restore", Some(&backup)).await.ok();
    assert_eq!(due(&world).await, [rotation(NOW + 7 * DAY, "k")]);
}

#[tokio::test]
async fn the_keys_of_a_deleted_vault_wait_for_its_recovery() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P7D"}), None).await;
    let path = world.contoso.vault_path();
    world.manage().call(Method::DELETE, &path, None).await.ok();
    world.clock.advance(days(30));
    assert_eq!(world.vault.rotate_due().await, 0);
    assert_eq!((versions(&world).await, due(&world).await.len()), (1, 2), "the key's row and the vault's");
    let mut body = crate::world::vault_body(&world.contoso);
    body["properties"]["createMode"] = json!("recover");
    world.manage().put(&path, &body).await.ok();
    assert_eq!((world.vault.rotate_due().await, world.vault.rotate_due().await), (1, 0));
    assert_eq!(versions(&world).await, 2);
}

#[tokio::test]
async fn a_key_that_is_destroyed_at_once_is_not_due_any_more() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P7D"}), None).await;
    assert_eq!(due(&world).await.len(), 1);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    assert_eq!(due(&world).await, [""; 0]);
}

#[tokio::test]
async fn a_crash_of_the_job_leaves_a_key_rotated_or_not() {
    let world = World::new().await;
    let officer = world.officer().await;
    let first = officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P90D"}), None).await;
    world.clock.advance(days(90));
    let officer = world.officer().await;
    world.faults.crash_before(1);
    assert_eq!(world.vault.rotate_due().await, 0);
    assert_eq!((versions(&world).await, version(&officer.get("/keys/k").await.ok())), (1, first));
    world.faults.crash_after(1);
    assert_eq!(world.vault.rotate_due().await, 0);
    assert_eq!(versions(&world).await, 2);
    officer.wrap("k").await.ok();
    assert_eq!(world.vault.rotate_due().await, 0, "it was done");
    assert_eq!(own(&world).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_was_decided_before_a_deletion_does_not_bring_the_key_back() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P90D"}), None).await;
    world.clock.advance(days(90));
    let officer = world.officer().await;
    let hold = world.gate.hold_now();
    let job = {
        let vault = world.vault.clone();
        tokio::spawn(async move { vault.rotate_due().await })
    };
    let release = hold.reached().await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    release.send(()).unwrap();
    assert_eq!(job.await.unwrap(), 0);
    officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
    assert_eq!(due(&world).await.len(), 1, "it is to be purged and nothing else");
}

#[tokio::test]
async fn upkeep_rotates_round_after_round() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", json!({"timeAfterCreate": "P7D"}), None).await;
    let upkeep = {
        let vault = world.vault.clone();
        tokio::spawn(async move { vault.upkeep().await })
    };
    while own(&world).await.len() < 2 {
        tokio::task::yield_now().await;
        world.clock.advance(days(1));
    }
    upkeep.abort();
    let all = versions(&world).await;
    assert!(all >= 3, "{all}");
}
