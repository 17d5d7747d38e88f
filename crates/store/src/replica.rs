//! A folder of small files, each replaced as a whole, with a bounded history: the wrap sets' second home.
//!
//! Owns the layout: `NAME` is the current version, `NAME@MILLIS` one that was replaced or retired at that
//! time, `.NAME.new` one that is being written. A crash between any two steps leaves the old or the new
//! version under `NAME`, never none and never half of one.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::time::Timestamp;

use crate::durable::{Staged, make_folders, sync_folder};
use crate::error::StoreError;
use crate::limits::{MAX_FILE_NAME, MAX_REPLICA_FILE};

/// The folder; clones share it. One process uses it at a time.
#[derive(Debug, Clone)]
pub struct Replica(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Every change is several steps; they are not mixed.
    changes: Mutex<()>,
}

/// A file's name: 1 to [`MAX_FILE_NAME`] of `a-z 0-9 - _ .`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileName(String);

impl Replica {
    /// Opens the folder, makes it if there is none, and removes what a crash left half-written.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let replica = Self(Arc::new(Folder { path: folder.to_owned(), changes: Mutex::default() }));
        replica.run(Folder::mend).await?;
        Ok(replica)
    }

    /// Writes a file, new or in place of the current version, which moves into the history; durable on return.
    ///
    /// Writing what is there already changes nothing.
    pub async fn put(&self, name: &str, bytes: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let name = FileName::parse(name)?;
        if bytes.len() > MAX_REPLICA_FILE {
            return Err(StoreError::over("a replica's file", bytes.len(), MAX_REPLICA_FILE));
        }
        let bytes = bytes.to_vec();
        self.run(move |folder| folder.put(&name, &bytes, now)).await
    }

    /// The current version, if there is one.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = FileName::parse(name)?;
        self.run(move |folder| folder.read(&name.0)).await
    }

    /// The names that have a current version, sorted.
    pub async fn list(&self) -> Result<Vec<String>, StoreError> {
        self.run(|folder| Ok(folder.entries()?.into_iter().filter_map(Entry::current).collect())).await
    }

    /// When the versions in the history of a name were replaced, oldest first.
    pub async fn history(&self, name: &str) -> Result<Vec<Timestamp>, StoreError> {
        let name = FileName::parse(name)?;
        self.run(move |folder| folder.history(&name)).await
    }

    /// The version that was replaced at this time, if it is still kept.
    pub async fn read_version(&self, name: &str, replaced: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let name = FileName::parse(name)?;
        self.run(move |folder| folder.read(&name.version(replaced))).await
    }

    /// Moves the current version into the history: from now on there is none.
    pub async fn retire(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let name = FileName::parse(name)?;
        self.run(move |folder| folder.retire(&name, now)).await
    }

    /// Removes the current version and its whole history, overwritten first; durable on return.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let name = FileName::parse(name)?;
        self.run(move |folder| folder.remove(&name)).await
    }

    /// Removes every version that was replaced longer than `keep` ago; says how many.
    pub async fn prune(&self, now: Timestamp, keep: Duration) -> Result<usize, StoreError> {
        self.run(move |folder| folder.prune(now - keep)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = Arc::clone(&self.0);
        let running = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = folder.changes.lock().unwrap_or_else(PoisonError::into_inner);
            work(&folder)
        });
        running.await.map_err(|_| StoreError::Down("work on the replica was interrupted".into()))?
    }
}

impl Folder {
    fn mend(&self) -> Result<(), StoreError> {
        make_folders(&self.path)?;
        for entry in self.entries()? {
            if let Entry::Unfinished(file) = entry {
                tracing::debug!("an unfinished file of the replica was removed");
                self.erase(&file)?;
            }
        }
        Ok(())
    }

    fn put(&self, name: &FileName, bytes: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let current = self.read(&name.0)?;
        if current.as_deref() == Some(bytes) {
            // it may be there since a call that crashed before its last step
            return sync_folder(&self.path);
        }
        let mut staged = Staged::create(self.path.join(name.unfinished()))?;
        staged.write(bytes)?;
        staged.sync()?;
        if current.is_some() {
            // a second name first, and on the disk, so that the old version is never without one
            self.keep(name, now)?;
            sync_folder(&self.path)?;
        }
        staged.publish(&self.path.join(&name.0))?;
        sync_folder(&self.path)
    }

    /// Gives the current version a name in the history, at `now` or, where that is taken, a little later.
    fn keep(&self, name: &FileName, now: Timestamp) -> Result<(), StoreError> {
        let current = self.path.join(&name.0);
        let mut at = now;
        loop {
            let kept = self.path.join(name.version(at));
            match std::fs::hard_link(&current, &kept) {
                Ok(()) => return Ok(()),
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => at.0 += 1,
                Err(fault) => return Err(StoreError::io("cannot keep", &kept, &fault)),
            }
        }
    }

    fn retire(&self, name: &FileName, now: Timestamp) -> Result<(), StoreError> {
        let current = self.path.join(&name.0);
        if current.exists() {
            self.keep(name, now)?;
            sync_folder(&self.path)?;
            std::fs::remove_file(&current)
                .map_err(|fault| StoreError::io("cannot retire", &current, &fault))?;
        }
        sync_folder(&self.path)
    }

    fn remove(&self, name: &FileName) -> Result<(), StoreError> {
        // the current version last: a crash half-way leaves a name that can be removed again
        for at in self.history(name)? {
            self.erase(&name.version(at))?;
        }
        self.erase(&name.0)?;
        sync_folder(&self.path)
    }

    fn prune(&self, until: Timestamp) -> Result<usize, StoreError> {
        let mut pruned = 0;
        for entry in self.entries()? {
            if let Entry::Kept(name, at) = entry
                && at < until
            {
                self.erase(&name.version(at))?;
                pruned += 1;
            }
        }
        sync_folder(&self.path)?;
        Ok(pruned)
    }

    fn history(&self, name: &FileName) -> Result<Vec<Timestamp>, StoreError> {
        let kept = self.entries()?.into_iter().filter_map(|entry| match entry {
            Entry::Kept(of, at) if of == *name => Some(at),
            _ => None,
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable();
        Ok(kept)
    }

    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path.join(file);
        let failed = |fault: io::Error| StoreError::io("cannot read", &path, &fault);
        let opened = match File::open(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        opened.take(MAX_REPLICA_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > MAX_REPLICA_FILE {
            return Err(StoreError::Corrupt(format!(
                "{} is larger than any that was written",
                path.display()
            )));
        }
        Ok(Some(bytes))
    }

    /// Overwrites a file and removes it; no fault if there is none.
    ///
    /// Flash and copying file systems may keep the old bytes elsewhere; receipts say so.
    fn erase(&self, file: &str) -> Result<(), StoreError> {
        let path = self.path.join(file);
        let failed = |fault: io::Error| StoreError::io("cannot remove", &path, &fault);
        let opened = match OpenOptions::new().write(true).open(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        let about = opened.metadata().map_err(failed)?;
        // with a second name (a crash between keeping and replacing) the bytes are still somebody's
        if about.nlink() == 1 {
            let zeros = vec![0; usize::try_from(about.len()).unwrap_or(0).min(MAX_REPLICA_FILE)];
            (&opened).write_all(&zeros).and_then(|()| opened.sync_all()).map_err(failed)?;
        }
        std::fs::remove_file(&path).map_err(failed)
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let failed = |fault: io::Error| StoreError::io("cannot list", &self.path, &fault);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            // what is not ours (an operator's note, lost+found) is left alone
            entries.extend(entry.map_err(failed)?.file_name().to_str().and_then(Entry::parse));
        }
        entries.sort_unstable_by(|a, b| a.sort_key().cmp(b.sort_key()));
        Ok(entries)
    }
}

enum Entry {
    Current(FileName),
    Kept(FileName, Timestamp),
    Unfinished(String),
}

impl Entry {
    fn parse(file: &str) -> Option<Self> {
        if let Some(name) = file.strip_prefix('.').and_then(|rest| rest.strip_suffix(UNFINISHED)) {
            return FileName::parse(name).ok().map(|_| Self::Unfinished(file.into()));
        }
        match file.split_once('@') {
            Some((name, at)) => Some(Self::Kept(FileName::parse(name).ok()?, Timestamp(at.parse().ok()?))),
            None => FileName::parse(file).ok().map(Self::Current),
        }
    }

    fn current(self) -> Option<String> {
        if let Self::Current(FileName(name)) = self { Some(name) } else { None }
    }

    fn sort_key(&self) -> &str {
        match self {
            Self::Current(name) | Self::Kept(name, _) => &name.0,
            Self::Unfinished(file) => file,
        }
    }
}

impl FileName {
    fn parse(name: &str) -> Result<Self, StoreError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = name.starts_with(allowed) && name.chars().all(|c| allowed(c) || "-_.".contains(c));
        if !good || name.len() > MAX_FILE_NAME {
            return Err(StoreError::Misuse(
                "the name of a replica's file is too long or holds other signs".into(),
            ));
        }
        Ok(Self(name.into()))
    }

    fn version(&self, replaced: Timestamp) -> String {
        format!("{self}@{}", replaced.0)
    }

    fn unfinished(&self) -> String {
        format!(".{self}{UNFINISHED}")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const UNFINISHED: &str = ".new";

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    async fn fresh() -> (tempfile::TempDir, Replica) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let replica = Replica::open(&folder.path().join("replica")).await.expect("a new replica");
        (folder, replica)
    }

    fn files(folder: &tempfile::TempDir) -> Vec<String> {
        let files = std::fs::read_dir(folder.path().join("replica")).expect("the replica");
        let mut files: Vec<_> =
            files.map(|f| f.expect("an entry").file_name().into_string().expect("ours")).collect();
        files.sort_unstable();
        files
    }

    #[tokio::test]
    async fn the_last_version_is_read_and_the_older_ones_are_kept_for_a_while() {
        let (_folder, replica) = fresh().await;
        let start = Timestamp(0);
        for (day, bytes) in [b"one" as &[u8], b"two", b"two", b"three"].iter().enumerate() {
            replica.put("dep", bytes, start + DAY * day as u32).await.expect("room enough");
        }
        assert_eq!(replica.read("dep").await, Ok(Some(b"three".to_vec())));
        assert_eq!(replica.read("nobody").await, Ok(None));
        assert_eq!(replica.list().await.expect("a list"), ["dep"]);
        assert_eq!(replica.history("dep").await.expect("a list"), [start + DAY, start + DAY * 3]);
        assert_eq!(replica.read_version("dep", start + DAY).await, Ok(Some(b"one".to_vec())));

        assert_eq!(replica.prune(start + DAY * 6, DAY * 5).await, Ok(0), "just the age is not older");
        assert_eq!(replica.prune(start + DAY * 7, DAY * 5).await, Ok(1));
        assert_eq!(replica.history("dep").await.expect("a list"), [start + DAY * 3]);
        assert_eq!(replica.read("dep").await, Ok(Some(b"three".to_vec())), "the current one is not history");
    }

    #[tokio::test]
    async fn versions_of_one_instant_are_all_kept() {
        let (_folder, replica) = fresh().await;
        for bytes in [b"1", b"2", b"3"] {
            replica.put("dep", bytes, Timestamp(7)).await.expect("room enough");
        }
        assert_eq!(replica.history("dep").await.expect("a list"), [Timestamp(7), Timestamp(8)]);
    }

    #[tokio::test]
    async fn what_is_removed_leaves_nothing_and_what_is_retired_leaves_history() {
        let (folder, replica) = fresh().await;
        for name in ["gone", "retired", "gone.too"] {
            replica.put(name, b"one", Timestamp(1)).await.expect("room enough");
            replica.put(name, b"two", Timestamp(2)).await.expect("room enough");
        }
        for _ in 0..2 {
            replica.remove("gone").await.expect("idempotent");
            replica.retire("retired", Timestamp(3)).await.expect("idempotent");
        }
        assert_eq!(replica.list().await.expect("a list"), ["gone.too"]);
        assert_eq!(files(&folder), ["gone.too", "gone.too@2", "retired@2", "retired@3"]);
        assert_eq!(replica.read_version("retired", Timestamp(3)).await, Ok(Some(b"two".to_vec())));
    }

    #[tokio::test]
    async fn a_crash_between_keeping_and_replacing_loses_neither() {
        let (folder, replica) = fresh().await;
        replica.put("dep", b"one", Timestamp(1)).await.expect("room enough");
        // as `put` does it, up to the crash
        let place = folder.path().join("replica");
        std::fs::hard_link(place.join("dep"), place.join("dep@2")).expect("a link");
        std::fs::write(place.join(".dep.new"), b"tw").expect("half a file");

        let replica = Replica::open(&place).await.expect("it opens");
        assert_eq!(files(&folder), ["dep", "dep@2"], "the unfinished file is gone");
        assert_eq!(replica.read("dep").await, Ok(Some(b"one".to_vec())));
        assert_eq!(replica.prune(Timestamp(9), Duration::ZERO).await, Ok(1));
        assert_eq!(replica.read("dep").await, Ok(Some(b"one".to_vec())), "the link was not overwritten");
    }

    #[tokio::test]
    async fn names_cannot_leave_the_folder() {
        let (folder, replica) = fresh().await;
        let long = "x".repeat(MAX_FILE_NAME + 1);
        for wrong in ["", ".", "..", "../dep", "a/b", ".dep", "Dep", "dep@1", "dep\0", "d p", &long] {
            assert!(
                matches!(replica.put(wrong, b"", Timestamp(1)).await, Err(StoreError::Misuse(_))),
                "{wrong:?}"
            );
            assert!(matches!(replica.read(wrong).await, Err(StoreError::Misuse(_))), "{wrong:?}");
        }
        let large = vec![0; MAX_REPLICA_FILE + 1];
        assert!(matches!(replica.put("dep", &large, Timestamp(1)).await, Err(StoreError::Misuse(_))));
        assert!(files(&folder).is_empty());
    }
}
