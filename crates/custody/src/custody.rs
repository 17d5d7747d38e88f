//! The service's keys as one thing: what it is made of, and the door that workloads use.
//!
//! Owns `Custody`: it holds the parts and hands each question to the noun that answers it. Tenants are in
//! `tenants`, policies in `creation`, containers in `containers`, what the service does by itself in `upkeep`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crypto::{Key, Random, Volume};
use model::caller::Caller;
use model::id::{ContainerId, DepId, Generation};
use model::refusal::{Code, Refusal};
use model::root_key::RecoveryLevels;
use model::slot::Slot;
use model::time::{BoxFuture, Clock, Moment};
use model::unwrap::Family;
use store::{Replica, Store};

use crate::calls::Calls;
use crate::connection::Reach;
use crate::leases::Leases;
use crate::pulse::Pulse;
use crate::service::{Keys, Opened, Standing};
use crate::unwrap::Unwrapper;
use crate::wraps::WrapShelf;

/// The customer-key service of one node; clones share it.
#[derive(Debug, Clone)]
pub struct Custody(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    unwrapper: Arc<Unwrapper>,
    volume: Key<Volume>,
    settings: CustodySettings,
    /// When upkeep last asked a slot that was due.
    asked: Asked,
}

/// When each slot was last asked by upkeep; no longer than `ASK_AGAIN` in it.
type Asked = Mutex<HashMap<(DepId, Slot), Moment>>;

/// What the operator chooses for every tenant.
#[derive(Debug, Clone, Default)]
pub struct CustodySettings {
    /// The recovery levels that a root key may have.
    pub recovery_levels: RecoveryLevels,
}

/// What custody is made of.
#[derive(Debug)]
pub struct Parts {
    /// The service's database, with custody's [`TABLES`](crate::TABLES).
    pub store: Store,
    /// The wrap sets' database, opened with [`WRAPS_SCHEMA`](crate::WRAPS_SCHEMA).
    pub wraps: Store,
    /// The replica of the wrap sets, best in another failure domain.
    pub replica: Replica,
    /// The way to vaults.
    pub reach: Arc<dyn Reach>,
    /// The key of whatever is under no policy.
    pub volume: Key<Volume>,
    /// What the operator chose.
    pub settings: CustodySettings,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}

impl Custody {
    /// Opens custody, and puts right what a process that died before left half done.
    pub async fn open(parts: Parts) -> Result<Self, Refusal> {
        let Parts { store, wraps, replica, reach, volume, settings, clock, random } = parts;
        let calls = Calls::new(store.clone(), clock.clone());
        let shelf = WrapShelf::new(wraps, replica, clock.clone());
        let leases = Leases::new(clock.clone());
        let unwrapper = Arc::new(Unwrapper {
            store,
            shelf,
            calls,
            reach,
            clock,
            random,
            leases: leases.clone(),
            pulse: Pulse::default(),
        });
        leases.opened_by(&unwrapper);
        let custody = Self(Arc::new(Inner { unwrapper, volume, settings, asked: Asked::default() }));
        custody.reconcile().await?;
        custody.recall_denials().await?;
        Ok(custody)
    }

    pub(crate) fn unwrapper(&self) -> &Arc<Unwrapper> {
        &self.0.unwrapper
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.unwrapper.store
    }

    pub(crate) fn shelf(&self) -> &WrapShelf {
        &self.0.unwrapper.shelf
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.0.unwrapper.calls
    }

    pub(crate) fn reach(&self) -> &dyn Reach {
        self.0.unwrapper.reach.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.unwrapper.clock.as_ref()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.0.unwrapper.random.as_ref()
    }

    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.0.unwrapper.leases
    }

    pub(crate) fn volume(&self) -> &Key<Volume> {
        &self.0.volume
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    pub(crate) fn settings(&self) -> &CustodySettings {
        &self.0.settings
    }

    pub(crate) fn sixteen_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random().fill(&mut bytes);
        bytes
    }

    pub(crate) fn eight_bytes(&self) -> [u8; 8] {
        let mut bytes = [0; 8];
        self.random().fill(&mut bytes);
        bytes
    }
}

/// Runs a change to its end whatever becomes of the caller: a call that was announced gets its outcome, and nothing
/// stays half done because a client hung up.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let broken = |_| Err(Refusal::new(Code::Ours, "the change did not end"));
    tokio::spawn(change).await.unwrap_or_else(broken)
}

impl Keys for Custody {
    fn create<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        family: Family,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        Box::pin(self.take_in(caller, container, family))
    }

    fn seal<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Opened, Refusal>> {
        Box::pin(self.open_container(caller, container, None))
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Opened, Refusal>> {
        Box::pin(self.open_container(caller, container, Some(generation)))
    }

    fn rewrap<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        Box::pin(self.bring_under(caller, container))
    }

    fn standing<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        Box::pin(async move {
            let row = self.container(caller.tenant, container).await?.value;
            let tenant = self.tenant(caller.tenant).await?.value;
            Ok(self.standing_of(&row, &tenant))
        })
    }
}
