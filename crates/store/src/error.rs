//! What can go wrong in the store, told apart by what has to happen next.
//!
//! Owns `StoreError` and `CommitError`. Texts name tables, counts and files, never a row's key or body: they
//! end in logs. Each engine translates its own faults (see `sqlite/fault.rs`); nothing is folded together.

use std::io;
use std::path::Path;

use crate::schema::Table;

/// A fault of the store itself; the state that was acknowledged before stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left where the store writes. Nothing of the refused write is visible; free space and repeat.
    #[error("no space is left on the disk of the store")]
    Full,
    /// Somebody else holds the store; the text says who, where that is known.
    #[error("the store is in use: {0}")]
    Locked(String),
    /// The data was written by a later version of this program than the one that opens it.
    #[error("the data has version {found} and this program knows {known}: use the newer program")]
    Newer {
        /// The version that was found.
        found: u32,
        /// The latest version that this program can read.
        known: u32,
    },
    /// The database belongs to another part of the system.
    #[error("this is the database of {found:?}, not of {expected:?}")]
    WrongOwner {
        /// Whose it is.
        found: String,
        /// Who tried to open it.
        expected: String,
    },
    /// Stored bytes are not what this program wrote.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The disk or the object store failed.
    #[error("reading or writing failed: {0}")]
    Io(String),
    /// The engine has stopped and serves nothing until it is opened again.
    #[error("the store is down: {0}")]
    Down(String),
    /// The call breaks a bound or a rule of spec/store.md; repeating it unchanged is useless.
    #[error("the store refuses the call: {0}")]
    Misuse(String),
}

impl StoreError {
    pub(crate) fn over(what: &str, found: usize, limit: usize) -> Self {
        Self::Misuse(format!("{what} has {found}, the limit is {limit}"))
    }

    /// Translates a fault of the file system; `what` says what was being done, `place` with which file.
    pub(crate) fn io(what: &str, place: &Path, fault: &io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(format!("{what} {}: {fault}", place.display())),
        }
    }
}

/// Why a commit changed nothing (or, for `Store(Down | Io)`, why it is unknown whether it did).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// An expectation did not hold: another change came first. Read again and decide again.
    #[error("another change of table {table} came first")]
    Conflict {
        /// The table of the expectation.
        table: Table,
        /// The key of the expectation; not part of the text.
        key: String,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do about a process that holds a store.
pub(crate) const STOP_IT: &str = "stop it, or wait until it ends";

/// A file that is locked by nobody knows whom.
pub(crate) fn held_by_another(file: &Path) -> String {
    let file = file.display();
    format!("another process holds {file}: `fuser {file}` names it; {STOP_IT}")
}

/// Whether the file system that holds `place` has no block left: then a vague fault of SQLite is really a full disk.
pub(crate) fn out_of_space(place: &Path) -> bool {
    let existing = place.ancestors().find(|p| !p.as_os_str().is_empty() && p.exists());
    existing
        .and_then(|p| rustix::fs::statvfs(p).ok())
        .is_some_and(|disk| disk.f_blocks > 0 && disk.f_bavail == 0)
}
