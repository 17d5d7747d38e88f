//! Two directories in one instance see nothing of each other.

use http::Method;
use serde_json::json;

use crate::world::{self, Manage, OFFICER, World, assignment, assignment_body, token, vault_body};

#[tokio::test]
async fn a_subscription_of_another_directory_does_not_exist() {
    let world = World::new().await;
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let theirs = Manage { router: &world.router, tenant: &fabrikam, who: &fabrikam.owner };
    let (mine, nowhere) = (&world.contoso, "99999999-9999-4999-8999-999999999999");
    let listed = theirs.get("/subscriptions").await.ok();
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    assert_eq!(listed["value"][0]["subscriptionId"], json!(fabrikam.subscription));
    for (method, path, body) in [
        (Method::GET, format!("/subscriptions/{}", mine.subscription), None),
        (Method::GET, mine.group_path(), None),
        (Method::PUT, mine.group_path(), Some(json!({"location": "westeurope"}))),
        (Method::GET, mine.vault_path(), None),
        (Method::PUT, mine.vault_path(), Some(vault_body(&fabrikam))),
        (Method::GET, assignment(&mine.vault_path(), 1), None),
        (Method::DELETE, assignment(&mine.vault_path(), 1), None),
        (
            Method::PUT,
            assignment(&mine.vault_path(), 9),
            Some(assignment_body(fabrikam.owner.principal, OFFICER)),
        ),
    ] {
        let answer = theirs.call(method.clone(), &path, body.as_ref()).await;
        answer.refused(404, "SubscriptionNotFound", "");
        // The same words, letter for letter, as for one that was never there.
        let other = path.replace(&mine.subscription.to_string(), nowhere);
        let same = theirs.call(method, &other, body.as_ref()).await;
        assert_eq!(
            same.json.to_string().replace(nowhere, &mine.subscription.to_string()),
            answer.json.to_string()
        );
    }
}

#[tokio::test]
async fn a_right_cannot_be_given_to_somebody_elses_principal() {
    let world = World::new().await;
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let answer = world.manage().assign(&world.contoso.vault_path(), &fabrikam.service, OFFICER, 50).await;
    answer.refused(400, "PrincipalNotFound", "");
}

#[tokio::test]
async fn a_vaults_name_is_taken_for_everybody() {
    let world = World::new().await;
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let theirs = Manage { router: &world.router, tenant: &fabrikam, who: &fabrikam.owner };
    let path = format!("{}/providers/Microsoft.KeyVault/vaults/Contoso-CK-A1", fabrikam.group_path());
    theirs.put(&path, &vault_body(&fabrikam)).await.refused(409, "VaultAlreadyExists", "");
    theirs.get(&path).await.refused(404, "ResourceNotFound", "");
}

#[tokio::test]
async fn one_application_in_two_directories_is_two_principals() {
    let world = World::new().await;
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    world.officer().await.make("k").await;
    let principal = admin.consent(contoso.application, fabrikam.directory).await.unwrap();
    assert_ne!(principal, contoso.service.principal);
    assert_eq!(
        admin.service_principal(contoso.application, fabrikam.directory).await.unwrap(),
        Some(principal)
    );
    // With the token of one directory the application does nothing in the other.
    let theirs = token(&world.router, &fabrikam, &contoso.service, "https://vault.localhost").await;
    let keys = world::Keys { router: &world.router, host: contoso.host(), token: theirs };
    keys.wrap("k").await.refused(401, "Unauthorized", "");
    admin.delete_service_principal(contoso.application, fabrikam.directory).await.unwrap();
    world.service().await.wrap("k").await.ok();
}
