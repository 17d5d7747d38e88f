//! `freehold import`: brings mail and files in, resumable, with progress for whoever watches.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use walkdir::WalkDir;
use workloads::{Kind, MAX_REFUSALS};

use super::objects::{Ended, Found, Opening, with_objects};
use super::{Place, shown};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};

/// Refused items that the end of an import tells word for word.
const SHOWN: usize = 20;

/// What is imported, and where to.
#[derive(Debug, Clone, clap::Args)]
pub struct Import {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    /// Make the mailbox or site if there is none
    #[arg(long)]
    pub create: bool,
    /// One JSON document instead of words
    #[arg(long)]
    pub json: bool,
    /// Messages or files, and folders of them, recursively
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// What is known of the files on their way: those that were not told of yet, how many came, and what cannot come.
#[derive(Default)]
struct Way {
    found: u64,
    /// By their number; as many as the import holds at a time.
    waiting: HashMap<u64, PathBuf>,
    imported: u64,
    marked: u64,
    already_there: u64,
    refused: u64,
    /// The first of them.
    refusals: Vec<(PathBuf, String)>,
}

impl Way {
    fn refuse(&mut self, path: PathBuf, why: String) {
        self.refused += 1;
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push((path, why));
        }
    }

    fn told(&mut self, index: u64, ended: Ended) {
        let path = self.waiting.remove(&index).unwrap_or_default();
        match ended {
            Ended::Imported { marked } => {
                self.imported += 1;
                self.marked += u64::from(marked);
            }
            Ended::AlreadyThere => self.already_there += 1,
            Ended::Refused(why) => self.refuse(path, why),
        }
    }
}

/// Imports and tells what became of it.
pub fn answer(config: &Config, import: &Import) -> Result<Answer, Failure> {
    for path in &import.paths {
        std::fs::metadata(path).map_err(|error| Failure::of_file(path, &error))?;
    }
    let kind = if import.place.holder.mailbox.is_some() { Kind::Message } else { Kind::File };
    let opening = if import.create { Opening::Create } else { Opening::Find };
    let way = Arc::new(Mutex::new(Way::default()));
    let outcome = with_objects(config, &import.place, opening, async |objects| {
        let bar = progress();
        let mut told = |index, ended| {
            bar.inc(1);
            seen(&way).told(index, ended);
        };
        let outcome = objects.import(kind, found(import.paths.clone(), Arc::clone(&way)), &mut told).await;
        bar.finish_and_clear();
        Ok(outcome.err())
    });
    let stopped = outcome.map_err(|failure| match failure.exit {
        Exit::Stopped => Failure::new(failure.exit, format!("{failure}: {AGAIN}")),
        _ => failure,
    })?;
    let way = seen(&way);
    // A script must notice that something was left out.
    let whole = if way.refused == 0 { Exit::Ok } else { Exit::Ours };
    let exit = stopped.as_ref().map_or(whole, |failure| failure.exit);
    let stopped = stopped.map(|failure| failure.message);
    let text = if import.json { document(&way, stopped) } else { told(&way, stopped) };
    Ok(Answer { text, exit })
}

const AGAIN: &str = "what was imported is kept; the same command goes on from there";

fn document(way: &Way, stopped: Option<String>) -> String {
    let refusals =
        way.refusals.iter().map(|(path, why)| json!({ "path": path.to_string_lossy(), "why": why }));
    let document = json!({
        "imported": way.imported,
        "alreadyThere": way.already_there,
        "marked": way.marked,
        "refused": way.refused,
        "refusals": refusals.collect::<Vec<_>>(),
        "stopped": stopped,
    });
    format!("{document:#}\n")
}

fn told(way: &Way, stopped: Option<String>) -> String {
    let mut text = format!(
        "{} imported, {} already there, {} marked, {} refused\n",
        way.imported, way.already_there, way.marked, way.refused
    );
    for (path, why) in way.refusals.iter().take(SHOWN) {
        let _ = writeln!(text, "refused: {}: {why}", shown(&path.to_string_lossy()));
    }
    if way.refused > SHOWN as u64 {
        let _ = writeln!(text, "and {} more; --json tells up to {MAX_REFUSALS}", way.refused - SHOWN as u64);
    }
    if let Some(why) = stopped {
        let _ = writeln!(text, "stopped: {why}\n{AGAIN}");
    }
    text
}

/// Every file below the paths, as the folders give them and as they are asked for, so that a folder may hold any
/// number; links are not followed, and what cannot be read is refused by name.
fn found(paths: Vec<PathBuf>, way: Arc<Mutex<Way>>) -> impl Iterator<Item = Found> + Send {
    let entries = paths.into_iter().flat_map(|root| {
        let entries = WalkDir::new(&root).into_iter();
        entries.map(move |entry| (root.clone(), entry))
    });
    entries.filter_map(move |(root, entry)| {
        let (path, why) = match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let file = entry.into_path();
                let mut way = seen(&way);
                let index = way.found;
                way.waiting.insert(index, file.clone());
                way.found += 1;
                return Some(Found { path: below(&root, &file), file });
            }
            Ok(entry) if entry.file_type().is_dir() => return None,
            Ok(entry) => (entry.into_path(), "it is no file; links are not followed".into()),
            Err(error) => {
                let why = error.io_error().map(ToString::to_string).unwrap_or_default();
                (error.path().unwrap_or(&root).to_owned(), format!("it cannot be read: {why}"))
            }
        };
        seen(&way).refuse(path, why);
        None
    })
}

fn seen(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path below what was named, which becomes the object's name.
fn below(root: &Path, path: &Path) -> Vec<u8> {
    let rest = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty());
    rest.map(Path::as_os_str).or(path.file_name()).unwrap_or(path.as_os_str()).as_bytes().to_vec()
}

/// How many there will be is not known before the last.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} ({per_sec})");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
