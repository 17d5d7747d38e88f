//! What the tests stand on: a custody over stores in memory with scripted vaults, an engine, and the routes over both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::server::Refused;
use api::{Container, Problem, WrittenObject, text};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use axum::middleware::map_response;
use axum::{Extension, Router};
use crypto::testing::SeededRandom;
use crypto::{Key, Volume};
use custody::testing::{Vaults, key};
use custody::{Custody, CustodySettings, NewPolicy, NewTenant, Parts, Tenant, WRAPS_SCHEMA};
use freehold_workloads::Engine;
use freehold_workloads::http::{Http, routes};
use model::caller::{Caller, Identity, Initiator, Principal, Role, Subject};
use model::fault::Answer;
use model::id::{ContainerId, DirectoryId, ObjectId, RequestId};
use model::policy::PolicyKind;
use model::refusal::Code;
use model::settings::{Bound, Settings};
use model::time::{ManualClock, Timestamp};
use serde::de::DeserializeOwned;
use store::{Blobs, Replica, Schema, Store};
use tempfile::TempDir;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

const CUSTODY: Schema = Schema { owner: "service", version: 1, tables: custody::TABLES, migrations: &[] };
const ENGINE: Schema =
    Schema { owner: "service", version: 1, tables: freehold_workloads::TABLES, migrations: &[] };

/// The bound of the policies that tests make.
const BOUND: Duration = Duration::from_secs(2);

/// The service of the data plane with two tenants, and people of every role in each.
pub(crate) struct World {
    pub(crate) custody: Custody,
    pub(crate) blobs: Blobs,
    pub(crate) openapi: OpenApi,
    pub(crate) contoso: Tenant,
    pub(crate) fabrikam: Tenant,
    router: Router,
    vaults: Vaults,
    pub(crate) clock: ManualClock,
    _replica: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let vaults = Vaults::new();
        for vault in ["contoso-a", "contoso-b"] {
            vaults.customer.add(&key(vault, "exo"));
        }
        let clock = ManualClock::at(Timestamp(1_800_000_000_000));
        let replica = TempDir::new().expect("a temporary folder");
        let parts = Parts {
            store: Store::memory(&CUSTODY).0,
            wraps: Store::memory(&WRAPS_SCHEMA).0,
            replica: Replica::open(replica.path()).await.expect("a replica"),
            reach: Arc::new(vaults.clone()),
            volume: Key::<Volume>::generate(&SeededRandom::new(3)),
            settings: CustodySettings::default(),
            clock: Arc::new(clock.clone()),
            random: Arc::new(SeededRandom::new(1)),
        };
        let custody = Custody::open(parts).await.expect("custody");
        let blobs = Blobs::memory();
        let engine = Engine::open(
            Store::memory(&ENGINE).0,
            blobs.clone(),
            Arc::new(custody.clone()),
            Arc::new(clock.clone()),
            Arc::new(SeededRandom::new(2)),
        );
        let (router, openapi) = routes().split_for_parts();
        let router = router.with_state(Http { custody: custody.clone(), engine });
        let contoso = tenant(&custody, 1).await;
        let fabrikam = tenant(&custody, 2).await;
        Self { custody, blobs, openapi, contoso, fabrikam, router, vaults, clock, _replica: replica }
    }

    /// Sends a request as the binary's door would hand it over; `None` is a call without a token.
    pub(crate) async fn send(
        &self,
        as_whom: Option<&Identity>,
        mut request: Request<Body>,
    ) -> Response<Body> {
        request.extensions_mut().insert(self::request());
        if let Some(identity) = as_whom {
            request.extensions_mut().insert(identity.clone());
        }
        let response = self.router.clone().oneshot(request).await.expect("a router always answers");
        Refused::render(response, self::request())
    }

    /// The routes as a server has them, for somebody who may write in the first tenant.
    pub(crate) fn router_for_a_writer(&self) -> Router {
        let render = |response| async { Refused::render(response, self::request()) };
        let router = self.router.clone().layer(map_response(render));
        router.layer(Extension(person(&self.contoso, Role::Writer))).layer(Extension(self::request()))
    }

    /// Sends a request as a writer of the first tenant, and takes the whole answer.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Told {
        Told::of(self.send(Some(&person(&self.contoso, Role::Writer)), request).await).await
    }

    /// A mailbox of the first tenant.
    pub(crate) async fn mailbox(&self, address: &str) -> Container {
        let new = format!(r#"{{"kind":"mailbox","name":"{address}"}}"#);
        let told = self.ask(json(Method::POST, &self.containers(), new)).await;
        assert_eq!(told.status, StatusCode::CREATED, "{told:?}");
        told.json()
    }

    /// The path of the first tenant's mailboxes and sites.
    pub(crate) fn containers(&self) -> String {
        format!("/v1/tenants/{}/containers", self.contoso.id)
    }

    pub(crate) fn objects(&self, container: &Container) -> String {
        format!("{}/{}/objects", self.containers(), container.id)
    }

    pub(crate) fn content(&self, container: &Container, object: ObjectId) -> String {
        format!("{}/{object}/content", self.objects(container))
    }

    /// Stores a file.
    pub(crate) async fn put(&self, container: &Container, name: &str, content: Vec<u8>) -> WrittenObject {
        let request = Request::post(self.objects(container))
            .header(header::CONTENT_DISPOSITION, text::disposition(name))
            .body(Body::from(content));
        let told = self.ask(request.expect("a request")).await;
        assert_eq!(told.status, StatusCode::CREATED, "{told:?}");
        told.json()
    }

    /// Puts a mailbox under a policy of its own, whose keys lie with the customer.
    pub(crate) async fn cover(&self, container: ContainerId) {
        let mut settings = Settings::default_of(PolicyKind::Mailbox.family());
        settings.bound = Bound::from_secs(BOUND.as_secs()).expect("within bounds");
        let new = NewPolicy {
            kind: PolicyKind::Mailbox,
            name: "Mail".into(),
            description: "for the test".into(),
            keys: ["contoso-a", "contoso-b"].map(|vault| key(vault, "exo").versionless()),
            settings: Some(settings),
        };
        let caller = Caller {
            tenant: self.contoso.id,
            principal: Principal("administrator".into()),
            initiator: Initiator::User,
            request: self::request(),
        };
        let policy = self.custody.create_policy(&caller, new).await.expect("a policy");
        self.custody.assign(&caller, container, Some(policy.id)).await.expect("assigned");
    }

    /// The customer takes the service's right on its keys away, and every lease of before ends.
    pub(crate) async fn deny(&self) {
        for vault in ["contoso-a", "contoso-b"] {
            let denial = Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac"));
            self.vaults.customer.answer_all(&key(vault, "exo"), denial);
        }
        for _ in 0..8 {
            self.clock.advance(BOUND / 2);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The id that every call of the tests carries.
pub(crate) fn request() -> RequestId {
    RequestId::from_random([9; 16])
}

async fn tenant(custody: &Custody, number: u8) -> Tenant {
    let new = NewTenant {
        name: format!("Tenant {number}"),
        directory: DirectoryId::from_random([number; 16]),
        domains: vec![format!("contoso-{number}.com")],
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let operator = Principal("operator".into());
    let tenant = custody.create_tenant(&operator, new).await.expect("a tenant");
    let first = custody.invite_first(&operator, request(), tenant.id).await.expect("invited");
    let administrator = subject(&tenant, Role::Administrator);
    custody.redeem(&administrator, request(), &first.credential).await.expect("enrolled");
    let caller = custody
        .caller(&Identity::Person(administrator.clone()), request(), tenant.id, Role::Administrator)
        .await
        .expect("an administrator");
    for role in [Role::Reader, Role::Writer, Role::Auditor] {
        let invited = custody.invite(&caller, &administrator, BTreeSet::from([role])).await.expect("invited");
        custody.redeem(&subject(&tenant, role), request(), &invited.credential).await.expect("enrolled");
    }
    tenant
}

fn subject(tenant: &Tenant, role: Role) -> Subject {
    let issuer = format!("https://login.vault.localhost/{}/", tenant.directory);
    Subject { issuer, directory: tenant.directory, subject: role.to_string() }
}

/// Somebody of a tenant who has this role alone.
pub(crate) fn person(tenant: &Tenant, role: Role) -> Identity {
    Identity::Person(subject(tenant, role))
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("it comes whole");
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(&name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.header(header::CONTENT_TYPE), "application/json", "{self:?}");
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        serde_json::from_slice(&self.body).expect("the type of the contract")
    }

    /// The refusal that it is; its status is the code's unless another one is named.
    pub(crate) fn refused(&self, code: Code) -> Problem {
        self.refused_as(code, code.status())
    }

    pub(crate) fn refused_as(&self, code: Code, status: u16) -> Problem {
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json", "{self:?}");
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!((problem.code.as_str(), problem.status), (code.text(), status), "{problem:?}");
        assert_eq!((self.status.as_u16(), problem.request_id), (status, Some(request())));
        problem
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

pub(crate) fn json(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header(header::CONTENT_TYPE, "application/json").body(body.into()).expect("a request")
}

/// Bytes that look like nothing and are the same each time.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
