//! The renewal of the master key: whatever is sealed under the former one is sealed again under the new one.
//!
//! Owns [`Renewal`] and the rows of former master keys, which open the backups of their time and nothing else. It works on
//! a store that nobody serves. It may end anywhere: every row opens under one of the two keys, and the same call goes on.

use crypto::{Context, Key, Master, Random, VaultKeyPlace, Wrapped};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AuditEntry, Batch, Cause, CommitError, Row, Scan, Store, StoreError, Table};

use crate::OpenFault;
use crate::keys::private;
use crate::schema::{FORMER_MASTERS, KEY_VERSIONS, SIGNING_KEYS};
use crate::token::signing;

/// The most former master keys that are kept; the oldest leaves, and with it what it opens.
pub const MAX_FORMERS: usize = 32;
/// How many rows are sealed again in one transaction.
const PAGE: u32 = 100;
/// The stream of the audit log for renewals.
const STREAM: &str = "master-key";

/// One renewal: the store, both keys, and the edge.
#[derive(Debug, Clone, Copy)]
pub struct Renewal<'a> {
    /// The vault's store, which no program serves meanwhile.
    pub store: &'a Store,
    /// The key that everything was sealed under before the renewal began.
    pub former: &'a Key<Master>,
    /// The key that takes over.
    pub new: &'a Key<Master>,
    /// Whether backups that were made before can still be restored afterwards.
    pub keep_backups: bool,
    /// When it happens, for the log.
    pub now: Timestamp,
    /// The source of randomness.
    pub random: &'a dyn Random,
}

/// What a renewal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Private halves that were sealed again now.
    pub resealed: u64,
    /// Private halves that a run before had sealed again already.
    pub before: u64,
    /// Former master keys that are kept for old backups.
    pub formers: usize,
}

/// Why a renewal stopped; what was done stays good, and the same call goes on.
#[derive(Debug, thiserror::Error)]
pub enum RenewalFault {
    /// A row opens under neither key: the former key is another store's, or the store is damaged.
    #[error("{table}/{key} opens neither under the former master key nor under the new one")]
    Neither {
        /// The table.
        table: &'static str,
        /// The row's key, which is no secret.
        key: String,
    },
    /// Something else wrote into the store meanwhile.
    #[error("another program wrote into the store")]
    Served,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for RenewalFault {
    fn from(fault: CommitError) -> Self {
        match fault {
            CommitError::Conflict { .. } => Self::Served,
            CommitError::Store(fault) => Self::Store(fault),
        }
    }
}

/// A former master key's row; the key is its payload.
#[derive(Debug, Serialize, Deserialize)]
struct FormerRow {
    until: Timestamp,
}

/// A former master key, opened.
struct Former {
    number: u32,
    row: Row,
    key: Key<Master>,
}

impl Renewal<'_> {
    /// Seals everything again; `progress` hears after each page how many private halves are under the new key.
    pub async fn run(&self, mut progress: impl FnMut(u64)) -> Result<Renewed, RenewalFault> {
        let formers = self.formers().await?;
        let mut renewed = Renewed { resealed: 0, before: 0, formers };
        for (table, place) in [(SIGNING_KEYS, signing_place as PlaceOf), (KEY_VERSIONS, version_place)] {
            let mut after: Option<String> = None;
            loop {
                let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
                let page = self.store.scan(table, scan).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                self.reseal(table, place, &page, &mut renewed).await?;
                progress(renewed.resealed + renewed.before);
            }
        }
        let body = json!({ "category": "Administration", "identity": "operator",
            "properties": { "resealed": renewed.resealed, "before": renewed.before, "formers": formers } });
        let (stream, operation) = (STREAM.to_owned(), "RenewMasterKey".to_owned());
        let entry = AuditEntry { stream, at: self.now, operation, body };
        self.store.commit(Batch::new(), Cause::Audited(vec![entry])).await?;
        Ok(renewed)
    }

    /// Seals the former master keys again, and keeps the one that goes now with them; how many there are then.
    async fn formers(&self) -> Result<usize, RenewalFault> {
        let mut kept = Vec::new();
        for row in rows(self.store).await? {
            let opened = [self.new, self.former].into_iter().find_map(|key| opened(key, &row));
            let (number, key) = opened.ok_or_else(|| neither(FORMER_MASTERS, &row))?;
            kept.push(Former { number, row, key });
        }
        let mut batch = Batch::new();
        if !self.keep_backups {
            let count = kept.len();
            batch = kept.into_iter().fold(batch, |batch, old| {
                let batch = batch.expect_version(FORMER_MASTERS, &*old.row.key, old.row.version);
                batch.delete(FORMER_MASTERS, old.row.key)
            });
            if count > 0 {
                self.keep(batch).await?;
            }
            return Ok(0);
        }
        let known = kept.iter().any(|old| is_same(&old.key, self.former));
        let next = kept.last().map_or(1, |old| old.number + 1);
        let mut count = kept.len() + usize::from(!known);
        for old in kept {
            batch = batch.expect_version(FORMER_MASTERS, &*old.row.key, old.row.version);
            if count > MAX_FORMERS {
                batch = batch.delete(FORMER_MASTERS, old.row.key);
                count -= 1;
                continue;
            }
            let body: Value = old.row.parse()?;
            let sealed = self.new.wrap(&old.key, &Context::former_master(old.number), self.random);
            batch = batch.put_with_payload(FORMER_MASTERS, old.row.key, &body, sealed.as_bytes().to_vec());
        }
        if !known {
            let sealed = self.new.wrap(self.former, &Context::former_master(next), self.random);
            let (place, row) = (former_row(next), FormerRow { until: self.now });
            batch = batch.expect_absent(FORMER_MASTERS, &*place);
            batch = batch.put_with_payload(FORMER_MASTERS, place, &row, sealed.as_bytes().to_vec());
        }
        self.keep(batch).await?;
        Ok(count)
    }

    async fn reseal(
        &self,
        table: Table,
        place: PlaceOf,
        page: &[Row],
        renewed: &mut Renewed,
    ) -> Result<(), RenewalFault> {
        let mut batch = Batch::new();
        for row in page {
            let Some(sealed) = &row.payload else { continue };
            let at = place(&row.key).ok_or_else(|| neither(table, row))?;
            let moved = |by: &Key<Master>| by.move_private(sealed, &at, self.new, &at, self.random).ok();
            if moved(self.new).is_some() {
                renewed.before += 1;
                continue;
            }
            let moved = moved(self.former).ok_or_else(|| neither(table, row))?;
            let body: Value = row.parse()?;
            batch = batch
                .expect_version(table, &*row.key, row.version)
                .put_with_payload(table, &*row.key, &body, moved);
            renewed.resealed += 1;
        }
        if batch.is_empty() { Ok(()) } else { self.keep(batch).await }
    }

    async fn keep(&self, batch: Batch) -> Result<(), RenewalFault> {
        Ok(self.store.commit(batch, Cause::Housekeeping("renewal of the master key")).await?)
    }
}

/// The former master keys of a store that is opened under `master`, the newest first.
pub(crate) async fn formers(store: &Store, master: &Key<Master>) -> Result<Vec<Key<Master>>, OpenFault> {
    let mut keys = Vec::new();
    for row in rows(store).await? {
        let (_, key) = opened(master, &row).ok_or(OpenFault::MasterKey)?;
        keys.insert(0, key);
    }
    Ok(keys)
}

/// Where the private half of a row is sealed, from the row's key.
type PlaceOf = fn(&str) -> Option<VaultKeyPlace>;

fn signing_place(row: &str) -> Option<VaultKeyPlace> {
    Some(signing::place(row.parse().ok()?))
}

fn version_place(row: &str) -> Option<VaultKeyPlace> {
    private::place(row).ok()
}

async fn rows(store: &Store) -> Result<Vec<Row>, StoreError> {
    let limit = u32::try_from(MAX_FORMERS).expect("a small number");
    store.scan(FORMER_MASTERS, Scan { prefix: "", after: None, limit }).await
}

fn opened(by: &Key<Master>, row: &Row) -> Option<(u32, Key<Master>)> {
    let number = row.key.parse().ok()?;
    let wrapped = Wrapped::<Master>::from_bytes(row.payload.as_ref()?.to_vec());
    Some((number, by.unwrap(&wrapped, &Context::former_master(number)).ok()?))
}

fn former_row(number: u32) -> String {
    format!("{number:08}")
}

fn is_same(one: &Key<Master>, other: &Key<Master>) -> bool {
    let (one, other) = (one.to_file(), other.to_file());
    aws_lc_rs::constant_time::verify_slices_are_equal(&*one, &*other).is_ok()
}

fn neither(table: Table, row: &Row) -> RenewalFault {
    RenewalFault::Neither { table: table.0, key: row.key.clone() }
}
