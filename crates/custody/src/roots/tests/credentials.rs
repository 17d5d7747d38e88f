//! Every kind of credential: what it shows the token service, that files are read again, and whose fault a failure is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use axum::Router;
use axum::extract::{Request, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::fault::Fault;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::roots::{Endpoint, IdentityName, ManagedIdentity, NoSecret};

const TOKEN: &str = "aGVhZA.Ym9keQ.c2ln";

/// A folder with a file that its owner alone reads.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credential");
    write(&path, text);
    (folder, path)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the owner may");
}

/// A lab whose tokens end at once, so that each call asks for another, by an application with this credential.
async fn lab(credential: Credential) -> Lab {
    with(credential, |seen| match seen.is_token() {
        true => Reply::Json(200, json!({"token_type": "Bearer", "expires_in": 0, "access_token": "t"})),
        false => Reply::Sound,
    })
    .await
}

async fn with(credential: Credential, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Lab {
    let authority = Authority::new();
    let server = Server::start(&authority, "vault.localhost", script).await;
    let application = Application { credential, ..application(&authority, &server) };
    let (roots, clock) = roots(application);
    Lab { server, roots, clock }
}

/// The form fields of the last question to the token service.
fn asked(lab: &Lab) -> Vec<(String, String)> {
    let seen = lab.server.seen();
    let last = seen.iter().rfind(|seen| seen.is_token()).expect("a token was asked for");
    url::form_urlencoded::parse(last.body.as_bytes()).into_owned().collect()
}

fn field(asked: &[(String, String)], name: &str) -> Option<String> {
    asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

#[tokio::test]
async fn a_renewed_secret_is_used_for_the_next_token_and_a_broken_file_leaves_the_last_one() {
    let (_folder, path) = file("first");
    let lab = lab(Credential::secret(&path).expect("a secret")).await;
    lab.describe().await.expect("described");
    assert_eq!(field(&asked(&lab), "client_secret").as_deref(), Some("first"));
    write(&path, "second");
    lab.describe().await.expect("described");
    assert_eq!(field(&asked(&lab), "client_secret").as_deref(), Some("second"));
    for broken in ["", "two\nlines"] {
        write(&path, broken);
        lab.describe().await.expect("described");
        assert_eq!(field(&asked(&lab), "client_secret").as_deref(), Some("second"), "{broken:?}");
    }
    fs::remove_file(&path).expect("removed");
    lab.describe().await.expect("described");
    assert_eq!(field(&asked(&lab), "client_secret").as_deref(), Some("second"));
}

#[tokio::test]
async fn a_good_token_is_kept_whatever_becomes_of_the_file() {
    let (_folder, path) = file("first");
    let lab = with(Credential::secret(&path).expect("a secret"), |_| Reply::Sound).await;
    lab.describe().await.expect("described");
    write(&path, "second");
    lab.describe().await.expect("described");
    assert_eq!(lab.server.tokens(), 1);
}

#[tokio::test]
async fn an_expired_secret_is_ours_and_the_renewed_one_opens_again() {
    let (_folder, path) = file("old");
    let lab = with(Credential::secret(&path).expect("a secret"), |seen| {
        match seen.is_token() && seen.body.contains("client_secret=old") {
            true => Reply::oauth(401, "invalid_client", 7_000_222, "expired"),
            false => Reply::Sound,
        }
    })
    .await;
    let refused = lab.describe().await.expect_err("expired");
    assert_eq!(refused.judge(CredentialOwner::Operator).map(|found| found.fault), Some(Fault::Ours));
    write(&path, "new");
    lab.describe().await.expect("the same process, with the new secret");
}

#[tokio::test]
async fn an_assertion_is_shown_as_it_lies_in_its_file_and_read_again() {
    let (_folder, path) = file(TOKEN);
    for credential in [Credential::assertion(&path), Credential::federated_token(&path)] {
        write(&path, TOKEN);
        let lab = lab(credential.expect("an assertion")).await;
        lab.describe().await.expect("described");
        let first = asked(&lab);
        assert_eq!(field(&first, "client_assertion").as_deref(), Some(TOKEN));
        assert_eq!(field(&first, "client_secret"), None);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(field(&first, "client_assertion_type").as_deref(), Some(kind));
        write(&path, "bmV3.Ym9keQ.c2ln");
        lab.describe().await.expect("described");
        assert_eq!(field(&asked(&lab), "client_assertion").as_deref(), Some("bmV3.Ym9keQ.c2ln"));
    }
}

/// A PEM file of a new key and a certificate for it, the certificate's DER and its public key.
fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
    let made =
        rcgen::CertificateParams::new(Vec::new()).expect("no names").self_signed(&key).expect("signed");
    let pem = |label: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let der = made.der().to_vec();
    (
        format!("{}{}", pem("PRIVATE KEY", &key.serialize_der()), pem("CERTIFICATE", &der)),
        der,
        key.public_key_raw().to_vec(),
    )
}

#[tokio::test]
async fn a_certificate_signs_another_short_assertion_for_each_token() {
    let (pem, der, public) = certificate(&rcgen::PKCS_RSA_SHA256);
    let (_folder, path) = file(&pem);
    let random = Arc::new(SeededRandom::new(3));
    let lab = lab(Credential::certificate(&path, random).expect("a certificate")).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        lab.describe().await.expect("described");
        let shown = field(&asked(&lab), "client_assertion").expect("an assertion");
        let parts: Vec<&str> = shown.split('.').collect();
        let part = |at: usize| URL_SAFE_NO_PAD.decode(parts[at]).expect("base64url");
        let json = |at: usize| serde_json::from_slice::<Value>(&part(at)).expect("JSON");
        let thumbprint = URL_SAFE_NO_PAD.encode(crypto::digest::sha256(&der));
        assert_eq!(json(0), json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        let claims = json(1);
        let audience =
            format!("https://login.vault.localhost/{}/oauth2/v2.0/token", DirectoryId::from_random([5; 16]));
        assert_eq!(claims["aud"], json!(audience));
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("freehold-exchange"), &json!("freehold-exchange"))
        );
        assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(1_800_000_000), &json!(1_800_000_600)));
        ids.push(claims["jti"].clone());
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let mut found = algorithms.mapping.iter();
        let (_, verify) =
            found.find(|(scheme, _)| *scheme == rustls::SignatureScheme::RSA_PSS_SHA256).expect("known");
        let text = shown.rsplit_once('.').expect("three parts").0;
        verify[0]
            .verify_signature(&public, text.as_bytes(), &part(2))
            .expect("signed by the certificate's key");
    }
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_file_that_is_no_rsa_key_with_its_certificate_is_refused_with_what_is_wrong() {
    let (rsa, ..) = certificate(&rcgen::PKCS_RSA_SHA256);
    let (ec, ..) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
    let cut = |pem: &str, keep_key: bool| {
        let at = pem.find("-----BEGIN CERTIFICATE").expect("two parts");
        if keep_key { pem[..at].to_owned() } else { pem[at..].to_owned() }
    };
    let other = certificate(&rcgen::PKCS_RSA_SHA256).0;
    for (text, why) in [
        (String::new(), "no private key"),
        (cut(&rsa, true), "no certificate"),
        (cut(&rsa, false), "no private key"),
        (format!("{}{}", cut(&rsa, true), cut(&other, false)), "not the first certificate's"),
        (ec, "no RSA key"),
        (rsa.repeat(40), "too large"),
    ] {
        let (_folder, path) = file(&text);
        let refused = Credential::certificate(&path, Arc::new(SeededRandom::new(3))).expect_err(why);
        assert!(
            matches!(refused, NoSecret::NotACertificate { .. }) && refused.to_string().contains(why),
            "{refused}"
        );
    }
    let (_folder, path) = file(&rsa);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("the owner may");
    let refused = Credential::certificate(&path, Arc::new(SeededRandom::new(3))).expect_err("others read it");
    assert!(matches!(refused, NoSecret::Readable { .. }));
}

/// What was asked: the path, and the header that proves it.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// An identity endpoint on loopback, what it was asked, and the credential that leads to it.
struct Platform {
    asked: Asked,
    url: String,
}

impl Platform {
    async fn start(status: u16, body: Value) -> Self {
        type Said = (Arc<Mutex<Vec<(String, Option<String>)>>>, u16, String);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let said: Said = (asked.clone(), status, body.to_string());
        let answer = |State((asked, status, body)): State<Said>, request: Request| async move {
            let header = request.headers().get("x-identity-header").and_then(|value| value.to_str().ok());
            let question = (request.uri().to_string(), header.map(str::to_owned));
            asked.lock().expect("no panic").push(question);
            (axum::http::StatusCode::from_u16(status).expect("a status"), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://localhost:{}/msi/token", listener.local_addr().expect("bound").port());
        let router = Router::new().fallback(answer).with_state(said);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { asked, url }
    }

    fn credential(&self, name: IdentityName) -> Credential {
        let header = Zeroizing::new("h3ader".to_owned());
        let endpoint = Endpoint::app_service(&self.url, header).expect("beside us");
        Credential::Identity(Arc::new(ManagedIdentity::new(endpoint, name).expect("a client")))
    }

    fn token(tid: DirectoryId) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json!({"tid": tid}).to_string()))
    }
}

fn given(token: &str, ends: Value) -> Value {
    json!({"access_token": token, "expires_on": ends, "resource": "r", "token_type": "Bearer"})
}

#[tokio::test]
async fn the_machines_identity_is_asked_for_at_its_endpoint_and_nowhere_else() {
    let token = Platform::token(DirectoryId::from_random([5; 16]));
    for ends in [json!("4102444800"), json!(4_102_444_800_i64)] {
        let platform = Platform::start(200, given(&token, ends)).await;
        let lab = with(platform.credential(IdentityName::System), |_| Reply::Sound).await;
        lab.describe().await.expect("described");
        lab.describe().await.expect("with the same token");
        let question = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.localhost";
        let expected = (question.to_owned(), Some("h3ader".to_owned()));
        assert_eq!(*platform.asked.lock().expect("no panic"), [expected]);
        assert_eq!(lab.server.tokens(), 0, "the token service of the vaults is not asked");
        let bearer = format!("Bearer {token}");
        assert!(lab.server.seen().iter().any(|seen| seen.token.as_deref() == Some(&bearer)));
    }
}

#[tokio::test]
async fn a_user_assigned_identity_is_named_in_the_words_of_the_endpoint() {
    let token = Platform::token(DirectoryId::from_random([5; 16]));
    for (name, asked) in [
        (IdentityName::ClientId("c".to_owned()), "&client_id=c"),
        (IdentityName::ObjectId("o".to_owned()), "&object_id=o"),
        (IdentityName::ResourceId("/r/i".to_owned()), "&mi_res_id=%2Fr%2Fi"),
    ] {
        let platform = Platform::start(200, given(&token, json!("4102444800"))).await;
        let lab = with(platform.credential(name), |_| Reply::Sound).await;
        lab.describe().await.expect("described");
        assert!(platform.asked.lock().expect("no panic")[0].0.ends_with(asked), "{asked}");
    }
}

#[tokio::test]
async fn whatever_an_identity_endpoint_lacks_is_ours_and_no_denial() {
    let own = Platform::token(DirectoryId::from_random([5; 16]));
    let foreign = Platform::token(DirectoryId::from_random([6; 16]));
    for (status, body) in [
        (400, json!({"error": "invalid_request", "error_description": "Identity not found"})),
        (403, json!("")),
        (500, json!("")),
        (200, json!({})),
        (200, given("", json!("4102444800"))),
        (200, given("a b", json!("4102444800"))),
        (200, given(&own, json!("soon"))),
        (200, given(&own, json!(i64::MAX))),
        (200, given(&"x".repeat(super::super::MAX_BODY), json!("4102444800"))),
        (302, json!("")),
        // A vault would say 401 to it, which is how a customer says no.
        (200, given(&foreign, json!("4102444800"))),
    ] {
        let platform = Platform::start(status, body.clone()).await;
        let lab = with(platform.credential(IdentityName::System), |_| Reply::Sound).await;
        let answer = lab.describe().await;
        assert_eq!(
            answer,
            Err(Answer::Internal),
            "{status} {}",
            body.to_string().get(..80).unwrap_or_default()
        );
        assert_eq!(lab.server.calls(), 0);
    }
    let endpoint = Endpoint::app_service("http://127.0.0.1:9/", Zeroizing::new("h".to_owned()));
    let nobody = ManagedIdentity::new(endpoint.expect("beside us"), IdentityName::System).expect("a client");
    let lab = with(Credential::Identity(Arc::new(nobody)), |_| Reply::Sound).await;
    assert_eq!(lab.describe().await, Err(Answer::Internal), "nobody listens there");
}

#[test]
fn an_identity_endpoint_lies_on_this_machine() {
    let endpoint = |url: &str| Endpoint::app_service(url, Zeroizing::new("h".to_owned()));
    for good in [
        "http://localhost:42356/msi/token",
        "http://127.0.0.1:41741/MSI/token/",
        "http://[::1]:1/",
        "http://169.254.129.2:8081/msi/token",
    ] {
        assert!(endpoint(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "localhost",
        "https://localhost/",
        "http://example.com/msi",
        "http://10.0.0.1/",
        "http://8.8.8.8/",
        "http://localhost.example.com/",
        "http://user@localhost/",
        "http://localhost/?resource=x",
        "file:///etc/passwd",
    ] {
        assert!(endpoint(bad).is_err(), "{bad}");
    }
    assert!(Endpoint::app_service("http://localhost:1/", Zeroizing::new("two\nlines".to_owned())).is_err());
}
