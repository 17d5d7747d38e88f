//! `vectors/keys.json`: contexts byte by byte, derivations, lookup tags, wraps, parts and private keys.

use super::*;
use crate::context::Context;
use crate::ec::{Curve, EcPrivate};
use crate::level::{Container, Dek, Dep, Master, Volume};
use crate::place::VaultKeyPlace;
use crate::private::PrivateKey;
use crate::rsa::{RsaPadding, RsaSize};
use crate::{Lookup, SealedPart, Wrapped};

pub(super) fn context(purpose: &str, place: &Value) -> Context {
    match purpose {
        "container-under-dep" => {
            Context::container_under_dep(&container_place(&place["container"]), &dep_place(&place["dep"]))
        }
        "container-under-volume" => Context::container_under_volume(&container_place(&place["container"])),
        "dek" => Context::dek(&part_place(place)),
        "content" => Context::content(&part_place(place)),
        "dep-key" => Context::dep_key(&dep_place(place)),
        "dep-commitment" => Context::dep_commitment(&dep_place(place)),
        "wrap-set-mac" => Context::wrap_set_mac(&dep_place(place)),
        "lookup" => Context::lookup(lookup(place).text()),
        "vault-key" => Context::vault_key(&vault_key_place(place)),
        other => panic!("{other} is no purpose"),
    }
}

fn lookup(value: &Value) -> Lookup {
    match text(value, "use") {
        "name" => Lookup::Name,
        "import" => Lookup::Import,
        other => panic!("{other} is no use"),
    }
}

fn vault_key_place(value: &Value) -> VaultKeyPlace {
    VaultKeyPlace {
        vault: text(value, "vault").to_owned(),
        name: text(value, "name").to_owned(),
        version: array(value, "version"),
    }
}

#[test]
fn known_answers_of_contexts() {
    for case in list(&file("keys.json"), "contexts") {
        let purpose = text(case, "purpose");
        let context = context(purpose, &case["place"]);
        assert_eq!(hex(context.as_bytes()), text(case, "context"), "{purpose}");
    }
}

#[test]
fn known_answers_of_what_a_seed_gives() {
    for case in list(&file("keys.json"), "from_seed") {
        let (seed, place) = (seed(case), dep_place(&case["place"]));
        assert_eq!(hex(seed.dep_key(&place).secret()), text(case, "dep_key"));
        assert_eq!(seed.commitment(&place).to_string(), text(case, "commitment"));
        assert_eq!(hex(&seed.wrap_set_mac_key(&place)), text(case, "wrap_set_mac_key"));
    }
}

#[test]
fn known_answers_of_lookup_tags() {
    for case in list(&file("keys.json"), "lookups") {
        let container: Key<Container> = key(bytes(case, "container_key"));
        let tag = container.lookup_key(lookup(case)).tag(&bytes(case, "bytes"));
        assert_eq!(hex(&tag), text(case, "tag"));
    }
}

#[test]
fn known_answers_of_wraps() {
    for case in list(&file("keys.json"), "wraps") {
        let purpose = text(case, "purpose");
        let (at, salt) = (context(purpose, &case["place"]), Scripted::new([bytes(case, "salt")]));
        let (parent, inner) = (bytes(case, "parent"), bytes(case, "key"));
        let (wrapped, opened) = match purpose {
            "container-under-dep" => {
                let parent: Key<Dep> = seed(case).dep_key(&dep_place(&case["place"]["dep"]));
                let wrapped = parent.wrap(&key::<Container>(inner.clone()), &at, &salt);
                let opened = parent.unwrap(&wrapped, &at).map(|key| key.secret().to_vec());
                (wrapped.as_bytes().to_vec(), opened)
            }
            "container-under-volume" => {
                let parent: Key<Volume> = key(parent);
                let wrapped = parent.wrap(&key::<Container>(inner.clone()), &at, &salt);
                let opened = parent.unwrap(&wrapped, &at).map(|key| key.secret().to_vec());
                (wrapped.as_bytes().to_vec(), opened)
            }
            "dek" => {
                let parent: Key<Container> = key(parent);
                let wrapped = parent.wrap(&key::<Dek>(inner.clone()), &at, &salt);
                let opened = parent.unwrap(&wrapped, &at).map(|key| key.secret().to_vec());
                (wrapped.as_bytes().to_vec(), opened)
            }
            other => panic!("{other} is no wrap"),
        };
        assert_eq!(hex(&wrapped), text(case, "wrapped"), "{purpose}");
        assert_eq!(opened, Ok(inner), "{purpose}");
    }
}

#[test]
fn known_answers_of_sealed_parts() {
    for case in list(&file("keys.json"), "parts") {
        let name = text(case, "name");
        let container: Key<Container> = key(bytes(case, "container_key"));
        let (place, content) = (part_place(&case["place"]), bytes(case, "content"));
        let random =
            || Scripted::new([bytes(case, "dek"), bytes(case, "dek_salt"), bytes(case, "message_salt")]);
        let part = container.seal(&content, &place, &random());
        assert_eq!(hex(part.dek.as_bytes()), text(case, "wrapped_dek"), "{name}");
        assert_eq!(hex(&part.message), text(case, "message"), "{name}");

        let (dek, mut sealer) = container.sealer(&place, &random());
        let mut message = Vec::new();
        sealer.push(&content, &mut message).expect("short");
        sealer.finish(&mut message);
        assert_eq!(SealedPart { dek, message }, part, "{name}: streamed");

        let dek = Wrapped::from_bytes(bytes(case, "wrapped_dek"));
        assert_eq!(container.open(&dek, &bytes(case, "message"), &place), Ok(content), "{name}");
    }
}

#[test]
fn known_answers_of_private_keys() {
    for case in list(&file("keys.json"), "private_keys") {
        let (master, place) = (
            Key::<Master>::from_file(Zeroizing::new(array(case, "master_key"))),
            vault_key_place(&case["place"]),
        );
        let parsed = PrivateKey::from_pkcs8(&bytes(case, "pkcs8")).expect("PKCS#8");
        let wrapped = master.wrap_private(&parsed, &place, &Scripted::new([bytes(case, "salt")]));
        assert_eq!(hex(&wrapped), text(case, "wrapped"));

        let key = master.unwrap_private(&bytes(case, "wrapped"), &place).expect("its own place");
        let key = key.rsa().expect("an RSA key");
        assert_eq!(key.size(), RsaSize::Rsa2048);
        assert_eq!(hex(&key.modulus()), text(case, "modulus"));
        assert_eq!(hex(&key.exponent()), text(case, "exponent"));
        for (name, padding) in [
            ("oaep-256", RsaPadding::Oaep256),
            ("oaep-sha1", RsaPadding::OaepSha1),
            ("pkcs1-v1.5", RsaPadding::Pkcs1v15),
        ] {
            let opened = key.unwrap(padding, &bytes(&case["wraps_of_a_seed"], name)).expect(name);
            assert_eq!(opened[..], bytes(case, "seed"), "{name}");
        }
    }
}

#[test]
fn known_answers_of_private_keys_on_curves() {
    for case in list(&file("curve-keys.json"), "private_keys") {
        let name = text(case, "curve");
        let curve = match name {
            "P-256" => Curve::P256,
            "P-256K" => Curve::P256K,
            "P-384" => Curve::P384,
            "P-521" => Curve::P521,
            other => panic!("{other} is no curve"),
        };
        let (master, place) = (
            Key::<Master>::from_file(Zeroizing::new(array(case, "master_key"))),
            vault_key_place(&case["place"]),
        );
        let (d, x, y) = (bytes(case, "d"), bytes(case, "x"), bytes(case, "y"));
        let built = PrivateKey::from(EcPrivate::from_parts(curve, &d, &x, &y).expect(name));
        let wrapped = master.wrap_private(&built, &place, &Scripted::new([bytes(case, "salt")]));
        assert_eq!(hex(&wrapped), text(case, "wrapped"), "{name}");

        let key = master.unwrap_private(&bytes(case, "wrapped"), &place).expect("its own place");
        assert_eq!(hex(&key.to_pkcs8()), text(case, "pkcs8"), "{name}");
        let PrivateKey::Ec(key) = key else { panic!("{name} is a curve") };
        assert_eq!((key.curve(), key.point()), (curve, (x, y)), "{name}");
        assert_eq!(key.verify(&bytes(case, "digest"), &bytes(case, "signature")), Ok(true), "{name}");
    }
}
