//! `freehold list`, `read`, `overwrite` and `delete`: objects of a mailbox or a site.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use serde_json::json;
use workloads::{Content, Engine, Entry, MAX_OBJECTS, Name, Replacement};

use super::{Place, shown, with_lab};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};

/// Which mailbox or site is listed, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// What is read.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadObject {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub which: Which,
    /// Only these bytes: FIRST-LAST, counted from 0, both included
    #[arg(long, value_name = "FIRST-LAST", value_parser = range, conflicts_with = "all")]
    pub range: Option<Range<u64>>,
    /// Write to this file instead of standard output; with --all, a folder
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// One object, by id or by name, or all of them.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The object's id
    #[arg(long, value_name = "ID")]
    pub id: Option<ObjectId>,
    /// The object's name: its path when it was imported
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Every object, each to a file below the folder --out
    #[arg(long, requires = "out")]
    pub all: bool,
}

/// What is replaced, and by what.
#[derive(Debug, Clone, clap::Args)]
pub struct Overwrite {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    /// The object's id
    #[arg(long, value_name = "ID")]
    pub id: ObjectId,
    /// Only if this is the present version
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    /// The new content
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// What is deleted.
#[derive(Debug, Clone, clap::Args)]
pub struct Delete {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    /// The object's id
    #[arg(long, value_name = "ID")]
    pub id: ObjectId,
}

/// Lists a mailbox or a site, in the order in which things came.
pub fn list(config: &Config, list: &List) -> Result<Answer, Failure> {
    with_lab(config, async |lab, edge| {
        let caller = list.place.caller(edge);
        let holder = list.place.find(lab, &caller, false).await?;
        let entries = all(&lab.service.engine, &caller, holder.id).await?;
        if list.json {
            let entries: Vec<_> = entries.iter().map(document).collect();
            return Ok(Answer::ok(format!("{:#}\n", json!({ "objects": entries }))));
        }
        let mut text = String::new();
        for entry in &entries {
            let _ = match &entry.details {
                Ok(details) => {
                    let subject = details.subject.as_deref().unwrap_or_default();
                    let (name, subject) = (shown(details.name.as_str()), shown(subject));
                    writeln!(text, "{}  {:>10}  {name}  {subject}", entry.id, entry.size)
                }
                Err(refusal) => writeln!(text, "{}  {:>10}  {refusal}", entry.id, entry.size),
            };
        }
        Ok(Answer::ok(text))
    })
}

/// Reads one object to standard output or a file, or all of them to a folder.
pub fn read(config: &Config, read: &ReadObject) -> Result<Answer, Failure> {
    with_lab(config, async |lab, edge| {
        let engine = &lab.service.engine;
        let caller = read.place.caller(edge);
        let holder = read.place.find(lab, &caller, false).await?;
        if let (true, Some(folder)) = (read.which.all, &read.out) {
            let mut objects = 0;
            for entry in all(engine, &caller, holder.id).await? {
                let details = entry.details.clone()?;
                let path = folder.join(safe(details.name.as_str(), entry.id)?);
                fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(|error| failed(&path, error))?;
                let mut file = File::create_new(&path).map_err(|error| failed(&path, error))?;
                copy(engine, &caller, holder.id, entry.id, None, &mut file, &path).await?;
                objects += 1;
            }
            return Ok(Answer::ok(format!("{objects} objects in {}\n", folder.display())));
        }
        let object = match (&read.which.id, &read.which.name) {
            (Some(id), _) => *id,
            (None, name) => {
                let name = Name::parse(name.as_deref().unwrap_or_default())?;
                let found = engine.find(&caller, holder.id, &name).await?;
                let one = found.first().map(|entry| entry.id);
                one.ok_or_else(|| Failure::new(Exit::Refused, "name: nothing there bears it"))?
            }
        };
        let range = read.range.clone();
        match &read.out {
            Some(path) => {
                let mut file = File::create_new(path).map_err(|error| failed(path, error))?;
                copy(engine, &caller, holder.id, object, range, &mut file, path).await?;
            }
            None => {
                let mut out = io::stdout().lock();
                copy(engine, &caller, holder.id, object, range, &mut out, Path::new("standard output"))
                    .await?;
            }
        }
        Ok(Answer::ok(""))
    })
}

/// Replaces an object's content.
pub fn overwrite(config: &Config, overwrite: &Overwrite) -> Result<Answer, Failure> {
    with_lab(config, async |lab, edge| {
        let caller = overwrite.place.caller(edge);
        let holder = overwrite.place.find(lab, &caller, false).await?;
        let path = overwrite.file.clone();
        let content = Content::again(move || Ok(Box::new(File::open(&path)?) as Box<dyn Read + Send>));
        let replacement = Replacement { name: None, version: overwrite.version, content };
        let written = lab.service.engine.overwrite(&caller, holder.id, overwrite.id, replacement).await?;
        Ok(Answer::ok(format!("version {}, {} bytes\n", written.version, written.size)))
    })
}

/// Removes an object with all its bytes.
pub fn delete(config: &Config, delete: &Delete) -> Result<Answer, Failure> {
    with_lab(config, async |lab, edge| {
        let caller = delete.place.caller(edge);
        let holder = delete.place.find(lab, &caller, false).await?;
        lab.service.engine.delete(&caller, holder.id, delete.id).await?;
        Ok(Answer::ok(format!("{} is gone\n", delete.id)))
    })
}

async fn all(engine: &Engine, caller: &Caller, container: ContainerId) -> Result<Vec<Entry>, Failure> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = engine.list(caller, container, after, MAX_OBJECTS).await?;
        entries.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return Ok(entries);
        }
    }
}

async fn copy(
    engine: &Engine,
    caller: &Caller,
    container: ContainerId,
    object: ObjectId,
    range: Option<Range<u64>>,
    out: &mut (impl Write + ?Sized),
    path: &Path,
) -> Result<(), Failure> {
    let mut download = engine.read(caller, container, object, range).await?;
    while let Some(piece) = download.next().await? {
        out.write_all(&piece).map_err(|error| failed(path, error))?;
    }
    out.flush().map_err(|error| failed(path, error))
}

/// A name as a path below a folder; what would leave the folder is filed under the object's id.
fn safe(name: &str, id: ObjectId) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    Ok(if plain { path.to_owned() } else { PathBuf::from(id.to_string()) })
}

fn document(entry: &Entry) -> serde_json::Value {
    let details = entry.details.as_ref();
    json!({
        "id": entry.id,
        "size": entry.size,
        "version": entry.version,
        "created": entry.created.0,
        "changed": entry.changed.0,
        "name": details.ok().map(|details| details.name.as_str()),
        "subject": details.ok().and_then(|details| details.subject.clone()),
        "from": details.ok().and_then(|details| details.from.clone()),
        "marked": details.ok().map(|details| details.mark.is_some()),
        "refused": details.err().map(ToString::to_string),
    })
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last).then_some(first..last.checked_add(1)?)
    });
    parsed.ok_or_else(|| "expected FIRST-LAST, as in 0-1023".to_owned())
}

fn failed(path: &Path, error: io::Error) -> Failure {
    Failure::new(Exit::Refused, format!("{}: {error}", path.display()))
}
