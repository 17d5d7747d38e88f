//! What stock clients ask the token service around a token: discovery by name, realms, ID and refresh tokens.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{AZ, Answer, SUFFIX, World, YEAR, send};

const SCOPE: &str = "scope=https://vault.localhost/.default+openid+profile+offline_access";

pub(crate) fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn number(answer: &Answer) -> u64 {
    answer.json["error_codes"][0].as_u64().unwrap_or_default()
}

pub(crate) async fn post(world: &World, at: &str, form: &str) -> Answer {
    let request = Request::builder().method(Method::POST).uri(format!("/{at}/oauth2/v2.0/token"));
    let request = request.header("host", format!("login.{SUFFIX}"));
    send(&world.router, request.body(Body::from(form.to_owned())).unwrap()).await
}

async fn get(world: &World, path: &str) -> Answer {
    let request = Request::builder().uri(path).header("host", format!("login.{SUFFIX}"));
    send(&world.router, request.body(Body::empty()).unwrap()).await
}

async fn with_domain() -> World {
    let world = World::new().await;
    let admin = world.vault.administration();
    admin.add_domain(world.contoso.directory, "contoso.com").await.unwrap();
    world
}

#[tokio::test]
async fn a_directory_is_reached_by_its_domains_and_a_domain_belongs_to_one() {
    let world = with_domain().await;
    let (admin, directory) = (world.vault.administration(), world.contoso.directory);
    let by_name = get(&world, "/Contoso.com/v2.0/.well-known/openid-configuration").await.ok();
    let by_id = get(&world, &format!("/{directory}/v2.0/.well-known/openid-configuration")).await.ok();
    assert_eq!(by_name, by_id);
    assert_eq!(by_id["issuer"], format!("https://login.{SUFFIX}/{directory}/"));
    for field in ["authorization_endpoint", "device_authorization_endpoint", "tenant_region_scope"] {
        assert!(by_id[field].is_string(), "{field}");
    }
    let token = post(&world, "contoso.com", &format!("{}&{SCOPE}", world.contoso.officer.form())).await.ok();
    assert_eq!(claims(&token["access_token"])["tid"], json!(directory));
    let other = admin.create_directory(None, "other").await.unwrap();
    assert!(admin.add_domain(other, "CONTOSO.com").await.is_err());
    assert!(admin.add_domain(other, "no-domain").await.is_err());
    let answer = get(&world, "/fabrikam.com/v2.0/.well-known/openid-configuration").await;
    assert_eq!((answer.status.as_u16(), number(&answer)), (400, 90002));
}

#[tokio::test]
async fn a_users_name_tells_his_directory_where_the_address_does_not() {
    let world = with_domain().await;
    let form = format!("{}&{SCOPE}", world.contoso.officer.form());
    for at in ["organizations", "common"] {
        let found = get(&world, &format!("/{at}/v2.0/.well-known/openid-configuration")).await.ok();
        assert_eq!(found["token_endpoint"], format!("https://login.{SUFFIX}/{at}/oauth2/v2.0/token"));
        let token = post(&world, at, &form).await.ok();
        assert_eq!(claims(&token["access_token"])["tid"], json!(world.contoso.directory));
    }
    let stranger = form.replace("contoso.com", "nowhere.example");
    assert_eq!(number(&post(&world, "common", &stranger).await), 50059);
    let service = format!("{}&scope=https://vault.localhost/.default", world.contoso.service.form());
    assert_eq!(number(&post(&world, "common", &service).await), 50059);
}

#[tokio::test]
async fn an_instance_is_known_by_its_own_names_alone() {
    let world = with_domain().await;
    let ask = async |endpoint: String| {
        get(&world, &format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}"))
            .await
    };
    let found = ask(format!("https://login.{SUFFIX}/contoso.com/oauth2/v2.0/authorize")).await.ok();
    assert_eq!(
        found["tenant_discovery_endpoint"],
        format!("https://login.{SUFFIX}/contoso.com/v2.0/.well-known/openid-configuration")
    );
    assert_eq!(found["metadata"][0]["aliases"], json!([format!("login.{SUFFIX}")]));
    for endpoint in ["https://login.evil.example/contoso.com", "http://login.vault.localhost/common", "x"] {
        let answer = ask(endpoint.into()).await;
        assert_eq!((answer.status.as_u16(), number(&answer)), (400, 50049), "{endpoint}");
    }
}

#[tokio::test]
async fn a_realm_says_where_the_users_of_a_domain_sign_in_and_not_who_they_are() {
    let world = with_domain().await;
    let realm =
        async |name: &str| get(&world, &format!("/common/userrealm/{name}?api-version=1.0")).await.ok();
    assert_eq!(realm("alice@contoso.com").await["account_type"], "Managed");
    assert_eq!(realm("alice@contoso.com").await, realm("nobody@contoso.com").await);
    assert_eq!(realm("alice@elsewhere.example").await["account_type"], "Unknown");
}

#[tokio::test]
async fn a_users_client_hears_who_signed_in_and_an_application_does_not() {
    let world = with_domain().await;
    let (contoso, directory) = (&world.contoso, world.contoso.directory.to_string());
    let form = format!("{}&{SCOPE}&client_info=1&nonce=n1&claims=%7B%7D", contoso.officer.form());
    let reply = post(&world, &directory, &form).await.ok();
    let identity = claims(&reply["id_token"]);
    assert_eq!(
        (&identity["aud"], &identity["preferred_username"], &identity["nonce"], &identity["ver"]),
        (&json!(AZ), &json!("alice@contoso.com"), &json!("n1"), &json!("2.0"))
    );
    let info = URL_SAFE_NO_PAD.decode(reply["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({"uid": contoso.officer.principal, "utid": contoso.directory}));
    assert!(reply["scope"].as_str().unwrap().split(' ').any(|one| one == "https://vault.localhost/.default"));
    // An ID token tells who signed in; as a bearer token it opens nothing.
    let path = "/keys?api-version=7.4";
    let request = crate::world::request(Method::GET, &contoso.host(), path, reply["id_token"].as_str(), None);
    send(&world.router, request).await.refused(401, "Unauthorized", "");
    let form =
        format!("{}&client_info=1&scope=https://vault.localhost/.default+openid", contoso.service.form());
    let reply = post(&world, &directory, &form).await.ok();
    let mut fields: Vec<&str> = reply.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
}

#[tokio::test]
async fn a_user_asks_for_scopes_of_one_resource_and_the_graphs_have_no_name() {
    let world = with_domain().await;
    let directory = world.contoso.directory.to_string();
    let form = world.contoso.officer.form();
    for (scope, audience) in [
        ("https://graph.vault.localhost//.default", "https://graph.vault.localhost"),
        ("User.Read+openid", "https://graph.vault.localhost"),
        ("openid+profile", "https://graph.vault.localhost"),
        ("https://vault.localhost/user_impersonation", "https://vault.localhost"),
    ] {
        let reply = post(&world, &directory, &format!("{form}&scope={scope}")).await.ok();
        assert_eq!(claims(&reply["access_token"])["aud"], audience, "{scope}");
    }
    let two = "scope=https://vault.localhost/.default+https://management.vault.localhost/.default";
    assert_eq!(number(&post(&world, &directory, &format!("{form}&{two}")).await), 28000);
}

fn refresh(reply: &Value) -> String {
    let token = reply["refresh_token"].as_str().unwrap();
    format!("grant_type=refresh_token&client_id={AZ}&refresh_token={token}")
}

#[tokio::test]
async fn a_refresh_token_is_good_once_for_another_resource_too_and_another_takes_over() {
    let world = with_domain().await;
    let directory = world.contoso.directory.to_string();
    let first = post(&world, "common", &format!("{}&{SCOPE}", world.contoso.officer.form())).await.ok();
    let management = "scope=https://management.vault.localhost/.default+offline_access";
    let second = post(&world, &directory, &format!("{}&{management}", refresh(&first))).await.ok();
    let token = claims(&second["access_token"]);
    assert_eq!(
        (&token["aud"], &token["upn"]),
        (&json!("https://management.vault.localhost"), &json!("alice@contoso.com"))
    );
    let again = post(&world, &directory, &format!("{}&{management}", refresh(&first))).await;
    assert_eq!((again.status.as_u16(), number(&again)), (400, 70000));
    world.clock.advance(Duration::from_secs(13 * 24 * 3600));
    let third = post(&world, "common", &format!("{}&{SCOPE}", refresh(&second))).await.ok();
    world.clock.advance(Duration::from_secs(14 * 24 * 3600));
    assert_eq!(number(&post(&world, "common", &format!("{}&{SCOPE}", refresh(&third))).await), 700082);
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_sign_in_that_it_comes_from() {
    let world = with_domain().await;
    let mut reply = post(&world, "common", &format!("{}&{SCOPE}", world.contoso.officer.form())).await.ok();
    for _ in 0..8 {
        world.clock.advance(Duration::from_secs(10 * 24 * 3600));
        reply = post(&world, "common", &format!("{}&{SCOPE}", refresh(&reply))).await.ok();
    }
    world.clock.advance(Duration::from_secs(10 * 24 * 3600));
    assert_eq!(number(&post(&world, "common", &format!("{}&{SCOPE}", refresh(&reply))).await), 700082);
}

#[tokio::test]
async fn a_refresh_token_falls_with_its_users_secret_his_account_and_outside_his_directory() {
    let world = with_domain().await;
    let (admin, directory) = (world.vault.administration(), world.contoso.directory);
    let sign_in = async |form: &str| post(&world, "common", &format!("{form}&{SCOPE}")).await.ok();
    let reply = sign_in(world.contoso.officer.form()).await;
    let other = admin.create_directory(None, "other").await.unwrap();
    assert_eq!(
        number(&post(&world, &other.to_string(), &format!("{}&{SCOPE}", refresh(&reply))).await),
        70000
    );
    let text = reply["refresh_token"].as_str().unwrap();
    for (from, to) in
        [(&text[text.len() - 3..], "AAA"), ("1.", "2."), (AZ, "1950a258-227b-4e31-a9cf-717495945fc2")]
    {
        let forged = refresh(&reply).replace(from, to);
        assert_eq!(number(&post(&world, "common", &format!("{forged}&{SCOPE}")).await), 70000, "{to}");
    }
    let disabled = sign_in(world.contoso.owner.form()).await;
    admin.disable_user(directory, "owner@contoso.com").await.unwrap();
    assert_eq!(number(&post(&world, "common", &format!("{}&{SCOPE}", refresh(&disabled))).await), 50057);
    let day = Duration::from_secs(24 * 3600);
    let (id, secret) = admin.create_user(directory, "guest@contoso.com", "Guest", day).await.unwrap();
    let guest = sign_in(crate::world::Person::user(id, "guest@contoso.com", &secret).form()).await;
    let guest = sign_in(&refresh(&guest)).await;
    world.clock.advance(day);
    assert_eq!(number(&post(&world, "common", &format!("{}&{SCOPE}", refresh(&guest))).await), 50173);
    world.clock.advance(Duration::from_secs(1));
    admin.renew_user_secret(directory, "alice@contoso.com", YEAR).await.unwrap();
    assert_eq!(number(&post(&world, "common", &format!("{}&{SCOPE}", refresh(&reply))).await), 50173);
}

#[tokio::test]
async fn of_two_uses_of_a_refresh_token_at_once_one_is_good_and_the_other_hears_that_it_is_spent() {
    let world = with_domain().await;
    let reply = post(&world, "common", &format!("{}&{SCOPE}", world.contoso.officer.form())).await.ok();
    let form = format!("{}&{SCOPE}", refresh(&reply));
    let (one, other) = tokio::join!(post(&world, "common", &form), post(&world, "common", &form));
    let (good, spent) = if one.status.is_success() { (one, other) } else { (other, one) };
    good.ok();
    assert_eq!((spent.status.as_u16(), number(&spent)), (400, 70000), "{}", spent.json);
}
