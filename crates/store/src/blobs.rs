//! Blobs: sealed bytes under a name, written once, too large for a row.
//!
//! Owns `BlobName`, `Blobs` and the streaming `BlobPut`. Reads and lists go through `object_store`; writes go
//! to `Disk` for a folder (the default) and through `object_store` for everything else. A blob is durable
//! before its row is committed; a blob without a row is an orphan.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use model::time::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::disk::Disk;
use crate::durable::Staged;
use crate::error::StoreError;
use crate::limits::{MAX_BLOB, MAX_BLOBS, MAX_BLOBS_BYTES, MAX_STREAM};

/// The name of a blob: 1 to 8 segments joined by `/`, each lower-case hex of 1 to 64 digits or a UUID.
///
/// Names of one store have one depth, so that no name is a folder of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

/// Text that is not the name of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the name of a blob: expected 1 to {MAX_SEGMENTS} segments of lower-case hex or UUIDs, joined by /"
)]
pub struct NotABlobName;

impl BlobName {
    /// The name as it is written in rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn path(&self) -> ObjectPath {
        ObjectPath::from(self.0.as_str())
    }
}

impl FromStr for BlobName {
    type Err = NotABlobName;

    fn from_str(text: &str) -> Result<Self, NotABlobName> {
        let good = text.len() <= MAX_SEGMENTS * (MAX_SEGMENT + 1)
            && text.split('/').count() <= MAX_SEGMENTS
            && text.split('/').all(|segment| is_hex(segment) || is_uuid(segment));
        if good { Ok(Self(text.into())) } else { Err(NotABlobName) }
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_hex(text: &str) -> bool {
    (1..=MAX_SEGMENT).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

/// A store of blobs; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    shelf: Arc<dyn ObjectStore>,
    /// Where the blobs are files of ours; writing them ourselves is what makes them durable together.
    disk: Option<Arc<Disk>>,
    /// Something on the same disk, to tell a full one from a broken one.
    place: PathBuf,
}

impl Blobs {
    /// Opens a folder of blobs, makes it if there is none, and removes what a crash left half-written.
    ///
    /// The caller holds the [`DataLock`](crate::DataLock) of the folder it lies in.
    pub async fn folder(folder: &Path) -> Result<Self, StoreError> {
        let place = folder.to_owned();
        blocking(move || {
            let disk = Disk::open(&place)?;
            let shelf = LocalFileSystem::new_with_prefix(disk.objects());
            let shelf = shelf.map_err(|fault| translate("cannot open", &place, &fault))?;
            Ok(Self { shelf: Arc::new(shelf), disk: Some(Arc::new(disk)), place })
        })
        .await
    }

    /// Blobs in memory, for tests and simulations.
    pub fn memory() -> Self {
        Self { shelf: Arc::new(InMemory::new()), disk: None, place: PathBuf::from("/") }
    }

    /// Writes blobs, each as a whole; all are durable when it returns. A name that exists is replaced.
    ///
    /// At most [`MAX_BLOBS`] and [`MAX_BLOBS_BYTES`], each at most [`MAX_BLOB`]. After a fault some of them
    /// may be there: they are orphans, as no row names them yet.
    pub async fn put_many(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), StoreError> {
        if blobs.len() > MAX_BLOBS {
            return Err(StoreError::over("a batch of blobs", blobs.len(), MAX_BLOBS));
        }
        let total = blobs.iter().map(|(_, bytes)| bytes.len()).sum();
        if total > MAX_BLOBS_BYTES {
            return Err(StoreError::over("the bytes of a batch of blobs", total, MAX_BLOBS_BYTES));
        }
        if let Some((_, large)) = blobs.iter().find(|(_, bytes)| bytes.len() > MAX_BLOB) {
            return Err(StoreError::over("a blob", large.len(), MAX_BLOB));
        }
        if let Some(disk) = &self.disk {
            let disk = Arc::clone(disk);
            return blocking(move || disk.put_many(blobs)).await;
        }
        let puts = stream::iter(blobs).map(|(name, bytes)| async move {
            let put = self.shelf.put(&name.path(), bytes.into()).await;
            put.map(drop).map_err(|fault| self.translate("cannot put a blob", &fault))
        });
        puts.buffer_unordered(UPLOADS).try_collect().await
    }

    /// Writes one blob from a stream, holding only a part of it in memory; durable when it returns.
    ///
    /// Returns its length, at most [`MAX_STREAM`]. If the stream fails, nothing is left.
    pub async fn put_stream<E: From<StoreError>>(
        &self,
        name: &BlobName,
        content: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<u64, E> {
        let mut content = std::pin::pin!(content);
        let mut put = self.start(name).await?;
        while let Some(bytes) = content.next().await {
            match bytes {
                Ok(bytes) => put.push(&bytes).await?,
                Err(fault) => {
                    put.abandon().await;
                    return Err(fault);
                }
            }
        }
        Ok(put.finish().await?)
    }

    /// Starts a blob that is pushed in pieces; it appears when it is finished, and not at all otherwise.
    pub async fn start(&self, name: &BlobName) -> Result<BlobPut, StoreError> {
        let sink = match &self.disk {
            Some(disk) => {
                let stage = Arc::clone(disk);
                Sink::Disk(Arc::clone(disk), Some(blocking(move || stage.stage()).await?))
            }
            None => {
                let upload = self.shelf.put_multipart(&name.path()).await;
                let upload = upload.map_err(|fault| self.translate("cannot start a blob", &fault))?;
                Sink::Shelf(WriteMultipart::new_with_chunk_size(upload, PART))
            }
        };
        Ok(BlobPut {
            name: name.clone(),
            sink,
            waiting: BytesMut::new(),
            length: 0,
            place: self.place.clone(),
        })
    }

    /// Reads a whole blob of at most [`MAX_BLOB`]; larger ones are read in ranges.
    pub async fn read(&self, name: &BlobName) -> Result<Option<Bytes>, StoreError> {
        let found = match self.shelf.get(&name.path()).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|fault| self.translate("cannot read a blob", &fault))?,
        };
        if found.meta.size > MAX_BLOB as u64 {
            let size = usize::try_from(found.meta.size).unwrap_or(usize::MAX);
            return Err(StoreError::over("a blob to be read as a whole", size, MAX_BLOB));
        }
        let bytes = found.bytes().await;
        bytes.map(Some).map_err(|fault| self.translate("cannot read a blob", &fault))
    }

    /// Reads a part of a blob, at most [`MAX_BLOB`] bytes; what lies behind its end is left out.
    pub async fn read_range(&self, name: &BlobName, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted > MAX_BLOB as u64 {
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            return Err(StoreError::over("a range of a blob", wanted, MAX_BLOB));
        }
        let path = name.path();
        let bytes = if wanted == 0 { None } else { Some(self.bytes_of(&path, range.clone()).await) };
        let fault = match bytes {
            Some(Ok(bytes)) => return Ok(Some(bytes)),
            Some(Err(fault)) => Some(fault),
            None => None,
        };
        // an empty range, or one behind the end, which each kind of store tells in words of its own
        match (self.shelf.head(&path).await, fault) {
            (Err(object_store::Error::NotFound { .. }), _) => Ok(None),
            (Err(fault), _) => Err(self.translate("cannot read a blob", &fault)),
            (Ok(blob), Some(fault)) if range.start < blob.size => {
                Err(self.translate("cannot read a part of a blob", &fault))
            }
            (Ok(_), _) => Ok(Some(Bytes::new())),
        }
    }

    async fn bytes_of(&self, path: &ObjectPath, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        self.shelf.get_opts(path, options).await?.bytes().await
    }

    /// Deletes a blob; no fault if there is none.
    pub async fn delete(&self, name: &BlobName) -> Result<(), StoreError> {
        if let Some(disk) = &self.disk {
            let (disk, name) = (Arc::clone(disk), name.clone());
            return blocking(move || disk.delete(&name)).await;
        }
        match self.shelf.delete(&name.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(fault) => Err(self.translate("cannot delete a blob", &fault)),
        }
    }

    /// The blobs that were finished before `than`, in no particular order.
    ///
    /// To collect orphans, `than` is [`LONGEST_PUT`](crate::limits::LONGEST_PUT) ago: a younger blob may be one
    /// whose row is still to come.
    pub fn list_older(&self, than: Timestamp) -> BoxStream<'static, Result<BlobName, StoreError>> {
        let place = self.place.clone();
        let all = self.shelf.list(None).map_err(move |fault| translate("cannot list blobs", &place, &fault));
        let older = all.try_filter_map(move |found| async move {
            let old = found.last_modified.timestamp_millis() < than.0;
            // what has no blob's name was put there by somebody else and is left alone
            Ok(if old { found.location.as_ref().parse().ok() } else { None })
        });
        older.boxed()
    }

    fn translate(&self, what: &str, fault: &object_store::Error) -> StoreError {
        translate(what, &self.place, fault)
    }
}

/// A blob that is being written; dropped before it is finished, it leaves nothing in a folder.
#[derive(Debug)]
pub struct BlobPut {
    name: BlobName,
    sink: Sink,
    waiting: BytesMut,
    length: u64,
    place: PathBuf,
}

enum Sink {
    /// `None` while a piece is written by another thread, and for good after a fault.
    Disk(Arc<Disk>, Option<Staged>),
    Shelf(WriteMultipart),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk(..) => "disk",
            Self::Shelf(_) => "shelf",
        })
    }
}

impl BlobPut {
    /// Adds bytes at the end.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.length += bytes.len() as u64;
        if self.length > MAX_STREAM {
            let length = usize::try_from(self.length).unwrap_or(usize::MAX);
            return Err(StoreError::over("a streamed blob", length, MAX_STREAM as usize));
        }
        match &mut self.sink {
            Sink::Shelf(upload) => {
                let room = upload.wait_for_capacity(UPLOADS).await;
                room.map_err(|fault| translate("cannot write a blob", &self.place, &fault))?;
                upload.write(bytes);
            }
            Sink::Disk(..) => {
                self.waiting.extend_from_slice(bytes);
                if self.waiting.len() >= WRITE {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Gives the blob its name; durable when it returns. Returns its length.
    pub async fn finish(mut self) -> Result<u64, StoreError> {
        self.flush().await?;
        match self.sink {
            Sink::Disk(disk, staged) => {
                let staged = staged.ok_or_else(broken)?;
                blocking(move || {
                    staged.sync()?;
                    disk.publish(vec![(self.name, staged)])
                })
                .await?;
            }
            Sink::Shelf(upload) => {
                let finished = upload.finish().await;
                finished.map_err(|fault| translate("cannot finish a blob", &self.place, &fault))?;
            }
        }
        Ok(self.length)
    }

    /// Gives up; nothing is left behind, also not where dropping cannot wait for a remote store.
    pub async fn abandon(self) {
        if let Sink::Shelf(upload) = self.sink
            && let Err(fault) = upload.abort().await
        {
            tracing::warn!(%fault, "an unfinished upload could not be taken back");
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let Sink::Disk(_, place) = &mut self.sink else { return Ok(()) };
        let mut staged = place.take().ok_or_else(broken)?;
        let bytes = self.waiting.split();
        let staged = blocking(move || {
            staged.write(&bytes)?;
            Ok(staged)
        });
        *place = Some(staged.await?);
        Ok(())
    }
}

fn broken() -> StoreError {
    StoreError::Misuse("an earlier write to this blob failed or was cut off".into())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let working = tokio::task::spawn_blocking(work);
    working.await.map_err(|_| StoreError::Down("work on blobs was interrupted".into()))?
}

/// Looks for the file system's own fault under the object store's words.
fn translate(what: &str, place: &Path, fault: &object_store::Error) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(fault);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return StoreError::io(what, place, io);
        }
        cause = inner.source();
    }
    StoreError::Io(format!("{what}: {fault}"))
}

/// Segments of a name.
const MAX_SEGMENTS: usize = 8;

/// Digits of a segment.
const MAX_SEGMENT: usize = 64;

/// Bytes that are gathered before they are written to a file.
const WRITE: usize = 256 << 10;

/// Bytes of one part of a streamed upload; some stores refuse less than 5 MiB.
const PART: usize = 8 << 20;

/// Uploads, or parts of one, that run at a time.
const UPLOADS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hex_and_uuids_are_names() {
        let uuid = "11111111-1111-4111-8111-11111111111f";
        let long = "a".repeat(64);
        for good in ["0", "af", &long, uuid, &format!("{uuid}/0/{long}"), "1/2/3/4/5/6/7/8"] {
            assert_eq!(good.parse::<BlobName>().expect(good).as_str(), good);
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/../b",
            "A",
            "g",
            "a b",
            "a\0",
            "a#1",
            "%61",
            "-",
            "a-b",
            "1/2/3/4/5/6/7/8/9",
            &too_long,
            "11111111-1111-4111-8111-11111111111",
            "é",
        ] {
            assert_eq!(bad.parse::<BlobName>(), Err(NotABlobName), "{bad:?}");
        }
    }
}
