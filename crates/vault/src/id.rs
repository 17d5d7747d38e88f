//! Identifiers of the vault's own things; those that the whole house shares are in `model::id`.
//!
//! Owns the newtypes of applications, principals, subscriptions, role assignments and key versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}")]
pub struct NotAnId {
    kind: &'static str,
    text: String,
}

impl NotAnId {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(64).collect() }
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $shown:vis $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        $shown struct $name(Uuid);

        impl $name {
            /// Makes an id of 16 random bytes; six bits are overwritten by the UUID version and variant.
            $shown fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId::new($kind, text))
            }
        }
    )*};
}

ids! {
    /// An application as its home directory knows it: the client id.
    pub ApplicationId = "a client id";
    /// A user, or an application's service principal, in one directory: the object id.
    pub PrincipalId = "an object id";
    /// A subscription of the resource manager.
    pub SubscriptionId = "a subscription id";
    /// The name of one role assignment; unique at its scope.
    pub(crate) AssignmentId = "a role assignment id";
    /// A request as this program numbers it.
    pub(crate) CallId = "a request id";
}

/// One version of a key: 16 bytes, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyVersion([u8; 16]);

impl KeyVersion {
    /// A version of 16 random bytes, in the form of a UUID without dashes.
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
    }

    /// The bytes that the wrap of the private key is bound to.
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).as_simple().fmt(f)
    }
}

impl fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyVersion {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refused = || NotAnId::new("a key version", text);
        // `Uuid` also reads dashes and braces; a version is 32 digits and nothing else.
        if text.len() != 32 {
            return Err(refused());
        }
        Uuid::try_parse(text).map(|id| Self(id.into_bytes())).map_err(|_| refused())
    }
}

impl Serialize for KeyVersion {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyVersion {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_32_digits_in_any_case() {
        let version = KeyVersion::from_random([0xab; 16]);
        let text = version.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.to_uppercase().parse::<KeyVersion>(), Ok(version));
        for text in ["", "0", "wrapkey", "6305d777-930c-b45f-aa87-cda44ed8349f", &"g".repeat(32)] {
            assert!(text.parse::<KeyVersion>().is_err(), "{text}");
        }
    }
}
