//! The clock of the machine, handed down to every room as `model::time::Clock`.

use std::time::Duration;

use model::time::{BoxFuture, Clock, Moment, Timestamp};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The longest stretch that a sleeper sleeps at once.
///
/// The runtime's timers stand still while the machine is suspended and [`Clock::moment`] does not, so a
/// sleeper looks at the clock again after each stretch: after a suspend it is late by one stretch at most.
pub const LONGEST_NAP: Duration = Duration::from_secs(1);

/// The wall clock and the clock that runs through suspend (CLOCK_REALTIME and CLOCK_BOOTTIME).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = clock_gettime(ClockId::Realtime);
        Timestamp(now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000))
    }

    fn moment(&self) -> Moment {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(tv_sec).unwrap_or(0);
        Moment(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(tv_nsec).unwrap_or(0)))
    }

    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        let until = self.moment() + by;
        Box::pin(async move {
            loop {
                let left = Self.moment().until(until);
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_NAP)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_in_milliseconds_since_1970() {
        let year_2026 = Timestamp(1_767_225_600_000);
        let year_2200 = Timestamp(7_258_118_400_000);
        let now = SystemClock.now();
        assert!(now > year_2026 && now < year_2200, "{now:?}");
    }

    #[test]
    fn the_clock_of_leases_never_goes_back() {
        let before = SystemClock.moment();
        assert!(SystemClock.moment() >= before);
    }

    #[tokio::test]
    async fn a_sleep_is_over_not_before_its_time() {
        let by = Duration::from_millis(5);
        let until = SystemClock.moment() + by;
        SystemClock.sleep(by).await;
        assert!(SystemClock.moment() >= until);
    }
}
