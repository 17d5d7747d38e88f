//! `freehold import`: brings mail and files in, resumable, with progress for whoever watches.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::stream;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use walkdir::WalkDir;
use workloads::{Acknowledged, Content, Item, Kind, MAX_REFUSALS, Outcome, Summary};

use super::{Place, shown, with_lab};
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

/// What is known of the files while they are on their way: those that were not told of yet, and what cannot come.
#[derive(Default)]
struct Way {
    found: u64,
    /// By their number; as many as the import holds at a time.
    waiting: HashMap<u64, PathBuf>,
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

    fn told(&mut self, acknowledged: &Acknowledged) {
        let path = self.waiting.remove(&acknowledged.index).unwrap_or_default();
        if let Outcome::Refused(refusal) = &acknowledged.outcome {
            self.refuse(path, refusal.to_string());
        }
    }
}

/// Imports and tells what became of it.
pub fn answer(config: &Config, import: &Import) -> Result<Answer, Failure> {
    if let Some(absent) = import.paths.iter().find(|path| !path.exists()) {
        let why = format!("{}: there is no such file or folder", absent.display());
        return Err(Failure::new(Exit::Refused, why));
    }
    let kind = if import.place.holder.mailbox.is_some() { Kind::Message } else { Kind::File };
    let way = Mutex::new(Way::default());
    let outcome = with_lab(config, async |lab, edge| {
        let caller = import.place.caller(edge);
        let holder = import.place.find(&lab.service, &caller, import.create).await?;
        let bar = progress();
        let items = stream::iter(items(&import.paths, kind, &way));
        let mut told = |acknowledged: &Acknowledged| {
            bar.inc(1);
            seen(&way).told(acknowledged);
        };
        let outcome = lab.service.engine.import(&caller, holder.id, items, &mut told).await;
        bar.finish_and_clear();
        Ok(outcome)
    });
    let outcome = outcome.map_err(|failure| match failure.exit {
        Exit::Stopped => Failure::new(failure.exit, format!("{failure}: {AGAIN}")),
        _ => failure,
    })?;
    let (summary, stopped) = match outcome {
        Ok(summary) => (summary, None),
        Err(stopped) => (stopped.summary, Some(stopped.refusal)),
    };
    let way = way.into_inner().unwrap_or_else(PoisonError::into_inner);
    // A script must notice that something was left out.
    let whole = if way.refused == 0 { Exit::Ok } else { Exit::Ours };
    let exit = stopped.as_ref().map_or(whole, |refusal| refusal.code.actor().into());
    let stopped = stopped.as_ref().map(ToString::to_string);
    let text = if import.json { document(&summary, &way, stopped) } else { told(&summary, &way, stopped) };
    Ok(Answer { text, exit })
}

const AGAIN: &str = "what was imported is kept; the same command goes on from there";

fn document(summary: &Summary, way: &Way, stopped: Option<String>) -> String {
    let refusals =
        way.refusals.iter().map(|(path, why)| json!({ "path": path.to_string_lossy(), "why": why }));
    let document = json!({
        "imported": summary.imported,
        "alreadyThere": summary.already_there,
        "marked": summary.marked,
        "refused": way.refused,
        "refusals": refusals.collect::<Vec<_>>(),
        "stopped": stopped,
    });
    format!("{document:#}\n")
}

fn told(summary: &Summary, way: &Way, stopped: Option<String>) -> String {
    let mut text = format!(
        "{} imported, {} already there, {} marked, {} refused\n",
        summary.imported, summary.already_there, summary.marked, way.refused
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
fn items<'a>(paths: &'a [PathBuf], kind: Kind, way: &'a Mutex<Way>) -> impl Iterator<Item = Item> + 'a {
    let entries =
        paths.iter().flat_map(|root| WalkDir::new(root).into_iter().map(move |entry| (root, entry)));
    entries.filter_map(move |(root, entry)| {
        let (path, why) = match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let path = entry.into_path();
                let mut way = seen(way);
                let index = way.found;
                way.waiting.insert(index, path.clone());
                way.found += 1;
                return Some(item(below(root, &path), path, kind));
            }
            Ok(entry) if entry.file_type().is_dir() => return None,
            Ok(entry) => (entry.into_path(), "it is no file; links are not followed"),
            Err(error) => (error.path().unwrap_or(root).to_owned(), "it cannot be read"),
        };
        seen(way).refuse(path, why.into());
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

fn item(name: Vec<u8>, path: PathBuf, kind: Kind) -> Item {
    let content = Content::again(move || Ok(Box::new(File::open(&path)?) as Box<dyn Read + Send>));
    Item { path: name, kind, content }
}

/// How many there will be is not known before the last.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} ({per_sec})");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
