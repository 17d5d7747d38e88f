//! Changes of a key take effect with the next reply: disabled, operations, validity, tags.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::world::{SECRET, World, value};

#[tokio::test]
async fn a_disabled_version_is_neither_used_nor_read_until_it_is_enabled() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    let disabled = officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    assert_eq!(disabled["attributes"]["enabled"], false);
    for (answer, word) in [
        (service.wrap("k").await, "wrapKey"),
        (service.unwrap("k", &version, &wrapped).await, "unwrapKey"),
        (service.get("/keys/k").await, "get"),
        (officer.operate("/keys/k//encrypt", "RSA-OAEP", SECRET).await, "encrypt"),
        (officer.operate("/keys/k//decrypt", "RSA-OAEP-256", &wrapped).await, "decrypt"),
    ] {
        answer.refused(403, "Forbidden", "KeyDisabled");
        assert_eq!(answer.message(), format!("Operation {word} is not allowed on a disabled key."));
    }
    officer.patch(&format!("/keys/k/{version}"), json!({"attributes": {"enabled": true}})).await.ok();
    assert_eq!(value(service.unwrap("k", &version, &wrapped).await), SECRET);
}

#[tokio::test]
async fn disabling_one_version_leaves_the_others() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let old = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    officer.make("k").await;
    officer.patch(&format!("/keys/k/{old}"), json!({"attributes": {"enabled": false}})).await.ok();
    service.unwrap("k", &old, &wrapped).await.refused(403, "Forbidden", "KeyDisabled");
    service.wrap("k").await.ok();
}

#[tokio::test]
async fn an_expired_key_still_unwraps() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    officer.patch("/keys/k/", json!({"attributes": {"exp": 1795521600 + 600}})).await.ok();
    service.wrap("k").await.ok();
    world.clock.advance(Duration::from_secs(600));
    let refused = service.wrap("k").await;
    refused.refused(403, "Forbidden", "KeyExpired");
    assert_eq!(value(service.unwrap("k", &version, &wrapped).await), SECRET);
    service.get("/keys/k").await.ok();
}

#[tokio::test]
async fn a_key_of_tomorrow_wraps_tomorrow() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.create("k", json!({"kty": "RSA", "attributes": {"nbf": 1795521600 + 600}})).await.ok();
    service.wrap("k").await.refused(403, "Forbidden", "KeyNotYetValid");
    world.clock.advance(Duration::from_secs(600));
    service.wrap("k").await.ok();
}

#[tokio::test]
async fn an_operation_that_the_key_does_not_have_is_forbidden() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    officer.patch("/keys/k/", json!({"key_ops": ["wrapKey"]})).await.ok();
    service.wrap("k").await.ok();
    let refused = service.unwrap("k", &version, &wrapped).await;
    refused.refused(403, "Forbidden", "KeyOperationForbidden");
    assert_eq!(refused.message(), "Operation unwrapKey is not permitted on this key.");
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let world = World::new().await;
    let officer = world.officer().await;
    let asked =
        json!({"kty": "RSA", "key_ops": ["wrapKey"], "attributes": {"exp": 1795600000}, "tags": {"a": "1"}});
    let before = officer.create("k", asked).await.ok();
    world.clock.advance(Duration::from_secs(5));
    let after = officer.patch("/keys/k/", json!({"tags": {"b": "2"}})).await.ok();
    assert_eq!(after["key"], before["key"]);
    assert_eq!(after["tags"], json!({"b": "2"}));
    assert_eq!(after["attributes"]["exp"], 1795600000);
    assert_eq!(after["attributes"]["created"], before["attributes"]["created"]);
    assert_eq!(after["attributes"]["updated"], 1795521605);
    assert!(officer.patch("/keys/k/", json!({"tags": {}})).await.ok().get("tags").is_none());
    for body in
        [json!({"attributes": {"nbf": 1795600000}}), json!({"key_ops": ["x"]}), json!({"release_policy": {}})]
    {
        officer.patch("/keys/k/", body).await.refused(400, "BadParameter", "");
    }
    assert_eq!(officer.get("/keys/k").await.ok()["key"], before["key"]);
}

#[tokio::test]
async fn a_disabled_key_stays_disabled_whatever_else_is_changed() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.create("k", json!({"kty": "RSA", "attributes": {"enabled": false}})).await.ok();
    for body in [json!({"tags": {"a": "b"}}), json!({"attributes": {"exp": 1795600000}}), json!({})] {
        assert_eq!(officer.patch("/keys/k/", body).await.ok()["attributes"]["enabled"], false);
    }
    service.wrap("k").await.refused(403, "Forbidden", "KeyDisabled");
}

#[tokio::test]
async fn only_a_use_that_was_committed_leaves_its_key_open_in_memory() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    assert_eq!(world.vault.parsed_keys(), 0);
    officer.operate("/keys/k//unwrapkey", "RSA-OAEP-256", &"A".repeat(342)).await.refused(
        400,
        "BadParameter",
        "",
    );
    assert_eq!(world.vault.parsed_keys(), 0);
    officer.wrap("k").await.ok();
    assert_eq!(world.vault.parsed_keys(), 1);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    assert_eq!(world.vault.parsed_keys(), 0);
}

#[tokio::test]
async fn the_recovery_level_follows_vault_and_subscription() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let level = async || {
        officer.get("/keys/k").await.ok()["attributes"]["recoveryLevel"].as_str().unwrap().to_owned()
    };
    assert_eq!(level().await, "Recoverable+Purgeable");
    let manage = world.manage();
    let mut body = crate::world::vault_body(&world.contoso);
    body["properties"]["enablePurgeProtection"] = json!(true);
    manage.put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(level().await, "Recoverable");
    let feature = format!(
        "/subscriptions/{}/providers/Microsoft.Features/providers/Microsoft.Resources/features/\
         MandatoryRetentionPeriodEnabled",
        world.contoso.subscription
    );
    let state = async || manage.get(&feature).await.ok()["properties"]["state"].as_str().unwrap().to_owned();
    assert_eq!(state().await, "NotRegistered");
    let admin = world.vault.administration();
    assert!(admin.register_mandatory_retention(world.contoso.subscription).await.is_err(), "nobody asked");
    manage.post(&format!("{feature}/register")).await.ok();
    assert_eq!((state().await.as_str(), level().await.as_str()), ("Pending", "Recoverable"));
    admin.register_mandatory_retention(world.contoso.subscription).await.unwrap();
    assert_eq!(
        (state().await.as_str(), level().await.as_str()),
        ("Registered", "Recoverable+ProtectedSubscription")
    );
    manage.call(Method::POST, &format!("{feature}/register"), None).await.ok();
    assert_eq!(state().await, "Registered");
    let item = &officer.get("/keys").await.ok()["value"][0];
    assert_eq!(item["attributes"]["recoveryLevel"], "Recoverable+ProtectedSubscription");
}
