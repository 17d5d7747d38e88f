//! The engines that the suites run over, each with a way to crash it and to edit it behind its back.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::path::PathBuf;

use freehold_store as store;
use model::time::Timestamp;
use serde_json::json;
use store::{AuditEntry, Batch, Cause, Faults, Schema, Store, StoreError, Table};
use tempfile::TempDir;

pub const ITEMS: Table = Table("items");
pub const JOBS: Table = Table("jobs");
pub const SCHEMA: Schema = Schema { owner: "service", version: 1, tables: &[ITEMS, JOBS], migrations: &[] };

/// One engine under test; a later engine is one more variant here.
pub enum Rig {
    Sqlite(TempDir),
    Memory(Option<Faults>),
}

impl Rig {
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a folder for the test"))
    }

    pub fn memory() -> Self {
        Self::Memory(None)
    }

    pub async fn open(&mut self, schema: &Schema) -> Result<Store, StoreError> {
        match self {
            Self::Sqlite(folder) => Store::sqlite(&folder.path().join(DATABASE), schema).await,
            Self::Memory(Some(faults)) => faults.reopen(schema),
            Self::Memory(empty) => {
                let (store, faults) = Store::memory(schema);
                *empty = Some(faults);
                Ok(store)
            }
        }
    }

    /// A fresh database that was opened for the first time.
    pub async fn fresh(&mut self) -> Store {
        self.open(&SCHEMA).await.expect("a new database")
    }

    /// What is left when the process dies now, between two commits, without a chance to close anything.
    pub async fn crash(&mut self, store: Store) -> Store {
        match self {
            Self::Sqlite(folder) => {
                let left = TempDir::new().expect("a folder for the test");
                for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
                    let (from, to) = (folder.path().join(&name), left.path().join(&name));
                    if from.exists() {
                        std::fs::copy(from, to).expect("the files as the crash leaves them");
                    }
                }
                drop(store);
                *self = Self::Sqlite(left);
            }
            Self::Memory(faults) => {
                faults.as_ref().expect("it was opened").crash_now();
                store.read(ITEMS, "any").await.expect_err("a crashed store answers nothing");
            }
        }
        self.open(&SCHEMA).await.expect("a store that crashed opens again")
    }

    /// Changes the body of a record behind the store's back.
    pub fn edit_record(&self, stream: &str, seq: u64, body: &str) {
        match self {
            Self::Sqlite(_) => {
                self.sql(
                    "UPDATE audit SET body = ?3 WHERE stream = ?1 AND seq = ?2",
                    (stream, seq as i64, body),
                );
            }
            Self::Memory(faults) => faults
                .as_ref()
                .expect("it was opened")
                .tamper(stream, seq, |row| row.body = body.as_bytes().to_vec()),
        }
    }

    /// Removes a record behind the store's back.
    pub fn cut_record(&self, stream: &str, seq: u64) {
        match self {
            Self::Sqlite(_) => {
                self.sql("DELETE FROM audit WHERE stream = ?1 AND seq = ?2", (stream, seq as i64))
            }
            Self::Memory(faults) => faults.as_ref().expect("it was opened").cut(stream, seq),
        }
    }

    pub fn path(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join(DATABASE),
            Self::Memory(_) => panic!("only for SQLite"),
        }
    }

    fn sql(&self, sql: &str, parameters: impl rusqlite::Params) {
        let connection = rusqlite::Connection::open(self.path()).expect("the file is there");
        let changed = connection.execute(sql, parameters).expect("plain SQL");
        assert_eq!(changed, 1, "the record to be edited is there");
    }
}

pub const DATABASE: &str = "service.db";

pub fn entry(stream: &str, operation: &str) -> AuditEntry {
    let body = json!({ "policy": "11111111-1111-4111-8111-111111111111" });
    AuditEntry { stream: stream.into(), at: Timestamp(1_700_000_000_000), operation: operation.into(), body }
}

pub fn house() -> Cause {
    Cause::Housekeeping("test")
}

pub async fn put(store: &Store, table: Table, key: &str, body: &impl serde::Serialize) {
    store.commit(Batch::new().put(table, key, body), house()).await.expect("an ordinary put");
}
