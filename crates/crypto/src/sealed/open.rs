//! Opening a message piece by piece, with one chunk in memory.

use std::fmt;

use zeroize::Zeroize;

use super::cipher::Cipher;
use super::{CHUNK, HEADER_LEN, OpenError, SEALED_CHUNK, TAG};
use crate::secret::Secret;

/// Opens one message that arrives in pieces of any size, from its first byte on.
///
/// Content is appended chunk by chunk, each only after the commitment and its own tag were checked. Only
/// [`Opener::finish`] says that nothing was cut off: until then what came out is an authentic beginning.
pub struct Opener {
    state: State,
    /// The header or the chunk that is still arriving, shorter than a whole one.
    pending: Vec<u8>,
    next: u64,
}

enum State {
    Header { key: Secret, context: Vec<u8> },
    Chunks(Cipher),
    Failed(OpenError),
}

impl Opener {
    pub(crate) fn new(key: Secret, context: &[u8]) -> Self {
        let state = State::Header { key, context: context.to_vec() };
        Self { state, pending: Vec::with_capacity(SEALED_CHUNK), next: 0 }
    }

    /// Takes more of the message and appends the content of every chunk that is complete.
    ///
    /// After a failure every further call fails the same way.
    pub fn push(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let opened = self.try_push(message, out);
        if let Err(error) = opened {
            self.state = State::Failed(error);
        }
        opened
    }

    /// Opens the last chunk and says whether the message was whole.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        match &self.state {
            State::Chunks(cipher) if self.pending.len() >= TAG => {
                append(cipher, self.next, &self.pending, out)
            }
            State::Chunks(_) | State::Header { .. } => Err(OpenError::Length),
            State::Failed(error) => Err(*error),
        }
    }

    fn try_push(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let mut rest = message;
        if let State::Header { key, context } = &self.state {
            rest = fill(&mut self.pending, HEADER_LEN, rest);
            let Some(header) = self.pending.first_chunk::<HEADER_LEN>() else { return Ok(()) };
            self.state = State::Chunks(Cipher::of_header(key.expose(), context, header)?);
            self.pending.clear();
        }
        let cipher = match &self.state {
            State::Chunks(cipher) => cipher,
            State::Failed(error) => return Err(*error),
            State::Header { .. } => return Ok(()),
        };
        if !self.pending.is_empty() {
            rest = fill(&mut self.pending, SEALED_CHUNK, rest);
            if self.pending.len() < SEALED_CHUNK {
                return Ok(());
            }
            append(cipher, self.next, &self.pending, out)?;
            self.next += 1;
            self.pending.clear();
        }
        // A full chunk is never the last one, so it can be opened without looking ahead.
        let (chunks, left) = rest.as_chunks::<SEALED_CHUNK>();
        out.reserve(chunks.len() * CHUNK);
        for chunk in chunks {
            append(cipher, self.next, chunk, out)?;
            self.next += 1;
        }
        self.pending.extend_from_slice(left);
        Ok(())
    }

    /// An opener that has its header and expects chunk `next`, to test the counter's bound.
    #[cfg(test)]
    pub(super) fn at(mut self, next: u64) -> Self {
        self.next = next;
        self
    }
}

/// Moves bytes from `from` until `pending` has `len`; gives back what is left.
fn fill<'a>(pending: &mut Vec<u8>, len: usize, from: &'a [u8]) -> &'a [u8] {
    let (taken, left) = from.split_at(from.len().min(len - pending.len()));
    pending.extend_from_slice(taken);
    left
}

fn append(cipher: &Cipher, index: u64, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
    let start = out.len();
    out.resize(start + sealed.len() - TAG, 0);
    let opened = cipher.open(index, sealed, &mut out[start..]);
    if opened.is_err() {
        out[start..].zeroize();
        out.truncate(start);
    }
    opened
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener(after {} chunks)", self.next)
    }
}
