//! The keys wire: shapes, headers, statuses and words.

use http::{Method, Request};
use serde_json::json;

use crate::world::{Answer, SECRET, SUFFIX, World, request, send, value, version};

#[tokio::test]
async fn a_key_looks_as_the_service_shows_it() {
    let world = World::new().await;
    let officer = world.officer().await;
    let bundle = officer.create("Key-EXO", json!({"kty": "RSA", "attributes": {}})).await;
    let kid = bundle.json["key"]["kid"].as_str().unwrap().to_owned();
    let (head, version) = kid.rsplit_once('/').unwrap();
    assert_eq!(head, "https://contoso-ck-a1.vault.localhost/keys/Key-EXO");
    assert!(version.len() == 32 && version.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    let n = bundle.json["key"]["n"].as_str().unwrap();
    assert_eq!(n.len(), 342, "256 bytes without padding and without a leading zero");
    assert_eq!(
        bundle.json,
        json!({
            "key": {
                "kid": kid, "kty": "RSA", "n": n, "e": "AQAB",
                "key_ops": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
            },
            "attributes": {
                "enabled": true, "key_size": 2048, "created": 1795521600, "updated": 1795521600,
                "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90, "exportable": false, "hsmPlatform": "0",
            },
        })
    );
    for (name, expected) in [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        ("strict-transport-security", "max-age=31536000;includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-ms-keyvault-region", "westeurope"),
        ("x-ms-keyvault-rbac-assignment-id", "00000000000000000000000000000001"),
    ] {
        assert_eq!(bundle.header(name), Some(expected), "{name}");
    }
    assert!(bundle.header("x-ms-keyvault-service-version").is_some());
    assert_eq!(bundle.header("x-ms-request-id").unwrap().len(), 36);
    assert_eq!(bundle.header("www-authenticate"), None);
}

#[tokio::test]
async fn everything_that_a_key_is_made_with_comes_back() {
    let world = World::new().await;
    let officer = world.officer().await;
    let asked = json!({
        "kty": "RSA", "key_size": 3072, "key_ops": ["unwrapKey", "wrapKey"],
        "attributes": {"enabled": false, "nbf": 1795521000, "exp": 1795522000}, "tags": {"for": "mail"},
    });
    let bundle = officer.create("k", asked).await.ok();
    assert_eq!(bundle["key"]["key_ops"], json!(["wrapKey", "unwrapKey"]));
    assert_eq!(bundle["key"]["n"].as_str().unwrap().len(), 512);
    assert_eq!(bundle["attributes"]["key_size"], 3072);
    assert_eq!(bundle["attributes"]["enabled"], false);
    assert_eq!(bundle["attributes"]["nbf"], 1795521000);
    assert_eq!(bundle["attributes"]["exp"], 1795522000);
    assert_eq!(bundle["tags"], json!({"for": "mail"}));
}

#[tokio::test]
async fn the_largest_key_wraps_too() {
    let world = World::new().await;
    let officer = world.officer().await;
    let bundle = officer.create("big", json!({"kty": "RSA", "key_size": 4096})).await.ok();
    let wrapped = value(officer.wrap("big").await);
    assert_eq!(wrapped.len(), 683, "512 bytes");
    assert_eq!(value(officer.unwrap("big", &version(&bundle), &wrapped).await), SECRET);
}

#[tokio::test]
async fn what_a_vault_does_not_make_is_a_bad_parameter() {
    let world = World::new().await;
    let officer = world.officer().await;
    for body in [
        json!({}),
        json!({"kty": "EC", "crv": "P-224"}),
        json!({"kty": "EC", "crv": "secp256k1"}),
        json!({"kty": "EC", "key_ops": ["sign", "wrapKey"]}),
        json!({"kty": 1}),
        json!({"kty": "RSA", "key_size": 1024}),
        json!({"kty": "RSA", "key_size": -1}),
        json!({"kty": "RSA", "key_ops": ["wrapkey"]}),
        json!({"kty": "RSA", "attributes": {"exp": 5, "nbf": 5}}),
        json!({"kty": "RSA", "attributes": {"exp": -1}}),
        json!({"kty": "RSA", "attributes": {"exportable": true}}),
        json!({"kty": "RSA", "release_policy": {"data": "x"}}),
        json!({"kty": "RSA", "public_exponent": 3}),
        json!({"kty": "RSA", "tags": {"": "x"}}),
        json!([]),
        json!(null),
    ] {
        officer.create("k", body.clone()).await.refused(400, "BadParameter", "");
    }
    officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn names_compare_without_case_and_are_shown_as_first_written() {
    let world = World::new().await;
    let officer = world.officer().await;
    let first = officer.make("Key-SPO").await;
    let second = officer.make("KEY-spo").await;
    let latest = officer.get("/keys/key-spo").await.ok();
    assert_eq!(version(&latest), second);
    assert!(latest["key"]["kid"].as_str().unwrap().contains("/keys/Key-SPO/"));
    let old = officer.get(&format!("/KEYS/kEy-SpO/{}", first.to_uppercase())).await.ok();
    assert_eq!(version(&old), first);
}

#[tokio::test]
async fn empty_segments_and_encoded_query_names_are_normal() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k1").await;
    for path in [
        "/keys/k1?api-version=2025-07-01",
        "/keys/k1/?api-version=2025-07-01",
        "/keys/k1/?api%2Dversion=2025-07-01",
        "//keys//k1//?x=y&api-version=7.6-preview.2",
        "/keys/%6B1/?API-VERSION=7.4",
    ] {
        let asked = request(Method::GET, &officer.host, path, Some(&officer.token), None);
        assert_eq!(send(&world.router, asked).await.status, 200, "{path}");
    }
    for path in ["/keys/k1//wrapkey", "/keys/k1/wrapKey", "/keys/k1/WRAPKEY"] {
        officer.operate(path, "RSA-OAEP-256", SECRET).await.ok();
    }
}

#[tokio::test]
async fn the_version_of_the_wire_is_checked_after_the_token() {
    let world = World::new().await;
    let officer = world.officer().await;
    for query in ["", "?api-version=", "?api-version=1.0", "?version=2025-07-01"] {
        let path = format!("/keys/k{query}");
        let asked = request(Method::GET, &officer.host, &path, Some(&officer.token), None);
        send(&world.router, asked).await.refused(400, "BadParameter", "");
        let anonymous = request(Method::GET, &officer.host, &path, None, None);
        assert_eq!(send(&world.router, anonymous).await.status, 401);
    }
}

#[tokio::test]
async fn a_challenge_comes_before_the_body_is_looked_at() {
    let world = World::new().await;
    let host = world.contoso.host();
    let challenge = format!(
        "Bearer authorization=\"https://login.{SUFFIX}/{}\", resource=\"https://{SUFFIX}\"",
        world.contoso.directory
    );
    for body in [None, Some(json!("not a key"))] {
        let path = "/keys/k/create?api-version=2025-07-01";
        let answer = send(&world.router, request(Method::POST, &host, path, None, body.as_ref())).await;
        answer.refused(401, "Unauthorized", "");
        assert_eq!(answer.message(), "AKV10000: Request is missing a Bearer or PoP token.");
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    }
}

#[tokio::test]
async fn the_clients_request_id_comes_back() {
    let world = World::new().await;
    let officer = world.officer().await;
    let send_with = async |id: &str| -> Answer {
        let asked = Request::builder()
            .uri("/keys?api-version=2025-07-01")
            .header("host", &officer.host)
            .header("authorization", format!("Bearer {}", officer.token))
            .header("x-ms-client-request-id", id);
        send(&world.router, asked.body(axum::body::Body::empty()).unwrap()).await
    };
    assert_eq!(send_with("head-42").await.header("x-ms-client-request-id"), Some("head-42"));
    assert_eq!(send_with(&"x".repeat(129)).await.header("x-ms-client-request-id"), None);
}

#[tokio::test]
async fn what_is_wrapped_is_unwrapped_by_the_same_version_alone() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let first = officer.make("k").await;
    let wrapped = service.wrap("k").await;
    assert_eq!(wrapped.json.as_object().unwrap().keys().collect::<Vec<_>>(), ["kid", "value"]);
    assert!(wrapped.json["kid"].as_str().unwrap().ends_with(&first));
    let wrapped = value(wrapped);
    let second = officer.make("k").await;
    assert_eq!(value(service.unwrap("k", &first, &wrapped).await), SECRET);
    let other = service.unwrap("k", &second, &wrapped).await;
    other.refused(400, "BadParameter", "");
}

#[tokio::test]
async fn every_padding_and_both_pairs_of_operations_work() {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("k").await;
    for (there, back) in [("wrapkey", "unwrapkey"), ("encrypt", "decrypt")] {
        for algorithm in ["RSA-OAEP-256", "RSA-OAEP", "RSA1_5"] {
            let wrapped = value(officer.operate(&format!("/keys/k//{there}"), algorithm, SECRET).await);
            let path = format!("/keys/k/{version}/{back}");
            assert_eq!(
                value(officer.operate(&path, algorithm, &wrapped).await),
                SECRET,
                "{there} {algorithm}"
            );
            assert_eq!(value(officer.operate(&path, algorithm, &format!("{wrapped}==")).await), SECRET);
        }
    }
}

#[tokio::test]
async fn every_wrong_ciphertext_has_one_answer() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let wrapped = value(officer.wrap("k").await);
    let mut turned = wrapped.clone();
    turned.replace_range(..1, if wrapped.starts_with('A') { "B" } else { "A" });
    let mut words = std::collections::BTreeSet::new();
    for (algorithm, value) in [
        ("RSA-OAEP-256", turned.as_str()),
        ("RSA-OAEP", &wrapped),
        ("RSA-OAEP-256", &wrapped[..340]),
        ("RSA-OAEP-256", "AAAA"),
    ] {
        let answer = officer.operate("/keys/k//unwrapkey", algorithm, value).await;
        answer.refused(400, "BadParameter", "");
        words.insert(answer.message().to_owned());
    }
    assert_eq!(words.len(), 1, "{words:?}");
}

#[tokio::test]
async fn operations_refuse_what_they_cannot_do() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let long = "AAAA".repeat(64);
    for body in [
        json!({"alg": "A256KW", "value": SECRET}),
        json!({"alg": "rsa-oaep-256", "value": SECRET}),
        json!({"value": SECRET}),
        json!({"alg": "RSA-OAEP-256"}),
        json!({"alg": "RSA-OAEP-256", "value": ""}),
        json!({"alg": "RSA-OAEP-256", "value": "not base64!"}),
        json!({"alg": "RSA-OAEP-256", "value": long}),
        json!({"alg": "RSA-OAEP-256", "value": 7}),
    ] {
        let answer = officer.call(Method::POST, "/keys/k//wrapkey", Some(&body)).await;
        answer.refused(400, "BadParameter", "");
    }
}

#[tokio::test]
async fn a_missing_key_is_told_by_the_name_that_was_asked_for() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.make("k").await;
    let other = "0123456789abcdef0123456789abcdef";
    for (answer, name) in [
        (officer.get("/keys/nothing").await, "nothing".to_owned()),
        (officer.get(&format!("/keys/k/{other}")).await, format!("k/{other}")),
        (service.wrap("nothing").await, "nothing".to_owned()),
        (officer.patch("/keys/nothing/", json!({})).await, "nothing".to_owned()),
        (officer.get("/keys/nothing/versions").await, "nothing".to_owned()),
    ] {
        answer.refused(404, "KeyNotFound", "");
        let expected = format!(
            "A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be \
             able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        );
        assert_eq!(answer.message(), expected);
    }
}

#[tokio::test]
async fn lists_are_pages_in_order_of_name() {
    let world = World::new().await;
    let officer = world.officer().await;
    for name in ["Mail", "files", "chat"] {
        officer.make(name).await;
    }
    officer.patch("/keys/chat/", json!({"attributes": {"enabled": false}, "tags": {"a": "b"}})).await.ok();
    let page = officer.get("/keys?maxresults=2").await.ok();
    let kids: Vec<&str> =
        page["value"].as_array().unwrap().iter().map(|item| item["kid"].as_str().unwrap()).collect();
    assert_eq!(
        kids,
        [
            "https://contoso-ck-a1.vault.localhost/keys/chat",
            "https://contoso-ck-a1.vault.localhost/keys/files"
        ]
    );
    assert_eq!(page["value"][0]["attributes"]["enabled"], false, "a disabled key is listed");
    assert_eq!(page["value"][0]["tags"], json!({"a": "b"}));
    assert!(page["value"][1].get("tags").is_none());
    let next = page["nextLink"].as_str().unwrap();
    let path = next.strip_prefix("https://contoso-ck-a1.vault.localhost").expect("the same host").to_owned();
    let asked = request(Method::GET, &officer.host, &path, Some(&officer.token), None);
    let rest = send(&world.router, asked).await.ok();
    assert_eq!(rest["value"].as_array().unwrap().len(), 1);
    assert!(rest["value"][0]["kid"].as_str().unwrap().ends_with("/keys/Mail"));
    assert!(rest["nextLink"].is_null());
    for query in ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=Li4v", "$skiptoken=!"] {
        officer.get(&format!("/keys?{query}")).await.refused(400, "BadParameter", "");
    }
}

#[tokio::test]
async fn the_next_page_is_asked_at_the_port_of_this_one() {
    let world = World::new().await;
    let officer = world.officer().await;
    for name in ["a", "b"] {
        officer.make(name).await;
    }
    let host = format!("{}:43211", officer.host);
    let path = "/keys?api-version=2025-07-01&maxresults=1";
    let page = send(&world.router, request(Method::GET, &host, path, Some(&officer.token), None)).await.ok();
    assert!(page["nextLink"].as_str().unwrap().starts_with(&format!("https://{host}/keys?")));
}

#[tokio::test]
async fn all_versions_of_a_key_are_listed_once() {
    let world = World::new().await;
    let officer = world.officer().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(officer.make("k").await);
    }
    made.sort();
    let mut seen = Vec::new();
    let mut path = "/keys/K/versions?api-version=2025-07-01&maxresults=2".to_owned();
    loop {
        let asked = request(Method::GET, &officer.host, &path, Some(&officer.token), None);
        let page = send(&world.router, asked).await.ok();
        for item in page["value"].as_array().unwrap() {
            assert!(item.get("key").is_none() && item.get("n").is_none(), "a list has no public half");
            seen.push(item["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
        }
        match page["nextLink"].as_str() {
            Some(next) => path = next.split_once(".localhost").unwrap().1.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_body_has_a_limit_and_is_not_read_for_strangers() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let body = json!({"kty": "RSA", "tags": {"x": "y".repeat(64 * 1024)}});
    officer.create("k", body.clone()).await.refused(413, "RequestEntityTooLarge", "");
    service.create("k", body).await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test]
async fn what_is_not_served_yet_says_so_and_changes_nothing() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    for (method, path, word) in [(Method::POST, "/rng", "rng"), (Method::GET, "/secrets", "secrets")] {
        let answer = officer.call(method.clone(), path, None).await;
        answer.refused(400, "BadParameter", "");
        assert_eq!(answer.message(), format!("Method {method} does not allow operation '{word}'"));
    }
    officer.get("/keys/k").await.ok();
}

#[tokio::test]
async fn a_host_without_a_vault_is_said_to_be_none() {
    let world = World::new().await;
    let officer = world.officer().await;
    let path = "/keys/k?api-version=2025-07-01";
    for (host, status) in [("nobody.vault.localhost", 404), ("example.org", 421)] {
        let answer = send(&world.router, request(Method::GET, host, path, Some(&officer.token), None)).await;
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}
