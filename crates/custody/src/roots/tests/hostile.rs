//! What a hostile vault, or a tenant who controls one, may try with its answers.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::roots::{MAX_BODY, MAX_KEY_OPS, MAX_WORD};

/// Asks for a token of another resource until `honest` requests without a token have come.
fn asks_for(parameters: &'static str) -> impl Fn(&Seen) -> Reply {
    move |seen| match seen.token.is_none() && !seen.is_token() {
        true => Reply::challenge(parameters),
        false => Reply::Sound,
    }
}

#[tokio::test]
async fn no_token_is_asked_for_when_the_vault_wants_one_of_another_scope() {
    for parameters in [
        "resource=\"https://localhost\"",
        "resource=\"https://vault.localhost:8443\"",
        "resource=\"https://vault.localhost/\"",
        "resource=\"http://vault.localhost\"",
        "resource=\"https://VAULT.localhost\"",
        "resource=\"https://user@vault.localhost\"",
        "resource=\"https://management.localhost\"",
        "resource=\"https://graph.microsoft.com\"",
        "scope=\"https://localhost/.default\"",
        "scope=\"https://vault.localhost/.default offline_access\"",
        "scope=\"https://vault.localhost/user_impersonation\"",
        "resource=\"\"",
        "resource=\"vault.localhost\"",
        "resource=\"https://vault.localhost",
        "realm=\"\"",
        "",
    ] {
        let lab = Lab::new(asks_for(parameters)).await;
        assert_eq!(lab.describe().await, Err(Answer::Challenge), "{parameters}");
        assert_eq!((lab.server.tokens(), lab.server.calls()), (0, 0), "{parameters}");
    }
}

#[tokio::test]
async fn the_authority_that_a_challenge_names_is_not_asked() {
    let lab = Lab::new(asks_for(
        "authorization=\"https://login.evil.localhost/x\", resource=\"https://vault.localhost\"",
    ))
    .await;
    lab.describe().await.expect("the scope is the vault's own");
    let hosts: Vec<_> = lab.server.seen().into_iter().filter(Seen::is_token).map(|seen| seen.host).collect();
    assert_eq!(hosts, ["login.vault.localhost"]);
}

#[tokio::test]
async fn a_foreign_scope_is_forgotten_with_the_client_that_heard_it() {
    let lab = Lab::new(|seen| match (seen.is_token(), seen.token.is_none(), seen.nth) {
        (false, true, 0) => Reply::challenge("resource=\"https://localhost\""),
        _ => Reply::Sound,
    })
    .await;
    assert_eq!(lab.describe().await, Err(Answer::Challenge));
    lab.describe().await.expect("the vault has come to its senses");
}

#[tokio::test]
async fn a_later_challenge_for_another_scope_gets_no_token_either() {
    let lab = Lab::new(|seen| match (seen.token.is_some(), seen.nth) {
        (true, 1) => Reply::challenge("resource=\"https://localhost\""),
        _ => Reply::Sound,
    })
    .await;
    lab.describe().await.expect("sound at first");
    assert_eq!(lab.describe().await, Err(Answer::Challenge));
    assert_eq!((lab.server.tokens(), lab.server.calls()), (1, 2));
    lab.describe().await.expect("a client that knows no scope");
    assert_eq!(lab.server.tokens(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_cut_off() {
    let rows: &[fn() -> Reply] = &[
        || Reply::Is(vec![b' '; 8 << 20].into_response()),
        || Reply::Is(endless(200)),
        || Reply::Is(endless(403)),
        || Reply::Is(endless(502)),
        || Reply::Is(vec![b' '; MAX_BODY + 1].into_response()),
    ];
    for reply in rows {
        let with_token =
            Lab::new(move |seen| if seen.token.is_some() { reply() } else { Reply::Sound }).await;
        assert_eq!(with_token.describe().await, Err(Answer::TooLarge));
        let without = Lab::new(move |seen| if seen.is_token() { Reply::Sound } else { reply() }).await;
        assert_eq!(without.wrap().await, Err(Answer::TooLarge));
        let token = Lab::new(move |seen| if seen.is_token() { reply() } else { Reply::Sound }).await;
        assert_eq!(token.describe().await, Err(Answer::TooLarge));
    }
    let fits = Lab::new(|seen| match seen.token.is_some() {
        true => Reply::Is(vec![b' '; MAX_BODY].into_response()),
        false => Reply::Sound,
    });
    assert_eq!(fits.await.describe().await, Err(Answer::Malformed), "the bound itself is read");
}

/// A body without end, under an error status or not.
fn endless(status: u16) -> axum::response::Response {
    let chunks = futures::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4096])));
    let mut response = Body::from_stream(chunks).into_response();
    *response.status_mut() = axum::http::StatusCode::from_u16(status).expect("a status");
    response
}

#[tokio::test]
async fn an_endless_body_on_a_challenge_does_not_keep_the_call() {
    let lab = Lab::new(|seen| match seen.token.is_none() && !seen.is_token() {
        true => {
            let mut response = endless(401);
            let header = HeaderValue::from_static("Bearer resource=\"https://vault.localhost\"");
            response.headers_mut().insert("www-authenticate", header);
            Reply::Is(response)
        }
        false => Reply::Sound,
    })
    .await;
    let answered = lab.describe().await;
    assert!(matches!(answered, Ok(_) | Err(Answer::TooLarge)), "{answered:?}");
}

#[tokio::test]
async fn codes_are_cut_and_cleaned_and_messages_are_dropped() {
    let lab = Lab::new(|seen| match seen.token.is_some() {
        true => {
            let error = json!({
                "code": format!("<b>\u{1b}[31mForbidden\r\n{}", "x".repeat(500)),
                "message": "hunter2",
                "innererror": {"code": "Forbidden\nBy\tRbac", "innererror": {"code": "hunter2"}},
            });
            Reply::Json(403, json!({"error": error}))
        }
        false => Reply::Sound,
    })
    .await;
    let Err(Answer::Vault { status: 403, code: Some(code), inner: Some(inner) }) = lab.describe().await
    else {
        panic!("a refusal");
    };
    assert!(code.starts_with("b31mForbiddenxxx") && code.len() == 64, "{code}");
    assert_eq!(inner, "ForbiddenByRbac");
}

#[tokio::test]
async fn a_body_of_brackets_is_no_body() {
    for status in [200, 403] {
        let lab = Lab::new(move |seen| match seen.token.is_some() {
            true => {
                let mut response = "[".repeat(60_000).into_response();
                *response.status_mut() = axum::http::StatusCode::from_u16(status).expect("a status");
                Reply::Is(response)
            }
            false => Reply::Sound,
        })
        .await;
        let expected = if status == 200 { Answer::Malformed } else { Answer::vault(403, None, None) };
        assert_eq!(lab.describe().await, Err(expected));
    }
}

#[tokio::test]
async fn a_number_that_is_no_time_is_malformed() {
    for (name, value) in
        [("exp", json!(i64::MAX)), ("nbf", json!(i64::MIN)), ("exp", json!(1e300)), ("nbf", json!("x"))]
    {
        let lab = Lab::new(move |seen| match seen.token.is_some() {
            true => {
                let mut key = crate::roots::server::described(&key().to_string());
                key["attributes"][name] = value.clone();
                Reply::Json(200, key)
            }
            false => Reply::Sound,
        })
        .await;
        assert_eq!(lab.describe().await, Err(Answer::Malformed), "{name}");
    }
}

#[tokio::test]
async fn words_of_a_key_that_nobody_should_see_are_malformed() {
    let long = "x".repeat(MAX_WORD + 1);
    let rows = [
        ("/key/kty", json!("RSA\n2026-11-24 ERROR")),
        ("/key/kty", json!(long)),
        ("/key/kty", json!("")),
        ("/key/key_ops", json!(["wrapKey", "<script>"])),
        ("/key/key_ops", json!(vec!["wrapKey"; MAX_KEY_OPS + 1])),
        ("/attributes/recoveryLevel", json!("Recoverable+\u{202e}Protected")),
    ];
    for (place, value) in rows {
        let lab = Lab::new(move |seen| match seen.token.is_some() {
            true => {
                let mut key = crate::roots::server::described(&key().to_string());
                *key.pointer_mut(place).expect("it is there") = value.clone();
                Reply::Json(200, key)
            }
            false => Reply::Sound,
        })
        .await;
        assert_eq!(lab.describe().await, Err(Answer::Malformed), "{place}");
    }
}

#[tokio::test]
async fn a_vault_that_says_nothing_is_left_when_the_clock_says_so() {
    for silent in ["challenge", "token", "call"] {
        let lab = Lab::new(move |seen| match (seen.is_token(), seen.token.is_some()) {
            (true, _) if silent == "token" => Reply::Hang,
            (_, true) if silent == "call" => Reply::Hang,
            (false, false) if silent == "challenge" => Reply::Hang,
            _ => Reply::Sound,
        })
        .await;
        let roots = lab.roots.clone();
        let call = tokio::spawn(async move { roots.describe(&key(), request()).await });
        let requests =
            ["challenge", "token", "call"].iter().position(|at| *at == silent).expect("one of them");
        for _ in 0..=requests {
            lab.server.arrived().await;
        }
        lab.clock.advance(BOUND - Duration::from_nanos(1));
        assert!(!call.is_finished());
        lab.clock.advance(Duration::from_nanos(1));
        assert_eq!(call.await.expect("no panic"), Err(Answer::OperationTimedOut), "{silent}");
    }
}

#[tokio::test]
async fn a_401_that_was_heard_stands_when_the_second_try_is_never_answered() {
    let lab = Lab::new(|seen| match (seen.is_token(), seen.token.is_some(), seen.nth) {
        (true, _, 1) => Reply::Hang,
        (_, true, _) => Reply::challenge("resource=\"https://vault.localhost\""),
        _ => Reply::Sound,
    })
    .await;
    // challenge, token and call; challenge of the new client, and its token
    let call = lab.hanging(5).await;
    lab.clock.advance(BOUND);
    assert_eq!(call.await.expect("no panic"), Err(Answer::vault(401, Some("Unauthorized"), None)));
}

#[tokio::test]
async fn a_call_that_was_dropped_leaves_nothing_locked() {
    let lab =
        Lab::new(|seen| if seen.is_token() && seen.nth == 0 { Reply::Hang } else { Reply::Sound }).await;
    let call = lab.hanging(2).await;
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    lab.describe().await.expect("the token service answers now");
}
