//! What the service does by itself: it proves slots that were not heard, and rewraps what assignments left.
//!
//! Owns the two rounds and the loop that runs them. Each round reads, decides and commits piece by piece, so that
//! a kill between two pieces loses nothing and repeats nothing that matters.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::{Add, AddAssign};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use model::caller::{Caller, Initiator, Principal};
use model::id::{ContainerId, DepId, TenantId};
use model::refusal::{Code, Refusal};
use model::slot::Slot;
use model::time::Moment;
use store::{Batch, Cause, Scan};

use crate::custody::Custody;
use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::rows::{POLICIES, REWRAPS, lost, trouble};
use crate::tenants::{PAGE, everything_of};

/// How long upkeep rests between two rounds.
pub const REST: Duration = Duration::from_secs(30);

/// How long the replica's history rests between two prunings.
pub(crate) const PRUNE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// How long a slot that was asked, and did not prove itself, is left alone.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// After how long a call without an outcome is reported as one; far longer than any call is waited for.
const INTENT_AGE: Duration = Duration::from_secs(10 * 60);

/// How many policies are proved, and how many containers rewrapped, at once: a silent vault must not hold up the rest.
pub(crate) const AT_ONCE: usize = 16;

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Containers that are now under their policy.
    pub rewrapped: u64,
    /// Containers that have to wait, because a policy does not open.
    pub waiting: u64,
}

impl Add for Swept {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { rewrapped: self.rewrapped + more.rewrapped, waiting: self.waiting + more.waiting }
    }
}

impl AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

/// Policies that did not open, and when the sweeper found them so: what waits for them is left alone for a while.
type Shut = Mutex<HashMap<DepId, Moment>>;

impl Custody {
    /// Runs rounds for ever; the binary drops it when it drains.
    ///
    /// Slots are proved and containers rewrapped side by side, so that neither waits for the other's silent vaults.
    pub async fn upkeep(&self) {
        let proving = async {
            loop {
                self.prove_due().await;
                let until = self.clock().now() - INTENT_AGE;
                if let Err(refusal) = self.calls().reconcile(until).await {
                    tracing::warn!(code = %refusal.code, "open intents have to wait");
                }
                self.clock().sleep(REST).await;
            }
        };
        let sweeping = async {
            let shut = Shut::default();
            loop {
                if let Err(refusal) = self.sweep_past(&shut).await {
                    tracing::warn!(code = %refusal.code, "a sweep has to wait");
                }
                self.clock().sleep(REST).await;
            }
        };
        let pruning = async {
            loop {
                if let Err(refusal) = self.shelf().prune().await {
                    tracing::warn!(code = %refusal.code, "the history of the wrap sets' replica has to wait");
                }
                if let Err(refusal) = self.forget_invitations().await {
                    tracing::warn!(code = %refusal.code, "expired invitations have to wait");
                }
                self.clock().sleep(PRUNE_EVERY).await;
            }
        };
        let ((), (), ()) = futures::future::join3(proving, sweeping, pruning).await;
    }

    /// Asks every slot that was not heard for six hours, so that there is evidence when an outage comes.
    ///
    /// What a slot answers is remembered by the unwrap itself; a slot that cannot be asked does not stop the rest.
    pub async fn prove_due(&self) -> u64 {
        let mut asked = 0;
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let Ok(page) = self.store().scan(POLICIES, scan).await else { return asked };
            let Some(last) = page.last() else { return asked };
            after = Some(last.key.clone());
            let policies: Vec<Policy> = page.iter().filter_map(|row| row.parse().ok()).collect();
            let proofs = policies.into_iter().map(|policy| self.prove_policy(policy));
            let proofs = stream::iter(proofs).buffer_unordered(AT_ONCE);
            asked += proofs.fold(0, async |sum, asked| sum + asked).await;
        }
    }

    async fn prove_policy(&self, policy: Policy) -> u64 {
        let mut asked = 0;
        let Ok(kept) = KeptMemories::load(self.store(), policy.tenant, policy.id).await else { return 0 };
        for slot in Slot::BOTH {
            let due = kept.memories.of(slot).proof_due(self.clock().now());
            if !due || !self.may_ask_again(policy.id, slot) {
                continue;
            }
            asked += 1;
            let (unwrapper, caller) = (self.unwrapper().clone(), self.itself(policy.tenant, "prover"));
            // A task of its own: a call that was announced gets its outcome also when upkeep is dropped.
            let proof = tokio::spawn(async move { unwrapper.prove(&caller, policy.id, slot).await });
            if let Ok(Err(refusal)) = proof.await {
                tracing::warn!(policy = %policy.id, %slot, code = %refusal.code, "a slot could not be asked");
            }
        }
        asked
    }

    /// Whether the slot was not asked lately: one that denies or is silent stays due, and is not asked every round.
    fn may_ask_again(&self, policy: DepId, slot: Slot) -> bool {
        let now = self.clock().moment();
        let mut asked = self.asked().lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| *at + ASK_AGAIN > now);
        match asked.entry((policy, slot)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(now);
                true
            }
        }
    }

    /// Rewraps every container that waits, a page at a time.
    pub async fn sweep(&self) -> Result<Swept, Refusal> {
        self.sweep_past(&Shut::default()).await
    }

    async fn sweep_past(&self, shut: &Shut) -> Result<Swept, Refusal> {
        let mut swept = Swept::default();
        let mut after: Option<String> = None;
        'page: loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(REWRAPS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(swept) };
            let mut due = Vec::with_capacity(page.len());
            for row in &page {
                match listed(&row.key) {
                    Some((tenant, Some(container))) => {
                        due.push(Due { tenant, container, row: row.key.clone(), version: row.version })
                    }
                    Some((tenant, None)) => {
                        self.queue_all(tenant).await?;
                        // Its containers are on the list now, and begin right after this row.
                        swept += self.sweep_rows(shut, due).await?;
                        after = Some(row.key.clone());
                        continue 'page;
                    }
                    None => tracing::error!("a row of the rewrap list has a malformed key"),
                }
            }
            swept += self.sweep_rows(shut, due).await?;
            after = Some(last.key.clone());
        }
    }

    async fn sweep_rows(&self, shut: &Shut, due: Vec<Due>) -> Result<Swept, Refusal> {
        let rewraps = due.into_iter().map(|due| self.sweep_row(shut, due));
        stream::iter(rewraps)
            .buffer_unordered(AT_ONCE)
            .try_fold(Swept::default(), async |sum, one| Ok(sum + one))
            .await
    }

    async fn sweep_row(&self, shut: &Shut, due: Due) -> Result<Swept, Refusal> {
        if self.waits(shut, due.tenant, due.container).await? {
            return Ok(Swept { rewrapped: 0, waiting: 1 });
        }
        match self.bring_under(&self.itself(due.tenant, "sweeper"), due.container).await {
            Ok(_) => {
                self.forget(&due.row, due.version).await?;
                Ok(Swept { rewrapped: 1, waiting: 0 })
            }
            Err(refusal) => {
                let now = self.clock().moment();
                lock(shut).extend(refusal.policy.map(|policy| (policy, now)));
                Ok(Swept { rewrapped: 0, waiting: 1 })
            }
        }
    }

    /// Whether the container's key is, or should be, under a policy that did not open lately: asking its vaults
    /// for each of a thousand mailboxes would tell nothing new, and keep everybody else waiting.
    async fn waits(&self, shut: &Shut, tenant: TenantId, container: ContainerId) -> Result<bool, Refusal> {
        let now = self.clock().moment();
        lock(shut).retain(|_, at| *at + ASK_AGAIN > now);
        if lock(shut).is_empty() {
            return Ok(false);
        }
        let needed = match self.needs(tenant, container).await {
            Err(refusal) if refusal.code == Code::NotFound => return Ok(false),
            needed => needed?,
        };
        let shut = lock(shut);
        Ok(needed.iter().any(|policy| shut.contains_key(policy)))
    }

    /// Takes a container off the list, unless it was queued again meanwhile.
    pub(crate) async fn forget(&self, key: &str, version: u64) -> Result<(), Refusal> {
        let batch = Batch::new().expect_version(REWRAPS, key, version).delete(REWRAPS, key);
        match self.store().commit(batch, Cause::Housekeeping("a rewrap is done")).await.map_err(lost) {
            Err(refusal) if refusal.code == Code::Conflict => Ok(()),
            outcome => outcome,
        }
    }

    fn itself(&self, tenant: TenantId, part: &str) -> Caller {
        Caller {
            tenant,
            principal: Principal(part.into()),
            initiator: Initiator::System,
            request: self.unwrapper().request_id(),
        }
    }
}

/// One container on the rewrap list, and the row that put it there.
struct Due {
    tenant: TenantId,
    container: ContainerId,
    row: String,
    version: u64,
}

/// What a row of the list is about: one container, or every container of the tenant.
fn listed(key: &str) -> Option<(TenantId, Option<ContainerId>)> {
    let (owner, container) = key.split_once('/')?;
    let tenant: TenantId = owner.parse().ok()?;
    if key == everything_of(tenant) {
        Some((tenant, None))
    } else {
        Some((tenant, Some(container.parse().ok()?)))
    }
}

fn lock(shut: &Shut) -> MutexGuard<'_, HashMap<DepId, Moment>> {
    shut.lock().unwrap_or_else(PoisonError::into_inner)
}
