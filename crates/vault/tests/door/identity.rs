//! The managed identity: tokens for the programs of the machine, and who gets none.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use freehold_vault::ManagedIdentity;
use http::Request;
use serde_json::json;
use zeroize::Zeroizing;

use crate::sign_in::claims;
use crate::world::{Answer, Keys, World, send};

const APP_SERVICE: &str = "/msi/token?api-version=2019-08-01&resource=https://vault.localhost";
const METADATA: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.localhost%2F";

fn router(world: &World, instance_metadata: bool) -> Router {
    world.vault.identity_router(ManagedIdentity {
        directory: world.contoso.directory,
        application: world.contoso.application,
        header: Some(Zeroizing::new("known".into())),
        instance_metadata,
    })
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path).header("host", "127.0.0.1:4000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    send(router, request).await
}

#[tokio::test]
async fn both_shapes_give_the_applications_token_with_numbers_as_text() {
    let world = World::new().await;
    world.officer().await.make("k").await;
    let router = router(&world, true);
    for (path, headers) in
        [(APP_SERVICE, [("x-identity-header", "known")]), (METADATA, [("metadata", "true")])]
    {
        let reply = get(&router, path, &headers).await.ok();
        assert_eq!(
            (&reply["token_type"], &reply["expires_on"], &reply["resource"]),
            (&json!("Bearer"), &json!("1795525199"), &json!("https://vault.localhost"))
        );
        let token = reply["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&reply["access_token"])["oid"], json!(world.contoso.service.principal));
        let keys = Keys { router: &world.router, host: world.contoso.host(), token };
        keys.wrap("k").await.ok();
    }
}

#[tokio::test]
async fn who_lacks_the_header_comes_from_afar_or_over_a_proxy_gets_nothing() {
    let world = World::new().await;
    let (open, shut) = (router(&world, true), router(&world, false));
    let known = ("x-identity-header", "known");
    for (router, path, headers, status) in [
        (&open, APP_SERVICE, vec![], 401),
        (&open, APP_SERVICE, vec![("x-identity-header", "Known")], 401),
        (&open, METADATA, vec![], 400),
        (&open, METADATA, vec![("metadata", "true"), ("x-forwarded-for", "127.0.0.1")], 400),
        (&shut, METADATA, vec![("metadata", "true")], 404),
        (&open, "/msi/token?resource=https://vault.localhost", vec![known], 400),
        (&open, "/msi/token?api-version=2019-08-01", vec![known], 400),
        (&open, "/msi/token?api-version=2019-08-01&resource=https://other.example", vec![known], 400),
        (&open, "/other", vec![known], 404),
    ] {
        let answer = get(router, path, &headers).await;
        assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.json);
        assert!(answer.json["error"].is_string() && answer.json["error_description"].is_string());
    }
    let another = format!("{APP_SERVICE}&client_id=00000000-0000-4000-8000-000000000000");
    assert_eq!(get(&open, &another, &[known]).await.json["error_description"], "Identity not found");
    let unknown = Request::builder().uri(APP_SERVICE).header(known.0, known.1).body(Body::empty()).unwrap();
    assert_eq!(send(&open, unknown).await.status, 403, "an address that is not known is nowhere");
    let mut afar = Request::builder().uri(APP_SERVICE).header(known.0, known.1).body(Body::empty()).unwrap();
    let peer: SocketAddr = "10.0.0.1:1".parse().unwrap();
    afar.extensions_mut().insert(ConnectInfo(peer));
    assert_eq!(send(&open, afar).await.status, 403);
    world.vault.administration().disable_application(world.contoso.application).await.unwrap();
    assert_eq!(get(&open, APP_SERVICE, &[known]).await.status, 400);
}
