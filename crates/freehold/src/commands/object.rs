//! `freehold read`, `overwrite` and `delete`: objects of a mailbox or a site.

use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use model::id::ObjectId;

use super::Place;
use super::draft::Draft;
use super::objects::{Download, Objects, Opening, details, with_objects};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure, pour};

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

/// Reads one object to standard output or a file, or all of them to a folder.
///
/// Nothing is written anywhere before the first piece has been read, and no file bears its name before it is whole.
pub fn read(config: &Config, read: &ReadObject) -> Result<Answer, Failure> {
    with_objects(config, &read.place, Opening::Find, async |objects| {
        if let (true, Some(folder)) = (read.which.all, &read.out) {
            return read_all(objects, folder).await;
        }
        let object = match (&read.which.id, &read.which.name) {
            (Some(id), _) => *id,
            (None, name) => objects.named(name.as_deref().unwrap_or_default()).await?.ok_or_else(|| {
                let why = "nothing there bears that name: `freehold list` shows what there is";
                Failure::new(Exit::Refused, why)
            })?,
        };
        let download = objects.read(object, read.range.clone()).await?;
        match &read.out {
            Some(path) => save(download, path).await?,
            None => copy(download, &mut pour).await?,
        }
        Ok(Answer::ok(""))
    })
}

/// Reads every object to a file below a folder that is new or empty, so that what is there is what was read.
async fn read_all(all: &Objects, folder: &Path) -> Result<Answer, Failure> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let why = "is not empty: name a folder that is, or that does not exist yet";
        return Err(Failure::new(Exit::Refused, format!("{} {why}", folder.display())));
    }
    let (mut objects, mut damaged, mut after) = (0, 0, None);
    loop {
        let page = all.list(after).await?;
        for object in &page.objects {
            let read = async {
                let download = all.read(object.id, None).await?;
                save(download, &place_below(folder, &details(object)?.name, object.id)?).await
            };
            read.await.map_err(|failure| {
                let before = format!("{} objects were read before that, to {}", objects, folder.display());
                Failure::new(failure.exit, format!("object {}: {failure}\n{before}", object.id))
            })?;
            objects += 1;
        }
        damaged += page.damaged.len();
        if page.next <= after {
            break;
        }
        after = page.next;
    }
    let text = format!("{objects} objects in {}\n", folder.display());
    if damaged == 0 {
        return Ok(Answer::ok(text));
    }
    let text =
        format!("{text}{damaged} more have damaged rows and could not be read: `freehold list` names them\n");
    Ok(Answer { text, exit: Exit::Ours })
}

/// Replaces an object's content.
pub fn overwrite(config: &Config, overwrite: &Overwrite) -> Result<Answer, Failure> {
    fs::File::open(&overwrite.file).map_err(|error| Failure::of_file(&overwrite.file, &error))?;
    with_objects(config, &overwrite.place, Opening::Find, async |objects| {
        let written = objects.overwrite(overwrite.id, overwrite.version, &overwrite.file).await?;
        Ok(Answer::ok(format!("version {}, {} bytes\n", written.version, written.size)))
    })
}

/// Removes an object with all its bytes; it asks no vault, and is what makes room on a full disk.
pub fn delete(config: &Config, delete: &Delete) -> Result<Answer, Failure> {
    with_objects(config, &delete.place, Opening::Keyless, async |objects| {
        objects.delete(delete.id).await?;
        Ok(Answer::ok(format!("{} is gone\n", delete.id)))
    })
}

/// Reads an object to a file of its own.
async fn save(mut download: Download, path: &Path) -> Result<(), Failure> {
    let first = download.next().await?;
    let mut draft = Draft::begin(path)?;
    draft.write(&first.unwrap_or_default())?;
    copy(download, &mut |piece| draft.write(piece)).await?;
    draft.keep()
}

async fn copy(
    mut download: Download,
    out: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while let Some(piece) = download.next().await? {
        out(&piece)?;
    }
    Ok(())
}

/// Where an object is filed: its name as a path below the folder; under its id if that would leave the folder or is
/// taken by a namesake.
fn place_below(folder: &Path, name: &str, id: ObjectId) -> Result<PathBuf, Failure> {
    let named = folder.join(name);
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && named.symlink_metadata().is_err() && Draft::make_folders(&named).is_ok() {
        return Ok(named);
    }
    let numbered = folder.join(id.to_string());
    Draft::make_folders(&numbered)?;
    Ok(numbered)
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last).then_some(first..last.checked_add(1)?)
    });
    parsed.ok_or_else(|| "expected FIRST-LAST, as in 0-1023".to_owned())
}
