//! A key of the node in a file of its own: 32 bytes that only their owner can read.
//!
//! Owns how such a file is made and what makes it unusable. What the key opens is the caller's.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crypto::Random;
use zeroize::Zeroizing;

/// Bytes of a key file.
pub const KEY_FILE_BYTES: usize = 32;
/// The rights of a key file: its owner reads and writes it, nobody else does anything.
pub const KEY_FILE_MODE: u32 = 0o600;
/// The rights that nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// The content of a key file, zeroed when dropped.
pub type KeyBytes = Zeroizing<[u8; KEY_FILE_BYTES]>;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others may read or write it.
    #[error(
        "{} can be read or written by others (mode {mode:04o}): run `chmod 600` on it, and replace the key if \
         somebody may have read it", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to user {owner}, and neither to root nor to this process", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It is not 32 bytes long.
    #[error("{} is not {KEY_FILE_BYTES} bytes long: restore it from where you keep a copy", path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// It holds no token.
    #[error("{} holds no token of the operator: remove it, and the next start makes a new one", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// It is not there, and something exists that only it opens.
    #[error(
        "{} is missing, and {} can be opened with no other key: restore the key file; a new key is not made, \
         because it would open nothing", path.display(), guards.display()
    )]
    Missing {
        /// The key file.
        path: PathBuf,
        /// What was written under the key.
        guards: PathBuf,
    },
    /// Another key was about to take its place.
    #[error(
        "{} was about to be replaced when the renewal was stopped, and {} may need either: run `freehold vault \
         renew-master-key` again, which goes on from there; nothing is lost", path.display(), guards.display()
    )]
    Renewing {
        /// The key file.
        path: PathBuf,
        /// What was written under the one key or the other.
        guards: PathBuf,
    },
    /// It is a key, but not the one of what it guards.
    #[error(
        "{} is not the key that {} was made with: restore the right key file, or the database that belongs to \
         this one", path.display(), guards.display()
    )]
    Wrong {
        /// The key file.
        path: PathBuf,
        /// What was written under another key.
        guards: PathBuf,
    },
    /// The system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A key, and whether it was made just now.
#[derive(Debug)]
pub struct KeyFile {
    /// The key.
    pub key: KeyBytes,
    /// Where it lies.
    pub path: PathBuf,
    /// It was made just now: tell the operator where it lies.
    pub created: bool,
}

impl KeyFile {
    /// Reads the key, or makes it if neither it nor what it guards exists.
    ///
    /// A key that is lost while `guards` is there is never replaced: the new one would open nothing, and the
    /// old one might still be found.
    pub fn open(path: &Path, guards: &Path, random: &dyn Random) -> Result<Self, KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        if successor(path).exists() {
            return Err(KeyFileError::Renewing { path: path.to_owned(), guards: guards.to_owned() });
        }
        // Asked before the key is looked for: another process makes the key first.
        let guarded = guards.exists();
        if let Some(found) = Self::found(path)? {
            return Ok(found);
        }
        if guarded {
            return Err(KeyFileError::Missing { path: path.to_owned(), guards: guards.to_owned() });
        }
        let mut key = KeyBytes::default();
        random.fill(key.as_mut_slice());
        match create(path, key.as_slice()) {
            Ok(()) => Ok(Self { key, path: path.to_owned(), created: true }),
            // Another process was quicker, and whatever it writes is under its key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::found(path)?.ok_or_else(|| io(error))
            }
            Err(error) => Err(io(error)),
        }
    }

    fn found(path: &Path) -> Result<Option<Self>, KeyFileError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { key: read(&file, path)?, path: path.to_owned(), created: false })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyFileError::Io { path: path.to_owned(), error }),
        }
    }

    /// Reads a key and the one that takes its place, which is made unless a run that was stopped has made it.
    pub fn renew(path: &Path, guards: &Path, random: &dyn Random) -> Result<[Self; 2], KeyFileError> {
        let missing = || KeyFileError::Missing { path: path.to_owned(), guards: guards.to_owned() };
        let former = Self::found(path)?.ok_or_else(missing)?;
        let next = successor(path);
        if Self::found(&next)?.is_none() {
            let mut key = KeyBytes::default();
            random.fill(key.as_mut_slice());
            create(&next, key.as_slice()).map_err(|error| KeyFileError::Io { path: next.clone(), error })?;
        }
        let new = Self::found(&next)?.ok_or_else(missing)?;
        Ok([former, new])
    }

    /// Puts this key, of [`KeyFile::renew`], in the place of the former one, whose file is gone then.
    pub fn take_the_place_of(&self, former: &Self) -> Result<(), KeyFileError> {
        let moved = fs::rename(&self.path, &former.path)
            .and_then(|()| File::open(folder_of(&former.path))?.sync_all());
        moved.map_err(|error| KeyFileError::Io { path: former.path.clone(), error })
    }

    /// Whether a key could be read from this file, without reading it.
    pub fn examine(path: &Path) -> Result<(), KeyFileError> {
        let file = File::open(path).map_err(|error| KeyFileError::Io { path: path.to_owned(), error })?;
        rights(&file, path).map(|_| ())
    }
}

/// Refuses a secret file that others could read; for every secret that is read from a file.
pub fn rights(file: &File, path: &Path) -> Result<fs::Metadata, KeyFileError> {
    // Of the file that was opened, not of the name: a name can mean another file a moment later.
    let metadata = file.metadata().map_err(|error| KeyFileError::Io { path: path.to_owned(), error })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Foreign { path: path.to_owned(), owner });
    }
    Ok(metadata)
}

fn read(mut file: &File, path: &Path) -> Result<KeyBytes, KeyFileError> {
    let metadata = rights(file, path)?;
    let length = || KeyFileError::Length { path: path.to_owned() };
    if metadata.len() != KEY_FILE_BYTES as u64 {
        return Err(length());
    }
    let mut key = KeyBytes::default();
    file.read_exact(key.as_mut_slice()).map_err(|_| length())?;
    Ok(key)
}

/// Where the key lies that is to take the place of the one in this file.
fn successor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a secret file that is there whole or not at all, whatever happens on the way.
pub fn create(path: &Path, secret: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    // A name of its own, so that no other process takes this draft for one that was left behind. What a run that was
    // killed here does leave behind holds no key that anything was written under.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new-");
    let mut draft = tempfile::Builder::new().prefix(&name).tempfile_in(folder)?;
    // The mode of a draft passes through the umask of the process, which may have taken the owner's rights.
    draft.as_file().set_permissions(Permissions::from_mode(KEY_FILE_MODE))?;
    draft.write_all(secret)?;
    draft.as_file().sync_all()?;
    // A link, not a rename: if another process was quicker, its key stays.
    fs::hard_link(draft.path(), path)?;
    draft.close()?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::random::SystemRandom;

    struct Place {
        folder: TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: TempDir::new().expect("a folder") }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("volume.key")
        }

        fn open(&self) -> Result<KeyFile, KeyFileError> {
            KeyFile::open(&self.path(), &self.folder.path().join("database"), &SystemRandom)
        }

        fn allow(&self, mode: u32) {
            fs::set_permissions(self.path(), Permissions::from_mode(mode)).expect("rights");
        }
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_ever_after() {
        let place = Place::new();
        let made = place.open().expect("made");
        assert!(made.created);
        assert_eq!(fs::metadata(place.path()).expect("there").permissions().mode() & 0o7777, KEY_FILE_MODE);
        let read = place.open().expect("read");
        assert!(!read.created);
        assert_eq!(*read.key, *made.key);
        assert_ne!(*made.key, [0; KEY_FILE_BYTES]);
    }

    #[test]
    fn a_key_that_others_can_read_or_write_is_refused() {
        let place = Place::new();
        place.open().expect("made");
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
            place.allow(mode);
            let refused = place.open().expect_err("refused");
            assert!(matches!(refused, KeyFileError::Open { mode: found, .. } if found == mode), "{refused}");
        }
        place.allow(0o400);
        assert!(place.open().is_ok());
    }

    #[test]
    fn a_key_is_not_replaced_while_something_needs_the_old_one() {
        let place = Place::new();
        fs::write(place.folder.path().join("database"), "rows").expect("written");
        let refused = place.open().expect_err("refused");
        assert!(refused.to_string().contains("restore the key file"), "{refused}");
        assert!(!place.path().exists());
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let place = Place::new();
        place.open().expect("made");
        for bytes in [&[7_u8; 31][..], &[7; 33], &[]] {
            fs::write(place.path(), bytes).expect("written");
            assert!(matches!(place.open(), Err(KeyFileError::Length { .. })), "{}", bytes.len());
        }
    }

    #[test]
    fn what_a_killed_run_left_behind_is_in_nobodys_way() {
        let place = Place::new();
        fs::write(place.folder.path().join("volume.key.new-abc"), "half").expect("written");
        assert!(place.open().expect("made").created);
        assert_eq!(
            fs::read_dir(place.folder.path()).expect("a folder").count(),
            2,
            "and no draft of this run"
        );
    }

    #[test]
    fn of_many_first_starts_at_once_one_makes_the_key_and_all_have_it() {
        let place = Place::new();
        let start = std::sync::Barrier::new(8);
        let open = || {
            start.wait();
            place.open().expect("a key")
        };
        let keys: Vec<KeyFile> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            starts.into_iter().map(|start| start.join().expect("a start")).collect()
        });
        assert_eq!(keys.iter().filter(|key| key.created).count(), 1);
        let kept = place.open().expect("read");
        assert!(keys.iter().all(|key| *key.key == *kept.key));
    }

    #[test]
    fn a_renewal_that_was_stopped_has_the_same_two_keys_again_and_nobody_else_has_one_meanwhile() {
        let place = Place::new();
        let made = place.open().expect("made");
        let renew = || KeyFile::renew(&place.path(), &place.folder.path().join("database"), &SystemRandom);
        let [former, new] = renew().expect("two keys");
        let [again, same] = renew().expect("the same two keys");
        assert!(*former.key == *made.key && *again.key == *former.key && *same.key == *new.key);
        assert_ne!(*new.key, *former.key);
        assert!(matches!(place.open(), Err(KeyFileError::Renewing { .. })));
        new.take_the_place_of(&former).expect("replaced");
        assert_eq!(*place.open().expect("read").key, *new.key);
        assert_eq!(fs::read_dir(place.folder.path()).expect("a folder").count(), 1);
        fs::remove_file(place.path()).expect("removed");
        assert!(matches!(renew(), Err(KeyFileError::Missing { .. })));
    }

    #[test]
    fn a_key_that_another_process_made_in_between_stays() {
        let place = Place::new();
        let made = place.open().expect("made");
        assert!(create(&place.path(), &[1; KEY_FILE_BYTES]).is_err());
        assert_eq!(*place.open().expect("read").key, *made.key);
    }
}
