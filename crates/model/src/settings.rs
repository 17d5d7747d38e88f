//! What a policy lets a tenant choose: the availability preset and the three numbers, each within bounds.
//!
//! Owns [`Preset`], [`Bound`], [`Hold`], [`OutageBudget`], [`DenialRule`] and [`Settings`]. What follows from
//! them is decided in `unwrap` and `lease`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::unwrap::Family;

/// When the availability key may help, apart from an order of the officers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preset {
    /// Never.
    Never,
    /// Only in an outage of both roots, with evidence; nobody gets in without consent.
    #[default]
    OutageOnly,
    /// As `OutageOnly`, and for the service's own actions also after a denial.
    ///
    /// Representable, but no text is read as this one: it stays refused until the origins of leases have
    /// been tested with it.
    OutageAndSystem,
}

impl Preset {
    /// Whether this preset lets the availability key open more than `other` does.
    pub fn is_weaker_than(self, other: Self) -> bool {
        self.reach() > other.reach()
    }

    fn reach(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::OutageOnly => 1,
            Self::OutageAndSystem => 2,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::OutageOnly => "outage-only",
            Self::OutageAndSystem => "outage-and-system",
        })
    }
}

impl FromStr for Preset {
    type Err = NotASetting;

    fn from_str(text: &str) -> Result<Self, NotASetting> {
        match text {
            "never" => Ok(Self::Never),
            "outage-only" => Ok(Self::OutageOnly),
            "outage-and-system" => Err(NotASetting::NotYet),
            _ => Err(NotASetting::Preset),
        }
    }
}

impl Serialize for Preset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Goes through [`FromStr`], so that no row and no body can hold what nobody may choose.
impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident = $least:literal ..= $most:literal seconds, $outside:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name(u64);

        impl $name {
            /// The smallest value that may be configured, in seconds.
            pub const LEAST: u64 = $least;
            /// The largest value that may be configured, in seconds.
            pub const MOST: u64 = $most;

            /// The value, if it is within bounds.
            pub fn from_secs(seconds: u64) -> Result<Self, NotASetting> {
                if (Self::LEAST..=Self::MOST).contains(&seconds) {
                    Ok(Self(seconds))
                } else {
                    Err(NotASetting::$outside)
                }
            }

            /// The value in seconds.
            pub fn secs(self) -> u64 {
                self.0
            }

            /// The value as a duration.
            pub fn duration(self) -> Duration {
                Duration::from_secs(self.0)
            }
        }

        impl TryFrom<u64> for $name {
            type Error = NotASetting;

            fn try_from(seconds: u64) -> Result<Self, NotASetting> {
                Self::from_secs(seconds)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )*};
}

numbers! {
    /// Until a denial is obeyed everywhere: 2 seconds to 15 minutes.
    ///
    /// Less than two seconds would leave no room to renew ahead of the end.
    Bound = 2..=900 seconds, Bound;
    /// How long an open policy lives on while its roots are out of reach: nothing to one day.
    Hold = 0..=86_400 seconds, Hold;
    /// How old the younger of two proofs may be when the availability key stands in: 12 hours to 7 days.
    ///
    /// Slots are proved every 6 hours: with less than twice that, an idle policy could have no evidence in an
    /// honest outage. Who wants less wants [`Preset::Never`].
    OutageBudget = 43_200..=604_800 seconds, OutageBudget;
}

impl Default for Bound {
    fn default() -> Self {
        Self(60)
    }
}

impl Hold {
    /// No hold.
    pub const NONE: Self = Self(0);

    /// The default of a family: four hours for sites, which have no other help; nothing for the others.
    pub fn default_of(family: Family) -> Self {
        match family {
            Family::Exchange => Self::NONE,
            Family::SharePoint => Self(4 * 3600),
        }
    }
}

impl Default for OutageBudget {
    fn default() -> Self {
        Self(72 * 3600)
    }
}

/// When a denial by one slot becomes conclusive.
///
/// The place for a later rule that asks a second time before it believes a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenialRule {
    /// The first denial counts.
    #[default]
    AtOnce,
}

/// What a policy's tenant has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// When the availability key may help.
    pub preset: Preset,
    /// Until a denial is obeyed everywhere.
    pub bound: Bound,
    /// How long an open policy lives on while its roots are out of reach.
    pub hold: Hold,
    /// How old the evidence of an outage may be.
    pub outage_budget: OutageBudget,
    /// When a denial becomes conclusive.
    #[serde(default)]
    pub denial_rule: DenialRule,
}

impl Settings {
    /// The defaults of a family.
    pub fn default_of(family: Family) -> Self {
        Self {
            preset: match family {
                Family::Exchange => Preset::OutageOnly,
                Family::SharePoint => Preset::Never,
            },
            bound: Bound::default(),
            hold: Hold::default_of(family),
            outage_budget: OutageBudget::default(),
            denial_rule: DenialRule::AtOnce,
        }
    }

    /// Whether the settings are possible for a family; a SharePoint policy has no preset but `never`.
    pub fn check(&self, family: Family) -> Result<(), NotASetting> {
        match (self.preset, family) {
            (Preset::OutageAndSystem, _) => Err(NotASetting::NotYet),
            (Preset::OutageOnly, Family::SharePoint) => Err(NotASetting::SharePoint),
            _ => Ok(()),
        }
    }

    /// Whether these settings give the key holders less than `before` did; that takes an order of the officers.
    ///
    /// A longer bound or hold counts too: both make a "no" slower.
    pub fn are_weaker_than(&self, before: &Self) -> bool {
        self.preset.is_weaker_than(before.preset)
            || self.outage_budget > before.outage_budget
            || self.bound > before.bound
            || self.hold > before.hold
    }
}

/// A setting that may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASetting {
    /// No preset of that name.
    #[error("the availability preset must be outage-only or never")]
    Preset,
    /// A preset that is not open yet.
    #[error("the availability preset outage-and-system cannot be chosen yet; choose outage-only or never")]
    NotYet,
    /// A preset that SharePoint policies do not have.
    #[error("the availability preset of a SharePoint policy is always never")]
    SharePoint,
    /// The bound is out of range.
    #[error("the bound must be 2 to 900 seconds")]
    Bound,
    /// The hold is out of range.
    #[error("the hold must be 0 to 86400 seconds")]
    Hold,
    /// The outage budget is out of range.
    #[error("the outage budget must be 43200 to 604800 seconds (12 hours to 7 days)")]
    OutageBudget,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_choose_a_preset_that_is_not_open_yet() {
        assert_eq!("outage-and-system".parse::<Preset>(), Err(NotASetting::NotYet));
        assert!(serde_json::from_str::<Preset>("\"outage-and-system\"").is_err());
        for preset in [Preset::Never, Preset::OutageOnly] {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        let chosen = Settings { preset: Preset::OutageAndSystem, ..Settings::default_of(Family::Exchange) };
        assert_eq!(chosen.check(Family::Exchange), Err(NotASetting::NotYet));
    }

    #[test]
    fn a_sharepoint_policy_has_no_preset_but_never() {
        assert_eq!(Settings::default_of(Family::SharePoint).check(Family::SharePoint), Ok(()));
        assert_eq!(
            Settings::default_of(Family::Exchange).check(Family::SharePoint),
            Err(NotASetting::SharePoint)
        );
    }

    #[test]
    fn defaults_are_those_that_the_documents_promise() {
        let (mail, sites) =
            (Settings::default_of(Family::Exchange), Settings::default_of(Family::SharePoint));
        assert_eq!((mail.bound.secs(), mail.hold.secs(), mail.outage_budget.secs()), (60, 0, 72 * 3600));
        assert_eq!((sites.bound.secs(), sites.hold.secs(), sites.preset), (60, 4 * 3600, Preset::Never));
    }

    #[test]
    fn a_number_outside_its_bounds_is_refused_from_json_too() {
        assert!(Bound::from_secs(Bound::LEAST).is_ok() && Bound::from_secs(Bound::MOST).is_ok());
        assert_eq!(Bound::from_secs(Bound::LEAST - 1), Err(NotASetting::Bound));
        assert_eq!(Hold::from_secs(Hold::MOST + 1), Err(NotASetting::Hold));
        assert!(serde_json::from_str::<OutageBudget>("3600").is_err());
        assert!(serde_json::from_str::<Bound>("60").is_ok());
    }

    #[test]
    fn whatever_makes_a_no_slower_is_weaker() {
        let before = Settings::default_of(Family::Exchange);
        assert!(!before.are_weaker_than(&before));
        for weaker in [
            Settings { bound: Bound(61), ..before },
            Settings { hold: Hold(1), ..before },
            Settings { outage_budget: OutageBudget(OutageBudget::MOST), ..before },
            Settings { preset: Preset::OutageAndSystem, ..before },
            // stronger in one thing and weaker in another is weaker
            Settings { preset: Preset::Never, bound: Bound(900), ..before },
        ] {
            assert!(weaker.are_weaker_than(&before), "{weaker:?}");
        }
        assert!(!Settings { preset: Preset::Never, ..before }.are_weaker_than(&before));
    }
}
