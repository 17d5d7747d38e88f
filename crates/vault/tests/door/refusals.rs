//! What vaults do not have, and what this one never does: each in the words that clients of the service know.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, CRYPTO_USER, Keys, OFFICER, SECRET, World, request, send, user, vault_body};

#[track_caller]
fn says(answer: &Answer, status: u16, code: &str, inner: &str, message: &str) {
    answer.refused(status, code, inner);
    assert_eq!(answer.message(), message);
}

async fn import(keys: &Keys<'_>, body: Value) -> Answer {
    keys.call(Method::PUT, "/keys/k", Some(&body)).await
}

/// A vault of the sku standard, as its officer.
async fn standard(world: &World) -> Keys<'_> {
    let path = format!("{}/providers/Microsoft.KeyVault/vaults/contoso-std", world.contoso.group_path());
    let mut body = vault_body(&world.contoso);
    body["properties"]["sku"]["name"] = json!("standard");
    world.manage().put(&path, &body).await.ok();
    world.manage().assign(&path, &world.contoso.officer, OFFICER, 7).await.ok();
    Keys { host: "contoso-std.vault.localhost".into(), ..world.officer().await }
}

#[tokio::test]
async fn symmetric_keys_belong_to_another_service() {
    let world = World::new().await;
    let officer = world.officer().await;
    for kty in ["oct", "oct-HSM", "rsa", "OKP"] {
        let message = format!("Invalid kty value: {kty}");
        let created = officer.create("k", json!({"kty": kty, "key_size": 256})).await;
        says(&created, 400, "BadParameter", "KeyTypeNotSupported", &message);
        let imported = import(&officer, json!({"key": {"kty": kty, "k": SECRET}})).await;
        says(&imported, 400, "BadParameter", "KeyTypeNotSupported", &message);
    }
    officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn algorithms_of_symmetric_keys_are_not_known() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    for alg in
        ["A128KW", "A256KW", "A256GCM", "A128CBC", "A256CBCPAD", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"]
    {
        for word in ["encrypt", "decrypt", "wrapkey", "unwrapkey"] {
            let refused = officer.operate(&format!("/keys/k//{word}"), alg, SECRET).await;
            refused.refused(400, "BadParameter", "");
            assert!(refused.message().contains(alg), "{}", refused.message());
        }
    }
    for alg in ["HS256", "HS384", "HS512", "RSNULL"] {
        officer.operate("/keys/k//sign", alg, SECRET).await.refused(400, "BadParameter", "");
    }
}

#[tokio::test]
async fn a_public_exponent_is_not_chosen() {
    let world = World::new().await;
    let officer = world.officer().await;
    let refused = officer.create("k", json!({"kty": "RSA-HSM", "public_exponent": 17})).await;
    refused.refused(400, "BadParameter", "");
    assert!(refused.message().contains("Managed HSM"));
    officer.create("k", json!({"kty": "RSA-HSM", "public_exponent": null})).await.ok();
}

#[tokio::test]
async fn no_key_is_made_exportable() {
    const ELSEWHERE: &str = "AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version \
                             >= '7.3-preview'.";
    let world = World::new().await;
    let (officer, standard) = (world.officer().await, standard(&world).await);
    let exportable = json!({"exportable": true});
    let policy = json!({"data": "e30", "contentType": "application/json; charset=utf-8"});
    let alone = json!({"kty": "RSA-HSM", "attributes": exportable});
    let both = json!({"kty": "RSA-HSM", "attributes": exportable, "release_policy": policy});
    let only_policy = json!({"kty": "RSA", "release_policy": policy});
    for (keys, body, message) in [
        (&officer, &alone, "AKV.SKR.1004: Exportable keys must have release policy."),
        (&officer, &only_policy, "AKV.SKR.1005: Non-exportable keys must not have release policy."),
        (&standard, &only_policy, "AKV.SKR.1005: Non-exportable keys must not have release policy."),
        (&standard, &json!({"kty": "RSA", "attributes": exportable}), ELSEWHERE),
    ] {
        says(&keys.create("k", body.clone()).await, 400, "BadParameter", "", message);
    }
    let old = request(
        Method::POST,
        &officer.host,
        "/keys/k/create?api-version=7.2",
        Some(&officer.token),
        Some(&alone),
    );
    says(&send(&world.router, old).await, 400, "BadParameter", "", ELSEWHERE);
    let refused = officer.create("k", both).await;
    refused.refused(400, "BadParameter", "");
    assert!(refused.message().contains("never exportable"));
    let null = json!({"kty": "RSA", "attributes": {"exportable": false}, "release_policy": null});
    officer.create("k", null).await.ok();
    says(
        &officer.patch("/keys/k/", json!({"attributes": {"exportable": true}})).await,
        400,
        "BadParameter",
        "",
        "AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.",
    );
    says(
        &officer.patch("/keys/k/", json!({"release_policy": policy})).await,
        400,
        "BadParameter",
        "",
        "AKV.SKR.1005: Non-exportable keys must not have release policy.",
    );
}

#[tokio::test]
async fn no_key_is_released() {
    let world = World::new().await;
    let officer = world.officer().await;
    let release =
        async |keys: &Keys<'_>, path: &str, body: Value| keys.call(Method::POST, path, Some(&body)).await;
    let body = json!({"target": "eyJhbGciOiJub25lIn0.e30.", "nonce": "n", "enc": "CKM_RSA_AES_KEY_WRAP"});
    release(&officer, "/keys/k//release", body.clone()).await.refused(404, "KeyNotFound", "");
    let version = officer.make("k").await;
    for path in
        ["/keys/k//release".to_owned(), "/keys/k/Release".into(), format!("/keys/k/{version}/release")]
    {
        let refused = release(&officer, &path, body.clone()).await;
        let message = "Operation release is not permitted on this key.";
        says(&refused, 403, "Forbidden", "KeyOperationForbidden", message);
    }
    for wrong in [json!({}), json!({"target": ""}), json!({"target": 1}), json!(null)] {
        release(&officer, "/keys/k/release", wrong).await.refused(400, "BadParameter", "");
    }
    let bob = user(&world.vault.administration(), world.contoso.directory, "bob@contoso.com").await;
    world.manage().assign(&world.contoso.vault_path(), &bob, CRYPTO_USER, 9).await.ok();
    let bob = world.keys(&bob).await;
    release(&bob, "/keys/k/release", body.clone()).await.refused(403, "Forbidden", "ForbiddenByRbac");
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    release(&officer, "/keys/k/release", body).await.refused(403, "Forbidden", "KeyDisabled");
}

#[tokio::test]
async fn a_key_under_a_key_of_hardware_is_not_imported() {
    let world = World::new().await;
    let officer = world.officer().await;
    let transfer = json!({"key": {"kty": "RSA-HSM", "key_ops": ["wrapKey"], "key_hsm": "eyJzY2hlbWFfdmVyc2lvbiI6IjEuMC4wIn0"}});
    let refused = import(&officer, transfer).await;
    refused.refused(400, "BadParameter", "");
    assert!(refused.message().contains("key_hsm"), "{}", refused.message());
}

#[tokio::test]
async fn what_vaults_or_this_one_do_not_have_is_no_operation() {
    let world = World::new().await;
    let officer = world.officer().await;
    let version = officer.make("k").await;
    for (method, path, word) in [
        (Method::POST, "/rng".to_owned(), "rng"),
        (Method::POST, format!("/keys/k/{version}/securewrapkey"), "securewrapkey"),
        (Method::POST, "/keys/k//secureunwrapkey".into(), "secureunwrapkey"),
        (Method::GET, "/keys/k/attestation".into(), "attestation"),
        (Method::GET, format!("/keys/k/{version}/attestation"), "attestation"),
        (Method::GET, "/secrets".into(), "secrets"),
        (Method::PUT, "/secrets/s".into(), "secrets"),
        (Method::GET, "/deletedsecrets".into(), "deletedsecrets"),
        (Method::GET, "/certificates/c/".into(), "certificates"),
        (Method::POST, "/certificates/c/create".into(), "certificates"),
        (Method::GET, "/storage".into(), "storage"),
    ] {
        let refused = officer.call(method.clone(), &path, None).await;
        says(
            &refused,
            400,
            "BadParameter",
            "",
            &format!("Method {method} does not allow operation '{word}'"),
        );
    }
    officer.get("/keys/k").await.ok();
}
