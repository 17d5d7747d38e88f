//! The record around every call to a vault: a durable intent before it, the outcome after it.
//!
//! Owns the `intents` table and the shape of its two audit records. Without a durable intent there is no call;
//! an intent without an outcome is from a process that died, and is reported at the next start.

use std::sync::Arc;

use model::caller::{Caller, Initiator};
use model::id::{DepId, RequestId, TenantId};
use model::key_identifier::KeyIdentifier;
use model::refusal::Refusal;
use model::slot::Slot;
use model::time::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{AuditEntry, Batch, Cause, CommitError, Scan, Store};

use crate::rows::{INTENTS, lost, trouble};

/// How many intents are looked at in one page when they are reconciled at start.
const RECONCILE_PAGE: u32 = 500;

/// Whose key is called, as it stands in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    First,
    Second,
    Availability,
}

impl From<Slot> for Asked {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::First => Self::First,
            Slot::Second => Self::Second,
        }
    }
}

/// What a vault is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Operation {
    Describe,
    CreateKey,
    WrapKey,
    UnwrapKey,
}

/// One call about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) policy: DepId,
    pub(crate) slot: Asked,
    pub(crate) operation: Operation,
    pub(crate) key: &'a KeyIdentifier,
}

/// A call whose intent is durable; it must be settled.
#[derive(Debug)]
#[must_use = "an intent without an outcome is reported as one"]
pub(crate) struct Announced {
    key: String,
    row: IntentRow,
    principal: String,
    initiator: Initiator,
}

#[derive(Debug, Serialize, Deserialize)]
struct IntentRow {
    v: u8,
    tenant: TenantId,
    request: RequestId,
    policy: DepId,
    slot: Asked,
    operation: Operation,
    key: String,
    at: Timestamp,
}

/// Writes intents and outcomes.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Calls {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Makes the intent durable; `number` tells the calls of one request apart.
    ///
    /// `basis` is what must still stand for the call to be made.
    pub(crate) async fn announce(
        &self,
        call: Call<'_>,
        number: [u8; 8],
        basis: Batch,
    ) -> Result<Announced, Refusal> {
        let caller = call.caller;
        let at = self.clock.now();
        let key = format!("{}/{}/{}", caller.tenant, caller.request, crate::hex::encode(&number));
        let row = IntentRow {
            v: 1,
            tenant: caller.tenant,
            request: caller.request,
            policy: call.policy,
            slot: call.slot,
            operation: call.operation,
            key: call.key.to_string(),
            at,
        };
        let announced =
            Announced { key, row, principal: caller.principal.to_string(), initiator: caller.initiator };
        let key = announced.key.as_str();
        let batch = basis.expect_absent(INTENTS, key).put(INTENTS, key, &announced.row);
        self.store.commit(batch, Cause::Audited(vec![announced.entry(at, "intent")])).await.map_err(lost)?;
        Ok(announced)
    }

    /// Writes the outcome, together with what else the answer changes; a lost race may be tried again.
    pub(crate) async fn settle(
        &self,
        announced: &Announced,
        outcome: &str,
        also: Batch,
        records: Vec<AuditEntry>,
    ) -> Result<(), CommitError> {
        let mut entry = announced.entry(self.clock.now(), "outcome");
        entry.body["outcome"] = json!(outcome);
        let records = [vec![entry], records].concat();
        let batch = also.delete(INTENTS, &announced.key);
        self.store.commit(batch, Cause::Audited(records)).await
    }

    /// Reports and removes every intent from before `until`: at start all of them, which a dead process left; later
    /// those whose outcome could not be written. Returns how many there were.
    pub(crate) async fn reconcile(&self, until: Timestamp) -> Result<u64, Refusal> {
        let mut reported = 0;
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: RECONCILE_PAGE };
            let page = self.store.scan(INTENTS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(reported) };
            after = Some(last.key.clone());
            let mut batch = Batch::new();
            let mut records = Vec::with_capacity(page.len());
            for row in &page {
                let intent: IntentRow = row.parse().map_err(trouble)?;
                if intent.at >= until {
                    continue;
                }
                records.push(intent.entry(self.clock.now(), "intent without outcome"));
                batch = batch.delete(INTENTS, &row.key);
            }
            if records.is_empty() {
                continue;
            }
            reported += records.len() as u64;
            self.store.commit(batch, Cause::Audited(records)).await.map_err(lost)?;
        }
    }
}

impl Announced {
    fn entry(&self, at: Timestamp, phase: &str) -> AuditEntry {
        let mut entry = self.row.entry(at, phase);
        entry.body["userId"] = json!(self.principal);
        entry.body["initiator"] = json!(self.initiator);
        entry
    }
}

impl IntentRow {
    fn entry(&self, at: Timestamp, phase: &str) -> AuditEntry {
        AuditEntry {
            stream: self.tenant.to_string(),
            at,
            operation: "RootKeyCall".into(),
            body: json!({
                "phase": phase,
                "requestId": self.request,
                "policyId": self.policy,
                "slot": self.slot,
                "operation": self.operation,
                "keyIdentifier": self.key,
            }),
        }
    }
}
