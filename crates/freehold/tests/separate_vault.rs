//! A policy whose two root keys lie in two vaults of another process, with a data folder of its own.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use freehold::cli::Flags;
use freehold::clock::SystemClock;
use freehold::config::Config;
use freehold::layout::Layout;
use freehold::node::{API_APPLICATION, APPLICATIONS, Edge, Lab, VAULT_SUFFIX, Wiring};
use freehold::random::SystemRandom;
use freehold::wire::{self, Names, Person};
use model::id::DirectoryId;
use reqwest::Method;
use serde_json::{Value, json};
use support::process::Process;
use support::text;
use tempfile::TempDir;
use vault::{Administration, CRYPTO_OFFICER, ENCRYPTION_USER, Log, NewSubscription, PrincipalId};
use zeroize::Zeroizing;

const OLIVIA: &str = "olivia@contoso.com";
/// The feature of a subscription whose vaults keep what is deleted.
const RETENTION: &str =
    "providers/Microsoft.Features/providers/Microsoft.Resources/features/MandatoryRetentionPeriodEnabled";
const VAULTS: [&str; 2] = ["contoso-a", "contoso-b"];

/// A tenant, and what its administrator and its key officer, one person here, need.
struct Contoso {
    tenant: String,
    credential: String,
    directory: DirectoryId,
    password: Zeroizing<String>,
    keys: Vec<String>,
}

fn layout(data: &Path) -> Layout {
    let flags = Flags { data: Some(text(data)), ..Flags::default() };
    Layout::new(&Config::load(&flags, std::iter::empty()).expect("a configuration"))
}

async fn lab(data: &Path) -> Lab {
    let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
    Lab::open(layout(data), &edge, &Wiring::lab(), &[]).await.expect("a lab")
}

/// One folder with everything in it: the tenant, and its keys in two subscriptions.
async fn prepared(whole: &Path) -> Contoso {
    let made = support::json(&["tenant", "create", "Contoso", "--data", &text(whole), "--json"]);
    let told = |value: &Value| value.as_str().expect("text").to_owned();
    let directory: DirectoryId = told(&made["tenant"]["directory"]).parse().expect("an id");
    let lab = lab(whole).await;
    let admin = lab.customers.vault.administration();
    let life = Duration::from_secs(24 * 3600);
    let (id, password) = admin.create_user(directory, OLIVIA, "Olivia", life).await.expect("a user");
    let olivia = Person::user(&lab.http, VAULT_SUFFIX, directory, OLIVIA, password.clone());
    let service = admin.service_principal(APPLICATIONS[0].2.parse().expect("a UUID"), directory).await;
    let service = service.expect("found").expect("consented");
    let mut keys = Vec::new();
    for name in VAULTS {
        keys.push(key(&admin, directory, &olivia, [id, service], name).await);
    }
    lab.close().await;
    let (tenant, credential) = (told(&made["tenant"]["id"]), told(&made["credential"]));
    Contoso { tenant, credential, directory, password, keys }
}

/// A vault in a subscription of its own, with one key that the service may use.
async fn key(
    admin: &Administration,
    directory: DirectoryId,
    olivia: &Person,
    [owner, service]: [PrincipalId; 2],
    vault: &str,
) -> String {
    let new = NewSubscription { id: None, display_name: vault, owner };
    let subscription = admin.create_subscription(directory, new).await.expect("a subscription");
    let root = format!("/subscriptions/{subscription}");
    let place = format!("{root}/resourceGroups/keys/providers/Microsoft.KeyVault/vaults/{vault}");
    let new = json!({ "location": "westeurope", "properties": {
        "tenantId": directory, "sku": { "name": "premium", "family": "A" },
        "enableRbacAuthorization": true, "enablePurgeProtection": true } });
    let register = format!("{root}/providers/Microsoft.KeyVault/register");
    olivia.manage(Method::POST, &register, None).await.expect("registered");
    let retention = format!("{root}/{RETENTION}/register");
    olivia.manage(Method::POST, &retention, None).await.expect("asked for");
    admin.register_mandatory_retention(subscription).await.expect("registered");
    let group = json!({ "location": "westeurope" });
    olivia.manage(Method::PUT, &format!("{root}/resourceGroups/keys"), Some(group)).await.expect("a group");
    olivia.manage(Method::PUT, &place, Some(new)).await.expect("a vault");
    for (number, role, principal) in [(1, CRYPTO_OFFICER, owner), (2, ENCRYPTION_USER, service)] {
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
        let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } });
        let id = format!("a11ce000-0000-4000-8000-00000000000{number}");
        let right = format!("{place}/providers/Microsoft.Authorization/roleAssignments/{id}");
        olivia.manage(Method::PUT, &right, Some(body)).await.expect("a right");
    }
    let new = json!({ "kty": "RSA", "key_size": 2048, "key_ops": ["wrapKey", "unwrapKey"] });
    let made = olivia.vault(Method::POST, vault, "/keys/mail/create", Some(new)).await.expect("a key");
    made["key"]["kid"].as_str().expect("an identifier").to_owned()
}

/// The part of the whole that one party may have: its own folders, and the secrets that it was handed.
fn part(whole: &Path, name: &str, folders: &[&str], secrets: &[&str]) -> PathBuf {
    let root = whole.with_file_name(name);
    support::copy(whole, &root);
    let handed: Vec<_> = secrets.iter().map(|secret| format!("keys/handover/{secret}.secret")).collect();
    let ours = |path: &String| {
        folders.iter().any(|ours| path.starts_with(ours)) || handed.iter().any(|ours| path == ours)
    };
    for path in support::tree(&root).keys().filter(|path| !ours(path)) {
        std::fs::remove_file(root.join(path)).expect("removed");
    }
    root
}

/// Every party in a process and on a folder of its own.
struct World {
    folder: TempDir,
    contoso: Contoso,
    customer: PathBuf,
    parties: Vec<Process>,
    http: reqwest::Client,
    base: String,
}

impl World {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let whole = folder.path().join("whole");
        let contoso = prepared(&whole).await;
        let applications = APPLICATIONS.map(|(_, name, _)| name);
        let customer = part(&whole, "customer", &["vault/", "keys/vault/"], &applications);
        let provider = ["availability-vault/", "keys/availability-vault/"];
        let provider = part(&whole, "provider", &provider, &["availability-vault"]);
        let handed = [&applications[..], &["availability-vault"]].concat();
        let service = part(&whole, "service", &["service/", "wraps", "keys/service/", "tls/"], &handed);
        std::fs::remove_dir_all(&whole).expect("removed");

        let start = |data: &Path, role: &str, more: &[String]| {
            let data = text(data);
            let mut words = vec!["serve", "--data", &data, "--role", role, "--listen", "127.0.0.1:0"];
            words.extend(more.iter().flat_map(|setting| ["--set", setting.as_str()]));
            Process::start(&words)
        };
        let mut parties = vec![start(&customer, "vault", &[]), start(&provider, "availability-vault", &[])];
        let pem = |data: &Path| std::fs::read_to_string(data.join("tls/ca.pem")).expect("an authority");
        let authorities = folder.path().join("authorities.pem");
        std::fs::write(&authorities, pem(&customer) + &pem(&provider)).expect("written");
        let found = [
            format!("tls.authority={}", text(&authorities)),
            format!("vault.listen=127.0.0.1:{}", parties[0].port()),
            format!("availability-vault.listen=127.0.0.1:{}", parties[1].port()),
        ];
        parties.push(start(&service, "service", &found));
        let ports = [parties[0].port(), parties[2].service_port()];
        let names = [(VAULT_SUFFIX, ports[0]), ("localhost", ports[1])];
        let names = names.map(|(name, port)| (name.to_owned(), ([127, 0, 0, 1], port).into()));
        let trusted = folder.path().join("trusted.pem");
        std::fs::write(&trusted, pem(&customer) + &pem(&service)).expect("written");
        let trust = custody::roots::Trust::bundle(&trusted).expect("authorities");
        let http = wire::client(&trust, Names::new(names.into())).expect("a client");
        let base = format!("https://localhost:{}", ports[1]);
        Self { folder, contoso, customer, parties, http, base }
    }

    async fn call(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = match path.starts_with("/v1/") {
            true => format!("{}{path}", self.base),
            false => format!("{}/v1/tenants/{}{path}", self.base, self.contoso.tenant),
        };
        let mut request = self.http.request(method, url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("a body");
        let shown = || Value::String(String::from_utf8_lossy(&body).into_owned());
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| shown()))
    }

    async fn done(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let (status, told) = self.call(token, method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {told}");
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_works_when_its_two_keys_lie_in_two_vaults_of_a_separate_process() {
    let world = World::start().await;
    let contoso = &world.contoso;
    let olivia = Person::user(&world.http, VAULT_SUFFIX, contoso.directory, OLIVIA, contoso.password.clone());
    let token = olivia.token(&format!("api://{API_APPLICATION}")).await.expect("a token");
    let done = async |method, path: &str, body| world.done(&token, method, path, body).await;
    done(Method::POST, "/v1/enrolment", json!({ "credential": contoso.credential })).await;

    let new = json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": contoso.keys, "settings": { "boundSeconds": 2 } });
    let policy = done(Method::POST, "/policies", new).await;
    let new = json!({ "kind": "mailbox", "name": "alice@contoso.com" });
    let mailbox = done(Method::POST, "/containers", new).await;
    let place = format!("/containers/{}", mailbox["id"].as_str().expect("an id"));
    done(Method::PUT, &format!("{place}/policy"), json!({ "policyId": policy["id"] })).await;
    let standing = done(Method::POST, &format!("{place}/rewrap"), json!({})).await;
    assert_eq!((&standing["effectivePolicyId"], &standing["pending"]), (&policy["id"], &json!(false)));
    let letter = json!({ "subject": "Quarter" });
    let put = world.http.post(format!("{}/v1/tenants/{}{place}/objects", world.base, contoso.tenant));
    let put =
        put.header("content-disposition", "attachment; filename*=UTF-8''1.json").body(letter.to_string());
    let put: Value = put.bearer_auth(&token).send().await.expect("an answer").json().await.expect("JSON");
    let content = format!("{place}/objects/{}/content", put["id"].as_str().expect("an id"));
    assert_eq!(done(Method::GET, &content, Value::Null).await, letter);

    // Either vault alone will do; when both refuse, nothing opens any more.
    let disable = json!({ "attributes": { "enabled": false } });
    let refuse = async |vault| olivia.vault(Method::PATCH, vault, "/keys/mail", Some(disable.clone())).await;
    refuse(VAULTS[0]).await.expect("disabled");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(done(Method::GET, &content, Value::Null).await, letter);
    refuse(VAULTS[1]).await.expect("disabled");
    let mut last = (200, Value::Null);
    for _ in 0..40 {
        last = world.call(&token, Method::GET, &content, Value::Null).await;
        if last.0 == 403 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!((last.0, &last.1["code"]), (403, &json!("FH1001")), "{}", last.1);
    let World { folder, customer, parties, .. } = world;
    parties.into_iter().rev().for_each(|party| assert_eq!(party.stop(), Some(0)));
    both_were_used(&customer).await;
    drop(folder);
}

/// The vaults' own logs, of the process that kept them, tell of wraps and unwraps in both.
async fn both_were_used(customer: &Path) {
    let lab = lab(customer).await;
    for vault in VAULTS {
        let rows = lab.customers.vault.log(Log::Vault(vault), 0, 500).await.expect("a log");
        for operation in ["KeyWrap", "KeyUnwrap"] {
            assert!(rows.iter().any(|row| row.operation == operation), "{vault}: {operation}");
        }
    }
    lab.close().await;
}
