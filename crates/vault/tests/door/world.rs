//! A small world for the tests: one directory with an owner, an officer and a service, one subscription, one vault.

use std::sync::Arc;
use std::time::Duration;

use crate::gate::Gate;
use axum::Router;
use axum::body::Body;
use crypto::testing::SeededRandom;
use crypto::{Key, Master};
use freehold_vault::{
    Administration, ApplicationId, Limits, NewApplication, NewSubscription, PrincipalId, Settings,
    SubscriptionId, Vault,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use model::id::DirectoryId;
use model::time::{ManualClock, Timestamp};
use serde_json::{Value, json};
use store::{Faults, Store};
use tower::ServiceExt;

pub(crate) const SUFFIX: &str = "vault.localhost";
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
pub(crate) const START: Timestamp = Timestamp(1_795_521_600_000);
pub(crate) const AZ: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
pub(crate) const OFFICER: &str = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";
pub(crate) const SERVICE: &str = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
pub(crate) const CRYPTO_USER: &str = "12338af0-0e69-4776-bea7-57ae8d297424";
pub(crate) const READER: &str = "21090545-7ca7-4776-b22c-e363652d74d2";

/// A reply, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn inner(&self) -> &str {
        self.json["error"]["innererror"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.json);
        self.json
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, inner: &str) {
        assert_eq!((self.status.as_u16(), self.code(), self.inner()), (status, code, inner), "{}", self.json);
    }
}

/// Sends one request through the router.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let reply = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = reply.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status: parts.status, headers: parts.headers, json }
}

pub(crate) fn request(
    method: Method,
    host: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path).header("host", host);
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
    builder.body(body).unwrap()
}

pub(crate) fn settings(soft_delete: bool) -> Settings {
    let suffix = SUFFIX.parse().unwrap();
    Settings {
        hosts: freehold_vault::ServiceHosts::of(&suffix),
        suffix,
        soft_delete,
        retention_at_once: false,
        limits: Limits::default(),
    }
}

pub(crate) fn master() -> Key<Master> {
    Key::generate(&SeededRandom::new(77))
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) principal: PrincipalId,
    pub(crate) form: String,
}

impl Person {
    pub(crate) fn user(principal: PrincipalId, name: &str, secret: &str) -> Self {
        let form = format!("client_id={AZ}&grant_type=password&username={name}&password={secret}");
        Self { principal, form }
    }

    pub(crate) fn service(principal: PrincipalId, application: ApplicationId, secret: &str) -> Self {
        let form = format!("client_id={application}&grant_type=client_credentials&client_secret={secret}");
        Self { principal, form }
    }
}

/// One directory with its people, a subscription and a vault.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) directory: DirectoryId,
    pub(crate) subscription: SubscriptionId,
    /// The vault's name, in lower case.
    pub(crate) name: String,
    pub(crate) owner: Person,
    pub(crate) officer: Person,
    pub(crate) service: Person,
    pub(crate) application: ApplicationId,
}

impl Tenant {
    pub(crate) fn group_path(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/rg", self.subscription)
    }

    pub(crate) fn vault_path(&self) -> String {
        format!("{}/providers/Microsoft.KeyVault/vaults/{}", self.group_path(), self.name)
    }

    pub(crate) fn host(&self) -> String {
        format!("{}.{SUFFIX}", self.name)
    }
}

pub(crate) struct World {
    pub(crate) vault: Vault,
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) gate: Arc<Gate>,
    pub(crate) faults: Faults,
    pub(crate) contoso: Tenant,
}

/// A new instance without anything in it.
pub(crate) async fn empty(soft_delete: bool) -> (Vault, ManualClock, Arc<Gate>, Faults) {
    let (store, faults) = Store::memory(&freehold_vault::SCHEMA);
    let clock = ManualClock::at(START);
    let gate = Gate::new(clock.clone());
    let random = Arc::new(SeededRandom::new(5));
    let vault = Vault::open(settings(soft_delete), store, master(), gate.clone(), random).await.unwrap();
    (vault, clock, gate, faults)
}

/// Makes a directory and everything in it; what a customer would do goes over the wire.
pub(crate) async fn tenant(vault: &Vault, name: &str) -> Tenant {
    let admin = vault.administration();
    let directory = admin.create_directory(None, name).await.unwrap();
    let owner = user(&admin, directory, &format!("owner@{name}.com")).await;
    let officer = user(&admin, directory, &format!("alice@{name}.com")).await;
    let new = NewApplication { client_id: None, display_name: "custody", secret_life: YEAR };
    let (application, secret) = admin.create_application(directory, new).await.unwrap();
    let principal = admin.consent(application, directory).await.unwrap();
    let service = Person::service(principal, application, &secret);
    let new = NewSubscription { id: None, display_name: "keys", owner: owner.principal };
    let subscription = admin.create_subscription(directory, new).await.unwrap();
    let tenant = Tenant {
        directory,
        subscription,
        name: format!("{name}-ck-a1"),
        owner,
        officer,
        service,
        application,
    };
    let router = vault.router();
    let manage = Manage { router: &router, tenant: &tenant, who: &tenant.owner };
    manage.post(&format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/register")).await.ok();
    manage.put(&tenant.group_path(), &json!({"location": "westeurope"})).await.ok();
    manage.put(&tenant.vault_path(), &vault_body(&tenant)).await.ok();
    manage.assign(&tenant.vault_path(), &tenant.officer, OFFICER, 1).await.ok();
    manage.assign(&tenant.vault_path(), &tenant.service, SERVICE, 2).await.ok();
    tenant
}

pub(crate) async fn user(admin: &Administration, directory: DirectoryId, name: &str) -> Person {
    let (principal, secret) = admin.create_user(directory, name, name, YEAR).await.unwrap();
    Person::user(principal, name, &secret)
}

pub(crate) fn vault_body(tenant: &Tenant) -> Value {
    json!({
        "location": "westeurope",
        "properties": {
            "tenantId": tenant.directory,
            "sku": {"name": "premium", "family": "A"},
            "enableRbacAuthorization": true,
        },
    })
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(true).await
    }

    pub(crate) async fn with(soft_delete: bool) -> Self {
        let (vault, clock, gate, faults) = empty(soft_delete).await;
        let contoso = tenant(&vault, "contoso").await;
        Self { router: vault.router(), vault, clock, gate, faults, contoso }
    }

    pub(crate) fn manage(&self) -> Manage<'_> {
        Manage { router: &self.router, tenant: &self.contoso, who: &self.contoso.owner }
    }

    /// The keys of the vault, as its officer.
    pub(crate) async fn officer(&self) -> Keys<'_> {
        self.keys(&self.contoso.officer).await
    }

    /// The keys of the vault, as the service that wraps with them.
    pub(crate) async fn service(&self) -> Keys<'_> {
        self.keys(&self.contoso.service).await
    }

    pub(crate) async fn keys(&self, who: &Person) -> Keys<'_> {
        let token = token(&self.router, &self.contoso, who, &format!("https://{SUFFIX}")).await;
        Keys { router: &self.router, host: self.contoso.host(), token }
    }
}

pub(crate) async fn sign_in(router: &Router, directory: &str, form: &str, resource: &str) -> Answer {
    let body = format!("{form}&scope={resource}/.default");
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/{directory}/oauth2/v2.0/token"))
        .header("host", format!("login.{SUFFIX}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    send(router, request).await
}

pub(crate) async fn token(router: &Router, tenant: &Tenant, who: &Person, resource: &str) -> String {
    let answer = sign_in(router, &tenant.directory.to_string(), &who.form, resource).await;
    answer.ok()["access_token"].as_str().unwrap().to_owned()
}

impl Person {
    pub(crate) fn form(&self) -> &str {
        &self.form
    }
}

/// The resource manager, as somebody.
pub(crate) struct Manage<'a> {
    pub(crate) router: &'a Router,
    pub(crate) tenant: &'a Tenant,
    pub(crate) who: &'a Person,
}

impl Manage<'_> {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let token = token(self.router, self.tenant, self.who, &format!("https://management.{SUFFIX}")).await;
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{join}api-version=2026-02-01");
        send(self.router, request(method, &format!("management.{SUFFIX}"), &path, Some(&token), body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None).await
    }

    pub(crate) async fn assign(&self, scope: &str, to: &Person, role: &str, n: u128) -> Answer {
        self.put(&assignment(scope, n), &assignment_body(to.principal, role)).await
    }

    pub(crate) async fn unassign(&self, scope: &str, n: u128) -> Answer {
        self.call(Method::DELETE, &assignment(scope, n), None).await
    }
}

pub(crate) fn assignment(scope: &str, n: u128) -> String {
    let id = uuid::Uuid::from_u128(n);
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}")
}

pub(crate) fn assignment_body(principal: PrincipalId, role: &str) -> Value {
    let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({"properties": {"roleDefinitionId": role, "principalId": principal}})
}

/// A vault's keys, as somebody.
pub(crate) struct Keys<'a> {
    pub(crate) router: &'a Router,
    pub(crate) host: String,
    pub(crate) token: String,
}

impl Keys<'_> {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{join}api-version=2025-07-01");
        send(self.router, request(method, &self.host, &path, Some(&self.token), body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn create(&self, name: &str, body: Value) -> Answer {
        self.call(Method::POST, &format!("/keys/{name}/create"), Some(&body)).await
    }

    /// Makes an RSA key of 2048 bits and answers its version.
    pub(crate) async fn make(&self, name: &str) -> String {
        let bundle = self.create(name, json!({"kty": "RSA"})).await.ok();
        version(&bundle)
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    pub(crate) async fn operate(&self, path: &str, algorithm: &str, value: &str) -> Answer {
        self.call(Method::POST, path, Some(&json!({"alg": algorithm, "value": value}))).await
    }

    pub(crate) async fn wrap(&self, name: &str) -> Answer {
        self.operate(&format!("/keys/{name}//wrapkey"), "RSA-OAEP-256", SECRET).await
    }

    pub(crate) async fn unwrap(&self, name: &str, version: &str, wrapped: &str) -> Answer {
        self.operate(&format!("/keys/{name}/{version}/unwrapkey"), "RSA-OAEP-256", wrapped).await
    }
}

/// 32 bytes in base64url: what is wrapped in most tests.
pub(crate) const SECRET: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

pub(crate) fn version(bundle: &Value) -> String {
    bundle["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

pub(crate) fn value(answer: Answer) -> String {
    answer.ok()["value"].as_str().unwrap().to_owned()
}
