//! All three parties in this process, the API on a listener, and people of two tenants with tokens of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freehold::certificates::Certificate;
use freehold::cli::Flags;
use freehold::clock::SystemClock;
use freehold::config::Config;
use freehold::folder::DataFolder;
use freehold::layout::Layout;
use freehold::node::{API_APPLICATION, APPLICATIONS, Edge, Entrance, Lab, Wiring};
use freehold::random::SystemRandom;
use freehold::wire::{self, Names, Person};
use model::id::DirectoryId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use vault::{CRYPTO_OFFICER, ENCRYPTION_USER, NewSubscription, PUBLIC_SUFFIX, PrincipalId};
use zeroize::Zeroizing;

/// The feature of a subscription whose vaults keep what is deleted.
const RETENTION: &str =
    "providers/Microsoft.Features/providers/Microsoft.Resources/features/MandatoryRetentionPeriodEnabled";

/// What tokens for the service are for.
pub(crate) fn audience() -> String {
    format!("api://{API_APPLICATION}")
}

pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) entrance: Entrance,
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) operator: String,
    folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of the problem that it is; empty when it is none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn good(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn refused(&self, code: &str) {
        assert_eq!(self.code(), code, "{}: {}", self.status, self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["requestId"].as_str(), self.headers["x-request-id"].to_str().ok());
    }
}

/// A tenant with its directory and its administrator.
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) directory: DirectoryId,
    pub(crate) admin: Person,
    pub(crate) admin_id: PrincipalId,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::wired(Wiring::lab()).await
    }

    /// The same under the names of Azure's public cloud, as in `freehold lab`.
    pub(crate) async fn under_public_names() -> Self {
        let vault = PUBLIC_SUFFIX.parse().expect("a suffix");
        Self::wired(Wiring { vault, ..Wiring::lab() }).await
    }

    async fn wired(wiring: Wiring) -> Self {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("data");
        let flags = Flags {
            data: Some(data.to_str().expect("text").to_owned()),
            set: vec![("service.listen".into(), "127.0.0.1:0".into())],
            ..Flags::default()
        };
        let config = Config::load(&flags, std::iter::empty()).expect("a configuration");
        let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
        let layout = Layout::new(&config);
        let (lab, entrance, shown) = if wiring.vault.host() == PUBLIC_SUFFIX {
            let (shown, _) = freehold::lab::certificate(&wiring).expect("a certificate");
            let held = DataFolder::of_lab(layout).expect("a folder");
            let lab = Lab::showing(&shown, held, &edge, &wiring, &[]).await.expect("a lab");
            let (service, http) = (&lab.service, &lab.http);
            let entrance = Entrance::showing(&shown, &config, &lab.layout, &wiring, service, http, &edge);
            (lab, entrance.expect("an entrance"), shown)
        } else {
            let lab = Lab::open(layout, &edge, &wiring, &[]).await.expect("a lab");
            let entrance = Entrance::open(&config, &lab.layout, &wiring, &lab.service, &lab.http, &edge);
            let shown = Certificate::kept_service(&lab.layout.tls()).expect("a certificate");
            (lab, entrance.expect("an entrance"), shown)
        };
        let names = Names::new(vec![("localhost".into(), entrance.address())]);
        let http = wire::client(shown.trust(), names).expect("a client");
        let base = format!("https://localhost:{}", entrance.address().port());
        let operator = std::fs::read_to_string(lab.layout.operator_token()).expect("a token");
        let operator = operator.trim_end().to_owned();
        Self { lab, entrance, http, base, operator, folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) async fn end(self) {
        self.entrance.drain(Duration::from_secs(5)).await;
        self.lab.close().await;
    }

    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.expect("a body");
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    /// A user of a directory, and a token of his for the service.
    pub(crate) async fn person(&self, directory: DirectoryId, name: &str) -> (PrincipalId, Person, String) {
        let admin = self.lab.customers.vault.administration();
        let made = admin.create_user(directory, name, name, Duration::from_secs(3600)).await;
        let (id, secret): (_, Zeroizing<String>) = made.expect("a user");
        let person = Person::user(&self.lab.http, &self.lab.customers.suffix, directory, name, secret);
        let token = person.token(&audience()).await.expect("a token");
        (id, person, token)
    }

    /// A directory that has consented to the service's applications.
    pub(crate) async fn directory(&self, name: &str) -> DirectoryId {
        let admin = self.lab.customers.vault.administration();
        let directory = admin.create_directory(None, name).await.expect("a directory");
        for id in APPLICATIONS.map(|(_, _, id)| id).into_iter().chain([API_APPLICATION]) {
            admin.consent(id.parse().expect("a UUID"), directory).await.expect("consent");
        }
        directory
    }

    /// A tenant that the operator made by the API, with its administrator enrolled.
    pub(crate) async fn customer(&self, name: &str) -> Customer {
        let directory = self.directory(name).await;
        let new = json!({ "name": name, "directoryId": directory, "domains": [format!("{name}.com")] });
        let made = self.post("/v1/tenants", &self.operator, new).await.good();
        let (admin_id, admin, token) = self.person(directory, &format!("admin@{name}.com")).await;
        let credential = &made["firstAdministrator"]["credential"];
        self.post("/v1/enrolment", &token, json!({ "credential": credential })).await.good();
        let id = made["tenant"]["id"].as_str().expect("an id").to_owned();
        Customer { id, directory, admin, admin_id, token }
    }

    /// Two vaults of a customer, each with a key for every application, and the rights that the service needs.
    pub(crate) async fn keys(&self, customer: &Customer) -> [String; 2] {
        let admin = self.lab.customers.vault.administration();
        let prefix = &customer.id[..8];
        let mut keys = Vec::new();
        for which in ["a", "b"] {
            let name = format!("{prefix}-{which}");
            let new = NewSubscription { id: None, display_name: &name, owner: customer.admin_id };
            let subscription =
                admin.create_subscription(customer.directory, new).await.expect("a subscription");
            let retention = format!("/subscriptions/{subscription}/{RETENTION}/register");
            customer.admin.manage(Method::POST, &retention, None).await.expect("asked for");
            admin.register_mandatory_retention(subscription).await.expect("registered");
            let vault = format!("v{prefix}{which}");
            keys.push(self.vault(customer, &subscription.to_string(), &vault).await);
        }
        <[String; 2]>::try_from(keys).expect("two")
    }

    async fn vault(&self, customer: &Customer, subscription: &str, vault: &str) -> String {
        let person = &customer.admin;
        let manage = async |method, path: &str, body| person.manage(method, path, body).await.expect("made");
        let root = format!("/subscriptions/{subscription}");
        manage(Method::POST, &format!("{root}/providers/Microsoft.KeyVault/register"), None).await;
        let group = format!("{root}/resourceGroups/keys");
        manage(Method::PUT, &group, Some(json!({ "location": "westeurope" }))).await;
        let path = format!("{group}/providers/Microsoft.KeyVault/vaults/{vault}");
        let properties = json!({
            "tenantId": customer.directory,
            "sku": { "name": "premium", "family": "A" },
            "enableRbacAuthorization": true,
            "enableSoftDelete": true,
            "enablePurgeProtection": true,
        });
        let body = json!({ "location": "westeurope", "properties": properties });
        manage(Method::PUT, &path, Some(body)).await;
        let admin = self.lab.customers.vault.administration();
        let rights = [
            (CRYPTO_OFFICER, customer.admin_id, 1),
            (ENCRYPTION_USER, self.principal(&admin, customer).await, 2),
        ];
        for (role, principal, number) in rights {
            let id = format!("a11ce000-0000-4000-8000-00000000000{number}");
            let right = format!("{path}/providers/Microsoft.Authorization/roleAssignments/{id}");
            let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
            let body =
                json!({ "properties": { "roleDefinitionId": role, "principalId": principal.to_string() } });
            manage(Method::PUT, &right, Some(body)).await;
        }
        let body = json!({ "kty": "RSA", "key_size": 2048, "key_ops": ["wrapKey", "unwrapKey"] });
        let made = person.vault(Method::POST, vault, "/keys/mail/create", Some(body)).await;
        made.expect("a key")["key"]["kid"].as_str().expect("an identifier").to_owned()
    }

    async fn principal(&self, admin: &vault::Administration, customer: &Customer) -> PrincipalId {
        let id = APPLICATIONS[0].2.parse().expect("a UUID");
        admin.service_principal(id, customer.directory).await.expect("found").expect("consented")
    }

    /// Takes away what the service may do in a vault of the customer, at the vault alone.
    pub(crate) async fn revoke(&self, customer: &Customer, key: &str) {
        let vault = key.trim_start_matches("https://").split('.').next().expect("a host");
        let body = json!({ "attributes": { "enabled": false } });
        let disabled = customer.admin.vault(Method::PATCH, vault, "/keys/mail", Some(body)).await;
        disabled.expect("disabled");
    }
}
