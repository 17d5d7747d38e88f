//! The handle that everybody above holds: rows by key, scans, one commit, and the log.
//!
//! Owns the checks at the door. What keeps the rows lies behind the private `Engine` trait.

use std::path::Path;
use std::sync::Arc;

use crate::audit::{AuditRow, Head};
use crate::batch::{Batch, Cause, check_place, check_table};
use crate::engine::Engine;
use crate::error::{CommitError, StoreError};
use crate::limits::MAX_PAGE;
use crate::memory::{Faults, Memory};
use crate::row::{Row, Scan, check_key};
use crate::schema::{Schema, Table};
use crate::sqlite::Sqlite;

/// One database of one owner; clones share it.
///
/// The last clone that is dropped waits for the writer to finish, so the files are closed afterwards.
#[derive(Debug, Clone)]
pub struct Store {
    schema: Schema,
    engine: Arc<dyn Engine>,
}

impl Store {
    /// Opens the SQLite database at `path`, makes it if there is none, and brings it to the schema's version.
    ///
    /// Refused: a newer version, another owner's database, a file that is no database. The caller holds the
    /// [`DataLock`](crate::DataLock) of the folder.
    pub async fn sqlite(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        let engine = Sqlite::open(path.to_owned(), *schema).await?;
        Ok(Self { schema: *schema, engine: Arc::new(engine) })
    }

    /// A database in memory for tests and simulations, and the handle that makes it fail.
    ///
    /// # Panics
    /// If the schema breaks a rule of spec/store.md.
    pub fn memory(schema: &Schema) -> (Self, Faults) {
        let memory = Memory::open(schema).expect("a schema that keeps the rules");
        (Self::over(schema, &memory), Faults::new(memory))
    }

    pub(crate) fn over(schema: &Schema, memory: &Memory) -> Self {
        Self { schema: *schema, engine: Arc::new(memory.clone()) }
    }

    /// Reads one row.
    pub async fn read(&self, table: Table, key: &str) -> Result<Option<Row>, StoreError> {
        check_place(&self.schema, table, key)?;
        Ok(self.engine.read(table, vec![key.into()]).await?.pop().flatten())
    }

    /// Reads up to [`MAX_PAGE`] rows from one committed state; one answer for each key, in order.
    pub async fn read_many(&self, table: Table, keys: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        if keys.len() > MAX_PAGE as usize {
            return Err(StoreError::over("a read", keys.len(), MAX_PAGE as usize));
        }
        for key in keys {
            check_place(&self.schema, table, key)?;
        }
        self.engine.read(table, keys.to_vec()).await
    }

    /// Reads a page of rows, ordered by the bytes of their keys, from one committed state.
    pub async fn scan(&self, table: Table, scan: Scan<'_>) -> Result<Vec<Row>, StoreError> {
        check_table(&self.schema, table)?;
        self.engine.scan(table, scan.stretch()?).await
    }

    /// Commits a batch with its cause; durable when it returns.
    ///
    /// A call that is dropped half-way has either happened as a whole or not at all, and the same holds after
    /// `Down` and `Io`: read before repeating.
    pub async fn commit(&self, batch: Batch, cause: Cause) -> Result<(), CommitError> {
        let prepared = batch.prepare(cause, &self.schema)?;
        self.engine.commit(prepared).await
    }

    /// Reads the records of a stream that come after sequence number `after`, at most `limit`, in order.
    pub async fn audit(&self, stream: &str, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        check_key("the name of a stream", stream)?;
        check_page(limit)?;
        self.engine.audit(stream.into(), after, limit).await
    }

    /// The newest record of a stream; `None` if it has none.
    pub async fn audit_head(&self, stream: &str) -> Result<Option<Head>, StoreError> {
        check_key("the name of a stream", stream)?;
        self.engine.head(stream.into()).await
    }

    /// The names of the streams that have records, after the name `after`, at most `limit`, by their bytes.
    pub async fn audit_streams(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        check_page(limit)?;
        self.engine.streams(after.unwrap_or_default().into(), limit).await
    }

    /// Leaves no byte of a deleted or overwritten row in the files of the database; part of a purge.
    ///
    /// Rewrites the whole database in memory, so it is for small ones ([`MAX_SCRUB`](crate::limits::MAX_SCRUB));
    /// reads and commits wait meanwhile.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        self.engine.scrub().await
    }

    /// Whether the files of the database hold one of the needles anywhere, free pages and WAL included.
    ///
    /// Reads and commits wait meanwhile. For other folders there is [`traces`](crate::traces()); it must not be
    /// used on a folder where a database is open.
    pub async fn holds(&self, needles: Vec<Vec<u8>>) -> Result<bool, StoreError> {
        self.engine.holds(needles).await
    }
}

fn check_page(limit: u32) -> Result<(), StoreError> {
    if limit > MAX_PAGE {
        return Err(StoreError::over("a page", limit as usize, MAX_PAGE as usize));
    }
    Ok(())
}
