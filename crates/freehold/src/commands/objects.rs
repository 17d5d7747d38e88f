//! The objects of a mailbox or a site, wherever they are: in a data folder that this process opens, or at a server.
//!
//! Owns the difference between the two; what a command shows is the same. Both speak the types of the API.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use api::client::{self, Client, ImportItem};
use api::import::{ImportLine, ImportOutcome};
use api::{ContainerName, NewContainer, ObjectDetails, ObjectPage, Problem, StoredObject, WrittenObject};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use model::caller::Caller;
use model::id::{ContainerId, ObjectId, TenantId};
use model::refusal::Code;
use workloads::{Acknowledged, Content, Engine, Entry, Item, Kind, MAX_OBJECTS, Name, Outcome, Replacement};

use super::{Place, run, with_lab, with_lab_to_look, with_service};
use crate::config::Config;
use crate::exit::Failure;
use crate::node::{Edge, Service};

/// How much of a file is read at a time on its way to a server.
const PIECE: usize = 256 << 10;
/// How many files of an import are read ahead of the one that is being sent.
const AHEAD: usize = 8;

/// How a mailbox or a site is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// As it is there.
    Find,
    /// The same, to look alone: when the disk is full, for what can be deleted.
    Look,
    /// Made if it is not there.
    Create,
    /// Without keys: no vault is reached, and the command goes on if at all possible when the disk is full.
    Keyless,
}

/// The objects of one mailbox or site.
pub(super) struct Objects {
    at: At,
    tenant: TenantId,
    container: ContainerId,
}

enum At {
    Here { engine: Engine, caller: Caller },
    There(Client),
}

/// One file on its way in.
pub(super) struct Found {
    /// The bytes of its path below what is imported.
    pub(super) path: Vec<u8>,
    /// Where it lies.
    pub(super) file: PathBuf,
}

/// How one item of an import ended.
pub(super) enum Ended {
    Imported { marked: bool },
    AlreadyThere,
    Refused(String),
}

/// Opens a mailbox or a site where the command line says it is, and runs a command on it.
pub(super) fn with_objects<T>(
    config: &Config,
    place: &Place,
    opening: Opening,
    command: impl AsyncFnOnce(&Objects) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let here = async |service: &Service, edge: &Edge| Objects::here(service, edge, place, opening).await;
    match (place.server.client(config)?, opening) {
        (Some(client), _) => run(async |_| command(&Objects::there(client, place, opening).await?).await),
        (None, Opening::Keyless) => {
            with_service(config, async |service, edge| command(&here(service, edge).await?).await)
        }
        (None, Opening::Look) => {
            with_lab_to_look(config, async |lab, edge| command(&here(&lab.service, edge).await?).await)
        }
        (None, _) => with_lab(config, async |lab, edge| command(&here(&lab.service, edge).await?).await),
    }
}

impl Objects {
    async fn here(service: &Service, edge: &Edge, place: &Place, opening: Opening) -> Result<Self, Failure> {
        let (caller, engine) = (super::local(place.tenant, edge), service.engine.clone());
        let (kind, name) = place.holder.parts();
        let name = kind.name(name)?;
        service.custody.check_tenant(place.tenant).await?;
        let holder = match engine.holder_by_name(&caller, kind, &name).await {
            Err(refusal) if opening == Opening::Create && refusal.code == Code::NotFound => {
                engine.create_holder(&caller, kind, &name).await?
            }
            found => found?,
        };
        Ok(Self { at: At::Here { engine, caller }, tenant: place.tenant, container: holder.id })
    }

    async fn there(client: Client, place: &Place, opening: Opening) -> Result<Self, Failure> {
        let (kind, name) = place.holder.parts();
        let (kind, name) = (kind.into(), name.to_owned());
        let container =
            match client.find_container(place.tenant, &ContainerName { kind, name: name.clone() }).await {
                Err(client::ClientError::Refused(refusal))
                    if opening == Opening::Create && refusal.code == Code::NotFound =>
                {
                    client.create_container(place.tenant, &NewContainer { kind, name }).await?
                }
                found => found?,
            };
        Ok(Self { at: At::There(client), tenant: place.tenant, container: container.id })
    }

    /// A page of them.
    pub(super) async fn list(&self, after: Option<ObjectId>) -> Result<ObjectPage, Failure> {
        Ok(match &self.at {
            At::Here { engine, caller } => {
                let page = engine.list(caller, self.container, after, MAX_OBJECTS).await?;
                let objects = page.entries.into_iter().map(object).collect();
                ObjectPage { objects, damaged: page.damaged, next: page.next }
            }
            At::There(client) => client.objects(self.tenant, self.container, after).await?,
        })
    }

    /// The first that bears a name.
    pub(super) async fn named(&self, name: &str) -> Result<Option<ObjectId>, Failure> {
        Ok(match &self.at {
            At::Here { engine, caller } => {
                let found = engine.find(caller, self.container, &Name::parse(name)?).await?;
                found.first().map(|entry| entry.id)
            }
            At::There(client) => {
                let found = client.find_objects(self.tenant, self.container, name).await?;
                found.objects.first().map(|object| object.id)
            }
        })
    }

    /// Opens one to read all of it or a range.
    pub(super) async fn read(
        &self,
        object: ObjectId,
        range: Option<Range<u64>>,
    ) -> Result<Download, Failure> {
        Ok(match &self.at {
            At::Here { engine, caller } => {
                Download::Here(Box::new(engine.read(caller, self.container, object, range).await?))
            }
            At::There(client) => {
                let range = range.map(|range| range.start..=range.end.saturating_sub(1));
                let download = client.read_object(self.tenant, self.container, object, range).await?;
                Download::There(Box::new(download))
            }
        })
    }

    /// Replaces the content of one; with a version, that version alone.
    pub(super) async fn overwrite(
        &self,
        object: ObjectId,
        version: Option<u32>,
        file: &Path,
    ) -> Result<WrittenObject, Failure> {
        Ok(match &self.at {
            At::Here { engine, caller } => {
                let replacement = Replacement { name: None, version, content: content(file.to_owned()) };
                engine.overwrite(caller, self.container, object, replacement).await?.into()
            }
            At::There(client) => {
                let content = pieces(file.to_owned());
                client.overwrite_object(self.tenant, self.container, object, version, None, content).await?
            }
        })
    }

    /// Removes one.
    pub(super) async fn delete(&self, object: ObjectId) -> Result<(), Failure> {
        match &self.at {
            At::Here { engine, caller } => engine.delete(caller, self.container, object, None).await?,
            At::There(client) => client.delete_object(self.tenant, self.container, object).await?,
        }
        Ok(())
    }

    /// Brings many files in, and tells of each by its number once it has ended; a failure ends all, and keeps what was told.
    pub(super) async fn import(
        &self,
        kind: Kind,
        found: impl Iterator<Item = Found> + Send + 'static,
        told: &mut (dyn FnMut(u64, Ended) + Send),
    ) -> Result<(), Failure> {
        match &self.at {
            At::Here { engine, caller } => {
                let items = found.map(|Found { path, file }| Item { path, kind, content: content(file) });
                let mut told = |one: &Acknowledged| told(one.index, ended(&one.outcome));
                let stopped = engine.import(caller, self.container, stream::iter(items), &mut told).await;
                stopped.map(|_| ()).map_err(|stopped| stopped.refusal.into())
            }
            At::There(client) => {
                let items = stream::iter(found).map(move |found| begun(found, kind)).buffered(AHEAD);
                let mut import = client.import(self.tenant, self.container, items).await?;
                while let Some(line) = import.next().await? {
                    match line {
                        ImportLine::Item(item) => told(
                            item.index,
                            match (item.outcome, item.problem) {
                                (ImportOutcome::Imported, _) => {
                                    Ended::Imported { marked: item.mark.is_some() }
                                }
                                (ImportOutcome::AlreadyThere, _) => Ended::AlreadyThere,
                                (ImportOutcome::Refused, problem) => Ended::Refused(why(problem)),
                            },
                        ),
                        ImportLine::End(end) => {
                            return end.stopped.map_or(Ok(()), |problem| Err(problem.refusal().into()));
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// One object that is being read.
pub(super) enum Download {
    Here(Box<workloads::Download>),
    There(Box<client::Download>),
}

impl Download {
    /// The next piece; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(match self {
            Self::Here(download) => download.next().await?,
            Self::There(download) => download.next().await?,
        })
    }
}

/// What is known of an object besides its content, or why it does not open.
pub(super) fn details(object: &StoredObject) -> Result<&ObjectDetails, Failure> {
    object.details.as_ref().ok_or_else(|| match &object.problem {
        Some(problem) => problem.refusal().into(),
        None => {
            client::ClientError::Broken { what: "an object without details".into(), request: None }.into()
        }
    })
}

fn object(entry: Entry) -> StoredObject {
    let Entry { id, kind, version, size, created, changed, details } = entry;
    let (details, problem) = match details {
        Ok(details) => (Some(details.into()), None),
        Err(refusal) => (None, Some(Problem::new(&refusal, None))),
    };
    let (kind, created, changed) = (kind.into(), created.into(), changed.into());
    StoredObject { id, kind, version, size, created, changed, details, problem }
}

fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Imported { mark, .. } => Ended::Imported { marked: mark.is_some() },
        Outcome::AlreadyThere { .. } => Ended::AlreadyThere,
        Outcome::Refused(refusal) => Ended::Refused(refusal.to_string()),
    }
}

fn why(problem: Option<Problem>) -> String {
    let why = problem.map(|problem| problem.refusal().to_string());
    super::shown(&why.unwrap_or_else(|| "the server does not say why".into()))
}

/// A file as content that the engine reads.
fn content(file: PathBuf) -> Content {
    Content::again(move || Ok(Box::new(File::open(&file)?) as Box<dyn Read + Send>))
}

/// A file on its way to a server, of which the first piece is read already.
async fn begun(found: Found, kind: Kind) -> ImportItem {
    let mut rest = pieces(found.file);
    let first = rest.next().await;
    ImportItem { path: found.path, kind: kind.into(), content: stream::iter(first).chain(rest).boxed() }
}

/// A file as a stream of its pieces, read on threads that may block.
fn pieces(file: PathBuf) -> BoxStream<'static, io::Result<Bytes>> {
    enum At {
        Closed(PathBuf),
        Open(File),
    }
    let read = |at| {
        let mut file = match at {
            At::Closed(path) => File::open(path)?,
            At::Open(file) => file,
        };
        let mut piece = Vec::with_capacity(PIECE);
        io::Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
        // A piece that is not full is the last: a small file costs one turn.
        let rest = (piece.len() == PIECE).then_some(At::Open(file));
        io::Result::Ok((Bytes::from(piece), rest))
    };
    let next = move |at: Option<At>| async move {
        let Some(at) = at else { return Ok(None) };
        tokio::task::spawn_blocking(move || read(at)).await.map_err(io::Error::other)?.map(Some)
    };
    stream::try_unfold(Some(At::Closed(file)), next).boxed()
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_file_of_any_length_comes_whole_in_pieces() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("file");
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, &bytes).expect("written");
            let read: Vec<Bytes> = pieces(path.clone()).try_collect().await.expect("read");
            assert_eq!(read.concat(), bytes, "{length}");
        }
        let missing = pieces(folder.path().join("none")).try_collect::<Vec<_>>().await.expect_err("none");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
