//! What must be known before the availability key may stand in for two roots that cannot be reached.
//!
//! Owns the evidence rule. The absence of a "no" is no evidence: whoever controls the network can produce it.

use std::time::Duration;

use crate::settings::OutageBudget;
use crate::slot::{ConnectionVersion, Slot, SlotMemory};
use crate::time::Timestamp;

/// How far a proof may lie in the future before the clock is taken to have been set back.
///
/// A few seconds of correction are normal; more would let evidence live for ever on a clock that is held.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// How old an attempt may be for its silence to count as "unreachable now".
///
/// Longer than any bounded call, shorter than a suspended machine.
pub const NOW: Duration = Duration::from_mins(2);

/// Whether silence of a request that was sent then still says something about now.
pub fn is_of_now(sent: Timestamp, now: Timestamp) -> bool {
    now.since(sent) <= NOW && sent.since(now) <= CLOCK_TOLERANCE
}

/// The memories of both slots of a policy, as they stand in the store at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memories {
    /// The slot that was named first.
    pub first: SlotMemory,
    /// The slot that was named second.
    pub second: SlotMemory,
}

impl Memories {
    /// The memory of one slot.
    pub fn of(&self, slot: Slot) -> &SlotMemory {
        match slot {
            Slot::First => &self.first,
            Slot::Second => &self.second,
        }
    }
}

/// Why there is no evidence of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gap {
    /// The slot's last conclusive answer was no success under the present connection.
    NoSuccess(Slot),
    /// The younger of the two proofs is older than the outage budget.
    TooOld,
    /// The slot's proof lies in the future: the clock was set back.
    Clock(Slot),
    /// The attempt that found the roots unreachable is not of now.
    NotNow,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuccess(slot) => {
                write!(f, "the {slot} key has not answered with success under the present connection")
            }
            Self::TooOld => f.write_str("both keys have been silent for longer than the outage budget"),
            Self::Clock(slot) => write!(f, "the {slot} key's last proof lies in the future of this clock"),
            Self::NotNow => f.write_str("the attempt took too long to say anything about now"),
        }
    }
}

/// Whether silence of both slots is an outage: each last said yes under this connection, and one of them lately.
///
/// That both are unreachable *now* is for the caller to know; `unwrap` does.
pub fn of_outage(
    memories: &Memories,
    connection: ConnectionVersion,
    budget: OutageBudget,
    now: Timestamp,
) -> Result<(), Gap> {
    let success = |slot: Slot| memories.of(slot).success_under(connection).ok_or(Gap::NoSuccess(slot));
    let proofs = [(Slot::First, success(Slot::First)?), (Slot::Second, success(Slot::Second)?)];
    for (slot, proof) in proofs {
        if proof.since(now) > CLOCK_TOLERANCE {
            return Err(Gap::Clock(slot));
        }
    }
    let younger = proofs[0].1.max(proofs[1].1);
    if now.since(younger) > budget.duration() { Err(Gap::TooOld) } else { Ok(()) }
}

/// Whether the same silence may prolong a lease: as above, without the age; that is for the hold to bound.
pub fn each_last_said_yes(memories: &Memories, connection: ConnectionVersion) -> bool {
    Slot::BOTH.iter().all(|slot| memories.of(*slot).success_under(connection).is_some())
}
