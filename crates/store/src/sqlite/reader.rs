//! Read connections: a bounded few, used off the async threads, each read from one committed state.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::audit::{AuditRow, Head};
use crate::error::StoreError;
use crate::limits::READERS;
use crate::row::{From, Row, Stretch};
use crate::schema::Table;
use crate::sqlite::connect;
use crate::sqlite::fault::Translate;
use crate::sqlite::statements::{HEAD, NEXT_STREAM, RECORDS, Statements};

pub(crate) struct Readers {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

struct Shared {
    path: PathBuf,
    statements: Arc<Statements>,
    /// Connections that nobody uses now; one that was lost is simply opened anew.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, statements: Arc<Statements>) -> Self {
        let shared = Shared { path, statements, idle: Mutex::default() };
        Self { shared: Arc::new(shared), places: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs a read on a connection of its own, off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Down("the readers are closed".into()))?;
        let shared = Arc::clone(&self.shared);
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            shared.run(read)
        });
        reading.await.map_err(|_| StoreError::Down("a read was interrupted".into()))?
    }

    /// Waits until nobody reads and closes all read connections; reads go on when the permit is dropped.
    pub(crate) async fn stop(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let all = Arc::clone(&self.places).acquire_many_owned(READERS as u32).await;
        let all = all.map_err(|_| StoreError::Down("the readers are closed".into()))?;
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(all)
    }
}

impl Shared {
    fn run<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.path)?;
                connection.pragma_update(None, "query_only", true).map_err(|fault| fault.at(&self.path))?;
                connection
            }
        };
        let mut reader = Reader { connection: &connection, statements: &self.statements };
        let result = read(&mut reader).map_err(|fault| fault.at(&self.path));
        // a connection that failed may be in any state and is not used again
        if result.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        result
    }
}

/// One read connection in use.
pub(crate) struct Reader<'a> {
    connection: &'a Connection,
    statements: &'a Statements,
}

impl Reader<'_> {
    pub(crate) fn rows(&mut self, table: Table, keys: Vec<String>) -> rusqlite::Result<Vec<Option<Row>>> {
        // one statement sees one state by itself; several need a transaction for that
        let snapshot = if keys.len() > 1 { Some(self.connection.unchecked_transaction()?) } else { None };
        let mut statement = self.connection.prepare_cached(&self.statements.of(table).read)?;
        let rows = keys.iter().map(|key| statement.query_row([key], row).optional()).collect();
        drop(statement);
        snapshot.map_or(Ok(()), |snapshot| snapshot.finish())?;
        rows
    }

    pub(crate) fn scan(&mut self, table: Table, stretch: &Stretch) -> rusqlite::Result<Vec<Row>> {
        let (after, key) = match &stretch.from {
            From::At(key) => (false, key),
            From::After(key) => (true, key),
        };
        let sql = self.statements.of(table).scan(after, stretch.until.is_some());
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = match &stretch.until {
            Some(until) => statement.query_map(params![key, stretch.limit, until], row)?,
            None => statement.query_map(params![key, stretch.limit], row)?,
        };
        rows.collect()
    }

    pub(crate) fn audit(&mut self, stream: &str, after: u64, limit: u32) -> rusqlite::Result<Vec<AuditRow>> {
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(RECORDS)?;
        statement.query_map(params![stream, after, limit], record)?.collect()
    }

    pub(crate) fn head(&mut self, stream: &str) -> rusqlite::Result<Option<Head>> {
        head(self.connection, stream)
    }

    pub(crate) fn streams(&mut self, after: String, limit: u32) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(NEXT_STREAM)?;
        let mut names: Vec<String> = Vec::new();
        while names.len() < limit as usize {
            let last = names.last().unwrap_or(&after);
            let Some(name) = statement.query_row([last], |row| row.get(0)).optional()? else { break };
            names.push(name);
        }
        Ok(names)
    }
}

/// The newest record of a stream as this connection sees it; the writer asks inside its transaction.
pub(crate) fn head(connection: &Connection, stream: &str) -> rusqlite::Result<Option<Head>> {
    let mut statement = connection.prepare_cached(HEAD)?;
    statement.query_row([stream], |row| Ok(Head { seq: row.get(0)?, hash: row.get(1)? })).optional()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        key: row.get(0)?,
        version: row.get(1)?,
        body: row.get::<_, String>(2)?.into_bytes(),
        payload: row.get::<_, Option<Vec<u8>>>(3)?.map(Bytes::from),
    })
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        stream: row.get(0)?,
        seq: row.get(1)?,
        at: Timestamp(row.get(2)?),
        operation: row.get(3)?,
        body: row.get::<_, String>(4)?.into_bytes(),
        previous: row.get(5)?,
        hash: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[tokio::test]
    async fn while_reading_is_stopped_no_connection_is_open_and_none_is_made() {
        const ITEMS: Table = Table("items");
        const SCHEMA: Schema = Schema { owner: "test", version: 1, tables: &[ITEMS], migrations: &[] };
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("test.db");
        let _writer = crate::sqlite::Sqlite::open(path.clone(), SCHEMA).await.expect("a new database");
        let readers = Readers::new(path, Arc::new(Statements::new(SCHEMA.tables)));
        let open = || readers.shared.idle.lock().expect("nobody panicked").len();
        let read = || readers.run(|reader| reader.rows(ITEMS, vec!["a".into()]));
        assert_eq!(read().await, Ok(vec![None]));
        assert_eq!(open(), 1);

        let stopped = readers.stop().await.expect("nobody reads");
        assert_eq!(open(), 0);
        let mut waiting = std::pin::pin!(read());
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        tokio::task::yield_now().await;
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        assert_eq!(open(), 0);
        drop(stopped);
        assert_eq!(waiting.await, Ok(vec![None]));
    }
}
