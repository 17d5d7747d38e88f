//! The stamp of a lab's folder: a file that says so for ever, and what the next run on it has to know.
//!
//! Owns the file. Who may open a stamped folder is `folder`'s.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Names;
use crate::exit::{Exit, Failure};
use crate::folder::FOLDER_MODE;
use crate::key_file;
use crate::layout::Layout;

/// The version of the file that this program writes.
const VERSION: u32 = 1;

/// What a stamp says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stamp {
    lab: u32,
    /// The names that everything in the folder goes by.
    pub(super) names: Names,
    /// How far the lab's clock is ahead of the machine's.
    ahead_seconds: u64,
    /// Whether the lab's tenant was made to its end.
    pub(super) furnished: bool,
}

impl Stamp {
    /// The stamp of a folder that is new.
    fn new(names: Names) -> Self {
        Self { lab: VERSION, names, ahead_seconds: 0, furnished: false }
    }

    /// How far the lab's clock is ahead of the machine's.
    pub(super) fn ahead(&self) -> Duration {
        Duration::from_secs(self.ahead_seconds)
    }

    /// The same with a clock that is further ahead.
    pub(super) fn at(self, ahead: Duration) -> Self {
        Self { ahead_seconds: ahead.as_secs(), ..self }
    }

    /// Reads a folder's stamp, or stamps a folder that holds nothing yet.
    pub(super) fn take(layout: &Layout, names: Names) -> Result<Self, Failure> {
        let (root, path) = (layout.root(), layout.lab_stamp());
        let refused = |why: String| Failure::new(Exit::Refused, format!("{}: {why}", root.display()));
        if let Some(found) = Self::read(&path)? {
            if found.names != names {
                let why = format!(
                    "the folder of a lab with --names {}: give the same, or name another folder",
                    found.names
                );
                return Err(refused(why));
            }
            if !found.furnished {
                return Err(refused("a first run of the lab was cut off here: remove the folder".into()));
            }
            return Ok(found);
        }
        let mut entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(root);
                made.map_err(|error| Failure::of_file(root, &error))?;
                fs::read_dir(root).map_err(|error| Failure::of_file(root, &error))?
            }
            Err(error) => return Err(Failure::of_file(root, &error)),
        };
        if entries.next().is_some() {
            let why =
                "it holds something that is no lab's: a lab plays in a new folder, or in one of its own";
            return Err(refused(why.into()));
        }
        let stamp = Self::new(names);
        stamp.keep(layout)?;
        Ok(stamp)
    }

    /// Writes the stamp in place of the one that is there, whole or not at all.
    pub(super) fn keep(&self, layout: &Layout) -> Result<(), Failure> {
        let path = layout.lab_stamp();
        let draft = path.with_extension("new");
        let text = serde_json::to_vec(self).expect("numbers and words become JSON");
        let _ = fs::remove_file(&draft);
        let written = key_file::create(&draft, &text).and_then(|()| fs::rename(&draft, &path));
        written.map_err(|error| Failure::of_file(&path, &error))
    }

    fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::of_file(path, &error)),
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(stamp) if stamp.lab == VERSION => Ok(Some(stamp)),
            _ => Err(Failure::new(
                Exit::Refused,
                format!("{}: a stamp that this program does not know", path.display()),
            )),
        }
    }
}
