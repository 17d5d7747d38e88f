//! A file that is there whole or not at all: what was asked for is read first, and then gets its name.
//!
//! Owns the draft beside the target. It holds plaintext, so only its owner can read it, and it is gone if the run ends
//! before its end. An existing file is never replaced.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::{Exit, Failure};
use crate::folder::FOLDER_MODE;

/// What the names of drafts begin with; a run that was killed leaves such a file behind.
pub(super) const PREFIX: &str = ".freehold-draft-";

/// A file that is being written and has no name yet.
#[derive(Debug)]
pub(super) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins a draft beside its target, which must not exist.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        // The mode of a draft is 0600.
        let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder_of(path));
        Ok(Self { file: file.map_err(|error| Failure::of_file(path, &error))?, path: path.to_owned() })
    }

    /// Makes the folders that a target lies in, for their owner alone.
    pub(super) fn make_folders(path: &Path) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder_of(path));
        made.map_err(|error| Failure::of_file(path, &error))
    }

    /// Writes the next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| Failure::of_file(&self.path, &error))
    }

    /// Makes the bytes durable and gives them their name, unless somebody took it meanwhile.
    pub(super) fn keep(self) -> Result<(), Failure> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(|error| Failure::of_file(&path, &error))?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&path));
            }
            Err(refused) => return Err(Failure::of_file(&path, &refused.error)),
        }
        let synced = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Failure::of_file(&path, &error))
    }
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(path: &Path) -> Failure {
    let why = "exists already and is not replaced: name another file with --out";
    Failure::new(Exit::Refused, format!("{} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_appears_whole_for_its_owner_alone() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("out");
        let mut draft = Draft::begin(&path).expect("begun");
        draft.write(b"half").expect("written");
        assert!(!path.exists());
        draft.write(b" and half").expect("written");
        draft.keep().expect("kept");
        assert_eq!(fs::read(&path).expect("there"), b"half and half");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!(names(&folder), ["out"]);
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_nothing() {
        let folder = TempDir::new().expect("a folder");
        let mut draft = Draft::begin(&folder.path().join("out")).expect("begun");
        draft.write(b"half").expect("written");
        drop(draft);
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn what_is_there_stays_also_if_it_came_in_between() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("out");
        let draft = Draft::begin(&path).expect("begun");
        fs::write(&path, "theirs").expect("written");
        assert!(draft.keep().expect_err("taken").to_string().contains("not replaced"));
        assert!(Draft::begin(&path).expect_err("taken").to_string().contains("not replaced"));
        assert_eq!(fs::read(&path).expect("there"), b"theirs");
        assert_eq!(names(&folder), ["out"]);
    }
}
