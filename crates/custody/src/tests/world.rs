//! A small world: one custody over stores in memory, a clock that stands still, and vaults that answer by script.

use std::sync::Arc;
use std::time::Duration;

use crypto::testing::SeededRandom;
use crypto::{Key, Part, PartPlace, SealedPart, Volume};
use model::caller::{Caller, Initiator, Principal};
use model::fault::Answer;
use model::id::{ContainerId, DirectoryId, RequestId};
use model::policy::PolicyKind;
use model::refusal::Refusal;
use model::settings::{Bound, Hold, Settings};
use model::time::{ManualClock, Timestamp};
use model::unwrap::Family;
use store::{AuditRow, Faults, Replica, Scan, Schema, Store, Table};
use tempfile::TempDir;

use crate::roots::testing::Asked;
use crate::rows::{INTENTS, POLICIES, TENANTS};
use crate::service::{Keys, Opened};
pub(super) use crate::testing::{Vaults, key, version};
use crate::{Custody, CustodySettings, NewPolicy, NewTenant, Parts, Policy, TABLES, Tenant, WRAPS_SCHEMA};

/// Where wrap sets lie.
pub(super) const WRAP_SETS: Table = Table("wrap_sets");

const SERVICE: Schema = Schema { owner: "service", version: 1, tables: TABLES, migrations: &[] };

/// Everything a test needs; `restart` is a kill and a start over the same stores.
pub(super) struct World {
    pub(super) custody: Custody,
    pub(super) clock: ManualClock,
    pub(super) vaults: Vaults,
    pub(super) service: (Store, Faults),
    pub(super) wraps: (Store, Faults),
    replica: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        let vaults = Vaults::new();
        for vault in ["contoso-a", "contoso-b", "fabrikam-a", "fabrikam-b"] {
            for name in ["exo", "spo", "exo2"] {
                vaults.customer.add(&key(vault, name));
            }
        }
        let clock = ManualClock::at(Timestamp(1_800_000_000_000));
        let (service, wraps) = (Store::memory(&SERVICE), Store::memory(&WRAPS_SCHEMA));
        let replica = TempDir::new().expect("a temporary folder");
        let custody = open(&service.0, &wraps.0, &replica, &vaults, &clock, 1).await;
        Self { custody, clock, vaults, service, wraps, replica }
    }

    /// Kills custody and starts it again on what is stored; nothing in memory survives.
    pub(super) async fn restart(&mut self) {
        let Self { service, wraps, replica, vaults, clock, .. } = &*self;
        self.custody = open(&service.0, &wraps.0, replica, vaults, clock, 99).await;
    }

    /// The service's database is lost; the wrap sets' is not.
    pub(super) fn forget_service(&mut self) {
        self.service = Store::memory(&SERVICE);
    }

    /// The copy of a wrap set in the replica.
    pub(super) async fn copy_of(&self, place: &str) -> Option<Vec<u8>> {
        let replica = Replica::open(self.replica.path()).await.expect("a replica");
        replica.read(&place.replace('/', ".")).await.expect("read")
    }

    /// Lets time pass in small steps, so that keepers and timers run as they would.
    pub(super) async fn pass(&self, by: Duration) {
        const STEP: Duration = Duration::from_millis(500);
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(STEP);
            self.clock.advance(step);
            left -= step;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }

    pub(super) async fn tenant(&self, directory: u8) -> Tenant {
        let new = NewTenant {
            name: format!("Tenant {directory}"),
            directory: DirectoryId::from_random([directory; 16]),
            domains: vec![format!("contoso-{directory}.com")],
            geos: Vec::new(),
            entitlement: "E5".into(),
        };
        self.custody.create_tenant(&Principal("operator".into()), new).await.expect("a tenant")
    }

    /// A policy with a bound of two seconds, and for sites a hold of six.
    pub(super) async fn policy(&self, caller: &Caller, kind: PolicyKind, name: &str) -> Policy {
        let new = new_policy(kind, name, ["contoso-a", "contoso-b"]);
        self.custody.create_policy(caller, new).await.expect("a policy")
    }

    pub(super) fn unreachable(&self, vault: &str, name: &str) {
        self.vaults.customer.answer_all(&key(vault, name), Answer::Refused);
    }

    pub(super) fn denies(&self, vault: &str, name: &str) {
        let denial = Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac"));
        self.vaults.customer.answer_all(&key(vault, name), denial);
    }

    pub(super) fn heals(&self, vault: &str, name: &str) {
        self.vaults.customer.heal(&key(vault, name));
    }

    /// How often the customer's key was asked to unwrap.
    pub(super) fn unwraps(&self, vault: &str, name: &str) -> usize {
        let wanted = key(vault, name);
        let calls = self.vaults.customer.calls();
        calls.iter().filter(|call| call.asked == Asked::Unwrap && call.key.is_same_key(&wanted)).count()
    }

    /// No open intent, no wrap set and no replica without a policy, no policy without a tenant or without both of them.
    pub(super) async fn nothing_is_half_there(&self) {
        let keys = async |store: &Store, table| {
            let rows = store.scan(table, Scan { prefix: "", after: None, limit: 500 }).await.expect("a list");
            rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
        };
        let policies = keys(&self.service.0, POLICIES).await;
        assert_eq!(keys(&self.wraps.0, WRAP_SETS).await, policies);
        let replica = Replica::open(self.replica.path()).await.expect("a replica");
        let copies = replica.list().await.expect("a list");
        assert_eq!(copies, policies.iter().map(|key| key.replace('/', ".")).collect::<Vec<_>>());
        for (copy, policy) in copies.iter().zip(&policies) {
            let row = self.wraps.0.read(WRAP_SETS, policy).await.expect("read").expect("there");
            assert_eq!(replica.read(copy).await.expect("read").as_deref(), row.payload.as_deref(), "{copy}");
        }
        let tenants = keys(&self.service.0, TENANTS).await;
        for policy in &policies {
            assert!(tenants.iter().any(|tenant| policy.starts_with(tenant)), "{policy} has no tenant");
        }
        assert!(keys(&self.service.0, INTENTS).await.is_empty(), "intents without outcome");
    }

    /// Every call that was announced has an outcome.
    pub(super) async fn nothing_is_open(&self, caller: &Caller) {
        let rows = self.service.0.scan(INTENTS, Scan { prefix: "", after: None, limit: 10 }).await;
        assert!(rows.expect("a list").is_empty(), "intents without outcome");
        let calls = self.audit(caller, "RootKeyCall").await;
        let count = |phase: &str| calls.iter().filter(|call| call["phase"] == phase).count();
        assert_eq!(count("intent"), count("outcome") + count("intent without outcome"));
    }

    pub(super) async fn audit(&self, caller: &Caller, operation: &str) -> Vec<serde_json::Value> {
        let mut found: Vec<AuditRow> = Vec::new();
        loop {
            let after = found.last().map_or(0, |row| row.seq);
            let page = self.custody.audit(caller, after, 500).await.expect("an audit page");
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        let wanted = found.iter().filter(|row| row.operation == operation);
        wanted.map(|row| row.parse().expect("a JSON body")).collect()
    }
}

pub(super) fn new_policy(kind: PolicyKind, name: &str, vaults: [&str; 2]) -> NewPolicy {
    let workload = if kind == PolicyKind::SharePoint { "spo" } else { "exo" };
    let mut settings = Settings::default_of(kind.family());
    settings.bound = Bound::from_secs(2).expect("within bounds");
    if kind == PolicyKind::SharePoint {
        settings.hold = Hold::from_secs(6).expect("within bounds");
    }
    NewPolicy {
        kind,
        name: name.into(),
        description: "for the test".into(),
        keys: vaults.map(|vault| key(vault, workload).versionless()),
        settings: Some(settings),
    }
}

pub(super) fn user(tenant: &Tenant) -> Caller {
    Caller {
        tenant: tenant.id,
        principal: Principal("alice".into()),
        initiator: Initiator::User,
        request: RequestId::from_random([5; 16]),
    }
}

pub(super) fn container(number: u8) -> ContainerId {
    ContainerId::from_random([number; 16])
}

/// Seals a word in a container, as a workload would.
pub(super) async fn seal(custody: &Custody, caller: &Caller, id: ContainerId) -> Result<Sealed, Refusal> {
    let opened = custody.seal(caller, id).await?;
    let place = place(caller, id, &opened);
    let part = opened.key()?.seal(b"a word", &place, &SeededRandom::new(7));
    Ok(Sealed { part, place, generation: opened.generation })
}

/// Opens the word again, by whatever key the container has now.
pub(super) async fn open_word(
    custody: &Custody,
    caller: &Caller,
    id: ContainerId,
    sealed: &Sealed,
) -> Result<Vec<u8>, Refusal> {
    let opened = custody.open(caller, id, sealed.generation).await?;
    Ok(opened.key()?.open(&sealed.part.dek, &sealed.part.message, &sealed.place).expect("the same key"))
}

pub(super) struct Sealed {
    part: SealedPart,
    place: PartPlace,
    generation: model::id::Generation,
}

fn place(caller: &Caller, id: ContainerId, opened: &Opened) -> PartPlace {
    let container = crypto::ContainerPlace {
        tenant: *caller.tenant.as_bytes(),
        container: *id.as_bytes(),
        generation: opened.generation.0,
    };
    PartPlace { container, object: [9; 16], part: Part::Blob(0) }
}

async fn open(
    service: &Store,
    wraps: &Store,
    replica: &TempDir,
    vaults: &Vaults,
    clock: &ManualClock,
    seed: u64,
) -> Custody {
    let parts = Parts {
        store: service.clone(),
        wraps: wraps.clone(),
        replica: Replica::open(replica.path()).await.expect("a replica"),
        reach: Arc::new(vaults.clone()),
        volume: Key::<Volume>::generate(&SeededRandom::new(3)),
        settings: CustodySettings::default(),
        clock: Arc::new(clock.clone()),
        random: Arc::new(SeededRandom::new(seed)),
    };
    Custody::open(parts).await.expect("custody")
}

/// A mailbox under a mailbox policy, rewrapped and ready, with one sealed word.
pub(super) async fn mailbox(world: &World) -> (Tenant, Policy, ContainerId, Sealed) {
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let policy = world.policy(&caller, PolicyKind::Mailbox, "Mail").await;
    world.custody.create(&caller, container(1), Family::Exchange).await.expect("a mailbox");
    world.custody.assign(&caller, container(1), Some(policy.id)).await.expect("assigned");
    let sealed = seal(&world.custody, &caller, container(1)).await.expect("sealed");
    (tenant, policy, container(1), sealed)
}

/// A site under the tenant's SharePoint policy, with one sealed word.
pub(super) async fn site(world: &World) -> (Tenant, Policy, ContainerId, Sealed) {
    let tenant = world.tenant(1).await;
    let caller = user(&tenant);
    let policy = world.policy(&caller, PolicyKind::SharePoint, "Sites").await;
    let assigned = world.custody.assign_tenant(&caller, PolicyKind::SharePoint, Some(policy.id)).await;
    assigned.expect("assigned");
    world.custody.create(&caller, container(2), Family::SharePoint).await.expect("a site");
    let sealed = seal(&world.custody, &caller, container(2)).await.expect("sealed");
    (tenant, policy, container(2), sealed)
}
