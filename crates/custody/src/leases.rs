//! Opened DEP keys in memory, each for as long as its lease lasts.
//!
//! Owns the cells in which leases live: one unwrap at a time per flight, a keeper that renews ahead of expiry
//! while a key is in use, and the fence that a raised revocation epoch is. How long a lease lasts and whom it
//! serves is decided in `model::lease`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crypto::{Container, Dep, Key};
use futures::future::{Either, select};
use model::caller::{Caller, Initiator, Principal};
use model::evidence::Memories;
use model::id::{DepId, Generation, RequestId, RevocationEpoch};
use model::lease::{self, Ended, EpochRead, Flight, Grant, HoldGround, Use};
use model::outcome::{NoHelp, Outcome};
use model::refusal::{Code, Refusal};
use model::settings::{Preset, Settings};
use model::slot::ConnectionVersion;
use model::time::{Clock, Moment};
use model::unwrap::Purpose;

use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::service;
use crate::unwrap::{Opening, Unopened, Unwrapper};

/// How many flights may hold a key at once; the oldest that ended give way, and a live one is never pushed out.
pub const MAX_FLIGHTS: usize = 10_000;

/// Every lease of this node.
#[derive(Debug)]
pub(crate) struct Leases {
    clock: Arc<dyn Clock>,
    cells: Mutex<HashMap<Flight, Arc<Cell>>>,
    now: Mutex<HashMap<DepId, PolicyNow>>,
    unwrapper: OnceLock<Weak<Unwrapper>>,
}

/// What was last read of a policy's row.
#[derive(Debug, Clone, Copy)]
struct PolicyNow {
    epoch: EpochRead,
    preset: Preset,
}

/// Where the lease of one flight lives.
#[derive(Debug, Default)]
struct Cell {
    /// Held while the key is being opened, also when nobody waits for it any more: single flight.
    gate: Arc<tokio::sync::Mutex<()>>,
    lease: Mutex<Option<Arc<DepLease>>>,
    failed: Mutex<Failed>,
}

/// How many unwraps of a flight opened nothing, and what the last one said: an answer to whoever waited for it.
#[derive(Debug, Default)]
struct Failed {
    count: u64,
    last: Option<Refusal>,
}

/// An opened DEP key and the lease on it.
#[derive(Debug)]
pub(crate) struct DepLease {
    policy: DepId,
    generation: Generation,
    key: Key<Dep>,
    settings: Settings,
    state: Mutex<State>,
    leases: Arc<Leases>,
}

#[derive(Debug)]
struct State {
    lease: lease::Lease,
    used: Moment,
    /// When the key is opened again; drawn once for each lease, so that nodes do not ask in step.
    renew_at: Moment,
    /// Why the last renewal opened nothing; told to whoever still holds the ended lease.
    refused: Option<Refusal>,
}

impl Leases {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, cells: Mutex::default(), now: Mutex::default(), unwrapper: OnceLock::new() })
    }

    /// Names the unwrapper that opens keys; it holds these leases, so the way back is weak.
    pub(crate) fn opened_by(&self, unwrapper: &Arc<Unwrapper>) {
        self.unwrapper.get_or_init(|| Arc::downgrade(unwrapper));
    }

    /// A lease that serves this caller and purpose: a living one, or a key opened now.
    pub(crate) async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        policy: DepId,
        purpose: Purpose,
    ) -> Result<Arc<DepLease>, Refusal> {
        let unwrapper = self.unwrapper()?;
        let policy = self.read_policy(&unwrapper, caller, policy).await?;
        let flight =
            Flight { policy: policy.id, generation: policy.generation, initiator: caller.initiator, purpose };
        let cell = self.cell(flight)?;
        if let Some(lease) = cell.living(flight) {
            return Ok(lease);
        }
        let before = lock(&cell.failed).count;
        let gate = cell.gate.clone().lock_owned().await;
        if let Some(lease) = cell.living(flight) {
            return Ok(lease);
        }
        if let Some(refusal) = cell.failed_since(before) {
            return Err(refusal);
        }
        // The gate goes with the task: a caller who leaves and comes back does not begin a second unwrap.
        let (leases, caller) = (self.clone(), caller.clone());
        let task = tokio::spawn(async move {
            let opened = leases.open_now(unwrapper, caller, flight, &cell).await;
            if let Err(refusal) = &opened {
                let mut failed = lock(&cell.failed);
                *failed = Failed { count: failed.count + 1, last: Some(refusal.clone()) };
            }
            drop(gate);
            opened
        });
        let broken = || Refusal::new(Code::Ours, "the unwrap did not end").about(policy.id);
        task.await.unwrap_or_else(|_| Err(broken()))
    }

    async fn open_now(
        self: &Arc<Self>,
        unwrapper: Arc<Unwrapper>,
        caller: Caller,
        flight: Flight,
        cell: &Arc<Cell>,
    ) -> Result<Arc<DepLease>, Refusal> {
        let opening = unwrapper.open(&caller, flight.policy, flight.purpose).await;
        let opening = opening.map_err(|unopened| unopened.refusal)?;
        let lease = Arc::new(self.grant(opening, unwrapper.jitter())?);
        *lock(&cell.lease) = Some(lease.clone());
        tokio::spawn(self.clone().keep(caller, flight, cell.clone(), lease.clone()));
        Ok(lease)
    }

    /// A policy's epoch was raised by a denial: every older lease of it is over, on this node at once.
    pub(crate) fn fence(&self, policy: DepId, epoch: RevocationEpoch) {
        let at = self.clock.moment();
        if let Some(now) = lock(&self.now).get_mut(&policy) {
            now.epoch = now.epoch.newer(EpochRead { epoch, at });
        }
        for (flight, cell) in lock(&self.cells).iter() {
            if let (true, Some(lease)) = (flight.policy == policy, lock(&cell.lease).as_ref()) {
                lock(&lease.state).lease.heard_denial();
            }
        }
        tracing::info!(%policy, epoch = epoch.0, "the revocation epoch was raised: older leases are dropped");
    }

    /// A lease on a key of the volume layer: nobody's to refuse.
    pub(crate) fn volume_lease(&self, key: Key<Container>) -> VolumeLease {
        VolumeLease { key }
    }

    /// How many flights hold a key in memory.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        lock(&self.cells).values().filter(|cell| lock(&cell.lease).is_some()).count()
    }

    fn unwrapper(&self) -> Result<Arc<Unwrapper>, Refusal> {
        let unwrapper = self.unwrapper.get().and_then(Weak::upgrade);
        unwrapper.ok_or_else(|| Refusal::new(Code::Busy, "the service is being closed"))
    }

    async fn read_policy(
        &self,
        unwrapper: &Unwrapper,
        caller: &Caller,
        policy: DepId,
    ) -> Result<Policy, Refusal> {
        let at = self.clock.moment();
        let policy = unwrapper.policy(caller, policy).await?.value;
        let read = EpochRead { epoch: policy.epoch, at };
        let mut now = lock(&self.now);
        let known = now.entry(policy.id).or_insert(PolicyNow { epoch: read, preset: policy.settings.preset });
        known.epoch = known.epoch.newer(read);
        known.preset = policy.settings.preset;
        Ok(policy)
    }

    fn cell(&self, flight: Flight) -> Result<Arc<Cell>, Refusal> {
        let mut cells = lock(&self.cells);
        if cells.len() >= MAX_FLIGHTS && !cells.contains_key(&flight) {
            cells.retain(|_, cell| lock(&cell.lease).is_some() || Arc::strong_count(cell) > 1);
            if cells.len() >= MAX_FLIGHTS {
                return Err(Refusal::new(Code::Busy, "too many policies are open on this node"));
            }
        }
        Ok(cells.entry(flight).or_default().clone())
    }

    fn grant(self: &Arc<Self>, opening: Opening, jitter: u16) -> Result<DepLease, Refusal> {
        let lease = granted(&opening)?;
        let renew_at = lease.renew_at(jitter);
        let Opening { key, policy, .. } = opening;
        let used = self.clock.moment();
        Ok(DepLease {
            policy: policy.id,
            generation: policy.generation,
            key,
            settings: policy.settings,
            state: Mutex::new(State { lease, used, renew_at, refused: None }),
            leases: self.clone(),
        })
    }

    /// Keeps one lease: reads the epoch, renews ahead of expiry while content is in use, drops the key at the end.
    async fn keep(self: Arc<Self>, caller: Caller, flight: Flight, cell: Arc<Cell>, lease: Arc<DepLease>) {
        let caller = Caller { principal: Principal("lease-keeper".into()), ..caller };
        while let Some(wait) = lease.wait(self.clock.moment()) {
            self.clock.sleep(wait).await;
            let Ok(unwrapper) = self.unwrapper() else { break };
            let caller = Caller { request: unwrapper.request_id(), ..caller.clone() };
            if self.read_policy(&unwrapper, &caller, flight.policy).await.is_err() {
                continue;
            }
            match lease.due(flight.purpose, self.clock.moment()) {
                Due::Nothing => {}
                Due::Renewal => self.renew(unwrapper, caller, flight, &lease).await,
                Due::End => break,
            }
        }
        let mut held = lock(&cell.lease);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &lease)) {
            *held = None;
        }
    }

    async fn renew(&self, unwrapper: Arc<Unwrapper>, caller: Caller, flight: Flight, lease: &DepLease) {
        let sent = self.clock.moment();
        let left = lock(&lease.state).lease.time_to_renew(sent, self.epoch_of(flight.policy));
        if left.is_zero() {
            // Too late: nothing was asked, so nothing was silent.
            return;
        }
        let opening = Box::pin(detached(unwrapper.clone(), caller.clone(), flight.policy, flight.purpose));
        let renewed = match select(opening, self.clock.sleep(left)).await {
            Either::Left((Ok(opening), _)) => granted(&opening).map_err(|refusal| (refusal, None)),
            Either::Left((Err(Unopened { refusal, ground }), _)) => Err((refusal, ground)),
            Either::Right(_) => {
                let ground = ground_of_silence(&unwrapper, &caller, flight.policy).await;
                Err((Refusal::new(Code::Outage, "no vault answered in time").about(flight.policy), ground))
            }
        };
        let (now, epoch) = (self.clock.moment(), self.epoch_of(flight.policy));
        let mut state = lock(&lease.state);
        match renewed {
            Ok(renewed) => {
                state.lease = renewed;
                state.refused = None;
            }
            Err((refusal, ground)) => {
                if let Some(ground) = ground {
                    state.lease.found_silence(sent, now, epoch, ground);
                }
                state.refused = Some(refusal);
            }
        }
        state.renew_at = state.lease.renew_at(unwrapper.jitter());
    }

    fn epoch_of(&self, policy: DepId) -> EpochRead {
        self.policy_now(policy).0
    }

    fn policy_now(&self, policy: DepId) -> (EpochRead, Preset) {
        let never = EpochRead { epoch: RevocationEpoch::default(), at: Moment(0) };
        lock(&self.now).get(&policy).map_or((never, Preset::Never), |now| (now.epoch, now.preset))
    }
}

impl Cell {
    fn living(&self, flight: Flight) -> Option<Arc<DepLease>> {
        let lease = lock(&self.lease).clone()?;
        lease.check(flight.initiator, flight.purpose).is_ok().then_some(lease)
    }

    /// What the last unwrap said, if one failed since `before` were counted.
    fn failed_since(&self, before: u64) -> Option<Refusal> {
        let failed = lock(&self.failed);
        if failed.count == before { None } else { failed.last.clone() }
    }
}

impl DepLease {
    pub(crate) fn policy(&self) -> DepId {
        self.policy
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// The DEP key, if the lease serves this use at this moment.
    pub(crate) fn key(&self, initiator: Initiator, purpose: Purpose) -> Result<&Key<Dep>, Refusal> {
        self.check(initiator, purpose)?;
        Ok(&self.key)
    }

    /// A container key that was opened under this lease, to live no longer than it.
    pub(crate) fn container(self: &Arc<Self>, key: Key<Container>, initiator: Initiator) -> ContainerLease {
        ContainerLease { dep: self.clone(), key, initiator }
    }

    fn check(&self, initiator: Initiator, purpose: Purpose) -> Result<(), Refusal> {
        let now = self.leases.clock.moment();
        let (epoch, preset) = self.leases.policy_now(self.policy);
        let mut state = lock(&self.state);
        match state.lease.check(now, epoch, Use { initiator, purpose, preset }) {
            Ok(()) => {
                state.used = now;
                Ok(())
            }
            // What the last renewal said explains why time ran out; it does not explain a denial that came after.
            Err(ended) => {
                let said = state.refused.clone();
                let explains = |said: &Refusal| ended == Ended::Time || said.code == Code::RefusedByCustomer;
                Err(said.filter(explains).unwrap_or_else(|| over(self.policy, ended)))
            }
        }
    }

    /// How long the keeper may sleep; `None` once the lease is over for everybody.
    fn wait(&self, now: Moment) -> Option<Duration> {
        let (epoch, _) = self.leases.policy_now(self.policy);
        let state = lock(&self.state);
        let end = state.lease.not_after(epoch);
        let over = epoch.epoch != state.lease.epoch() || now >= end;
        // A renewal that is overdue opened nothing, or nobody used the key: it is looked at again, and not at once.
        let renewal =
            if now < state.renew_at { state.renew_at } else { now + self.settings.bound.duration() / 8 };
        let next = renewal.min(now + EpochRead::interval(self.settings.bound)).min(end);
        (!over).then(|| now.until(next))
    }

    /// A lease on content is renewed while it was used within the last bound, or hold if that is longer.
    ///
    /// One that was not is given up when its renewal is due: a use after that would find no time for a renewal, and
    /// with the vaults silent by then no hold could begin.
    fn due(&self, purpose: Purpose, now: Moment) -> Due {
        let mut state = lock(&self.state);
        if purpose != Purpose::Content || now < state.renew_at {
            return Due::Nothing;
        }
        if now < state.used + self.settings.bound.duration().max(self.settings.hold.duration()) {
            return Due::Renewal;
        }
        state.lease.end(Ended::Idle);
        Due::End
    }

    fn not_after(&self) -> Moment {
        let (epoch, _) = self.leases.policy_now(self.policy);
        lock(&self.state).lease.not_after(epoch)
    }
}

/// What a keeper has to do.
enum Due {
    Nothing,
    Renewal,
    End,
}

/// A container key for as long as the lease of its DEP key lasts.
#[derive(Debug)]
pub(crate) struct ContainerLease {
    dep: Arc<DepLease>,
    key: Key<Container>,
    initiator: Initiator,
}

impl service::Lease for ContainerLease {
    fn key(&self) -> Result<&Key<Container>, Refusal> {
        self.dep.check(self.initiator, Purpose::Content)?;
        Ok(&self.key)
    }

    fn not_after(&self) -> Moment {
        self.dep.not_after()
    }
}

/// A container key of the volume layer.
#[derive(Debug)]
pub(crate) struct VolumeLease {
    key: Key<Container>,
}

impl service::Lease for VolumeLease {
    fn key(&self) -> Result<&Key<Container>, Refusal> {
        Ok(&self.key)
    }

    fn not_after(&self) -> Moment {
        Moment(u64::MAX)
    }
}

/// Runs an unwrap to its end whatever becomes of the caller: a call to a vault that was announced gets its outcome.
async fn detached(
    unwrapper: Arc<Unwrapper>,
    caller: Caller,
    policy: DepId,
    purpose: Purpose,
) -> Result<Opening, Unopened> {
    let task = tokio::spawn(async move { unwrapper.open(&caller, policy, purpose).await });
    let broken = || Unopened::from(Refusal::new(Code::Ours, "the unwrap did not end").about(policy));
    task.await.unwrap_or_else(|_| Err(broken()))
}

async fn ground_of_silence(unwrapper: &Unwrapper, caller: &Caller, policy: DepId) -> Option<HoldGround> {
    let policy = unwrapper.policy(caller, policy).await.ok()?.value;
    let (_, connection) = unwrapper.roots(&policy).await.ok()?;
    let kept = KeptMemories::load(&unwrapper.store, caller.tenant, policy.id).await.ok()?;
    silence(&kept.memories, connection)
}

fn silence(memories: &Memories, connection: ConnectionVersion) -> Option<HoldGround> {
    HoldGround::of(&Outcome::Outage(NoHelp::Unreachable), memories, connection)
}

fn granted(opening: &Opening) -> Result<lease::Lease, Refusal> {
    let settings = opening.policy.settings;
    let grant = Grant {
        origin: opening.origin,
        epoch: EpochRead { epoch: opening.policy.epoch, at: opening.epoch_read },
        sent: opening.sent,
        bound: settings.bound,
        hold: settings.hold,
    };
    lease::Lease::grant(grant).map_err(|error| Refusal::new(Code::Ours, error.to_string()))
}

fn over(policy: DepId, ended: Ended) -> Refusal {
    let why = match ended {
        Ended::Time => "its time is over",
        Ended::Epoch | Ended::Denied => "a denial was heard",
        Ended::Order => "an order shut the policy",
        Ended::Idle => "nobody used it for long",
        Ended::NotForThisUse => "it does not serve this use",
    };
    Refusal::new(Code::Busy, format!("the lease on the key has ended: {why}")).about(policy)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Used by the keeper for the id of its own calls.
impl Unwrapper {
    pub(crate) fn request_id(&self) -> RequestId {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        RequestId::from_random(bytes)
    }

    fn jitter(&self) -> u16 {
        let mut bytes = [0; 2];
        self.random.fill(&mut bytes);
        u16::from_be_bytes(bytes)
    }
}
