//! The writing side of a folder of blobs: staged files, synced together, named together.
//!
//! Owns `objects/` and `staging/` below the blobs' folder. `object_store` writes files one by one and syncs a
//! folder for each; here a batch costs one sync for each folder that it touches. Everything blocks: the
//! callers run it off the async threads.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use bytes::Bytes;

use crate::blobs::BlobName;
use crate::durable::{Staged, empty_folder, make_folder, make_folders, sync_folder};
use crate::error::StoreError;

#[derive(Debug)]
pub(crate) struct Disk {
    objects: PathBuf,
    staging: PathBuf,
    next: AtomicU64,
    /// Folders whose own entries are known to be on the disk.
    known: Mutex<HashSet<PathBuf>>,
    /// Held shared while blobs are named, and alone while empty folders are removed: no folder vanishes between
    /// the moment it was made and the moment a blob moves in.
    folders: RwLock<()>,
}

impl Disk {
    /// Opens the folder and removes what crashes left in `staging/`; one process uses it at a time.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let disk = Self {
            objects: folder.join("objects"),
            staging: folder.join("staging"),
            next: AtomicU64::new(0),
            known: Mutex::default(),
            folders: RwLock::default(),
        };
        make_folders(folder)?;
        make_folders(&disk.objects)?;
        make_folders(&disk.staging)?;
        let removed = empty_folder(&disk.staging)?;
        if removed > 0 {
            tracing::info!(removed, "unfinished blobs of a former run were removed");
        }
        Ok(disk)
    }

    pub(crate) fn objects(&self) -> &Path {
        &self.objects
    }

    /// A new file that is no blob yet.
    pub(crate) fn stage(&self) -> Result<Staged, StoreError> {
        Staged::create(self.staging.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Writes all blobs; all are durable when it returns, and no name ever shows a part of one.
    pub(crate) fn put_many(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), StoreError> {
        let mut staged = Vec::with_capacity(blobs.len());
        for (name, bytes) in blobs {
            let mut file = self.stage()?;
            file.write(&bytes)?;
            staged.push((name, file));
        }
        side_by_side(&staged, |(_, file)| file.sync())?;
        self.publish(staged)
    }

    /// Names files whose content is synced; durable when it returns.
    pub(crate) fn publish(&self, staged: Vec<(BlobName, Staged)>) -> Result<(), StoreError> {
        let _no_folder_vanishes = self.folders.read().unwrap_or_else(PoisonError::into_inner);
        let mut touched = BTreeSet::new();
        let mut new = BTreeSet::new();
        for (name, file) in staged {
            let to = self.objects.join(name.as_str());
            let folder = to.parent().unwrap_or(&self.objects);
            self.make_way(folder, &mut new)?;
            file.publish(&to)?;
            touched.insert(folder.to_owned());
        }
        touched.extend(new.iter().filter_map(|folder| folder.parent()).map(Path::to_owned));
        let touched: Vec<_> = touched.into_iter().collect();
        side_by_side(&touched, |folder| sync_folder(folder))?;
        self.remember(new);
        Ok(())
    }

    /// Removes a blob, and the folders that are empty without it; no fault if there is none.
    ///
    /// Not synced: a blob that comes back after a power cut has no row and is collected as an orphan.
    pub(crate) fn delete(&self, name: &BlobName) -> Result<(), StoreError> {
        let path = self.objects.join(name.as_str());
        match std::fs::remove_file(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("cannot delete", &path, &fault));
            }
            _ => {}
        }
        let _alone = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let above = path.ancestors().skip(1).take_while(|folder| *folder != self.objects);
        for folder in above {
            // refused as long as anything is in it
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
            self.known().remove(folder);
        }
        Ok(())
    }

    /// Makes a folder below `objects/` and those between, and adds those whose entries must get onto the disk.
    ///
    /// One that exists may still be unsynced, if whoever made it crashed or is a step behind.
    fn make_way(&self, folder: &Path, new: &mut BTreeSet<PathBuf>) -> Result<(), StoreError> {
        if folder == self.objects || new.contains(folder) || self.known().contains(folder) {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_way(above, new)?;
        }
        make_folder(folder)?;
        new.insert(folder.to_owned());
        Ok(())
    }

    fn remember(&self, durable: BTreeSet<PathBuf>) {
        let mut known = self.known();
        if known.len() + durable.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(durable);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Syncs from a few threads: the file system's journal then takes many in one go.
fn side_by_side<T: Sync>(
    all: &[T],
    sync: impl Fn(&T) -> Result<(), StoreError> + Sync,
) -> Result<(), StoreError> {
    let work = |share: &[T]| share.iter().try_for_each(&sync);
    let share = all.len().div_ceil(SYNCS).max(1);
    std::thread::scope(|scope| {
        let mut shares = all.chunks(share);
        let own = shares.next();
        let others: Vec<_> = shares.map(|share| scope.spawn(|| work(share))).collect();
        let mut result = own.map_or(Ok(()), work);
        for other in others {
            let synced = other.join();
            result =
                result.and(synced.unwrap_or_else(|_| Err(StoreError::Down("a sync was interrupted".into()))));
        }
        result
    })
}

/// Threads that sync the files or folders of one batch.
const SYNCS: usize = 16;

/// Folders that are remembered as durable; above it, all are forgotten and synced once more.
const MAX_KNOWN: usize = 65_536;
