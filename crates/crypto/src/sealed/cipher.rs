//! One message's cipher: derived from key, salt and context; seals and opens single chunks.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use super::{COMMITMENT_LEN, HEADER_LEN, MAX_CHUNKS, OpenError, SALT_LEN, TAG};
use crate::derive;
use crate::digest;
use crate::random::Random;
use crate::secret::KEY_LEN;

/// Everything that is derived for one message; the AES key schedule is made once.
pub(super) struct Cipher {
    key: LessSafeKey,
    base_nonce: [u8; NONCE_LEN],
}

impl Cipher {
    /// A cipher under a fresh salt, with the header that says how to derive it again.
    pub(super) fn fresh(
        key: &[u8; KEY_LEN],
        context: &[u8],
        random: &dyn Random,
    ) -> (Self, [u8; HEADER_LEN]) {
        let mut salt = [0; SALT_LEN];
        random.fill(&mut salt);
        let derived = Derived::of(key, &salt, context);
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(&salt);
        header[SALT_LEN..].copy_from_slice(derived.commitment());
        (derived.cipher(), header)
    }

    /// The cipher of an existing message, once the header's commitment has been checked.
    pub(super) fn of_header(
        key: &[u8; KEY_LEN],
        context: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, OpenError> {
        let (salt, commitment) = header.split_first_chunk::<SALT_LEN>().expect("a header starts with a salt");
        let derived = Derived::of(key, salt, context);
        if digest::same(derived.commitment(), commitment) {
            Ok(derived.cipher())
        } else {
            Err(OpenError::Header)
        }
    }

    /// Seals a chunk into `out`, which is longer by one tag.
    pub(super) fn seal(&self, index: u64, plain: &[u8], out: &mut [u8]) {
        assert!(index < MAX_CHUNKS, "a message's length is checked before its chunks are sealed");
        let (sealed, tag) = out.split_at_mut(plain.len());
        self.key
            .seal_out_of_place_scatter(self.nonce(index), Aad::empty(), plain, sealed, &[], tag)
            .expect("AES-GCM seals every chunk of 16 KiB or less into a buffer of the right length");
    }

    /// Opens a chunk into `out`, which is shorter by one tag; on failure `out` is all zeros.
    pub(super) fn open(&self, index: u64, sealed: &[u8], out: &mut [u8]) -> Result<(), OpenError> {
        let refused = OpenError::Chunk(index);
        let opened = match sealed.split_last_chunk::<TAG>() {
            Some((body, tag)) if index < MAX_CHUNKS => self
                .key
                .open_separate_gather(self.nonce(index), Aad::empty(), body, tag, out)
                .map_err(|_| refused),
            _ => Err(refused),
        };
        if opened.is_err() {
            // aws-lc does so today; not left to it.
            out.zeroize();
        }
        opened
    }

    /// A cipher of a published test vector.
    #[cfg(test)]
    pub(super) fn of_vector(key: &[u8; KEY_LEN], base_nonce: [u8; NONCE_LEN]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has the length of AES-256");
        Self { key: LessSafeKey::new(key), base_nonce }
    }

    /// Base nonce XOR chunk number, both as 96-bit big-endian numbers.
    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        for (byte, of_index) in nonce[NONCE_LEN - size_of::<u64>()..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= of_index;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        self.base_nonce.zeroize();
    }
}

/// `key(32) ‖ base nonce(12) ‖ commitment(32)`, as they come out of the derivation.
pub(super) struct Derived(Zeroizing<[u8; DERIVED_LEN]>);

const DERIVED_LEN: usize = KEY_LEN + NONCE_LEN + COMMITMENT_LEN;
/// The format's label, the AEAD's registered name, and the zero byte that ends them.
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

impl Derived {
    pub(super) fn of(key: &[u8; KEY_LEN], salt: &[u8; SALT_LEN], context: &[u8]) -> Self {
        let mut out = Zeroizing::new([0; DERIVED_LEN]);
        derive::expand(key, &[LABEL, salt, context], out.as_mut());
        Self(out)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0[..KEY_LEN]
    }

    pub(super) fn base_nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&self.0[KEY_LEN..KEY_LEN + NONCE_LEN]);
        nonce
    }

    pub(super) fn commitment(&self) -> &[u8] {
        &self.0[KEY_LEN + NONCE_LEN..]
    }

    fn cipher(&self) -> Cipher {
        let key = UnboundKey::new(&AES_256_GCM, self.key()).expect("the key has the length of AES-256");
        Cipher { key: LessSafeKey::new(key), base_nonce: self.base_nonce() }
    }
}
