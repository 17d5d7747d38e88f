//! Every bound of the store in one place; spec/store.md lists them for people.

use std::time::Duration;

/// Rows, records or keys that one read may ask for.
pub const MAX_PAGE: u32 = 1_000;

/// Expectations, changes and audit records in one batch, together.
pub const MAX_BATCH: usize = 4_096;

/// Bytes in one batch: keys, bodies, payloads and audit records together.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// Bytes of a key, a stream's name or an operation's name.
pub const MAX_KEY: usize = 512;

/// Bytes of a row's or an audit record's body.
pub const MAX_BODY: usize = 64 << 10;

/// Bytes of a row's payload; larger things are blobs.
pub const MAX_PAYLOAD: usize = 64 << 10;

/// Batches that may wait for the writer; whoever comes later waits for a place.
pub const QUEUE: usize = 1_024;

/// Bytes that may wait for the writer, over all batches.
pub const QUEUE_BYTES: usize = 64 << 20;

/// Batches that share one transaction and one fsync.
pub const MAX_GROUP: usize = 256;

/// Read connections of one SQLite database.
pub const READERS: usize = 4;

/// How long a connection waits for a lock that another process holds, before it answers `Locked`.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);
