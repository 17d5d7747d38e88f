//! What is remembered of one customer key of a policy: its last conclusive answer, and when it last proved itself.
//!
//! Owns [`SlotMemory`], which custody stores, and [`SlotEvent`], the only way to change it. What the memories
//! of both slots allow is decided in `evidence` and `unwrap`.
//!
//! Answers do not arrive in the order in which they were asked for, and whoever controls the network chooses
//! the order. So a success counts only if it was *asked for* after the last denial was *heard*: a held-back
//! "yes" from before a "no" can neither end the denial nor become evidence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Answer, CredentialOwner, Fault};
use crate::settings::DenialRule;
use crate::time::Timestamp;

/// Every slot of every policy proves itself at least this often, also when idle.
pub const PROOF_EVERY: Duration = Duration::from_hours(6);

/// One of the two customer keys of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The key that was named first.
    First,
    /// The key that was named second.
    Second,
}

impl Slot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// Which state of a vault connection an answer was given under; raised when its directory or application changes.
///
/// A new secret of the same application is the same connection: rotating it in an outage must lock nobody out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionVersion(pub u64);

/// How many denials a slot's memory had heard when a question was asked; sent along with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(u64);

/// What is remembered of one slot; the default is a slot of which nothing has been heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct SlotMemory {
    last: Option<Conclusive>,
    proved: Option<Timestamp>,
    denials: u64,
}

/// An answer from which something follows for later: the vault, or the directory behind it, said yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusive {
    /// Yes or no.
    pub verdict: Verdict,
    /// For a success when it was asked for, for a denial when it was heard.
    pub at: Timestamp,
    /// The connection it was given under.
    pub connection: ConnectionVersion,
}

/// Yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The slot unwrapped.
    Success,
    /// The slot refused, for the reason that the fault table gives.
    Denial(String),
}

impl SlotMemory {
    /// The last conclusive answer.
    pub fn last(&self) -> Option<&Conclusive> {
        self.last.as_ref()
    }

    /// When the slot was last asked with success, whatever has come since.
    pub fn proved(&self) -> Option<Timestamp> {
        self.proved
    }

    /// Since when, and why, the slot counts as denied also while it cannot be reached.
    pub fn denied(&self) -> Option<(Timestamp, &str)> {
        match self.last.as_ref() {
            Some(Conclusive { verdict: Verdict::Denial(reason), at, .. }) => Some((*at, reason)),
            _ => None,
        }
    }

    /// When the slot last succeeded under this connection, if that is its last conclusive answer.
    pub fn success_under(&self, connection: ConnectionVersion) -> Option<Timestamp> {
        self.last
            .as_ref()
            .filter(|last| last.verdict == Verdict::Success && last.connection == connection)
            .map(|last| last.at)
    }

    /// To be noted before a question is asked, and handed back with its answer.
    pub fn seen(&self) -> Seen {
        Seen(self.denials)
    }

    /// Whether the slot is due to prove itself; also when it is denied, because only a success ends a denial.
    pub fn proof_due(&self, now: Timestamp) -> bool {
        // A proof in the future (the clock was set back) proves nothing about now.
        self.proved.is_none_or(|proved| proved > now || now.since(proved) >= PROOF_EVERY)
    }

    /// What the slot is remembered as after an event.
    #[must_use]
    pub fn after(&self, event: &SlotEvent) -> Remembered {
        let mut memory = self.clone();
        let mut newly_denied = false;
        match event {
            SlotEvent::Succeeded { seen, sent, connection } => {
                let current = self.last.as_ref().is_none_or(|last| last.connection <= *connection);
                if *seen == self.seen() && current {
                    memory.proved = Some(*sent);
                    memory.last =
                        Some(Conclusive { verdict: Verdict::Success, at: *sent, connection: *connection });
                }
            }
            SlotEvent::Denied { reason, heard, connection } => {
                newly_denied = self.denied().is_none();
                memory.denials = self.denials.saturating_add(1);
                memory.last = Some(Conclusive {
                    verdict: Verdict::Denial(reason.clone()),
                    // A denial that stands keeps its beginning.
                    at: self.denied().map_or(*heard, |(since, _)| since),
                    connection: *connection,
                });
            }
            SlotEvent::Recovered => {
                memory.denials = self.denials.saturating_add(1);
                memory.last = None;
                memory.proved = None;
            }
        }
        Remembered { memory, newly_denied }
    }
}

/// A slot's memory after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What to store.
    pub memory: SlotMemory,
    /// The slot was not denied before and is now: the policy's revocation epoch is raised with the same commit.
    pub newly_denied: bool,
}

/// Something from which a slot's memory follows. Custody stores it before it does anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotEvent {
    /// The slot unwrapped to the right bytes.
    Succeeded {
        /// What had been heard when the question was asked.
        seen: Seen,
        /// When it was asked.
        sent: Timestamp,
        /// Under which connection.
        connection: ConnectionVersion,
    },
    /// The slot refused.
    Denied {
        /// The reason that the fault table gives.
        reason: String,
        /// When the answer came.
        heard: Timestamp,
        /// Under which connection.
        connection: ConnectionVersion,
    },
    /// The officers ordered a recovery: what was heard of the old key no longer counts.
    Recovered,
}

/// An answer of one slot with all that its memory needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What came back.
    pub answer: Answer,
    /// What the memory had heard when the question was asked.
    pub seen: Seen,
    /// When it was asked.
    pub sent: Timestamp,
    /// When the answer came, or silence was declared.
    pub heard: Timestamp,
    /// Under which connection.
    pub connection: ConnectionVersion,
}

impl Heard {
    /// What is to be remembered of the answer; unreachable, lying and ours say nothing about the slot's will.
    pub fn event(&self, owner: CredentialOwner, rule: DenialRule) -> Option<SlotEvent> {
        let &Self { seen, sent, heard, connection, .. } = self;
        match (self.answer.judge(owner), rule) {
            (None, _) => Some(SlotEvent::Succeeded { seen, sent, connection }),
            (Some(finding), DenialRule::AtOnce) if finding.fault == Fault::Denied => {
                Some(SlotEvent::Denied { reason: finding.reason.to_owned(), heard, connection })
            }
            _ => None,
        }
    }
}

/// The stored shape; `v` is its version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u8,
    last: Option<Conclusive>,
    proved: Option<Timestamp>,
    denials: u64,
}

const STORED_VERSION: u8 = 1;

impl TryFrom<Stored> for SlotMemory {
    type Error = UnknownShape;

    fn try_from(stored: Stored) -> Result<Self, UnknownShape> {
        let Stored { v, last, proved, denials } = stored;
        if v == STORED_VERSION { Ok(Self { last, proved, denials }) } else { Err(UnknownShape(v)) }
    }
}

impl From<SlotMemory> for Stored {
    fn from(SlotMemory { last, proved, denials }: SlotMemory) -> Self {
        Self { v: STORED_VERSION, last, proved, denials }
    }
}

/// A slot's memory in a shape that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slot's memory has shape {0}, and this version knows only shape 1")]
pub struct UnknownShape(u8);

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ConnectionVersion = ConnectionVersion(1);

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1000)
    }

    fn yes(memory: &SlotMemory, second: i64) -> SlotEvent {
        SlotEvent::Succeeded { seen: memory.seen(), sent: at(second), connection: HERE }
    }

    fn no(second: i64) -> SlotEvent {
        SlotEvent::Denied { reason: "key-disabled".into(), heard: at(second), connection: HERE }
    }

    fn told(events: impl IntoIterator<Item = SlotEvent>) -> SlotMemory {
        events.into_iter().fold(SlotMemory::default(), |memory, event| memory.after(&event).memory)
    }

    #[test]
    fn a_denial_stays_until_the_slot_itself_succeeds() {
        let denied = told([no(10)]);
        assert_eq!(denied.denied(), Some((at(10), "key-disabled")));
        let again = denied.after(&no(20)).memory;
        assert_eq!(again.denied(), Some((at(10), "key-disabled")), "a denial keeps its beginning");
        let ended = again.after(&yes(&again, 30)).memory;
        assert_eq!(ended.denied(), None);
        assert_eq!(ended.success_under(HERE), Some(at(30)));
    }

    #[test]
    fn only_the_first_of_several_denials_raises_the_epoch() {
        let first = SlotMemory::default().after(&no(10));
        assert!(first.newly_denied);
        let second = first.memory.after(&no(11));
        assert!(!second.newly_denied);
        let ended = second.memory.after(&yes(&second.memory, 12)).memory;
        assert!(ended.after(&no(13)).newly_denied);
    }

    #[test]
    fn a_yes_that_was_held_back_until_after_the_no_changes_nothing() {
        let fresh = SlotMemory::default();
        let held_back = yes(&fresh, 9);
        let denied = fresh.after(&no(10)).memory;
        assert_eq!(denied.after(&held_back).memory, denied);
        // not even when the clock says that it was asked for later
        let held_back = SlotEvent::Succeeded { seen: fresh.seen(), sent: at(99), connection: HERE };
        assert_eq!(denied.after(&held_back).memory, denied);
    }

    #[test]
    fn a_yes_under_a_former_connection_neither_ends_a_denial_nor_is_evidence() {
        let now = ConnectionVersion(2);
        let memory = SlotMemory::default();
        let denied =
            memory.after(&SlotEvent::Denied { reason: "x".into(), heard: at(5), connection: now }).memory;
        assert_eq!(denied.after(&yes(&denied, 9)).memory, denied);
        let under_former = told([yes(&memory, 9)]);
        assert_eq!(under_former.success_under(now), None);
        assert_eq!(under_former.success_under(HERE), Some(at(9)));
    }

    #[test]
    fn recovery_forgets_the_old_key_and_is_no_success() {
        let denied = told([no(10)]);
        let late = yes(&denied, 11);
        let recovered = denied.after(&SlotEvent::Recovered).memory;
        assert_eq!((recovered.denied(), recovered.success_under(HERE)), (None, None));
        assert_eq!(recovered.after(&late).memory, recovered, "an answer of the old key comes too late");
    }

    #[test]
    fn what_says_nothing_of_the_vaults_will_is_not_remembered() {
        let owner = CredentialOwner::Operator;
        let heard = |answer| Heard {
            answer,
            seen: SlotMemory::default().seen(),
            sent: at(1),
            heard: at(2),
            connection: HERE,
        };
        for answer in [Answer::Timeout, Answer::Mismatch, Answer::Internal, Answer::vault(429, None, None)] {
            assert_eq!(heard(answer).event(owner, DenialRule::AtOnce), None);
        }
        let denied = heard(Answer::vault(403, Some("Forbidden"), Some("KeyDisabled")));
        assert_eq!(denied.event(owner, DenialRule::AtOnce), Some(no_at(at(2))));
        let Some(SlotEvent::Succeeded { sent, .. }) =
            heard(Answer::Unwrapped).event(owner, DenialRule::AtOnce)
        else {
            panic!("a success is remembered")
        };
        assert_eq!(sent, at(1), "a success is as old as its question");
    }

    fn no_at(heard: Timestamp) -> SlotEvent {
        SlotEvent::Denied { reason: "key-disabled".into(), heard, connection: HERE }
    }

    #[test]
    fn every_slot_is_proved_every_six_hours_whatever_its_state() {
        let six_hours = 6 * 3600;
        assert!(SlotMemory::default().proof_due(at(0)));
        let proved = told([yes(&SlotMemory::default(), 100)]);
        assert!(!proved.proof_due(at(100 + six_hours - 1)));
        assert!(proved.proof_due(at(100 + six_hours)));
        assert!(proved.proof_due(at(99)), "the clock was set back");
        let denied = proved.after(&no(101)).memory;
        assert!(denied.proof_due(at(100 + six_hours)));
    }

    #[test]
    fn a_memory_survives_storage_and_an_unknown_shape_is_refused() {
        let memory = told([yes(&SlotMemory::default(), 1), no(2)]);
        let json = serde_json::to_value(&memory).expect("plain values");
        assert_eq!(json["v"], 1);
        assert_eq!(serde_json::from_value::<SlotMemory>(json.clone()).expect("what was written"), memory);
        let mut newer = json;
        newer["v"] = 2.into();
        assert!(serde_json::from_value::<SlotMemory>(newer).is_err());
    }
}
