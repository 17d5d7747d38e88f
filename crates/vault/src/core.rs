//! What every room of the vault is handed: settings, store, master key, clock, randomness.
//!
//! Owns [`Core`], the typed reading of rows, and [`Basis`]: the rows a decision rests on. A commit expects its
//! basis, so that no reply leaves on the strength of a right or a key that was taken away meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use crypto::{Key, Master, Random};
use model::time::{Clock, Timestamp};
use serde::de::DeserializeOwned;
use store::{Batch, Row, Scan, Store, StoreError, Table};

use crate::blocking::Blocking;
use crate::id::CallId;
use crate::keys::private::Parsed;
use crate::settings::Settings;
use crate::token::signing::SigningKeys;

/// The state behind every handler.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) master: Key<Master>,
    /// Master keys of before; they open the backups of their time and nothing else.
    pub(crate) formers: Vec<Key<Master>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) signing: SigningKeys,
    pub(crate) parsed: Parsed,
    /// Generation of private keys.
    pub(crate) generations: Blocking,
    /// Operations with a private key.
    pub(crate) operations: Blocking,
}

impl Core {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// 16 bytes for an identifier.
    pub(crate) fn id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        bytes
    }

    pub(crate) fn call_id(&self) -> CallId {
        CallId::from_random(self.id())
    }

    /// Reads one row as what its table holds.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &str,
    ) -> Result<Option<Found<T>>, StoreError> {
        self.store.read(table, key).await?.map(|row| Found::parse(table, row)).transpose()
    }

    /// Reads all rows under a prefix; for stretches that are small by a rule of their own.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &str,
    ) -> Result<Vec<Found<T>>, StoreError> {
        let mut found: Vec<Found<T>> = Vec::new();
        loop {
            let after = found.last().map(|last| last.key.clone());
            let scan = Scan { prefix, after: after.as_deref(), limit: store::MAX_PAGE };
            let page = self.store.scan(table, scan).await?;
            let last = page.len() < store::MAX_PAGE as usize;
            for row in page {
                found.push(Found::parse(table, row)?);
            }
            if last {
                return Ok(found);
            }
        }
    }
}

/// A row as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) key: String,
    pub(crate) payload: Option<Bytes>,
    table: Table,
    version: u64,
}

impl<T: DeserializeOwned> Found<T> {
    pub(crate) fn parse(table: Table, row: Row) -> Result<Self, StoreError> {
        let value = row.parse()?;
        Ok(Self { value, key: row.key, payload: row.payload, table, version: row.version })
    }
}

impl<T> Found<T> {
    /// The row alone, as a basis.
    pub(crate) fn basis(&self) -> Basis {
        Basis::default().and(self)
    }
}

/// The rows, at their versions, that a decision rests on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Basis(Vec<(Table, String, u64)>);

impl Basis {
    /// The basis with one more row.
    pub(crate) fn and<T>(mut self, found: &Found<T>) -> Self {
        self.0.push((found.table, found.key.clone(), found.version));
        self
    }

    /// The basis with another one's rows.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A batch that is refused if any of the rows has changed.
    pub(crate) fn batch(&self) -> Batch {
        self.0.iter().fold(Batch::new(), |batch, (table, key, version)| {
            batch.expect_version(*table, key.clone(), *version)
        })
    }
}
