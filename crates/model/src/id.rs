//! Identifiers: one type for each kind of thing, so that a tenant is never passed where a policy is meant.
//!
//! Owns the id newtypes and the two counters that must never be confused (a key *generation* and the
//! *revocation epoch*). Names that people type live elsewhere; an id says nothing about its bearer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind} id: expected a UUID such as 11111111-1111-4111-8111-111111111111")]
pub struct NotAnId {
    kind: &'static str,
    text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id of 16 random bytes; six bits are overwritten by the UUID version and variant.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The 16 bytes that go into canonical contexts.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, " {}"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let short: String = text.chars().take(64).collect();
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId { kind: $kind, text: short })
            }
        }
    )*};
}

ids! {
    /// A customer of the service.
    TenantId = "tenant";
    /// A directory: the issuer whose tokens a vault trusts. One directory belongs to one tenant.
    DirectoryId = "directory";
    /// A data encryption policy (DEP).
    DepId = "policy";
    /// What holds a container key: a mailbox or a site.
    ContainerId = "container";
    /// One message or file in a container.
    ObjectId = "object";
    /// One call to the service; carried through all three parties and into every log.
    RequestId = "request";
    /// One background job.
    JobId = "job";
}

/// Which key of a policy or of a container is meant; it changes only by re-key or by move.
///
/// An input of derivations and contexts. Never confuse it with [`RevocationEpoch`], which is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation that a policy or a container is born with.
    pub const FIRST: Self = Self(1);

    /// The generation after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fence for leases: raised by every denial, order or purge step of a policy.
///
/// Never an input of a derivation, a context or a coverage record: if it were, nothing would open
/// after revoke and restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevocationEpoch(pub u64);

impl RevocationEpoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id = TenantId::from_random([7; 16]);
        assert_eq!(id.to_string().parse::<TenantId>(), Ok(id));
        let json = serde_json::to_string(&id).expect("an id is a string");
        assert_eq!(serde_json::from_str::<TenantId>(&json).expect("what was written"), id);
    }

    #[test]
    fn text_that_is_no_id_is_refused_with_its_kind() {
        let refused = "contoso".parse::<DepId>().expect_err("not a UUID");
        assert!(refused.to_string().contains("\"contoso\" is not a policy id"), "{refused}");
    }
}
