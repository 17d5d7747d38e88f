//! The data folder: held by one process at a time, and marked with its format.
//!
//! Owns `freehold.lock` (an advisory lock, with the holder's process id for the message) and `freehold.json`
//! (the format marker). The lock file is never removed: removing it would let two processes lock two files.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::durable::{FILE_MODE, make_folders, write_file};
use crate::error::{STOP_IT, StoreError, held_by_another};

/// The exclusive hold on a data folder; it ends when this is dropped or the process dies, however it dies.
#[derive(Debug)]
pub struct DataLock {
    folder: PathBuf,
    // the lock belongs to the open file
    _file: File,
}

/// What `freehold.json` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: u32,
}

impl DataLock {
    /// Takes the folder, making it and its marker if need be.
    ///
    /// Refused: `Locked` with the process that holds it, `Newer` if a later program wrote the folder, `Corrupt`
    /// if the marker cannot be read.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        make_folders(folder)?;
        let path = folder.join(LOCK);
        let failed = |fault: std::io::Error| StoreError::io("cannot lock", &path, &fault);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = options.open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Locked(holder(folder, &file))),
            Err(fault) => return Err(failed(fault.into())),
        }
        // only for the message of whoever comes second: not synced, and no reason to stay away from a full disk
        let id = std::process::id().to_string();
        let told = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(id.as_bytes()));
        if let Err(fault) = told {
            tracing::warn!(%fault, "the lock of the data folder names nobody");
        }
        check_marker(folder)?;
        Ok(Self { folder: folder.to_owned(), _file: file })
    }

    /// The folder that is held.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Who holds the lock, as far as can be told: the file names whoever took it last, which may be long gone.
fn holder(folder: &Path, mut file: &File) -> String {
    let mut text = String::new();
    let named = Read::by_ref(&mut file).take(MAX_LOCK).read_to_string(&mut text);
    let named = named.ok().and_then(|_| text.trim().parse::<u32>().ok());
    match named.filter(|process| has_open(*process, file)) {
        Some(process) => {
            format!("process {process} holds the data folder {}: {STOP_IT}", folder.display())
        }
        None => held_by_another(&folder.join(LOCK)),
    }
}

/// Whether a process is known to have this file open.
fn has_open(process: u32, file: &File) -> bool {
    let (Ok(ours), Ok(open)) = (file.metadata(), std::fs::read_dir(format!("/proc/{process}/fd"))) else {
        return false;
    };
    let mut theirs = open.flatten().filter_map(|entry| std::fs::metadata(entry.path()).ok());
    theirs.any(|theirs| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
}

fn check_marker(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(MARKER);
    let bytes = match File::open(&path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            let read = file.take(MAX_MARKER).read_to_end(&mut bytes);
            read.map_err(|fault| StoreError::io("cannot read", &path, &fault))?;
            bytes
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            let marker = format!("{{\"format\":{FORMAT}}}\n");
            return write_file(folder.join(NEW_MARKER), &path, marker.as_bytes());
        }
        Err(fault) => return Err(StoreError::io("cannot read", &path, &fault)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(Marker { format }) if format > FORMAT => Err(StoreError::Newer { found: format, known: FORMAT }),
        Ok(Marker { format: FORMAT }) => Ok(()),
        _ => Err(StoreError::Corrupt(format!("{} names no format", path.display()))),
    }
}

/// The format of the data folder that this program writes and reads.
pub const FORMAT: u32 = 1;

const LOCK: &str = "freehold.lock";
const MARKER: &str = "freehold.json";
const NEW_MARKER: &str = ".freehold.json.new";

/// Bytes of the lock file that are read.
const MAX_LOCK: u64 = 20;

/// Bytes of the marker that are read; a later format may say more than this one.
const MAX_MARKER: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_has_one_holder_who_is_named() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let place = folder.path().join("made/on/the/way");
        let held = DataLock::take(&place).expect("nobody holds it");
        assert_eq!(held.folder(), place);
        let Err(StoreError::Locked(text)) = DataLock::take(&place) else { panic!("it was taken twice") };
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(held);
        DataLock::take(&place).expect("it was given back");
    }

    #[test]
    fn a_holder_that_is_no_node_is_not_called_by_the_name_of_the_last_one() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        drop(DataLock::take(folder.path()).expect("nobody holds it"));
        let lock = folder.path().join(LOCK);
        let foreign = File::open(&lock).expect("it is there");
        flock(&foreign, FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
        // The first process of the machine, which has no file of ours.
        std::fs::write(&lock, "1").expect("a plain file");
        let Err(StoreError::Locked(text)) = DataLock::take(folder.path()) else {
            panic!("it was taken twice")
        };
        assert!(!text.contains("process 1 ") && text.contains("`fuser "), "{text}");
    }

    #[test]
    fn the_folder_is_private() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let place = folder.path().join("data");
        let _held = DataLock::take(&place).expect("nobody holds it");
        for (path, mode) in [(place.clone(), 0o700), (place.join(LOCK), 0o600), (place.join(MARKER), 0o600)] {
            let found = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let marker = folder.path().join(MARKER);
        let newer = r#"{"format":2,"more":true}"#;
        std::fs::write(&marker, newer).expect("a plain file");
        let refused = DataLock::take(folder.path()).expect_err("it is newer");
        assert_eq!(refused, StoreError::Newer { found: 2, known: 1 });
        assert_eq!(std::fs::read_to_string(&marker).expect("a plain file"), newer);
    }

    #[test]
    fn a_marker_that_says_nothing_is_damage() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for damaged in ["", "{}", r#"{"format":0}"#, r#"{"format":"1"}"#] {
            std::fs::write(folder.path().join(MARKER), damaged).expect("a plain file");
            let refused = DataLock::take(folder.path());
            assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{damaged:?}: {refused:?}");
        }
    }

    #[test]
    fn a_crash_before_the_marker_was_named_is_mended() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        std::fs::write(folder.path().join(NEW_MARKER), "{\"for").expect("a plain file");
        DataLock::take(folder.path()).expect("an unfinished marker is none");
        assert_eq!(std::fs::read(folder.path().join(MARKER)).expect("written"), b"{\"format\":1}\n");
        assert!(!folder.path().join(NEW_MARKER).exists());
    }
}
