//! A length of time as the calendar has it, `P90D` or `P1Y6M`: years, months and days in the words of ISO 8601.
//!
//! Owns [`Period`]. Rotation policies speak of nothing shorter than a day, so hours and weeks are no periods. It keeps the
//! text that it was read from: what a client set is what it reads back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month, OffsetDateTime};

/// The longest period, in days: a hundred years.
const LONGEST: u32 = 36_600;
/// The most digits of one number.
const MOST_DIGITS: usize = 5;
const DAY: i64 = 24 * 3600;

/// A number of months and days; a year is twelve months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    text: String,
    months: u32,
    days: u32,
}

/// Text that is no period.
#[derive(Debug, thiserror::Error)]
#[error("not a period of years, months and days")]
pub(crate) struct NotAPeriod;

impl Period {
    /// The second in which it is over, if it begins at `start`; the last one that there is, if it never is.
    pub(crate) fn after(&self, start: i64) -> i64 {
        self.shift(start, 1).unwrap_or(i64::MAX)
    }

    /// The second in which it begins, if it is over at `end`.
    pub(crate) fn before(&self, end: i64) -> i64 {
        self.shift(end, -1).unwrap_or(i64::MIN)
    }

    /// A whole number of days.
    pub(crate) fn of_days(days: u32) -> Self {
        Self { text: format!("P{days}D"), months: 0, days }
    }

    /// How many days it has at least, wherever in the calendar it begins.
    pub(crate) fn fewest_days(&self) -> u32 {
        self.months / 12 * 365 + self.months % 12 * 28 + self.days
    }

    /// How many days it has at most.
    pub(crate) fn most_days(&self) -> u32 {
        self.months / 12 * 366 + self.months % 12 * 31 + self.days
    }

    /// The months first, then the days: the 31st of a month, a month on, is the last day of the next.
    fn shift(&self, from: i64, sign: i64) -> Option<i64> {
        let at = OffsetDateTime::from_unix_timestamp(from).ok()?;
        let months = i64::from(at.year()) * 12 + i64::from(u8::from(at.month())) - 1;
        let months = months + sign * i64::from(self.months);
        let year = i32::try_from(months.div_euclid(12)).ok()?;
        let month = Month::try_from(u8::try_from(months.rem_euclid(12) + 1).ok()?).ok()?;
        let date = Date::from_calendar_date(year, month, at.day().min(month.length(year))).ok()?;
        Some(at.replace_date(date).unix_timestamp() + sign * i64::from(self.days) * DAY)
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(NotAPeriod)?;
        let mut numbers = [0u32; 3];
        for (number, unit) in numbers.iter_mut().zip(['Y', 'M', 'D']) {
            let Some((digits, after)) = rest.split_once(unit) else { continue };
            let good =
                (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            *number = digits.parse().ok().filter(|_| good).ok_or(NotAPeriod)?;
            rest = after;
        }
        let [years, months, days] = numbers;
        let period = Self { text: text.to_owned(), months: years * 12 + months, days };
        if rest.is_empty() && period.most_days() <= LONGEST { Ok(period) } else { Err(NotAPeriod) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Midnight of a day.
    fn day(text: &str) -> i64 {
        let format = time::macros::format_description!("[year]-[month]-[day]");
        Date::parse(text, format).expect("a date").midnight().assume_utc().unix_timestamp()
    }

    fn period(text: &str) -> Period {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn years_months_and_days_are_read_in_this_order_and_nothing_else() {
        for (text, months, days) in
            [("P90D", 0, 90), ("P2Y", 24, 0), ("P18M", 18, 0), ("P1Y2M3D", 14, 3), ("P0D", 0, 0)]
        {
            let read = period(text);
            assert_eq!((read.months, read.days, read.to_string()), (months, days, text.to_owned()));
        }
        for text in [
            "",
            "P",
            "90D",
            "P90",
            "PD",
            "P1D2M",
            "P1D1D",
            "P-1D",
            "P+1D",
            "P1.5D",
            "p90d",
            "P1W",
            "PT1H",
            "P1DT1H",
            "P 1D",
            "P1D ",
            "P101Y",
            "P99999999999D",
            "P36601D",
            "P٣D",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (from, text, to) in [
            ("2026-11-24", "P90D", "2027-02-22"),
            ("2026-11-24", "P2Y", "2028-11-24"),
            ("2026-01-31", "P1M", "2026-02-28"),
            ("2028-02-29", "P1Y", "2029-02-28"),
            ("2026-12-31", "P2M1D", "2027-03-01"),
        ] {
            assert_eq!(period(text).after(day(from)), day(to), "{from} {text}");
        }
        assert_eq!(period("P1M").before(day("2026-03-31")), day("2026-02-28"));
        assert_eq!(period("P1Y1D").before(day("2027-11-25")), day("2026-11-24"));
        assert_eq!(period("P30D").before(day("2026-11-24") + 5), day("2026-10-25") + 5);
    }

    #[test]
    fn what_the_calendar_does_not_reach_never_comes() {
        assert_eq!(period("P1Y").after(253_402_300_799), i64::MAX);
        assert_eq!(period("P1Y").after(i64::MAX), i64::MAX);
        assert_eq!(period("P1Y").before(i64::MIN), i64::MIN);
    }

    proptest! {
        #[test]
        fn a_period_has_neither_fewer_nor_more_days_than_it_says(
            start in 0i64..20_000_000_000, months in 0u32..100, days in 0u32..1000,
        ) {
            let period = Period { text: String::new(), months, days };
            for length in [period.after(start) - start, start - period.before(start)] {
                prop_assert!(length >= i64::from(period.fewest_days()) * DAY);
                prop_assert!(length <= i64::from(period.most_days()) * DAY);
            }
        }
    }
}
