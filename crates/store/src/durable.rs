//! Files and folders that survive a power cut.
//!
//! Owns the order of steps: a file is written under a temporary name, synced, renamed, and then the folder is
//! synced. A name therefore never shows half a file, and what was acknowledged is on the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// A file under a temporary name; removed again unless it is published.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    file: File,
    published: bool,
}

impl Staged {
    /// Makes a new file; one of the same name, left by a crash, is replaced.
    pub(crate) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&path);
        let file = file.map_err(|fault| StoreError::io("cannot make", &path, &fault))?;
        Ok(Self { path, file, published: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|fault| StoreError::io("cannot write", &self.path, &fault))
    }

    /// The content is on the disk when this returns.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|fault| StoreError::io("cannot sync", &self.path, &fault))
    }

    /// Gives the file its name; durable once the folder of `to` is synced.
    pub(crate) fn publish(mut self, to: &Path) -> Result<(), StoreError> {
        std::fs::rename(&self.path, to).map_err(|fault| StoreError::io("cannot name", to, &fault))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // a leftover is removed when the folder is opened the next time
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a whole small file; durable when it returns.
pub(crate) fn write_file(temporary: PathBuf, to: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut staged = Staged::create(temporary)?;
    staged.write(bytes)?;
    staged.sync()?;
    staged.publish(to)?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// The entries of the folder are on the disk when this returns.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|fault| StoreError::io("cannot sync", folder, &fault))
}

/// Makes a folder below one that exists, readable by its owner alone; no fault if it is there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("cannot make", folder, &fault))
        }
        _ => Ok(()),
    }
}

/// Makes a folder with all folders above it that are missing; their entries are on the disk when it returns.
///
/// The last one is synced also if it was there: whoever made it may have crashed before the sync.
pub(crate) fn make_folders(folder: &Path) -> Result<(), StoreError> {
    let above = folder.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    let missing: Vec<_> = above.take_while(|above| !above.exists()).collect();
    for folder in missing.into_iter().rev().chain([folder]) {
        make_folder(folder)?;
        sync_folder(folder.parent().unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Removes every file of a folder, which holds only what crashes left; folders in it are somebody else's.
pub(crate) fn empty_folder(folder: &Path) -> Result<usize, StoreError> {
    let failed = |fault: io::Error| StoreError::io("cannot empty", folder, &fault);
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_type().map_err(failed)?.is_dir() {
            std::fs::remove_file(entry.path()).map_err(failed)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The mode of files: their owner alone.
pub(crate) const FILE_MODE: u32 = 0o600;

/// The mode of folders: their owner alone.
const FOLDER_MODE: u32 = 0o700;
