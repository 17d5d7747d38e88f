//! `vectors/wrap-set.json`: the set's bytes, and which of four verdicts stored bytes and a seed get.

use super::*;
use crate::{WrapSet, WrapSetFault};

#[test]
fn known_answers_of_wrap_sets() {
    for case in list(&file("wrap-set.json"), "sets") {
        let name = text(case, "name");
        let (place, seed) = (dep_place(&case["place"]), seed(case));
        let set = WrapSet::new(place, text(case, "preset").to_owned(), slots(case), &seed).expect(name);
        assert_eq!(set.commitment.to_string(), text(case, "commitment"), "{name}");
        assert_eq!(hex(&set.mac), text(case, "mac"), "{name}");
        assert_eq!(hex(&set.to_bytes()), text(case, "bytes"), "{name}");
        assert_eq!(WrapSet::from_bytes(&bytes(case, "bytes")), Ok(set), "{name}");
    }
}

#[test]
fn known_answers_of_damaged_and_lying() {
    for case in list(&file("wrap-set.json"), "verdicts") {
        let found = match WrapSet::from_bytes(&bytes(case, "bytes")) {
            Err(_) => "damaged",
            Ok(set) => match set.check(&seed(case), &dep_place(&case["place"])) {
                Ok(_) => "opens",
                Err(WrapSetFault::Damaged) => "damaged",
                Err(WrapSetFault::Lying) => "lying",
            },
        };
        assert_eq!(found, text(case, "verdict"), "{}", text(case, "name"));
    }
}
