//! What the program does with keys by itself, by the time at which it is due, so that a look costs what is due and not
//! what there is.
//!
//! Owns the rows of that order and the round that works them off. A row says where to look, never what to do: each job
//! reads the key as it is and decides anew. Whatever changes when a key is due moves its row in the same transaction.

use std::time::Duration;

use store::{Batch, Cause, Scan, StoreError};

use crate::core::{Core, Found};
use crate::error::Stop;
use crate::keys::deleted::DeletedRow;
use crate::keys::key::{KeyRow, LATEST, VersionRow};
use crate::keys::{purge, rotate};
use crate::schema::{self, DELETED_KEYS, DUE, KEY_VERSIONS, KEYS};

/// How long the program rests between two rounds.
pub(crate) const ROUND_EVERY: Duration = Duration::from_secs(600);

/// The row that says that the order holds every key.
const COMPLETE: &str = "complete";

/// What is done by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// A deleted key is destroyed.
    Purge,
    /// A key gets a new version, or its owner is told of its end.
    Rotation,
}

impl Job {
    fn prefix(self) -> &'static str {
        match self {
            Self::Purge => "purge/",
            Self::Rotation => "rotation/",
        }
    }

    /// The row of the key at `place`: the seconds have one length, so that rows lie in the order of time.
    fn row(self, at: i64, place: &str) -> String {
        format!("{}{:012}/{place}", self.prefix(), at.clamp(0, LATEST))
    }

    /// The batch in which the key at `place` is due at another time, or no longer.
    pub(crate) fn moved(self, batch: Batch, place: &str, from: Option<i64>, to: Option<i64>) -> Batch {
        let (from, to) = (from.map(|at| self.row(at, place)), to.map(|at| self.row(at, place)));
        if from == to {
            return batch;
        }
        let batch = from.into_iter().fold(batch, |batch, row| batch.delete(DUE, row));
        to.into_iter().fold(batch, |batch, row| batch.put(DUE, row, &()))
    }

    /// Does everything whose time has come; how much. What cannot be done does not stop the rest.
    pub(crate) async fn round(self, core: &Core) -> u64 {
        let now = self.row(core.now().seconds() + 1, "");
        let mut done = 0;
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: self.prefix(), after: after.as_deref(), limit: store::MAX_PAGE };
            let page = match core.store.scan(DUE, scan).await {
                Ok(page) => page,
                Err(fault) => {
                    tracing::warn!(%fault, job = ?self, "keys that are due have to wait");
                    return done;
                }
            };
            let whole = page.len() == store::MAX_PAGE as usize;
            for row in page {
                if row.key >= now {
                    return done;
                }
                match self.take(core, &row.key).await {
                    Ok(acted) => done += u64::from(acted),
                    // It changed meanwhile, and the next round sees what became of it.
                    Err(Stop::Conflict) => {}
                    Err(fault) => tracing::warn!(?fault, key = row.key, "a key that is due has to wait"),
                }
                after = Some(row.key);
            }
            if !whole {
                return done;
            }
        }
    }

    async fn take(self, core: &Core, row: &str) -> Result<bool, Stop> {
        let place = row.strip_prefix(self.prefix()).and_then(|rest| rest.split_once('/'));
        let (_, place) = place.ok_or(Stop::Damaged("a row of what is due with another key"))?;
        let left = match self {
            Self::Purge => purge::if_due(core, place).await?,
            Self::Rotation => rotate::if_due(core, place).await?,
        };
        let Left::Stale(batch) = left else { return Ok(matches!(left, Left::Done)) };
        let batch = batch.delete(DUE, row);
        core.store.commit(batch, Cause::Housekeeping("a key is no longer due when its row says")).await?;
        Ok(false)
    }
}

/// What a job did with a key.
#[derive(Debug)]
pub(crate) enum Left {
    Done,
    /// It is not for now, and its row stays.
    Waiting,
    /// There is nothing to do at this time; the batch holds as long as that is so.
    Stale(Batch),
}

/// Gives the keys of a database that is older than this order their rows, once.
pub(crate) async fn complete(core: &Core) -> Result<(), StoreError> {
    const WHY: Cause = Cause::Housekeeping("keys get their rows in the order of what is due");
    if core.store.read(DUE, COMPLETE).await?.is_some() {
        return Ok(());
    }
    let mut after: Option<String> = None;
    while let Some(page) = page::<DeletedRow>(core, DELETED_KEYS, &mut after).await? {
        let batch = page.iter().fold(Batch::new(), |batch, found| {
            Job::Purge.moved(batch, &found.key, None, Some(found.value.purge))
        });
        commit(core, batch, WHY).await?;
    }
    after = None;
    while let Some(page) = page::<KeyRow>(core, KEYS, &mut after).await? {
        let places: Vec<String> =
            page.iter().map(|head| schema::version_of_key(&head.key, head.value.current)).collect();
        let newest = core.store.read_many(KEY_VERSIONS, &places).await?;
        let mut batch = Batch::new();
        for (head, newest) in page.iter().zip(newest) {
            let Some(newest) = newest else { continue };
            let newest: VersionRow = newest.parse()?;
            batch = Job::Rotation.moved(batch, &head.key, None, rotate::next(&head.value, &newest));
        }
        commit(core, batch, WHY).await?;
    }
    commit(core, Batch::new().put(DUE, COMPLETE, &()), WHY).await
}

async fn page<T: serde::de::DeserializeOwned>(
    core: &Core,
    table: store::Table,
    after: &mut Option<String>,
) -> Result<Option<Vec<Found<T>>>, StoreError> {
    let scan = Scan { prefix: "", after: after.as_deref(), limit: store::MAX_PAGE };
    let rows = core.store.scan(table, scan).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    *after = Some(last.key.clone());
    rows.into_iter().map(|row| Found::parse(table, row)).collect::<Result<_, _>>().map(Some)
}

/// Nobody else writes while the vault is opened, so nothing can be in the way.
async fn commit(core: &Core, batch: Batch, cause: Cause) -> Result<(), StoreError> {
    match core.store.commit(batch, cause).await {
        Ok(_) => Ok(()),
        Err(store::CommitError::Store(fault)) => Err(fault),
        Err(store::CommitError::Conflict { .. }) => {
            Err(StoreError::Corrupt("a batch without expectations met a conflict".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_in_the_order_of_time_and_a_round_ends_behind_this_second() {
        let row = |at| Job::Purge.row(at, "v/k");
        assert_eq!(row(1_795_521_600), "purge/001795521600/v/k");
        let times = [i64::MIN, 7, 1_795_521_600, 10_000_000_000, i64::MAX];
        assert!(times.windows(2).all(|pair| row(pair[0]) < row(pair[1])));
        let end = Job::Purge.row(100 + 1, "");
        assert!(row(100) < end && row(101) > end);
    }

    #[test]
    fn a_row_is_moved_only_if_its_time_changes() {
        let changes = |from, to| Job::Rotation.moved(Batch::new(), "v/k", from, to).len();
        assert_eq!(changes(None, None), 0);
        assert_eq!(changes(Some(5), Some(5)), 0);
        assert_eq!(changes(Some(5), Some(6)), 2);
        assert_eq!(changes(None, Some(5)), 1);
        assert_eq!(changes(Some(5), None), 1);
    }
}
