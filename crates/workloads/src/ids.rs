//! Object ids in order of arrival: UUIDs of version 7 that grow for as long as the engine lives.
//!
//! Owns the one place where object ids are made. A list in id order is then the order in which objects came,
//! and what arrives during a listing comes after its cursor (spec/objects.md, 1).

use std::sync::{Mutex, PoisonError};

use crypto::Random;
use model::id::ObjectId;
use model::time::Timestamp;

/// Gives out ids, each greater than the one before.
#[derive(Debug, Default)]
pub(crate) struct Ids(Mutex<Last>);

/// Milliseconds and the number within them of the id that was given out last.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    millis: u64,
    number: u16,
}

/// Ids that fit into one millisecond; the next one borrows from the following.
const PER_MILLI: u16 = 1 << 12;

impl Ids {
    /// The next id; a clock that was set back does not make ids go back.
    pub(crate) fn next(&self, now: Timestamp, random: &dyn Random) -> ObjectId {
        let Last { millis, number } = self.advance(u64::try_from(now.0).unwrap_or(0));
        let mut tail = [0; 8];
        random.fill(&mut tail);
        let tail = u64::from_be_bytes(tail) & (u64::MAX >> 2) | 1 << 63;
        let head = millis << 16 | 0x7000 | u64::from(number);
        format!("{head:016x}{tail:016x}").parse().expect("32 hexadecimal digits are a UUID")
    }

    fn advance(&self, now: u64) -> Last {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now > last.millis {
            *last = Last { millis: now, number: 0 };
        } else {
            last.number += 1;
            if last.number == PER_MILLI {
                *last = Last { millis: last.millis + 1, number: 0 };
            }
        }
        *last
    }
}

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;

    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_is_set_back() {
        let (ids, random) = (Ids::default(), SeededRandom::new(1));
        let mut last = ids.next(Timestamp(1_795_514_400_000), &random);
        for step in 0..10_000 {
            let next = ids.next(Timestamp(1_795_514_400_000 - step % 3), &random);
            assert!(next > last && next.to_string() > last.to_string());
            last = next;
        }
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_that_tells_its_time() {
        let id =
            Ids::default().next(Timestamp(0x0001_a0b1_c2d3_e4f5 & 0xffff_ffff_ffff), &SeededRandom::new(1));
        let text = id.to_string();
        assert_eq!((&text[..13], &text[14..15]), ("a0b1c2d3-e4f5", "7"), "{text}");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}
