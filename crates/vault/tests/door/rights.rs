//! Who may do what: roles at every scope, inheritance, and taking a right away.

use http::Method;
use serde_json::json;

use crate::world::{
    self, CRYPTO_USER, Keys, Manage, OFFICER, Person, READER, SECRET, SERVICE, World, user, value,
};

async fn newcomer(world: &World) -> Person {
    user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await
}

/// Whether somebody may read, wrap, unwrap and create.
async fn may(keys: &Keys<'_>, version: &str, wrapped: &str) -> [bool; 4] {
    let mut done = Vec::new();
    for answer in [
        keys.get("/keys/k").await,
        keys.wrap("k").await,
        keys.unwrap("k", version, wrapped).await,
        keys.create("k", json!({"kty": "RSA"})).await,
    ] {
        if !answer.status.is_success() {
            answer.refused(403, "Forbidden", "ForbiddenByRbac");
        }
        done.push(answer.status.is_success());
    }
    done.try_into().unwrap()
}

#[tokio::test]
async fn a_right_holds_at_its_scope_and_below_and_ends_with_the_next_call() {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("k").await;
    let wrapped = value(officer.wrap("k").await);
    let carol = newcomer(&world).await;
    let keys = world.keys(&carol).await;
    let manage = world.manage();
    let vault = world.contoso.vault_path();
    assert_eq!(may(&keys, &version, &wrapped).await, [false; 4]);
    for (n, scope) in [
        format!("/subscriptions/{}", world.contoso.subscription),
        world.contoso.group_path(),
        vault.clone(),
        format!("{vault}/keys/K"),
    ]
    .into_iter()
    .enumerate()
    {
        let n = 100 + n as u128;
        assert_eq!(manage.assign(&scope, &carol, CRYPTO_USER, n).await.status, 201);
        assert_eq!(may(&keys, &version, &wrapped).await, [true, true, true, false], "{scope}");
        assert_eq!(manage.unassign(&scope, n).await.status, 200);
        assert_eq!(may(&keys, &version, &wrapped).await, [false; 4], "{scope}");
    }
    for (n, scope) in [format!("{vault}/keys/other"), format!("{vault}/keys/k2")].into_iter().enumerate() {
        manage.assign(&scope, &carol, CRYPTO_USER, 200 + n as u128).await.ok();
    }
    assert_eq!(may(&keys, &version, &wrapped).await, [false; 4], "a right on another key");
}

#[tokio::test]
async fn a_right_on_one_key_lists_nothing() {
    let world = World::new().await;
    world.officer().await.make("k").await;
    let carol = newcomer(&world).await;
    let scope = format!("{}/keys/k", world.contoso.vault_path());
    world.manage().assign(&scope, &carol, OFFICER, 100).await.ok();
    let keys = world.keys(&carol).await;
    keys.get("/keys/k/versions").await.ok();
    keys.get("/keys").await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test]
async fn the_owner_gives_rights_and_has_none_on_keys() {
    let world = World::new().await;
    let version = world.officer().await.make("k").await;
    let wrapped = value(world.officer().await.wrap("k").await);
    let owner = world.keys(&world.contoso.owner).await;
    assert_eq!(may(&owner, &version, &wrapped).await, [false; 4]);
    let carol = newcomer(&world).await;
    let vault = world.contoso.vault_path();
    // The officer holds every right on keys, and none to give one.
    let officer = Manage { who: &world.contoso.officer, ..world.manage() };
    officer.assign(&vault, &carol, READER, 100).await.refused(403, "AuthorizationFailed", "");
    world.manage().assign(&vault, &carol, READER, 100).await.ok();
}

#[tokio::test]
async fn the_services_role_reads_wraps_and_unwraps() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    assert_eq!(may(&service, &version, &wrapped).await, [true, true, true, false]);
    service.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.refused(
        403,
        "Forbidden",
        "ForbiddenByRbac",
    );
    service.operate("/keys/k//decrypt", "RSA-OAEP-256", &wrapped).await.refused(
        403,
        "Forbidden",
        "ForbiddenByRbac",
    );
}

#[tokio::test]
async fn whoever_reads_a_key_has_its_public_half() {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("k").await;
    let carol = newcomer(&world).await;
    world.manage().assign(&world.contoso.vault_path(), &carol, READER, 100).await.ok();
    let keys = world.keys(&carol).await;
    let wrapped = value(keys.wrap("k").await);
    keys.operate("/keys/k//encrypt", "RSA-OAEP-256", SECRET).await.ok();
    keys.unwrap("k", &version, &wrapped).await.refused(403, "Forbidden", "ForbiddenByRbac");
    assert_eq!(value(officer.unwrap("k", &version, &wrapped).await), SECRET);
}

#[tokio::test]
async fn a_denial_says_who_what_and_where() {
    let world = World::new().await;
    let service = world.service().await;
    let refused = service.create("new", json!({"kty": "RSA"})).await;
    let contoso = &world.contoso;
    let expected = format!(
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
         definitions were changed recently, please observe propagation time.\r\nCaller: appid={};oid={};\
         iss=https://login.vault.localhost/{}/\r\nAction: 'Microsoft.KeyVault/vaults/keys/create/action'\r\nResource: \
         '{}/keys/new'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: \
         contoso-ck-a1;location=westeurope\r\n",
        contoso.application,
        contoso.service.principal,
        contoso.directory,
        contoso.vault_path()
    );
    assert_eq!(refused.message(), expected);
    assert_eq!(refused.header("x-ms-keyvault-rbac-assignment-id"), None);
}

#[tokio::test]
async fn nobody_learns_of_a_key_that_he_may_not_use() {
    let world = World::new().await;
    world.officer().await.make("there").await;
    let carol = newcomer(&world).await;
    let keys = world.keys(&carol).await;
    let (there, nowhere) = (keys.get("/keys/there").await, keys.get("/keys/where").await);
    there.refused(403, "Forbidden", "ForbiddenByRbac");
    nowhere.refused(403, "Forbidden", "ForbiddenByRbac");
    assert_eq!(there.message().replace("there", "where"), nowhere.message());
}

#[tokio::test]
async fn consent_taken_back_ends_every_right_at_the_next_call() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    let admin = world.vault.administration();
    let contoso = &world.contoso;
    admin.delete_service_principal(contoso.application, contoso.directory).await.unwrap();
    service.unwrap("k", &version, &wrapped).await.refused(403, "Forbidden", "ForbiddenByRbac");
    // Another consent is another principal: the old right is not his.
    let principal = admin.consent(contoso.application, contoso.directory).await.unwrap();
    assert_ne!(principal, contoso.service.principal);
    let again = world.keys(&contoso.service).await;
    again.unwrap("k", &version, &wrapped).await.refused(403, "Forbidden", "ForbiddenByRbac");
    let new = Person { principal, ..contoso.service.clone() };
    world.manage().assign(&contoso.vault_path(), &new, SERVICE, 100).await.ok();
    assert_eq!(value(again.unwrap("k", &version, &wrapped).await), SECRET);
}

#[tokio::test]
async fn a_disabled_applications_tokens_are_no_longer_accepted() {
    let world = World::new().await;
    let service = world.service().await;
    world.officer().await.make("k").await;
    let admin = world.vault.administration();
    admin.disable_application(world.contoso.application).await.unwrap();
    let refused = service.wrap("k").await;
    refused.refused(401, "Unauthorized", "");
    assert!(
        refused.header("www-authenticate").is_some(),
        "so that the client asks for a token and hears why"
    );
    admin.enable_application(world.contoso.application).await.unwrap();
    service.wrap("k").await.ok();
}

#[tokio::test]
async fn a_vault_that_goes_by_policies_lets_nobody_in_by_a_role() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let mut body = crate::world::vault_body(&world.contoso);
    body["properties"]["enableRbacAuthorization"] = json!(false);
    world.manage().put(&world.contoso.vault_path(), &body).await.ok();
    let refused = officer.wrap("k").await;
    refused.refused(403, "Forbidden", "ForbiddenByPolicy");
    let expected = format!(
        "The user, group or application 'appid={};oid={};numgroups=0;iss=https://login.vault.localhost/{}/' does not \
         have keys wrapKey permission on key vault 'contoso-ck-a1;location=westeurope'. For help resolving this issue, \
         please see https://go.microsoft.com/fwlink/?linkid=2125287",
        crate::world::AZ,
        world.contoso.officer.principal,
        world.contoso.directory
    );
    assert_eq!(refused.message(), expected);
}

#[tokio::test]
async fn a_reader_of_the_subscription_sees_and_changes_nothing() {
    let world = World::new().await;
    let carol = newcomer(&world).await;
    let subscription = format!("/subscriptions/{}", world.contoso.subscription);
    let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    world.manage().assign(&subscription, &carol, reader, 100).await.ok();
    let manage = Manage { who: &carol, ..world.manage() };
    manage.get(&subscription).await.ok();
    manage.get(&world.contoso.vault_path()).await.ok();
    let body = crate::world::vault_body(&world.contoso);
    for answer in [
        manage.put(&world.contoso.vault_path(), &body).await,
        manage.put(&world.contoso.group_path(), &json!({"location": "westeurope"})).await,
        manage
            .call(Method::POST, &format!("{subscription}/providers/Microsoft.KeyVault/register"), None)
            .await,
        manage.assign(&subscription, &carol, OFFICER, 101).await,
        manage.unassign(&world.contoso.vault_path(), 1).await,
    ] {
        answer.refused(403, "AuthorizationFailed", "");
    }
    world.keys(&carol).await.get("/keys/k").await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test]
async fn a_disabled_user_is_no_longer_let_in() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    admin.disable_user(contoso.directory, "Alice@contoso.com").await.unwrap();
    officer.get("/keys/k").await.refused(401, "Unauthorized", "");
    admin.enable_user(contoso.directory, "alice@contoso.com").await.unwrap();
    officer.get("/keys/k").await.ok();
}

#[tokio::test]
async fn the_operator_can_give_a_subscription_an_owner_again() {
    let world = World::new().await;
    let carol = newcomer(&world).await;
    let (subscription, admin) = (world.contoso.subscription, world.vault.administration());
    let manage = Manage { who: &carol, ..world.manage() };
    manage.get(&world.contoso.vault_path()).await.refused(403, "AuthorizationFailed", "");
    admin.add_subscription_owner(subscription, carol.principal).await.unwrap();
    manage.get(&world.contoso.vault_path()).await.ok();
    assert!(admin.add_subscription_owner(subscription, carol.principal).await.is_err(), "once is enough");
    let stranger = world::tenant(&world.vault, "fabrikam").await.owner.principal;
    assert!(admin.add_subscription_owner(subscription, stranger).await.is_err());
}
