//! Removing an object: its rows in one commit, then its blobs.
//!
//! Owns the order of a removal (spec/objects.md, 7). It asks for no key: data can be removed while its keys
//! are refused. A crash in between leaves blobs without a row, which the sweep takes.

use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::Refusal;
use serde_json::json;
use store::{Batch, CommitError};

use crate::engine::{Engine, IMPORTS, OBJECT_NAMES, OBJECTS, import_key, name_key};
use crate::fault::lost;
use crate::holder::MAX_RETRIES;
use crate::object::Place;

impl Engine {
    /// Removes an object with all its bytes; an import of the same file brings it in again.
    ///
    /// `Conflict` when a version is expected and another one is there. Readers that are in the middle of it are cut with `NotFound`.
    pub async fn delete(
        &self,
        caller: &Caller,
        container: ContainerId,
        object: ObjectId,
        version: Option<u32>,
    ) -> Result<(), Refusal> {
        self.ready_holder(caller, container).await?;
        let place = Place { tenant: caller.tenant, container, object };
        let mut tries = 0;
        loop {
            let found = self.object_row(&place).await?;
            let row = &found.row;
            row.must_be_at(version, object)?;
            let mut batch = Batch::new()
                .expect_version(OBJECTS, place.key(), found.version)
                .delete(OBJECTS, place.key())
                .delete(OBJECT_NAMES, name_key(&place, row.generation, &row.name_tag));
            if let Some(filed) = &row.import {
                batch = batch.delete(IMPORTS, import_key(caller.tenant, container, filed));
            }
            let more = json!({ "objectId": object, "version": row.version, "size": row.size });
            let cause = self.audited(caller, container, "Delete object", more);
            tries += 1;
            match self.store.commit(batch, cause).await {
                Ok(()) => {
                    self.drop_blobs(&place, row.attempt, row.blobs).await;
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) if tries < MAX_RETRIES => continue,
                Err(error) => return Err(lost(error)),
            }
        }
    }
}
