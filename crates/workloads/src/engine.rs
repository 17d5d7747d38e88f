//! The engine: what every operation on mailboxes and sites needs, in one cheap handle.
//!
//! Owns the handle, the tables and the shape of row keys (spec/objects.md, 1). The operations themselves lie
//! with their nouns: `holder`, `write`, `read`, `list`, `find`, `delete`, `import`, `sweep`.

use std::sync::Arc;

use crypto::Random;
use custody::service::Keys;
use model::caller::Caller;
use model::id::{ContainerId, Generation, ObjectId, TenantId};
use model::refusal::Refusal;
use model::time::Clock;
use serde_json::{Value, json};
use store::{AuditEntry, Blobs, Cause, Store, Table};

use crate::budget::Budget;
use crate::fault::{bug, damaged, no_object, trouble};
use crate::ids::Ids;
use crate::object::{ObjectRow, Payload, Place};
use crate::tag::{Filed, Tag};

/// Mailboxes and sites, keyed `tenant/container`.
pub(crate) const HOLDERS: Table = Table("holders");
/// Which holder has a directory name, keyed `tenant/kind/digest of the name`.
pub(crate) const HOLDER_NAMES: Table = Table("holder_names");
/// Messages and files, keyed `tenant/container/object`.
pub(crate) const OBJECTS: Table = Table("objects");
/// Which objects have a name, keyed `tenant/container/generation/tag/object`.
pub(crate) const OBJECT_NAMES: Table = Table("object_names");
/// What was imported, keyed `tenant/container/generation/tag`.
pub(crate) const IMPORTS: Table = Table("imports");

/// Every table that the engine keeps in the service's database.
pub const TABLES: &[Table] = &[HOLDERS, HOLDER_NAMES, OBJECTS, OBJECT_NAMES, IMPORTS];

/// Mailboxes and sites on one store; clones share everything.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// How much content may be in flight.
    pub(crate) budget: Budget,
    ids: Arc<Ids>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// An engine over a store whose schema has [`TABLES`], and the blobs beside it.
    ///
    /// Every key comes from `keys`, every time from `clock`, every random byte from `random`.
    pub fn open(
        store: Store,
        blobs: Blobs,
        keys: Arc<dyn Keys>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let budget = Budget::new(clock.clone());
        Self { store, blobs, keys, clock, random, budget, ids: Arc::default() }
    }

    /// A new object id, greater than every one before.
    pub(crate) fn new_object(&self) -> ObjectId {
        self.ids.next(self.clock.now(), &*self.random)
    }

    /// The row of an object and the version of that row; `NotFound` when there is none in this tenant.
    pub(crate) async fn object_row(&self, place: &Place) -> Result<Found, Refusal> {
        match self.store.read(OBJECTS, &place.key()).await.map_err(trouble)? {
            Some(row) => Found::parse(place, row),
            None => Err(no_object(place)),
        }
    }

    /// The cause of a commit that changes what a tenant has: a record in the tenant's own stream.
    pub(crate) fn audited(
        &self,
        caller: &Caller,
        container: ContainerId,
        operation: &str,
        more: Value,
    ) -> Cause {
        let mut body = json!({
            "userId": caller.principal,
            "initiator": caller.initiator,
            "requestId": caller.request,
            "containerId": container,
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        Cause::Audited(vec![AuditEntry {
            stream: caller.tenant.to_string(),
            at: self.clock.now(),
            operation: operation.into(),
            body,
        }])
    }
}

/// A row as it was found: what it says, what it holds sealed, and its version in the store.
pub(crate) struct Found {
    pub(crate) row: ObjectRow,
    pub(crate) payload: Payload,
    pub(crate) version: u64,
}

impl Found {
    /// Reads a stored row; what is not what was written is damage.
    pub(crate) fn parse(place: &Place, stored: store::Row) -> Result<Self, Refusal> {
        let damaged = |what| damaged(place, what);
        let row: ObjectRow = stored.parse().map_err(|_| damaged("row is not what was written"))?;
        let payload = stored.payload.and_then(Payload::decode);
        let payload = payload.ok_or_else(|| damaged("payload is not what was written"))?;
        if !row.is_whole() || payload.content.is_some() != (row.blobs == 0) {
            return Err(damaged("row contradicts itself"));
        }
        Ok(Self { row, payload, version: stored.version })
    }
}

/// The key of the row that finds one object by its name.
pub(crate) fn name_key(place: &Place, generation: Generation, tag: &Tag) -> String {
    let mut key = name_prefix(place.tenant, place.container, generation, tag);
    key.push_str(&place.object.to_string());
    key
}

/// What the keys of all objects of one name begin with.
pub(crate) fn name_prefix(
    tenant: TenantId,
    container: ContainerId,
    generation: Generation,
    tag: &Tag,
) -> String {
    format!("{tenant}/{container}/{:08x}/{tag}/", generation.0)
}

/// The key of the row that says that something was imported.
pub(crate) fn import_key(tenant: TenantId, container: ContainerId, filed: &Filed) -> String {
    format!("{tenant}/{container}/{:08x}/{}", filed.generation.0, filed.tag)
}

/// Runs work that takes long on a processor away from the tasks that wait for the disk and the network.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| bug("a task of the data plane panicked or was dropped"))
}
