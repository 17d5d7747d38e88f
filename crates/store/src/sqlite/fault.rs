//! SQLite's result codes in the words of the store.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::{StoreError, out_of_space};

pub(crate) trait Translate {
    /// What the fault means for the database at `path`.
    fn at(self, path: &Path) -> StoreError;

    /// Whether the disk failed while it was told to keep what was written.
    ///
    /// After that the kernel may have dropped the pages it could not write and reported it only once: a
    /// second fsync that succeeds proves nothing. The writer stops.
    fn lost_sync(&self) -> bool;
}

impl Translate for rusqlite::Error {
    fn at(self, path: &Path) -> StoreError {
        let place = path.display();
        match &self {
            Self::SqliteFailure(fault, _) => match fault.code {
                ErrorCode::DiskFull => StoreError::Full,
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => {
                    StoreError::Locked(format!("another process holds {place}"))
                }
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
            _ => StoreError::Io(format!("{place}: {self}")),
        }
    }

    fn lost_sync(&self) -> bool {
        let Self::SqliteFailure(fault, _) = self else { return false };
        matches!(fault.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
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
    fn a_failed_fsync_is_known_as_one() {
        assert!(code(ffi::SQLITE_IOERR_FSYNC).lost_sync());
        assert!(code(ffi::SQLITE_IOERR_DIR_FSYNC).lost_sync());
        assert!(!code(ffi::SQLITE_IOERR_WRITE).lost_sync());
        assert!(!code(ffi::SQLITE_FULL).lost_sync());
    }
}
