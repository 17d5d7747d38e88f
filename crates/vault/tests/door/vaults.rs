//! The life of a vault: deleted, recovered, purged, and what a crash leaves of that.

use std::time::Duration;

use freehold_vault::{Log, SCHEMA};
use http::Method;
use serde_json::{Value, json};
use store::{Scan, Table};

use crate::world::{
    Answer, CRYPTO_USER, Keys, Manage, OFFICER, SECRET, World, assignment, tenant, value, vault_body,
};

const DAY: u64 = 24 * 3600;

fn deleted_path(world: &World) -> String {
    let vault = &world.contoso;
    format!(
        "/subscriptions/{}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{}",
        vault.subscription, vault.name
    )
}

async fn delete(world: &World) -> Answer {
    world.manage().call(Method::DELETE, &world.contoso.vault_path(), None).await
}

async fn recover(world: &World) -> Answer {
    let mut body = vault_body(&world.contoso);
    body["properties"]["createMode"] = json!("recover");
    world.manage().put(&world.contoso.vault_path(), &body).await
}

async fn purge(world: &World) -> Answer {
    world.manage().post(&format!("{}/purge", deleted_path(world))).await
}

async fn protect(world: &World) {
    let patch = json!({"properties": {"enablePurgeProtection": true}});
    world.manage().call(Method::PATCH, &world.contoso.vault_path(), Some(&patch)).await.ok();
}

/// How many rows that belong to vaults the store holds; the marks of what is due included.
async fn rows(world: &World) -> usize {
    let store = world.faults.reopen(&SCHEMA).unwrap();
    let mut count = 0;
    for table in ["vaults", "access_policies", "keys", "deleted_keys", "key_versions", "due"] {
        let scan = Scan { prefix: "", after: None, limit: 1000 };
        count += store.scan(Table(table), scan).await.unwrap().len();
    }
    count
}

/// Three keys, one of them deleted, and a policy: what a vault may hold.
async fn fill(world: &World) {
    let officer = world.officer().await;
    for name in ["k1", "k2", "k3"] {
        officer.create(name, json!({"kty": "EC"})).await.ok();
    }
    officer.create("k1", json!({"kty": "EC"})).await.ok();
    officer.call(Method::DELETE, "/keys/k3", None).await.ok();
    let policy = json!({"properties": {"accessPolicies": [{"tenantId": world.contoso.directory,
        "objectId": world.contoso.officer.principal, "permissions": {"keys": ["get"]}}]}});
    world.manage().put(&format!("{}/accessPolicies/add", world.contoso.vault_path()), &policy).await.ok();
}

#[tokio::test]
async fn a_deleted_vault_is_out_of_reach_keeps_its_name_and_comes_back_without_roles() {
    let world = World::new().await;
    fill(&world).await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    let before = manage.get(&vault).await.ok();
    let answer = delete(&world).await;
    assert_eq!((answer.status.as_u16(), &answer.json), (200, &Value::Null));
    assert_eq!(delete(&world).await.status, 204, "it is gone already");
    service.unwrap("k", &version, &wrapped).await.refused(404, "VaultNotFound", "");
    manage.get(&vault).await.refused(404, "ResourceNotFound", "");
    manage.put(&vault, &vault_body(&world.contoso)).await.refused(409, "ConflictError", "");
    manage.call(Method::PATCH, &vault, Some(&json!({}))).await.refused(404, "ResourceNotFound", "");
    manage.assign(&vault, &world.contoso.officer, OFFICER, 7).await.refused(404, "ResourceNotFound", "");

    let shown = manage.get(&deleted_path(&world)).await.ok();
    assert_eq!(shown["id"], deleted_path(&world));
    assert_eq!(
        shown["properties"],
        json!({"vaultId": vault, "location": "westeurope", "tags": {},
            "deletionDate": "2026-11-24T12:00:00Z", "scheduledPurgeDate": "2027-02-22T12:00:00Z"})
    );
    let list =
        format!("/subscriptions/{}/providers/Microsoft.KeyVault/deletedVaults", world.contoso.subscription);
    assert_eq!(manage.get(&list).await.ok(), json!({"value": [shown]}));

    let after = recover(&world).await.ok();
    assert_eq!(after["properties"], before["properties"], "policies too");
    assert_eq!(manage.get(&list).await.ok(), json!({"value": []}));
    manage.get(&deleted_path(&world)).await.refused(404, "DeletedVaultNotFound", "");
    manage.get(&assignment(&vault, 1)).await.refused(404, "RoleAssignmentNotFound", "");
    service.unwrap("k", &version, &wrapped).await.refused(403, "Forbidden", "ForbiddenByRbac");
    manage.assign(&vault, &world.contoso.service, crate::world::SERVICE, 3).await.ok();
    assert_eq!(value(service.unwrap("k", &version, &wrapped).await), SECRET);
    assert_eq!(world.vault.purge_vaults_due().await, 0);
    recover(&world).await.refused(409, "VaultAlreadyExists", "");
}

#[tokio::test]
async fn a_right_on_a_vault_does_not_bring_it_back() {
    let world = World::new().await;
    let vault = world.contoso.vault_path();
    let manage = Manage { who: &world.contoso.officer, ..world.manage() };
    const CONTRIBUTOR: &str = "f25e0fa2-a7c8-4377-a976-54943a77a395";
    world.manage().assign(&vault, &world.contoso.officer, CONTRIBUTOR, 50).await.ok();
    world.manage().assign(&format!("{vault}/keys/k"), &world.contoso.service, CRYPTO_USER, 51).await.ok();
    assert_eq!(manage.call(Method::DELETE, &vault, None).await.status, 200);
    let mut body = vault_body(&world.contoso);
    body["properties"]["createMode"] = json!("Recover");
    manage.put(&vault, &body).await.refused(403, "AuthorizationFailed", "");
    // A crash between the deletion and the end of its assignments leaves them in the store, and takes nobody further.
    recover(&world).await.ok();
    delete_and_crash(&world).await;
    recover(&world).await.ok();
    world.manage().get(&assignment(&vault, 60)).await.refused(404, "RoleAssignmentNotFound", "");
}

async fn delete_and_crash(world: &World) {
    let vault = world.contoso.vault_path();
    world.manage().assign(&vault, &world.contoso.officer, OFFICER, 60).await.ok();
    // The first commit is the sign-in's.
    world.faults.crash_after(2);
    assert!(delete(world).await.status.is_server_error());
    world.faults.restart();
    world.manage().get(&assignment(&vault, 60)).await.ok();
}

#[tokio::test]
async fn a_purge_leaves_nothing_and_frees_the_name() {
    let world = World::new().await;
    fill(&world).await;
    purge(&world).await.refused(404, "DeletedVaultNotFound", "");
    delete(&world).await.ok();
    assert_eq!(purge(&world).await.status, 200);
    assert_eq!(rows(&world).await, 1, "the row that says that the order of due work is complete");
    purge(&world).await.refused(404, "DeletedVaultNotFound", "");
    recover(&world).await.refused(404, "DeletedVaultNotFound", "");
    world.manage().put(&world.contoso.vault_path(), &vault_body(&world.contoso)).await.ok();
    world.manage().assign(&world.contoso.vault_path(), &world.contoso.officer, OFFICER, 90).await.ok();
    world.officer().await.get("/keys/k1").await.refused(404, "KeyNotFound", "");
    let log = world.vault.log(Log::Vault(&world.contoso.name), 0, 100).await.unwrap();
    assert_eq!(log.iter().filter(|row| row.operation == "KeyPurge").count(), 3);
}

#[tokio::test]
async fn under_purge_protection_only_time_purges() {
    let world = World::new().await;
    fill(&world).await;
    protect(&world).await;
    delete(&world).await.ok();
    let refused = purge(&world).await;
    refused.refused(405, "MethodNotAllowed", "");
    assert!(refused.message().starts_with("Operation 'DeletedVaultPurge' is not allowed."));
    assert_eq!(
        world.manage().get(&deleted_path(&world)).await.ok()["properties"]["purgeProtectionEnabled"],
        true
    );
    world.clock.advance(Duration::from_secs(90 * DAY - 1));
    assert_eq!(world.vault.purge_vaults_due().await, 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.vault.purge_vaults_due().await, 1);
    assert_eq!(world.vault.purge_vaults_due().await, 0);
    assert_eq!(rows(&world).await, 1);
}

#[tokio::test]
async fn a_purge_that_was_interrupted_goes_on_and_is_never_taken_back() {
    // The first commit is the sign-in's; then the decision, and three keys.
    for crash in 2..=5 {
        let world = World::new().await;
        fill(&world).await;
        delete(&world).await.ok();
        world.faults.crash_after(crash);
        assert!(purge(&world).await.status.is_server_error());
        world.faults.restart();
        recover(&world).await.refused(409, "VaultAlreadyExists", "");
        let again = world.manage().put(&world.contoso.vault_path(), &vault_body(&world.contoso)).await;
        again.refused(409, "VaultAlreadyExists", "");
        world.manage().get(&deleted_path(&world)).await.refused(404, "DeletedVaultNotFound", "");
        assert!(rows(&world).await > 1);
        assert_eq!(world.vault.purge_vaults_due().await, 1, "{crash}");
        assert_eq!(rows(&world).await, 1, "{crash}");
    }
}

#[tokio::test]
async fn a_deletion_that_crashes_before_its_commit_did_nothing() {
    let world = World::new().await;
    // The first commit is the sign-in's.
    world.faults.crash_before(2);
    assert!(delete(&world).await.status.is_server_error());
    world.faults.restart();
    world.manage().get(&world.contoso.vault_path()).await.ok();
    world.officer().await.make("k").await;
}

#[tokio::test]
async fn without_soft_delete_a_vault_is_gone_at_once_with_its_keys() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    officer.wrap("k").await.ok();
    assert_eq!(delete(&world).await.status, 200);
    assert_eq!(rows(&world).await, 1);
    assert_eq!(world.vault.parsed_keys(), 0);
    world.manage().get(&deleted_path(&world)).await.refused(404, "DeletedVaultNotFound", "");
    recover(&world).await.refused(404, "DeletedVaultNotFound", "");
    world.manage().put(&world.contoso.vault_path(), &vault_body(&world.contoso)).await.ok();
}

#[tokio::test]
async fn keys_of_a_deleted_vault_are_purged_when_their_own_time_is_over() {
    let world = World::new().await;
    fill(&world).await;
    world.clock.advance(Duration::from_secs(30 * DAY));
    delete(&world).await.ok();
    world.clock.advance(Duration::from_secs(60 * DAY));
    assert_eq!(world.vault.purge_due().await, 1);
    assert_eq!(world.vault.purge_vaults_due().await, 0);
    recover(&world).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_began_before_the_deletion_does_not_end_after_it() {
    let world = World::new().await;
    world.officer().await.make("k").await;
    let service = world.service().await;
    let hold = world.gate.hold();
    let (router, host, token) = (world.router.clone(), service.host.clone(), service.token.clone());
    let wrap = tokio::spawn(async move { Keys { router: &router, host, token }.wrap("k").await });
    let release = hold.reached().await;
    delete(&world).await.ok();
    release.send(()).unwrap();
    wrap.await.unwrap().refused(404, "VaultNotFound", "");
}

#[tokio::test]
async fn the_name_of_a_deleted_vault_is_taken_for_everybody() {
    let world = World::new().await;
    delete(&world).await.ok();
    let other = tenant(&world.vault, "fabrikam").await;
    let manage = Manage { router: &world.router, tenant: &other, who: &other.owner };
    let path = other.vault_path().replace(&other.name, &world.contoso.name);
    manage.put(&path, &vault_body(&other)).await.refused(409, "VaultAlreadyExists", "");
    let mut body = vault_body(&other);
    body["properties"]["createMode"] = json!("recover");
    manage.put(&path, &body).await.refused(409, "VaultAlreadyExists", "");
    // A deleted vault of another directory does not exist for the caller.
    manage.get(&deleted_path(&world)).await.refused(404, "SubscriptionNotFound", "");
    let here = deleted_path(&world)
        .replace(&world.contoso.subscription.to_string(), &other.subscription.to_string());
    manage.get(&here).await.refused(404, "DeletedVaultNotFound", "");
    manage.post(&format!("{here}/purge")).await.refused(404, "DeletedVaultNotFound", "");
}

#[tokio::test]
async fn who_may_delete_a_vault_may_not_purge_it() {
    let world = World::new().await;
    let subscription = format!("/subscriptions/{}", world.contoso.subscription);
    const KEY_VAULT_CONTRIBUTOR: &str = "f25e0fa2-a7c8-4377-a976-54943a77a395";
    world.manage().assign(&subscription, &world.contoso.officer, KEY_VAULT_CONTRIBUTOR, 50).await.ok();
    let manage = Manage { who: &world.contoso.officer, ..world.manage() };
    manage.call(Method::DELETE, &world.contoso.vault_path(), None).await.ok();
    manage.get(&deleted_path(&world)).await.ok();
    let purge = format!("{}/purge", deleted_path(&world));
    manage.post(&purge).await.refused(403, "AuthorizationFailed", "");
    manage.call(Method::PUT, &purge, None).await.refused(405, "HttpMethodNotAllowed", "");
    let base = format!("{subscription}/providers/Microsoft.KeyVault/locations");
    for path in
        ["", "/westeurope", "/west*/deletedVaults/abc", "/westeurope/deletedVaults/a/purge", "/w/x/abc"]
    {
        let answer = world.manage().post(&format!("{base}{path}")).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {} {}", answer.status, answer.json);
    }
}

#[tokio::test]
async fn a_recovery_names_the_vault_as_it_was() {
    let world = World::new().await;
    delete(&world).await.ok();
    let vault = world.contoso.vault_path();
    for (change, code) in [
        (json!({"location": "swedencentral"}), "InvalidResourceLocation"),
        (json!({"location": null}), "BadRequest"),
        (json!({"properties": {"createMode": "recover"}}), "BadRequest"),
        (json!({"properties": {"createMode": "undo", "tenantId": world.contoso.directory}}), "ConflictError"),
    ] {
        let mut body = vault_body(&world.contoso);
        body["properties"]["createMode"] = json!("recover");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(world.manage().put(&vault, &body).await.code(), code, "{change}");
    }
    recover(&world).await.ok();
}

#[tokio::test]
async fn a_page_of_deleted_vaults_leads_to_the_next() {
    let world = World::new().await;
    let manage = world.manage();
    let base = world.contoso.vault_path();
    for n in 0..5 {
        let path = base.replace("contoso-ck-a1", &format!("paged-{n}"));
        manage.put(&path, &vault_body(&world.contoso)).await.ok();
        manage.call(Method::DELETE, &path, None).await.ok();
    }
    let mut path = format!(
        "/subscriptions/{}/providers/Microsoft.KeyVault/deletedVaults?$top=2",
        world.contoso.subscription
    );
    let mut names: Vec<String> = Vec::new();
    loop {
        let page = manage.get(&path).await.ok();
        let value = page["value"].as_array().unwrap();
        assert!(value.len() <= 2);
        names.extend(value.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextLink"].as_str() else { break };
        path = next.strip_prefix("https://management.vault.localhost").unwrap().to_owned();
    }
    assert_eq!(names, ["paged-0", "paged-1", "paged-2", "paged-3", "paged-4"]);
    for bad in ["$top=0", "$top=x", "$skiptoken=*"] {
        let path = format!(
            "/subscriptions/{}/providers/Microsoft.KeyVault/deletedVaults?{bad}",
            world.contoso.subscription
        );
        manage.get(&path).await.refused(400, "BadRequest", "");
    }
}
