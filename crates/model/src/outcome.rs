//! How an unwrap ends: opened, and by what; refused by the customer; an outage; a vault that lies; our fault.
//!
//! Owns [`Outcome`] and how it reads to a caller. How it comes about is decided in `unwrap`.

use serde::{Deserialize, Serialize};

use crate::evidence::Gap;
use crate::fault::Finding;
use crate::id::DepId;
use crate::lease::Origin;
use crate::refusal::{Code, Refusal};
use crate::slot::Slot;

/// The end of an unwrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// What came of it.
    pub outcome: Outcome,
    /// What the operator must look at, also when the key was opened: every answer that was lying or ours.
    pub alarms: Vec<Alarm>,
}

/// What came of an unwrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The key is open.
    Opened(Opener),
    /// The customer refused, now or before.
    Refused(Why),
    /// Nobody can be reached, and nothing may stand in.
    Outage(NoHelp),
    /// These are not to be trusted; the others could not be reached.
    Lying(Vec<Party>),
    /// Something of ours is broken, for the reason of the fault table.
    Ours(&'static str),
}

impl Outcome {
    /// What the caller is told, unless the key is open.
    pub fn refusal(&self, policy: DepId) -> Option<Refusal> {
        let (code, detail) = match self {
            Self::Opened(_) => return None,
            Self::Refused(why) => (Code::RefusedByCustomer, why.to_string()),
            Self::Outage(no_help) => {
                (Code::Outage, format!("neither of the customer's keys can be reached, and {no_help}"))
            }
            Self::Lying(parties) => {
                let names: Vec<String> = parties.iter().map(ToString::to_string).collect();
                (Code::Lying, format!("not to be trusted: {}", names.join(" and ")))
            }
            Self::Ours(reason) => (Code::Ours, format!("the key could not be opened ({reason})")),
        };
        Some(Refusal::new(code, detail).about(policy))
    }
}

/// What opened the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opener {
    /// A customer key.
    Root(Slot),
    /// The availability key.
    Availability(AvailabilityUse),
}

impl Opener {
    /// The origin of the leases on a key opened so.
    pub fn origin(self) -> Origin {
        match self {
            Self::Root(_) => Origin::Root,
            Self::Availability(AvailabilityUse::Outage) => Origin::AvailabilityByOutage,
            Self::Availability(AvailabilityUse::System) => Origin::AvailabilityBySystem,
            Self::Availability(AvailabilityUse::Recovery) => Origin::Recovery,
        }
    }
}

/// Why the availability key is used; each use is an audit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AvailabilityUse {
    /// Both roots are unreachable, with evidence of an outage.
    Outage,
    /// An action of the service itself, after a denial, under the preset that allows it.
    System,
    /// An order of the officers.
    Recovery,
}

/// An order of the tenant that shuts a policy, whatever its vaults say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// Revoked; only a recovery order opens it again.
    Revoked,
    /// Being purged; nothing opens it again.
    Purging,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The vault of a customer key.
    Root(Slot),
    /// The provider's availability vault.
    Availability,
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root(slot) => write!(f, "the vault of the {slot} key"),
            Self::Availability => f.write_str("the availability vault"),
        }
    }
}

/// An answer that one of us should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Who answered.
    pub party: Party,
    /// What it means.
    pub finding: Finding,
}

/// How the customer refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// These slots denied, now or in their last conclusive answer.
    Denied(Vec<Slot>),
    /// A revoke order stands.
    Revoked,
    /// A purge is under way.
    Purging,
    /// The recovery order is for another policy or key, or has run out.
    OrderDoesNotCover,
    /// The policy's availability key has been shut by a denial, an order or a purge.
    AvailabilityClosed,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied(slots) => match slots.as_slice() {
                [slot] => write!(f, "the {slot} key refused, and the other could not open"),
                _ => f.write_str("both keys refused"),
            },
            Self::Revoked => f.write_str("the tenant's officers revoked the policy"),
            Self::Purging => f.write_str("the policy is being purged"),
            Self::OrderDoesNotCover => f.write_str("the order is not for this key, or has run out"),
            Self::AvailabilityClosed => {
                f.write_str("neither key can be reached, and the availability key was shut after a denial")
            }
        }
    }
}

/// Why the availability key does not stand in for two unreachable roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoHelp {
    /// SharePoint policies never use it.
    SharePoint,
    /// The policy's preset is `never`.
    Preset,
    /// Changes of a policy never use it.
    PolicyChange,
    /// There is no evidence of an outage.
    NoEvidence(Gap),
    /// It cannot be reached either.
    Unreachable,
}

impl std::fmt::Display for NoHelp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SharePoint => f.write_str("SharePoint policies never use the availability key"),
            Self::Preset => f.write_str("the policy never uses the availability key"),
            Self::PolicyChange => f.write_str("a change of policy never uses the availability key"),
            Self::NoEvidence(gap) => write!(f, "there is no evidence of an outage: {gap}"),
            Self::Unreachable => f.write_str("the availability key cannot be reached either"),
        }
    }
}
