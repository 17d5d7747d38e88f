//! Where content comes from: bytes at hand, a stream, or something that can be opened again.
//!
//! Owns how content is taken in pieces, so that a large file needs the memory of a few pieces and no more. A
//! fault of a source is the caller's: its text may name a file, so only its kind is passed on.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::refusal::{Code, Refusal};

use crate::engine::blocking;

/// The content of an object on its way in.
pub enum Content {
    /// All of it, in memory.
    Bytes(Bytes),
    /// Pieces that come once, such as the body of a request.
    Stream(BoxStream<'static, io::Result<Bytes>>),
    /// Something that can be opened more than once, such as a file; read on a thread that may block.
    Again(Box<dyn Reopen>),
}

/// Content that can be read from its beginning again.
pub trait Reopen: Send {
    /// Opens it at its beginning.
    fn open(&mut self) -> io::Result<Box<dyn Read + Send>>;
}

impl<F: FnMut() -> io::Result<Box<dyn Read + Send>> + Send> Reopen for F {
    fn open(&mut self) -> io::Result<Box<dyn Read + Send>> {
        self()
    }
}

impl Content {
    /// Content that `open` gives from its beginning, as often as it is asked.
    pub fn again(open: impl FnMut() -> io::Result<Box<dyn Read + Send>> + Send + 'static) -> Self {
        Self::Again(Box::new(open))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Content::Bytes(..)",
            Self::Stream(_) => "Content::Stream(..)",
            Self::Again(_) => "Content::Again(..)",
        })
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A content that is being read.
pub(crate) struct Source {
    /// Bytes that came before `rest`.
    ahead: Bytes,
    rest: Rest,
}

enum Rest {
    Nothing,
    Stream(BoxStream<'static, io::Result<Bytes>>),
    Reader(Box<dyn Read + Send>),
}

impl Source {
    /// Begins to read.
    pub(crate) async fn open(content: Content) -> Result<Self, Refusal> {
        Ok(match content {
            Content::Bytes(ahead) => Self { ahead, rest: Rest::Nothing },
            Content::Stream(stream) => Self { ahead: Bytes::new(), rest: Rest::Stream(stream) },
            Content::Again(mut again) => {
                let reader = blocking(move || again.open()).await?.map_err(failed)?;
                Self { ahead: Bytes::new(), rest: Rest::Reader(reader) }
            }
        })
    }

    /// A stream of which the first bytes have been read already.
    pub(crate) fn resume(ahead: Bytes, stream: BoxStream<'static, io::Result<Bytes>>) -> Self {
        Self { ahead, rest: Rest::Stream(stream) }
    }

    /// Whether the content is shorter than `len`, of which so much is read ahead; a file may say no untried.
    pub(crate) async fn is_shorter_than(&mut self, len: usize) -> Result<bool, Refusal> {
        if self.ahead.len() >= len || matches!(self.rest, Rest::Reader(_)) {
            return Ok(false);
        }
        let piece = self.piece(len).await?;
        let short = piece.len() < len;
        // What came beyond is the rest of one frame.
        self.ahead = if self.ahead.is_empty() { piece } else { [piece, self.ahead.clone()].concat().into() };
        Ok(short)
    }

    /// The next `len` bytes; fewer only at the end.
    pub(crate) async fn piece(&mut self, len: usize) -> Result<Bytes, Refusal> {
        if self.ahead.len() >= len {
            return Ok(self.ahead.split_to(len));
        }
        let mut piece = Vec::from(std::mem::take(&mut self.ahead));
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => {}
            Rest::Stream(mut stream) => {
                self.rest = match fill(&mut piece, len, &mut stream, &mut self.ahead).await.map_err(failed)? {
                    Filled::Full => Rest::Stream(stream),
                    Filled::Ended => Rest::Nothing,
                };
            }
            Rest::Reader(mut reader) => {
                let more = (len - piece.len()) as u64;
                let (read, filled, reader) = blocking(move || {
                    let read = reader.by_ref().take(more).read_to_end(&mut piece);
                    (read, piece, reader)
                })
                .await?;
                self.rest =
                    if read.map_err(failed)? as u64 == more { Rest::Reader(reader) } else { Rest::Nothing };
                piece = filled;
            }
        }
        Ok(piece.into())
    }
}

/// Whether there may be more.
pub(crate) enum Filled {
    Full,
    Ended,
}

/// Adds to `piece` until it has `len` bytes; what came beyond is left in `ahead`.
pub(crate) async fn fill(
    piece: &mut Vec<u8>,
    len: usize,
    stream: &mut BoxStream<'static, io::Result<Bytes>>,
    ahead: &mut Bytes,
) -> io::Result<Filled> {
    while piece.len() < len {
        let Some(next) = stream.next().await else { return Ok(Filled::Ended) };
        let mut next = next?;
        let fits = next.split_to(next.len().min(len - piece.len()));
        piece.extend_from_slice(&fits);
        *ahead = next;
    }
    Ok(Filled::Full)
}

/// A source that failed.
pub(crate) fn failed(error: io::Error) -> Refusal {
    Refusal::new(Code::BadRequest, format!("content: its source failed ({})", error.kind()))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn contents(bytes: &'static [u8]) -> Vec<Content> {
        let pieces = bytes.chunks(3).map(|piece| Ok(Bytes::from_static(piece)));
        vec![
            Content::Bytes(Bytes::from_static(bytes)),
            Content::Stream(stream::iter(pieces.collect::<Vec<_>>()).boxed()),
            Content::again(move || Ok(Box::new(bytes))),
        ]
    }

    #[tokio::test]
    async fn every_content_comes_in_pieces_of_the_length_that_is_asked_for() {
        for content in contents(b"0123456789") {
            let mut source = Source::open(content).await.expect("it opens");
            assert!(!source.is_shorter_than(10).await.expect("it reads"));
            for expected in ["0123", "4567", "89", "", ""] {
                assert_eq!(source.piece(4).await.expect("it reads"), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_piece_that_ends_where_the_content_ends_is_followed_by_nothing() {
        for content in contents(b"01234567") {
            let mut source = Source::open(content).await.expect("it opens");
            for expected in ["01234567", ""] {
                assert_eq!(source.piece(8).await.expect("it reads"), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_source_that_fails_is_refused_without_its_words() {
        let fault = || io::Error::new(io::ErrorKind::PermissionDenied, "/mail/alice/secret plan.txt");
        let stream = stream::iter([Ok(Bytes::from_static(b"begin")), Err(fault())]).boxed();
        for content in [Content::Stream(stream), Content::again(move || Err(fault()))] {
            let refused = match Source::open(content).await {
                Ok(mut source) => source.piece(100).await.expect_err("it fails"),
                Err(refused) => refused,
            };
            assert_eq!(refused.code, Code::BadRequest);
            assert_eq!(refused.detail, "content: its source failed (permission denied)");
        }
    }
}
