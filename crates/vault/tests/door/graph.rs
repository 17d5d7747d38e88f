//! The Graph's slice, and groups: who there is in a directory, what it may be asked, and rights that a group holds.

use freehold_vault::{NewApplication, PrincipalId};
use http::Method;
use serde_json::{Value, json};

use crate::world::{self, Answer, OFFICER, Person, SUFFIX, World, YEAR, request, send, token, user};

const GRAPH: &str = "https://graph.vault.localhost";

async fn call(world: &World, who: &Person, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let token = token(&world.router, &world.contoso, who, GRAPH).await;
    let host = format!("graph.{SUFFIX}");
    send(&world.router, request(method, &host, &path.replace(' ', "%20"), Some(&token), body)).await
}

async fn get(world: &World, path: &str) -> Answer {
    call(world, &world.contoso.officer, Method::GET, path, None).await
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|one| one["displayName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_are_found_by_id_by_name_and_by_filter() {
    let world = World::new().await;
    let officer = &world.contoso.officer;
    let by_id = get(&world, &format!("/v1.0/users/{}", officer.principal)).await.ok();
    assert_eq!(by_id["userPrincipalName"], "alice@contoso.com");
    assert_eq!(get(&world, "/v1.0/users/Alice@Contoso.com").await.ok(), by_id);
    assert_eq!(get(&world, "/v1.0/me").await.ok()["id"], by_id["id"]);
    let found =
        get(&world, "/v1.0/users?$filter=userPrincipalName eq 'ALICE@contoso.com'&$select=id").await.ok();
    assert_eq!(found["value"], json!([{"id": officer.principal}]));
    get(&world, "/v1.0/users/nobody@contoso.com").await.refused(404, "Request_ResourceNotFound", "");
    get(&world, &format!("/v1.0/groups/{}", officer.principal)).await.refused(
        404,
        "Request_ResourceNotFound",
        "",
    );
    get(&world, "/v1.0/users?$filter=not x").await.refused(400, "Request_BadRequest", "");
    let service = &world.contoso.service;
    call(&world, service, Method::GET, "/v1.0/me", None).await.refused(400, "Request_BadRequest", "");
}

#[tokio::test]
async fn service_principals_are_found_as_command_lines_ask_for_them() {
    let world = World::new().await;
    let (application, principal) = (world.contoso.application, world.contoso.service.principal);
    let by_key = get(&world, &format!("/v1.0/servicePrincipals(appId='{application}')")).await.ok();
    assert_eq!((&by_key["id"], &by_key["appId"]), (&json!(principal), &json!(application)));
    for filter in [
        format!("appId eq '{application}'"),
        format!("servicePrincipalNames/any(c:c eq '{application}')"),
        "DisplayName eq 'Custody'".into(),
        "startswith(displayName,'cust')".into(),
    ] {
        let found = get(&world, &format!("/v1.0/servicePrincipals?$filter={filter}")).await.ok();
        assert_eq!(found["value"][0]["id"], json!(principal), "{filter}");
    }
    let body = json!({"ids": [principal, world.contoso.officer.principal, uuid::Uuid::nil()]});
    let path = "/v1.0/directoryObjects/getByIds";
    let found = call(&world, &world.contoso.officer, Method::POST, path, Some(&body)).await.ok();
    let kinds: Vec<&Value> =
        found["value"].as_array().unwrap().iter().map(|one| &one["@odata.type"]).collect();
    assert_eq!(kinds, ["#microsoft.graph.servicePrincipal", "#microsoft.graph.user"]);
    let own = get(&world, &format!("/v1.0/applications?$filter=appId eq '{application}'")).await.ok();
    assert_eq!(own["value"][0]["displayName"], "custody");
    let home = get(&world, "/v1.0/organization").await.ok();
    assert_eq!(home["value"][0]["id"], json!(world.contoso.directory));
}

#[tokio::test]
async fn lists_have_pages_and_no_other_directorys_objects() {
    let world = World::new().await;
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let admin = world.vault.administration();
    for n in 0..5 {
        user(&admin, world.contoso.directory, &format!("u{n}@contoso.com")).await;
    }
    let (mut path, mut seen) =
        ("/v1.0/users?$top=2&$filter=startswith(userPrincipalName,'u')".to_owned(), Vec::new());
    loop {
        let page = get(&world, &path).await.ok();
        assert!(page["value"].as_array().unwrap().len() <= 2);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        path = next.strip_prefix(GRAPH).unwrap().to_owned();
    }
    seen.sort();
    assert_eq!(seen, (0..5).map(|n| format!("u{n}@contoso.com")).collect::<Vec<_>>());
    get(&world, &format!("/v1.0/users/{}", fabrikam.officer.principal)).await.refused(
        404,
        "Request_ResourceNotFound",
        "",
    );
    get(&world, "/v1.0/users?$top=0").await.refused(400, "Request_BadRequest", "");
    get(&world, "/v1.0/users?$skiptoken=x").await.refused(400, "Request_BadRequest", "");
}

#[tokio::test]
async fn only_an_administrator_consents_and_only_to_what_is_offered() {
    let world = World::new().await;
    let (admin, contoso) = (world.vault.administration(), &world.contoso);
    let provider = admin.create_directory(None, "provider").await.unwrap();
    let new = |name| NewApplication { client_id: None, display_name: name, secret_life: YEAR };
    let (shared, _) = admin.create_application(provider, new("Office 365 Exchange Online")).await.unwrap();
    let (hidden, _) = admin.create_application(provider, new("hidden")).await.unwrap();
    admin.share_application(shared).await.unwrap();
    let path = "/v1.0/servicePrincipals";
    let consent = async |who: &Person, app: &dyn std::fmt::Display| {
        call(&world, who, Method::POST, path, Some(&json!({"appId": app.to_string()}))).await
    };
    consent(&contoso.owner, &shared).await.refused(403, "Authorization_RequestDenied", "");
    admin.set_administrator(contoso.directory, contoso.owner.principal, true).await.unwrap();
    let made = consent(&contoso.owner, &shared).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    assert_eq!((&made["appId"], &made["appOwnerOrganizationId"]), (&json!(shared), &json!(provider)));
    let principal = admin.service_principal(shared, contoso.directory).await.unwrap();
    assert_eq!(json!(principal), made["id"]);
    consent(&contoso.owner, &shared).await.refused(409, "Request_MultipleObjectsWithSameKeyValue", "");
    for app in [&hidden as &dyn std::fmt::Display, &uuid::Uuid::nil(), &"x"] {
        consent(&contoso.owner, app).await.refused(400, "NoBackingApplicationObject", "");
    }
    let log = world.vault.log(freehold_vault::Log::Directory(contoso.directory), 0, 100).await.unwrap();
    let entry = log.iter().rfind(|row| row.operation == "AddServicePrincipal").unwrap();
    let body: Value = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!(body["identity"]["principal"], json!(contoso.owner.principal));
    admin.set_administrator(contoso.directory, contoso.owner.principal, false).await.unwrap();
    consent(&contoso.owner, &hidden).await.refused(403, "Authorization_RequestDenied", "");
}

#[tokio::test]
async fn the_graph_wants_a_token_of_its_own() {
    let world = World::new().await;
    let host = format!("graph.{SUFFIX}");
    let keys = token(&world.router, &world.contoso, &world.contoso.officer, "https://vault.localhost").await;
    for given in [None, Some(keys.as_str()), Some("x")] {
        let answer = send(&world.router, request(Method::GET, &host, "/v1.0/users", given, None)).await;
        answer.refused(401, "InvalidAuthenticationToken", "");
        assert!(answer.header("www-authenticate").unwrap().contains("/common/oauth2/authorize"));
    }
    for path in ["/", "/v1.0", "/v2.0/users", "/v1.0/secrets", "/v1.0/users/a/b/c"] {
        get(&world, path).await.refused(400, "BadRequest", "");
    }
    let officer = world.contoso.officer.clone();
    let token = token(&world.router, &world.contoso, &officer, GRAPH).await;
    world.vault.administration().disable_user(world.contoso.directory, "alice@contoso.com").await.unwrap();
    let answer = send(&world.router, request(Method::GET, &host, "/v1.0/users", Some(&token), None)).await;
    answer.refused(401, "InvalidAuthenticationToken", "");
}

async fn group_with(world: &World, member: PrincipalId) -> Person {
    let admin = world.vault.administration();
    let group = admin.create_group(world.contoso.directory, "key officers").await.unwrap();
    admin.add_member(world.contoso.directory, group, member).await.unwrap();
    Person { principal: group, form: String::new() }
}

#[tokio::test]
async fn a_groups_right_is_its_members_until_they_leave() {
    let world = World::new().await;
    let (admin, contoso) = (world.vault.administration(), &world.contoso);
    let bob = user(&admin, contoso.directory, "bob@contoso.com").await;
    let group = group_with(&world, bob.principal).await;
    let keys = world.keys(&bob).await;
    keys.create("k", json!({"kty": "RSA"})).await.refused(403, "Forbidden", "ForbiddenByRbac");
    world.manage().assign(&contoso.vault_path(), &group, OFFICER, 70).await.ok();
    let made = keys.create("k", json!({"kty": "RSA"})).await;
    assert!(made.header("x-ms-keyvault-rbac-assignment-id").is_some());
    made.ok();
    let theirs = world::Manage { router: &world.router, tenant: contoso, who: &bob };
    let listed = theirs.get("/subscriptions").await.ok();
    assert_eq!(listed["value"][0]["subscriptionId"], json!(contoso.subscription));
    let members = get(&world, &format!("/v1.0/groups/{}/members", group.principal)).await.ok();
    assert_eq!(members["value"][0]["id"], json!(bob.principal));
    assert_eq!(names(&get(&world, "/v1.0/groups").await.ok()), ["key officers"]);
    admin.remove_member(contoso.directory, group.principal, bob.principal).await.unwrap();
    keys.get("/keys/k").await.refused(403, "Forbidden", "ForbiddenByRbac");
    assert_eq!(theirs.get("/subscriptions").await.ok()["value"], json!([]));
}

#[tokio::test]
async fn a_group_is_in_no_group_and_signs_in_nowhere() {
    let world = World::new().await;
    let (admin, directory) = (world.vault.administration(), world.contoso.directory);
    let group = group_with(&world, world.contoso.officer.principal).await.principal;
    assert!(admin.create_group(directory, "KEY officers").await.is_err());
    assert_eq!(admin.group_of(directory, "Key Officers").await.unwrap(), Some(group));
    let other = admin.create_group(directory, "others").await.unwrap();
    assert!(admin.add_member(directory, other, group).await.is_err());
    assert!(admin.add_member(directory, group, world.contoso.officer.principal).await.is_err());
    assert!(
        admin
            .add_member(directory, world.contoso.officer.principal, world.contoso.owner.principal)
            .await
            .is_err()
    );
    assert!(admin.remove_member(directory, group, world.contoso.owner.principal).await.is_err());
    assert!(admin.set_administrator(directory, group, true).await.is_err());
    for n in 1..20 {
        let group = admin.create_group(directory, &format!("g{n}")).await.unwrap();
        admin.add_member(directory, group, world.contoso.officer.principal).await.unwrap();
    }
    assert!(admin.add_member(directory, other, world.contoso.officer.principal).await.is_err());
}
