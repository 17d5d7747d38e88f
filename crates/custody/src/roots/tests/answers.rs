//! What a vault and a token service may say, and what is read from it.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::*;
use crate::roots::server::described;

/// What is said, and what is read from it.
type Row = (fn(&Seen) -> Reply, Answer);

/// The request that a sound exchange would answer: the one with a token.
fn vault_says(reply: fn(&Seen) -> Reply) -> impl Fn(&Seen) -> Reply {
    move |seen| if seen.token.is_some() { reply(seen) } else { Reply::Sound }
}

fn login_says(reply: fn(&Seen) -> Reply) -> impl Fn(&Seen) -> Reply {
    move |seen| if seen.is_token() { reply(seen) } else { Reply::Sound }
}

#[tokio::test]
async fn a_seed_is_wrapped_and_unwrapped_by_the_named_version() {
    let lab = Lab::sound().await;
    let wrapped = lab.wrap().await.expect("a sound vault");
    assert_eq!(wrapped.len(), 256);
    let unwrapped = lab.unwrap(&wrapped).await.expect("its own wrap");
    assert_eq!(unwrapped.as_slice(), seed().expose());
    let paths: Vec<_> = lab.server.seen().into_iter().filter(|seen| seen.token.is_some()).collect();
    assert_eq!(paths[0].path, format!("/keys/key001/{VERSION}/wrapkey"));
    assert_eq!(paths[1].path, format!("/keys/key001/{VERSION}/unwrapkey"));
}

#[tokio::test]
async fn a_key_is_described_with_the_version_that_the_vault_names() {
    let lab = Lab::sound().await;
    let described = lab.roots.describe(&key().versionless(), request()).await.expect("a sound vault");
    assert_eq!(
        described,
        RootDescription {
            key: key(),
            kty: "RSA-HSM".to_owned(),
            size: Some(2048),
            key_ops: vec!["wrapKey".to_owned(), "unwrapKey".to_owned()],
            enabled: true,
            expires: Some(Timestamp(1_900_000_000_000)),
            not_before: Some(Timestamp(1_700_000_000_000)),
            recovery_level: Some("Recoverable+ProtectedSubscription".to_owned()),
        }
    );
    assert_eq!(lab.describe().await.expect("the version itself"), described);
}

#[tokio::test]
async fn a_key_that_says_little_is_described_with_what_is_known() {
    let lab = Lab::new(vault_says(|seen| {
        let kid = format!("https://{}/keys/key001/{VERSION}", seen.host);
        Reply::Json(200, json!({"key": {"kid": kid, "kty": "EC"}}))
    }));
    let described = lab.await.describe().await.expect("a key");
    assert_eq!((described.kty.as_str(), described.size, described.enabled), ("EC", None, true));
    assert_eq!((described.expires, described.not_before, described.recovery_level), (None, None, None));
    assert!(described.key_ops.is_empty());
}

#[tokio::test]
async fn one_request_id_goes_out_with_every_request_of_a_call() {
    let lab = Lab::sound().await;
    lab.describe().await.expect("a sound vault");
    let seen = lab.server.seen();
    assert_eq!(seen.len(), 3, "a challenge, a token and a call");
    for seen in &seen {
        assert_eq!(seen.request, Some(request().to_string()), "{}", seen.path);
    }
    let other = RequestId::from_random([8; 16]);
    lab.roots.describe(&key(), other).await.expect("a sound vault");
    assert_eq!(lab.server.seen()[3].request, Some(other.to_string()));
}

#[tokio::test]
async fn one_token_serves_many_calls_and_is_asked_for_this_vaults_scope_alone() {
    let lab = Lab::sound().await;
    for _ in 0..3 {
        lab.describe().await.expect("a sound vault");
    }
    assert_eq!((lab.server.tokens(), lab.server.calls()), (1, 3));
    let seen = lab.server.seen().into_iter().find(Seen::is_token).expect("one");
    assert_eq!(seen.host, "login.vault.localhost");
    let directory = lab.roots.connection().directory;
    assert_eq!(seen.path, format!("/{directory}/oauth2/v2.0/token"));
    let form: Vec<_> = url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
    for (name, value) in [
        ("client_id", "freehold-exchange"),
        ("client_secret", SECRET),
        ("grant_type", "client_credentials"),
        ("scope", "https://vault.localhost/.default"),
    ] {
        assert!(form.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    let others = lab.server.seen().into_iter().filter(|seen| !seen.is_token());
    assert!(others.into_iter().all(|seen| !seen.body.contains(SECRET)));
}

#[tokio::test]
async fn every_error_of_a_vault_keeps_its_status_and_codes() {
    let rows: &[Row] = &[
        (
            |_| Reply::refusal(403, "Forbidden", Some("ForbiddenByRbac")),
            Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac")),
        ),
        (
            |_| Reply::refusal(403, "Forbidden", Some("KeyDisabled")),
            Answer::vault(403, Some("Forbidden"), Some("KeyDisabled")),
        ),
        (|_| Reply::refusal(404, "KeyNotFound", None), Answer::vault(404, Some("KeyNotFound"), None)),
        (
            |_| Reply::refusal(409, "Conflict", Some("ObjectIsBeingDeleted")),
            Answer::vault(409, Some("Conflict"), Some("ObjectIsBeingDeleted")),
        ),
        (
            |_| Reply::refusal(500, "InternalServerError", None),
            Answer::vault(500, Some("InternalServerError"), None),
        ),
        (|_| Reply::refusal(503, "ServerBusy", None), Answer::vault(503, Some("ServerBusy"), None)),
        (
            |_| Reply::Is((StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response()),
            Answer::vault(502, None, None),
        ),
        (|_| Reply::Is(StatusCode::SERVICE_UNAVAILABLE.into_response()), Answer::vault(503, None, None)),
        (
            |_| Reply::Json(403, json!({"error": {"code": 7, "innererror": []}})),
            Answer::vault(403, None, None),
        ),
        (|_| Reply::Json(403, json!("Forbidden")), Answer::vault(403, None, None)),
        (|_| Reply::Is(StatusCode::NO_CONTENT.into_response()), Answer::vault(204, None, None)),
    ];
    for (reply, expected) in rows {
        let lab = Lab::new(vault_says(*reply)).await;
        assert_eq!(lab.describe().await.as_ref(), Err(expected));
        assert_eq!(lab.wrap().await.as_ref(), Err(expected));
        assert_eq!(lab.unwrap(&[1; 256]).await.as_ref(), Err(expected));
        assert_eq!(lab.server.calls(), 3, "{expected:?}: a call is never repeated");
    }
}

#[tokio::test]
async fn a_throttled_call_comes_back_at_once_whatever_the_vault_asks_to_wait() {
    for after in ["1", "86400", "Wed, 21 Oct 2037 07:28:00 GMT", "18446744073709551616", "-1"] {
        let lab = Lab::new(move |seen| {
            if seen.token.is_none() {
                return Reply::Sound;
            }
            let mut response =
                (StatusCode::TOO_MANY_REQUESTS, "{\"error\":{\"code\":\"Throttled\"}}").into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(after));
            response.headers_mut().insert("retry-after-ms", HeaderValue::from_static("60000"));
            Reply::Is(response)
        })
        .await;
        // The clock stands still: whoever slept on it would never wake.
        assert_eq!(lab.describe().await, Err(Answer::vault(429, Some("Throttled"), None)), "{after}");
        assert_eq!(lab.server.calls(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let lab = Lab::new(|seen| {
        if seen.path.contains("elsewhere") || seen.token.is_none() {
            return Reply::Sound;
        }
        let location = "https://contoso-b.vault.localhost/keys/elsewhere";
        Reply::Is((StatusCode::FOUND, [("location", location)]).into_response())
    })
    .await;
    assert_eq!(lab.describe().await, Err(Answer::vault(302, None, None)));
    assert!(lab.server.seen().iter().all(|seen| !seen.path.contains("elsewhere")));
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_malformed() {
    let rows: &[fn(&Seen) -> Reply] = &[
        |_| Reply::Is("{\"key\":".into_response()),
        |_| Reply::Is("".into_response()),
        |_| Reply::Is("<html>".into_response()),
        |_| Reply::Json(200, json!({})),
        |_| Reply::Json(200, json!({"key": {"kty": "RSA"}, "value": "AAAA"})),
        |_| Reply::Json(200, json!({"key": 7, "kid": 7, "value": 7})),
    ];
    for reply in rows {
        let lab = Lab::new(vault_says(*reply)).await;
        assert_eq!(lab.describe().await, Err(Answer::Malformed));
        assert_eq!(lab.wrap().await, Err(Answer::Malformed));
        assert_eq!(lab.unwrap(&[1; 256]).await, Err(Answer::Malformed));
    }
    let no_value = Lab::new(vault_says(|seen| {
        let kid = format!("https://{}/keys/key001/{VERSION}", seen.host);
        Reply::Json(200, json!({"kid": kid, "value": "not base64!"}))
    }));
    assert_eq!(no_value.await.unwrap(&[1; 256]).await, Err(Answer::Malformed));
}

#[tokio::test]
async fn a_success_of_another_key_is_a_mismatch() {
    for kid in [
        "https://contoso-a.vault.localhost/keys/key002/0123456789abcdef0123456789abcdef",
        "https://contoso-b.vault.localhost/keys/key001/0123456789abcdef0123456789abcdef",
        "https://contoso-a.vault.localhost/keys/key001/0123456789abcdef0123456789abcdee",
        "https://contoso-a.vault.localhost/keys/key001",
        "https://contoso-a.vault.localhost:8443/keys/key001/0123456789abcdef0123456789abcdef",
        "https://contoso-a.evil.example/keys/key001/0123456789abcdef0123456789abcdef",
        "key001",
        "",
    ] {
        let lab = Lab::new(move |seen| match (seen.token.is_some(), seen.path.ends_with("key")) {
            (true, true) => Reply::Json(200, json!({"kid": kid, "value": "A".repeat(342)})),
            (true, false) => Reply::Json(200, described(kid)),
            (false, _) => Reply::Sound,
        })
        .await;
        assert_eq!(lab.describe().await, Err(Answer::Mismatch), "{kid}");
        assert_eq!(lab.wrap().await, Err(Answer::Mismatch), "{kid}");
        assert_eq!(lab.unwrap(&[1; 256]).await, Err(Answer::Mismatch), "{kid}");
    }
    let no_version = Lab::new(vault_says(|_| {
        Reply::Json(200, described("https://contoso-a.vault.localhost/keys/key001"))
    }));
    let roots = no_version.await.roots;
    assert_eq!(roots.describe(&key().versionless(), request()).await, Err(Answer::Mismatch));
}

#[tokio::test]
async fn a_wrap_is_as_long_as_the_modulus_of_its_key() {
    let lab = Lab::new(|seen| match (seen.token.is_some(), seen.path.ends_with("wrapkey"), seen.nth) {
        (true, true, nth) => {
            // 384 bytes, 128 bytes, and 384 bytes again after the key was described with 2048 bits
            let length = [512, 171, 171, 512][nth.min(3)];
            let kid = format!("https://{}/keys/key001/{VERSION}", seen.host);
            Reply::Json(200, json!({"kid": kid, "value": "A".repeat(length)}))
        }
        _ => Reply::Sound,
    })
    .await;
    assert_eq!(lab.wrap().await.map(|wrapped| wrapped.len()), Ok(384), "some root key's size");
    assert_eq!(lab.wrap().await, Err(Answer::Mismatch), "no root key has 1024 bits");
    lab.describe().await.expect("a sound key");
    assert_eq!(lab.wrap().await, Err(Answer::Mismatch), "this key has 2048 bits");
}

#[tokio::test]
async fn every_error_of_a_token_service_keeps_its_status_and_numbers() {
    let rows: &[Row] = &[
        (
            |_| Reply::oauth(401, "invalid_client", 7_000_215, "AADSTS7000215: bad secret."),
            Answer::token(401, Some("invalid_client"), &[7_000_215]),
        ),
        (
            |_| Reply::oauth(401, "invalid_client", 7_000_215, "bad secret.\r\nTrace ID: \"x\""),
            Answer::token(401, Some("invalid_client"), &[7_000_215]),
        ),
        (
            |_| Reply::oauth(400, "unauthorized_client", 700_016, "AADSTS700016: no such application"),
            Answer::token(400, Some("unauthorized_client"), &[700_016]),
        ),
        (
            |_| Reply::oauth(400, "invalid_grant", 501_051, "not assigned\r\n"),
            Answer::token(400, Some("invalid_grant"), &[501_051]),
        ),
        (
            |_| Reply::oauth(429, "temporarily_unavailable", 50_196, "loop\r\n"),
            Answer::token(429, Some("temporarily_unavailable"), &[50_196]),
        ),
        (
            |_| Reply::oauth(503, "temporarily_unavailable", 90_033, "busy"),
            Answer::token(503, Some("temporarily_unavailable"), &[90_033]),
        ),
        (
            |_| Reply::Is((StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response()),
            Answer::token(502, None, &[]),
        ),
        (
            |_| Reply::Is((StatusCode::FOUND, [("location", "https://x.vault.localhost/")]).into_response()),
            Answer::token(302, None, &[]),
        ),
        (|_| Reply::Json(400, json!({"error": {}, "error_codes": "7"})), Answer::token(400, None, &[])),
    ];
    for (reply, expected) in rows {
        let lab = Lab::new(login_says(*reply)).await;
        assert_eq!(lab.describe().await.as_ref(), Err(expected));
        assert_eq!(lab.server.tokens(), 1, "{expected:?}: a token is never asked for twice");
        assert_eq!(lab.server.calls(), 0);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_used_is_malformed_and_breaks_nothing() {
    let rows: &[fn(&Seen) -> Reply] = &[
        |_| Reply::Is("<html>".into_response()),
        |_| Reply::Json(200, json!({})),
        |_| Reply::Json(200, json!({"token_type": "Bearer", "expires_in": i64::MAX, "access_token": "t"})),
        |_| Reply::Json(200, json!({"token_type": "Bearer", "expires_in": i64::MIN, "access_token": "t"})),
        |_| Reply::Json(200, json!({"token_type": "Bearer", "expires_in": 1e300, "access_token": "t"})),
        |_| Reply::Json(200, json!({"token_type": "Bearer", "expires_in": 3599, "access_token": ""})),
        |_| {
            Reply::Json(200, json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "a\r\nb: c"}))
        },
        |_| Reply::Json(200, json!({"token_type": "pop", "expires_in": 3599, "access_token": "t"})),
    ];
    for reply in rows {
        let lab = Lab::new(login_says(*reply)).await;
        assert_eq!(lab.describe().await, Err(Answer::Malformed));
        assert_eq!(lab.server.calls(), 0);
    }
}

#[tokio::test]
async fn a_401_is_judged_after_one_fresh_token() {
    let lab = Lab::new(|seen| match seen.token.as_deref() {
        Some("Bearer token-0") => Reply::challenge("resource=\"https://vault.localhost\""),
        _ => Reply::Sound,
    })
    .await;
    lab.describe().await.expect("the second token is good");
    assert_eq!(lab.server.tokens(), 2);
    lab.describe().await.expect("and is kept");
    assert_eq!(lab.server.tokens(), 2);
}

#[tokio::test]
async fn a_401_that_stays_is_the_vaults_answer() {
    let lab = Lab::new(vault_says(|_| Reply::challenge("resource=\"https://vault.localhost\""))).await;
    assert_eq!(lab.describe().await, Err(Answer::vault(401, Some("Unauthorized"), None)));
    assert_eq!(lab.server.tokens(), 2, "one fresh token and no more");
    let silent = Lab::new(vault_says(|_| Reply::refusal(401, "Unauthorized", None))).await;
    assert_eq!(silent.describe().await, Err(Answer::vault(401, Some("Unauthorized"), None)));
}

#[tokio::test]
async fn a_401_that_was_heard_is_not_undone_by_silence_after_it() {
    let lab = Lab::new(|seen| match (seen.is_token(), seen.token.is_some(), seen.nth) {
        (true, _, 1..) => Reply::oauth(503, "temporarily_unavailable", 90_033, "busy"),
        (_, true, _) => Reply::challenge("resource=\"https://vault.localhost\""),
        _ => Reply::Sound,
    })
    .await;
    assert_eq!(lab.describe().await, Err(Answer::vault(401, Some("Unauthorized"), None)));
    assert_eq!(lab.server.tokens(), 2);
}

#[tokio::test]
async fn a_key_is_made_to_wrap_and_unwrap_and_for_nothing_else() {
    let lab = Lab::sound().await;
    let made = lab.roots.create(&key().versionless(), request()).await.expect("a sound vault");
    assert_eq!((made.key, made.size), (key(), Some(2048)));
    let seen = lab.server.seen().into_iter().find(|seen| seen.token.is_some()).expect("one");
    assert_eq!(seen.path, "/keys/key001/create");
    let asked: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    assert_eq!(asked, json!({"kty": "RSA", "key_size": 2048, "key_ops": ["wrapKey", "unwrapKey"]}));
}

#[tokio::test]
async fn a_key_without_a_version_is_not_wrapped_with() {
    let lab = Lab::sound().await;
    let key = key().versionless();
    assert_eq!(lab.roots.wrap(&key, &seed(), request()).await, Err(Answer::Internal));
    assert_eq!(lab.roots.unwrap(&key, &[1; 256], request()).await, Err(Answer::Internal));
    assert!(lab.server.seen().is_empty());
}
