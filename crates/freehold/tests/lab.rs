//! `freehold lab` as a process: what COMMAND gets and what it reaches, how the run ends, and that nothing leaks.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use custody::roots::Trust;
use reqwest::{Client, Method, Proxy, StatusCode};
use serde_json::{Value, json};
use support::{freehold, text};
use tempfile::TempDir;

const SUBSCRIPTION: &str = "11111111-1111-4111-8111-111111111111";
const RETENTION: &str =
    "providers/Microsoft.Features/providers/Microsoft.Resources/features/MandatoryRetentionPeriodEnabled";
/// COMMAND of the tests that act as a stock client: it shows its environment and waits until its input ends.
const SHOW: &str = "env -0 > \"$0.new\"; mv \"$0.new\" \"$0\"; cat > /dev/null";

/// `freehold lab` with a folder of its own for temporary files.
fn lab(temporary: &Path, flags: &[&str], command: &[&str]) -> Command {
    let mut lab = freehold(&[&["lab"][..], flags, &["--"], command].concat());
    lab.env("TMPDIR", temporary);
    lab
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

#[track_caller]
fn is_empty(folder: &TempDir) {
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("there").map(|entry| entry.expect("one").path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A lab that runs, and a client with what its COMMAND was told.
struct Inside {
    child: Child,
    told: HashMap<String, String>,
    http: Client,
    temporary: TempDir,
    _shown: TempDir,
}

impl Inside {
    fn start(flags: &[&str]) -> Self {
        let (temporary, shown) = (folder(), folder());
        let file = shown.path().join("environment");
        let mut lab = lab(temporary.path(), flags, &["sh", "-c", SHOW, &text(&file)]);
        let mut child = lab.stdin(Stdio::piped()).spawn().expect("it starts");
        while !file.exists() {
            assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        let text = fs::read_to_string(file).expect("text");
        let told = text.split('\0').filter_map(|line| line.split_once('='));
        let told: HashMap<_, _> = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let trust = Trust::bundle(Path::new(&told["SSL_CERT_FILE"])).expect("an authority");
        let http = Client::builder().tls_backend_preconfigured(trust.tls()).https_only(true);
        let http = http.proxy(Proxy::all(&told["HTTPS_PROXY"]).expect("a proxy")).build().expect("a client");
        Self { child, told, http, temporary, _shown: shown }
    }

    /// A token of the application for a resource.
    async fn token(&self, login: &str, resource: &str) -> String {
        let url = format!("{login}/{}/oauth2/v2.0/token", self.told["AZURE_TENANT_ID"]);
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.told["AZURE_CLIENT_ID"])
            .append_pair("client_secret", &self.told["AZURE_CLIENT_SECRET"])
            .append_pair("scope", &format!("{resource}/.default"))
            .finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer: Value = request.body(form).send().await.expect("an answer").json().await.expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn call(&self, method: Method, url: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// A call of the control endpoint.
    async fn control(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let trust = Trust::bundle(Path::new(&self.told["SSL_CERT_FILE"])).expect("an authority");
        let http =
            Client::builder().tls_backend_preconfigured(trust.tls()).no_proxy().build().expect("a client");
        let mut request =
            http.request(method, format!("{}{path}", self.told["FREEHOLD_LAB"])).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Ends COMMAND's input, and so the run.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        is_empty(&self.temporary);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn output_and_status_are_the_commands_and_nothing_is_left_behind() {
    let temporary = folder();
    let output = lab(temporary.path(), &[], &["sh", "-c", "echo out; echo err >&2; exit 7"]).output();
    let output = output.expect("it runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), &b"out\n"[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("err"));
    is_empty(&temporary);
    let killed = lab(temporary.path(), &[], &["sh", "-c", "kill -9 $$"]).output().expect("it runs");
    assert_eq!(killed.status.code(), Some(137));
    for (command, status) in [("no-such-command", 127), ("/", 126)] {
        let output = lab(temporary.path(), &[], &[command]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(command), "{said}");
    }
    assert_eq!(freehold(&["lab"]).output().expect("it runs").status.code(), Some(2));
    is_empty(&temporary);
}

#[test]
fn the_environment_is_fresh_and_points_into_the_run() {
    let temporary = folder();
    let mut lab = lab(temporary.path(), &[], &["env", "-0"]);
    let stale = [
        "AZURE_USERNAME",
        "AZURE_CLIENT_SECRET",
        "https_proxy",
        "NO_PROXY",
        "XDG_CACHE_HOME",
        "SSL_CERT_DIR",
    ];
    stale.iter().for_each(|name| {
        lab.env(name, "of-the-outside");
    });
    let output = lab.env("NODE_TLS_REJECT_UNAUTHORIZED", "0").env("KEPT", "yes").output().expect("it runs");
    let shown = String::from_utf8(output.stdout).expect("text");
    let told: HashMap<_, _> = shown.split('\0').filter_map(|line| line.split_once('=')).collect();
    assert!(
        !shown.contains("of-the-outside") && !told.contains_key("NODE_TLS_REJECT_UNAUTHORIZED"),
        "{shown}"
    );
    assert_eq!(told["KEPT"], "yes");
    for name in [
        "HOME",
        "AZURE_CONFIG_DIR",
        "XDG_CONFIG_HOME",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "FREEHOLD_LAB_USERS",
    ] {
        assert!(Path::new(told[name]).starts_with(temporary.path()), "{name}={}", told[name]);
    }
    assert!(told["HTTPS_PROXY"].starts_with("http://127.0.0.1:") && told["NO_PROXY"].contains("127.0.0.1"));
    is_empty(&temporary);
}

#[tokio::test]
async fn stock_names_lead_into_the_lab_and_no_other_name_leads_anywhere() {
    let inside = Inside::start(&[]);
    let token =
        inside.token("https://login.microsoftonline.com", "https://management.core.windows.net/").await;
    let url = "https://management.azure.com/subscriptions?api-version=2022-12-01";
    let (_, shown) = inside.call(Method::GET, url, &token, None).await;
    assert_eq!(shown["value"].as_array().map(Vec::len), Some(2), "{shown}");
    for foreign in [
        "https://example.com/",
        "https://vault.azure.net/",
        "https://a.b.vault.azure.net/",
        "https://127.0.0.1/",
    ] {
        assert!(inside.http.get(foreign).send().await.is_err(), "{foreign}");
    }
    // A tool as people have it, with nothing but what it was told.
    let command = "curl -sS -o /dev/null -w '%{http_code}' https://no-such-vault.vault.azure.net/keys; \
                   curl -sS https://example.com 2>&1; curl -sS http://example.com";
    let curl = Command::new("sh").args(["-c", command]).env_clear().envs(&inside.told).output();
    let curl = String::from_utf8(curl.expect("curl is installed").stdout).expect("text");
    assert!(
        curl.starts_with("404") && curl.contains("response 403") && curl.contains("out of the lab"),
        "{curl}"
    );
    let users: Value =
        serde_json::from_slice(&fs::read(&inside.told["FREEHOLD_LAB_USERS"]).expect("a file")).expect("JSON");
    for user in ["admin", "alice", "bob", "olivia", "omar"] {
        assert!(users[format!("{user}@contoso.com")]["password"].is_string(), "{user}");
    }
    inside.end();
}

#[tokio::test]
async fn ninety_days_pass_at_once_and_a_registration_is_completed() {
    let inside = Inside::start(&[]);
    let manager = "https://management.azure.com";
    let login = "https://login.microsoftonline.com";
    let token = inside.token(login, manager).await;
    let root = format!("{manager}/subscriptions/{SUBSCRIPTION}");
    let put = async |path: &str, body| {
        inside.call(Method::PUT, &format!("{root}/{path}?api-version=2022-07-01"), &token, Some(body)).await
    };
    let post = async |path: &str| {
        inside.call(Method::POST, &format!("{root}/{path}?api-version=2021-07-01"), &token, None).await
    };
    post("providers/Microsoft.KeyVault/register").await;
    put("resourceGroups/rg", json!({ "location": "westeurope" })).await;
    let application = {
        let claims = token.split('.').nth(1).expect("claims");
        use base64::Engine as _;
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).expect("base64");
        serde_json::from_slice::<Value>(&claims).expect("JSON")["oid"].clone()
    };
    let body = json!({ "location": "westeurope", "properties": {
        "tenantId": inside.told["AZURE_TENANT_ID"], "sku": { "name": "premium", "family": "A" },
        "enableRbacAuthorization": true, "enableSoftDelete": true, "enablePurgeProtection": true,
    }});
    let (status, made) = put("resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso-a", body).await;
    assert!(status.is_success(), "{made}");
    let role = json!({ "properties": { "principalId": application, "principalType": "ServicePrincipal",
        "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{}", vault::CRYPTO_OFFICER) } });
    let scope =
        "resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso-a/providers/Microsoft.Authorization";
    put(&format!("{scope}/roleAssignments/a11ce000-0000-4000-8000-000000000001"), role).await;
    let keys = inside.token(login, "https://vault.azure.net").await;
    let key = async |method, path: &str, body| {
        inside
            .call(method, &format!("https://contoso-a.vault.azure.net{path}?api-version=7.4"), &keys, body)
            .await
            .1
    };
    let made = key(Method::POST, "/keys/k/create", Some(json!({ "kty": "RSA" }))).await;
    assert_eq!(made["attributes"]["recoveryLevel"], "Recoverable", "{made}");

    let secret = &inside.told["FREEHOLD_LAB_TOKEN"];
    let registered = format!("/subscriptions/{SUBSCRIPTION}/registered");
    assert_eq!(inside.control(Method::POST, &registered, secret, None).await.0, StatusCode::CONFLICT);
    post(&format!("{RETENTION}/register")).await;
    assert_eq!(inside.control(Method::POST, &registered, secret, None).await.0, StatusCode::NO_CONTENT);
    let shown = key(Method::GET, "/keys/k", None).await;
    assert_eq!(shown["attributes"]["recoveryLevel"], "Recoverable+ProtectedSubscription", "{shown}");

    key(Method::DELETE, "/keys/k", None).await;
    assert_eq!(inside.control(Method::GET, "/clock", "wrong", None).await.0, StatusCode::UNAUTHORIZED);
    let (status, moved) =
        inside.control(Method::POST, "/clock", secret, Some(json!({ "advance": "P90D" }))).await;
    assert_eq!(status, StatusCode::OK, "{moved}");
    let (status, _) = inside.control(Method::POST, "/clock", secret, Some(json!({ "advance": "P1Y" }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // Tokens are an hour good, in the lab too.
    let keys = inside.token(login, "https://vault.azure.net").await;
    let gone = "https://contoso-a.vault.azure.net/deletedkeys/k?api-version=7.4";
    assert_eq!(inside.call(Method::GET, gone, &keys, None).await.0, StatusCode::NOT_FOUND);
    inside.end();
}

#[tokio::test]
async fn own_names_are_reached_in_the_same_way() {
    let inside = Inside::start(&["--names", "own", "--register-at-once"]);
    let login = inside.told["AZURE_AUTHORITY_HOST"].clone();
    assert_eq!(login, "https://login.vault.localhost");
    let manager = "https://management.vault.localhost";
    let token = inside.token(&login, manager).await;
    let url = format!("{manager}/subscriptions/{SUBSCRIPTION}/{RETENTION}/register?api-version=2021-07-01");
    let (_, asked) = inside.call(Method::POST, &url, &token, None).await;
    assert_eq!(asked["properties"]["state"], "Registered", "{asked}");
    assert!(inside.http.get("https://management.azure.com/").send().await.is_err(), "not on this list");
    inside.end();
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let temporary = folder();
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let mut lab = lab(temporary.path(), &[], &["sh", "-c", "echo $FREEHOLD_LAB $HTTPS_PROXY"]);
            lab.stdout(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    let told: Vec<_> = runs.into_iter().map(|run| run.wait_with_output().expect("it ends")).collect();
    assert!(told.iter().all(|output| output.status.success()));
    assert_ne!(told[0].stdout, told[1].stdout);
    is_empty(&temporary);
}

#[test]
fn a_signal_ends_the_command_and_everything_it_started() {
    let inside = Inside::start(&[]);
    let (pid, temporary) = (inside.child.id().to_string(), inside.temporary.path().to_owned());
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let mut inside = inside;
    // Its input stays open: closed, it would end COMMAND too.
    let _input = inside.child.stdin.take();
    assert_eq!(inside.child.wait().expect("it ends").code(), Some(143));
    assert!(fs::read_dir(temporary).expect("there").next().is_none());
}

#[test]
fn a_folder_of_a_lab_is_one_for_ever() {
    let (temporary, outside) = (folder(), folder());
    let data: PathBuf = outside.path().join("my-lab");
    let flags = ["--data", &text(&data)];
    let first =
        lab(temporary.path(), &flags, &["sh", "-c", "cat $FREEHOLD_LAB_USERS"]).output().expect("it runs");
    let second =
        lab(temporary.path(), &flags, &["sh", "-c", "cat $FREEHOLD_LAB_USERS"]).output().expect("it runs");
    assert!(first.status.success() && second.status.success());
    assert_ne!(first.stdout, second.stdout, "each run has sign-ins of its own");
    let other = lab(temporary.path(), &[&flags[..], &["--names", "own"]].concat(), &["true"]).output();
    let said = String::from_utf8(other.expect("it runs").stderr).expect("text");
    assert!(said.contains("--names real"), "{said}");
    for command in [&["serve"][..], &["serve", "--role", "vault"], &["tenant", "list"]] {
        let output = freehold(&[command, &flags[..]].concat()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("freehold lab"), "{command:?}: {said}");
    }
    // And the other way round: no lab on what is not its own.
    let served = outside.path().join("served");
    assert!(
        freehold(&["tenant", "create", "Contoso", "--data", &text(&served)])
            .output()
            .expect("it runs")
            .status
            .success()
    );
    let refused = lab(temporary.path(), &["--data", &text(&served)], &["true"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(!served.join("lab.json").exists());
    is_empty(&temporary);
}

#[test]
fn nothing_is_served_in_the_environment_of_a_lab() {
    let outside = folder();
    let data = text(&outside.path().join("data"));
    let output = freehold(&["serve", "--data", &data]).env("FREEHOLD_LAB", "http://127.0.0.1:1").output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("FREEHOLD_LAB is set"), "{said}");
    assert!(!Path::new(&data).exists());
}

#[test]
fn every_command_of_the_page_works_as_it_stands() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lab.md");
    let page = fs::read_to_string(page).expect("a page");
    let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    let binaries = Path::new(env!("CARGO_BIN_EXE_freehold")).parent().expect("a folder");
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").expect("a PATH"));
    let place = folder();
    for command in commands {
        let output =
            Command::new("sh").args(["-c", command]).current_dir(place.path()).env("PATH", &path).output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(
            told.is_empty() || told.contains("\"now\"") || told.contains("\"keys\""),
            "{command}: {told}"
        );
    }
}
