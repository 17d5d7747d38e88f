//! Damaged and lying told apart, and a codec that hostile bytes neither crash nor pass.

use proptest::prelude::*;

use super::*;
use crate::random::Random;
use crate::testing::SeededRandom;

const PLACE: DepPlace = DepPlace { tenant: [1; 16], dep: [2; 16], generation: 3 };

fn slots() -> Vec<Slot> {
    let slot = |host: &str, directory, fill| Slot {
        key_identifier: format!("https://{host}/keys/root/0123456789abcdef0123456789abcdef"),
        directory,
        wrapped: vec![fill; 256],
    };
    vec![
        slot("a.vault.localhost", Some([7; 16]), 0xa1),
        slot("b.vault.localhost", Some([8; 16]), 0xb2),
        slot("c.availability.localhost", None, 0xc3),
    ]
}

fn set() -> (WrapSet, Seed) {
    let seed = Seed::generate(&SeededRandom::new(1));
    (WrapSet::new(PLACE, "outage-only".to_owned(), slots(), &seed).expect("a sound set"), seed)
}

fn verdict(set: &WrapSet, seed: &Seed) -> Result<(), WrapSetFault> {
    set.check(seed, &PLACE).map(|_| ())
}

#[test]
fn the_right_seed_opens_the_dep_key() {
    let (set, seed) = set();
    let key = set.check(&seed, &PLACE).expect("sound set, right seed");
    assert_eq!(key.secret(), seed.dep_key(&PLACE).secret());
}

#[test]
fn a_sound_set_and_another_seed_is_a_lie() {
    let (set, _) = set();
    let random = SeededRandom::new(2);
    for _ in 0..10 {
        assert_eq!(verdict(&set, &Seed::generate(&random)), Err(WrapSetFault::Lying));
    }
}

#[test]
fn every_altered_field_is_damage_and_accuses_no_vault() {
    let (good, seed) = set();
    let mut altered: Vec<(&str, WrapSet)> = Vec::new();
    let mut alter = |what, change: &dyn Fn(&mut WrapSet)| {
        let mut set = good.clone();
        change(&mut set);
        altered.push((what, set));
    };
    alter("preset", &|set| set.preset = "outage-and-system".to_owned());
    alter("tenant", &|set| set.place.tenant[0] ^= 1);
    alter("dep", &|set| set.place.dep[0] ^= 1);
    alter("generation", &|set| set.place.generation += 1);
    alter("key identifier", &|set| set.slots[1].key_identifier = "https://stranger/keys/k/1".to_owned());
    alter("directory", &|set| set.slots[0].directory = Some([9; 16]));
    alter("no directory", &|set| set.slots[0].directory = None);
    alter("wrap", &|set| set.slots[2].wrapped[17] ^= 1);
    alter("order of slots", &|set| set.slots.swap(0, 1));
    alter("one slot less", &|set| drop(set.slots.pop()));
    alter("mac", &|set| set.mac[31] ^= 1);
    alter("commitment", &|set| {
        let mut bytes = *set.commitment.as_bytes();
        bytes[0] ^= 1;
        set.commitment = Commitment::from_bytes(bytes);
    });
    for (what, set) in altered {
        assert_eq!(verdict(&set, &seed), Err(WrapSetFault::Damaged), "{what}");
    }
}

#[test]
fn a_set_found_in_another_place_is_damage() {
    let (set, seed) = set();
    for place in [
        DepPlace { tenant: [9; 16], ..PLACE },
        DepPlace { dep: [9; 16], ..PLACE },
        DepPlace { generation: 4, ..PLACE },
    ] {
        assert_eq!(set.check(&seed, &place).err(), Some(WrapSetFault::Damaged), "{place:?}");
    }
}

#[test]
fn a_set_found_in_another_place_accuses_no_vault_whatever_the_vault_says() {
    let stranger = Seed::generate(&SeededRandom::new(5));
    let elsewhere = DepPlace { generation: 4, ..PLACE };
    assert_eq!(set().0.check(&stranger, &elsewhere).err(), Some(WrapSetFault::Damaged));
}

#[test]
fn a_set_that_was_given_to_another_seed_without_its_commitment_is_damage() {
    let (mut set, _) = set();
    let stranger = Seed::generate(&SeededRandom::new(3));
    set.mac = set.mac_under(&stranger);
    assert_eq!(verdict(&set, &stranger), Err(WrapSetFault::Damaged));
}

#[test]
fn when_two_fields_are_damaged_the_second_vault_clears_the_first() {
    let (mut set, seed) = set();
    set.commitment = Commitment::from_bytes([0; 32]);
    set.preset = "never".to_owned();
    // One answer alone looks like a lie; the same answer from an independent vault shows that it is none.
    assert_eq!(verdict(&set, &seed), Err(WrapSetFault::Lying));
    let from_the_other =
        Seed::from_unwrapped(zeroize::Zeroizing::new(seed.expose().to_vec())).expect("32 bytes");
    assert!(seed.agrees_with(&from_the_other));
    assert!(!seed.agrees_with(&Seed::generate(&SeededRandom::new(4))));
}

#[test]
fn a_set_survives_its_bytes() {
    let (set, seed) = set();
    let bytes = set.to_bytes();
    assert!(bytes.len() <= WrapSet::MAX_LEN);
    let again = WrapSet::from_bytes(&bytes).expect("our own bytes");
    assert_eq!(again, set);
    assert_eq!(verdict(&again, &seed), Ok(()));
}

#[test]
fn fields_that_could_not_be_read_back_are_refused_at_once() {
    let seed = Seed::generate(&SeededRandom::new(1));
    let make = |preset: &str, change: &dyn Fn(&mut Vec<Slot>)| {
        let mut slots = slots();
        change(&mut slots);
        WrapSet::new(PLACE, preset.to_owned(), slots, &seed)
    };
    assert!(make("outage-only", &|_| ()).is_ok());
    assert!(make("", &|_| ()).is_err());
    assert!(make(&"x".repeat(WrapSet::MAX_PRESET + 1), &|_| ()).is_err());
    assert!(make("p", &|slots| drop(slots.pop())).is_err());
    assert!(make("p", &|slots| slots.push(slots[0].clone())).is_err());
    assert!(make("p", &|slots| slots[0].key_identifier.clear()).is_err());
    assert!(make("p", &|slots| slots[0].key_identifier = "k".repeat(70_000)).is_err());
    assert!(make("p", &|slots| slots[0].wrapped.clear()).is_err());
    assert!(make("p", &|slots| slots[0].wrapped = vec![0; Slot::MAX_WRAPPED + 1]).is_err());
    let largest = make(&"p".repeat(WrapSet::MAX_PRESET), &|slots| {
        for slot in slots {
            slot.key_identifier = "k".repeat(Slot::MAX_KEY_IDENTIFIER);
            slot.directory = Some([0; 16]);
            slot.wrapped = vec![0; Slot::MAX_WRAPPED];
        }
    })
    .expect("every field at its bound");
    assert_eq!(largest.to_bytes().len(), WrapSet::MAX_LEN);
    assert!(WrapSet::from_bytes(&largest.to_bytes()).is_ok());
}

#[test]
fn a_newer_version_is_named_and_not_guessed_at() {
    let mut bytes = set().0.to_bytes();
    bytes[9] = 2;
    assert_eq!(WrapSet::from_bytes(&bytes), Err(NotAWrapSet::Version(2)));
    bytes[0] = b'X';
    assert_eq!(WrapSet::from_bytes(&bytes), Err(NotAWrapSet::Magic));
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused_before_a_vault_is_asked() {
    let good = set().0.to_bytes();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        assert!(WrapSet::from_bytes(&bytes).is_err(), "byte {at}");
        assert!(WrapSet::from_bytes(&good[..at]).is_err(), "cut at {at}");
    }
    assert!(WrapSet::from_bytes(&[&good[..], &[0]].concat()).is_err());
}

#[test]
fn debug_shows_no_wrap() {
    let set = set().0;
    let slot = "Slot(https://a.vault.localhost/keys/root/0123456789abcdef0123456789abcdef, 256 bytes)";
    assert_eq!(format!("{:?}", set.slots[0]), slot);
    let text = format!("{set:?}");
    assert!(text.contains(slot) && text.ends_with(", .. }"), "{text}");
    assert!(!text.contains("161, 161"), "{text}");
}

/// A forger knows the format and puts the checksum right again.
fn with_checksum(mut body_and_mac: Vec<u8>) -> Vec<u8> {
    let checksum = digest::sha256(&body_and_mac);
    body_and_mac.extend_from_slice(&checksum);
    body_and_mac
}

#[test]
fn a_form_that_is_not_canonical_is_refused_although_its_checksum_is_right() {
    let bytes = set().0.to_bytes();
    let body_and_mac = &bytes[..bytes.len() - 32];
    assert!(WrapSet::from_bytes(&with_checksum(body_and_mac.to_vec())).is_ok());
    let refused = |what, bytes: Vec<u8>| {
        assert_eq!(WrapSet::from_bytes(&with_checksum(bytes)), Err(NotAWrapSet::Malformed(what)), "{what}");
    };
    refused("bytes after the end", [body_and_mac, &[0]].concat());
    refused("too long", [body_and_mac, &vec![0; WrapSet::MAX_LEN]].concat());

    // The preset's length stands after mark, version and place; then preset, number of slots, first slot.
    let (preset, first) = (46, 46 + 2 + "outage-only".len());
    let edited = |at: usize, value: u8| {
        let mut bytes = body_and_mac.to_vec();
        bytes[at] = value;
        bytes
    };
    refused("there are not three slots", edited(first, 2));
    refused("text that is not UTF-8", edited(preset + 2, 0xff));
    let directory = first + 1 + 2 + slots()[0].key_identifier.len();
    assert_eq!(body_and_mac[directory], 1);
    refused("a directory mark that is neither 0 nor 1", edited(directory, 2));
    let mut no_preset = body_and_mac.to_vec();
    no_preset.splice(preset..first, [0, 0]);
    refused("the preset is empty or too long", no_preset);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(WrapSet::from_bytes(&bytes).is_err());
        let with_start = [b"FHWRAPS\0\0\x01".as_slice(), &bytes].concat();
        prop_assert!(WrapSet::from_bytes(&with_start).is_err());
        // With a right checksum the parser itself is reached.
        if let Ok(set) = WrapSet::from_bytes(&with_checksum(with_start)) {
            prop_assert!(verdict(&set, &Seed::generate(&SeededRandom::new(1))).is_err());
        }
    }

    #[test]
    fn a_forger_who_mends_the_checksum_still_gets_nothing_open(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in 0usize..3, random_seed in any::<u64>(),
    ) {
        let (good, seed) = set();
        let bytes = good.to_bytes();
        let mut body = bytes[..bytes.len() - 32 - cut].to_vec();
        for (at, value) in edits {
            let at = at.index(body.len());
            body[at] = value;
        }
        prop_assume!(body != bytes[..bytes.len() - 32]);
        if let Ok(set) = WrapSet::from_bytes(&with_checksum(body.clone())) {
            prop_assert_eq!(&set.to_bytes()[..body.len()], &body[..], "one set, one form");
            prop_assert!(verdict(&set, &seed).is_err());
            let mut noise = [0; 32];
            SeededRandom::new(random_seed).fill(&mut noise);
            let other = Seed::from_unwrapped(zeroize::Zeroizing::new(noise.to_vec())).expect("32 bytes");
            prop_assert!(verdict(&set, &other).is_err());
        }
    }
}
