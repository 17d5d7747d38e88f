//! From where a vault may be used.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use freehold_vault::{Log, NewApplication};
use http::Method;
use serde_json::{Value, json};

use crate::world::{self, Answer, Keys, OFFICER, Person, World, YEAR, request, send, vault_body};

async fn get_from(keys: &Keys<'_>, from: &str) -> Answer {
    let path = "/keys/none?api-version=2025-07-01";
    let mut request = request(Method::GET, &keys.host, path, Some(&keys.token), None);
    let peer: SocketAddr = from.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    send(keys.router, request).await
}

async fn patch(world: &World, properties: Value) -> Answer {
    let body = json!({ "properties": properties });
    world.manage().call(Method::PATCH, &world.contoso.vault_path(), Some(&body)).await
}

#[tokio::test]
async fn a_firewall_lets_in_whom_it_names_and_tells_the_others_their_address() {
    let world = World::new().await;
    let keys = world.officer().await;
    let acls = json!({"bypass": "None", "defaultAction": "Deny",
        "ipRules": [{"value": "203.0.113.0/24"}, {"value": "198.51.100.7"}], "virtualNetworkRules": []});
    let shown = patch(&world, json!({ "networkAcls": acls })).await.ok();
    assert_eq!(
        shown["properties"]["networkAcls"],
        json!({"bypass": "None", "defaultAction": "Deny", "virtualNetworkRules": [],
            "ipRules": [{"value": "203.0.113.0/24"}, {"value": "198.51.100.7/32"}]})
    );
    for from in ["203.0.113.9:50000", "198.51.100.7:1", "[::ffff:198.51.100.7]:1"] {
        get_from(&keys, from).await.refused(404, "KeyNotFound", "");
    }
    let refused = get_from(&keys, "198.51.100.8:50000").await;
    refused.refused(403, "Forbidden", "ForbiddenByFirewall");
    assert_eq!(
        refused.message(),
        format!(
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: 198.51.100.8\r\n\
             Caller: appid={};oid={};iss=https://login.vault.localhost/{}/\r\n\
             Vault: contoso-ck-a1;location=westeurope",
            world::AZ,
            world.contoso.officer.principal,
            world.contoso.directory
        )
    );
    keys.get("/keys/none").await.refused(403, "Forbidden", "ForbiddenByFirewall");
    let log = world.vault.log(Log::Vault(&world.contoso.name), 0, 100).await.unwrap();
    let body: Value = log.last().unwrap().parse().unwrap();
    assert_eq!(body["resultDescription"], "ForbiddenByFirewall");
    // Who sends no token hears the challenge, from everywhere; the vault itself is changed from everywhere.
    let anonymous = request(Method::GET, &keys.host, "/keys/none?api-version=7.4", None, None);
    send(&world.router, anonymous).await.refused(401, "Unauthorized", "");
    patch(&world, json!({"networkAcls": {"defaultAction": "Allow"}})).await.ok();
    keys.get("/keys/none").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn public_access_that_is_off_lets_nobody_in() {
    let world = World::new().await;
    let keys = world.officer().await;
    let shown = patch(&world, json!({"publicNetworkAccess": "Disabled"})).await.ok();
    assert_eq!(shown["properties"]["publicNetworkAccess"], "Disabled");
    assert_eq!(shown["properties"].get("networkAcls"), None);
    get_from(&keys, "203.0.113.9:1").await.refused(403, "Forbidden", "ForbiddenByConnection");
    // A body that does not speak of it does not open it.
    world.manage().put(&world.contoso.vault_path(), &vault_body(&world.contoso)).await.ok();
    get_from(&keys, "203.0.113.9:1").await.refused(403, "Forbidden", "ForbiddenByConnection");
    patch(&world, json!({"publicNetworkAccess": "Enabled"})).await.ok();
    get_from(&keys, "203.0.113.9:1").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn customer_keys_own_applications_pass_where_the_vault_says_so_and_need_their_right() {
    let world = World::new().await;
    let admin = world.vault.administration();
    let client = "c066d759-24ae-40e7-a56f-027002b5d3e4".parse().unwrap();
    let new = NewApplication { client_id: Some(client), display_name: "data at rest", secret_life: YEAR };
    let (application, secret) = admin.create_application(world.contoso.directory, new).await.unwrap();
    let principal = admin.consent(application, world.contoso.directory).await.unwrap();
    let service = Person::service(principal, application, &secret);
    let trusted = world.keys(&service).await;
    let (officer, from) = (world.officer().await, "198.51.100.8:1");
    for (bypass, inner) in [("AzureServices", "ForbiddenByRbac"), ("None", "ForbiddenByFirewall")] {
        patch(&world, json!({"networkAcls": {"bypass": bypass, "defaultAction": "Deny"}})).await.ok();
        get_from(&trusted, from).await.refused(403, "Forbidden", inner);
        get_from(&officer, from).await.refused(403, "Forbidden", "ForbiddenByFirewall");
    }
    patch(&world, json!({"networkAcls": {"bypass": "AzureServices", "defaultAction": "Deny"}})).await.ok();
    world.manage().assign(&world.contoso.vault_path(), &service, OFFICER, 50).await.ok();
    get_from(&trusted, from).await.refused(404, "KeyNotFound", "");
    patch(&world, json!({"publicNetworkAccess": "Disabled"})).await.ok();
    get_from(&trusted, from).await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn subnets_are_kept_and_let_nobody_in() {
    let world = World::new().await;
    let keys = world.officer().await;
    let subnet = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let acls = json!({"bypass": "None", "defaultAction": "Deny", "ipRules": [],
        "virtualNetworkRules": [{"id": subnet, "ignoreMissingVnetServiceEndpoint": true}]});
    let shown = patch(&world, json!({ "networkAcls": acls })).await.ok();
    assert_eq!(shown["properties"]["networkAcls"], acls);
    get_from(&keys, "10.0.0.4:1").await.refused(403, "Forbidden", "ForbiddenByFirewall");
}

#[tokio::test]
async fn what_is_no_rule_changes_nothing() {
    let world = World::new().await;
    let before = world.manage().get(&world.contoso.vault_path()).await.ok();
    for bad in [
        json!({"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7/24"}]}}),
        json!({"networkAcls": {"defaultAction": "Deny", "bypass": "Everybody"}}),
        json!({"networkAcls": {"ipRules": [{"value": "203.0.113.7"}]}}),
        json!({"publicNetworkAccess": "SecuredByPerimeter"}),
    ] {
        patch(&world, bad).await.refused(400, "BadRequest", "");
    }
    for bad in [json!({"networkAcls": []}), json!({"networkAcls": {"ipRules": ["203.0.113.7"]}})] {
        patch(&world, bad).await.refused(400, "InvalidRequestContent", "");
    }
    let subnet = json!({"id": format!("/{}", "x".repeat(500))});
    let large = json!({"networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": vec![subnet; 200]}});
    let refused = patch(&world, large).await;
    refused.refused(400, "BadRequest", "");
    assert!(refused.message().contains("bytes together"), "{}", refused.message());
    assert_eq!(world.manage().get(&world.contoso.vault_path()).await.ok(), before);
}
