//! `freehold import`: brings mail and files in, resumable, with progress for whoever watches.

use std::fmt::Write;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use futures::stream;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use walkdir::WalkDir;
use workloads::{Acknowledged, Content, Item, Kind, Outcome, Summary};

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

/// A file on its way.
struct Found {
    name: Vec<u8>,
    path: PathBuf,
}

/// What cannot come, and why.
type Refused = Vec<(PathBuf, String)>;

/// Imports and tells what became of it.
pub fn answer(config: &Config, import: &Import) -> Result<Answer, Failure> {
    let (found, mut refused) = gather(&import.paths)?;
    let kind = if import.place.holder.mailbox.is_some() { Kind::Message } else { Kind::File };
    let outcome = with_lab(config, async |lab, edge| {
        let caller = import.place.caller(edge);
        let holder = import.place.find(&lab.service, &caller, import.create).await?;
        let bar = progress(found.len() as u64);
        let items = stream::iter(found.iter().map(|found| item(found, kind)));
        let mut told = |acknowledged: &Acknowledged| {
            bar.inc(1);
            if let Outcome::Refused(refusal) = &acknowledged.outcome {
                let index = usize::try_from(acknowledged.index).unwrap_or(usize::MAX);
                let path = found.get(index).map(|found| found.path.clone()).unwrap_or_default();
                refused.push((path, refusal.to_string()));
            }
        };
        let outcome = lab.service.engine.import(&caller, holder.id, items, &mut told).await;
        bar.finish_and_clear();
        Ok(outcome)
    })?;
    let (summary, stopped) = match outcome {
        Ok(summary) => (summary, None),
        Err(stopped) => (stopped.summary, Some(stopped.refusal)),
    };
    // A script must notice that something was left out.
    let whole = if refused.is_empty() { Exit::Ok } else { Exit::Ours };
    let exit = stopped.as_ref().map_or(whole, |refusal| refusal.code.actor().into());
    let text = if import.json {
        let document = json!({
            "imported": summary.imported,
            "alreadyThere": summary.already_there,
            "marked": summary.marked,
            "refused": refused.len(),
            "refusals": refused.iter().map(|(path, why)| json!({ "path": path.to_string_lossy(), "why": why })).collect::<Vec<_>>(),
            "stopped": stopped.as_ref().map(ToString::to_string),
        });
        format!("{document:#}\n")
    } else {
        told(&summary, &refused, stopped.as_ref().map(ToString::to_string))
    };
    Ok(Answer { text, exit })
}

fn told(summary: &Summary, refused: &[(PathBuf, String)], stopped: Option<String>) -> String {
    let mut text = format!(
        "{} imported, {} already there, {} marked, {} refused\n",
        summary.imported,
        summary.already_there,
        summary.marked,
        refused.len()
    );
    for (path, why) in refused.iter().take(SHOWN) {
        let _ = writeln!(text, "refused: {}: {why}", shown(&path.to_string_lossy()));
    }
    if refused.len() > SHOWN {
        let _ = writeln!(text, "and {} more; --json tells all", refused.len() - SHOWN);
    }
    if let Some(why) = stopped {
        let _ = writeln!(
            text,
            "stopped: {why}\nwhat is counted above is kept; the same command goes on from there"
        );
    }
    text
}

/// Every file below the paths, in order; links are not followed, and what cannot be read is refused by name.
fn gather(paths: &[PathBuf]) -> Result<(Vec<Found>, Refused), Failure> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for root in paths {
        if !root.exists() {
            return Err(Failure::new(
                Exit::Refused,
                format!("{}: there is no such file or folder", root.display()),
            ));
        }
        for entry in WalkDir::new(root).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let path = entry.into_path();
                    found.push(Found { name: below(root, &path), path });
                }
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => {
                    refused.push((entry.into_path(), "it is no file; links are not followed".into()))
                }
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    refused.push((path, "it cannot be read".into()));
                }
            }
        }
    }
    Ok((found, refused))
}

/// The path below what was named, which becomes the object's name.
fn below(root: &Path, path: &Path) -> Vec<u8> {
    let rest = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty());
    rest.map(Path::as_os_str).or(path.file_name()).unwrap_or(path.as_os_str()).as_bytes().to_vec()
}

fn item(found: &Found, kind: Kind) -> Item {
    let path = found.path.clone();
    let content = Content::again(move || Ok(Box::new(File::open(&path)?) as Box<dyn Read + Send>));
    Item { path: found.name.clone(), kind, content }
}

fn progress(items: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} ({per_sec}, {eta} left)");
    ProgressBar::new(items).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
