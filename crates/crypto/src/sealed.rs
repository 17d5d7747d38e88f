//! The one sealed format for content and wraps alike: C2SP chunked encryption with AES-256-GCM (Cobblestone-256).
//!
//! `message = salt(24) ‖ commitment(32) ‖ chunks`; a chunk is 16 KiB of plaintext and its tag, the last one is
//! always shorter and may be empty. `spec/sealed-format.md` has every byte. A message is immutable: each is
//! made whole, with a fresh salt, and no function here takes a salt, a nonce, or a message to modify.
//!
//! This file owns the sizes, the errors and the one-shot forms; `cipher` derives and seals chunks, `seal`,
//! `open` and `range` are the streaming and random-access forms.

mod cipher;
mod open;
mod range;
mod seal;

pub use open::Opener;
pub use range::RangeOpener;
pub use seal::Sealer;

use zeroize::Zeroize;

use crate::random::Random;
use crate::secret::KEY_LEN;
use cipher::Cipher;

const SALT_LEN: usize = 24;
const COMMITMENT_LEN: usize = 32;
/// Plaintext of a full chunk.
const CHUNK: usize = 16 * 1024;
const TAG: usize = 16;
/// A full chunk with its tag.
const SEALED_CHUNK: usize = CHUNK + TAG;
/// Chunks of one message, at most: the format's bound on its counter.
const MAX_CHUNKS: u64 = 1 << 38;

/// The length of a message's header: salt and commitment.
pub const HEADER_LEN: usize = SALT_LEN + COMMITMENT_LEN;

/// The longest plaintext of one message: 2^38 chunks, of which the last is not full; just below 4 PiB.
pub const MAX_PLAIN_LEN: u64 = MAX_CHUNKS * CHUNK as u64 - 1;

/// The length of the message that seals `plain` bytes.
///
/// Exact up to [`MAX_PLAIN_LEN`]; longer plaintexts have no message.
pub const fn sealed_len(plain: u64) -> u64 {
    let chunks = plain / CHUNK as u64 + 1;
    plain.saturating_add(HEADER_LEN as u64 + chunks * TAG as u64)
}

/// The length of the plaintext in a message of `sealed` bytes; none has a length that gives `None`.
const fn plain_len(sealed: u64) -> Option<u64> {
    let Some(body) = sealed.checked_sub(HEADER_LEN as u64) else { return None };
    let (full, last) = (body / SEALED_CHUNK as u64, body % SEALED_CHUNK as u64);
    match last.checked_sub(TAG as u64) {
        Some(last) if full < MAX_CHUNKS => Some(full * CHUNK as u64 + last),
        _ => None,
    }
}

/// Why a message or a wrap did not open; nothing of what failed was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No message has this length: it was cut, or something was appended.
    #[error("the sealed bytes have a length that no message has")]
    Length,
    /// The commitment does not match: another key, another place, or a changed header.
    #[error("the header does not match the key and the place")]
    Header,
    /// A chunk's tag does not match: it was changed, moved, or the message was cut there.
    #[error("chunk {0} is not what was sealed")]
    Chunk(u64),
    /// The range does not lie in the content.
    #[error("the range is not inside the content")]
    Range,
    /// What was sealed here is authentic, but is not a key of the expected kind.
    #[error("what was sealed is not a key of the expected kind")]
    NotAKey,
}

/// More content than one message can hold ([`MAX_PLAIN_LEN`]); nothing of the refused piece was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one message holds less than 4 PiB")]
pub struct TooLong;

/// Seals a plaintext in memory under a fresh salt.
pub(crate) fn seal(key: &[u8; KEY_LEN], context: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
    let mut message = Vec::new();
    seal_into(key, context, plain, random, &mut message);
    message
}

/// Seals into a buffer that may be used again: its old content is overwritten and its length set.
pub(crate) fn seal_into(
    key: &[u8; KEY_LEN],
    context: &[u8],
    plain: &[u8],
    random: &dyn Random,
    message: &mut Vec<u8>,
) {
    let len =
        usize::try_from(sealed_len(plain.len() as u64)).expect("a slice in memory is far below the bound");
    set_len(message, len);
    let (header, body) = message.split_first_chunk_mut::<HEADER_LEN>().expect("every message has a header");
    let (cipher, fresh) = Cipher::fresh(key, context, random);
    *header = fresh;
    let (chunks, last) = plain.as_chunks::<CHUNK>();
    let (bodies, tail) = body.as_chunks_mut::<SEALED_CHUNK>();
    for (index, (chunk, out)) in (0..).zip(chunks.iter().zip(bodies)) {
        cipher.seal(index, chunk, out);
    }
    cipher.seal(chunks.len() as u64, last, tail);
}

/// Gives a buffer its length. A buffer that has it already is not zeroed for nothing, and one that is too
/// small is not copied.
fn set_len(buffer: &mut Vec<u8>, len: usize) {
    if buffer.capacity() < len {
        *buffer = vec![0; len];
    } else {
        buffer.resize(len, 0);
    }
}

/// Opens a whole message into exactly its plaintext's length; on failure `plain` is all zeros.
pub(crate) fn open_into(
    key: &[u8; KEY_LEN],
    context: &[u8],
    message: &[u8],
    plain: &mut [u8],
) -> Result<(), OpenError> {
    let opened = try_open_into(key, context, message, plain);
    if opened.is_err() {
        plain.zeroize();
    }
    opened
}

fn try_open_into(
    key: &[u8; KEY_LEN],
    context: &[u8],
    message: &[u8],
    plain: &mut [u8],
) -> Result<(), OpenError> {
    if plain_len(message.len() as u64) != Some(plain.len() as u64) {
        return Err(OpenError::Length);
    }
    let (header, body) = message.split_first_chunk::<HEADER_LEN>().ok_or(OpenError::Length)?;
    let cipher = Cipher::of_header(key, context, header)?;
    let (bodies, tail) = body.as_chunks::<SEALED_CHUNK>();
    let (chunks, last) = plain.as_chunks_mut::<CHUNK>();
    for (index, (sealed, out)) in (0..).zip(bodies.iter().zip(chunks)) {
        cipher.open(index, sealed, out)?;
    }
    cipher.open(bodies.len() as u64, tail, last)
}

/// Opens a whole message into a buffer that may be used again; on failure the buffer is empty.
pub(crate) fn open(
    key: &[u8; KEY_LEN],
    context: &[u8],
    message: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), OpenError> {
    let len = plain_len(message.len() as u64).and_then(|len| usize::try_from(len).ok());
    let opened = match len {
        Some(len) => {
            set_len(plain, len);
            open_into(key, context, message, plain)
        }
        None => Err(OpenError::Length),
    };
    if opened.is_err() {
        plain.zeroize();
    }
    opened
}

/// Key, base nonce and commitment, to compare with a published answer.
#[cfg(test)]
pub(crate) fn derived(key: &[u8; KEY_LEN], salt: &[u8; SALT_LEN], context: &[u8]) -> Vec<u8> {
    let derived = cipher::Derived::of(key, salt, context);
    [derived.key(), &derived.base_nonce(), derived.commitment()].concat()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof_tests;
