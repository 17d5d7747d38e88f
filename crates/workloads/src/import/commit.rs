//! The commit of a batch: its blobs first, then all its rows at once, then what is told of each item.
//!
//! Owns the row that says that something was imported, and what happens when two imports of one file meet:
//! the later one leaves it out and commits the rest.

use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Batch, CommitError, MAX_PAGE};

use super::batch::{Prepared, Sealed, Step};
use super::{Acknowledged, Outcome};
use crate::engine::{Engine, IMPORTS, OBJECT_NAMES, OBJECTS, name_key};
use crate::fault::{Missed, trouble};
use crate::holder::MAX_RETRIES;

/// What the row of an import says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ImportRow {
    pub(super) object: ObjectId,
}

impl Engine {
    /// Makes a batch durable and says how each of its items ended.
    pub(super) async fn commit_batch(
        &self,
        caller: &Caller,
        container: ContainerId,
        mut batch: Prepared,
    ) -> Result<Vec<Acknowledged>, Refusal> {
        let started = self.clock.moment();
        let blobs: Vec<_> = batch.writes().filter_map(|sealed| sealed.blob.clone()).collect();
        if !blobs.is_empty()
            && let Err(error) = self.blobs.put_many(blobs).await
        {
            return Err(self.abandon_batch(&batch, Missed::Nothing(trouble(error))).await);
        }
        let mut tries = 0;
        while let Some((rows, more)) = batch.rows() {
            tries += 1;
            if let Err(refusal) = self.in_time(started) {
                return Err(self.abandon_batch(&batch, refusal.into()).await);
            }
            match self.store.commit(rows, self.audited(caller, container, "Import objects", more)).await {
                Ok(()) => break,
                Err(CommitError::Conflict { .. }) if tries < MAX_RETRIES => {
                    self.leave_out(&mut batch).await?
                }
                Err(error) => return Err(self.abandon_batch(&batch, error.into()).await),
            }
        }
        self.ends(batch).await
    }

    /// The objects that import rows lead to; one answer for each key.
    pub(super) async fn imports(&self, keys: &[String]) -> Result<Vec<Option<ObjectId>>, Refusal> {
        let mut objects = Vec::with_capacity(keys.len());
        for page in keys.chunks(MAX_PAGE as usize) {
            for row in self.store.read_many(IMPORTS, page).await.map_err(trouble)? {
                let row = row.map(|row| row.parse::<ImportRow>()).transpose().map_err(trouble)?;
                objects.push(row.map(|row| row.object));
            }
        }
        Ok(objects)
    }

    /// Takes out of the batch what somebody else has imported since it was prepared.
    async fn leave_out(&self, batch: &mut Prepared) -> Result<(), Refusal> {
        let keys: Vec<String> = batch.writes().map(|sealed| sealed.import.clone()).collect();
        let mut there = self.imports(&keys).await?.into_iter();
        for (_, step) in &mut batch.items {
            if let Step::Write(sealed) = step
                && let Some(object) = there.next().flatten()
            {
                self.drop_blobs(&sealed.place, sealed.row.attempt, sealed.row.blobs).await;
                *step = Step::Done(Outcome::AlreadyThere { object });
            }
        }
        Ok(())
    }

    /// Removes the blobs of a batch that was refused, unless its rows may be there all the same.
    async fn abandon_batch(&self, batch: &Prepared, missed: Missed) -> Refusal {
        match missed {
            Missed::Nothing(refusal) => {
                for sealed in batch.writes() {
                    self.drop_blobs(&sealed.place, sealed.row.attempt, sealed.row.blobs).await;
                }
                refusal
            }
            Missed::Unknown(refusal) => refusal,
        }
    }

    /// How the items of a committed batch ended, in their order.
    async fn ends(&self, batch: Prepared) -> Result<Vec<Acknowledged>, Refusal> {
        let same = batch.items.iter().filter_map(|(_, step)| match step {
            Step::Same(import) => Some(import.clone()),
            _ => None,
        });
        let mut same = self.imports(&same.collect::<Vec<_>>()).await?.into_iter();
        let ends = batch.items.into_iter().map(|(index, step)| {
            let outcome = match step {
                Step::Write(sealed) => Outcome::Imported { object: sealed.place.object, mark: sealed.mark },
                Step::Done(outcome) => outcome,
                Step::Same(_) => match same.next().flatten() {
                    Some(object) => Outcome::AlreadyThere { object },
                    None => Outcome::Refused(Refusal::new(
                        Code::Conflict,
                        "the same file came earlier in this import and was deleted meanwhile",
                    )),
                },
            };
            Acknowledged { index, outcome }
        });
        Ok(ends.collect())
    }
}

impl Prepared {
    /// The rows to be committed and what the audit record says of them; `None` when there is nothing to write.
    fn rows(&self) -> Option<(Batch, Value)> {
        let (first, last) = (self.writes().next()?.place.object, self.writes().last()?.place.object);
        let more = json!({ "objects": self.writes().count(), "first": first, "last": last });
        let rows = self.writes().fold(Batch::new(), |rows, sealed| {
            let Sealed { place, row, payload, import, .. } = sealed;
            rows.expect_absent(IMPORTS, import)
                .put_with_payload(OBJECTS, place.key(), row, payload.clone())
                .put(OBJECT_NAMES, name_key(place, row.generation, &row.name_tag), &json!({}))
                .put(IMPORTS, import, &ImportRow { object: place.object })
        });
        Some((rows, more))
    }
}
