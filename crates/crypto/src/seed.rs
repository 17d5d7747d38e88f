//! The seed that every root key of a policy wraps, and what is derived from it.
//!
//! Tenant, DEP and generation are the only variable inputs (`spec/keys.md`), so revoking, restoring, refreshing
//! or replacing root keys changes nothing that is derived.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::context::Context;
use crate::derive;
use crate::digest;
use crate::key::Key;
use crate::level::Dep;
use crate::mac::Mac;
use crate::place::DepPlace;
use crate::random::Random;
use crate::secret::{KEY_LEN, Secret};

/// The 32 random bytes that every root key of a policy wraps. Debug shows nothing; zeroed on drop.
pub struct Seed(Secret);

impl Seed {
    /// Makes a new seed: for a new policy, or for a re-key.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Secret::build(|out| random.fill(out)))
    }

    /// Takes what a vault gave back for a wrapped seed.
    ///
    /// Anything but 32 bytes is no seed, and a vault that answers so is lying.
    pub fn from_unwrapped(bytes: Zeroizing<Vec<u8>>) -> Result<Self, NotASeed> {
        let bytes: &[u8; KEY_LEN] = bytes.as_slice().try_into().map_err(|_| NotASeed(()))?;
        Ok(Self(Secret::build(|out| *out = *bytes)))
    }

    /// The bytes, only to be wrapped by a root key.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Derives the DEP key of one generation of one policy.
    pub fn dep_key(&self, place: &DepPlace) -> Key<Dep> {
        Key::of(self.derive(&Context::dep_key(place)))
    }

    /// The public commitment to this seed, and so to the DEP key: no second seed has the same one.
    pub fn commitment(&self, place: &DepPlace) -> Commitment {
        Commitment(*self.derive(&Context::dep_commitment(place)).expose())
    }

    /// Whether two vaults gave the same seed, compared in constant time.
    pub fn agrees_with(&self, other: &Self) -> bool {
        digest::same(self.expose(), other.expose())
    }

    /// The MAC of a wrap set's bytes, under a key of its own.
    pub(crate) fn wrap_set_mac(&self, place: &DepPlace, bytes: &[u8]) -> [u8; 32] {
        Mac::new(self.derive(&Context::wrap_set_mac(place)).expose()).tag(bytes)
    }

    /// The key of the MAC, to compare with a published answer.
    #[cfg(test)]
    pub(crate) fn wrap_set_mac_key(&self, place: &DepPlace) -> [u8; 32] {
        *self.derive(&Context::wrap_set_mac(place)).expose()
    }

    fn derive(&self, context: &Context) -> Secret {
        derive::hkdf_secret(SALT, self.expose(), context.as_bytes())
    }
}

/// The fixed salt of the extract step; it separates the seed from every other use of HKDF.
const SALT: &[u8] = b"freehold/v1/seed";

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Bytes of another length than a seed's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a seed is 32 bytes")]
pub struct NotASeed(());

/// A public value that only one seed has for one place; prints and parses as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment([u8; 32]);

impl Commitment {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Takes stored bytes back.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

impl FromStr for Commitment {
    type Err = NotACommitment;

    fn from_str(text: &str) -> Result<Self, NotACommitment> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotACommitment(())),
        };
        let (pairs, odd) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !odd.is_empty() {
            return Err(NotACommitment(()));
        }
        let mut bytes = [0; 32];
        for (out, [high, low]) in bytes.iter_mut().zip(pairs) {
            *out = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// Text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a commitment is 64 lower-case hexadecimal digits")]
pub struct NotACommitment(());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    const PLACE: DepPlace = DepPlace { tenant: [1; 16], dep: [2; 16], generation: 1 };

    #[test]
    fn the_dep_key_depends_on_seed_tenant_dep_and_generation() {
        let random = SeededRandom::new(1);
        let (seed, other) = (Seed::generate(&random), Seed::generate(&random));
        let key = seed.dep_key(&PLACE);
        assert_eq!(seed.dep_key(&PLACE).secret(), key.secret());
        assert_ne!(other.dep_key(&PLACE).secret(), key.secret());
        for place in [
            DepPlace { tenant: [9; 16], ..PLACE },
            DepPlace { dep: [9; 16], ..PLACE },
            DepPlace { generation: 2, ..PLACE },
        ] {
            assert_ne!(seed.dep_key(&place).secret(), key.secret(), "{place:?}");
            assert_ne!(seed.commitment(&place), seed.commitment(&PLACE), "{place:?}");
        }
    }

    #[test]
    fn a_seed_commitment_key_and_mac_are_four_different_values() {
        let seed = Seed::generate(&SeededRandom::new(2));
        let derived = [
            *seed.expose(),
            *seed.dep_key(&PLACE).secret(),
            *seed.commitment(&PLACE).as_bytes(),
            seed.wrap_set_mac(&PLACE, b""),
        ];
        for (n, one) in derived.iter().enumerate() {
            assert!(derived[n + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn only_32_bytes_are_a_seed() {
        for len in [0, 31, 33, 64] {
            assert!(Seed::from_unwrapped(Zeroizing::new(vec![7; len])).is_err(), "{len}");
        }
        let seed = Seed::from_unwrapped(Zeroizing::new(vec![7; 32])).expect("32 bytes");
        assert_eq!(seed.expose(), &[7; 32]);
        assert_eq!(format!("{seed:?}"), "Seed(..)");
    }

    #[test]
    fn a_commitment_survives_its_text() {
        let commitment = Seed::generate(&SeededRandom::new(3)).commitment(&PLACE);
        let text = commitment.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse::<Commitment>(), Ok(commitment));
        assert!(text[1..].parse::<Commitment>().is_err());
        assert!("zz".repeat(32).parse::<Commitment>().is_err());
        assert!(
            text.to_uppercase().parse::<Commitment>().is_err() || !text.contains(|c: char| c.is_alphabetic())
        );
    }
}
