//! A situation that an unwrap can find itself in: who asks, what comes back, what is remembered.

#![allow(dead_code, reason = "each test program uses its part of this")]

use std::time::Duration;

use freehold_model::evidence::{self, Memories};
use freehold_model::fault::{Answer, CredentialOwner};
use freehold_model::id::{DepId, Generation, TenantId};
use freehold_model::key_identifier::KeyIdentifier;
use freehold_model::order::RecoveryOrder;
use freehold_model::outcome::Closed;
use freehold_model::settings::{DenialRule, OutageBudget, Preset};
use freehold_model::slot::{ConnectionVersion, Slot, SlotEvent, SlotMemory};
use freehold_model::time::Timestamp;
use freehold_model::unwrap::{By, Family, Purpose, Question, Reply, Step, Unwrap};

pub(crate) const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const CONNECTION: ConnectionVersion = ConnectionVersion(7);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    Opened,
    No,
    Silence,
    Lie,
    OurFault,
}

impl Back {
    const ALL: [Self; 5] = [Self::Opened, Self::No, Self::Silence, Self::Lie, Self::OurFault];

    fn answer(self) -> Answer {
        match self {
            Self::Opened => Answer::Unwrapped,
            Self::No => Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac")),
            Self::Silence => Answer::Timeout,
            Self::Lie => Answer::Mismatch,
            Self::OurFault => Answer::Malformed,
        }
    }
}

/// What is remembered of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    Nothing,
    FreshSuccess,
    /// Older than the outage budget.
    OldSuccess,
    /// Fresh, but under a former connection.
    FormerSuccess,
    /// In the future of the clock.
    FutureSuccess,
    Denied,
}

impl Past {
    const ALL: [Self; 6] = [
        Self::Nothing,
        Self::FreshSuccess,
        Self::OldSuccess,
        Self::FormerSuccess,
        Self::FutureSuccess,
        Self::Denied,
    ];

    fn memory(self) -> SlotMemory {
        let empty = SlotMemory::default();
        let success = |sent: Timestamp, connection: ConnectionVersion| {
            empty.after(&SlotEvent::Succeeded { seen: empty.seen(), sent, connection }).memory
        };
        let fresh = BEGIN - Duration::from_hours(6);
        match self {
            Self::Nothing => empty,
            Self::FreshSuccess => success(fresh, CONNECTION),
            Self::OldSuccess => success(BEGIN - Duration::from_hours(73), CONNECTION),
            Self::FormerSuccess => success(fresh, ConnectionVersion(CONNECTION.0 - 1)),
            Self::FutureSuccess => success(BEGIN + Duration::from_hours(1), CONNECTION),
            Self::Denied => {
                let before = success(fresh, CONNECTION);
                let reason = "key-disabled".to_owned();
                before.after(&SlotEvent::Denied { reason, heard: fresh, connection: CONNECTION }).memory
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Person,
    Service,
    Officers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Situation {
    pub(crate) family: Family,
    pub(crate) who: Who,
    pub(crate) purpose: Purpose,
    pub(crate) preset: Preset,
    pub(crate) coin: bool,
    pub(crate) backs: [Back; 2],
    pub(crate) pasts: [Past; 2],
    pub(crate) closed: Option<Closed>,
    /// The decision comes long after the questions were sent.
    pub(crate) slow: bool,
}

impl Situation {
    /// A person reads mail; nothing is wrong yet.
    pub(crate) fn plain() -> Self {
        Self {
            family: Family::Exchange,
            who: Who::Person,
            purpose: Purpose::Content,
            preset: Preset::OutageOnly,
            coin: true,
            backs: [Back::Opened; 2],
            pasts: [Past::FreshSuccess; 2],
            closed: None,
            slow: false,
        }
    }

    pub(crate) fn memories(&self) -> Memories {
        Memories { first: self.pasts[0].memory(), second: self.pasts[1].memory() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let took = if self.slow { evidence::NOW + Duration::from_secs(1) } else { Duration::from_secs(20) };
        BEGIN + took
    }

    pub(crate) fn reply(&self, slot: Slot, back: Back) -> Reply {
        Reply { slot, answer: back.answer(), sent: BEGIN, heard: self.now() }
    }

    pub(crate) fn question(&self) -> Question {
        let (tenant, policy) = (TenantId::from_random([1; 16]), DepId::from_random([2; 16]));
        let generation = Generation::FIRST;
        let order = || {
            let root = |text| KeyIdentifier::from_stored(text).expect("canonical");
            let roots =
                [root("https://new-a.vault.azure.net/keys/k"), root("https://new-b.vault.azure.net/keys/k")];
            let not_after = BEGIN + Duration::from_hours(1);
            Box::new(RecoveryOrder::verified(tenant, policy, generation, roots, not_after))
        };
        Question {
            tenant,
            policy,
            generation,
            family: self.family,
            by: match self.who {
                Who::Person => By::User,
                Who::Service => By::System,
                Who::Officers => By::Recovery(order()),
            },
            purpose: self.purpose,
            preset: self.preset,
            outage_budget: OutageBudget::default(),
            denial_rule: DenialRule::AtOnce,
            owner: CredentialOwner::Operator,
            connection: CONNECTION,
            closed: self.closed,
        }
    }

    pub(crate) fn begin(&self) -> (Unwrap, Step) {
        Unwrap::begin(self.question(), self.coin, &self.memories(), BEGIN)
    }

    /// Runs the roots to their end; the store keeps what the machine wants remembered, as custody's does.
    pub(crate) fn play(&self) -> (Unwrap, Step) {
        let (mut unwrap, mut step) = self.begin();
        let mut memories = self.memories();
        loop {
            let slot = match step {
                Step::Try(slot) | Step::Await(slot) | Step::Race { first: slot, .. } => slot,
                Step::TryAvailability(_) | Step::Finish(_) => return (unwrap, step),
            };
            let reply = self.reply(slot, self.backs[if slot == Slot::First { 0 } else { 1 }]);
            let turn = unwrap.answered(reply, &memories, self.now());
            if let Some((slot, event)) = &turn.remember {
                let memory = match slot {
                    Slot::First => &mut memories.first,
                    Slot::Second => &mut memories.second,
                };
                *memory = memory.after(event).memory;
            }
            step = turn.step;
        }
    }

    pub(crate) fn run(&self) -> Step {
        self.play().1
    }

    /// Which of the slots the order asks, given that the first to open ends it.
    pub(crate) fn asked(&self) -> [bool; 2] {
        let sooner = if self.coin { 0 } else { 1 };
        let mut asked = [true; 2];
        asked[1 - sooner] = self.backs[sooner] != Back::Opened;
        asked
    }
}

/// Every combination.
pub(crate) fn every() -> impl Iterator<Item = Situation> {
    let mut all = vec![Situation::plain()];
    macro_rules! vary {
        ($field:ident in $values:expr) => {
            all = all
                .into_iter()
                .flat_map(|situation| {
                    $values.into_iter().map(move |$field| Situation { $field, ..situation })
                })
                .collect()
        };
    }
    let pairs = |backs: &[Back]| -> Vec<[Back; 2]> {
        backs.iter().flat_map(|one| backs.iter().map(move |two| [*one, *two])).collect()
    };
    let pasts: Vec<[Past; 2]> =
        Past::ALL.iter().flat_map(|one| Past::ALL.iter().map(move |two| [*one, *two])).collect();
    vary!(family in [Family::Exchange, Family::SharePoint]);
    vary!(who in [Who::Person, Who::Service, Who::Officers]);
    vary!(purpose in [Purpose::Content, Purpose::PolicyChange]);
    vary!(preset in [Preset::OutageOnly, Preset::Never, Preset::OutageAndSystem]);
    vary!(coin in [true, false]);
    vary!(backs in pairs(&Back::ALL));
    vary!(pasts in pasts.clone());
    vary!(closed in [None, Some(Closed::Revoked), Some(Closed::Purging)]);
    vary!(slow in [false, true]);
    all.into_iter()
}
