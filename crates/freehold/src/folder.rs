//! The data folder: made on the first start, held by one process a party, refused when it is not ours.
//!
//! Owns what belongs in the folder and who may enter. Each party's own folder carries the store's lock and its
//! marker, so that three parties can be three processes on one data folder. What lies where is `layout`'s.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use store::{DataLock, Schema, Store, StoreError};

use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::reserve;
use crate::settings::Role;

/// The rights of the folders: what is sealed is not secret, but names, sizes and times are nobody's business.
pub const FOLDER_MODE: u32 = 0o700;
/// What the store marks a folder with.
const MARKER: &str = "freehold.json";

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds other things.
    #[error(
        "{} holds {found:?}, which is not ours: choose an empty folder, or one that does not exist yet",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The first thing that is not ours.
        found: String,
    },
    /// Its key files lie as builds before the first release kept them: all parties' in one folder.
    #[error(
        "{} lies where builds before the first release kept it: move it to {}, with every other key file to the folder \
         of its party, or start with a new folder", path.display(), now.display()
    )]
    Former {
        /// The key file.
        path: PathBuf,
        /// Where it belongs.
        now: PathBuf,
    },
    /// It is that of a rehearsal, whose keys and tenants are worth nothing.
    #[error(
        "{} is the folder of a `freehold lab`, for ever: no other command works on it; name another folder",
        path.display()
    )]
    Lab {
        /// The folder.
        path: PathBuf,
    },
    /// The store refuses the folder of a party, or a database in it: a newer program wrote it, or another process holds it.
    #[error("{}: {error}", path.display())]
    Store {
        /// The folder or the database.
        path: PathBuf,
        /// What the store says.
        error: StoreError,
    },
    /// The system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match &error {
            FolderError::Foreign { .. } | FolderError::Former { .. } | FolderError::Lab { .. } => {
                Self::new(Exit::Refused, error)
            }
            FolderError::Store { error: StoreError::Full, .. } => StoreError::Full.into(),
            FolderError::Store { error: fault, .. } => Self::new(Self::from(fault.clone()).exit, error),
            FolderError::Io { path, error } => Self::of_ours(path, error),
        }
    }
}

/// What a data folder is before anything is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does not exist, or holds nothing of the parties that are asked for.
    New,
    /// It is ours, of a format that this program knows.
    Ours,
}

/// A data folder that this process holds for its parties, until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    /// Where everything lies.
    pub layout: Layout,
    /// What the folder was before.
    pub standing: Standing,
    _locks: Vec<DataLock>,
}

impl DataFolder {
    /// Opens a data folder for a role, and makes what is missing of it.
    pub fn open(layout: Layout, role: Role) -> Result<Self, FolderError> {
        if layout.lab_stamp().exists() {
            return Err(FolderError::Lab { path: layout.root().to_owned() });
        }
        Self::hold(layout, role)
    }

    /// The same for a lab, whose stamp was read before.
    pub fn of_lab(layout: Layout) -> Result<Self, FolderError> {
        Self::hold(layout, Role::All)
    }

    fn hold(layout: Layout, role: Role) -> Result<Self, FolderError> {
        let standing = examine(&layout, role)?;
        let mut folders =
            vec![layout.root().to_owned(), layout.keys().to_owned(), layout.handover(), layout.tls()];
        if role.has_vault() {
            folders.push(layout.vault_keys());
        }
        if role.has_availability_vault() {
            folders.push(layout.availability_keys());
        }
        if role.has_service() {
            folders.extend([
                layout.service_keys(),
                layout.service(),
                layout.blobs(),
                layout.wraps(),
                layout.wraps_replica().to_owned(),
            ]);
        }
        folders.iter().try_for_each(|folder| make(folder))?;
        let take = |path: PathBuf| DataLock::take(&path).map_err(|error| FolderError::Store { path, error });
        let locks = parties(&layout, role).into_iter().map(take).collect::<Result<_, _>>()?;
        if role.has_service() {
            reserve::keep(&layout.service());
        }
        Ok(Self { layout, standing, _locks: locks })
    }
}

/// Opens a database of the data folder; a fault says of which.
pub async fn database(path: &Path, schema: &Schema) -> Result<Store, FolderError> {
    let opened = Store::sqlite(path, schema).await;
    opened.map_err(|error| FolderError::Store { path: path.to_owned(), error })
}

/// Looks at a data folder without changing it or holding it.
pub fn examine(layout: &Layout, role: Role) -> Result<Standing, FolderError> {
    let root = layout.root();
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::New),
        Err(error) => return Err(FolderError::Io { path: root.to_owned(), error }),
    };
    for entry in entries {
        let entry = entry.map_err(|error| FolderError::Io { path: root.to_owned(), error })?;
        if !layout.is_ours(&entry.path()) {
            let found = entry.file_name().to_string_lossy().chars().take(MAX_SHOWN).collect();
            return Err(FolderError::Foreign { path: root.to_owned(), found });
        }
    }
    let former = [
        ("volume.key", layout.volume_key()),
        ("vault-master.key", layout.vault_master_key()),
        ("availability-vault-master.key", layout.availability_master_key()),
    ];
    for (name, now) in former {
        let path = layout.keys().join(name);
        if path.exists() {
            return Err(FolderError::Former { path, now });
        }
    }
    let mut standing = Standing::New;
    for path in parties(layout, role) {
        if marked(&path)? {
            standing = Standing::Ours;
        }
    }
    Ok(standing)
}

/// Whether the store marked this folder with a format that we know; the lock is not taken.
fn marked(folder: &Path) -> Result<bool, FolderError> {
    #[derive(Deserialize)]
    struct Marker {
        format: u32,
    }
    let refused = |error| FolderError::Store { path: folder.to_owned(), error };
    match fs::read(folder.join(MARKER)) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(Marker { format: 1..=store::FORMAT }) => Ok(true),
            Ok(Marker { format: 0 }) | Err(_) => {
                Err(refused(StoreError::Corrupt(format!("{MARKER} names no format"))))
            }
            Ok(Marker { format }) => Err(refused(StoreError::Newer { found: format, known: store::FORMAT })),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FolderError::Io { path: folder.join(MARKER), error }),
    }
}

/// The folders of the parties that a role plays; each is held by one process.
fn parties(layout: &Layout, role: Role) -> Vec<PathBuf> {
    let parties = [
        (role.has_service(), layout.service()),
        (role.has_vault(), layout.vault()),
        (role.has_availability_vault(), layout.availability_vault()),
    ];
    parties.into_iter().filter(|(here, _)| *here).map(|(_, folder)| folder).collect()
}

/// The folders of a layout that exist and that others than the owner may enter, with their rights.
pub fn open_to_others(layout: &Layout) -> Vec<(PathBuf, u32)> {
    let rights = |folder: PathBuf| Some((fs::metadata(&folder).ok()?.permissions().mode() & 0o7777, folder));
    let rights = layout.folders().into_iter().filter_map(rights).map(|(mode, folder)| (folder, mode));
    rights.filter(|(_, mode)| mode & 0o077 != 0).collect()
}

fn make(folder: &Path) -> Result<(), FolderError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    // The name of a new folder is in its parent, and lost with it at a power cut if that is not synced.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = made.and_then(|()| File::open(parent)?.sync_all());
    synced.map_err(|error| FolderError::Io { path: folder.to_owned(), error })
}

/// Characters of a foreign name that an error shows.
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, Layout) {
        let folder = TempDir::new().expect("a folder");
        let layout = Layout::inside(folder.path().join("data"));
        (folder, layout)
    }

    fn open(layout: &Layout, role: Role) -> Result<DataFolder, FolderError> {
        DataFolder::open(layout.clone(), role)
    }

    #[test]
    fn a_new_folder_is_made_for_its_owner_alone_and_found_again() {
        let (_keep, layout) = place();
        assert_eq!(examine(&layout, Role::All).expect("nothing"), Standing::New);
        assert!(!layout.root().exists());
        assert_eq!(open(&layout, Role::All).expect("made").standing, Standing::New);
        assert_eq!(open(&layout, Role::All).expect("found").standing, Standing::Ours);
        assert_eq!(open_to_others(&layout), []);
        for folder in layout.folders() {
            assert!(folder.is_dir(), "{}", folder.display());
        }
    }

    #[test]
    fn a_role_makes_its_own_folder_and_lets_the_others_start_beside_it() {
        let (_keep, layout) = place();
        let vault = open(&layout, Role::Vault).expect("made");
        assert!(!layout.service().exists() && !layout.availability_vault().exists());
        assert!(layout.vault_keys().is_dir());
        assert!(!layout.service_keys().exists() && !layout.availability_keys().exists());
        let service = open(&layout, Role::Service).expect("another process could");
        assert_eq!(service.standing, Standing::New);
        let refused = open(&layout, Role::All).expect_err("held");
        assert!(matches!(refused, FolderError::Store { error: StoreError::Locked(_), .. }), "{refused}");
        assert_eq!(Failure::from(refused).exit, Exit::Outage);
        drop((vault, service));
        open(&layout, Role::All).expect("given back");
    }

    #[test]
    fn a_folder_of_a_newer_program_is_refused_and_not_touched() {
        let (_keep, layout) = place();
        drop(open(&layout, Role::Vault).expect("made"));
        fs::write(layout.vault().join(MARKER), "{\"format\":99}").expect("written");
        let refused = open(&layout, Role::All).expect_err("refused");
        assert!(
            matches!(refused, FolderError::Store { error: StoreError::Newer { found: 99, .. }, .. }),
            "{refused}"
        );
        assert!(!layout.service().exists());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused_and_not_touched() {
        let (_keep, layout) = place();
        fs::create_dir(layout.root()).expect("made");
        fs::write(layout.root().join("letter.txt"), "mine").expect("written");
        let refused = open(&layout, Role::All).expect_err("refused");
        assert!(refused.to_string().contains("letter.txt"), "{refused}");
        assert!(!layout.vault().exists());
    }

    #[test]
    fn keys_where_they_once_lay_are_named_with_where_they_belong() {
        let (_keep, layout) = place();
        drop(open(&layout, Role::All).expect("made"));
        for (former, now) in [
            ("volume.key", "keys/service/volume.key"),
            ("vault-master.key", "keys/vault/master.key"),
            ("availability-vault-master.key", "keys/availability-vault/master.key"),
        ] {
            fs::write(layout.keys().join(former), [0; 32]).expect("written");
            let refused = open(&layout, Role::All).expect_err("refused");
            assert!(refused.to_string().contains(now), "{refused}");
            assert_eq!(Failure::from(refused).exit, Exit::Refused);
            fs::remove_file(layout.keys().join(former)).expect("removed");
        }
        open(&layout, Role::All).expect("as it should be");
    }

    #[test]
    fn a_damaged_marker_is_ours_to_mend() {
        let (_keep, layout) = place();
        drop(open(&layout, Role::Vault).expect("made"));
        for text in ["", "{}", "{\"format\":0}"] {
            fs::write(layout.vault().join(MARKER), text).expect("written");
            let refused = open(&layout, Role::All).expect_err("refused");
            assert_eq!(Failure::from(refused).exit, Exit::Ours, "{text:?}");
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_is_named() {
        let (_keep, layout) = place();
        drop(open(&layout, Role::Vault).expect("made"));
        fs::set_permissions(layout.vault(), fs::Permissions::from_mode(0o755)).expect("rights");
        assert_eq!(open_to_others(&layout), [(layout.vault(), 0o755)]);
    }
}
