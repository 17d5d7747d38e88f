//! The engine over SQLite: one file in WAL mode, one writer thread, a few read connections.
//!
//! Owns the opening of a database (file mode, pragmas, schema row, migrations) and puts writer and readers
//! behind the `Engine` trait. Every commit is on disk before it is acknowledged (`synchronous=FULL`).

mod fault;
mod reader;
mod scrub;
mod statements;
mod writer;

use std::fmt;
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::time::BoxFuture;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::audit::{AuditRow, Head};
use crate::batch::Prepared;
use crate::durable::{FILE_MODE, sync_folder};
use crate::engine::Engine;
use crate::error::{CommitError, StoreError};
use crate::limits::LOCK_WAIT;
use crate::row::{Row, Stretch, parse};
use crate::schema::{Migration, Opening, Schema, Step, Table};
use crate::sqlite::fault::Fault;
use crate::sqlite::reader::Readers;
use crate::sqlite::statements::Statements;
use crate::sqlite::writer::Writer;

pub(crate) struct Sqlite {
    path: PathBuf,
    // dropped before the readers, so that the last batches are committed while the file is open
    writer: Writer,
    readers: Readers,
}

impl Sqlite {
    pub(crate) async fn open(path: PathBuf, schema: Schema) -> Result<Self, StoreError> {
        let opening = tokio::task::spawn_blocking(move || Self::open_now(path, &schema));
        opening.await.map_err(|_| StoreError::Down("opening was interrupted".into()))?
    }

    fn open_now(path: PathBuf, schema: &Schema) -> Result<Self, StoreError> {
        schema.check()?;
        make_private(&path)?;
        let mut connection = connect(&path)?;
        bring_up(&mut connection, schema).map_err(|fault| fault.at(&path))?;
        let statements = Arc::new(Statements::new(schema.tables));
        Ok(Self {
            writer: Writer::start(connection, path.clone(), Arc::clone(&statements), schema.version)?,
            readers: Readers::new(path.clone(), statements),
            path,
        })
    }
}

impl Engine for Sqlite {
    fn read(&self, table: Table, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(self.readers.run(move |reader| reader.rows(table, keys)))
    }

    fn scan(&self, table: Table, stretch: Stretch) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(self.readers.run(move |reader| reader.scan(table, &stretch)))
    }

    fn commit(&self, batch: Prepared) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(self.writer.commit(batch))
    }

    fn audit(
        &self,
        stream: String,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>> {
        Box::pin(self.readers.run(move |reader| reader.audit(&stream, after, limit)))
    }

    fn head(&self, stream: String) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        Box::pin(self.readers.run(move |reader| reader.head(&stream)))
    }

    fn streams(&self, after: String, limit: u32) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(self.readers.run(move |reader| reader.streams(after, limit)))
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { self.writer.scrub(self.readers.stop().await?).await })
    }

    fn holds(&self, needles: Vec<Vec<u8>>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async { self.writer.search(needles, self.readers.stop().await?).await })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite {}", self.path.display())
    }
}

/// Makes the file if there is none, readable by its owner alone; SQLite gives the WAL the same mode.
///
/// A file that exists is not opened here: closing it again would drop every POSIX lock that this process holds
/// on it, and with them SQLite's own.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let failed = |fault: io::Error| StoreError::io("cannot open", path, &fault);
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
            if std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
                std::fs::set_permissions(path, Permissions::from_mode(FILE_MODE)).map_err(failed)?;
            }
        }
        made => drop(made.map_err(failed)?),
    }
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let open = || -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(LOCK_WAIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(
                StoreError::Io(format!("{}: the file system cannot hold a WAL", path.display())).into()
            );
        }
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    };
    open().map_err(|fault| fault.at(path))
}

/// Reads what the file says about itself and creates or migrates it; one transaction for each step.
fn bring_up(connection: &mut Connection, schema: &Schema) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = found(&transaction)?;
    match schema.opening(found.as_ref().map(|(owner, version)| (owner.as_str(), *version)))? {
        Opening::Create => {
            create(&transaction, schema)?;
            transaction.commit()?;
        }
        Opening::Migrate(migrations) => {
            transaction.rollback()?;
            for migration in migrations {
                migrate(connection, migration)?;
            }
        }
    }
    for table in schema.tables {
        if !exists(connection, table.0)? {
            return Err(StoreError::Corrupt(format!("table {table} is missing")).into());
        }
    }
    Ok(())
}

/// Whose database it is and of which version; `None` for a file without any table.
fn found(connection: &Connection) -> Result<Option<(String, u32)>, Fault> {
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    if !exists(connection, "schema")? {
        return Err(StoreError::Corrupt("it is a database, but not one of Freehold's".into()).into());
    }
    let row = connection
        .query_row("SELECT owner, version FROM schema", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(Some).ok_or_else(|| StoreError::Corrupt("the schema row is missing".into()).into())
}

fn exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(sql, [table], |row| row.get(0))
}

fn create(transaction: &Transaction<'_>, schema: &Schema) -> rusqlite::Result<()> {
    transaction.execute_batch(statements::FRAME)?;
    for table in schema.tables {
        transaction.execute_batch(&statements::create_table(*table))?;
    }
    transaction.execute(
        "INSERT INTO schema (owner, version) VALUES (?1, ?2)",
        params![schema.owner, schema.version],
    )?;
    Ok(())
}

fn migrate(connection: &mut Connection, migration: &Migration) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in migration.steps {
        match step {
            Step::Create(table) => transaction.execute_batch(&statements::create_table(*table))?,
            Step::Drop(table) => transaction.execute_batch(&statements::drop_table(*table))?,
            Step::Rewrite(table, rewrite) => rewrite_all(&transaction, *table, *rewrite)?,
        }
    }
    // conditional, so that two processes that migrate at the same time cannot both do it
    let moved = transaction
        .execute("UPDATE schema SET version = ?1 WHERE version = ?2", [migration.to, migration.to - 1])?;
    if moved != 1 {
        return Err(StoreError::Locked("another process migrates the database".into()).into());
    }
    transaction.commit()?;
    tracing::info!(version = migration.to, "database migrated");
    Ok(())
}

fn rewrite_all(
    transaction: &Transaction<'_>,
    table: Table,
    rewrite: crate::schema::Rewrite,
) -> Result<(), Fault> {
    let mut next = transaction.prepare(&statements::next_body(table))?;
    let mut update = transaction.prepare(&statements::update_body(table))?;
    let mut last = String::new();
    loop {
        let row = next.query_row([&last], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let Some((key, body)) = row.optional()? else { return Ok(()) };
        let body = rewrite(&key, parse("a row's body", body.as_bytes())?).map_err(StoreError::Corrupt)?;
        update.execute(params![key, body.to_string()])?;
        last = key;
    }
}

/// Prepared statements that each connection keeps; well above what the largest schema needs in use at a time.
const STATEMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_durable_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("test.db");
        make_private(&path).expect("a new file");
        for _ in 0..2 {
            let connection = connect(&path).expect("a new connection");
            let number = |pragma: &str| -> i64 {
                connection.pragma_query_value(None, pragma, |row| row.get(0)).expect("a number")
            };
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a word");
            assert_eq!(mode, "wal");
            assert_eq!(number("synchronous"), 2, "FULL");
            assert_eq!(number("temp_store"), 2, "MEMORY");
            assert_eq!(number("secure_delete"), 1);
        }
    }

    #[test]
    fn of_two_processes_that_migrate_one_does_it() {
        const ITEMS: Table = Table("items");
        const V1: Schema = Schema { owner: "test", version: 1, tables: &[ITEMS], migrations: &[] };
        const TO_2: Migration =
            Migration { to: 2, steps: &[Step::Rewrite(ITEMS, |_, old| Ok([old].into()))] };
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("test.db");
        make_private(&path).expect("a new file");
        let mut connection = connect(&path).expect("a new connection");
        assert!(bring_up(&mut connection, &V1).is_ok());
        connection.execute("INSERT INTO items VALUES ('a', 1, '1', NULL)", []).expect("plain SQL");
        // both decided to migrate before either began
        assert!(migrate(&mut connection, &TO_2).is_ok());
        let Err(Fault::Store(StoreError::Locked(_))) = migrate(&mut connection, &TO_2) else {
            panic!("it was migrated twice");
        };
        let body: String =
            connection.query_row("SELECT body FROM items", [], |row| row.get(0)).expect("a row");
        assert_eq!(body, "[1]");
    }
}
