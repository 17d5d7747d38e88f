//! What the service does by itself: it proves slots that were not heard, and rewraps what assignments left.
//!
//! Owns the two rounds and the loop that runs them. Each round reads, decides and commits piece by piece, so that
//! a kill between two pieces loses nothing and repeats nothing that matters.

use std::collections::hash_map::Entry;
use std::sync::PoisonError;
use std::time::Duration;

use model::caller::{Caller, Initiator, Principal};
use model::id::{ContainerId, DepId, TenantId};
use model::refusal::{Code, Refusal};
use model::slot::Slot;
use store::{Batch, Cause, Scan};

use crate::custody::Custody;
use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::rows::{POLICIES, REWRAPS, lost, trouble};
use crate::tenants::PAGE;

/// How long upkeep rests between two rounds.
pub const REST: Duration = Duration::from_secs(30);

/// How long a slot that was asked, and did not prove itself, is left alone.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Containers that are now under their policy.
    pub rewrapped: u64,
    /// Containers that have to wait, because a policy does not open.
    pub waiting: u64,
}

impl Custody {
    /// Runs rounds for ever; the binary drops it when it drains.
    pub async fn upkeep(&self) {
        loop {
            self.prove_due().await;
            if let Err(refusal) = self.sweep().await {
                tracing::warn!(code = %refusal.code, "a sweep has to wait");
            }
            self.clock().sleep(REST).await;
        }
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
            for policy in page.iter().filter_map(|row| row.parse::<Policy>().ok()) {
                asked += self.prove_policy(&policy).await;
            }
        }
    }

    async fn prove_policy(&self, policy: &Policy) -> u64 {
        let mut asked = 0;
        let Ok(kept) = KeptMemories::load(self.store(), policy.tenant, policy.id).await else { return 0 };
        for slot in Slot::BOTH {
            let due = kept.memories.of(slot).proof_due(self.clock().now());
            if !due || !self.may_ask_again(policy.id, slot) {
                continue;
            }
            asked += 1;
            let caller = self.itself(policy.tenant, "prover");
            if let Err(refusal) = self.unwrapper().prove(&caller, policy.id, slot).await {
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
        let mut swept = Swept::default();
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(REWRAPS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(swept) };
            after = Some(last.key.clone());
            for row in &page {
                let (tenant, container) = parts(&row.key)?;
                let caller = self.itself(tenant, "sweeper");
                match self.bring_under(&caller, container).await {
                    Ok(_) => {
                        swept.rewrapped += 1;
                        self.forget(&row.key, row.version).await?;
                    }
                    Err(_) => swept.waiting += 1,
                }
            }
        }
    }

    /// Takes a container off the list, unless it was queued again meanwhile.
    async fn forget(&self, key: &str, version: u64) -> Result<(), Refusal> {
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

fn parts(key: &str) -> Result<(TenantId, ContainerId), Refusal> {
    let parsed = key
        .split_once('/')
        .and_then(|(tenant, container)| Some((tenant.parse().ok()?, container.parse().ok()?)));
    parsed.ok_or_else(|| Refusal::new(Code::Ours, "a row of the rewrap list has a malformed key"))
}
