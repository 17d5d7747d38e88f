//! The inlet of an import: items that have come and are not in a batch yet.
//!
//! Owns how much waits at a time, and the reading of items into memory where they fit. A stream is read when
//! it comes, because the next item may lie behind it; a file is opened only when its batch is made.

use std::collections::VecDeque;
use std::io::Read;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use model::refusal::Refusal;

use super::Item;
use crate::object::Kind;
use crate::source::{Content, Filled, Reopen, failed, fill};

/// Items of one batch; with the largest rows they still fit into one commit of the store.
pub const BATCH_ITEMS: usize = 128;
/// Bytes of content after which a batch is full; a larger item is streamed.
pub const BATCH_BYTES: usize = 4 << 20;

/// Items that wait for their batch.
pub(crate) struct Inlet<S> {
    items: S,
    waiting: VecDeque<Waiting>,
    /// Bytes of what waits in memory.
    bytes: usize,
    /// There is no further item.
    ended: bool,
    /// The item that waits last is a stream that was not read to its end: the next one may lie behind it.
    blocked: bool,
}

/// An item whose path was not looked at yet.
pub(crate) struct Waiting {
    pub(crate) index: u64,
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    held: Held,
}

enum Held {
    Bytes(Bytes),
    Again(Box<dyn Reopen>),
    Long(Bytes, BoxStream<'static, std::io::Result<Bytes>>),
    Failed(Refusal),
}

/// The content of an item when its batch is made.
pub(crate) enum Taken {
    /// All of it; no more than [`BATCH_BYTES`].
    Small(Bytes),
    /// More than a batch may hold.
    Large(LargeContent),
}

/// Content that is streamed by itself.
pub(crate) enum LargeContent {
    /// All of it, in memory.
    Bytes(Bytes),
    /// A file; it can be read once to know it and once to store it.
    Again(Box<dyn Reopen>),
    /// The rest of a stream, behind what was read of it already.
    Stream(Bytes, BoxStream<'static, std::io::Result<Bytes>>),
}

impl<S: Stream<Item = (usize, Item)> + Send + Unpin> Inlet<S> {
    pub(crate) fn new(items: S) -> Self {
        Self { items, waiting: VecDeque::new(), bytes: 0, ended: false, blocked: false }
    }

    /// Waits until a batch can be made; afterwards nothing waits only when nothing is left.
    pub(crate) async fn fill(&mut self) {
        while !self.ended && !self.blocked && self.waiting.len() < BATCH_ITEMS && self.bytes < BATCH_BYTES {
            let Some((index, Item { path, kind, content })) = self.items.next().await else {
                self.ended = true;
                return;
            };
            let held = match content {
                Content::Bytes(bytes) => Held::Bytes(bytes),
                Content::Again(again) => Held::Again(again),
                Content::Stream(stream) => self.read(stream).await,
            };
            if let Held::Bytes(bytes) = &held {
                self.bytes += bytes.len();
            }
            self.waiting.push_back(Waiting { index: index as u64, path, kind, held });
        }
    }

    async fn read(&mut self, mut stream: BoxStream<'static, std::io::Result<Bytes>>) -> Held {
        let (mut piece, mut ahead) = (Vec::new(), Bytes::new());
        match fill(&mut piece, BATCH_BYTES, &mut stream, &mut ahead).await {
            Ok(Filled::Ended) => Held::Bytes(piece.into()),
            Ok(Filled::Full) => {
                self.blocked = true;
                piece.extend_from_slice(&ahead);
                Held::Long(piece.into(), stream)
            }
            Err(error) => Held::Failed(failed(error)),
        }
    }
}

impl<S> Inlet<S> {
    /// Takes out what waits, to make a batch of it where reading may block.
    pub(crate) fn take(&mut self) -> VecDeque<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Puts back what did not fit into the batch.
    pub(crate) fn put_back(&mut self, waiting: VecDeque<Waiting>) {
        let held =
            waiting.iter().map(|item| if let Held::Bytes(bytes) = &item.held { bytes.len() } else { 0 });
        self.bytes = held.sum();
        self.blocked = matches!(waiting.back(), Some(Waiting { held: Held::Long(..), .. }));
        self.waiting = waiting;
    }
}

impl Waiting {
    /// The content; reads a file, which may block.
    pub(crate) fn content(self) -> Result<Taken, Refusal> {
        let large = match self.held {
            Held::Failed(refusal) => return Err(refusal),
            Held::Bytes(bytes) if bytes.len() <= BATCH_BYTES => return Ok(Taken::Small(bytes)),
            Held::Bytes(bytes) => LargeContent::Bytes(bytes),
            Held::Long(ahead, stream) => LargeContent::Stream(ahead, stream),
            Held::Again(mut again) => {
                let mut bytes = Vec::new();
                let reader = again.open().map_err(failed)?;
                reader.take(BATCH_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
                if bytes.len() <= BATCH_BYTES {
                    return Ok(Taken::Small(bytes.into()));
                }
                LargeContent::Again(again)
            }
        };
        Ok(Taken::Large(large))
    }
}
