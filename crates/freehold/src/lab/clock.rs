//! The lab's clock: the machine's, and as far ahead of it as somebody asked for.
//!
//! Wall clock and the clock of leases jump together, and whoever sleeps wakes: ninety days pass in a second.

use std::time::Duration;

use model::time::{BoxFuture, Clock, Moment, Timestamp};
use tokio::sync::watch;

use crate::clock::SystemClock;

/// The furthest that the clock goes ahead of the machine's: a hundred years.
pub const FURTHEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// A clock that can be set forward, and never back.
#[derive(Debug)]
pub(super) struct LabClock(watch::Sender<Duration>);

impl LabClock {
    /// A clock that is ahead already.
    pub(super) fn ahead_by(by: Duration) -> Self {
        Self(watch::Sender::new(by.min(FURTHEST)))
    }

    /// How far ahead it is.
    pub(super) fn ahead(&self) -> Duration {
        *self.0.borrow()
    }

    /// Sets it forward; `None`, and nothing done, if it would go further than [`FURTHEST`].
    pub(super) fn advance(&self, by: Duration) -> Option<Duration> {
        let moved =
            self.0.send_if_modified(|ahead| match ahead.checked_add(by).filter(|sum| *sum <= FURTHEST) {
                Some(sum) => {
                    *ahead = sum;
                    true
                }
                None => false,
            });
        moved.then(|| self.ahead())
    }
}

impl Clock for LabClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.ahead()
    }

    fn moment(&self) -> Moment {
        SystemClock.moment() + self.ahead()
    }

    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        let mut jumps = self.0.subscribe();
        let until = self.moment() + by;
        Box::pin(async move {
            loop {
                let ahead = *jumps.borrow_and_update();
                let left = (SystemClock.moment() + ahead).until(until);
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = SystemClock.sleep(left) => {}
                    // Nobody can set the clock any more once its last owner is gone.
                    Ok(()) = jumps.changed() => {}
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_jump_moves_both_clocks_and_wakes_sleepers() {
        let clock = LabClock::ahead_by(Duration::ZERO);
        let days = Duration::from_secs(90 * 24 * 3600);
        let (wall, moment) = (clock.now(), clock.moment());
        let sleeper = clock.sleep(days);
        let other = clock.sleep(days * 2);
        assert_eq!(clock.advance(days), Some(days));
        sleeper.await;
        assert!(futures::FutureExt::now_or_never(other).is_none());
        assert!(clock.now().since(wall) >= days);
        assert!(moment.until(clock.moment()) >= days);
    }

    #[test]
    fn it_does_not_go_where_no_date_is() {
        let clock = LabClock::ahead_by(Duration::from_secs(5));
        assert_eq!(clock.advance(FURTHEST), None);
        assert_eq!(clock.advance(Duration::MAX), None);
        assert_eq!(clock.ahead(), Duration::from_secs(5));
    }
}
