//! Lists of the resource manager, whether a name is free, groups that come and go, and where everything is.

use std::collections::BTreeSet;

use freehold_vault::NewSubscription;
use http::Method;
use serde_json::{Value, json};

use crate::world::{
    self, Answer, CRYPTO_USER, Manage, OFFICER, Person, READER, World, assignment, request, send, tenant,
    vault_body,
};

fn subscription(world: &World) -> String {
    format!("/subscriptions/{}", world.contoso.subscription)
}

fn names(answer: Answer) -> Vec<String> {
    let page = answer.ok();
    let mut names: Vec<String> =
        page["value"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().into()).collect();
    names.sort();
    names
}

/// A second group with two vaults, one of them deleted.
async fn second_group(world: &World) -> String {
    let manage = world.manage();
    let group = format!("{}/resourceGroups/Second", subscription(world));
    manage.put(&group, &json!({"location": "westeurope"})).await.ok();
    for name in ["second-a", "second-b"] {
        let path = format!("{group}/providers/Microsoft.KeyVault/vaults/{name}");
        manage.put(&path, &vault_body(&world.contoso)).await.ok();
    }
    let path = format!("{group}/providers/Microsoft.KeyVault/vaults/second-b");
    manage.call(Method::DELETE, &path, None).await.ok();
    group
}

#[tokio::test]
async fn vaults_are_listed_by_subscription_and_by_group() {
    let world = World::new().await;
    let (manage, group) = (world.manage(), second_group(&world).await);
    let vaults = "providers/Microsoft.KeyVault/vaults";
    let all = format!("{}/{vaults}", subscription(&world));
    assert_eq!(names(manage.get(&all).await), ["contoso-ck-a1", "second-a"]);
    assert_eq!(names(manage.get(&format!("{group}/{vaults}")).await), ["second-a"]);
    let listed = manage.get(&all).await.ok();
    assert_eq!(listed["value"][0], manage.get(&world.contoso.vault_path()).await.ok(), "each as by itself");
    let nowhere = format!("{}/resourceGroups/nowhere/{vaults}", subscription(&world));
    manage.get(&nowhere).await.refused(404, "ResourceGroupNotFound", "");
    manage.call(Method::POST, &all, None).await.refused(405, "HttpMethodNotAllowed", "");
    let paged = manage.get(&format!("{all}?$top=1")).await.ok();
    let next =
        paged["nextLink"].as_str().unwrap().strip_prefix("https://management.vault.localhost").unwrap();
    assert!(next.contains("api-version=2026-02-01"));
    assert_eq!(names(manage.get(next).await), ["second-a"]);
}

#[tokio::test]
async fn a_vault_is_found_by_its_name_in_the_current_subscription_alone() {
    let world = World::new().await;
    let (manage, group) = (world.manage(), second_group(&world).await);
    let by = |name: &str| {
        let filter = format!("resourceType eq 'Microsoft.KeyVault/vaults' and name eq '{name}'");
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        format!("{}/resources?%24filter={filter}", subscription(&world))
    };
    let found = manage.get(&by("Contoso-CK-A1")).await.ok();
    assert_eq!(
        found["value"],
        json!([{"id": world.contoso.vault_path(), "name": "contoso-ck-a1", "location": "westeurope",
            "type": "Microsoft.KeyVault/vaults", "tags": {}}])
    );
    assert_eq!(names(manage.get(&by("second-b")).await), [""; 0], "it is deleted");
    let other = tenant(&world.vault, "fabrikam").await;
    assert_eq!(names(manage.get(&by(&other.name)).await), [""; 0], "another subscription's");
    assert_eq!(names(manage.get(&format!("{group}/resources")).await), ["second-a"]);
    assert_eq!(
        names(
            manage
                .get(&format!("{}/resources?$filter=resourceGroup+eq+'second'", subscription(&world)))
                .await
        ),
        ["second-a"]
    );
    let machines = "resourceType+eq+'Microsoft.Compute/virtualMachines'";
    assert_eq!(
        names(manage.get(&format!("{}/resources?$filter={machines}", subscription(&world))).await),
        [""; 0]
    );
    for bad in ["tagName eq 'x'", "name ne 'x'", "name eq 'x' or name eq 'y'", "atScope()", "'"] {
        let bad: String = url::form_urlencoded::byte_serialize(bad.as_bytes()).collect();
        let path = format!("{}/resources?$filter={bad}", subscription(&world));
        manage.get(&path).await.refused(400, "BadRequest", "");
    }
    let foreign = format!("/subscriptions/{}/resources", other.subscription);
    manage.get(&foreign).await.refused(404, "SubscriptionNotFound", "");
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_read() {
    let world = World::new().await;
    second_group(&world).await;
    let lists = [
        format!("{}/providers/Microsoft.KeyVault/vaults", subscription(&world)),
        format!("{}/resources", subscription(&world)),
    ];
    let groups = format!("{}/resourcegroups", subscription(&world));
    // The officer's role is on one vault and reads that; the service's role reads nothing here.
    for (who, expected) in [(&world.contoso.officer, vec!["contoso-ck-a1"]), (&world.contoso.service, vec![])]
    {
        let manage = Manage { who, ..world.manage() };
        for list in &lists {
            assert_eq!(names(manage.get(list).await), expected, "{list}");
        }
        assert_eq!(names(manage.get(&groups).await), [""; 0]);
    }
    world.manage().assign(&world.contoso.group_path(), &world.contoso.officer, READER, 50).await.ok();
    let manage = Manage { who: &world.contoso.officer, ..world.manage() };
    assert_eq!(names(manage.get(&groups).await), ["rg"]);
    assert_eq!(names(world.manage().get(&groups).await), ["Second", "rg"]);
}

#[tokio::test]
async fn a_group_goes_with_its_vaults_and_their_keys_can_come_back() {
    let world = World::new().await;
    let (manage, group) = (world.manage(), world.contoso.group_path());
    second_group(&world).await;
    let officer = world.officer().await;
    officer.make("k").await;
    manage.assign(&group, &world.contoso.officer, OFFICER, 60).await.ok();
    assert_eq!(manage.call(Method::HEAD, &group, None).await.status, 204);
    let stranger = Manage { who: &world.contoso.service, ..world.manage() };
    stranger.call(Method::DELETE, &group, None).await.refused(403, "AuthorizationFailed", "");
    assert_eq!(manage.call(Method::DELETE, &group, None).await.status, 200);
    assert_eq!(manage.call(Method::HEAD, &group, None).await.status, 404);
    manage.call(Method::DELETE, &group, None).await.refused(404, "ResourceGroupNotFound", "");
    officer.get("/keys/k").await.refused(404, "VaultNotFound", "");
    let vaults = format!("{}/providers/Microsoft.KeyVault/vaults", subscription(&world));
    assert_eq!(names(manage.get(&vaults).await), ["second-a"], "another group's stay");
    let mut body = vault_body(&world.contoso);
    body["properties"]["createMode"] = json!("recover");
    manage.put(&world.contoso.vault_path(), &body).await.refused(404, "ResourceGroupNotFound", "");
    manage.put(&group, &json!({"location": "westeurope"})).await.ok();
    manage.get(&assignment(&group, 60)).await.refused(404, "RoleAssignmentNotFound", "");
    manage.put(&world.contoso.vault_path(), &body).await.ok();
    officer.get("/keys/k").await.refused(403, "Forbidden", "ForbiddenByRbac");
    manage.assign(&world.contoso.vault_path(), &world.contoso.officer, OFFICER, 61).await.ok();
    officer.get("/keys/k").await.ok();
}

#[tokio::test]
async fn the_deletion_of_a_group_that_was_interrupted_lets_nothing_in_and_goes_on() {
    // The first commit is the sign-in's; then the group's, the vault's, and the end of its assignments.
    for crash in 2..=4 {
        let world = World::new().await;
        let (manage, group) = (world.manage(), world.contoso.group_path());
        world.faults.crash_after(crash);
        assert!(manage.call(Method::DELETE, &group, None).await.status.is_server_error());
        world.faults.restart();
        assert_eq!(manage.get(&group).await.ok()["properties"]["provisioningState"], "Deleting");
        let path = world.contoso.vault_path().replace("contoso-ck-a1", "newcomer");
        manage.put(&path, &vault_body(&world.contoso)).await.refused(409, "ResourceGroupBeingDeleted", "");
        manage.put(&group, &json!({"location": "westeurope"})).await.refused(
            409,
            "ResourceGroupBeingDeleted",
            "",
        );
        manage.assign(&group, &world.contoso.officer, OFFICER, 60).await.refused(
            404,
            "ResourceGroupNotFound",
            "",
        );
        assert_eq!(manage.call(Method::DELETE, &group, None).await.status, 200, "{crash}");
        manage.get(&world.contoso.vault_path()).await.refused(404, "ResourceNotFound", "");
    }
}

#[tokio::test]
async fn a_name_is_free_or_it_is_said_why_not() {
    let world = World::new().await;
    second_group(&world).await;
    let path = format!("{}/providers/Microsoft.KeyVault/checkNameAvailability", subscription(&world));
    let check = async |body: Value| world.manage().call(Method::POST, &path, Some(&body)).await;
    let kind = "Microsoft.KeyVault/vaults";
    assert_eq!(check(json!({"name": "free-one", "type": kind})).await.ok(), json!({"nameAvailable": true}));
    for (name, reason) in [
        ("contoso-ck-a1", "AlreadyExists"),
        ("SECOND-B", "AlreadyExists"),
        ("a", "AccountNameInvalid"),
        ("a--b", "AccountNameInvalid"),
        ("login", "AccountNameInvalid"),
    ] {
        let answer = check(json!({"name": name, "type": kind})).await.ok();
        assert_eq!((&answer["nameAvailable"], &answer["reason"]), (&json!(false), &json!(reason)), "{name}");
    }
    check(json!({"name": "abc", "type": "Microsoft.KeyVault/managedHSMs"})).await.refused(
        400,
        "BadRequest",
        "",
    );
    check(json!({})).await.refused(400, "InvalidRequestContent", "");
    world.manage().get(&path).await.refused(405, "HttpMethodNotAllowed", "");
}

#[tokio::test]
async fn assignments_are_listed_by_scope_and_by_principal() {
    let world = World::new().await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let list = async |scope: &str, filter: &str| -> Vec<String> {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        let mut roles: Vec<String> = manage.get(&path).await.ok()["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                item["properties"]["roleDefinitionId"].as_str().unwrap().rsplit('/').next().unwrap().into()
            })
            .collect();
        roles.sort();
        roles
    };
    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    manage.assign(&format!("{vault}/keys/k"), &world.contoso.officer, CRYPTO_USER, 50).await.ok();
    let all = [CRYPTO_USER, OFFICER, OWNER, world::SERVICE];
    for scope in [&subscription(&world), &world.contoso.group_path(), &vault] {
        assert_eq!(list(scope, "").await, all, "{scope}");
    }
    assert_eq!(list(&vault, "atScope()").await, [OFFICER, OWNER, world::SERVICE]);
    assert_eq!(list(&subscription(&world), "atScope()").await, [OWNER]);
    let officer = world.contoso.officer.principal;
    for filter in [format!("principalId eq '{officer}'"), format!("assignedTo('{officer}')")] {
        assert_eq!(list(&vault, &filter).await, [CRYPTO_USER, OFFICER], "{filter}");
    }
    assert_eq!(list(&vault, &format!("atScope() and assignedTo('{officer}')")).await, [OFFICER]);
    let path = format!("{vault}/providers/Microsoft.Authorization/roleAssignments");
    for bad in ["principalId+eq+'alice'", "roleName+eq+'x'", "assignedTo()", "belowScope()"] {
        manage.get(&format!("{path}?$filter={bad}")).await.refused(400, "BadRequest", "");
    }
    let service = Manage { who: &world.contoso.service, ..world.manage() };
    service.get(&path).await.refused(403, "AuthorizationFailed", "");
    manage.call(Method::POST, &path, None).await.refused(405, "HttpMethodNotAllowed", "");
}

#[tokio::test]
async fn tenants_locations_providers_and_features_are_listed() {
    let world = World::new().await;
    let (manage, base) = (world.manage(), subscription(&world));
    let tenants = manage.get("/tenants").await.ok();
    assert_eq!(tenants["value"][0]["tenantId"], json!(world.contoso.directory));
    assert_eq!(tenants["value"].as_array().unwrap().len(), 1);
    let locations: BTreeSet<String> =
        names(manage.get(&format!("{base}/locations")).await).into_iter().collect();
    assert!(locations.contains("westeurope") && locations.contains("swedencentral"));
    let providers = manage.get(&format!("{base}/providers")).await.ok();
    assert_eq!(providers["value"].as_array().unwrap().len(), 4);
    assert_eq!(providers["value"][3]["registrationState"], "Registered");
    let feature = "Microsoft.Resources/MandatoryRetentionPeriodEnabled";
    let features = format!("{base}/providers/Microsoft.Features");
    assert_eq!(names(manage.get(&format!("{features}/features")).await), [feature]);
    let of = |namespace: &str| format!("{features}/providers/{namespace}/features");
    assert_eq!(names(manage.get(&of("microsoft.resources")).await), [feature]);
    assert_eq!(names(manage.get(&of("Microsoft.KeyVault")).await), [""; 0]);
    let reader = Manage { who: &world.contoso.service, ..world.manage() };
    for path in ["locations", "providers", "providers/Microsoft.Features/features"] {
        reader.get(&format!("{base}/{path}")).await.refused(403, "AuthorizationFailed", "");
    }
    reader.get("/tenants").await.ok();
}

#[tokio::test]
async fn a_feature_that_waits_is_taken_back_and_one_that_is_registered_stays() {
    let world = World::new().await;
    let path = format!(
        "{}/providers/Microsoft.Features/providers/Microsoft.Resources/features/MandatoryRetentionPeriodEnabled",
        subscription(&world)
    );
    let manage = world.manage();
    let state =
        async |verb: &str| manage.post(&format!("{path}/{verb}")).await.ok()["properties"]["state"].clone();
    assert_eq!(state("unregister").await, "NotRegistered");
    assert_eq!(state("register").await, "Pending");
    assert_eq!(state("unregister").await, "NotRegistered");
    let admin = world.vault.administration();
    assert!(admin.register_mandatory_retention(world.contoso.subscription).await.is_err(), "nobody asks");
    assert_eq!(state("register").await, "Pending");
    admin.register_mandatory_retention(world.contoso.subscription).await.unwrap();
    assert_eq!(state("register").await, "Registered");
    let refused = manage.post(&format!("{path}/unregister")).await;
    refused.refused(409, "FeatureUnregistrationUnsupported", "");
    assert_eq!(manage.get(&path).await.ok()["properties"]["state"], "Registered");
    manage.get(&format!("{path}/unregister")).await.refused(405, "HttpMethodNotAllowed", "");
}

#[tokio::test]
async fn the_provider_stays_while_there_are_vaults() {
    let world = World::new().await;
    let admin = world.vault.administration();
    let owner: &Person = &world.contoso.owner;
    let manage = world.manage();
    let used = format!("{}/providers/Microsoft.KeyVault", subscription(&world));
    manage.post(&format!("{used}/unregister")).await.refused(409, "CannotUnregisterProvider", "");
    let new = NewSubscription { id: None, display_name: "two", owner: owner.principal };
    let other = admin.create_subscription(world.contoso.directory, new).await.unwrap();
    let free = format!("/subscriptions/{other}/providers/Microsoft.KeyVault");
    for verb in ["register", "unregister", "unregister"] {
        manage.post(&format!("{free}/{verb}")).await.ok();
    }
    assert_eq!(manage.get(&free).await.ok()["registrationState"], "NotRegistered");
}

#[tokio::test]
async fn where_everything_is_needs_no_token() {
    let world = World::new().await;
    let get = async |path: &str| {
        send(&world.router, request(Method::GET, "management.vault.localhost", path, None, None)).await
    };
    let answer = get("/metadata/endpoints?api-version=2022-09-01").await.ok();
    assert_eq!(answer["resourceManager"], "https://management.vault.localhost");
    assert_eq!(answer["authentication"]["loginEndpoint"], "https://login.vault.localhost");
    assert_eq!(answer["authentication"]["audiences"], json!(["https://management.vault.localhost"]));
    assert_eq!(answer["microsoftGraphResourceId"], "https://graph.vault.localhost");
    assert_eq!(answer["suffixes"], json!({"keyVaultDns": "vault.localhost"}));
    assert_eq!(get("/metadata/endpoints").await.ok(), answer);
    assert_eq!(get("/metadata/endpoints?api-version=2019-05-01").await.ok(), json!([answer]));
    get("/metadata").await.refused(401, "AuthenticationFailed", "");
    get("/metadata/endpoints/x").await.refused(401, "AuthenticationFailed", "");
}
