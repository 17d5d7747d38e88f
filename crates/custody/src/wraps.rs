//! The shelf of wrap sets: a database of their own and a replica in a second failure domain.
//!
//! Owns the one rule of its writes: replica first, then database, then (by the caller) the policy's row. Losing
//! every copy is the purge; the death of one disk must not be.

use std::sync::Arc;
use std::time::Duration;

use crypto::WrapSet;
use model::id::{DepId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Clock;
use serde::{Deserialize, Serialize};
use store::{Batch, Cause, Replica, Row, Scan, Schema, Store, Table};

use crate::rows::{Kept, lost, trouble};

const WRAP_SETS: Table = Table("wrap_sets");

/// How long the replica keeps a version that was replaced; named in the receipt of a purge.
pub const HISTORY: Duration = Duration::from_secs(35 * 24 * 3600);

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
    /// Held while a set is written, so that replica and database never end with sets of two writers.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl WrapShelf {
    pub(crate) fn new(store: Store, replica: Replica, clock: Arc<dyn Clock>) -> Self {
        Self { store, replica, clock, writing: Arc::default() }
    }

    /// The wrap set of a policy. Its MAC is checked when it is opened, not here.
    pub(crate) async fn read(&self, tenant: TenantId, policy: DepId) -> Result<Kept<WrapSet>, Refusal> {
        let row = self.store.read(WRAP_SETS, &key(tenant, policy)).await.map_err(trouble)?;
        let Some(row) = row else { return Err(damaged(policy, "is missing")) };
        let set = WrapSet::from_bytes(bytes(&row)).map_err(|_| damaged(policy, "cannot be read"))?;
        Ok(Kept { value: set, version: row.version })
    }

    /// The places of sets in the database, in order, after one of them; at most `limit`.
    pub(crate) async fn places(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Refusal> {
        let rows = self.store.scan(WRAP_SETS, Scan { prefix: "", after, limit }).await.map_err(trouble)?;
        Ok(rows.into_iter().map(|row| row.key).collect())
    }

    /// The places of sets in the replica.
    pub(crate) async fn copies(&self) -> Result<Vec<String>, Refusal> {
        let names = self.replica.list().await.map_err(trouble)?;
        Ok(names.iter().map(|name| name.replacen('.', "/", 1)).collect())
    }

    /// Brings the replica to what the database holds: a write that died between the two is taken back. A damaged set
    /// takes no copy's place.
    pub(crate) async fn mirror(&self, tenant: TenantId, policy: DepId) -> Result<(), Refusal> {
        let _one = self.writing.lock().await;
        let Some(row) = self.store.read(WRAP_SETS, &key(tenant, policy)).await.map_err(trouble)? else {
            return Ok(());
        };
        if WrapSet::from_bytes(bytes(&row)).is_err() {
            return Ok(());
        }
        let name = name(tenant, policy);
        if self.replica.read(&name).await.map_err(trouble)?.as_deref() == Some(bytes(&row)) {
            return Ok(());
        }
        self.replica.put(&name, bytes(&row), self.clock.now()).await.map_err(trouble)
    }

    /// Takes the set of a policy that never came to be off the shelf; the replica keeps it in its history.
    pub(crate) async fn discard(&self, tenant: TenantId, policy: DepId) -> Result<(), Refusal> {
        self.mirror(tenant, policy).await?;
        let _one = self.writing.lock().await;
        self.replica.retire(&name(tenant, policy), self.clock.now()).await.map_err(trouble)?;
        let batch = Batch::new().delete(WRAP_SETS, key(tenant, policy));
        let reason = Cause::Housekeeping("wrap set of a policy that never came to be");
        self.store.commit(batch, reason).await.map_err(lost)
    }

    /// Forgets the older versions in the replica that have outlived the history; how many there were.
    pub(crate) async fn prune(&self) -> Result<usize, Refusal> {
        self.replica.prune(self.clock.now(), HISTORY).await.map_err(trouble)
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
        let key = key(tenant, policy);
        let _one = self.writing.lock().await;
        let found = self.store.read(WRAP_SETS, &key).await.map_err(trouble)?.map(|row| row.version);
        if found != replaces {
            return Err(Refusal::new(Code::Conflict, "the wrap set was written by others").about(policy));
        }
        self.replica.put(&name(tenant, policy), &bytes, self.clock.now()).await.map_err(trouble)?;
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

/// The name of a set in the replica.
fn name(tenant: TenantId, policy: DepId) -> String {
    format!("{tenant}.{policy}")
}

fn bytes(row: &Row) -> &[u8] {
    row.payload.as_deref().unwrap_or_default()
}

fn damaged(policy: DepId, how: &str) -> Refusal {
    Refusal::new(Code::Ours, format!("the wrap set {how}")).about(policy)
}
