//! Time as an argument: two kinds of instant, and the clock that the binary hands down.
//!
//! Owns `Timestamp` (wall clock, for records and people), `Moment` (a clock that runs through suspend,
//! for leases) and the `Clock` trait. Nothing below the binary reads a clock in any other way.

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A boxed future, the return type of object-safe asynchronous traits.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z; for records and people, never for leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long before `self` the other instant lies; zero when it lies after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Nanoseconds of a clock that never goes back and runs through suspend (Linux: CLOCK_BOOTTIME).
///
/// Meaningful inside one boot of one machine; never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Time from now until the other moment; zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The clock with timers that the binary hands down; a test hands down a [`ManualClock`].
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The clock that leases are measured on.
    fn moment(&self) -> Moment;
    /// Completes once `by` has passed on the clock of [`Clock::moment`].
    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()>;
}

/// A clock that stands still until it is advanced; clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    moment: Moment,
    sleepers: Vec<Waker>,
}

impl ManualClock {
    /// A clock that shows `now`; its moment starts at one hour, so that tests can look back.
    pub fn at(now: Timestamp) -> Self {
        let moment = Moment(Duration::from_secs(3600).as_nanos() as u64);
        Self(Arc::new(Mutex::new(Hands { now, moment, sleepers: Vec::new() })))
    }

    /// Moves both clocks on and wakes whoever sleeps.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now + by;
        hands.moment = hands.moment + by;
        for sleeper in hands.sleepers.drain(..) {
            sleeper.wake();
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    fn moment(&self) -> Moment {
        self.hands().moment
    }

    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        let until = self.moment() + by;
        Box::pin(Sleep { clock: self.clone(), until })
    }
}

struct Sleep {
    clock: ManualClock,
    until: Moment,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.hands();
        if hands.moment >= self.until {
            return Poll::Ready(());
        }
        hands.sleepers.push(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_share_the_time() {
        let clock = ManualClock::at(Timestamp(0));
        let clone = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(clone.now(), Timestamp(5000));
    }

    #[test]
    fn a_sleeper_wakes_when_its_time_has_come() {
        let clock = ManualClock::at(Timestamp(0));
        let mut sleep = clock.sleep(Duration::from_secs(2));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn an_earlier_instant_is_no_time_ago() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Moment(9).until(Moment(5)), Duration::ZERO);
    }
}
