//! How fast a "no" takes effect: how long an opened key may be used, and by whom.
//!
//! Owns [`Lease`], the rules of spec/leases.md as pure functions over moments. Custody keeps the key beside
//! it and drops the key when the lease ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Initiator;
use crate::evidence::{self, Memories};
use crate::id::{DepId, Generation, RevocationEpoch};
use crate::outcome::Outcome;
use crate::settings::{Bound, Hold, Preset};
use crate::slot::ConnectionVersion;
use crate::time::Moment;
use crate::unwrap::Purpose;

/// What opened the key of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A customer key.
    Root,
    /// The availability key, in an outage.
    AvailabilityByOutage,
    /// The availability key, for an action of the service itself after a denial.
    AvailabilityBySystem,
    /// The availability key, by an order of the officers.
    Recovery,
}

impl Origin {
    /// Whether a key with this origin may serve this use under the policy's present preset.
    pub fn may_serve(self, initiator: Initiator, purpose: Purpose, preset: Preset) -> bool {
        match (self, initiator) {
            (Self::Root, _) | (Self::Recovery, Initiator::Recovery) => true,
            (Self::AvailabilityByOutage, Initiator::User | Initiator::System) => {
                purpose == Purpose::Content && preset != Preset::Never
            }
            (Self::AvailabilityBySystem, Initiator::System) => {
                purpose == Purpose::Content && preset == Preset::OutageAndSystem
            }
            (
                Self::AvailabilityByOutage | Self::AvailabilityBySystem | Self::Recovery,
                Initiator::User | Initiator::System | Initiator::Recovery,
            ) => false,
        }
    }
}

/// Which callers may wait for one unwrap together; anything less would let one class ride on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flight {
    /// The policy.
    pub policy: DepId,
    /// Which of its keys.
    pub generation: Generation,
    /// The class of whoever asks.
    pub initiator: Initiator,
    /// What for.
    pub purpose: Purpose,
}

/// What a policy's revocation epoch was, and when it was read from the store (when the read began).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EpochRead {
    /// The epoch.
    pub epoch: RevocationEpoch,
    /// When.
    pub at: Moment,
}

impl EpochRead {
    /// The one that says more: the higher epoch, and of the same epoch the later read.
    pub fn newer(self, other: Self) -> Self {
        if (other.epoch, other.at) > (self.epoch, self.at) { other } else { self }
    }

    /// How often the epoch is read while leases of a policy live.
    pub fn interval(bound: Bound) -> Duration {
        bound.duration() / 4
    }
}

/// What an unwrap brings to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What opened the key.
    pub origin: Origin,
    /// The epoch, read before the request was sent.
    pub epoch: EpochRead,
    /// When the request that opened it was sent; for an availability key, when the attempt's first root was asked.
    pub sent: Moment,
    /// The policy's bound.
    pub bound: Bound,
    /// The policy's hold.
    pub hold: Hold,
}

/// Leave to use one opened key for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    grant: Grant,
    /// When the last renewal was sent that found both roots silent and each having last said yes.
    silent: Option<Moment>,
    /// A denial was heard: no hold begins any more.
    may_hold: bool,
    ended: Option<Ended>,
}

impl Lease {
    /// A lease on a key that has just been opened.
    ///
    /// Refused if the epoch was read after the request was sent: a denial in between would then be in the epoch
    /// and not in the answer, and the lease would outlive it.
    pub fn grant(grant: Grant) -> Result<Self, EpochReadTooLate> {
        if grant.epoch.at > grant.sent {
            return Err(EpochReadTooLate);
        }
        Ok(Self { grant, silent: None, may_hold: grant.origin == Origin::Root, ended: None })
    }

    /// Whether the key may be used at this moment, by whoever asks; to be asked before every use.
    ///
    /// `epoch` is the newest that this node has read.
    pub fn check(&self, now: Moment, epoch: EpochRead, asked: Use) -> Result<(), Ended> {
        if let Some(ended) = self.ended {
            return Err(ended);
        }
        let Use { initiator, purpose, preset } = asked;
        if !self.grant.origin.may_serve(initiator, purpose, preset) {
            return Err(Ended::NotForThisUse);
        }
        // An epoch that went back means that the store did: nothing of before can be trusted.
        if epoch.epoch != self.grant.epoch.epoch {
            return Err(Ended::Epoch);
        }
        if now < self.not_after(epoch) { Ok(()) } else { Err(Ended::Time) }
    }

    /// The moment from which the key may no longer be used, as far as is known now.
    pub fn not_after(&self, epoch: EpochRead) -> Moment {
        let Grant { sent, bound, .. } = self.grant;
        let by_store = self.grant.epoch.newer(epoch).at + bound.duration();
        self.root_limit().min(by_store).max(sent)
    }

    /// When the key should be opened again; `jitter` is drawn at random.
    pub fn renew_at(&self, jitter: u16) -> Moment {
        let bound = self.grant.bound.duration();
        let spread = (bound / 8).mul_f64(f64::from(jitter) / (f64::from(u16::MAX) + 1.0));
        self.silent.unwrap_or(self.grant.sent) + bound * 3 / 8 + spread
    }

    /// How long a renewal that begins now may wait for the roots; what has not come by then is silence.
    ///
    /// It ends an eighth of the bound before the lease does, so that a hold can begin in time.
    pub fn time_to_renew(&self, now: Moment, epoch: EpochRead) -> Duration {
        now.until(self.not_after(epoch)).saturating_sub(self.grant.bound.duration() / 8)
    }

    /// A renewal, sent at `sent`, found both roots silent: the hold goes on, if there is ground for one.
    ///
    /// A lease that has run out meanwhile stays ended; `now` is when the silence was declared.
    pub fn found_silence(&mut self, sent: Moment, now: Moment, epoch: EpochRead, _ground: HoldGround) {
        let alive = self.ended.is_none() && now < self.not_after(epoch);
        if alive && self.may_hold && sent <= now {
            self.silent = self.silent.max(Some(sent));
        }
    }

    /// A slot of the policy denied: a hold ends, none begins, and nothing that the availability key opened lives on.
    ///
    /// A *new* denial also raises the epoch, which ends every lease. What a recovery order opened does not mind
    /// that the old keys go on saying no.
    pub fn heard_denial(&mut self) {
        self.may_hold = false;
        self.silent = None;
        match self.grant.origin {
            Origin::AvailabilityByOutage | Origin::AvailabilityBySystem => self.end(Ended::Denied),
            Origin::Root | Origin::Recovery => {}
        }
    }

    /// Ends the lease now: an order, a purge, nobody who uses it. The first reason stays.
    pub fn end(&mut self, why: Ended) {
        self.ended.get_or_insert(why);
    }

    /// What opened the key.
    pub fn origin(&self) -> Origin {
        self.grant.origin
    }

    /// The epoch that was in force when the key was asked for.
    pub fn epoch(&self) -> RevocationEpoch {
        self.grant.epoch.epoch
    }

    /// Whether the lease lives on silence alone.
    pub fn is_held(&self, now: Moment) -> bool {
        self.silent.is_some() && now >= self.grant.sent + self.grant.bound.duration()
    }

    fn root_limit(&self) -> Moment {
        let Grant { sent, bound, hold, .. } = self.grant;
        let by_success = sent + bound.duration();
        match self.silent {
            Some(silent) => by_success.max((silent + bound.duration()).min(by_success + hold.duration())),
            None => by_success,
        }
    }
}

/// Who wants to use a key, and for what, under the policy's present preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The class of whoever asks.
    pub initiator: Initiator,
    /// What for.
    pub purpose: Purpose,
    /// The policy's preset now.
    pub preset: Preset,
}

/// Proof that a hold has ground: both roots were silent, and each last said yes under the present connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldGround(());

impl HoldGround {
    /// Looks at how a renewal ended and at the memories as they stand in the store now.
    pub fn of(outcome: &Outcome, memories: &Memories, connection: ConnectionVersion) -> Option<Self> {
        let silent = matches!(outcome, Outcome::Outage(_));
        (silent && evidence::each_last_said_yes(memories, connection)).then_some(Self(()))
    }
}

/// Why a lease may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its time is over.
    Time,
    /// The revocation epoch is another one.
    Epoch,
    /// A slot denied, and the availability key had opened it.
    Denied,
    /// An order of the officers, or a purge.
    Order,
    /// Nobody used it for long, so it is not renewed.
    Idle,
    /// What opened the key may not serve this use; another caller may still use it.
    NotForThisUse,
}

/// The epoch was read after the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revocation epoch must be read before the root is asked")]
pub struct EpochReadTooLate;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Moment {
        Moment(second * 1_000_000_000)
    }

    fn read(second: u64) -> EpochRead {
        EpochRead { epoch: RevocationEpoch(4), at: at(second) }
    }

    fn lease(origin: Origin, hold: u64) -> Lease {
        let hold = Hold::from_secs(hold).expect("within bounds");
        Lease::grant(Grant { origin, epoch: read(99), sent: at(100), bound: Bound::default(), hold })
            .expect("read before it was sent")
    }

    const READING: Use =
        Use { initiator: Initiator::User, purpose: Purpose::Content, preset: Preset::OutageOnly };

    #[test]
    fn a_lease_ends_one_bound_after_its_request_was_sent_however_often_it_is_used() {
        let lease = lease(Origin::Root, 0);
        for second in 100..160 {
            assert_eq!(lease.check(at(second), read(150), READING), Ok(()));
        }
        assert_eq!(lease.check(at(160), read(150), READING), Err(Ended::Time));
    }

    #[test]
    fn a_store_that_cannot_be_read_ends_a_lease_too() {
        let lease = lease(Origin::Root, 4 * 3600);
        assert_eq!(lease.check(at(158), read(99), READING), Ok(()));
        assert_eq!(lease.check(at(159), read(99), READING), Err(Ended::Time));
    }

    #[test]
    fn another_epoch_ends_a_lease_also_one_that_went_back() {
        let lease = lease(Origin::Root, 0);
        for epoch in [RevocationEpoch(5), RevocationEpoch(3)] {
            assert_eq!(lease.check(at(101), EpochRead { epoch, at: at(101) }, READING), Err(Ended::Epoch));
        }
    }

    #[test]
    fn an_epoch_that_was_read_after_the_request_grants_nothing() {
        let late = Grant {
            origin: Origin::Root,
            epoch: read(101),
            sent: at(100),
            bound: Bound::default(),
            hold: Hold::NONE,
        };
        assert_eq!(Lease::grant(late), Err(EpochReadTooLate));
    }

    #[test]
    fn a_hold_lives_on_silence_that_is_found_again_and_again() {
        let mut lease = lease(Origin::Root, 3600);
        let ground = HoldGround(());
        let mut second = 130;
        while second < 9000 && lease.check(at(second), read(second), READING).is_ok() {
            if second % 20 == 0 {
                lease.found_silence(at(second), at(second), read(second), ground);
            }
            assert_eq!(lease.is_held(at(second)), second >= 160);
            second += 1;
        }
        assert_eq!(second, 100 + 60 + 3600, "bound + hold, however often silence is found");
    }

    #[test]
    fn a_hold_ends_one_bound_after_anybody_stopped_asking() {
        let mut lease = lease(Origin::Root, 3600);
        lease.found_silence(at(130), at(140), read(140), HoldGround(()));
        assert_eq!(lease.check(at(189), read(189), READING), Ok(()));
        assert_eq!(lease.check(at(190), read(190), READING), Err(Ended::Time));
        lease.found_silence(at(195), at(196), read(195), HoldGround(()));
        assert_eq!(lease.check(at(196), read(196), READING), Err(Ended::Time), "what has ended is over");
    }

    #[test]
    fn a_denial_ends_a_hold_at_once_and_none_begins() {
        let mut held = lease(Origin::Root, 3600);
        held.found_silence(at(130), at(140), read(140), HoldGround(()));
        held.heard_denial();
        assert_eq!(held.check(at(160), read(160), READING), Err(Ended::Time));
        let mut early = lease(Origin::Root, 3600);
        early.heard_denial();
        early.found_silence(at(130), at(140), read(140), HoldGround(()));
        assert_eq!(early.check(at(160), read(160), READING), Err(Ended::Time));
    }

    #[test]
    fn what_the_availability_key_opened_has_no_hold_and_ends_with_a_denial() {
        let mut opened = lease(Origin::AvailabilityByOutage, 3600);
        opened.found_silence(at(130), at(140), read(140), HoldGround(()));
        assert_eq!(opened.check(at(160), read(160), READING), Err(Ended::Time));
        opened.heard_denial();
        assert_eq!(opened.check(at(101), read(101), READING), Err(Ended::Denied));
    }

    #[test]
    fn renewal_is_early_enough_for_both_roots_to_be_asked() {
        let lease = lease(Origin::Root, 0);
        for jitter in [0, 1, u16::MAX / 2, u16::MAX] {
            let renew = lease.renew_at(jitter);
            assert!(renew >= at(122) && renew < at(130), "{renew:?}");
            assert!(lease.time_to_renew(renew, read(130)) > Duration::from_secs(22));
        }
        assert!(lease.renew_at(0) < lease.renew_at(u16::MAX));
    }

    #[test]
    fn a_renewal_that_used_all_its_time_in_vain_is_in_time_for_a_hold() {
        for bound in [Bound::LEAST, 60, Bound::MOST] {
            let bound = Bound::from_secs(bound).expect("within bounds");
            let hold = Hold::from_secs(Hold::MOST).expect("within bounds");
            let mut lease =
                Lease::grant(Grant { origin: Origin::Root, epoch: read(100), sent: at(100), bound, hold })
                    .expect("read before it was sent");
            for _ in 0..10 {
                let sent = lease.renew_at(u16::MAX);
                let epoch = EpochRead { at: sent, ..read(0) };
                let declared = sent + lease.time_to_renew(sent, epoch);
                lease.found_silence(sent, declared, epoch, HoldGround(()));
                assert_eq!(lease.check(declared + bound.duration() / 4, epoch, READING), Ok(()));
            }
        }
    }

    #[test]
    fn an_order_ends_a_lease_for_everybody_and_the_first_reason_stays() {
        let mut lease = lease(Origin::Root, 0);
        lease.end(Ended::Order);
        lease.end(Ended::Idle);
        assert_eq!(lease.check(at(101), read(101), READING), Err(Ended::Order));
    }
}
