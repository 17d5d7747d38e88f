//! A change of state: what is expected, what is changed, and why. All of it happens or none of it.
//!
//! Owns `Batch` and `Cause`, and turns them into `Prepared`, which is checked against every bound, so that an
//! engine never sees a malformed batch. Ordering inside a batch: all expectations first, then the changes in
//! the order in which they were added.

use bytes::Bytes;
use serde::Serialize;

use crate::audit::AuditEntry;
use crate::error::StoreError;
use crate::limits::{MAX_BATCH, MAX_BATCH_BYTES, MAX_BODY, MAX_PAYLOAD};
use crate::row::check_key;
use crate::schema::{Schema, Table};

/// Expectations and changes that are committed together.
///
/// An expectation may name a row that the batch does not change: this is how a write is made conditional on
/// a lease, a token, a generation or an epoch.
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    expectations: Vec<Expectation>,
    changes: Vec<Change>,
    /// The first thing that was wrong; told by `commit`, so that the builder can be chained.
    fault: Option<StoreError>,
}

/// Why state changes; there is no commit without a cause.
#[derive(Debug)]
pub enum Cause {
    /// Somebody did something: at least one record, written in the same transaction.
    Audited(Vec<AuditEntry>),
    /// The service keeps house (a cursor moves on, a lease is renewed): the reason, in a few words.
    Housekeeping(&'static str),
}

#[derive(Debug)]
pub(crate) struct Expectation {
    pub(crate) table: Table,
    pub(crate) key: String,
    /// `None`: the row must be absent.
    pub(crate) version: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum Change {
    Put { table: Table, key: String, body: String, payload: Option<Bytes> },
    Delete { table: Table, key: String },
}

/// One audit record before it has a place in its stream.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) stream: String,
    pub(crate) at: i64,
    pub(crate) operation: String,
    pub(crate) body: String,
}

/// A batch that keeps every rule.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) changes: Vec<Change>,
    pub(crate) records: Vec<Pending>,
    pub(crate) bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects that no row has this key.
    pub fn expect_absent(mut self, table: Table, key: impl Into<String>) -> Self {
        self.expectations.push(Expectation { table, key: key.into(), version: None });
        self
    }

    /// Expects that the row has this version.
    ///
    /// A row that was deleted and made again starts at version 1 again: do not use a key twice for two things.
    pub fn expect_version(mut self, table: Table, key: impl Into<String>, version: u64) -> Self {
        self.expectations.push(Expectation { table, key: key.into(), version: Some(version) });
        self
    }

    /// Writes a row without payload, new or over the old one.
    pub fn put(self, table: Table, key: impl Into<String>, body: &impl Serialize) -> Self {
        self.write(table, key.into(), body, None)
    }

    /// Writes a row with a payload, new or over the old one.
    pub fn put_with_payload(
        self,
        table: Table,
        key: impl Into<String>,
        body: &impl Serialize,
        payload: impl Into<Bytes>,
    ) -> Self {
        self.write(table, key.into(), body, Some(payload.into()))
    }

    /// Deletes a row; it is no fault if there is none.
    pub fn delete(mut self, table: Table, key: impl Into<String>) -> Self {
        self.changes.push(Change::Delete { table, key: key.into() });
        self
    }

    /// How many expectations and changes the batch holds; [`MAX_BATCH`] bounds them with the audit records.
    pub fn len(&self) -> usize {
        self.expectations.len() + self.changes.len()
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write(mut self, table: Table, key: String, body: &impl Serialize, payload: Option<Bytes>) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => self.changes.push(Change::Put { table, key, body, payload }),
            Err(_) => {
                let fault = StoreError::Misuse(format!("a body for table {table} cannot be written as JSON"));
                self.fault.get_or_insert(fault);
            }
        }
        self
    }

    /// Checks the batch and its cause against the schema and every bound.
    pub(crate) fn prepare(self, cause: Cause, schema: &Schema) -> Result<Prepared, StoreError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let entries = match cause {
            Cause::Audited(entries) if entries.is_empty() => {
                return Err(StoreError::Misuse("an audited commit needs an audit record".into()));
            }
            Cause::Audited(entries) => entries,
            Cause::Housekeeping(reason) if reason.trim().is_empty() => {
                return Err(StoreError::Misuse("housekeeping needs a reason".into()));
            }
            Cause::Housekeeping(reason) => {
                tracing::trace!(reason, changes = self.changes.len(), "housekeeping");
                Vec::new()
            }
        };
        let steps = self.expectations.len() + self.changes.len() + entries.len();
        if steps > MAX_BATCH {
            return Err(StoreError::over("a batch", steps, MAX_BATCH));
        }
        let mut bytes = 0;
        for expectation in &self.expectations {
            check_place(schema, expectation.table, &expectation.key)?;
            bytes += expectation.key.len();
        }
        for change in &self.changes {
            bytes += change.check(schema)?;
        }
        let records = entries.into_iter().map(AuditEntry::prepare).collect::<Result<Vec<_>, _>>()?;
        bytes += records.iter().map(|r| r.stream.len() + r.operation.len() + r.body.len()).sum::<usize>();
        if bytes > MAX_BATCH_BYTES {
            return Err(StoreError::over("the bytes of a batch", bytes, MAX_BATCH_BYTES));
        }
        Ok(Prepared { expectations: self.expectations, changes: self.changes, records, bytes })
    }
}

impl Change {
    fn check(&self, schema: &Schema) -> Result<usize, StoreError> {
        let (table, key, body, payload) = match self {
            Self::Put { table, key, body, payload } => (table, key, body.len(), payload.as_ref()),
            Self::Delete { table, key } => (table, key, 0, None),
        };
        check_place(schema, *table, key)?;
        if body > MAX_BODY {
            return Err(StoreError::over("a body", body, MAX_BODY));
        }
        let payload = payload.map_or(0, Bytes::len);
        if payload > MAX_PAYLOAD {
            return Err(StoreError::over("a payload", payload, MAX_PAYLOAD));
        }
        Ok(key.len() + body + payload)
    }
}

pub(crate) fn check_place(schema: &Schema, table: Table, key: &str) -> Result<(), StoreError> {
    check_table(schema, table)?;
    check_key("a key", key)
}

pub(crate) fn check_table(schema: &Schema, table: Table) -> Result<(), StoreError> {
    if schema.has(table) {
        return Ok(());
    }
    Err(StoreError::Misuse(format!("{:?} has no table {table}", schema.owner)))
}
