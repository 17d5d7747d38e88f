//! SQLite's result codes in the words of the store.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::{StoreError, held_by_another, out_of_space};

/// A fault on the way: SQLite's, or already one of ours.
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl Fault {
    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(fault) => fault.at(path),
            Self::Store(fault) => fault,
        }
    }

    pub(crate) fn is_fatal(&self) -> bool {
        if let Self::Sqlite(fault) = self { fault.is_fatal() } else { false }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Sqlite(fault)
    }
}

impl From<StoreError> for Fault {
    fn from(fault: StoreError) -> Self {
        Self::Store(fault)
    }
}

pub(crate) trait Translate {
    /// What the fault means for the database at `path`.
    fn at(self, path: &Path) -> StoreError;

    /// Whether nothing that is written from now on can be trusted.
    ///
    /// After a failed fsync the kernel may have dropped the pages it could not write, and it says so only once:
    /// a second fsync that succeeds proves nothing. A damaged file only gets worse. The writer stops.
    fn is_fatal(&self) -> bool;
}

impl Translate for rusqlite::Error {
    fn at(self, path: &Path) -> StoreError {
        let place = path.display();
        match &self {
            Self::SqliteFailure(fault, _) => match fault.code {
                ErrorCode::DiskFull => StoreError::Full,
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => StoreError::Locked(held_by_another(path)),
                ErrorCode::NotADatabase => StoreError::Corrupt(format!("{place} is not a database")),
                ErrorCode::DatabaseCorrupt => StoreError::Corrupt(format!("{place}: {self}")),
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if out_of_space(path) => StoreError::Full,
                _ => StoreError::Io(format!("{place}: {self}")),
            },
            Self::FromSqlConversionFailure(..)
            | Self::IntegralValueOutOfRange(..)
            | Self::InvalidColumnType(..)
            | Self::Utf8Error(..) => {
                StoreError::Corrupt(format!("{place}: a column holds the wrong kind of value"))
            }
            Self::QueryReturnedNoRows => {
                StoreError::Corrupt(format!("{place}: a row of the frame is missing"))
            }
            _ => StoreError::Io(format!("{place}: {self}")),
        }
    }

    fn is_fatal(&self) -> bool {
        let Self::SqliteFailure(fault, _) = self else { return false };
        matches!(fault.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            || matches!(fault.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn faults_that_ask_for_different_acts_are_told_apart() {
        let path = Path::new("/nowhere/store.db");
        assert_eq!(code(ffi::SQLITE_FULL).at(path), StoreError::Full);
        assert!(matches!(code(ffi::SQLITE_BUSY).at(path), StoreError::Locked(_)));
        assert!(matches!(code(ffi::SQLITE_NOTADB).at(path), StoreError::Corrupt(_)));
        assert!(matches!(code(ffi::SQLITE_CORRUPT).at(path), StoreError::Corrupt(_)));
        assert!(matches!(code(ffi::SQLITE_IOERR_WRITE).at(path), StoreError::Io(_)));
    }

    #[test]
    fn a_failed_fsync_or_a_damaged_file_is_the_end() {
        for fatal in
            [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB]
        {
            assert!(code(fatal).is_fatal());
        }
        for passing in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL, ffi::SQLITE_BUSY] {
            assert!(!code(passing).is_fatal());
        }
    }
}
