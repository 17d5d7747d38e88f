//! Rows in SQL, blobs in an object store, the audit log's rows, and the data folder that holds them.
//!
//! Floor 1. Bytes in, bytes out: what a row means is decided above. [`Store`] is the only way to a row, and
//! every change goes through [`Store::commit`] with a [`Cause`]. The rules are written in spec/store.md.

mod audit;
mod batch;
mod blobs;
mod disk;
mod durable;
mod engine;
mod error;
mod folder;
pub mod limits;
mod memory;
mod replica;
mod row;
mod schema;
mod sqlite;
mod store;
mod traces;

pub use audit::{AuditEntry, AuditRow, ChainFault, Head, Verdict, verify};
pub use batch::{Batch, Cause};
pub use blobs::{BlobName, BlobPut, Blobs, NotABlobName};
pub use error::{CommitError, StoreError};
pub use folder::{DataLock, FORMAT};
pub use limits::{LONGEST_PUT, MAX_BATCH, MAX_BLOB, MAX_BODY, MAX_KEY, MAX_PAGE, MAX_PAYLOAD};
pub use memory::Faults;
pub use replica::Replica;
pub use row::{Row, Scan};
pub use schema::{Migration, Rewrite, Schema, Step, Table};
pub use store::Store;
pub use traces::traces;
