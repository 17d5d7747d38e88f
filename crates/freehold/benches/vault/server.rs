//! The server's side: a process of its own with a vault in a folder, and the parent's handle on it.
//!
//! The child says where it listens and with which token one may ask, then obeys one command a line: `raw BITS MILLIS` and
//! `time`. It ends when its input does.

use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use axum::body::{Body, to_bytes};
use axum::routing::post;
use axum::{Json, Router};
use freehold::authority::lab_names;
use freehold::certificates::Certificate;
use freehold::clock::SystemClock;
use freehold::listener::{Listener, Transport};
use freehold::random::SystemRandom;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use store::Store;
use tempfile::TempDir;
use tower::ServiceExt;
use vault::{ENCRYPTION_USER, Limits, NewApplication, NewSubscription, ServiceHosts, Settings, Vault};

use crate::{Measured, SIZES};

/// The argument that makes this program the server.
pub(crate) const MODE: &str = "--server";
const SUFFIX: &str = "vault.localhost";
const NAME: &str = "bench-a1";
const OFFICER: &str = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Keys besides the ones that unwrap, so that a page of the list is full.
const MORE_KEYS: usize = 30;
/// What a client library sends for a wrapped key of 32 bytes.
const VALUE: [u8; 32] = [7; 32];

/// The running child.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) host: String,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) pinned: bool,
    token: String,
    wrapped: Value,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child ends with its input.
        self.input = None;
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(core: Option<&str>) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let program = std::env::current_exe()?;
        let core = core.filter(|_| has_taskset());
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg(MODE).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let said: Value = serde_json::from_str(&line(&mut output)?)?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let trusted = Certificate::kept(folder.path()).map_err(io::Error::other)?;
        Ok(Self {
            port: u16::try_from(said["port"].as_u64().unwrap_or_default()).expect("a port"),
            host: format!("{NAME}.{SUFFIX}"),
            tls: Arc::new(trusted.trust().tls()),
            pinned: core.is_some(),
            token: text("token"),
            wrapped: said["wrapped"].clone(),
            child,
            input,
            output,
            _folder: folder,
        })
    }

    pub(crate) fn unwrap(&self, bits: usize) -> Vec<u8> {
        let body = json!({"alg": "RSA-OAEP-256", "value": self.wrapped[bits.to_string()]});
        self.request("POST", &format!("/keys/rsa-{bits}/unwrapkey"), &body.to_string())
    }

    pub(crate) fn get(&self) -> Vec<u8> {
        self.request("GET", "/keys/rsa-2048", "")
    }

    pub(crate) fn list(&self) -> Vec<u8> {
        self.request("GET", "/keys", "")
    }

    /// Makes keys of 4096 bits.
    pub(crate) fn make(&self, round: usize) -> Vec<u8> {
        let body = json!({"kty": "RSA", "key_size": 4096});
        self.request("POST", &format!("/keys/made-{round}/create"), &body.to_string())
    }

    /// About as much as a key's public half.
    pub(crate) fn echo(&self) -> Vec<u8> {
        self.request("POST", "/echo", &json!({"value": "x".repeat(600)}).to_string())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (host, token) = (&self.host, &self.token);
        let head = format!(
            "{method} {path}?api-version=2025-07-01 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (head + body).into_bytes()
    }

    /// Raw private operations on the server's core, while nobody asks it anything.
    pub(crate) fn raw(&mut self, bits: usize, span: Duration) -> io::Result<Measured> {
        let said = self.command(&format!("raw {bits} {}", span.as_millis()))?;
        let number = |name: &str| said[name].as_f64().unwrap_or_default();
        Ok(Measured { rate: number("rate"), by_processor: number("by_processor") })
    }

    pub(crate) fn processor_time(&mut self) -> io::Result<Duration> {
        Ok(Duration::from_nanos(self.command("time")?.as_u64().unwrap_or_default()))
    }

    fn command(&mut self, words: &str) -> io::Result<Value> {
        writeln!(self.input.as_mut().expect("open until the end"), "{words}")?;
        Ok(serde_json::from_str(&line(&mut self.output)?)?)
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::Error::other("the server ended"));
    }
    Ok(line)
}

fn has_taskset() -> bool {
    Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Pins this thread and those that it makes from now on; whether that could be done.
pub(crate) fn pin_here(cores: &str) -> bool {
    let id = std::process::id().to_string();
    let done = Command::new("taskset").args(["-cp", cores, &id]).stdout(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// The child.
pub(crate) fn serve(folder: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (_listener, said) = runtime.block_on(open(folder));
    println!("{said}");
    let raw: Vec<(usize, Raw)> = SIZES.iter().map(|(bits, _)| (*bits, Raw::new(*bits))).collect();
    for line in io::stdin().lines() {
        let line = line?;
        let answer = match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["raw", bits, millis] => {
                let (bits, millis): (usize, u64) =
                    (bits.parse().expect("a number"), millis.parse().expect("a number"));
                let found = raw.iter().find(|(size, _)| *size == bits);
                found.expect("a size that is measured").1.run(Duration::from_millis(millis))
            }
            _ => json!(u64::try_from(clock(ClockId::ProcessCPUTime).as_nanos()).expect("a short run")),
        };
        println!("{answer}");
    }
    Ok(())
}

/// A key of aws-lc-rs, parsed once.
struct Raw {
    key: OaepPrivateDecryptingKey,
    sealed: Vec<u8>,
}

impl Raw {
    fn new(bits: usize) -> Self {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            _ => KeySize::Rsa4096,
        };
        let key = PrivateDecryptingKey::generate(size).expect("a key");
        let public = OaepPublicEncryptingKey::new(key.public_key()).expect("a public key");
        let mut sealed = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, &VALUE, &mut sealed, None).expect("it fits");
        Self { key: OaepPrivateDecryptingKey::new(key).expect("a key"), sealed }
    }

    fn run(&self, span: Duration) -> Value {
        let mut out = vec![0; self.sealed.len()];
        let (started, before) = (Instant::now(), clock(ClockId::ThreadCPUTime));
        let mut done = 0;
        while done == 0 || started.elapsed() < span {
            let opened = self.key.decrypt(&OAEP_SHA256_MGF1SHA256, &self.sealed, &mut out, None);
            black_box(opened.expect("it opens"));
            done += 1;
        }
        let busy = (clock(ClockId::ThreadCPUTime) - before).as_secs_f64();
        let took = started.elapsed().as_secs_f64();
        json!({"rate": f64::from(done) / took, "by_processor": f64::from(done) / busy})
    }
}

fn clock(id: ClockId) -> Duration {
    Duration::try_from(clock_gettime(id)).expect("time used is not negative")
}

/// Makes a vault with its keys and serves it, with the echo beside it; what the parent must know.
async fn open(folder: &Path) -> (Listener, Value) {
    let suffix: model::suffix::Suffix = SUFFIX.parse().expect("a suffix");
    let names = lab_names(&[&suffix]);
    let store = Store::sqlite(&folder.join("vault.db"), &vault::SCHEMA).await.expect("a store");
    let hosts = ServiceHosts::of(&suffix);
    let limits = Limits::default();
    let settings = Settings { hosts, suffix, soft_delete: true, retention_at_once: false, limits };
    let random = Arc::new(SystemRandom);
    let master = crypto::Key::generate(&*random);
    let vault = Vault::open(settings, store, master, Arc::new(SystemClock), random).await.expect("a vault");
    let token = furnish(&vault).await;
    let keys = Door { router: vault.router(), host: format!("{NAME}.{SUFFIX}"), token: token.clone() };
    let mut wrapped = json!({});
    for (bits, _) in SIZES {
        let name = format!("/keys/rsa-{bits}");
        keys.post(&format!("{name}/create"), &json!({"kty": "RSA", "key_size": bits})).await;
        let value = json!({"alg": "RSA-OAEP-256", "value": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"});
        wrapped[bits.to_string()] = keys.post(&format!("{name}/wrapkey"), &value).await["value"].clone();
    }
    for number in 0..MORE_KEYS {
        keys.post(&format!("/keys/more-{number}/create"), &json!({"kty": "EC", "crv": "P-256"})).await;
    }
    let certificate = Certificate::lab(folder, &names, &SystemClock).expect("a certificate");
    let echo = post(|Json(value): Json<Value>| async move { Json(value) });
    let router = Router::new().route("/echo", echo).fallback_service(vault.router());
    let address = "127.0.0.1:0".parse().expect("an address");
    let transport = Transport::Tls(certificate.server_config());
    let listener = Listener::start("vault.listen", address, transport, router).expect("listening");
    let port = listener.address().port();
    (listener, json!({"port": port, "token": token, "wrapped": wrapped}))
}

/// A directory with one application that may do everything with the keys of one vault; its token.
async fn furnish(vault: &Vault) -> String {
    let admin = vault.administration();
    let directory = admin.create_directory(None, "bench").await.expect("a directory");
    let new = NewApplication { client_id: None, display_name: "bench", secret_life: YEAR };
    let (application, secret) = admin.create_application(directory, new).await.expect("an application");
    let principal = admin.consent(application, directory).await.expect("consent");
    let new = NewSubscription { id: None, display_name: "bench", owner: principal };
    let subscription = admin.create_subscription(directory, new).await.expect("a subscription");
    let login = Door { router: vault.router(), host: format!("login.{SUFFIX}"), token: String::new() };
    let sign_in = async |audience: String| {
        let form = format!(
            "client_id={application}&grant_type=client_credentials&client_secret={}&scope={audience}/.default",
            *secret
        );
        let answer = login.send("POST", &format!("/{directory}/oauth2/v2.0/token"), form).await;
        answer["access_token"].as_str().expect("a token").to_owned()
    };
    let host = format!("management.{SUFFIX}");
    let token = sign_in(format!("https://{host}")).await;
    let manage = Door { router: vault.router(), host, token };
    let within = format!("/subscriptions/{subscription}");
    manage.post(&format!("{within}/providers/Microsoft.KeyVault/register"), &json!({})).await;
    let group = format!("{within}/resourceGroups/rg");
    manage.put(&group, &json!({"location": "westeurope"})).await;
    let place = format!("{group}/providers/Microsoft.KeyVault/vaults/{NAME}");
    let properties = json!({"tenantId": directory, "sku": {"name": "premium", "family": "A"},
        "enableRbacAuthorization": true});
    manage.put(&place, &json!({"location": "westeurope", "properties": properties})).await;
    for (number, role) in [OFFICER, ENCRYPTION_USER].iter().enumerate() {
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
        let id = format!("00000000-0000-4000-8000-00000000000{number}");
        let path = format!("{place}/providers/Microsoft.Authorization/roleAssignments/{id}");
        let properties = json!({"roleDefinitionId": role, "principalId": principal});
        manage.put(&path, &json!({"properties": properties})).await;
    }
    sign_in(format!("https://{SUFFIX}")).await
}

/// One host of the vault's program, without a socket.
struct Door {
    router: Router,
    host: String,
    token: String,
}

impl Door {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let version = if self.host.starts_with("management") { "2026-02-01" } else { "2025-07-01" };
        self.send("POST", &format!("{path}?api-version={version}"), body.to_string()).await
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        self.send("PUT", &format!("{path}?api-version=2026-02-01"), body.to_string()).await
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Value {
        let kind =
            if self.token.is_empty() { "application/x-www-form-urlencoded" } else { "application/json" };
        let request = axum::http::Request::builder().method(method).uri(path).header("host", &self.host);
        let request = request.header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.body(Body::from(body)).expect("a request");
        let reply = self.router.clone().oneshot(request).await.expect("an answer");
        let status = reply.status();
        let bytes = to_bytes(reply.into_body(), 1 << 20).await.expect("a body");
        assert!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}
