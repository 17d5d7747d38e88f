//! A stretch of time as ISO 8601 writes it: `P90D`, `PT2H`, `P1DT12H30M`.

use std::str::FromStr;
use std::time::Duration;

/// Units before the `T`, and after it, each with its seconds; years and months have no length of their own.
const DATE: &[(char, u64)] = &[('W', 7 * 24 * 3600), ('D', 24 * 3600)];
const TIME: &[(char, u64)] = &[('H', 3600), ('M', 60), ('S', 1)];

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period(pub Duration);

/// Text that is no stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no duration: expected ISO 8601 in weeks, days, hours, minutes and seconds, such as P90D or PT1H30M")]
pub(super) struct NotAPeriod;

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let rest = text.strip_prefix('P').ok_or(NotAPeriod)?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(NotAPeriod),
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        if date.is_empty() && time.is_empty() {
            return Err(NotAPeriod);
        }
        let sum = seconds(date, DATE)?.checked_add(seconds(time, TIME)?).ok_or(NotAPeriod)?;
        Ok(Self(Duration::from_secs(sum)))
    }
}

/// The seconds of `1D12H`-like text whose units come in the order of the table.
fn seconds(mut text: &str, mut units: &[(char, u64)]) -> Result<u64, NotAPeriod> {
    let mut sum = 0_u64;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(NotAPeriod)?;
        let (number, rest) = text.split_at(end);
        let unit = rest.chars().next().ok_or(NotAPeriod)?;
        let place = units.iter().position(|(known, _)| *known == unit).ok_or(NotAPeriod)?;
        let number: u64 = number.parse().map_err(|_| NotAPeriod)?;
        sum = number.checked_mul(units[place].1).and_then(|more| sum.checked_add(more)).ok_or(NotAPeriod)?;
        (text, units) = (&rest[unit.len_utf8()..], &units[place + 1..]);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_days_and_times_are_read_in_their_order() {
        for (text, seconds) in
            [("P90D", 90 * 86_400), ("P2W", 14 * 86_400), ("PT1H30M", 5400), ("P1DT1S", 86_401), ("PT0S", 0)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_secs(seconds))), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "90D",
            "P1Y",
            "P1M",
            "PT1M1H",
            "P1D1W",
            "P-1D",
            "P1.5D",
            "P99999999999999999W",
        ] {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
    }
}
