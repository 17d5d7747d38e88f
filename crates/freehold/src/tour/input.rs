//! What the tour is given: paths of mail and files, or small samples of our own.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use api::ObjectKind;
use api::client::ImportItem;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use walkdir::WalkDir;

use super::words::{self, Decoded};
use crate::exit::{Exit, Failure};

macro_rules! samples {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../../samples/", $path)).as_slice()),)*]
    };
}

/// The messages and files that the tour brings along.
const SAMPLES: &[(&str, &[u8])] = samples![
    "mail/1-plain.eml",
    "mail/2-attachment.eml",
    "mail/3-unicode-subject.eml",
    "mail/4-long-lines.eml",
    "mail/5-empty-body.eml",
    "mail/6-newsletter.eml",
    "files/beam.png",
    "files/keepers-handbook.md",
    "files/moorings.csv",
    "files/Übersicht – Leuchtfeuer 灯台.txt",
];

/// One message or file of the input.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Its path below what was named, which becomes the object's name.
    pub(super) name: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Sample(&'static [u8]),
    File(PathBuf),
}

impl Given {
    /// All of its bytes.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        match &self.source {
            Source::Sample(bytes) => Ok(bytes.to_vec()),
            Source::File(path) => std::fs::read(path),
        }
    }

    /// What a person reads of it.
    pub(super) fn decoded(&self, kind: ObjectKind) -> std::io::Result<Decoded> {
        let bytes = self.bytes()?;
        Ok(match kind {
            ObjectKind::Message => words::decode(&bytes),
            ObjectKind::File => Decoded { subject: None, text: String::from_utf8_lossy(&bytes).into_owned() },
        })
    }

    /// The same as an item of an import, read when it is its turn.
    pub(crate) fn item(&self, kind: ObjectKind) -> ImportItem {
        let source = self.source.clone();
        let content = async {
            match source {
                Source::Sample(bytes) => Ok(Bytes::from_static(bytes)),
                Source::File(path) => tokio::fs::read(path).await.map(Bytes::from),
            }
        };
        ImportItem { path: self.name.clone().into_bytes(), kind, content: stream::once(content).boxed() }
    }
}

/// The files at these paths, recursively and in order; the samples of this kind if none is named.
pub(crate) fn gather(paths: &[PathBuf], samples: &str) -> Result<Vec<Given>, Failure> {
    if paths.is_empty() {
        let ours = SAMPLES.iter().filter_map(|(path, bytes)| {
            let name = path.strip_prefix(samples)?.strip_prefix('/')?.to_owned();
            Some(Given { name, source: Source::Sample(bytes) })
        });
        return Ok(ours.collect());
    }
    let mut given = Vec::new();
    for root in paths {
        for entry in WalkDir::new(root).sort_by_file_name() {
            let entry = entry.map_err(|error| Failure::new(Exit::Refused, error))?;
            if entry.file_type().is_file() {
                readable(entry.path())?;
                given.push(Given {
                    name: name(root, entry.path()),
                    source: Source::File(entry.path().into()),
                });
            }
        }
    }
    if given.is_empty() {
        return Err(Failure::new(Exit::Refused, format!("no file at {}", paths[0].display())));
    }
    Ok(given)
}

/// Refuses a file that cannot be read, before a step is told that would fail for it.
fn readable(path: &Path) -> Result<(), Failure> {
    let read = File::open(path).and_then(|mut file| file.read(&mut [0]));
    read.map(|_| ()).map_err(|error| Failure::of_file(path, &error))
}

fn name(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().filter(|rest| !rest.as_os_str().is_empty());
    let below = below.or(path.file_name().map(Path::new)).unwrap_or(path);
    below.to_string_lossy().into_owned()
}
