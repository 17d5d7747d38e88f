//! The shelf of wrap sets: a database of their own and a replica in a second failure domain.
//!
//! Owns the one rule of its writes: replica first, then database, then (by the caller) the policy's row. Losing
//! every copy is the purge; the death of one disk must not be.

use std::sync::Arc;

use crypto::WrapSet;
use model::id::{DepId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Clock;
use serde::{Deserialize, Serialize};
use store::{Batch, Cause, Replica, Schema, Store, Table};

use crate::rows::{Kept, lost, trouble};

const WRAP_SETS: Table = Table("wrap_sets");

/// The schema of the wrap sets' database.
pub const WRAPS_SCHEMA: Schema = Schema { owner: "wraps", version: 1, tables: &[WRAP_SETS], migrations: &[] };

/// What of a wrap set an operator may read without opening its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    v: u8,
    tenant: TenantId,
    policy: DepId,
    generation: u32,
}

/// Every wrap set of the service.
#[derive(Debug, Clone)]
pub(crate) struct WrapShelf {
    store: Store,
    replica: Replica,
    clock: Arc<dyn Clock>,
}

impl WrapShelf {
    pub(crate) fn new(store: Store, replica: Replica, clock: Arc<dyn Clock>) -> Self {
        Self { store, replica, clock }
    }

    /// The wrap set of a policy. Its MAC is checked when it is opened, not here.
    pub(crate) async fn read(&self, tenant: TenantId, policy: DepId) -> Result<Kept<WrapSet>, Refusal> {
        let row = self.store.read(WRAP_SETS, &key(tenant, policy)).await.map_err(trouble)?;
        let Some(row) = row else { return Err(damaged(policy, "is missing")) };
        let bytes = row.payload.as_deref().unwrap_or_default();
        let set = WrapSet::from_bytes(bytes).map_err(|_| damaged(policy, "cannot be read"))?;
        Ok(Kept { value: set, version: row.version })
    }

    /// Puts a set on the shelf: `replaces` is the version that was read, or `None` for a new policy.
    pub(crate) async fn put(
        &self,
        tenant: TenantId,
        policy: DepId,
        set: &WrapSet,
        replaces: Option<u64>,
    ) -> Result<(), Refusal> {
        let bytes = set.to_bytes();
        self.replica.put(&format!("{tenant}.{policy}"), &bytes, self.clock.now()).await.map_err(trouble)?;
        let key = key(tenant, policy);
        let label = Label { v: 1, tenant, policy, generation: set.place.generation };
        let batch = match replaces {
            Some(version) => Batch::new().expect_version(WRAP_SETS, &key, version),
            None => Batch::new().expect_absent(WRAP_SETS, &key),
        };
        let batch = batch.put_with_payload(WRAP_SETS, &key, &label, bytes);
        self.store
            .commit(batch, Cause::Housekeeping("wrap set ahead of its policy's row"))
            .await
            .map_err(lost)
    }
}

fn key(tenant: TenantId, policy: DepId) -> String {
    format!("{tenant}/{policy}")
}

fn damaged(policy: DepId, how: &str) -> Refusal {
    Refusal::new(Code::Ours, format!("the wrap set {how}")).about(policy)
}
