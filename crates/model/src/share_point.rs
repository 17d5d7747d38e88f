//! The state of a SharePoint policy's geo: registering, registered, rolling one key, recovering.
//!
//! Owns [`GeoState`]. The numbers and words are those that administrators' scripts compare.

use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};
use crate::slot::Slot;

/// How far a piece of work over all sites of a geo has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// Sites that are done.
    pub done: u64,
    /// Sites in all.
    pub total: u64,
}

impl Progress {
    /// Whole percent, rounded down: 100 only when all is done.
    pub fn percent(self) -> u8 {
        let Self { done, total } = self;
        if done >= total {
            return 100;
        }
        u8::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(99)
    }
}

/// Where the sites of a geo stand with their policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum GeoState {
    /// There is no policy.
    Unregistered,
    /// Sites are being brought under a new policy.
    Registering(Progress),
    /// Every site is under the policy.
    Registered,
    /// One key is being rolled.
    Rolling {
        /// Which key.
        slot: Slot,
        /// How far.
        progress: Progress,
    },
    /// The officers ordered a recovery.
    Recovering,
}

impl GeoState {
    /// The number of the state in the administrators' object model.
    pub fn number(self) -> u8 {
        match self {
            Self::Unregistered => 0,
            Self::Registering(_) => 1,
            Self::Registered => 2,
            Self::Rolling { .. } => 3,
            Self::Recovering => 4,
        }
    }

    /// The word of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unregistered => "Unregistered",
            Self::Registering(_) => "Registering",
            Self::Registered => "Registered",
            Self::Rolling { .. } => "Rolling",
            Self::Recovering => "Recovering",
        }
    }

    /// Percent of sites that are done; shown while registering and rolling only.
    pub fn percent(self) -> Option<u8> {
        match self {
            Self::Registering(progress) | Self::Rolling { progress, .. } => Some(progress.percent()),
            Self::Unregistered | Self::Registered | Self::Recovering => None,
        }
    }

    /// The state in which this key is rolled; refused unless nothing else is going on.
    pub fn roll(self, slot: Slot, sites: u64) -> Result<Self, Refusal> {
        match self {
            Self::Registered => Ok(Self::Rolling { slot, progress: Progress { done: 0, total: sites } }),
            Self::Unregistered | Self::Registering(_) | Self::Rolling { .. } | Self::Recovering => {
                let detail =
                    format!("one key is rolled at a time, from the state Registered; it is {}", self.word());
                Err(Refusal::new(Code::Conflict, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Progress = Progress { done: 1, total: 2 };

    fn all() -> [GeoState; 5] {
        [
            GeoState::Unregistered,
            GeoState::Registering(HALF),
            GeoState::Registered,
            GeoState::Rolling { slot: Slot::First, progress: HALF },
            GeoState::Recovering,
        ]
    }

    #[test]
    fn percent_is_shown_while_registering_and_rolling_only() {
        let shown: Vec<_> = all().iter().map(|state| state.percent().is_some()).collect();
        assert_eq!(shown, [false, true, false, true, false]);
        assert_eq!(all().map(GeoState::number), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!(Progress { done: 999, total: 1000 }.percent(), 99);
        assert_eq!(Progress { done: u64::MAX - 1, total: u64::MAX }.percent(), 99);
        assert_eq!(Progress { done: 0, total: 0 }.percent(), 100);
    }

    #[test]
    fn one_key_is_rolled_at_a_time() {
        for state in all() {
            let rolled = state.roll(Slot::Second, 10);
            assert_eq!(rolled.is_ok(), state == GeoState::Registered, "{state:?}");
        }
    }

    #[test]
    fn a_state_survives_storage() {
        for state in all() {
            let json = serde_json::to_string(&state).expect("plain values");
            assert_eq!(serde_json::from_str::<GeoState>(&json).expect("what was written"), state);
        }
    }
}
