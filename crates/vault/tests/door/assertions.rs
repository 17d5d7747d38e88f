//! Proofs that are no secret: an application's certificate, and the word of another issuer.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use freehold_vault::{ApplicationId, NewApplication, NewFederation};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::time::Clock;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use serde_json::{Value, json};

use crate::sign_in::{claims, number, post};
use crate::world::{Answer, SUFFIX, World, YEAR, token};

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Somebody with an RSA key and a certificate of it.
struct Signer {
    key: EncodingKey,
    certificate: Vec<u8>,
    modulus: Vec<u8>,
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate =
            CertificateParams::new(vec!["app.example".into()]).unwrap().self_signed(&pair).unwrap();
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", &pair.serialize_der()).as_bytes()).unwrap();
        // PKCS#1: a sequence of the modulus, in 257 bytes with its zero in front, and the exponent.
        let public = pair.der_bytes();
        Self { key, certificate: certificate.der().to_vec(), modulus: public[9..265].to_vec() }
    }

    fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    fn thumbprint(&self, with: &'static aws_lc_rs::digest::Algorithm) -> String {
        URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(with, &self.certificate))
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        let mut header = Header::new(algorithm);
        header.x5t = Some(self.thumbprint(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY));
        header
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    fn keys(&self) -> String {
        let n = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({"keys": [{"kty": "RSA", "kid": "k1", "use": "sig", "n": n, "e": "AQAB"}]}).to_string()
    }
}

async fn show(world: &World, at: &str, client: ApplicationId, assertion: &str) -> Answer {
    let form = format!(
        "grant_type=client_credentials&client_id={client}&client_assertion={assertion}&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
         scope=https://vault.localhost/.default"
    );
    post(world, at, &form).await
}

fn own(world: &World, audience: &str) -> Value {
    let (client, now) = (world.contoso.application, world.clock.now().seconds());
    json!({"iss": client, "sub": client, "aud": audience, "jti": "1", "nbf": now, "exp": now + 600})
}

#[tokio::test]
async fn a_certificate_proves_the_application_under_every_name_of_the_endpoint() {
    let world = World::new().await;
    let (contoso, admin, signer) = (&world.contoso, world.vault.administration(), Signer::new());
    admin.add_domain(contoso.directory, "contoso.com").await.unwrap();
    let given = admin.add_certificate(contoso.application, &signer.pem()).await.unwrap();
    assert_eq!(given.thumbprint, signer.thumbprint(&aws_lc_rs::digest::SHA256));
    let directory = contoso.directory.to_string();
    let mut by_sha256 = Header::new(Algorithm::PS256);
    by_sha256.x5t_s256 = Some(given.thumbprint.clone());
    for (header, audience) in [
        (signer.header(Algorithm::RS256), format!("https://login.{SUFFIX}/{directory}/oauth2/v2.0/token")),
        (signer.header(Algorithm::PS256), format!("https://login.{SUFFIX}/contoso.com/oauth2/v2.0/token")),
        (by_sha256, format!("https://login.{SUFFIX}/{directory}/oauth2/token")),
    ] {
        let assertion = signer.sign(&header, &own(&world, &audience));
        let reply = show(&world, &directory, contoso.application, &assertion).await.ok();
        assert_eq!(claims(&reply["access_token"])["appidacr"], "2");
        // Clients keep an assertion for minutes and ask for several tokens with it.
        show(&world, "contoso.com", contoso.application, &assertion).await.ok();
    }
    admin.remove_certificate(contoso.application, &given.thumbprint).await.unwrap();
    let assertion = signer.sign(
        &signer.header(Algorithm::RS256),
        &own(&world, &format!("https://login.{SUFFIX}/{directory}/oauth2/v2.0/token")),
    );
    assert_eq!(number(&show(&world, &directory, contoso.application, &assertion).await), 700027);
}

#[tokio::test]
async fn an_assertion_that_breaks_one_rule_is_refused_with_its_number() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let (signer, stranger) = (Signer::new(), Signer::new());
    admin.add_certificate(contoso.application, &signer.pem()).await.unwrap();
    let directory = contoso.directory.to_string();
    let audience = format!("https://login.{SUFFIX}/{directory}/oauth2/v2.0/token");
    let (good, now) = (own(&world, &audience), world.clock.now().seconds());
    let header = signer.header(Algorithm::RS256);
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        signer.sign(&header, &claims)
    };
    let right = signer.sign(&header, &good);
    let parts: Vec<&str> = right.split('.').collect();
    let mut raised = good.clone();
    raised["exp"] = json!(now + 601);
    let moved = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(raised.to_string()), parts[2]);
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "x5t": header.x5t}).to_string());
    let mut hmac = header.clone();
    hmac.alg = Algorithm::HS256;
    let hmac = jsonwebtoken::encode(&hmac, &good, &EncodingKey::from_secret(&signer.certificate)).unwrap();
    for (what, assertion, status, expected) in [
        ("no token", "x".to_owned(), 400, 50027),
        ("alg none", format!("{none}.{}.", parts[1]), 400, 50027),
        ("HMAC with the certificate", hmac, 401, 700027),
        ("changed", moved, 401, 700027),
        ("another's key under this name", stranger.sign(&header, &good), 401, 700027),
        ("another's certificate", stranger.sign(&stranger.header(Algorithm::RS256), &good), 401, 700027),
        ("no certificate named", signer.sign(&Header::new(Algorithm::RS256), &good), 401, 700027),
        ("another algorithm", signer.sign(&signer.header(Algorithm::RS512), &good), 401, 700027),
        ("for another client", with("sub", json!(uuid::Uuid::nil())), 401, 700021),
        ("ended", with("exp", json!(now - 300)), 401, 700024),
        ("without an end", with("exp", Value::Null), 401, 700024),
        ("good for a day", with("exp", json!(now + 86_400)), 401, 700024),
        ("not yet", with("nbf", json!(now + 301)), 401, 700024),
        (
            "elsewhere",
            with("aud", json!("https://login.microsoftonline.com/x/oauth2/v2.0/token")),
            401,
            700023,
        ),
        (
            "a suffix of ours",
            with("aud", json!(format!("https://evil-login.{SUFFIX}/{directory}"))),
            401,
            700023,
        ),
        (
            "another directory",
            with("aud", json!(format!("https://login.{SUFFIX}/{}/", uuid::Uuid::nil()))),
            401,
            700023,
        ),
    ] {
        let answer = show(&world, &directory, contoso.application, &assertion).await;
        assert_eq!((answer.status.as_u16(), number(&answer)), (status, expected), "{what}: {}", answer.json);
    }
    show(&world, &directory, contoso.application, &right).await.ok();
    // Who proves nothing does not learn that an application of another directory exists.
    let other = admin.create_directory(None, "other").await.unwrap();
    let new = NewApplication { client_id: None, display_name: "p", secret_life: YEAR };
    let (foreign, _) = admin.create_application(other, new).await.unwrap();
    assert_eq!(number(&show(&world, &directory, foreign, &right).await), 700016);
    let form = format!(
        "grant_type=client_credentials&client_id={foreign}&client_assertion={right}&client_assertion_type=saml"
    );
    assert_eq!(number(&post(&world, &directory, &form).await), 90023);
}

#[tokio::test]
async fn only_rsa_certificates_in_pem_are_taken_and_four_at_most() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let app = contoso.application;
    let pair = KeyPair::generate().unwrap();
    let curve = CertificateParams::new(vec![]).unwrap().self_signed(&pair).unwrap();
    for text in ["", "no pem", &pem("CERTIFICATE", b"no certificate"), &pem("CERTIFICATE", curve.der())] {
        assert!(admin.add_certificate(app, text).await.is_err(), "{text}");
    }
    let signer = Signer::new();
    admin.add_certificate(app, &signer.pem()).await.unwrap();
    assert!(admin.add_certificate(app, &signer.pem()).await.is_err());
    for _ in 1..4 {
        admin.add_certificate(app, &Signer::new().pem()).await.unwrap();
    }
    assert!(admin.add_certificate(app, &Signer::new().pem()).await.is_err());
}

#[tokio::test]
async fn another_issuers_word_is_taken_for_its_subject_and_audience_alone() {
    let world = World::new().await;
    let (contoso, admin, signer) = (&world.contoso, world.vault.administration(), Signer::new());
    let (directory, app, now) =
        (contoso.directory.to_string(), contoso.application, world.clock.now().seconds());
    let issuer = "https://kubernetes.example/cluster";
    let keys = signer.keys();
    let new = NewFederation { name: "cluster", issuer, subject: "ns:sa", audience: None, keys: Some(&keys) };
    admin.add_federated_credential(app, new).await.unwrap();
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("k1".into());
    let good =
        json!({"iss": issuer, "sub": "ns:sa", "aud": ["api://AzureADTokenExchange"], "exp": now + 3600});
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        signer.sign(&header, &claims)
    };
    let right = signer.sign(&header, &good);
    show(&world, &directory, app, &right).await.ok();
    // What another credential of the same issuer still names is no key of this one.
    let former = Signer::new();
    let former_keys = former.keys();
    let old = NewFederation {
        name: "other",
        issuer,
        subject: "ns:other-app",
        audience: None,
        keys: Some(&former_keys),
    };
    admin.add_federated_credential(app, old).await.unwrap();
    let retired = show(&world, &directory, app, &former.sign(&header, &good)).await;
    assert_eq!((retired.status.as_u16(), number(&retired)), (401, 700213), "{}", retired.json);
    admin.remove_federated_credential(app, "other").await.unwrap();
    let mut other_kid = header.clone();
    other_kid.kid = Some("k2".into());
    for (what, assertion, expected) in [
        ("issuer", with("iss", json!("https://kubernetes.example/Cluster")), 700211),
        ("subject", with("sub", json!("ns:other")), 700213),
        ("audience", with("aud", json!("api://other")), 700212),
        ("time", with("exp", json!(now - 300)), 700024),
        ("key", Signer::new().sign(&header, &good), 700027),
        ("key id", signer.sign(&other_kid, &good), 700027),
    ] {
        let answer = show(&world, &directory, app, &assertion).await;
        assert_eq!((answer.status.as_u16(), number(&answer)), (401, expected), "{what}: {}", answer.json);
    }
    for refused in [
        NewFederation { keys: None, ..new },
        NewFederation { issuer: "http://kubernetes.example", ..new },
        NewFederation { keys: Some("{\"keys\":[]}"), ..new },
        NewFederation { keys: Some("x"), ..new },
        NewFederation { subject: "", ..new },
    ] {
        assert!(admin.add_federated_credential(app, refused).await.is_err(), "{refused:?}");
    }
    admin.remove_federated_credential(app, "cluster").await.unwrap();
    assert_eq!(number(&show(&world, &directory, app, &right).await), 700211);
}

#[tokio::test]
async fn a_principal_of_this_program_speaks_for_an_application_while_it_stands() {
    let world = World::new().await;
    let (contoso, admin) = (&world.contoso, world.vault.administration());
    let directory = contoso.directory.to_string();
    let new = NewApplication { client_id: None, display_name: "workload", secret_life: YEAR };
    let (app, _) = admin.create_application(contoso.directory, new).await.unwrap();
    admin.consent(app, contoso.directory).await.unwrap();
    let issuer = format!("https://login.{SUFFIX}/{directory}/");
    let subject = contoso.service.principal.to_string();
    let new = NewFederation { name: "own", issuer: &issuer, subject: &subject, audience: None, keys: None };
    admin.add_federated_credential(app, new).await.unwrap();
    let exchange = token(&world.router, contoso, &contoso.service, "api://AzureADTokenExchange").await;
    let reply = show(&world, &directory, app, &exchange).await.ok();
    assert_eq!(claims(&reply["access_token"])["appid"], json!(app));
    // A token for something else, and one of somebody else, are no word for it.
    let keys = token(&world.router, contoso, &contoso.service, "https://vault.localhost").await;
    assert_eq!(number(&show(&world, &directory, app, &keys).await), 700212);
    let officer = token(&world.router, contoso, &contoso.officer, "api://AzureADTokenExchange").await;
    assert_eq!(number(&show(&world, &directory, app, &officer).await), 700213);
    admin.disable_application(contoso.application).await.unwrap();
    assert_eq!(number(&show(&world, &directory, app, &exchange).await), 700213);
}
