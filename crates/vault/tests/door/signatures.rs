//! Keys on curves and signatures: what they look like, who may make them, and what is refused.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use freehold_vault::Log;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, CRYPTO_USER, Keys, World, user, value, version};

/// Curve, algorithm, bytes of a coordinate, bytes of a digest.
const CURVES: [(&str, &str, usize, usize); 4] = [
    ("P-256", "ES256", 32, 32),
    ("P-256K", "ES256K", 32, 32),
    ("P-384", "ES384", 48, 48),
    ("P-521", "ES512", 66, 64),
];

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

async fn sign(keys: &Keys<'_>, name: &str, alg: &str, digest: &[u8]) -> Answer {
    keys.operate(&format!("/keys/{name}//sign"), alg, &text(digest)).await
}

async fn verify(keys: &Keys<'_>, name: &str, alg: &str, digest: &[u8], signature: &str) -> Answer {
    let body = json!({"alg": alg, "digest": text(digest), "value": signature});
    keys.call(Method::POST, &format!("/keys/{name}/verify"), Some(&body)).await
}

#[tokio::test]
async fn a_key_on_a_curve_looks_as_the_service_shows_it() {
    let world = World::new().await;
    let officer = world.officer().await;
    let bundle = officer.create("k", json!({"kty": "EC"})).await.ok();
    let (x, y) = (bundle["key"]["x"].as_str().unwrap(), bundle["key"]["y"].as_str().unwrap());
    let expected = json!({
        "key": {
            "kid": bundle["key"]["kid"], "kty": "EC", "crv": "P-256", "x": x, "y": y, "key_ops": ["sign", "verify"],
        },
        "attributes": {
            "enabled": true, "created": 1795521600, "updated": 1795521600,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90, "exportable": false, "hsmPlatform": "0",
        },
    });
    assert_eq!(bundle, expected);
    assert_eq!(officer.get("/keys/k").await.ok(), expected);
    for (curve, _, width, _) in CURVES {
        let bundle =
            officer.create("all", json!({"kty": "EC", "crv": curve, "key_ops": ["verify"]})).await.ok();
        assert_eq!(bundle["key"]["crv"], curve);
        assert_eq!(bundle["key"]["key_ops"], json!(["verify"]));
        assert_eq!((bytes(&bundle["key"]["x"]).len(), bytes(&bundle["key"]["y"]).len()), (width, width));
    }
    let page = officer.get("/keys/all/versions").await.ok();
    assert_eq!(page["value"].as_array().unwrap().len(), 4);
    assert!(
        page["value"].as_array().unwrap().iter().all(|item| item["attributes"].get("key_size").is_none())
    );
}

#[tokio::test]
async fn types_that_name_hardware_need_a_premium_vault_and_are_software_all_the_same() {
    let world = World::new().await;
    let officer = world.officer().await;
    for kind in ["RSA-HSM", "EC-HSM"] {
        let bundle = officer.create("k", json!({"kty": kind})).await.ok();
        assert_eq!(
            (&bundle["key"]["kty"], &bundle["attributes"]["hsmPlatform"]),
            (&json!(kind), &json!("0"))
        );
    }
    let mut standard = crate::world::vault_body(&world.contoso);
    standard["properties"]["sku"]["name"] = json!("standard");
    world.manage().put(&world.contoso.vault_path(), &standard).await.ok();
    for kind in ["RSA-HSM", "EC-HSM"] {
        let refused = officer.create("k", json!({"kty": kind})).await;
        refused.refused(400, "BadParameter", "");
        assert!(refused.message().contains("premium"), "{}", refused.message());
    }
    officer.create("k", json!({"kty": "EC"})).await.ok();
}

#[tokio::test]
async fn what_a_curve_signs_is_verified_here_and_elsewhere() {
    let world = World::new().await;
    let officer = world.officer().await;
    for (curve, alg, width, len) in CURVES {
        let bundle = officer.create("k", json!({"kty": "EC", "crv": curve})).await.ok();
        let message = b"what is signed";
        let (algorithm, verifier): (_, &'static dyn VerificationAlgorithm) = match alg {
            "ES256" => (&aws_lc_rs::digest::SHA256, &signature::ECDSA_P256_SHA256_FIXED),
            "ES256K" => (&aws_lc_rs::digest::SHA256, &signature::ECDSA_P256K1_SHA256_FIXED),
            "ES384" => (&aws_lc_rs::digest::SHA384, &signature::ECDSA_P384_SHA384_FIXED),
            _ => (&aws_lc_rs::digest::SHA512, &signature::ECDSA_P521_SHA512_FIXED),
        };
        let digest = aws_lc_rs::digest::digest(algorithm, message);
        let signed = sign(&officer, "k", alg, digest.as_ref()).await.ok();
        assert_eq!(signed.as_object().unwrap().keys().collect::<Vec<_>>(), ["kid", "value"]);
        assert_eq!(signed["kid"], bundle["key"]["kid"]);
        let raw = bytes(&signed["value"]);
        assert_eq!(raw.len(), 2 * width, "{curve}");
        let point = [vec![4], bytes(&bundle["key"]["x"]), bytes(&bundle["key"]["y"])].concat();
        UnparsedPublicKey::new(verifier, point).verify(message, &raw).expect(curve);

        let signed = signed["value"].as_str().unwrap();
        let answer = verify(&officer, "k", alg, digest.as_ref(), signed).await.ok();
        assert_eq!(answer, json!({"value": true}), "{curve}");
        for (digest, signed) in [(vec![9; len], signed), (digest.as_ref().to_vec(), "AAAA")] {
            assert_eq!(verify(&officer, "k", alg, &digest, signed).await.ok(), json!({"value": false}));
        }
    }
}

#[tokio::test]
async fn what_rsa_signs_is_verified_here_and_elsewhere() {
    let world = World::new().await;
    let officer = world.officer().await;
    let bundle = officer.create("k", json!({"kty": "RSA"})).await.ok();
    let parts =
        signature::RsaPublicKeyComponents { n: bytes(&bundle["key"]["n"]), e: bytes(&bundle["key"]["e"]) };
    let (s256, s384, s512) =
        (&aws_lc_rs::digest::SHA256, &aws_lc_rs::digest::SHA384, &aws_lc_rs::digest::SHA512);
    for (alg, algorithm, verifier) in [
        ("RS256", s256, &signature::RSA_PKCS1_2048_8192_SHA256),
        ("RS384", s384, &signature::RSA_PKCS1_2048_8192_SHA384),
        ("RS512", s512, &signature::RSA_PKCS1_2048_8192_SHA512),
        ("PS256", s256, &signature::RSA_PSS_2048_8192_SHA256),
        ("PS384", s384, &signature::RSA_PSS_2048_8192_SHA384),
        ("PS512", s512, &signature::RSA_PSS_2048_8192_SHA512),
    ] {
        let digest = aws_lc_rs::digest::digest(algorithm, b"what is signed");
        let signed = value(sign(&officer, "k", alg, digest.as_ref()).await);
        let raw = URL_SAFE_NO_PAD.decode(&signed).unwrap();
        parts.verify(verifier, b"what is signed", &raw).expect(alg);
        for (alg, good) in [(alg, true), (if alg.starts_with('R') { "PS256" } else { "RS256" }, false)] {
            if good || digest.as_ref().len() == 32 {
                let answer = verify(&officer, "k", alg, digest.as_ref(), &signed).await.ok();
                assert_eq!(answer, json!({ "value": good }), "{alg}");
            }
        }
    }
}

#[tokio::test]
async fn a_signature_of_another_version_is_not_this_ones() {
    let world = World::new().await;
    let officer = world.officer().await;
    let first = version(&officer.create("k", json!({"kty": "EC"})).await.ok());
    let signed = value(sign(&officer, "k", "ES256", &[7; 32]).await);
    officer.create("k", json!({"kty": "EC"})).await.ok();
    assert_eq!(verify(&officer, "k", "ES256", &[7; 32], &signed).await.ok()["value"], false);
    let path = format!("k/{first}");
    assert_eq!(verify(&officer, &path, "ES256", &[7; 32], &signed).await.ok()["value"], true);
}

#[tokio::test]
async fn what_cannot_be_signed_or_verified_is_a_bad_parameter() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.create("ec", json!({"kty": "EC"})).await.ok();
    officer.make("rsa").await;
    for (name, alg, len) in [
        ("ec", "ES256", 31),
        ("ec", "ES256", 33),
        ("ec", "ES256", 0),
        ("ec", "ES256K", 32),
        ("ec", "ES384", 48),
        ("ec", "RS256", 32),
        ("rsa", "ES256", 32),
        ("rsa", "RS256", 48),
        ("rsa", "PS512", 32),
        ("rsa", "RSNULL", 32),
        ("rsa", "rs256", 32),
        ("rsa", "RSA-OAEP-256", 32),
    ] {
        sign(&officer, name, alg, &vec![7; len]).await.refused(400, "BadParameter", "");
        verify(&officer, name, alg, &vec![7; len], "AAAA").await.refused(400, "BadParameter", "");
    }
    let good = text(&[7; 32]);
    for body in [
        json!({"alg": "ES256", "digest": good}),
        json!({"alg": "ES256", "value": good}),
        json!({"digest": good, "value": good}),
        json!({"alg": "ES256", "digest": "not base64!", "value": good}),
        json!({"alg": "ES256", "digest": good, "value": ""}),
    ] {
        officer.call(Method::POST, "/keys/ec/verify", Some(&body)).await.refused(400, "BadParameter", "");
    }
    sign(&officer, "none", "ES256", &[7; 32]).await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn a_key_on_a_curve_wraps_and_encrypts_nothing() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.create("k", json!({"kty": "EC"})).await.ok();
    for (path, word) in
        [("wrapkey", "wrapKey"), ("unwrapkey", "unwrapKey"), ("encrypt", "encrypt"), ("decrypt", "decrypt")]
    {
        let refused = officer.operate(&format!("/keys/k//{path}"), "RSA-OAEP-256", &text(&[7; 32])).await;
        refused.refused(403, "Forbidden", "KeyOperationForbidden");
        assert_eq!(refused.message(), format!("Operation {word} is not permitted on this key."));
    }
    let asked = json!({"key_ops": ["sign", "wrapKey"]});
    officer.patch("/keys/k/", asked).await.refused(400, "BadParameter", "");
    officer.patch("/keys/k/", json!({"key_ops": ["verify"]})).await.ok();
    sign(&officer, "k", "ES256", &[7; 32]).await.refused(403, "Forbidden", "KeyOperationForbidden");
}

#[tokio::test]
async fn outside_its_time_a_key_verifies_and_does_not_sign() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.create("k", json!({"kty": "EC"})).await.ok();
    let signed = value(sign(&officer, "k", "ES256", &[7; 32]).await);
    for (attributes, inner) in [
        (json!({"nbf": 1795521601i64, "exp": 1795521700i64}), "KeyNotYetValid"),
        (json!({"nbf": 0, "exp": 1795521600i64}), "KeyExpired"),
    ] {
        officer.patch("/keys/k/", json!({ "attributes": attributes })).await.ok();
        sign(&officer, "k", "ES256", &[7; 32]).await.refused(403, "Forbidden", inner);
        assert_eq!(verify(&officer, "k", "ES256", &[7; 32], &signed).await.ok()["value"], true);
    }
    officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    sign(&officer, "k", "ES256", &[7; 32]).await.refused(403, "Forbidden", "KeyDisabled");
    verify(&officer, "k", "ES256", &[7; 32], &signed).await.refused(403, "Forbidden", "KeyDisabled");
}

#[tokio::test]
async fn whoever_may_read_a_key_may_verify_with_it_and_not_sign() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    officer.create("k", json!({"kty": "EC"})).await.ok();
    let signed = value(sign(&officer, "k", "ES256", &[7; 32]).await);
    assert_eq!(verify(&service, "k", "ES256", &[7; 32], &signed).await.ok()["value"], true);
    let refused = sign(&service, "k", "ES256", &[7; 32]).await;
    refused.refused(403, "Forbidden", "ForbiddenByRbac");
    assert!(refused.message().contains("Action: 'Microsoft.KeyVault/vaults/keys/sign/action'"));
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    let keys = world.keys(&carol).await;
    verify(&keys, "k", "ES256", &[7; 32], &signed).await.refused(403, "Forbidden", "ForbiddenByRbac");
    world.manage().assign(&world.contoso.vault_path(), &carol, CRYPTO_USER, 9).await.ok();
    value(sign(&keys, "k", "ES256", &[7; 32]).await);
}

#[tokio::test]
async fn signatures_are_in_the_log_and_what_was_signed_is_not() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.create("k", json!({"kty": "EC"})).await.ok();
    let signed = value(sign(&officer, "k", "ES256", &[7; 32]).await);
    verify(&officer, "k", "ES256", &[8; 32], &signed).await.ok();
    sign(&officer, "k", "RS256", &[7; 32]).await.refused(400, "BadParameter", "");
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 1000).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    let told: Vec<(&str, &str)> = records
        .iter()
        .map(|record| {
            (record["operationName"].as_str().unwrap(), record["resultDescription"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("KeyCreate", ""), ("KeySign", ""), ("KeyVerify", ""), ("KeySign", "BadParameter")]);
    for told in [signed, text(&[7; 32])] {
        assert!(!records.iter().any(|record| record.to_string().contains(&told)));
    }
}
