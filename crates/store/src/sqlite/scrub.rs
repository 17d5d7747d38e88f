//! Leaving no trace of deleted rows, and proving it.
//!
//! Owns the two last steps of a purge inside one database. While either runs, nobody reads and the writer does
//! nothing else.

use std::io;
use std::path::Path;

use rusqlite::Connection;

use crate::error::StoreError;
use crate::limits::MAX_SCRUB;
use crate::sqlite::fault::Fault;
use crate::traces::file_holds;

/// Empties the WAL, writes the database anew without its free pages and slack, and empties the WAL again.
///
/// `secure_delete` has overwritten deleted rows before; this reaches what another program deleted without it.
pub(crate) fn scrub(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
    let size = number("page_count")?.saturating_mul(number("page_size")?);
    if size > MAX_SCRUB {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        return Err(StoreError::over("a database to be scrubbed", size, MAX_SCRUB as usize).into());
    }
    truncate_wal(connection, path)?;
    connection.execute_batch("VACUUM")?;
    truncate_wal(connection, path)
}

fn truncate_wal(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(StoreError::Locked(format!("another process reads {}", path.display())).into());
    }
    Ok(())
}

/// Whether the database's file, or one that belongs to it (WAL, index, journal), holds one of the needles.
///
/// No connection of this process may be open: closing a file that we read drops all locks that the process
/// holds on it.
pub(crate) fn search(path: &Path, needles: &[Vec<u8>]) -> Result<bool, StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        if file_holds(Path::new(&file), needles)? {
            return Ok(true);
        }
    }
    // without the file itself the search would prove nothing
    std::fs::metadata(path).map_err(|fault: io::Error| StoreError::io("cannot search", path, &fault))?;
    Ok(false)
}
