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
