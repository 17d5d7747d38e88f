//! The resource manager's wire: subscriptions, groups, vaults, providers, roles.

use http::Method;
use serde_json::json;

use crate::world::{
    self, CRYPTO_USER, Manage, OFFICER, World, assignment, assignment_body, request, send, vault_body,
};

#[tokio::test]
async fn a_vault_shows_the_defaults_that_were_filled_in() {
    let world = World::new().await;
    let shown = world.manage().get(&world.contoso.vault_path()).await.ok();
    assert_eq!(shown["id"], world.contoso.vault_path());
    assert_eq!(shown["type"], "Microsoft.KeyVault/vaults");
    assert_eq!(shown["systemData"]["createdBy"], "owner@contoso.com");
    assert_eq!(shown["systemData"]["createdAt"], "2026-11-24T12:00:00Z");
    assert_eq!(
        shown["properties"],
        json!({
            "tenantId": world.contoso.directory, "sku": {"family": "A", "name": "premium"}, "accessPolicies": [],
            "enabledForDeployment": false, "enabledForDiskEncryption": false, "enabledForTemplateDeployment": false,
            "enableSoftDelete": true, "softDeleteRetentionInDays": 90, "enableRbacAuthorization": true,
            "vaultUri": "https://contoso-ck-a1.vault.localhost/", "provisioningState": "Succeeded",
            "publicNetworkAccess": "Enabled",
        })
    );
}

#[tokio::test]
async fn purge_protection_is_true_or_absent_and_never_taken_back() {
    let world = World::new().await;
    let (manage, path) = (world.manage(), world.contoso.vault_path());
    let mut body = vault_body(&world.contoso);
    body["properties"]["enablePurgeProtection"] = json!(true);
    let shown = manage.put(&path, &body).await.ok();
    assert_eq!(shown["properties"]["enablePurgeProtection"], true);
    body["properties"]["enablePurgeProtection"] = json!(false);
    let refused = manage.put(&path, &body).await;
    refused.refused(400, "BadRequest", "");
    assert_eq!(
        refused.message(),
        "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an \
         irreversible action."
    );
    assert_eq!(
        manage.put(&path, &vault_body(&world.contoso)).await.ok()["properties"]["enablePurgeProtection"],
        true
    );
}

#[tokio::test]
async fn older_versions_of_the_wire_make_vaults_that_go_by_policies() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let token =
        world::token(&world.router, contoso, &contoso.owner, "https://management.vault.localhost").await;
    let mut body = vault_body(contoso);
    body["properties"].as_object_mut().unwrap().remove("enableRbacAuthorization");
    for (name, version, by_roles) in [("old-vault", "2025-05-01", false), ("new-vault", "2026-02-01", true)] {
        let path = format!(
            "{}/providers/microsoft.keyvault/vaults/{name}?api-version={version}",
            contoso.group_path()
        );
        let put = request(Method::PUT, "management.vault.localhost", &path, Some(&token), Some(&body));
        assert_eq!(
            send(&world.router, put).await.ok()["properties"]["enableRbacAuthorization"],
            by_roles,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_vault_needs_its_provider_and_its_group() {
    let world = World::new().await;
    let admin = world.vault.administration();
    let new = freehold_vault::NewSubscription {
        id: None,
        display_name: "two",
        owner: world.contoso.owner.principal,
    };
    let subscription = admin.create_subscription(world.contoso.directory, new).await.unwrap();
    let manage = world.manage();
    let group = format!("/subscriptions/{subscription}/resourcegroups/ck-b");
    let path = format!("{group}/providers/Microsoft.KeyVault/vaults/contoso-ck-b1");
    let body = vault_body(&world.contoso);
    manage.get(&path).await.refused(404, "ResourceNotFound", "");
    manage.put(&path, &body).await.refused(409, "MissingSubscriptionRegistration", "");
    let provider = format!("/subscriptions/{subscription}/providers/microsoft.keyvault");
    assert_eq!(manage.get(&provider).await.ok()["registrationState"], "NotRegistered");
    assert_eq!(manage.post(&format!("{provider}/register")).await.ok()["registrationState"], "Registered");
    assert_eq!(manage.get(&provider).await.ok()["registrationState"], "Registered");
    manage.put(&path, &body).await.refused(404, "ResourceGroupNotFound", "");
    assert_eq!(manage.put(&group, &json!({"location": "West Europe"})).await.status, 201);
    let again = manage.put(&group, &json!({"location": "westeurope", "tags": {"a": "b"}})).await;
    assert_eq!((again.status.as_u16(), &again.json["tags"]), (200, &json!({"a": "b"})));
    manage.put(&group, &json!({"location": "swedencentral"})).await.refused(
        409,
        "InvalidResourceLocation",
        "",
    );
    manage.put(&path, &body).await.ok();
    let listed = manage.get("/subscriptions").await.ok();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
    assert_eq!(listed["value"][0]["state"], "Enabled");
    manage
        .post(&format!("/subscriptions/{subscription}/providers/Microsoft.Storage/register"))
        .await
        .refused(404, "InvalidResourceNamespace", "");
}

#[tokio::test]
async fn only_the_one_feature_is_known() {
    let world = World::new().await;
    let base =
        format!("/subscriptions/{}/providers/Microsoft.Features/providers", world.contoso.subscription);
    let manage = world.manage();
    let shown = manage
        .get(&format!("{base}/microsoft.resources/features/mandatoryretentionperiodenabled"))
        .await
        .ok();
    assert_eq!(shown["name"], "Microsoft.Resources/MandatoryRetentionPeriodEnabled");
    assert_eq!(shown["type"], "Microsoft.Features/providers/features");
    assert_eq!(shown["properties"]["state"], "NotRegistered");
    for path in
        ["Microsoft.Resources/features/Other", "Microsoft.KeyVault/features/MandatoryRetentionPeriodEnabled"]
    {
        manage.get(&format!("{base}/{path}")).await.refused(404, "FeatureNotFound", "");
        manage.post(&format!("{base}/{path}/register")).await.refused(404, "FeatureNotFound", "");
    }
}

#[tokio::test]
async fn roles_are_found_by_name_and_by_id() {
    let world = World::new().await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let path = format!("{vault}/providers/Microsoft.Authorization/roleDefinitions");
    let filter = "%24filter=roleName%20eq%20%27Key%20Vault%20Crypto%20Service%20Encryption%20User%27";
    let found = manage.get(&format!("{path}?{filter}")).await.ok();
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(found["value"][0]["name"], world::SERVICE);
    let permissions = &found["value"][0]["properties"]["permissions"][0];
    assert_eq!(
        permissions["dataActions"],
        json!([
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
        ])
    );
    assert_eq!(manage.get(&path).await.ok()["value"].as_array().unwrap().len(), 11);
    manage.get(&format!("{path}/{OFFICER}")).await.ok();
    manage.get(&format!("/providers/Microsoft.Authorization/roleDefinitions/{OFFICER}")).await.ok();
    manage.get(&format!("{path}/x")).await.refused(404, "RoleDefinitionDoesNotExist", "");
    manage.get(&format!("{path}?$filter=type+eq+%27x%27")).await.refused(400, "BadRequest", "");
}

#[tokio::test]
async fn an_assignment_is_made_once_shown_and_taken_away() {
    let world = World::new().await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let officer = &world.contoso.officer;
    let made = manage.assign(&vault, officer, CRYPTO_USER, 70).await;
    assert_eq!(made.status, 201);
    let shown = manage.get(&assignment(&vault, 70)).await.ok();
    assert_eq!(shown, made.json);
    assert_eq!(shown["id"], assignment(&vault, 70));
    assert_eq!(shown["properties"]["principalType"], "User");
    assert_eq!(shown["properties"]["scope"], vault);
    assert_eq!(shown["properties"]["createdBy"], json!(world.contoso.owner.principal));
    assert_eq!(manage.assign(&vault, officer, CRYPTO_USER, 70).await.status, 200, "the same again");
    manage.assign(&vault, officer, OFFICER, 70).await.refused(409, "RoleAssignmentUpdateNotPermitted", "");
    manage
        .assign(&vault.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"), officer, CRYPTO_USER, 71)
        .await
        .refused(409, "RoleAssignmentExists", "");
    assert_eq!(manage.unassign(&vault, 70).await.status, 200);
    assert_eq!(manage.unassign(&vault, 70).await.status, 204, "it is gone already");
    manage.get(&assignment(&vault, 70)).await.refused(404, "RoleAssignmentNotFound", "");
}

#[tokio::test]
async fn an_assignment_that_would_not_be_kept_is_refused() {
    let world = World::new().await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let principal = world.contoso.officer.principal;
    let role = |id: &str| format!("/providers/Microsoft.Authorization/roleDefinitions/{id}");
    let put = async |body: serde_json::Value| manage.put(&assignment(&vault, 80), &body).await;
    let with = |extra: serde_json::Value| {
        let mut body = assignment_body(principal, CRYPTO_USER);
        body["properties"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    put(with(json!({"condition": "@Resource[x] StringEquals 'y'"}))).await.refused(400, "BadRequest", "");
    put(with(json!({"principalType": "ServicePrincipal"}))).await.refused(400, "UnmatchedPrincipalType", "");
    put(with(json!({"principalId": "x"}))).await.refused(400, "BadRequest", "");
    put(with(json!({"principalId": "99999999-9999-4999-8999-999999999999"}))).await.refused(
        400,
        "PrincipalNotFound",
        "",
    );
    put(with(json!({"roleDefinitionId": role("99999999-9999-4999-8999-999999999999")}))).await.refused(
        404,
        "RoleDefinitionDoesNotExist",
        "",
    );
    put(json!({})).await.refused(400, "InvalidRequestContent", "");
    let body = with(json!({}));
    manage.put(&assignment(&vault, 1), &body).await.refused(409, "RoleAssignmentUpdateNotPermitted", "");
    let nowhere = vault.replace("contoso-ck-a1", "contoso-ck-a2");
    manage.put(&assignment(&nowhere, 80), &body).await.refused(404, "ResourceNotFound", "");
    let path = format!("{vault}/providers/Microsoft.Authorization/roleAssignments/not-a-guid");
    manage.put(&path, &body).await.refused(400, "BadRequest", "");
    manage.put(&assignment(&vault, 80), &with(json!({"principalType": "user"}))).await.ok();
}

#[tokio::test]
async fn the_door_asks_for_token_version_and_method() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let token =
        world::token(&world.router, contoso, &contoso.owner, "https://management.vault.localhost").await;
    let host = "management.vault.localhost";
    let anonymous = send(&world.router, request(Method::GET, host, "/subscriptions", None, None)).await;
    anonymous.refused(401, "AuthenticationFailed", "");
    assert!(
        anonymous
            .header("www-authenticate")
            .unwrap()
            .contains("resource=\"https://management.vault.localhost\"")
    );
    let bare = send(&world.router, request(Method::GET, host, "/subscriptions", Some(&token), None)).await;
    bare.refused(400, "MissingApiVersionParameter", "");
    let manage = world.manage();
    manage.call(Method::POST, &contoso.vault_path(), None).await.refused(405, "HttpMethodNotAllowed", "");
    manage.call(Method::PUT, "/subscriptions", None).await.refused(405, "HttpMethodNotAllowed", "");
    manage.get("/tenants/x").await.refused(404, "InvalidResourceType", "");
    manage.put(&contoso.group_path(), &json!({"location": "x".repeat(70_000)})).await.refused(
        413,
        "RequestContentTooLarge",
        "",
    );
}

#[tokio::test]
async fn nobody_without_a_right_sees_a_resource() {
    let world = World::new().await;
    let manage = Manage { who: &world.contoso.service, ..world.manage() };
    assert_eq!(
        manage.get("/subscriptions").await.ok()["value"].as_array().unwrap().len(),
        1,
        "it has a right in it"
    );
    manage.get(&world.contoso.vault_path()).await.refused(403, "AuthorizationFailed", "");
    let refused = manage.get(&format!("/subscriptions/{}", world.contoso.subscription)).await;
    refused.refused(403, "AuthorizationFailed", "");
    assert!(refused.message().contains("Microsoft.Resources/subscriptions/read"), "{}", refused.message());
}
