//! The sweep: removes blobs that no row names, which a crash or an overwrite left behind.
//!
//! Owns the decision what an orphan is (spec/objects.md, 7), which is pure, and the walk over all blobs. A
//! blob is looked at only when it is older than the longest write, so its row is never still to come.

use std::time::Duration;

use futures::StreamExt;
use model::refusal::Refusal;
use store::limits::LONGEST_PUT;

use crate::blob::Address;
use crate::engine::{Engine, OBJECTS};
use crate::fault::trouble;
use crate::object::ObjectRow;

/// Blobs that are looked at together; one read of rows for each such step.
const STEP: usize = 1000;
/// Beyond the longest write: clocks of the file system and of the service may differ.
const MARGIN: Duration = Duration::from_secs(2 * 60 * 60);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that were old enough to be looked at.
    pub seen: u64,
    /// Orphans that were removed.
    pub removed: u64,
}

impl Engine {
    /// Removes the orphans of all tenants; can be interrupted and repeated at any time.
    pub async fn sweep(&self) -> Result<Swept, Refusal> {
        let before = self.clock.now() - LONGEST_PUT - MARGIN;
        let mut steps = self.blobs.list_older(before).chunks(STEP);
        let mut swept = Swept::default();
        while let Some(step) = steps.next().await {
            let names = step.into_iter().collect::<Result<Vec<_>, _>>().map_err(trouble)?;
            let addresses: Vec<Address> = names.iter().filter_map(Address::parse).collect();
            let keys: Vec<String> = addresses.iter().map(|address| address.place.key()).collect();
            let rows = self.store.read_many(OBJECTS, &keys).await.map_err(trouble)?;
            swept.seen += names.len() as u64;
            for (address, row) in addresses.iter().zip(rows) {
                let row = match row.map(|row| row.parse::<ObjectRow>()).transpose() {
                    Ok(row) => row,
                    Err(error) => {
                        // A damaged row may be mended one day; its blobs stay.
                        let (container, object) = (address.place.container, address.place.object);
                        tracing::error!(%container, %object, %error, "a row is damaged; its blobs are kept");
                        continue;
                    }
                };
                if is_orphan(address, row.as_ref()) {
                    self.blobs.delete(&address.name()).await.map_err(trouble)?;
                    swept.removed += 1;
                }
            }
        }
        Ok(swept)
    }
}

/// Whether the row that stands where the blob's object should be does not name the blob.
fn is_orphan(address: &Address, row: Option<&ObjectRow>) -> bool {
    row.is_none_or(|row| row.attempt != address.attempt || address.number >= row.blobs)
}
