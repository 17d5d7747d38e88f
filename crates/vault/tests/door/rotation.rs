//! Rotation: a new version on demand, and the policy that asks for one.

use freehold_vault::Log;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{CRYPTO_USER, Keys, SECRET, World, request, send, user, value, vault_body, version};

const NOW: i64 = 1_795_521_600;

async fn rotate(keys: &Keys<'_>, name: &str) -> crate::world::Answer {
    keys.call(Method::POST, &format!("/keys/{name}/rotate"), None).await
}

async fn set(keys: &Keys<'_>, name: &str, policy: Value) -> crate::world::Answer {
    keys.call(Method::PUT, &format!("/keys/{name}/rotationpolicy"), Some(&policy)).await
}

async fn policy(keys: &Keys<'_>, name: &str) -> Value {
    keys.get(&format!("/keys/{name}/rotationpolicy")).await.ok()
}

fn yearly() -> Value {
    json!({
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P18M", "timeBeforeExpiry": null}, "action": {"type": "Rotate"}}],
        "attributes": {"expiryTime": "P2Y"},
    })
}

#[tokio::test]
async fn a_rotation_makes_another_key_of_the_same_kind() {
    let world = World::new().await;
    let officer = world.officer().await;
    for made in [
        json!({"kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"], "tags": {"for": "mail"}}),
        json!({"kty": "RSA-HSM"}),
        json!({"kty": "EC", "crv": "P-521", "tags": {"a": "b"}}),
        json!({"kty": "EC-HSM", "crv": "P-256K", "key_ops": ["sign"]}),
    ] {
        let name = format!("k{}", made["kty"].as_str().unwrap());
        let mut first = officer.create(&name, made).await.ok();
        let mut second = rotate(&officer, &name).await.ok();
        assert_ne!(version(&first), version(&second));
        let public = if first["key"]["n"].is_string() { "n" } else { "x" };
        assert_ne!(first["key"][public], second["key"][public], "another private half");
        assert_eq!(officer.get(&format!("/keys/{name}")).await.ok(), second);
        for bundle in [&mut first, &mut second] {
            for hidden in ["kid", "n", "x", "y"] {
                bundle["key"].as_object_mut().unwrap().remove(hidden);
            }
        }
        assert_eq!(first, second, "all else is the same");
    }
}

#[tokio::test]
async fn what_was_wrapped_before_a_rotation_still_opens() {
    let world = World::new().await;
    let officer = world.officer().await;
    let attributes = json!({"nbf": NOW, "exp": NOW + 1000});
    let old = version(&officer.create("k", json!({"kty": "RSA", "attributes": attributes})).await.ok());
    let wrapped = value(officer.wrap("k").await);
    let bundle = rotate(&officer, "K").await.ok();
    assert_eq!((&bundle["attributes"]["exp"], &bundle["attributes"]["nbf"]), (&Value::Null, &Value::Null));
    assert_eq!(value(officer.unwrap("k", &old, &wrapped).await), SECRET);
    let new = value(officer.wrap("k").await);
    assert_eq!(value(officer.unwrap("k", &version(&bundle), &new).await), SECRET);
    let listed = officer.get("/keys/k/versions").await.ok();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rotation_of_what_is_not_there_or_switched_off_is_refused() {
    let world = World::new().await;
    let officer = world.officer().await;
    rotate(&officer, "k").await.refused(404, "KeyNotFound", "");
    officer.make("k").await;
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    let refused = rotate(&officer, "k").await;
    refused.refused(403, "Forbidden", "KeyDisabled");
    assert_eq!(refused.message(), "Operation rotate is not allowed on a disabled key.");
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    rotate(&officer, "k").await.refused(404, "KeyNotFound", "");
    set(&officer, "k", yearly()).await.refused(404, "KeyNotFound", "");
    officer.get("/keys/k/rotationpolicy").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn a_key_without_a_policy_has_the_services_default() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("Key-EXO").await;
    let default = json!({
        "id": "https://contoso-ck-a1.vault.localhost/keys/Key-EXO/rotationpolicy",
        "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}],
        "attributes": {},
    });
    assert_eq!(policy(&officer, "key-exo").await, default);
    let set = set(&officer, "key-exo", json!({"lifetimeActions": [], "attributes": {}})).await.ok();
    assert_eq!(set["lifetimeActions"], default["lifetimeActions"]);
    assert_eq!(set["attributes"], json!({"created": NOW, "updated": NOW}));
}

#[tokio::test]
async fn a_policy_is_read_back_as_it_was_set_and_gives_new_versions_their_end() {
    let world = World::new().await;
    let officer = world.officer().await;
    let first = officer.make("k").await;
    let shown = set(&officer, "K", yearly()).await.ok();
    assert_eq!(
        shown,
        json!({
            "id": "https://contoso-ck-a1.vault.localhost/keys/k/rotationpolicy",
            "lifetimeActions": [
                {"trigger": {"timeAfterCreate": "P18M"}, "action": {"type": "Rotate"}},
                {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}},
            ],
            "attributes": {"expiryTime": "P2Y", "created": NOW, "updated": NOW},
        })
    );
    assert_eq!(policy(&officer, "k").await, shown);
    world.clock.advance(std::time::Duration::from_secs(60));
    let notify = json!({"lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P60D"}, "action": {"type": "Notify"}}],
        "attributes": {"expiryTime": "P2Y"}});
    let again = set(&officer, "k", notify.clone()).await.ok();
    assert_eq!(again["lifetimeActions"], notify["lifetimeActions"], "a rotation that was not sent is gone");
    assert_eq!(again["attributes"], json!({"expiryTime": "P2Y", "created": NOW, "updated": NOW + 60}));
    // Two years from 2026-11-24, one of them a leap year; the version before keeps what it had.
    let bundle = rotate(&officer, "k").await.ok();
    assert_eq!(bundle["attributes"]["exp"], NOW + 60 + 731 * 24 * 3600);
    let old = officer.get(&format!("/keys/k/{first}")).await.ok();
    assert_eq!(old["attributes"]["exp"], Value::Null);
    let made = officer.create("k", json!({"kty": "RSA"})).await.ok();
    assert_eq!(
        made["attributes"]["exp"],
        Value::Null,
        "a version that somebody makes has the end that he says"
    );
}

#[tokio::test]
async fn a_policy_goes_where_its_key_goes() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let policy_set = set(&officer, "k", yearly()).await.ok();
    rotate(&officer, "k").await.ok();
    officer.make("k").await;
    assert_eq!(policy(&officer, "k").await, policy_set, "new versions leave it");
    officer.patch("/keys/k/", json!({"tags": {"a": "b"}})).await.ok();
    let backup = officer.call(Method::POST, "/keys/k/backup", None).await.ok();
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::POST, "/deletedkeys/k/recover", None).await.ok();
    assert_eq!(policy(&officer, "k").await, policy_set);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    officer.call(Method::POST, "/keys/restore", Some(&backup)).await.ok();
    assert_eq!(policy(&officer, "k").await, policy_set);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
    officer.make("k").await;
    assert_eq!(policy(&officer, "k").await["attributes"], json!({}), "another key of the name has none");
}

#[tokio::test]
async fn a_policy_that_breaks_a_rule_changes_nothing() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let before = set(&officer, "k", yearly()).await.ok();
    for wrong in [
        json!({"attributes": {"expiryTime": "P27D"}}),
        json!({"attributes": {"expiryTime": "two years"}}),
        json!({"lifetimeActions": [{"trigger": {"timeAfterCreate": "P1D"}, "action": {"type": "Rotate"}}]}),
        json!({"lifetimeActions": {}}),
        json!({"lifetimeActions": [[]]}),
        json!(null),
    ] {
        set(&officer, "k", wrong.clone()).await.refused(400, "BadParameter", "");
    }
    officer.call(Method::PUT, "/keys/k/rotationpolicy", None).await.refused(400, "BadParameter", "");
    assert_eq!(policy(&officer, "k").await, before);
}

#[tokio::test]
async fn rotation_needs_rights_of_its_own() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let bob = user(&world.vault.administration(), world.contoso.directory, "bob@contoso.com").await;
    world.manage().assign(&world.contoso.vault_path(), &bob, CRYPTO_USER, 9).await.ok();
    let bob = world.keys(&bob).await;
    bob.get("/keys/k").await.ok();
    for (refused, action) in [
        (rotate(&bob, "k").await, "keys/rotate/action"),
        (bob.get("/keys/k/rotationpolicy").await, "keyrotationpolicies/read"),
        (set(&bob, "k", yearly()).await, "keyrotationpolicies/write"),
    ] {
        refused.refused(403, "Forbidden", "ForbiddenByRbac");
        assert!(
            refused.message().contains(&format!("'Microsoft.KeyVault/vaults/{action}'")),
            "{}",
            refused.message()
        );
    }
}

#[tokio::test]
async fn in_a_vault_by_access_policies_rotation_has_permissions_of_its_own() {
    let world = World::new().await;
    world.officer().await.make("k").await;
    let mut body = vault_body(&world.contoso);
    body["properties"]["enableRbacAuthorization"] = json!(false);
    let officer = &world.contoso.officer;
    let permissions = ["rotate", "getrotationpolicy", "setrotationpolicy", "release"];
    for allowed in permissions {
        body["properties"]["accessPolicies"] = json!([{"tenantId": world.contoso.directory,
            "objectId": officer.principal, "permissions": {"keys": [allowed]}}]);
        world.manage().put(&world.contoso.vault_path(), &body).await.ok();
        let officer = world.officer().await;
        let release = json!({"target": "x"});
        let release = officer.call(Method::POST, "/keys/k/release", Some(&release)).await;
        for (permission, answer) in permissions.into_iter().zip([
            rotate(&officer, "k").await,
            officer.get("/keys/k/rotationpolicy").await,
            set(&officer, "k", yearly()).await,
            release,
        ]) {
            if permission != allowed {
                answer.refused(403, "Forbidden", "ForbiddenByPolicy");
                assert!(answer.message().contains(&format!("have keys {permission} permission")));
            } else if permission == "release" {
                answer.refused(403, "Forbidden", "KeyOperationForbidden");
            } else {
                answer.ok();
            }
        }
    }
}

#[tokio::test]
async fn older_versions_of_the_wire_do_not_know_rotation() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    for (method, path) in [
        (Method::POST, "/keys/k/rotate"),
        (Method::GET, "/keys/k/rotationpolicy"),
        (Method::PUT, "/keys/k/rotationpolicy"),
    ] {
        for (version, status) in [("7.2", StatusCode::BAD_REQUEST), ("7.3", StatusCode::OK)] {
            let path = format!("{path}?api-version={version}");
            let body = (method == Method::PUT).then(yearly);
            let asked = request(method.clone(), &officer.host, &path, Some(&officer.token), body.as_ref());
            assert_eq!(send(&world.router, asked).await.status, status, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn rotation_is_in_the_log_by_the_services_names() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    set(&officer, "k", yearly()).await.ok();
    policy(&officer, "k").await;
    let rotated = rotate(&officer, "k").await.ok();
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 1, 100).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let told: Vec<&str> = records.iter().map(|record| record["operationName"].as_str().unwrap()).collect();
    assert_eq!(told, ["KeyRotationPolicySet", "KeyRotationPolicyGet", "KeyRotate"]);
    assert_eq!(records[2]["properties"]["id"], rotated["key"]["kid"]);
}

/// A policy that was decided on before a deletion, a recovery and a new version does not bring the old version back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_set_on_the_key_as_it_is() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    officer.make("k").await;
    let hold = world.gate.hold();
    let setting = {
        let (router, host, token) = (world.router.clone(), officer.host.clone(), officer.token.clone());
        tokio::spawn(async move { set(&Keys { router: &router, host, token }, "k", yearly()).await.ok() })
    };
    let release = hold.reached().await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::POST, "/deletedkeys/k/recover", None).await.ok();
    let newest = officer.make("k").await;
    release.send(()).unwrap();
    setting.await.unwrap();
    assert_eq!(version(&officer.get("/keys/k").await.ok()), newest);
    assert_eq!(policy(&officer, "k").await["attributes"]["expiryTime"], "P2Y");
}
