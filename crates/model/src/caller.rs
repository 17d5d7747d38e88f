//! Who asks: the authenticated principal of one call, and the class of initiator it puts the call into.
//!
//! Owns `Caller` and `Initiator`. The class comes from the principal and the kind of job, never from a
//! field of a request; a job inherits the class of whoever started it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{RequestId, TenantId};

/// The class of whoever started an action; it decides whether the availability key may help.
///
/// Whatever returns data to a person is [`Initiator::User`], whoever runs the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// A person, or a job that a person started, or anything whose result reaches a person.
    User,
    /// The service itself: index, move, scan, rewrap by the sweeper.
    System,
    /// An order of the tenant's officers.
    Recovery,
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::System => "system",
            Self::Recovery => "recovery",
        })
    }
}

/// The authenticated subject behind a call, as it appears in audit records: an id, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first argument of every operation on a tenant's data or policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the principal is enrolled in.
    pub tenant: TenantId,
    /// Who it is.
    pub principal: Principal,
    /// Which class the call falls into.
    pub initiator: Initiator,
    /// The id that this call carries through all three parties.
    pub request: RequestId,
}
