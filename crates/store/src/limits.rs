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

/// Bytes of a database that can be scrubbed; it is held in memory once, as nothing is spooled to disk.
pub const MAX_SCRUB: u64 = 1 << 30;

/// Read connections of one SQLite database.
pub const READERS: usize = 4;

/// How long a connection waits for a lock that another process holds, before it answers `Locked`.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Bytes of a blob that is held in memory as a whole, when written or read.
pub const MAX_BLOB: usize = 16 << 20;

/// Bytes of a blob that is streamed.
pub const MAX_STREAM: u64 = 8 << 30;

/// Blobs in one call of `put_many`.
pub const MAX_BLOBS: usize = 1_024;

/// Bytes in one call of `put_many`.
pub const MAX_BLOBS_BYTES: usize = 64 << 20;

/// The longest time from a blob's first byte to the commit of its row. What is older and has no row never gets
/// one: only that may be collected as an orphan.
pub const LONGEST_PUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of a file in a replica.
pub const MAX_REPLICA_FILE: usize = 64 << 10;

/// Bytes of the name of a file in a replica.
pub const MAX_FILE_NAME: usize = 128;
