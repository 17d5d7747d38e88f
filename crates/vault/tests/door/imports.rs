//! Keys that were made elsewhere: what is taken, how it is shown, what is refused.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{RsaPrivate, RsaSize};
use freehold_vault::Log;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Keys, SECRET, World, user, value, version};

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn import(keys: &Keys<'_>, name: &str, body: &Value) -> Answer {
    keys.call(Method::PUT, &format!("/keys/{name}"), Some(body)).await
}

/// The integers of an RSA key in PKCS#8, as DER writes them: a zero in front of the large ones.
fn rsa(key: &RsaPrivate) -> Value {
    fn content(der: &[u8]) -> (&[u8], &[u8]) {
        let (start, len) = match der[1] {
            0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
            0x81 => (3, usize::from(der[2])),
            short => (2, usize::from(short)),
        };
        (&der[start..start + len], &der[start + len..])
    }
    let pkcs8 = key.to_pkcs8();
    let (_version, rest) = content(content(&pkcs8).0);
    let (_algorithm, rest) = content(rest);
    let (_version, mut rest) = content(content(content(rest).0).0);
    let mut jwk = json!({"kty": "RSA"});
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let (number, behind) = content(rest);
        jwk[name] = text(number).into();
        rest = behind;
    }
    jwk
}

fn ec(curve: &str, algorithm: &'static EcdsaSigningAlgorithm) -> Value {
    let key = EcdsaKeyPair::generate(algorithm).unwrap();
    let d = key.private_key().as_be_bytes().unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(d.as_ref().len());
    json!({"kty": "EC", "crv": curve, "d": text(d.as_ref()), "x": text(x), "y": text(y)})
}

#[tokio::test]
async fn an_imported_rsa_key_is_the_one_that_was_sent() {
    let world = World::new().await;
    let officer = world.officer().await;
    for size in [RsaSize::Rsa2048, RsaSize::Rsa3072, RsaSize::Rsa4096] {
        let key = RsaPrivate::generate(size).unwrap();
        let jwk = rsa(&key);
        let sent = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        assert_eq!((sent[0], sent.len()), (0, size.bytes() + 1), "with a zero in front");
        let body =
            json!({"key": jwk, "attributes": {"enabled": true, "exp": 1795522000}, "tags": {"a": "b"}});
        let bundle = import(&officer, "Key-IN", &body).await.ok();
        let expected = json!({
            "key": {
                "kid": bundle["key"]["kid"], "kty": "RSA", "n": text(&key.modulus()), "e": "AQAB",
                "key_ops": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
            },
            "attributes": {
                "enabled": true, "exp": 1795522000, "key_size": size.bits(), "created": 1795521600,
                "updated": 1795521600, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
                "exportable": false, "hsmPlatform": "0",
            },
            "tags": {"a": "b"},
        });
        assert_eq!(bundle, expected);
        let wrapped = value(officer.wrap("Key-IN").await);
        let raw = URL_SAFE_NO_PAD.decode(&wrapped).unwrap();
        assert_eq!(text(&key.unwrap(crypto::RsaPadding::Oaep256, &raw).unwrap()), SECRET);
        assert_eq!(value(officer.unwrap("Key-IN", &version(&bundle), &wrapped).await), SECRET);
    }
    let page = officer.get("/keys/key-in/versions").await.ok();
    assert_eq!(page["value"].as_array().unwrap().len(), 3, "each import is a new version");
}

#[tokio::test]
async fn an_imported_key_on_a_curve_signs() {
    let world = World::new().await;
    let officer = world.officer().await;
    for (curve, alg, len, algorithm) in [
        ("P-256", "ES256", 32, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        ("P-256K", "ES256K", 32, &signature::ECDSA_P256K1_SHA256_FIXED_SIGNING),
        ("P-384", "ES384", 48, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        ("P-521", "ES512", 64, &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    ] {
        let jwk = ec(curve, algorithm);
        let bundle = import(&officer, "k", &json!({ "key": jwk })).await.ok();
        for part in ["kty", "crv", "x", "y"] {
            assert_eq!(bundle["key"][part], jwk[part], "{curve} {part}");
        }
        assert_eq!(bundle["key"]["key_ops"], json!(["sign", "verify"]));
        assert!(bundle["key"].get("d").is_none());
        let digest = text(&vec![7; len]);
        let signed = value(officer.operate("/keys/k//sign", alg, &digest).await);
        let body = json!({"alg": alg, "digest": digest, "value": signed});
        let answer = officer.call(Method::POST, "/keys/k/verify", Some(&body)).await.ok();
        assert_eq!(answer["value"], true);
    }
}

#[tokio::test]
async fn the_types_that_name_hardware_are_taken_where_they_are_made() {
    let world = World::new().await;
    let officer = world.officer().await;
    let jwk = ec("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let mut named = jwk.clone();
    named["kty"] = json!("EC-HSM");
    let bodies = [json!({"key": jwk, "Hsm": true}), json!({ "key": named })];
    for body in &bodies {
        let bundle = import(&officer, "k", body).await.ok();
        assert_eq!(
            (&bundle["key"]["kty"], &bundle["attributes"]["hsmPlatform"]),
            (&json!("EC-HSM"), &json!("0"))
        );
    }
    let mut standard = crate::world::vault_body(&world.contoso);
    standard["properties"]["sku"]["name"] = json!("standard");
    world.manage().put(&world.contoso.vault_path(), &standard).await.ok();
    for body in &bodies {
        import(&officer, "k", body).await.refused(400, "BadParameter", "");
    }
}

#[tokio::test]
async fn what_is_no_whole_private_key_is_refused_and_not_repeated() {
    let world = World::new().await;
    let officer = world.officer().await;
    let rsa = rsa(&RsaPrivate::generate(RsaSize::Rsa2048).unwrap());
    let ec = ec("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        json!({ "key": key })
    };
    let mut bodies = vec![
        json!({}),
        json!({"key": {}}),
        with(&ec, "crv", json!("P-384")),
        with(&ec, "crv", json!("P-256K")),
        with(&ec, "crv", json!(null)),
        with(&ec, "x", ec["y"].clone()),
        with(&ec, "key_ops", json!(["sign", "wrapKey"])),
        with(&rsa, "p", rsa["q"].clone()),
        with(&rsa, "dp", rsa["dq"].clone()),
        with(&rsa, "d", json!("AQAB")),
        with(&rsa, "n", json!("AQAB")),
        with(&rsa, "d", json!("not base64!")),
        with(&rsa, "d", json!(7)),
        with(&rsa, "kty", json!("EC")),
        with(&rsa, "key_hsm", json!("AAAA")),
        with(&rsa, "key_ops", json!(["import"])),
        json!({"key": rsa, "attributes": {"exportable": true}}),
        json!({"key": rsa, "attributes": {"nbf": 5, "exp": 5}}),
        json!({"key": rsa, "release_policy": {"data": "x"}}),
        json!({"key": rsa, "tags": {"": "x"}}),
    ];
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        bodies.push(with(&rsa, name, json!(null)));
    }
    for name in ["d", "x", "y"] {
        bodies.push(with(&ec, name, json!("")));
    }
    for body in &bodies {
        let refused = import(&officer, "k", body).await;
        refused.refused(400, "BadParameter", "");
        for private in [&rsa["d"], &rsa["p"], &ec["d"]] {
            assert!(!refused.json.to_string().contains(private.as_str().unwrap()));
        }
    }
    officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
}

#[tokio::test]
async fn an_import_needs_its_right_and_its_record_holds_nothing_of_the_key() {
    let world = World::new().await;
    let (officer, service) = (world.officer().await, world.service().await);
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    world.manage().assign(&world.contoso.vault_path(), &carol, crate::world::CRYPTO_USER, 9).await.ok();
    let carol = world.keys(&carol).await;
    let jwk = ec("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let body = json!({ "key": jwk });
    for keys in [&service, &carol] {
        let refused = import(keys, "k", &body).await;
        refused.refused(403, "Forbidden", "ForbiddenByRbac");
        assert!(refused.message().contains("Action: 'Microsoft.KeyVault/vaults/keys/import/action'"));
    }
    let bundle = import(&officer, "k", &body).await.ok();
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 1000).await.unwrap();
    let records: Vec<Value> = rows.iter().map(|row| row.parse().unwrap()).collect();
    assert!(records.iter().all(|record| record["operationName"] == "KeyImport"));
    let last = records.last().unwrap();
    assert_eq!((&last["resultType"], &last["properties"]["id"]), (&json!("Success"), &bundle["key"]["kid"]));
    assert!(!records.iter().any(|record| record.to_string().contains(jwk["d"].as_str().unwrap())));
}
