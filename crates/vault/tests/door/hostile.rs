//! Whatever comes in, the answer is a refusal in the right shape and never a fault of ours.

use axum::body::Body;
use http::{Method, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tower::ServiceExt;

use crate::world::{SUFFIX, World, send, token};

/// Segments that come near to something, and segments that come near to nothing.
fn segment() -> impl Strategy<Value = String> {
    let words = [
        "keys",
        "KEYS",
        "deletedkeys",
        "k",
        "create",
        "versions",
        "wrapkey",
        "unwrapKey",
        "restore",
        "backup",
        "recover",
        "rng",
        "",
        "..",
        ".",
        "%2e%2e",
        "%2F",
        "%00",
        "%zz",
        "%ff",
        "*",
        "subscriptions",
        "resourceGroups",
        "rg",
        "providers",
        "Microsoft.KeyVault",
        "vaults",
        "contoso-ck-a1",
        "Microsoft.Authorization",
        "roleAssignments",
        "roleDefinitions",
        "Microsoft.Features",
        "features",
        "register",
        "oauth2",
        "v2.0",
        "token",
        ".well-known",
        "openid-configuration",
        "discovery",
        "common",
        "0123456789abcdef0123456789abcdef",
        "11111111-1111-4111-8111-111111111111",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "[!-~&&[^?#\"<>\\\\^`{|}]]{0,40}"]
}

fn host() -> impl Strategy<Value = String> {
    let names = ["contoso-ck-a1", "login", "management", "nobody", "graph", "", "a.b", "xn--x"];
    proptest::sample::select(names.to_vec()).prop_map(|name| format!("{name}.{SUFFIX}"))
}

fn method() -> impl Strategy<Value = Method> {
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    proptest::sample::select(methods.to_vec())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(json!({"kty": "EC", "attributes": {"exp": -1}}).to_string().into_bytes()),
        Just(json!({"alg": "RSA-OAEP-256", "value": "AAAA"}).to_string().into_bytes()),
        Just(json!({"properties": {"tenantId": 5}, "location": "westeurope"}).to_string().into_bytes()),
        Just("[".repeat(10_000).into_bytes()),
        Just(b"grant_type=client_credentials&client_id=%00&client_secret=&scope=%FF".to_vec()),
    ]
}

#[test]
fn no_request_makes_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, keys, management) = runtime.block_on(async {
        let world = World::new().await;
        world.officer().await.make("k").await;
        let keys =
            token(&world.router, &world.contoso, &world.contoso.officer, "https://vault.localhost").await;
        let owner = &world.contoso.owner;
        let management =
            token(&world.router, &world.contoso, owner, "https://management.vault.localhost").await;
        (world, keys, management)
    });
    let tokens = [None, Some("garbage".to_owned()), Some(keys), Some(management)];
    let strategy = (
        host(),
        method(),
        proptest::collection::vec(segment(), 0..12),
        proptest::sample::select(vec![
            "",
            "?api-version=2025-07-01",
            "?api-version=2026-02-01&$skiptoken=%FF&maxresults=-1",
            "?&&=&%=%",
        ]),
        proptest::sample::select(tokens.to_vec()),
        body(),
    );
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&strategy, |(host, method, path, query, token, body)| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("/{}{query}", path.join("/")))
                .header("host", &host);
            if let Some(token) = &token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            // What is no URI at all never reaches a router.
            let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
            let reply = runtime.block_on(world.router.clone().oneshot(request)).unwrap();
            prop_assert!(
                reply.status().as_u16() < 500,
                "{method} {host} /{}{query}: {}",
                path.join("/"),
                reply.status()
            );
            prop_assert!(reply.headers().contains_key("x-ms-request-id"));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_request_without_any_host_is_answered() {
    let world = World::new().await;
    let request = Request::builder().uri("/keys").body(Body::empty()).unwrap();
    assert_eq!(world.router.clone().oneshot(request).await.unwrap().status(), 421);
}

#[tokio::test]
async fn the_host_of_the_uri_counts_before_the_header() {
    let world = World::new().await;
    let uri = format!("https://{}/keys/k?api-version=2025-07-01", world.contoso.host());
    let request =
        Request::builder().uri(uri).header("host", "login.vault.localhost").body(Body::empty()).unwrap();
    assert_eq!(world.router.clone().oneshot(request).await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_is_sent_twice_is_refused_because_nobody_can_tell_which_was_meant() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let before = officer.get("/keys/k").await.ok();
    for (method, path, body) in [
        ("POST", "/keys/new/create", r#"{"kty":"RSA","kty":"EC"}"#),
        ("POST", "/keys/new/create", r#"{"kty":"EC","tags":{"a":"1","a":"2"}}"#),
        ("POST", "/keys/new/create", r#"{"kty":"EC","attributes":{"exp":1895600000,"exp":1995600000}}"#),
        ("PUT", "/keys/new", r#"{"key":{"kty":"EC"},"key":{"kty":"RSA"}}"#),
        ("PUT", "/keys/new", r#"{"key":{"kty":"EC","crv":"P-256","d":"AQ","d":"Ag"}}"#),
        ("PATCH", "/keys/k/", r#"{"tags":{"a":"1","a":"1"}}"#),
        ("PATCH", "/keys/k/", r#"{"attributes":{"enabled":false,"enabled":true}}"#),
        ("POST", "/keys/k//unwrapkey", r#"{"alg":"RSA1_5","alg":"RSA-OAEP-256","value":"AQ"}"#),
        ("POST", "/keys/restore", r#"{"value":"AQ","value":"Ag"}"#),
        ("PUT", "/keys/k/rotationpolicy", r#"{"attributes":{"expiryTime":"P90D","expiryTime":"P1Y"}}"#),
        ("PUT", "/keys/k/rotationpolicy", r#"{"lifetimeActions":[],"lifetimeActions":[]}"#),
    ] {
        let asked = Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=2025-07-01"))
            .header("host", &officer.host)
            .header("authorization", format!("Bearer {}", officer.token));
        let refused = send(&world.router, asked.body(Body::from(body)).unwrap()).await;
        refused.refused(400, "BadParameter", "");
        assert!(refused.message().contains("sent twice"), "{body}: {}", refused.message());
    }
    assert_eq!(officer.get("/keys/k").await.ok(), before);
    officer.get("/keys/new").await.refused(404, "KeyNotFound", "");
}
