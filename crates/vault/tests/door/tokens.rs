//! The token service, and every token that must not be accepted.

use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use freehold_vault::{ApplicationId, NewApplication};
use http::{Method, Request};
use model::time::Clock;
use serde_json::{Value, json};

use crate::world::{self, AZ, Answer, Keys, SUFFIX, World, YEAR, send, sign_in, token};

const RESOURCE: &str = "https://vault.localhost";

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn number(answer: &Answer) -> u64 {
    answer.json["error_codes"][0].as_u64().unwrap_or_default()
}

async fn post(world: &World, path: &str, form: &str) -> Answer {
    let request = Request::builder().method(Method::POST).uri(path).header("host", format!("login.{SUFFIX}"));
    send(&world.router, request.body(Body::from(form.to_owned())).unwrap()).await
}

async fn get(world: &World, path: &str) -> Answer {
    let request = Request::builder().uri(path).header("host", format!("login.{SUFFIX}"));
    send(&world.router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_applications_token_says_who_and_for_what() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let answer =
        sign_in(&world.router, &contoso.directory.to_string(), contoso.service.form(), RESOURCE).await;
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache"));
    let reply = answer.ok();
    assert_eq!(
        (&reply["token_type"], &reply["expires_in"], &reply["ext_expires_in"]),
        (&json!("Bearer"), &json!(3599), &json!(3599))
    );
    let token = reply["access_token"].as_str().unwrap();
    let issuer = format!("https://login.{SUFFIX}/{}/", contoso.directory);
    let mut claims = part(token, 1);
    assert!(claims.as_object_mut().unwrap().remove("uti").is_some());
    assert_eq!(
        claims,
        json!({
            "aud": RESOURCE, "iss": issuer, "idp": issuer, "tid": contoso.directory,
            "iat": 1795521600, "nbf": 1795521600, "exp": 1795525199,
            "appid": contoso.application, "appidacr": "1", "idtyp": "app", "ver": "1.0",
            "oid": contoso.service.principal, "sub": contoso.service.principal,
        })
    );
    let header = part(token, 0);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    let keys = get(&world, &format!("/{}/discovery/v2.0/keys", contoso.directory)).await.ok();
    assert_eq!(keys["keys"][0]["kid"], header["kid"]);
}

#[tokio::test]
async fn an_application_that_the_directory_consented_to_is_a_resource_of_its_own() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let directory = contoso.directory.to_string();
    for resource in [contoso.application.to_string(), format!("api://{}", contoso.application)] {
        let claims = part(&token(&world.router, contoso, &contoso.officer, &resource).await, 1);
        assert_eq!(claims["aud"], json!(resource));
    }
    let stranger: ApplicationId = "07070707-0000-4000-8000-000000000000".parse().unwrap();
    let refused =
        sign_in(&world.router, &directory, contoso.service.form(), &format!("api://{stranger}")).await;
    assert_eq!((refused.status.as_u16(), number(&refused)), (400, 500011));
}

#[tokio::test]
async fn a_users_token_carries_his_name() {
    let world = World::new().await;
    let claims = part(&token(&world.router, &world.contoso, &world.contoso.officer, RESOURCE).await, 1);
    assert_eq!((&claims["upn"], &claims["idtyp"]), (&json!("alice@contoso.com"), &json!("user")));
    assert_eq!((&claims["appid"], &claims["scp"]), (&json!(AZ), &json!("user_impersonation")));
}

#[tokio::test]
async fn the_older_endpoint_and_sloppy_slashes_give_the_same_audience() {
    let world = World::new().await;
    let (directory, form) = (world.contoso.directory, world.contoso.service.form());
    for (path, asked) in [
        ("oauth2/token", format!("resource={RESOURCE}")),
        ("oauth2/token", format!("resource={RESOURCE}/")),
        ("oauth2/v2.0/token", format!("scope={RESOURCE}//.default")),
        ("oauth2/v2.0/token", "scope=https%3A%2F%2FVault.Localhost%2F.default".into()),
        ("oauth2/v2.0/token", format!("scope=openid+{RESOURCE}/.default+offline_access")),
        ("OAuth2/V2.0/Token", format!("client_info=1&scope={RESOURCE}/.default")),
    ] {
        let reply = post(&world, &format!("/{directory}/{path}"), &format!("{form}&{asked}")).await.ok();
        assert_eq!(part(reply["access_token"].as_str().unwrap(), 1)["aud"], RESOURCE, "{asked}");
    }
}

#[tokio::test]
async fn discovery_names_the_issuer_of_the_tokens() {
    let world = World::new().await;
    let directory = world.contoso.directory;
    let login = format!("https://login.{SUFFIX}");
    for (path, version) in [("v2.0/.well-known", "v2.0/"), (".well-known", "")] {
        let found = get(&world, &format!("/{directory}/{path}/openid-configuration")).await.ok();
        assert_eq!(found["issuer"], format!("{login}/{directory}/"));
        assert_eq!(found["token_endpoint"], format!("{login}/{directory}/oauth2/{version}token"));
        assert_eq!(found["jwks_uri"], format!("{login}/{directory}/discovery/{version}keys"));
        assert!(found["authorization_endpoint"].is_string());
    }
    get(&world, "/common/discovery/keys").await.ok();
}

#[tokio::test]
async fn every_refusal_has_its_number() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let admin = world.vault.administration();
    let unknown = "99999999-9999-4999-8999-999999999999";
    let (here, scope) = (contoso.directory.to_string(), format!("scope={RESOURCE}/.default"));
    let app = contoso.application;
    let right = contoso.service.form().to_owned();
    // An application of somebody else's directory, with and without proof.
    let elsewhere = admin.create_directory(None, "provider").await.unwrap();
    let new = NewApplication { client_id: None, display_name: "p", secret_life: YEAR };
    let (foreign, secret) = admin.create_application(elsewhere, new).await.unwrap();
    let foreign_right =
        format!("grant_type=client_credentials&client_id={foreign}&client_secret={}", *secret);
    let foreign_wrong = format!("grant_type=client_credentials&client_id={foreign}&client_secret=x");
    let with = |form: &str| format!("{form}&{scope}");
    for (directory, form, status, error, expected) in [
        (unknown, with(&right), 400, "invalid_request", 90002),
        ("contoso.com", with(&right), 400, "invalid_request", 90002),
        (
            &here,
            with(&format!("grant_type=client_credentials&client_id={app}&client_secret=x")),
            401,
            "invalid_client",
            7000215,
        ),
        (
            &here,
            with(&format!("grant_type=client_credentials&client_id={unknown}&client_secret=x")),
            400,
            "unauthorized_client",
            700016,
        ),
        (
            &here,
            with("grant_type=client_credentials&client_id=me&client_secret=x"),
            400,
            "unauthorized_client",
            700016,
        ),
        (&here, with(&foreign_wrong), 400, "unauthorized_client", 700016),
        (&here, with(&foreign_right), 401, "invalid_client", 7000229),
        (
            &here,
            with(&format!("grant_type=client_credentials&client_id={app}")),
            400,
            "invalid_client",
            7000216,
        ),
        (
            &here,
            with(&format!("grant_type=client_credentials&client_id={app}&client_assertion=x")),
            400,
            "invalid_request",
            900144,
        ),
        (&here, with("grant_type=client_credentials"), 400, "invalid_request", 900144),
        (&here, with(&format!("client_id={app}")), 400, "invalid_request", 900144),
        (&here, right.clone(), 400, "invalid_request", 900144),
        (
            &here,
            with(&format!("grant_type=device_code&client_id={app}")),
            400,
            "unsupported_grant_type",
            70003,
        ),
        (&here, format!("{right}&scope={RESOURCE}"), 400, "invalid_scope", 1002012),
        (&here, format!("{right}&scope=https://vault.azure.net/.default"), 400, "invalid_resource", 500011),
        (&here, with(&format!("{right}&client_id={app}")), 400, "invalid_request", 9000411),
        (
            &here,
            with(&format!("grant_type=password&client_id={AZ}&username=alice@contoso.com&password=x")),
            400,
            "invalid_grant",
            50126,
        ),
        (
            &here,
            with(&format!("grant_type=password&client_id={AZ}&username=nobody@contoso.com&password=x")),
            400,
            "invalid_grant",
            50126,
        ),
        (
            &here,
            with(&format!("grant_type=password&client_id={app}&username=alice@contoso.com&password=x")),
            400,
            "unauthorized_client",
            700016,
        ),
    ] {
        let answer = post(&world, &format!("/{directory}/oauth2/v2.0/token"), &form).await;
        assert_eq!((answer.status.as_u16(), number(&answer)), (status, expected), "{form}: {}", answer.json);
        assert_eq!(answer.json["error"], error);
        let description = answer.json["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{expected}: ")), "{description}");
        assert!(!description.contains(['\r', '\n']), "one client loses the status over a line break");
        assert_eq!(answer.json["trace_id"], answer.header("x-ms-request-id").unwrap());
        assert!(answer.json["correlation_id"].is_string() && answer.json["timestamp"].is_string());
    }
}

#[tokio::test]
async fn a_secret_ends_and_another_one_takes_over() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let directory = contoso.directory.to_string();
    world.clock.advance(YEAR);
    let answer = sign_in(&world.router, &directory, contoso.service.form(), RESOURCE).await;
    assert_eq!((answer.status.as_u16(), number(&answer)), (401, 7000222));
    let secret = admin.add_secret(contoso.application, YEAR).await.unwrap();
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", contoso.application, *secret);
    sign_in(&world.router, &directory, &form, RESOURCE).await.ok();
    admin.disable_application(contoso.application).await.unwrap();
    let answer = sign_in(&world.router, &directory, &form, RESOURCE).await;
    assert_eq!((answer.status.as_u16(), number(&answer)), (400, 7000112));
    admin.enable_application(contoso.application).await.unwrap();
    admin.remove_secrets(contoso.application).await.unwrap();
    assert_eq!(number(&sign_in(&world.router, &directory, &form, RESOURCE).await), 7000215);
}

#[tokio::test]
async fn a_secret_is_known_by_its_text_and_outlives_the_others() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let ends = async |secret: &str| admin.secret_ends(contoso.application, secret).await.unwrap();
    let first = admin.add_secret(contoso.application, YEAR).await.unwrap();
    world.clock.advance(YEAR / 2);
    let second = admin.add_secret(contoso.application, YEAR).await.unwrap();
    let (now, half) = (world.clock.now(), YEAR / 2);
    assert_eq!([ends(&first).await, ends(&second).await], [Some(now + half), Some(now + YEAR)]);
    assert_eq!(ends("another").await, None);
    admin.remove_other_secrets(contoso.application, &second).await.unwrap();
    assert_eq!([ends(&first).await, ends(&second).await], [None, Some(now + YEAR)]);
}

#[tokio::test]
async fn consent_taken_back_is_told_to_who_proves_to_be_the_application() {
    let world = World::new().await;
    let contoso = &world.contoso;
    world
        .vault
        .administration()
        .delete_service_principal(contoso.application, contoso.directory)
        .await
        .unwrap();
    let answer =
        sign_in(&world.router, &contoso.directory.to_string(), contoso.service.form(), RESOURCE).await;
    assert_eq!((answer.status.as_u16(), number(&answer)), (401, 7000229));
}

#[tokio::test]
async fn no_forged_token_is_accepted() {
    let world = World::new().await;
    let contoso = &world.contoso;
    world.officer().await.make("k").await;
    let good = token(&world.router, contoso, &contoso.service, RESOURCE).await;
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let kid = header["kid"].clone();
    let signature = good.rsplit('.').next().unwrap();
    let keys = get(&world, "/common/discovery/keys").await.ok();
    let modulus = keys["keys"][0]["n"].as_str().unwrap().to_owned();
    let unsigned = |header: Value, claims: &Value| format!("{}.{}", encode(&header), encode(claims));
    let hmac = |secret: &[u8]| {
        let message = unsigned(json!({"alg": "HS256", "typ": "JWT", "kid": kid}), &claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let mut raised = claims.clone();
    raised["oid"] = json!(contoso.officer.principal);
    // Another instance of the program, with its own keys and the same names.
    let (other, ..) = world::empty(true).await;
    let fabrikam = world::tenant(&other, "contoso").await;
    let foreign = token(&other.router(), &fabrikam, &fabrikam.service, RESOURCE).await;
    let mut foreign_kid = part(&foreign, 0);
    foreign_kid["kid"] = kid.clone();
    let foreign_parts: Vec<&str> = foreign.split('.').collect();
    for (what, forged) in [
        ("alg none", format!("{}.", unsigned(json!({"alg": "none", "kid": kid}), &claims))),
        (
            "alg none with a signature",
            format!("{}.{signature}", unsigned(json!({"alg": "None", "kid": kid}), &claims)),
        ),
        ("HS256 with the modulus", hmac(modulus.as_bytes())),
        ("HS256 with the modulus' bytes", hmac(&URL_SAFE_NO_PAD.decode(&modulus).unwrap())),
        ("no kid", format!("{}.{}.{signature}", encode(&json!({"alg": "RS256"})), encode(&claims))),
        (
            "wrong kid",
            format!(
                "{}.{}.{signature}",
                encode(&json!({"alg": "RS256", "kid": "0".repeat(32)})),
                encode(&claims)
            ),
        ),
        ("other claims", format!("{}.{}.{signature}", encode(&header), encode(&raised))),
        ("another instance", foreign.clone()),
        (
            "another instance with our kid",
            format!("{}.{}.{}", encode(&foreign_kid), foreign_parts[1], foreign_parts[2]),
        ),
        (
            "PS256",
            format!("{}.{}.{signature}", encode(&json!({"alg": "PS256", "kid": kid})), encode(&claims)),
        ),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("garbage", "a.b.c".into()),
        ("too long", "a".repeat(20_000)),
    ] {
        let keys = Keys { router: &world.router, host: contoso.host(), token: forged };
        let answer = keys.wrap("k").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.json);
        assert!(answer.message().starts_with("[InvalidToken]"), "{what}: {}", answer.message());
    }
    let keys = Keys { router: &world.router, host: contoso.host(), token: good };
    keys.wrap("k").await.ok();
}

#[tokio::test]
async fn a_token_for_something_else_is_told_what_was_expected() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let keys = |token: String| Keys { router: &world.router, host: contoso.host(), token };
    let management =
        token(&world.router, contoso, &contoso.officer, "https://management.vault.localhost").await;
    let refused = keys(management).get("/keys/k").await;
    refused.refused(401, "Unauthorized", "");
    assert_eq!(
        refused.message(),
        "AKV10022: Invalid audience. Expected https://vault.localhost, found: https://management.vault.localhost."
    );
    let fabrikam = world::tenant(&world.vault, "fabrikam").await;
    let theirs = token(&world.router, &fabrikam, &fabrikam.officer, RESOURCE).await;
    let refused = keys(theirs).get("/keys/k").await;
    refused.refused(401, "Unauthorized", "");
    assert_eq!(
        refused.message(),
        format!(
            "AKV10032: Invalid issuer. Expected one of https://login.vault.localhost/{}/, found \
             https://login.vault.localhost/{}/.",
            contoso.directory, fabrikam.directory
        )
    );
    let good = token(&world.router, contoso, &contoso.officer, RESOURCE).await;
    let manage = world::request(
        Method::GET,
        "management.vault.localhost",
        "/subscriptions?api-version=1",
        Some(&good),
        None,
    );
    send(&world.router, manage).await.refused(401, "InvalidAuthenticationTokenAudience", "");
}

#[tokio::test]
async fn a_token_ends_at_its_second() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    world.clock.advance(Duration::from_secs(3598));
    officer.get("/keys/k").await.ok();
    world.clock.advance(Duration::from_secs(1));
    let refused = officer.get("/keys/k").await;
    refused.refused(401, "Unauthorized", "");
    assert_eq!(refused.message(), "[TokenExpired] Error validating token: 'S2S12086'.");
}

#[tokio::test]
async fn only_a_bearer_token_counts() {
    let world = World::new().await;
    let officer = world.officer().await;
    for header in ["Basic YTpi", "Bearer", "Bearer ", "bearertoken", "PoP x"] {
        let asked = Request::builder()
            .uri("/keys?api-version=2025-07-01")
            .header("host", &officer.host)
            .header("authorization", header);
        let answer = send(&world.router, asked.body(Body::empty()).unwrap()).await;
        answer.refused(401, "Unauthorized", "");
        assert!(answer.message().starts_with("AKV10000"), "{header}");
    }
}

#[tokio::test]
async fn the_signing_key_rolls_and_tokens_of_the_old_one_live_out_their_hour() {
    let world = World::new().await;
    let kid = |token: &str| part(token, 0)["kid"].clone();
    let day = Duration::from_secs(24 * 3600);
    world.clock.advance(30 * day - Duration::from_secs(60));
    let old = world.officer().await;
    old.make("k").await;
    world.clock.advance(Duration::from_secs(60));
    let new = world.officer().await;
    assert_ne!(kid(&old.token), kid(&new.token));
    old.get("/keys/k").await.ok();
    new.get("/keys/k").await.ok();
    let published =
        async || get(&world, "/common/discovery/keys").await.ok()["keys"].as_array().unwrap().len();
    assert_eq!(published().await, 2);
    world.clock.advance(Duration::from_secs(3599));
    assert_eq!(published().await, 1);
}

#[tokio::test]
async fn a_client_id_may_be_given_and_is_taken_once() {
    let world = World::new().await;
    let admin = world.vault.administration();
    let id: ApplicationId = "00000002-0000-0ff1-ce00-000000000000".parse().unwrap();
    let new =
        NewApplication { client_id: Some(id), display_name: "Office 365 Exchange Online", secret_life: YEAR };
    let (made, _) = admin.create_application(world.contoso.directory, new.clone()).await.unwrap();
    assert_eq!(made, id);
    assert!(admin.create_application(world.contoso.directory, new).await.is_err());
}

#[tokio::test]
async fn a_users_secret_is_renewed_and_the_old_one_is_no_good() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let directory = contoso.directory.to_string();
    let secret = admin.renew_user_secret(contoso.directory, "alice@contoso.com", YEAR).await.unwrap();
    let answer = sign_in(&world.router, &directory, contoso.officer.form(), RESOURCE).await;
    assert_eq!(number(&answer), 50126);
    let form = format!("client_id={AZ}&grant_type=password&username=ALICE@contoso.com&password={}", *secret);
    sign_in(&world.router, &directory, &form, RESOURCE).await.ok();
    admin.disable_user(contoso.directory, "alice@contoso.com").await.unwrap();
    assert_eq!(number(&sign_in(&world.router, &directory, &form, RESOURCE).await), 50057);
}
