//! Every token that must not be accepted, and every call that needs one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::{World, audience};

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused_and_says_why() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let path = format!("/v1/tenants/{}", contoso.id);
    assert_eq!(world.get(&path, &contoso.token).await.good()["name"], "contoso");
    let parts: Vec<&str> = contoso.token.split('.').collect();
    let (head, claims) = (part(&contoso.token, 0), part(&contoso.token, 1));
    let with = |changes: &[(&str, Value)], of: &Value| {
        let mut of = of.clone();
        changes.iter().for_each(|(key, value)| of[*key] = value.clone());
        encoded(&of)
    };
    let forged = [
        ("no token", String::new()),
        ("no JWT", "hunter2".to_owned()),
        ("an operator's that is not", format!("fhop_{}", "A".repeat(43))),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another signature", format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([7; 256]))),
        ("alg none", format!("{}.{}.", with(&[("alg", json!("none"))], &head), parts[1])),
        ("alg HS256", format!("{}.{}.{}", with(&[("alg", json!("HS256"))], &head), parts[1], parts[2])),
        ("another kid", format!("{}.{}.{}", with(&[("kid", json!("x"))], &head), parts[1], parts[2])),
        ("another subject", format!("{}.{}.{}", parts[0], with(&[("sub", json!("eve"))], &claims), parts[2])),
        (
            "another time",
            format!("{}.{}.{}", parts[0], with(&[("exp", json!(9999999999_u64))], &claims), parts[2]),
        ),
        ("too long", "a".repeat(20_000)),
    ];
    for (what, token) in forged {
        let refused = world.get(&path, &token).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, "FH3002"), "{what}: {}", refused.body);
        assert_eq!(refused.headers["www-authenticate"], "Bearer", "{what}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_for_another_service_or_of_a_directory_without_a_tenant_is_refused() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let path = format!("/v1/tenants/{}", contoso.id);
    let for_vaults = contoso.admin.token("https://vault.localhost").await.expect("a token");
    let refused = world.get(&path, &for_vaults).await;
    refused.refused("FH3002");
    assert!(refused.body["detail"].as_str().expect("a detail").contains(&audience()));
    let nobody = world.directory("nobody").await;
    let (_, _, token) = world.person(nobody, "eve@nobody.com").await;
    let refused = world.get(&path, &token).await;
    refused.refused("FH3002");
    let told = refused.body["detail"].as_str().expect("a detail");
    assert!(told.contains("not signed by a directory of a tenant"), "{told}");
    let forged = world.get(&path, &format!("{}x", contoso.token)).await;
    assert_eq!(forged.body["detail"], refused.body["detail"], "no directory is confirmed");
    world.end().await;
}

#[tokio::test]
async fn two_tokens_at_once_are_none() {
    let world = World::new().await;
    let request = world.http.get(format!("{}/v1/tenants", world.base));
    let twice = request.bearer_auth(&world.operator).header("authorization", "Bearer x");
    assert_eq!(world.send(twice).await.code(), "FH3002");
    world.end().await;
}
