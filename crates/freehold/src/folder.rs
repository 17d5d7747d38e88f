//! The data folder: made on the first start, recognised on every other, refused when a newer program wrote it.
//!
//! Owns the FORMAT file and the rights of the folders. What lies in which folder is `layout`'s, the lock of a
//! running service is the store's.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::layout::Layout;
use crate::settings::Role;

/// The version of the layout that this program writes.
pub const FOLDER_FORMAT: u32 = 1;
/// The rights of the folders: what is sealed is not secret, but names, sizes and times are nobody's business.
pub const FOLDER_MODE: u32 = 0o700;
/// What the FORMAT file says before the number.
const FORMAT_WORDS: &str = "freehold data folder, format ";
/// The FORMAT file while it is being written.
const DRAFT: &str = "FORMAT.new";

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A newer program wrote it.
    #[error(
        "{} has format {found} and this program knows formats up to {FOLDER_FORMAT}: use the newer program that \
         wrote it", path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format that it has.
        found: u32,
    },
    /// It holds things and is no data folder.
    #[error(
        "{} is not empty and is no data folder of ours: choose an empty folder or one that does not exist yet",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// The FORMAT file cannot be understood.
    #[error("{} is damaged: it should say \"{FORMAT_WORDS}{FOLDER_FORMAT}\"", path.display())]
    Damaged {
        /// The FORMAT file.
        path: PathBuf,
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

/// What a data folder is before anything is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does not exist, or it is empty.
    New,
    /// It is ours, of a format that this program knows.
    Ours,
}

/// Looks at a data folder without changing it.
pub fn examine(layout: &Layout) -> Result<Standing, FolderError> {
    let io = |path: &Path, error| FolderError::Io { path: path.to_owned(), error };
    let path = layout.format();
    match fs::read_to_string(&path) {
        Ok(text) => {
            let number =
                text.trim_end().strip_prefix(FORMAT_WORDS).and_then(|number| number.parse::<u32>().ok());
            match number {
                None | Some(0) => Err(FolderError::Damaged { path }),
                Some(found) if found > FOLDER_FORMAT => {
                    Err(FolderError::Newer { path: layout.root().to_owned(), found })
                }
                Some(_) => Ok(Standing::Ours),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_dir(layout.root()) {
            Ok(entries) => {
                // A first start that was killed at once leaves the draft of FORMAT and nothing else.
                let mut others =
                    entries.filter(|entry| !entry.as_ref().is_ok_and(|entry| entry.file_name() == DRAFT));
                match others.next() {
                    None => Ok(Standing::New),
                    Some(_) => Err(FolderError::Foreign { path: layout.root().to_owned() }),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::New),
            Err(error) => Err(io(layout.root(), error)),
        },
        Err(error) => Err(io(&path, error)),
    }
}

/// Opens a data folder for a role, and makes what is missing of it; returns what it was before.
pub fn open(layout: &Layout, role: Role) -> Result<Standing, FolderError> {
    let standing = examine(layout)?;
    make(layout.root())?;
    if standing == Standing::New {
        // Last things first: with FORMAT there, a start that is killed after it finds a folder of ours.
        let path = layout.format();
        write(layout.root(), &path).map_err(|error| FolderError::Io { path, error })?;
    }
    let mut folders = vec![layout.keys().to_owned(), layout.tls()];
    if role.has_service() {
        folders.extend([layout.service(), layout.blobs(), layout.wraps(), layout.wraps_replica().to_owned()]);
    }
    if role.has_vault() {
        folders.push(layout.vault());
    }
    if role.has_availability_vault() {
        folders.push(layout.availability_vault());
    }
    folders.iter().try_for_each(|folder| make(folder))?;
    Ok(standing)
}

/// The folders of a layout that exist and that others than the owner may enter, with their rights.
pub fn open_to_others(layout: &Layout) -> Vec<(PathBuf, u32)> {
    let folders = [
        layout.root().to_owned(),
        layout.keys().to_owned(),
        layout.tls(),
        layout.service(),
        layout.wraps(),
        layout.wraps_replica().to_owned(),
        layout.vault(),
        layout.availability_vault(),
    ];
    let rights = |folder: PathBuf| Some((fs::metadata(&folder).ok()?.permissions().mode() & 0o7777, folder));
    let rights = folders.into_iter().filter_map(rights).map(|(mode, folder)| (folder, mode));
    rights.filter(|(_, mode)| mode & 0o077 != 0).collect()
}

fn make(folder: &Path) -> Result<(), FolderError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    let synced = made.and_then(|()| match folder.parent() {
        // The name of a new folder is in its parent, and lost with it at a power cut if that is not synced.
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    });
    synced.map_err(|error| FolderError::Io { path: folder.to_owned(), error })
}

fn write(folder: &Path, path: &Path) -> io::Result<()> {
    let draft = folder.join(DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_WORDS}{FOLDER_FORMAT}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, Layout) {
        let folder = TempDir::new().expect("a folder");
        let layout = Layout::inside(folder.path().join("data"));
        (folder, layout)
    }

    #[test]
    fn a_new_folder_is_made_for_its_owner_alone_and_found_again() {
        let (_keep, layout) = place();
        assert_eq!(examine(&layout).expect("nothing"), Standing::New);
        assert_eq!(open(&layout, Role::All).expect("made"), Standing::New);
        assert_eq!(open(&layout, Role::All).expect("found"), Standing::Ours);
        assert_eq!(open_to_others(&layout), []);
        for folder in
            [layout.service(), layout.wraps(), layout.vault(), layout.availability_vault(), layout.tls()]
        {
            assert!(folder.is_dir(), "{}", folder.display());
        }
    }

    #[test]
    fn a_role_makes_its_own_folders_alone() {
        let (_keep, layout) = place();
        open(&layout, Role::Vault).expect("made");
        assert!(layout.vault().is_dir());
        assert!(!layout.service().exists() && !layout.availability_vault().exists());
    }

    #[test]
    fn a_folder_of_a_newer_program_is_refused_and_not_touched() {
        let (_keep, layout) = place();
        open(&layout, Role::Vault).expect("made");
        fs::write(layout.format(), format!("{FORMAT_WORDS}2\n")).expect("written");
        let refused = open(&layout, Role::All).expect_err("refused");
        assert!(matches!(refused, FolderError::Newer { found: 2, .. }), "{refused}");
        assert!(!layout.service().exists());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused() {
        let (_keep, layout) = place();
        fs::create_dir(layout.root()).expect("made");
        fs::write(layout.root().join("letter.txt"), "mine").expect("written");
        assert!(matches!(open(&layout, Role::All), Err(FolderError::Foreign { .. })));
    }

    #[test]
    fn a_first_start_that_was_killed_is_no_obstacle() {
        let (_keep, layout) = place();
        fs::create_dir(layout.root()).expect("made");
        fs::write(layout.root().join(DRAFT), "free").expect("written");
        assert_eq!(open(&layout, Role::Vault).expect("made"), Standing::New);
        assert_eq!(examine(&layout).expect("ours"), Standing::Ours);
    }

    #[test]
    fn a_damaged_format_is_refused() {
        let (_keep, layout) = place();
        open(&layout, Role::Vault).expect("made");
        for text in ["", "format 1", "freehold data folder, format one\n", "freehold data folder, format 0\n"]
        {
            fs::write(layout.format(), text).expect("written");
            assert!(matches!(open(&layout, Role::All), Err(FolderError::Damaged { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_is_named() {
        let (_keep, layout) = place();
        open(&layout, Role::Vault).expect("made");
        fs::set_permissions(layout.vault(), fs::Permissions::from_mode(0o755)).expect("rights");
        assert_eq!(open_to_others(&layout), [(layout.vault(), 0o755)]);
    }
}
