//! An instance without soft delete: what it destroys is gone.

use http::Method;
use serde_json::json;

use crate::world::{SECRET, World, value, vault_body};

#[tokio::test]
async fn its_vaults_and_keys_say_that_deletion_is_final() {
    let world = World::with(false).await;
    let shown = world.manage().get(&world.contoso.vault_path()).await.ok();
    assert_eq!(shown["properties"]["enableSoftDelete"], false);
    assert!(shown["properties"].get("softDeleteRetentionInDays").is_none());
    let officer = world.officer().await;
    let bundle = officer.create("k", json!({"kty": "RSA"})).await.ok();
    assert_eq!(bundle["attributes"]["recoveryLevel"], "Purgeable");
    assert_eq!(bundle["attributes"]["recoverableDays"], 0);
    let mut body = vault_body(&world.contoso);
    body["properties"]["enablePurgeProtection"] = json!(true);
    world.manage().put(&world.contoso.vault_path(), &body).await.refused(400, "BadRequest", "");
}

#[tokio::test]
async fn a_deleted_key_is_gone_with_all_versions_and_its_name_is_free() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    let old = officer.make("K").await;
    let wrapped = value(officer.wrap("k").await);
    let newest = officer.make("k").await;
    let deleted = officer.call(Method::DELETE, "/keys/k", None).await.ok();
    assert!(deleted["key"]["kid"].as_str().unwrap().ends_with(&newest));
    assert!(deleted.get("recoveryId").is_none() && deleted.get("scheduledPurgeDate").is_none());
    for answer in [
        officer.get("/keys/k").await,
        officer.get(&format!("/keys/k/{old}")).await,
        officer.unwrap("k", &old, &wrapped).await,
        officer.patch("/keys/k/", json!({})).await,
        officer.call(Method::DELETE, "/keys/k", None).await,
    ] {
        answer.refused(404, "KeyNotFound", "");
    }
    assert_eq!(officer.get("/keys").await.ok()["value"], json!([]));
    let again = officer.make("k").await;
    assert_ne!(again, old);
    officer.unwrap("k", &old, &wrapped).await.refused(404, "KeyNotFound", "");
    officer.unwrap("k", &again, &wrapped).await.refused(400, "BadParameter", "");
}

#[tokio::test]
async fn deleting_one_key_leaves_its_neighbours() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    let other = officer.make("k-2").await;
    let wrapped = value(officer.wrap("k-2").await);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    assert_eq!(value(officer.unwrap("k-2", &other, &wrapped).await), SECRET);
}

#[tokio::test]
async fn a_disabled_key_can_be_deleted_and_only_by_who_may() {
    let world = World::with(false).await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.make("k").await;
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    service.call(Method::DELETE, "/keys/k", None).await.refused(403, "Forbidden", "ForbiddenByRbac");
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
}
