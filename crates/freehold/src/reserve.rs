//! The reserve: bytes beside the service's database that are given back when the disk is full.
//!
//! Owns that file. Deleting needs a little space before it frees any: the database writes before it forgets. Without
//! a reserve an operator would have to find that space outside of Freehold.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::key_file::KEY_FILE_MODE;

/// Bytes of the reserve: opening both databases and one commit in each take less than half of them.
pub const RESERVE_BYTES: usize = 1024 * 1024;
/// Free bytes from which on a reserve is made, so that making it never fills a disk.
pub const PLENTY: u64 = 16 * RESERVE_BYTES as u64;

/// Makes the reserve of a folder where it is missing and there is plenty of space; nothing depends on it.
pub fn keep(folder: &Path) {
    let path = place(folder);
    if path.exists() || free(folder).is_none_or(|free| free < PLENTY) {
        return;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(KEY_FILE_MODE).open(&path);
    if let Err(error) = made.and_then(|mut file| file.write_all(&vec![0; RESERVE_BYTES])) {
        tracing::debug!(%error, "no reserve for a full disk");
        let _ = fs::remove_file(&path);
    }
}

/// Gives the reserve back if the disk is full; it is made again by a later start that finds plenty of space.
pub fn lend(folder: &Path) -> io::Result<()> {
    if free(folder).is_none_or(|free| free >= RESERVE_BYTES as u64) {
        return Ok(());
    }
    match fs::remove_file(place(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join("reserve")
}

/// Bytes that this process may still write to the disk of a folder.
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
