//! The reserve: bytes beside the service's database that are given back when the disk is full.
//!
//! Owns that file. Deleting needs a little space before it frees any: the database writes before it forgets. Without
//! a reserve an operator would have to find that space outside of Freehold.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::key_file::KEY_FILE_MODE;

/// Bytes of the reserve, half of them to look for what can be deleted and half to delete it: opening every database and
/// one commit in each take less than such a half.
pub const RESERVE_BYTES: usize = 2 * 1024 * 1024;
/// Free bytes from which on a reserve is made, so that making it never fills a disk.
pub const PLENTY: u64 = 16 * RESERVE_BYTES as u64;

/// Makes the reserve of a folder where it is missing in part or in whole and there is plenty of space; nothing depends on it.
pub fn keep(folder: &Path) {
    let path = place(folder);
    let whole = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == RESERVE_BYTES as u64);
    if whole || free(folder).is_none_or(|free| free < PLENTY) {
        return;
    }
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(KEY_FILE_MODE).open(&path);
    if let Err(error) = made.and_then(|mut file| file.write_all(&vec![0; RESERVE_BYTES])) {
        tracing::debug!(%error, "no reserve for a full disk");
        let _ = fs::remove_file(&path);
    }
}

/// How much of the reserve is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Enough to look for what can be deleted; what deletes it finds the other half.
    Half,
    /// What is left.
    Rest,
}

/// Gives a share of the reserve back if the disk is full; it is made again by a later start that finds plenty of space.
pub fn lend(folder: &Path, share: Share) -> io::Result<()> {
    const HALF: u64 = RESERVE_BYTES as u64 / 2;
    if free(folder).is_none_or(|free| free >= HALF) {
        return Ok(());
    }
    let path = place(folder);
    let given = match share {
        Share::Half => {
            OpenOptions::new().write(true).open(&path).and_then(|file| match file.metadata()?.len() {
                0..=HALF => Ok(()),
                _ => file.set_len(HALF),
            })
        }
        Share::Rest => fs::remove_file(&path),
    };
    match given {
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
