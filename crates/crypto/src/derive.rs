//! Key derivation: HKDF with SHA-512, the one construction behind every derived key.
//!
//! Two forms. `expand` takes a uniformly random 32-byte key as it is, as the sealed format does; `hkdf` runs
//! the extract step first, for the seed, so that any library's HKDF can repeat what is derived from it.

use aws_lc_rs::hkdf;

use crate::secret::Secret;

/// HKDF-Expand-SHA-512 alone: `key` must be uniformly random.
pub(crate) fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    fill(&hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, key), info, out);
}

/// HKDF-SHA-512, extract and expand, of a fixed salt.
pub(crate) fn hkdf(salt: &[u8], key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    fill(&hkdf::Salt::new(hkdf::HKDF_SHA512, salt).extract(key), info, out);
}

/// A 32-byte secret from [`hkdf`], written where it stays.
pub(crate) fn hkdf_secret(salt: &[u8], key: &[u8], info: &[u8]) -> Secret {
    Secret::build(|out| hkdf(salt, key, &[info], out))
}

fn fill(prk: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) {
    prk.expand(info, Length(out.len())).and_then(|okm| okm.fill(out)).expect(
        "expanding fails only beyond 255 blocks of 64 bytes, and no derivation here asks for two hundred",
    );
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
