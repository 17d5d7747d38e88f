//! An import as its sender sees it: items go out while the lines about them come in.
//!
//! Owns how items become the frames of the request, and how the answer is cut into lines.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use model::id::{ContainerId, TenantId};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Body, Response};

use super::{Client, ClientError, request_id};
use crate::import::{self, IMPORT, ImportLine, MAX_PIECE, NDJSON};
use crate::object::ObjectKind;

/// Frames are sent together until they are this long, so that small items do not travel one by one.
const SEND: usize = 64 << 10;
/// The longest line of an answer; a line is some ids and one problem.
pub(super) const MAX_LINE: usize = 64 << 10;
/// How much of a path is sent: more than any service takes, so that a longer one is refused and its item alone.
const MAX_PATH: usize = 5 << 10;

/// One file on its way in.
pub struct ImportItem {
    /// The bytes of its path below what is imported.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ObjectKind,
    /// Its content; an error refuses this item alone.
    pub content: BoxStream<'static, io::Result<Bytes>>,
}

/// An import on its way.
#[derive(Debug)]
pub struct Import {
    client: Client,
    body: Response,
    held: BytesMut,
    ended: bool,
}

impl Client {
    /// Brings many files in; they are sent while the answer is read, so read it to its end.
    pub async fn import(
        &self,
        tenant: TenantId,
        container: ContainerId,
        items: impl Stream<Item = ImportItem> + Send + 'static,
    ) -> Result<Import, ClientError> {
        let frames = joined(items.flat_map(frames)).map(Ok::<_, Infallible>);
        let request = self.uploads.post(self.in_container(tenant, container, &["imports"]));
        let request = request.header(CONTENT_TYPE, IMPORT).header(ACCEPT, NDJSON);
        let body = self.answer(request.body(Body::wrap_stream(frames))).await?;
        Ok(Import { client: self.clone(), body, held: BytesMut::new(), ended: false })
    }
}

impl Import {
    /// The next line; `None` after the one that ends the import.
    ///
    /// An answer without that line is an error: what was told before it is durable, and the same import again goes on.
    pub async fn next(&mut self) -> Result<Option<ImportLine>, ClientError> {
        let request = request_id(&self.body);
        let broken = |what: &str| ClientError::Broken { what: what.into(), request: request.clone() };
        loop {
            if let Some(at) = self.held.iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(at + 1);
                if self.ended {
                    return Err(broken("something follows the last line of the import"));
                }
                let line = serde_json::from_slice(&line);
                let line: ImportLine =
                    line.map_err(|_| broken("a line of the import is not what it should be"))?;
                self.ended = matches!(line, ImportLine::End(_));
                return Ok(Some(line));
            }
            if self.held.len() > MAX_LINE {
                return Err(broken("a line of the import does not end"));
            }
            match self.body.chunk().await {
                Ok(Some(piece)) => self.held.extend_from_slice(&piece),
                Ok(None) if self.ended && self.held.is_empty() => return Ok(None),
                Ok(None) => return Err(broken("the import was cut; the same again goes on from there")),
                Err(error) => return Err(ClientError::unanswered(&self.client.server, &error)),
            }
        }
    }
}

/// The frames of one item.
fn frames(item: ImportItem) -> impl Stream<Item = Bytes> + Send {
    let whole = item.path.len() <= MAX_PATH;
    let path = &item.path[..item.path.len().min(MAX_PATH)];
    let begin = import::begin(path, item.kind);
    let content = if whole { item.content } else { stream::empty().boxed() };
    let content = stream::unfold(Some((content, Bytes::new())), |state| async {
        let (mut content, mut held) = state?;
        while held.is_empty() {
            match content.next().await {
                Some(Ok(piece)) => held = piece,
                Some(Err(_)) => return Some((import::broken(), None)),
                None => return Some((import::end(), None)),
            }
        }
        let piece = held.split_to(held.len().min(MAX_PIECE));
        Some((import::piece(&piece), Some((content, held))))
    });
    stream::once(async { begin }).chain(content)
}

/// The same bytes in longer pieces; what is ready does not wait for what is not.
fn joined(frames: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Bytes> + Send {
    let mut frames: Pin<Box<dyn Stream<Item = Bytes> + Send>> = Box::pin(frames.fuse());
    stream::poll_fn(move |context| {
        let mut held = BytesMut::new();
        while held.len() < SEND {
            match frames.as_mut().poll_next(context) {
                Poll::Ready(Some(frame)) if held.is_empty() && frame.len() >= SEND => {
                    return Poll::Ready(Some(frame));
                }
                Poll::Ready(Some(frame)) => held.extend_from_slice(&frame),
                Poll::Ready(None) if held.is_empty() => return Poll::Ready(None),
                Poll::Pending if held.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(held.freeze()))
    })
}
