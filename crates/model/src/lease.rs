//! How fast a "no" takes effect: how long an opened key may be used, and by whom.

use serde::{Deserialize, Serialize};

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
