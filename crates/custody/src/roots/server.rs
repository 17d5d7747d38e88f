//! A small vault and token service over real TLS, for the tests of this room.
//!
//! Owns what a test needs of the other side: an authority, a listener on a free port of loopback, a sound key,
//! and a script that answers otherwise. It is no vault: whoever has any token may do anything.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{RsaPadding, RsaPrivate, RsaSize};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// The version that a key has here unless a script says otherwise.
pub(super) const VERSION: &str = "0123456789abcdef0123456789abcdef";

static KEY: LazyLock<RsaPrivate> =
    LazyLock::new(|| RsaPrivate::generate(RsaSize::Rsa2048).expect("an RSA key"));

/// A certificate authority of its own for every test.
pub(super) struct Authority {
    der: CertificateDer<'static>,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        // Another name each time: two authorities of one name would be told apart by their signatures only.
        let name = key.public_key_raw().iter().fold(0_u64, |sum, byte| sum.rotate_left(7) ^ u64::from(*byte));
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("test authority {name:x}"));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let der = params.self_signed(&key).expect("signed").der().clone();
        Self { der, issuer: rcgen::Issuer::new(params, key) }
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The authority's certificate as PEM.
    pub(super) fn pem(&self) -> String {
        let base64 = base64::engine::general_purpose::STANDARD.encode(&self.der);
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    }

    /// The server's side of TLS with a certificate for these names.
    pub(super) fn tls(&self, names: &[&str]) -> rustls::ServerConfig {
        self.tls_until(names, rcgen::date_time_ymd(4096, 1, 1))
    }

    /// The same with a certificate that ends at a time.
    pub(super) fn tls_until(&self, names: &[&str], end: time::OffsetDateTime) -> rustls::ServerConfig {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("DNS names");
        params.not_after = end;
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("suites")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().expect("PKCS#8"),
            )
            .expect("the key belongs to the certificate")
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) token: Option<String>,
    pub(super) request: Option<String>,
    pub(super) body: String,
    /// How many requests of the same kind (token or vault, with or without a token) came before it.
    pub(super) nth: usize,
}

impl Seen {
    pub(super) fn is_token(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }

    /// What is asked of the key: `describe` (also of one that is made), `wrapkey` or `unwrapkey`.
    fn operation(&self) -> &str {
        match self.path.rsplit('/').next() {
            Some("wrapkey") => "wrapkey",
            Some("unwrapkey") => "unwrapkey",
            _ => "describe",
        }
    }
}

/// What a script answers.
pub(super) enum Reply {
    /// What a sound vault or token service says.
    Sound,
    /// This status, with a JSON body.
    Json(u16, Value),
    /// Anything else.
    Is(Response),
    /// Nothing, for ever.
    Hang,
}

impl Reply {
    /// A vault's error as Azure words it, with the escapes in its message.
    pub(super) fn refusal(status: u16, code: &str, inner: Option<&str>) -> Self {
        let mut error = json!({"code": code, "message": "Caller is not authorized.\r\nCaller: \"appid=a\""});
        if let Some(inner) = inner {
            error["innererror"] = json!({"code": inner});
        }
        Self::Json(status, json!({"error": error}))
    }

    /// A token service's error as Entra words it.
    pub(super) fn oauth(status: u16, error: &str, number: i64, description: &str) -> Self {
        let body = json!({"error": error, "error_codes": [number], "error_description": description});
        Self::Json(status, body)
    }

    /// A vault's 401 that asks for a token of this resource.
    pub(super) fn challenge(parameters: &str) -> Self {
        let mut response = json_response(401, &json!({"error": {"code": "Unauthorized"}}));
        let header = format!("Bearer {parameters}").parse().expect("a header");
        response.headers_mut().insert(WWW_AUTHENTICATE, header);
        Self::Is(response)
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    suffix: String,
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    arrived: Semaphore,
}

/// A running server; it stops with the test's runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// A server of `*.SUFFIX`; the suffix is what its challenges name, `{port}` in it becomes its port.
    pub(super) async fn start(
        authority: &Authority,
        suffix: &str,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let name = suffix.split(':').next().expect("a host").to_owned();
        Self::with_names(authority, &[&format!("*.{name}")], suffix, script).await
    }

    /// The same with a certificate of other names.
    pub(super) async fn with_names(
        authority: &Authority,
        names: &[&str],
        suffix: &str,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("bound");
        let suffix = suffix.replace("{port}", &address.port().to_string());
        let shared = Arc::new(Shared {
            suffix,
            script: Box::new(script),
            seen: Mutex::default(),
            arrived: Semaphore::new(0),
        });
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let tls = RustlsConfig::from_config(Arc::new(authority.tls(names)));
        let server = axum_server::from_tcp_rustls(listener, tls).expect("a listener");
        tokio::spawn(server.serve(app.into_make_service()));
        Self { address, shared }
    }

    pub(super) fn suffix(&self) -> &str {
        &self.shared.suffix
    }

    /// Every request so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no test panics in it").clone()
    }

    /// How many requests reached the token service.
    pub(super) fn tokens(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_token()).count()
    }

    /// How many requests with a token reached a vault.
    pub(super) fn calls(&self) -> usize {
        self.seen().iter().filter(|seen| seen.token.is_some()).count()
    }

    /// Completes once for every request that arrives.
    pub(super) async fn arrived(&self) {
        self.shared.arrived.acquire().await.expect("never closed").forget();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned());
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let mut seen = Seen {
        host: header("host").expect("HTTP/1.1"),
        path: head.uri.path().to_owned(),
        token: header("authorization"),
        request: header("x-ms-client-request-id"),
        body: String::from_utf8(body.to_vec()).expect("text"),
        nth: 0,
    };
    {
        let mut before = shared.seen.lock().expect("no test panics in it");
        let kind = |seen: &Seen| (seen.is_token(), seen.token.is_some());
        seen.nth = before.iter().filter(|other| kind(other) == kind(&seen)).count();
        before.push(seen.clone());
    }
    shared.arrived.add_permits(1);
    match (shared.script)(&seen) {
        Reply::Sound => sound(&shared.suffix, &seen),
        Reply::Json(status, body) => json_response(status, &body),
        Reply::Is(response) => response,
        Reply::Hang => std::future::pending().await,
    }
}

fn sound(suffix: &str, seen: &Seen) -> Response {
    if seen.is_token() {
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("token-{}", seen.nth)});
        return json_response(200, &token);
    }
    if seen.token.is_none() {
        let resource =
            format!("authorization=\"https://login.{suffix}/directory\", resource=\"https://{suffix}\"");
        return match Reply::challenge(&resource) {
            Reply::Is(response) => response,
            _ => unreachable!("a challenge is a response"),
        };
    }
    let name = seen.path.split('/').filter(|segment| !segment.is_empty()).nth(1).unwrap_or_default();
    let kid = format!("https://{}/keys/{name}/{VERSION}", seen.host);
    match seen.operation() {
        "describe" => json_response(200, &described(&kid)),
        operation => {
            let asked: Value = serde_json::from_str(&seen.body).expect("JSON");
            assert_eq!(asked["alg"], "RSA-OAEP-256");
            let value = URL_SAFE_NO_PAD.decode(asked["value"].as_str().expect("a value")).expect("base64url");
            let result = match operation {
                "wrapkey" => KEY.wrap(RsaPadding::Oaep256, &value),
                _ => KEY.unwrap(RsaPadding::Oaep256, &value).map(|plain| plain.to_vec()),
            };
            match result {
                Ok(result) => {
                    json_response(200, &json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(result)}))
                }
                Err(_) => json_response(400, &json!({"error": {"code": "BadParameter"}})),
            }
        }
    }
}

/// A sound key of this identifier.
pub(super) fn described(kid: &str) -> Value {
    json!({
        "key": {
            "kid": kid, "kty": "RSA-HSM", "key_ops": ["wrapKey", "unwrapKey"],
            "n": URL_SAFE_NO_PAD.encode(KEY.modulus()), "e": URL_SAFE_NO_PAD.encode(KEY.exponent()),
        },
        "attributes": {
            "enabled": true, "nbf": 1_700_000_000, "exp": 1_900_000_000, "created": 1_700_000_000,
            "recoveryLevel": "Recoverable+ProtectedSubscription", "recoverableDays": 90,
        },
    })
}

fn json_response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], Body::from(body.to_string())).into_response()
}
