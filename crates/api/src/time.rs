//! A time on the wire: RFC 3339 in UTC, to the millisecond.

use ::time::format_description::well_known::Rfc3339;
use ::time::{OffsetDateTime, UtcOffset};
use model::time::Timestamp;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A wall-clock time as text, such as `2026-11-24T17:00:00.125Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T17:00:00.125Z")]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.0) * 1_000_000);
        let text = at.map_err(S::Error::custom)?.format(&Rfc3339).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = OffsetDateTime::parse(&text, &Rfc3339)
            .map_err(|_| D::Error::custom("expected an RFC 3339 time"))?;
        let milliseconds = at.to_offset(UtcOffset::UTC).unix_timestamp_nanos().div_euclid(1_000_000);
        Ok(Self(Timestamp(i64::try_from(milliseconds).map_err(D::Error::custom)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_text_in_utc_and_comes_back_to_the_millisecond() {
        let time = Time(Timestamp(1_795_000_000_125));
        let text = serde_json::to_string(&time).expect("text");
        assert_eq!(text, "\"2026-11-18T11:06:40.125Z\"");
        assert_eq!(serde_json::from_str::<Time>(&text).expect("a time"), time);
        let elsewhere = serde_json::from_str::<Time>("\"2026-11-18T13:06:40.125+02:00\"").expect("a time");
        assert_eq!(elsewhere, time);
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
    }
}
