//! Backup and restore: where a key may come back, what comes with it, and what is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use freehold_vault::{Log, NewSubscription, SCHEMA};
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use store::{Batch, Cause, Row, Scan, Store, Table};

use crate::world::{
    Answer, CRYPTO_USER, Keys, Manage, OFFICER, SECRET, Tenant, World, value, vault_body, version,
};

const VERSIONS: Table = Table("key_versions");

async fn backup(keys: &Keys<'_>, name: &str) -> Answer {
    keys.call(Method::POST, &format!("/keys/{name}/backup"), None).await
}

async fn restore(keys: &Keys<'_>, blob: &str) -> Answer {
    keys.call(Method::POST, "/keys/restore", Some(&json!({ "value": blob }))).await
}

async fn destroy(keys: &Keys<'_>, name: &str) {
    keys.call(Method::DELETE, &format!("/keys/{name}"), None).await.ok();
    keys.call(Method::DELETE, &format!("/deletedkeys/{name}"), None).await.ok();
}

/// A second vault of the tenant, and its keys as the officer.
async fn vault<'a>(world: &'a World, tenant: &Tenant, name: &str, location: &str) -> Keys<'a> {
    let manage = Manage { router: &world.router, tenant, who: &tenant.owner };
    let path = format!("{}/providers/Microsoft.KeyVault/vaults/{name}", tenant.group_path());
    let mut body = vault_body(tenant);
    body["location"] = json!(location);
    manage.put(&path, &body).await.ok();
    manage.assign(&path, &tenant.officer, OFFICER, 9).await.ok();
    Keys { host: format!("{name}.vault.localhost"), ..world.officer().await }
}

async fn rows(store: &Store, table: Table) -> Vec<Row> {
    store.scan(table, Scan { prefix: "", after: None, limit: 1000 }).await.unwrap()
}

#[tokio::test]
async fn a_restored_key_is_what_it_was_and_opens_what_it_wrapped() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let old = officer.make("Key-EXO").await;
    let wrapped = value(service.wrap("key-exo").await);
    officer.patch(&format!("/keys/key-exo/{old}"), json!({"tags": {"for": "mail"}})).await.ok();
    world.clock.advance(std::time::Duration::from_secs(60));
    officer.create("key-exo", json!({"kty": "RSA", "attributes": {"exp": 1_895_521_600}})).await.ok();
    let before =
        [officer.get(&format!("/keys/key-exo/{old}")).await.ok(), officer.get("/keys/key-exo").await.ok()];
    let blob = value(backup(&officer, "KEY-exo").await);
    assert!(URL_SAFE_NO_PAD.decode(&blob).unwrap().starts_with(b"\x19freehold-vault-key-backup\x01"));
    destroy(&officer, "key-exo").await;
    service.unwrap("key-exo", &old, &wrapped).await.refused(404, "KeyNotFound", "");
    world.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(restore(&officer, &blob).await.ok(), before[1]);
    let after =
        [officer.get(&format!("/keys/key-exo/{old}")).await.ok(), officer.get("/keys/key-exo").await.ok()];
    assert_eq!(after, before, "versions, times, tags and name");
    assert_eq!(value(service.unwrap("key-exo", &old, &wrapped).await), SECRET);
    let next = officer.make("key-exo").await;
    assert_ne!(next, version(&before[1]));
}

#[tokio::test]
async fn a_key_comes_back_in_another_vault_of_its_subscription_and_geography_alone() {
    let world = World::new().await;
    let officer = world.officer().await;
    let made = officer.make("k").await;
    let wrapped = value(officer.wrap("k").await);
    let blob = value(backup(&officer, "k").await);

    let north = vault(&world, &world.contoso, "contoso-north", "North Europe").await;
    let bundle = restore(&north, &blob).await.ok();
    assert_eq!(bundle["key"]["kid"], format!("https://contoso-north.vault.localhost/keys/k/{made}"));
    assert_eq!(value(north.unwrap("k", &made, &wrapped).await), SECRET);
    assert_eq!(value(officer.unwrap("k", &made, &wrapped).await), SECRET, "the first one stays");

    let paris = vault(&world, &world.contoso, "contoso-paris", "francecentral").await;
    let refused = restore(&paris, &blob).await;
    refused.refused(400, "BadParameter", "");
    assert!(
        refused.message().starts_with("The backup was made in another geography"),
        "{}",
        refused.message()
    );

    let admin = world.vault.administration();
    let new = NewSubscription { id: None, display_name: "more", owner: world.contoso.owner.principal };
    let subscription = admin.create_subscription(world.contoso.directory, new).await.unwrap();
    let other = Tenant { subscription, ..world.contoso.clone() };
    let manage = Manage { router: &world.router, tenant: &other, who: &other.owner };
    manage.post(&format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/register")).await.ok();
    manage.put(&other.group_path(), &json!({"location": "westeurope"})).await.ok();
    let beside = vault(&world, &other, "contoso-beside", "westeurope").await;
    let refused = restore(&beside, &blob).await;
    refused.refused(400, "BadParameter", "");
    assert!(
        refused.message().starts_with("The backup was made in another subscription"),
        "{}",
        refused.message()
    );
    for keys in [&paris, &beside] {
        keys.get("/keys/k").await.refused(404, "KeyNotFound", "");
    }

    // A head that lies does not help: the seal is bound to what it said.
    let bytes = URL_SAFE_NO_PAD.decode(&blob).unwrap();
    let lying = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        URL_SAFE_NO_PAD.encode([&bytes[..at], to, &bytes[at + from.len()..]].concat())
    };
    let (mine, theirs) = (world.contoso.subscription.to_string(), subscription.to_string());
    for (keys, blob) in
        [(&paris, lying(b"\x06europe", b"\x06france")), (&beside, lying(mine.as_bytes(), theirs.as_bytes()))]
    {
        let refused = restore(keys, &blob).await;
        refused.refused(400, "BadParameter", "");
        assert_eq!(refused.message(), "Property value is not a backup that was made by this service.");
    }
}

#[tokio::test]
async fn a_key_on_a_curve_comes_back_and_signs_and_a_type_that_names_hardware_needs_its_sku() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.create("k", json!({"kty": "EC-HSM", "crv": "P-384"})).await.ok();
    let before = officer.get("/keys/k").await.ok();
    let digest = URL_SAFE_NO_PAD.encode([7; 48]);
    let signature = value(officer.operate("/keys/k//sign", "ES384", &digest).await);
    let blob = value(backup(&officer, "k").await);
    destroy(&officer, "k").await;
    let mut body = vault_body(&world.contoso);
    for (sku, fits) in [("standard", false), ("premium", true)] {
        body["properties"]["sku"]["name"] = json!(sku);
        world.manage().put(&world.contoso.vault_path(), &body).await.ok();
        let answer = restore(&officer, &blob).await;
        if fits {
            assert_eq!(answer.ok(), before);
        } else {
            answer.refused(400, "BadParameter", "");
            officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
        }
    }
    let asked = json!({"alg": "ES384", "digest": digest, "value": signature});
    let path = format!("/keys/k/{}/verify", version(&before));
    assert_eq!(officer.call(Method::POST, &path, Some(&asked)).await.ok()["value"], json!(true));
}

#[tokio::test]
async fn the_name_must_be_free_also_of_a_deleted_key() {
    let world = World::new().await;
    let officer = world.officer().await;
    let made = officer.make("K").await;
    let blob = value(backup(&officer, "k").await);
    let refused = restore(&officer, &blob).await;
    refused.refused(409, "Conflict", "");
    let start = format!(
        "There was a conflict restoring the key 'https://contoso-ck-a1.vault.localhost/keys/K/{made}'."
    );
    assert!(refused.message().starts_with(&start), "{}", refused.message());
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    restore(&officer, &blob).await.refused(409, "Conflict", "ObjectIsDeletedButRecoverable");
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    // A key of the same name that is another one.
    officer.make("k").await;
    restore(&officer, &blob).await.refused(409, "Conflict", "");
}

#[tokio::test]
async fn a_changed_cut_or_foreign_backup_is_refused_and_restores_nothing() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let blob = URL_SAFE_NO_PAD.decode(value(backup(&officer, "k").await)).unwrap();
    destroy(&officer, "k").await;
    let mut wrong: Vec<Vec<u8>> = Vec::new();
    for at in (0..160).chain((160..blob.len()).step_by(97)) {
        let mut changed = blob.clone();
        changed[at] ^= 0x20;
        wrong.push(changed);
        wrong.push(blob[..at].to_vec());
    }
    wrong.push([&blob[..], b"x"].concat());
    wrong.push(b"\x26AzureKeyVaultKeyBackupV1.microsoft.com.x.y.z".to_vec());
    wrong.push([&blob[..26], &[2], &blob[27..]].concat());
    for bytes in wrong {
        let answer = restore(&officer, &URL_SAFE_NO_PAD.encode(&bytes)).await;
        answer.refused(400, "BadParameter", "");
    }
    for body in [json!({}), json!({"value": 1}), json!({"value": "!"}), json!([]), json!({"value": ""})] {
        let answer = officer.call(Method::POST, "/keys/restore", Some(&body)).await;
        answer.refused(400, "BadParameter", "");
    }
    let huge = "A".repeat(5 << 20);
    restore(&officer, &huge).await.refused(413, "RequestEntityTooLarge", "");
    assert!(rows(&world.faults.reopen(&SCHEMA).unwrap(), VERSIONS).await.is_empty());
    restore(&officer, &URL_SAFE_NO_PAD.encode(&blob)).await.ok();
}

#[test]
fn no_bytes_in_the_place_of_a_backup_make_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let officer = runtime.block_on(world.officer());
    let start = b"\x19freehold-vault-key-backup\x01";
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(move |tail| [&start[..], &tail].concat()),
    ];
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(200) });
    let run = runner.run(&bytes, |bytes| {
        let answer = runtime.block_on(restore(&officer, &URL_SAFE_NO_PAD.encode(bytes)));
        prop_assert_eq!(answer.status.as_u16(), 400);
        Ok(())
    });
    run.unwrap();
}

#[tokio::test]
async fn backup_and_restore_need_their_own_rights_and_restore_the_whole_vault() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.make("k").await;
    backup(&service, "k").await.refused(403, "Forbidden", "ForbiddenByRbac");
    let manage = world.manage();
    manage.unassign(&world.contoso.vault_path(), 2).await.ok();
    let key = format!("{}/keys/k", world.contoso.vault_path());
    manage.assign(&key, &world.contoso.service, OFFICER, 3).await.ok();
    let blob = value(backup(&service, "k").await);
    service.call(Method::DELETE, "/keys/k", None).await.ok();
    service.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    let refused = restore(&service, &blob).await;
    refused.refused(403, "Forbidden", "ForbiddenByRbac");
    assert!(refused.message().contains("Action: 'Microsoft.KeyVault/vaults/keys/restore/action'"));
    manage.assign(&world.contoso.vault_path(), &world.contoso.service, CRYPTO_USER, 4).await.ok();
    restore(&service, &blob).await.refused(403, "Forbidden", "ForbiddenByRbac");
    // The word of the path is no key.
    let word = format!("{}/keys/restore", world.contoso.vault_path());
    manage.assign(&word, &world.contoso.service, OFFICER, 5).await.ok();
    restore(&service, &blob).await.refused(403, "Forbidden", "ForbiddenByRbac");
    restore(&officer, &blob).await.ok();
    backup(&officer, "none").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn backup_and_restore_are_in_the_log_without_the_backup() {
    let world = World::new().await;
    let officer = world.officer().await;
    let made = officer.make("k").await;
    let blob = value(backup(&officer, "k").await);
    destroy(&officer, "k").await;
    restore(&officer, &blob).await.ok();
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 100).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let names: Vec<&str> = records.iter().map(|record| record["operationName"].as_str().unwrap()).collect();
    assert_eq!(names, ["KeyCreate", "KeyBackup", "KeyDelete", "KeyPurge", "KeyRestore"]);
    let id = format!("https://contoso-ck-a1.vault.localhost/keys/k/{made}");
    for at in [1, 4] {
        assert_eq!(records[at]["properties"]["id"], id);
    }
    assert!(!records.iter().any(|record| record.to_string().contains(&blob[..64])));
}

#[tokio::test]
async fn a_crash_of_a_restore_leaves_nothing_or_the_whole_key() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    officer.make("k").await;
    let blob = value(backup(&officer, "k").await);
    destroy(&officer, "k").await;
    world.faults.crash_before(1);
    restore(&officer, &blob).await.refused(503, "ServiceUnavailable", "");
    let store = world.faults.reopen(&SCHEMA).unwrap();
    assert_eq!((rows(&store, Table("keys")).await.len(), rows(&store, VERSIONS).await.len()), (0, 0));
    world.faults.crash_after(1);
    restore(&officer, &blob).await.refused(503, "ServiceUnavailable", "");
    let store = world.faults.reopen(&SCHEMA).unwrap();
    assert_eq!((rows(&store, Table("keys")).await.len(), rows(&store, VERSIONS).await.len()), (1, 2));
    officer.wrap("k").await.ok();
}

#[tokio::test]
async fn a_backup_has_at_most_500_versions() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let row = rows(&store, VERSIONS).await.remove(0);
    let body: Value = row.parse().unwrap();
    let put = |batch: Batch, n: usize| {
        let place = format!("contoso-ck-a1/k/{n:032x}");
        batch.put_with_payload(VERSIONS, place, &body, row.payload.clone().unwrap())
    };
    let batch = (1..500).fold(Batch::new(), put);
    store.commit(batch, Cause::Housekeeping("a test makes versions")).await.unwrap();
    backup(&officer, "k").await.ok();
    store.commit(put(Batch::new(), 500), Cause::Housekeeping("one more")).await.unwrap();
    let refused = backup(&officer, "k").await;
    refused.refused(400, "BadParameter", "");
    assert_eq!(refused.message(), "The key is too large for a backup, which has at most 500 versions.");
}

#[tokio::test]
async fn where_destroyed_is_gone_there_is_no_backup() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    for (path, word) in [("/keys/k/backup", "backup"), ("/keys/restore", "restore")] {
        let answer = officer.call(Method::POST, path, Some(&json!({"value": "AA"}))).await;
        answer.refused(400, "BadParameter", "");
        assert_eq!(answer.message(), format!("Method POST does not allow operation '{word}'"));
    }
}
