//! Sealing a message piece by piece, with one chunk in memory.

use std::fmt;

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{CHUNK, HEADER_LEN, MAX_PLAIN_LEN, SEALED_CHUNK, TAG, TooLong};
use crate::random::Random;
use crate::secret::KEY_LEN;

/// Seals one message from content that arrives in pieces of any size.
///
/// What [`Sealer::push`] and [`Sealer::finish`] append to their buffers, one after the other, *is* the message,
/// header included, whatever the sizes of the pieces. A message that was never finished does not open.
pub struct Sealer {
    cipher: Cipher,
    header: [u8; HEADER_LEN],
    started: bool,
    /// Content pushed so far; chunk `pushed / CHUNK` is the one being filled.
    pushed: u64,
    /// The chunk being filled, always shorter than a full one.
    pending: Zeroizing<Vec<u8>>,
}

impl Sealer {
    pub(crate) fn new(key: &[u8; KEY_LEN], context: &[u8], random: &dyn Random) -> Self {
        let (cipher, header) = Cipher::fresh(key, context, random);
        // Made with its full capacity, so that it never moves and leaves plaintext behind.
        let pending = Zeroizing::new(Vec::with_capacity(CHUNK));
        Self { cipher, header, started: false, pushed: 0, pending }
    }

    /// The message's header, for a row that keeps it beside the blob; it is also the message's first bytes.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// Takes more content and appends what is ready of the message to `out`.
    ///
    /// Fails, without taking anything, when the message would pass [`MAX_PLAIN_LEN`].
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
        let total = self.pushed.checked_add(content.len() as u64).filter(|total| *total <= MAX_PLAIN_LEN);
        let total = total.ok_or(TooLong)?;
        self.start(out);
        let mut index = self.pushed / CHUNK as u64;
        let mut rest = content;
        if !self.pending.is_empty() {
            let (taken, left) = rest.split_at(rest.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(taken);
            rest = left;
            if self.pending.len() == CHUNK {
                append(&self.cipher, index, &self.pending, out);
                index += 1;
                self.pending.clear();
            }
        }
        let (chunks, left) = rest.as_chunks::<CHUNK>();
        out.reserve(chunks.len() * SEALED_CHUNK);
        for chunk in chunks {
            append(&self.cipher, index, chunk, out);
            index += 1;
        }
        self.pending.extend_from_slice(left);
        self.pushed = total;
        Ok(())
    }

    /// Appends the last chunk, which is shorter than the others and may be empty.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.start(out);
        append(&self.cipher, self.pushed / CHUNK as u64, &self.pending, out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            out.extend_from_slice(&self.header);
            self.started = true;
        }
    }

    /// A sealer that has already taken `pushed` bytes, to test the bound without sealing petabytes.
    #[cfg(test)]
    pub(super) fn after(mut self, pushed: u64) -> Self {
        self.pushed = pushed;
        self
    }
}

fn append(cipher: &Cipher, index: u64, plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + plain.len() + TAG, 0);
    cipher.seal(index, plain, &mut out[start..]);
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(after {} bytes)", self.pushed)
    }
}
