//! Vaults that go by access policies: who may do what, how the list is sent, and that it gives nothing beside roles.

use http::Method;
use serde_json::{Value, json};

use crate::world::{self, CRYPTO_USER, Keys, Manage, Person, World, user, value, vault_body};

const CONTRIBUTOR: &str = "f25e0fa2-a7c8-4377-a976-54943a77a395";

fn entry(world: &World, who: &Person, keys: &[&str]) -> Value {
    json!({"tenantId": world.contoso.directory, "objectId": who.principal, "permissions": {"keys": keys}})
}

/// The vault's body, by policies.
fn by_policies(world: &World, policies: &Value) -> Value {
    let mut body = vault_body(&world.contoso);
    body["properties"]["enableRbacAuthorization"] = json!(false);
    body["properties"]["accessPolicies"] = policies.clone();
    body
}

async fn change(world: &World, how: &str, policies: &Value) -> world::Answer {
    let path = format!("{}/accessPolicies/{how}", world.contoso.vault_path());
    world.manage().put(&path, &json!({"properties": {"accessPolicies": policies}})).await
}

/// Whether somebody may read, wrap, unwrap, create, delete and purge; nothing is there under the names that he uses.
async fn may(keys: &Keys<'_>) -> Vec<&'static str> {
    let mut may = Vec::new();
    for (permission, answer) in [
        ("get", keys.get("/keys/none").await),
        ("list", keys.get("/keys").await),
        ("wrapKey", keys.wrap("none").await),
        ("unwrapKey", keys.operate("/keys/none//unwrapkey", "RSA-OAEP-256", world::SECRET).await),
        ("sign", keys.operate("/keys/none//sign", "RS256", world::SECRET).await),
        ("create", keys.create("none", json!({"kty": "RSA", "key_size": 1})).await),
        ("delete", keys.call(Method::DELETE, "/keys/none", None).await),
        ("recover", keys.call(Method::POST, "/deletedkeys/none/recover", None).await),
        ("backup", keys.call(Method::POST, "/keys/none/backup", None).await),
        ("purge", keys.call(Method::DELETE, "/deletedkeys/none", None).await),
    ] {
        if answer.status == 403 {
            answer.refused(403, "Forbidden", "ForbiddenByPolicy");
            assert!(
                answer.message().contains(&format!("have keys {permission} permission")),
                "{}",
                answer.message()
            );
        } else {
            assert!(matches!(answer.status.as_u16(), 200 | 400 | 404), "{} {}", answer.status, answer.json);
            may.push(permission);
        }
    }
    may
}

#[tokio::test]
async fn a_policy_gives_what_it_names_and_ends_with_the_next_call() {
    let world = World::new().await;
    let officer = &world.contoso.officer;
    let policies = json!([entry(&world, officer, &["Get", "WRAPKEY"])]);
    let body = by_policies(&world, &policies);
    let shown = world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(shown["properties"]["accessPolicies"], policies, "as it was sent");
    let keys = world.officer().await;
    assert_eq!(may(&keys).await, ["get", "wrapKey"], "his role on the vault gives nothing");
    assert_eq!(may(&world.service().await).await, [""; 0], "nor does anybody else's");
    let all: Vec<&str> =
        vec!["get", "list", "wrapKey", "unwrapKey", "sign", "create", "delete", "recover", "backup"];
    for (how, permissions, expected) in [
        ("add", vec!["sign"], vec!["get", "wrapKey", "sign"]),
        ("replace", vec!["list"], vec!["list"]),
        ("add", vec!["ALL"], all.clone()),
        ("add", vec!["purge"], [all, vec!["purge"]].concat()),
        ("remove", vec!["all"], vec![]),
    ] {
        let answer = change(&world, how, &json!([entry(&world, officer, &permissions)])).await.ok();
        assert_eq!(answer["type"], "Microsoft.KeyVault/vaults/accessPolicies");
        let shown = world.manage().get(&world.contoso.vault_path()).await.ok();
        assert_eq!(answer["properties"]["accessPolicies"], shown["properties"]["accessPolicies"]);
        assert_eq!(may(&keys).await, expected, "{how} {permissions:?}");
    }
}

#[tokio::test]
async fn a_key_is_made_used_and_destroyed_by_policies_alone() {
    let world = World::new().await;
    let names = ["create", "get", "wrapKey", "unwrapKey", "delete", "purge"];
    let body = by_policies(&world, &json!([entry(&world, &world.contoso.officer, &names)]));
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    let officer = world.officer().await;
    let version = officer.make("k").await;
    let wrapped = officer.wrap("k").await;
    assert!(wrapped.header("x-ms-keyvault-rbac-assignment-id").is_none());
    let wrapped = value(wrapped);
    assert_eq!(value(officer.unwrap("k", &version, &wrapped).await), world::SECRET);
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/k", None).await.ok();
}

#[tokio::test]
async fn reading_gives_no_use_of_the_public_half_here() {
    let world = World::new().await;
    let body = by_policies(&world, &json!([entry(&world, &world.contoso.officer, &["get"])]));
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(may(&world.officer().await).await, ["get"]);
}

#[tokio::test]
async fn in_a_vault_by_roles_policies_give_nothing_and_come_back_with_the_switch() {
    let world = World::new().await;
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    let policies = json!([entry(&world, &carol, &["get"])]);
    change(&world, "add", &policies).await.ok();
    let keys = world.keys(&carol).await;
    keys.get("/keys/none").await.refused(403, "Forbidden", "ForbiddenByRbac");
    let mut body = vault_body(&world.contoso);
    body["properties"]["enableRbacAuthorization"] = json!(false);
    let shown = world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(shown["properties"]["accessPolicies"], policies, "what is not sent stays");
    assert_eq!(may(&keys).await, ["get"]);
    body["properties"]["accessPolicies"] = json!([]);
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    assert_eq!(may(&keys).await, [""; 0]);
}

#[tokio::test]
async fn only_who_gives_rights_switches_between_policies_and_roles() {
    let world = World::new().await;
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    let vault = world.contoso.vault_path();
    world.manage().assign(&vault, &carol, CONTRIBUTOR, 100).await.ok();
    let manage = Manage { who: &carol, ..world.manage() };
    let mut body = vault_body(&world.contoso);
    manage.put(&vault, &body).await.ok();
    body["properties"]["enableRbacAuthorization"] = json!(false);
    let refused = manage.put(&vault, &body).await;
    refused.refused(403, "AuthorizationFailed", "");
    assert!(refused.message().contains("Microsoft.Authorization/roleAssignments/write"));
    let patch = json!({"properties": {"enableRbacAuthorization": false}});
    manage.call(Method::PATCH, &vault, Some(&patch)).await.refused(403, "AuthorizationFailed", "");
    world.manage().call(Method::PATCH, &vault, Some(&patch)).await.ok();
    // In a vault by policies whoever may write it gives himself any right, as in the service.
    let path = format!("{vault}/accessPolicies/add");
    let policies = json!({"properties": {"accessPolicies": [entry(&world, &carol, &["get"])]}});
    manage.put(&path, &policies).await.ok();
    assert_eq!(may(&world.keys(&carol).await).await, ["get"]);
}

#[tokio::test]
async fn a_policy_for_an_application_holds_through_it_alone() {
    let world = World::new().await;
    let mut through = entry(&world, &world.contoso.officer, &["get"]);
    through["applicationId"] = json!(world.contoso.application);
    world
        .manage()
        .put(&world.contoso.vault_path(), &by_policies(&world, &json!([through.clone()])))
        .await
        .ok();
    assert_eq!(may(&world.officer().await).await, [""; 0], "she comes through another application");
    through["applicationId"] = json!(world::AZ);
    change(&world, "add", &json!([through])).await.ok();
    assert_eq!(may(&world.officer().await).await, ["get"]);
}

#[tokio::test]
async fn a_policy_of_somebody_who_is_gone_gives_nothing() {
    let world = World::new().await;
    let body = by_policies(&world, &json!([entry(&world, &world.contoso.officer, &["get"])]));
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    let keys = world.officer().await;
    let admin = world.vault.administration();
    admin.disable_user(world.contoso.directory, "alice@contoso.com").await.unwrap();
    keys.get("/keys/none").await.refused(401, "Unauthorized", "");
}

#[tokio::test]
async fn what_is_no_policy_changes_nothing() {
    let world = World::new().await;
    let officer = &world.contoso.officer;
    let good = json!([entry(&world, officer, &["get"])]);
    change(&world, "add", &good).await.ok();
    let stranger = json!({"tenantId": "99999999-9999-4999-8999-999999999999", "objectId": officer.principal,
        "permissions": {"keys": ["get"]}});
    for bad in [
        json!([entry(&world, officer, &["fly"])]),
        json!([stranger]),
        json!([entry(&world, officer, &["get"]), {"tenantId": world.contoso.directory, "objectId": "x"}]),
        json!(vec![entry(&world, officer, &[]); 1025]),
    ] {
        change(&world, "add", &bad).await.refused(400, "BadRequest", "");
        let body = by_policies(&world, &bad);
        world.manage().put(&world.contoso.vault_path(), &body).await.refused(400, "BadRequest", "");
    }
    for bad in [json!({}), json!(null), json!([{"objectId": 1}]), json!([[]])] {
        change(&world, "add", &bad).await.refused(400, "InvalidRequestContent", "");
    }
    change(&world, "set", &good).await.refused(404, "InvalidResourceType", "");
    let vault = format!("{}/accessPolicies/add", world.contoso.vault_path());
    world.manage().get(&vault).await.refused(405, "HttpMethodNotAllowed", "");
    let nowhere = vault.replace("contoso-ck-a1", "contoso-ck-a9");
    let body = json!({"properties": {"accessPolicies": good}});
    world.manage().put(&nowhere, &body).await.refused(404, "ResourceNotFound", "");
    let shown = world.manage().get(&world.contoso.vault_path()).await.ok();
    assert_eq!(shown["properties"]["accessPolicies"], good);
    assert_eq!(shown["properties"]["enableRbacAuthorization"], true);
}

#[tokio::test]
async fn a_vault_has_room_for_1024_policies() {
    let world = World::new().await;
    let everything = ["get", "list", "create", "import", "delete", "recover", "backup", "restore", "wrapKey"];
    let many: Vec<Value> = (0..1024_u128)
        .map(|n| {
            let mut entry = entry(&world, &world.contoso.officer, &everything);
            entry["objectId"] = json!(uuid::Uuid::from_u128(n));
            entry["permissions"]["secrets"] = json!(everything);
            entry
        })
        .collect();
    let shown =
        world.manage().put(&world.contoso.vault_path(), &by_policies(&world, &json!(many))).await.ok();
    assert_eq!(shown["properties"]["accessPolicies"], json!(many));
    let one = json!([entry(&world, &world.contoso.officer, &["get"])]);
    change(&world, "add", &one).await.refused(400, "BadRequest", "");
    change(&world, "remove", &json!([many[0]])).await.ok();
    change(&world, "add", &one).await.ok();
    assert_eq!(may(&world.officer().await).await, ["get"]);
}

#[tokio::test]
async fn a_patch_changes_what_it_says_and_nothing_else() {
    let world = World::new().await;
    let vault = world.contoso.vault_path();
    change(&world, "add", &json!([entry(&world, &world.contoso.officer, &["get"])])).await.ok();
    let before = world.manage().get(&vault).await.ok();
    let patch = json!({"tags": {"a": "b"}, "properties": {"enablePurgeProtection": true}});
    let after = world.manage().call(Method::PATCH, &vault, Some(&patch)).await.ok();
    let mut expected = before;
    expected["tags"] = json!({"a": "b"});
    expected["properties"]["enablePurgeProtection"] = json!(true);
    assert_eq!(after, expected);
    assert_eq!(world.manage().call(Method::PATCH, &vault, Some(&json!({}))).await.ok(), after);
    for (bad, code) in [
        (json!({"location": "swedencentral"}), "InvalidResourceLocation"),
        (json!({"properties": {"enablePurgeProtection": false}}), "BadRequest"),
        (json!({"properties": {"softDeleteRetentionInDays": 7}}), "BadRequest"),
        (json!({"properties": {"tenantId": "x"}}), "BadRequest"),
    ] {
        assert_eq!(world.manage().call(Method::PATCH, &vault, Some(&bad)).await.code(), code, "{bad}");
    }
    let reader = Manage { who: &world.contoso.officer, ..world.manage() };
    reader.call(Method::PATCH, &vault, Some(&patch)).await.refused(403, "AuthorizationFailed", "");
    let nowhere = vault.replace("contoso-ck-a1", "contoso-ck-a9");
    world.manage().call(Method::PATCH, &nowhere, Some(&patch)).await.refused(404, "ResourceNotFound", "");
    assert!(world.manage().assign(&vault, &world.contoso.officer, CRYPTO_USER, 5).await.status.is_success());
}
