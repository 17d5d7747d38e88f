//! The seam between the store's handle and what keeps the rows.
//!
//! Owns the private `Engine` trait. An engine is handed only checked calls (`Prepared`, `Stretch`, bounded
//! pages), and must pass `tests/contract.rs` as a whole; that suite, not this page, is the agreement.

use std::fmt;

use model::time::BoxFuture;

use crate::audit::{AuditRow, Head};
use crate::batch::Prepared;
use crate::error::{CommitError, StoreError};
use crate::row::{Row, Stretch};
use crate::schema::Table;

pub(crate) trait Engine: Send + Sync + fmt::Debug {
    /// One answer for each key, in order, all from one committed state.
    fn read(&self, table: Table, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Row>>, StoreError>>;

    /// The rows of a stretch by the bytes of their keys, from one committed state.
    fn scan(&self, table: Table, stretch: Stretch) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;

    /// Durable when it returns `Ok`. After `Conflict` and `Full` nothing was changed; after `Down` and `Io` the
    /// batch is there as a whole or not at all.
    fn commit(&self, batch: Prepared) -> BoxFuture<'_, Result<(), CommitError>>;

    /// Records of a stream with a sequence number above `after`, in order.
    fn audit(
        &self,
        stream: String,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>>;

    /// The newest record of a stream.
    fn head(&self, stream: String) -> BoxFuture<'_, Result<Option<Head>, StoreError>>;

    /// Names of streams, by their bytes.
    fn streams(&self, after: String, limit: u32) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    /// Leaves no byte of a deleted or overwritten row in the engine's files.
    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether the engine's files hold one of the needles anywhere.
    fn holds(&self, needles: Vec<Vec<u8>>) -> BoxFuture<'_, Result<bool, StoreError>>;
}
