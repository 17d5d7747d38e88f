//! Health: which policies would open now, and if not, who must act. Nothing is asked of a vault and nothing is decided.

use model::caller::Caller;
use model::fault::Fault;
use model::id::DepId;
use model::key_identifier::KeyIdentifier;
use model::refusal::{Code, Refusal};
use model::slot::Slot;
use model::time::Timestamp;
use serde_json::json;
use store::{Batch, Cause, Scan};

use crate::custody::Custody;
use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::pulse::{Said, Shut, together};
use crate::rows::{BEATS, POLICIES, lost, trouble};
use crate::tenants::PAGE;

/// One policy, as its keys were last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyHealth {
    /// The policy.
    pub policy: DepId,
    /// Its name.
    pub name: String,
    /// What its root keys say together; in an outage the availability key may serve all the same.
    pub said: Said,
    /// Its two root keys.
    pub slots: [SlotHealth; 2],
}

/// One root key, as it was last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHealth {
    /// The key.
    pub key: KeyIdentifier,
    /// What it said last.
    pub said: Said,
    /// Since when it says so.
    pub since: Option<Timestamp>,
    /// When it was last proved to open, whatever came since, also before this process began.
    pub proved: Option<Timestamp>,
    /// Why it refused, in the words of the fault table.
    pub reason: Option<String>,
}

impl PolicyHealth {
    /// A policy of which something that is stored is damaged: it does not hide the others.
    fn damaged(policy: DepId, name: String, keys: [KeyIdentifier; 2]) -> Self {
        let slot = |key| SlotHealth { key, said: Said::Faulty, since: None, proved: None, reason: None };
        Self { policy, name, said: Said::Faulty, slots: keys.map(slot) }
    }
}

impl Custody {
    /// Each policy of the caller's tenant, as its keys were last heard.
    pub async fn health(&self, caller: &Caller) -> Result<Vec<PolicyHealth>, Refusal> {
        let mut found = Vec::new();
        for policy in self.policies(caller).await? {
            let (id, name) = (policy.id, policy.name.to_string());
            let keys = policy.keys.clone();
            found.push(match self.health_of(caller, policy).await {
                Err(refusal) if refusal.code == Code::Ours => PolicyHealth::damaged(id, name, keys),
                health => health?,
            });
        }
        Ok(found)
    }

    /// How many policies of this node do not open, by who must act.
    pub fn shut(&self) -> Shut {
        self.unwrapper().pulse.shut()
    }

    /// Writes a row, durably, to know that the store takes one, and looks at the wrap sets.
    pub async fn beat(&self) -> Result<(), Refusal> {
        let batch = Batch::new().put(BEATS, "node", &json!({ "v": 1, "at": self.clock().now() }));
        let written = self.store().commit(batch, Cause::Housekeeping("whether the store takes a write"));
        written.await.map_err(lost)?;
        self.shelf().places(None, 1).await.map(drop)
    }

    async fn health_of(&self, caller: &Caller, policy: Policy) -> Result<PolicyHealth, Refusal> {
        let kept = KeptMemories::load(self.store(), caller.tenant, policy.id).await?;
        let heard = self.unwrapper().pulse.of(caller.tenant, policy.id);
        let slot = |slot: Slot, key: KeyIdentifier, heard: Option<(Said, Timestamp)>| {
            let memory = kept.memories.of(slot);
            let reason = memory.denied().map(|(_, reason)| reason.to_owned());
            let (said, since) = heard.map_or((Said::Nothing, None), |(said, since)| (said, Some(since)));
            let reason = reason.filter(|_| said == Said::Refused);
            SlotHealth { key, said, since, proved: memory.proved(), reason }
        };
        let [first, second] = policy.keys;
        let slots = [slot(Slot::First, first, heard[0]), slot(Slot::Second, second, heard[1])];
        // An order of the tenant shuts the policy whatever its keys say.
        let said = match policy.closed {
            Some(_) => Said::Refused,
            None => together([slots[0].said, slots[1].said]),
        };
        Ok(PolicyHealth { policy: policy.id, name: policy.name.to_string(), said, slots })
    }

    /// Recalls at the start which slots have denied, so that health does not forget it in a restart.
    pub(crate) async fn recall_denials(&self) -> Result<(), Refusal> {
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(POLICIES, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for row in &page {
                // A damaged row is for whoever opens that policy to hear.
                let Ok(policy) = row.parse::<Policy>() else { continue };
                let kept = match KeptMemories::load(self.store(), policy.tenant, policy.id).await {
                    Ok(kept) => kept,
                    Err(refusal) if refusal.code == Code::Ours => continue,
                    Err(refusal) => return Err(refusal),
                };
                for slot in Slot::BOTH {
                    if let Some((at, _)) = kept.memories.of(slot).denied() {
                        let place = (policy.tenant, policy.id, policy.kind);
                        self.unwrapper().pulse.note(place, slot, Some(Fault::Denied), at);
                    }
                }
            }
        }
    }
}
