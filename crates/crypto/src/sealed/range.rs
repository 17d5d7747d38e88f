//! Opening a range of a message: which bytes to read, and what they hold.

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{CHUNK, HEADER_LEN, MAX_PLAIN_LEN, OpenError, SEALED_CHUNK, sealed_len};
use crate::secret::KEY_LEN;

/// One range of one message: says which bytes of the message to read, then opens them.
///
/// The content's length comes from a row and is not believed: a range that ends where the content is said to
/// end includes the last chunk, even an empty one, so that a cut message is refused there too.
pub struct RangeOpener {
    cipher: Cipher,
    range: Range<u64>,
    /// Numbers of the chunks that hold the range; empty when the range asks for nothing.
    chunks: Range<u64>,
    ciphertext: Range<u64>,
}

impl RangeOpener {
    pub(crate) fn new(
        key: &[u8; KEY_LEN],
        context: &[u8],
        header: &[u8; HEADER_LEN],
        range: Range<u64>,
        plain_len: u64,
    ) -> Result<Self, OpenError> {
        if range.start > range.end || range.end > plain_len || plain_len > MAX_PLAIN_LEN {
            return Err(OpenError::Range);
        }
        let cipher = Cipher::of_header(key, context, header)?;
        let first = range.start / CHUNK as u64;
        let end = if range.end == plain_len {
            plain_len / CHUNK as u64 + 1
        } else if range.is_empty() {
            first
        } else {
            range.end.div_ceil(CHUNK as u64)
        };
        let ciphertext = chunk_start(first)..chunk_start(end).min(sealed_len(plain_len));
        Ok(Self { cipher, range, chunks: first..end, ciphertext })
    }

    /// The bytes of the message to read, counted from the message's first byte.
    pub fn ciphertext(&self) -> Range<u64> {
        self.ciphertext.clone()
    }

    /// Opens what was read; gives exactly the range, or nothing.
    pub fn open(&self, ciphertext: &[u8]) -> Result<Vec<u8>, OpenError> {
        if ciphertext.len() as u64 != self.ciphertext.end - self.ciphertext.start {
            return Err(OpenError::Length);
        }
        let len = usize::try_from(self.range.end - self.range.start).map_err(|_| OpenError::Range)?;
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        let mut scratch = Zeroizing::new(Vec::new());
        for (index, sealed) in self.chunks.clone().zip(pieces(ciphertext)) {
            let plain = sealed.len().checked_sub(SEALED_CHUNK - CHUNK).ok_or(OpenError::Length)?;
            let wanted = self.inside(index, plain);
            if wanted == (0..plain) {
                let start = out.len();
                out.resize(start + plain, 0);
                self.cipher.open(index, sealed, &mut out[start..])?;
            } else {
                scratch.resize(plain, 0);
                self.cipher.open(index, sealed, &mut scratch)?;
                out.extend_from_slice(&scratch[wanted]);
            }
        }
        Ok(std::mem::take(&mut *out))
    }

    /// The part of chunk `index`, of `plain` bytes, that lies in the range.
    fn inside(&self, index: u64, plain: usize) -> Range<usize> {
        let offset = index * CHUNK as u64;
        let clamp = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX).min(plain);
        clamp(self.range.start)..clamp(self.range.end)
    }
}

/// Where a chunk starts in its message.
fn chunk_start(index: u64) -> u64 {
    HEADER_LEN as u64 + index * SEALED_CHUNK as u64
}

fn pieces(ciphertext: &[u8]) -> impl Iterator<Item = &[u8]> {
    ciphertext.chunks(SEALED_CHUNK)
}

impl fmt::Debug for RangeOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangeOpener({:?})", self.range)
    }
}
