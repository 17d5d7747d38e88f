//! Everything is in the store: a vault that is opened again has it all, and the wrong master key opens nothing.

use std::sync::Arc;

use crypto::testing::SeededRandom;
use crypto::{Key, Master};
use freehold_vault::{Log, OpenFault, Vault};
use http::Method;
use model::time::ManualClock;
use serde_json::json;
use store::{Batch, Cause, Scan, Schema, Store, Table};

use crate::world::{Keys, SECRET, START, master, settings, tenant, token, value};

async fn open(path: &std::path::Path, master: Key<Master>, seed: u64) -> Result<Vault, OpenFault> {
    let store = Store::sqlite(path, &freehold_vault::SCHEMA).await.unwrap();
    let clock = Arc::new(ManualClock::at(START));
    Vault::open(settings(true), store, master, clock, Arc::new(SeededRandom::new(seed))).await
}

#[tokio::test]
async fn a_vault_that_is_opened_again_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = open(&path, master(), 1).await.unwrap();
    let contoso = tenant(&vault, "contoso").await;
    let router = vault.router();
    let old = token(&router, &contoso, &contoso.officer, "https://vault.localhost").await;
    let officer = Keys { router: &router, host: contoso.host(), token: old.clone() };
    let version = officer.make("Key-EXO").await;
    let bundle = officer.get("/keys/key-exo").await.ok();
    let wrapped = value(officer.wrap("key-exo").await);
    let logged = vault.log(Log::Vault("contoso-ck-a1"), 0, 100).await.unwrap().len();
    drop((router, vault));

    let vault = open(&path, master(), 2).await.unwrap();
    let router = vault.router();
    assert_eq!(vault.log(Log::Vault("contoso-ck-a1"), 0, 100).await.unwrap().len(), logged);
    // The token of before is still good, and so is the secret behind it.
    let officer = Keys { router: &router, host: contoso.host(), token: old };
    assert_eq!(officer.get("/keys/key-exo").await.ok(), bundle);
    let new = token(&router, &contoso, &contoso.service, "https://vault.localhost").await;
    let service = Keys { router: &router, host: contoso.host(), token: new };
    assert_eq!(value(service.unwrap("key-exo", &version, &wrapped).await), SECRET);
    service.call(Method::DELETE, "/keys/key-exo", None).await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test]
async fn a_database_of_version_1_gets_the_tables_of_later_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let later = freehold_vault::SCHEMA.tables.iter().position(|table| table.0 == "deleted_keys").unwrap();
    let tables = &freehold_vault::SCHEMA.tables[..later];
    let schema = Schema { owner: "vault", version: 1, tables, migrations: &[] };
    drop(Store::sqlite(&path, &schema).await.unwrap());
    let vault = open(&path, master(), 1).await.unwrap();
    let contoso = tenant(&vault, "contoso").await;
    let router = vault.router();
    let token = token(&router, &contoso, &contoso.officer, "https://vault.localhost").await;
    let officer = Keys { router: &router, host: contoso.host(), token };
    officer.make("k").await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::POST, "/deletedkeys/k/recover", None).await.ok();
    officer.wrap("k").await.ok();
}

#[tokio::test]
async fn keys_from_before_the_order_of_what_is_due_get_their_rows_when_the_vault_opens() {
    const DUE: Table = Table("due");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = open(&path, master(), 1).await.unwrap();
    let contoso = tenant(&vault, "contoso").await;
    let router = vault.router();
    let token = token(&router, &contoso, &contoso.officer, "https://vault.localhost").await;
    let officer = Keys { router: &router, host: contoso.host(), token };
    for name in ["deleted", "plain"] {
        officer.make(name).await;
    }
    officer.create("ends", json!({"kty": "RSA", "attributes": {"exp": 1_800_000_000}})).await.ok();
    officer.call(Method::DELETE, "/keys/deleted", None).await.ok();
    let store = Store::sqlite(&path, &freehold_vault::SCHEMA).await;
    drop((router.clone(), vault.clone()));
    let store = store.unwrap();
    let all = Scan { prefix: "", after: None, limit: 10 };
    let keys = async |store: &Store| {
        let rows = store.scan(DUE, all).await.unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    let rows = keys(&store).await;
    assert_eq!(
        rows,
        ["complete", "purge/001803297600/contoso-ck-a1/deleted", "rotation/001797408000/contoso-ck-a1/ends",]
    );
    let none = rows.iter().fold(Batch::new(), |batch, row| batch.delete(DUE, row));
    store.commit(none, Cause::Housekeeping("as it was before")).await.unwrap();
    drop(officer);
    drop((store, router, vault));

    let vault = open(&path, master(), 2).await.unwrap();
    let store = Store::sqlite(&path, &freehold_vault::SCHEMA).await.unwrap();
    assert_eq!(keys(&store).await, rows);
    drop((store, vault));
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    drop(open(&path, master(), 1).await.unwrap());
    let other = Key::generate(&SeededRandom::new(78));
    assert!(matches!(open(&path, other, 2).await, Err(OpenFault::MasterKey)));
    open(&path, master(), 3).await.unwrap();
}

#[tokio::test]
async fn no_private_key_and_no_secret_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = open(&path, master(), 1).await.unwrap();
    let contoso = tenant(&vault, "contoso").await;
    let router = vault.router();
    let token = token(&router, &contoso, &contoso.officer, "https://vault.localhost").await;
    let officer = Keys { router: &router, host: contoso.host(), token };
    officer.make("k").await;
    drop(vault);
    // The start of a PKCS#8 of an RSA key, and what follows the algorithm in one of 2048 bits.
    let pkcs8: &[u8] =
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x04, 0x82];
    let secret = contoso.officer.form().rsplit('=').next().unwrap().to_owned();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for needle in [pkcs8, secret.as_bytes()] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[tokio::test]
async fn a_purge_leaves_no_sealed_private_half_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = open(&path, master(), 1).await.unwrap();
    let contoso = tenant(&vault, "contoso").await;
    let router = vault.router();
    let token = token(&router, &contoso, &contoso.officer, "https://vault.localhost").await;
    let officer = Keys { router: &router, host: contoso.host(), token };
    officer.make("k").await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    let store = Store::sqlite(&path, &freehold_vault::SCHEMA).await;
    drop((router.clone(), vault.clone()));
    let store = store.unwrap();
    let scan = Scan { prefix: "", after: None, limit: 10 };
    let sealed = store.scan(Table("key_versions"), scan).await.unwrap().remove(0).payload.unwrap();
    drop(store);
    let kept = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()));
        let needle = &sealed[sealed.len() - 64..];
        files.map(Result::unwrap).any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    assert!(kept(), "a deleted key is still there");
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    drop((router, vault));
    drop(Store::sqlite(&path, &freehold_vault::SCHEMA).await.unwrap());
    assert!(!kept(), "a purged one is not");
}
