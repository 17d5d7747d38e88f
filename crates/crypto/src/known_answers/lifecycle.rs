//! `vectors/revocation-leaves-contexts.json`: revoke, restore, refresh, replace; and nothing below the seed changes.

use std::collections::HashSet;

use super::keys::context;
use super::*;
use crate::{WrapSet, Wrapped};

#[test]
fn known_answers_of_a_lifecycle_in_which_no_context_and_no_key_changes() {
    let file = file("revocation-leaves-contexts.json");
    let (place, places) = (dep_place(&file["place"]), file["places"].as_object().expect("places"));
    let content_place = part_place(&places["content"]);
    let steps = list(&file, "steps");
    let mut sets = HashSet::new();
    for step in steps {
        let name = text(step, "step");
        // What a root key gives back at this step is the same seed, whatever its version is called.
        let seed = seed(&file);
        let set = WrapSet::from_bytes(&bytes(step, "wrap_set")).expect(name);
        assert_eq!(set.slots, slots(step), "{name}");
        let dep_key = set.check(&seed, &place).expect(name);
        assert_eq!(hex(dep_key.secret()), text(&steps[0], "dep_key"), "{name}");
        assert_eq!(set.commitment.to_string(), text(&steps[0], "commitment"), "{name}");
        for (purpose, place) in places {
            let context = hex(context(purpose, place).as_bytes());
            assert_eq!(context, text(&step["contexts"], purpose), "{name}: {purpose}");
            assert_eq!(context, text(&steps[0]["contexts"], purpose), "{name}: {purpose}");
        }

        // What was written before the revocation still opens, from the bytes that were stored then.
        let container = dep_key
            .unwrap(
                &Wrapped::from_bytes(bytes(&file, "wrapped_container_key")),
                &context("container-under-dep", &places["container-under-dep"]),
            )
            .expect(name);
        let dek = Wrapped::from_bytes(bytes(&file, "wrapped_dek"));
        let opened = container.open(&dek, &bytes(&file, "message"), &content_place);
        assert_eq!(opened, Ok(bytes(&file, "content")), "{name}");

        let again = WrapSet::new(place, text(step, "preset").to_owned(), slots(step), &seed).expect(name);
        assert_eq!(again, set, "{name}");
        sets.insert(text(step, "wrap_set"));
    }
    // The epoch moved and the sets changed, or this lifecycle would show nothing.
    let epochs: HashSet<u64> = steps.iter().map(|step| number(step, "revocation_epoch")).collect();
    assert_eq!((epochs.len(), sets.len()), (4, 4));
}
