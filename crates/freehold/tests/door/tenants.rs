//! Tenants and their people, over the API.

use reqwest::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn the_operator_takes_tenants_in_and_lists_them() {
    let world = World::new().await;
    let (contoso, fabrikam) = (world.customer("contoso").await, world.customer("fabrikam").await);
    let page = world.get("/v1/tenants?limit=1", &world.operator).await.good();
    assert_eq!(page["tenants"].as_array().map(Vec::len), Some(1));
    let next = page["next"].as_str().expect("another page");
    let rest = world.get(&format!("/v1/tenants?after={next}"), &world.operator).await.good();
    let mut ids = vec![page["tenants"][0]["id"].clone(), rest["tenants"][0]["id"].clone()];
    ids.sort_by_key(ToString::to_string);
    let mut wanted = vec![json!(contoso.id), json!(fabrikam.id)];
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(ids, wanted);
    assert!(rest["next"].is_null());
    let full = world.get("/v1/tenants?limit=2", &world.operator).await.good();
    assert_eq!(full["tenants"].as_array().map(Vec::len), Some(2));
    assert!(full["next"].is_null(), "nothing follows a page that is just full");
    let log = format!("/v1/tenants/{}/audit?limit=1", contoso.id);
    let (mut after, mut read) = (0, 0);
    loop {
        let page = world.get(&format!("{log}&after={after}"), &contoso.token).await.good();
        assert_eq!(page["records"].as_array().map(Vec::len), Some(1), "a page that was promised is empty");
        read += 1;
        let Some(next) = page["next"].as_u64() else { break };
        after = next;
    }
    assert!(read > 2, "{read}");
    world.get("/v1/tenants", &contoso.token).await.refused("FH3003");
    world
        .post("/v1/tenants", &contoso.token, json!({ "name": "x", "directoryId": contoso.directory }))
        .await
        .refused("FH3003");
    let again = json!({ "name": "Other", "directoryId": contoso.directory });
    world.post("/v1/tenants", &world.operator, again).await.refused("FH3005");
    world.end().await;
}

#[tokio::test]
async fn bad_requests_name_the_field_and_the_rule() {
    let world = World::new().await;
    let directory = world.directory("contoso").await;
    let cases = [
        (json!({ "name": "", "directoryId": directory }), "name"),
        (json!({ "name": "x", "directoryId": "y" }), "directory"),
        (json!({ "name": "x" }), "directoryId"),
        (json!({ "name": "x", "directoryId": directory, "nonsense": 1 }), "nonsense"),
        (json!({ "name": "x", "directoryId": directory, "domains": ["not a domain"] }), "domain"),
        (json!([]), "body"),
    ];
    for (body, word) in cases {
        let refused = world.post("/v1/tenants", &world.operator, body.clone()).await;
        refused.refused("FH3001");
        let detail = refused.body["detail"].as_str().expect("a detail");
        assert!(detail.contains(word), "{body}: {detail}");
    }
    let secret = world.post("/v1/enrolment", &world.operator, json!("fhin_of_somebody")).await;
    secret.refused("FH3001");
    assert!(!secret.body.to_string().contains("of_somebody"), "{}", secret.body);
    let long = json!({ "name": "x".repeat(70_000), "directoryId": directory });
    world.post("/v1/tenants", &world.operator, long).await.refused("FH3006");
    let text = world.http.post(format!("{}/v1/tenants", world.base)).bearer_auth(&world.operator).body("{}");
    world.send(text).await.refused("FH3001");
    world.get("/v1/tenants?after=x", &world.operator).await.refused("FH3001");
    world.get("/v1/tenants?limit=x", &world.operator).await.refused("FH3001");
    world.get("/v1/tenants?wrong=1", &world.operator).await.refused("FH3001");
    world.end().await;
}

#[tokio::test]
async fn people_come_in_by_invitation_and_may_do_what_their_role_says() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let at = |path: &str| format!("/v1/tenants/{}{path}", contoso.id);
    let (_, _, auditor) = world.person(contoso.directory, "olga@contoso.com").await;
    world.get(&at("/policies"), &auditor).await.refused("FH3004");
    let invited = world.post(&at("/invitations"), &contoso.token, json!({ "roles": ["auditor"] })).await;
    assert_eq!(invited.headers["cache-control"], "no-store");
    let credential = invited.good()["credential"].clone();
    let enrolled = world.post("/v1/enrolment", &auditor, json!({ "credential": credential })).await.good();
    assert_eq!(enrolled["person"]["roles"], json!(["auditor"]));
    world.post("/v1/enrolment", &auditor, json!({ "credential": credential })).await.refused("FH3003");
    world.get(&at("/policies"), &auditor).await.good();
    world.get(&at("/containers"), &auditor).await.refused("FH3003");
    world.get(&at("/people"), &auditor).await.refused("FH3003");
    let people = world.get(&at("/people"), &contoso.token).await.good();
    assert_eq!(people["people"].as_array().map(Vec::len), Some(2));
    let id = enrolled["person"]["id"].as_str().expect("an id");
    let removed = world.call(Method::DELETE, &at(&format!("/people/{id}")), &contoso.token, None).await;
    assert_eq!(removed.status.as_u16(), 204);
    world.get(&at("/policies"), &auditor).await.refused("FH3004");
    world.end().await;
}

#[tokio::test]
async fn no_credential_of_anybody_lies_on_the_disk_or_comes_twice() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let at = format!("/v1/tenants/{}/invitations", contoso.id);
    let invited = world.post(&at, &contoso.token, json!({ "roles": ["reader"] })).await.good();
    let credential = invited["credential"].as_str().expect("a credential").to_owned();
    let again = world.post(&at, &contoso.token, json!({ "roles": ["reader"] })).await.good();
    assert_ne!(again["credential"], json!(credential));
    let audit = world.get(&format!("/v1/tenants/{}/audit", contoso.id), &contoso.token).await.good();
    assert!(!audit.to_string().contains(&credential));
    for file in walkdir::WalkDir::new(world.data()).into_iter().filter_map(Result::ok) {
        if file.file_type().is_file() && file.file_name() != "operator.token" {
            let bytes = std::fs::read(file.path()).expect("its bytes");
            for secret in [credential.as_bytes(), world.operator.as_bytes()] {
                assert!(
                    !bytes.windows(secret.len()).any(|window| window == secret),
                    "{}",
                    file.path().display()
                );
            }
        }
    }
    world.end().await;
}
