//! No history of events lets a lease be used for longer than its policy allows, nor by somebody it was not for.

mod situation;

use std::time::Duration;

use freehold_model::caller::Initiator;
use freehold_model::evidence::Memories;
use freehold_model::id::RevocationEpoch;
use freehold_model::lease::{EpochRead, Grant, HoldGround, Lease, Origin, Use};
use freehold_model::outcome::{NoHelp, Outcome, Why};
use freehold_model::settings::{Bound, Hold, Preset};
use freehold_model::slot::{Slot, SlotEvent, SlotMemory};
use freehold_model::time::Moment;
use freehold_model::unwrap::Purpose;
use proptest::prelude::*;
use situation::{BEGIN, CONNECTION};

const BOUND: u64 = 60;
const HOLD: u64 = 600;

/// What may happen to one node, its store and the vaults.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Time passes, also while the machine sleeps.
    Wait(u64),
    /// The node reads the epoch; the answer takes a while.
    ReadEpoch { takes: u64 },
    /// Another node, or an order, raises the epoch in the store.
    RaiseElsewhere,
    /// The key is opened; the answer takes a while and may be held back on its way.
    Open { origin: Origin, takes: u64 },
    /// A renewal finds both roots silent.
    Silence { takes: u64 },
    /// A renewal finds a lie or a fault of ours.
    Trouble,
    /// A slot denies, heard by this node: remembered and the epoch raised before anything else.
    Denial,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let origin = prop_oneof![
        4 => Just(Origin::Root),
        1 => Just(Origin::AvailabilityByOutage),
        1 => Just(Origin::AvailabilityBySystem),
        1 => Just(Origin::Recovery),
    ];
    let event = prop_oneof![
        4 => (0_u64..40).prop_map(Event::Wait),
        1 => (40_u64..2000).prop_map(Event::Wait),
        4 => (0_u64..20).prop_map(|takes| Event::ReadEpoch { takes }),
        1 => Just(Event::RaiseElsewhere),
        3 => (origin, 0_u64..80).prop_map(|(origin, takes)| Event::Open { origin, takes }),
        4 => (0_u64..40).prop_map(|takes| Event::Silence { takes }),
        1 => Just(Event::Trouble),
        1 => Just(Event::Denial),
    ];
    proptest::collection::vec(event, 1..60)
}

/// A node with one lease, and what an onlooker who knows everything writes down.
struct World {
    now: u64,
    store_epoch: u64,
    read: EpochRead,
    memories: Memories,
    lease: Option<Lease>,
    // the onlooker's notes
    origin: Origin,
    root_said_yes: u64,
    last_raise: Option<u64>,
    last_denial: Option<u64>,
    last_read: u64,
}

impl World {
    fn new() -> Self {
        let empty = SlotMemory::default();
        let yes = SlotEvent::Succeeded { seen: empty.seen(), sent: BEGIN, connection: CONNECTION };
        let memory = empty.after(&yes).memory;
        Self {
            now: 10_000,
            store_epoch: 1,
            read: EpochRead { epoch: RevocationEpoch(1), at: moment(10_000) },
            memories: Memories { first: memory.clone(), second: memory },
            lease: None,
            origin: Origin::Root,
            root_said_yes: 0,
            last_raise: None,
            last_denial: None,
            last_read: 10_000,
        }
    }

    fn read_epoch(&mut self, takes: u64) {
        // The store answers with what it held when the read began; the answer comes later.
        let read = EpochRead { epoch: RevocationEpoch(self.store_epoch), at: moment(self.now) };
        let began = self.now;
        self.now += takes;
        self.read = self.read.newer(read);
        self.last_read = self.last_read.max(began);
    }

    fn raise(&mut self) {
        self.store_epoch += 1;
        self.last_raise = Some(self.now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wait(seconds) => self.now += seconds,
            Event::ReadEpoch { takes } => self.read_epoch(takes),
            Event::RaiseElsewhere => self.raise(),
            Event::Open { origin, takes } => {
                self.read_epoch(0);
                let (epoch, sent) = (self.read, self.now);
                self.now += takes;
                self.lease = Lease::grant(Grant {
                    origin,
                    epoch,
                    sent: moment(sent),
                    bound: Bound::from_secs(BOUND).expect("within bounds"),
                    hold: Hold::from_secs(HOLD).expect("within bounds"),
                })
                .ok();
                (self.origin, self.root_said_yes) = (origin, sent);
                self.last_denial = None;
            }
            Event::Silence { takes } => {
                let sent = self.now;
                self.now += takes;
                let outcome = Outcome::Outage(NoHelp::SharePoint);
                if let (Some(lease), Some(ground)) =
                    (&mut self.lease, HoldGround::of(&outcome, &self.memories, CONNECTION))
                {
                    lease.found_silence(moment(sent), moment(self.now), self.read, ground);
                }
            }
            Event::Trouble => {
                for outcome in [Outcome::Ours("x"), Outcome::Lying(vec![]), Outcome::Refused(Why::Revoked)] {
                    assert_eq!(HoldGround::of(&outcome, &self.memories, CONNECTION), None);
                }
            }
            Event::Denial => {
                let denied = SlotEvent::Denied { reason: "x".into(), heard: BEGIN, connection: CONNECTION };
                self.memories.first = self.memories.first.after(&denied).memory;
                self.raise();
                self.last_denial = Some(self.now);
                if let Some(lease) = &mut self.lease {
                    lease.heard_denial();
                }
            }
        }
    }

    fn look(&self) -> Result<(), TestCaseError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        for initiator in [Initiator::User, Initiator::System, Initiator::Recovery] {
            for purpose in [Purpose::Content, Purpose::PolicyChange] {
                for preset in [Preset::OutageOnly, Preset::Never, Preset::OutageAndSystem] {
                    let asked = Use { initiator, purpose, preset };
                    if lease.check(moment(self.now), self.read, asked).is_ok() {
                        self.must_be_allowed(asked)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The sentences of spec/leases.md, asked of the onlooker's notes.
    fn must_be_allowed(&self, asked: Use) -> Result<(), TestCaseError> {
        let held = if self.origin == Origin::Root && self.last_denial.is_none() { HOLD } else { 0 };
        prop_assert!(self.now < self.root_said_yes + BOUND + held, "used after bound and hold");
        prop_assert!(self.now < self.last_read + BOUND, "used without the store");
        if let Some(raised) = self.last_raise.filter(|raised| *raised > self.root_said_yes) {
            prop_assert!(self.now < raised + BOUND, "used a bound after the epoch was raised");
        }
        if matches!(self.origin, Origin::AvailabilityByOutage | Origin::AvailabilityBySystem) {
            prop_assert_eq!(self.last_denial, None, "a denial ends what the availability key opened");
        }
        let Use { initiator, purpose, preset } = asked;
        prop_assert!(
            match self.origin {
                Origin::Root => true,
                Origin::AvailabilityByOutage => {
                    initiator != Initiator::Recovery && purpose == Purpose::Content && preset != Preset::Never
                }
                Origin::AvailabilityBySystem => {
                    initiator == Initiator::System
                        && purpose == Purpose::Content
                        && preset == Preset::OutageAndSystem
                }
                Origin::Recovery => initiator == Initiator::Recovery,
            },
            "served somebody whom its origin may not serve"
        );
        Ok(())
    }
}

fn moment(second: u64) -> Moment {
    Moment(Duration::from_secs(second).as_nanos() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_history_lets_a_lease_be_used_for_longer_or_by_another(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
            world.look()?;
        }
    }
}

#[test]
fn a_denied_user_never_finds_the_lease_that_a_system_action_opened() {
    let mut world = World::new();
    world.happen(Event::Open { origin: Origin::AvailabilityBySystem, takes: 1 });
    let lease = world.lease.expect("granted");
    let by = |initiator| Use { initiator, purpose: Purpose::Content, preset: Preset::OutageAndSystem };
    assert!(lease.check(moment(world.now), world.read, by(Initiator::System)).is_ok());
    assert!(lease.check(moment(world.now), world.read, by(Initiator::User)).is_err());
}

#[test]
fn a_machine_that_slept_wakes_with_its_leases_ended() {
    let mut world = World::new();
    world.happen(Event::Open { origin: Origin::Root, takes: 1 });
    world.happen(Event::Wait(8 * 3600));
    world.happen(Event::ReadEpoch { takes: 0 });
    world.happen(Event::Silence { takes: 10 });
    let asked = Use { initiator: Initiator::User, purpose: Purpose::Content, preset: Preset::OutageOnly };
    assert!(world.lease.expect("granted").check(moment(world.now), world.read, asked).is_err());
}

#[test]
fn silence_of_a_slot_that_last_denied_holds_nothing() {
    let mut world = World::new();
    world.happen(Event::Denial);
    let outage = Outcome::Outage(NoHelp::SharePoint);
    assert_eq!(HoldGround::of(&outage, &world.memories, CONNECTION), None);
    assert!(world.memories.of(Slot::First).denied().is_some());
}
