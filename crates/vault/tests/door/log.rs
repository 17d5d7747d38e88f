//! The vault's own log: what it holds of each call, and that it comes before the reply.

use axum::body::Body;
use freehold_vault::Log;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{SECRET, World, send, value};

async fn records(world: &World, log: Log<'_>) -> Vec<Value> {
    let rows = world.vault.log(log, 0, 1000).await.unwrap();
    rows.iter().map(|row| row.parse().unwrap()).collect()
}

async fn vault_records(world: &World) -> Vec<Value> {
    records(world, Log::Vault("Contoso-CK-A1")).await
}

#[tokio::test]
async fn every_call_of_somebody_known_is_recorded_with_both_request_ids() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let body = json!({"alg": "RSA-OAEP-256", "value": SECRET}).to_string();
    let asked = Request::builder()
        .method(Method::POST)
        .uri("/keys/k//wrapkey?api-version=2025-07-01")
        .header("host", &service.host)
        .header("authorization", format!("Bearer {}", service.token))
        .header("user-agent", "custody")
        .header("x-ms-client-request-id", "head-7");
    let answer = send(&world.router, asked.body(Body::from(body)).unwrap()).await;
    let request_id = answer.header("x-ms-request-id").unwrap().to_owned();
    let wrapped = value(answer);
    let records = vault_records(&world).await;
    let names: Vec<&str> = records.iter().map(|record| record["operationName"].as_str().unwrap()).collect();
    assert_eq!(names, ["KeyCreate", "KeyWrap"]);
    assert_eq!(
        records[1],
        json!({
            "time": "2026-11-24T12:00:00Z", "category": "AuditEvent", "resourceId": world.contoso.vault_path(),
            "operationName": "KeyWrap", "operationVersion": "2025-07-01", "resultType": "Success",
            "resultSignature": "OK", "resultDescription": "", "durationMs": 0, "callerIpAddress": null,
            "correlationId": request_id,
            "identity": {"claim": {
                "http://schemas.microsoft.com/identity/claims/objectidentifier": world.contoso.service.principal,
                "http://schemas.microsoft.com/identity/claims/tenantid": world.contoso.directory,
                "appid": world.contoso.application, "upn": null,
            }},
            "properties": {
                "clientInfo": "custody", "clientRequestId": "head-7", "httpStatusCode": 200,
                "id": format!("https://contoso-ck-a1.vault.localhost/keys/k/{version}"),
                "requestUri": "/keys/k//wrapkey", "roleAssignmentId": "00000000-0000-0000-0000-000000000002",
            },
        })
    );
    service.unwrap("k", &version, &wrapped).await.ok();
    officer.get("/keys/k").await.ok();
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    let records = vault_records(&world).await;
    let names: Vec<&str> = records.iter().map(|record| record["operationName"].as_str().unwrap()).collect();
    assert_eq!(names, ["KeyCreate", "KeyWrap", "KeyUnwrap", "KeyGet", "KeyUpdate"]);
    for secret in [SECRET, &wrapped] {
        assert!(
            !records.iter().any(|record| record.to_string().contains(secret)),
            "no key and no wrap in a log"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_and_a_stranger_is_not() {
    let world = World::new().await;
    let service = world.service().await;
    service.create("k", json!({"kty": "RSA"})).await.refused(403, "Forbidden", "ForbiddenByRbac");
    service.wrap("none").await.refused(404, "KeyNotFound", "");
    let stranger = crate::world::Keys { token: "x".into(), ..world.service().await };
    assert_eq!(stranger.wrap("none").await.status, 401);
    let records = vault_records(&world).await;
    let told: Vec<(&str, &str, &str)> = records
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap();
            (text("operationName"), text("resultSignature"), text("resultDescription"))
        })
        .collect();
    assert_eq!(told, [("KeyCreate", "Forbidden", "ForbiddenByRbac"), ("KeyWrap", "NotFound", "KeyNotFound")]);
    assert!(records.iter().all(|record| record["resultType"] == "Failure"));
}

#[tokio::test]
async fn without_a_durable_record_there_is_no_unwrapped_key() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    world.faults.fill();
    let refused = service.unwrap("k", &version, &wrapped).await;
    refused.refused(503, "ServiceUnavailable", "");
    assert!(!refused.json.to_string().contains(SECRET));
    assert_eq!(refused.header("retry-after"), Some("1"));
    world.faults.free();
    assert_eq!(value(service.unwrap("k", &version, &wrapped).await), SECRET);
}

#[tokio::test]
async fn a_denial_stays_a_denial_when_it_cannot_be_recorded() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.make("k").await;
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    world.faults.fill();
    service.wrap("k").await.refused(403, "Forbidden", "KeyDisabled");
    service.create("k", json!({"kty": "RSA"})).await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test]
async fn a_store_that_is_down_is_an_outage_and_no_denial() {
    let world = World::new().await;
    let service = world.service().await;
    world.officer().await.make("k").await;
    world.faults.crash_now();
    service.wrap("k").await.refused(503, "ServiceUnavailable", "");
    world.faults.restart();
    service.wrap("k").await.ok();
}

#[tokio::test]
async fn a_key_whose_commit_crashed_is_there_as_a_whole_or_not_at_all() {
    for durable in [false, true] {
        let world = World::new().await;
        let officer = world.officer().await;
        if durable {
            world.faults.crash_after(1)
        } else {
            world.faults.crash_before(1)
        };
        assert_eq!(officer.create("k", json!({"kty": "RSA"})).await.status, 503);
        world.faults.restart();
        let found = officer.get("/keys/k").await;
        let created = vault_records(&world)
            .await
            .iter()
            .filter(|record| record["operationName"] == "KeyCreate")
            .count();
        assert_eq!((found.status == 200, created == 1), (durable, durable));
        if durable {
            officer.wrap("k").await.ok();
        }
    }
}

#[tokio::test]
async fn rights_and_vaults_are_in_the_subscriptions_log() {
    let world = World::new().await;
    let records = records(&world, Log::Subscription(world.contoso.subscription)).await;
    let names: Vec<&str> = records.iter().filter_map(|record| record["operationName"].as_str()).collect();
    assert_eq!(
        names,
        [
            "Microsoft.KeyVault/register/action",
            "Microsoft.Resources/subscriptions/resourceGroups/write",
            "Microsoft.KeyVault/vaults/write",
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/write",
        ]
    );
    assert_eq!(records[3]["identity"]["claim"]["upn"], "owner@contoso.com");
}

#[tokio::test]
async fn sign_ins_are_in_the_directorys_log_without_any_secret() {
    let world = World::new().await;
    world.service().await;
    let rows = world.vault.log(Log::Directory(world.contoso.directory), 0, 1000).await.unwrap();
    let last = rows.last().unwrap();
    assert_eq!(last.operation, "SignIn");
    let record: Value = last.parse().unwrap();
    assert_eq!(record["principal"], json!(world.contoso.service.principal));
    let secret = world.contoso.service.form().rsplit('=').next().unwrap();
    assert!(rows.iter().all(|row| !String::from_utf8_lossy(&row.body).contains(secret)));
}
