//! The wrap set of a policy: one seed, wrapped by three root keys, under one commitment and one MAC.
//!
//! Losing it is the purge, and whoever could edit it unseen could have the seed wrapped for a stranger at the
//! next refresh; so a MAC under a key from the seed covers every byte. Owns the making and the judging; the
//! bytes are in `codec`. The format and the reasons are in `spec/wrap-set.md`.

mod codec;

use std::fmt;

use crate::digest;
use crate::key::Key;
use crate::level::Dep;
use crate::place::DepPlace;
use crate::seed::{Commitment, Seed};

/// One root key's wrap of the seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    /// The key identifier with its version: 1 to [`Slot::MAX_KEY_IDENTIFIER`] bytes.
    pub key_identifier: String,
    /// The directory whose tokens the vault trusts; `None` for the availability key.
    pub directory: Option<[u8; 16]>,
    /// The seed under RSA-OAEP-256: 1 to [`Slot::MAX_WRAPPED`] bytes.
    pub wrapped: Vec<u8>,
}

impl Slot {
    /// The longest key identifier, in bytes.
    pub const MAX_KEY_IDENTIFIER: usize = 512;
    /// The longest wrap, in bytes; twice what RSA-4096 gives.
    pub const MAX_WRAPPED: usize = 1024;
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({}, {} bytes)", self.key_identifier, self.wrapped.len())
    }
}

/// The three wraps of one generation of one policy, with what proves them.
#[derive(Clone, PartialEq, Eq)]
pub struct WrapSet {
    /// The policy and generation that the set belongs to.
    pub place: DepPlace,
    /// The availability preset, by name: up to [`WrapSet::MAX_PRESET`] bytes.
    pub preset: String,
    /// First, second and availability key, in this order; exactly three.
    pub slots: Vec<Slot>,
    /// What the seed of every slot must open to.
    pub commitment: Commitment,
    /// HMAC-SHA-256 over everything above, under a key from the seed.
    pub mac: [u8; 32],
}

impl WrapSet {
    /// First, second, availability.
    pub const SLOTS: usize = 3;
    /// The longest preset name, in bytes.
    pub const MAX_PRESET: usize = 64;
    /// The longest set in bytes; a longer one is refused before it is read.
    pub const MAX_LEN: usize = codec::MAX_LEN;

    /// Makes the set of a seed; each slot must already have been unwrapped once and compared.
    ///
    /// Fails when there are not three slots or a field is empty or too long to be read back.
    pub fn new(place: DepPlace, preset: String, slots: Vec<Slot>, seed: &Seed) -> Result<Self, NotAWrapSet> {
        let commitment = seed.commitment(&place);
        let mut set = Self { place, preset, slots, commitment, mac: [0; 32] };
        codec::check_bounds(&set)?;
        set.mac = set.mac_under(seed);
        Ok(set)
    }

    /// Judges the stored set with a seed that a slot gave, and derives the DEP key if both are right.
    ///
    /// `place` is where the set was found. [`WrapSetFault::Damaged`] is ours: stored bytes are not what was
    /// written. [`WrapSetFault::Lying`] names the vault that gave this seed; see there what still must be asked.
    pub fn check(&self, seed: &Seed, place: &DepPlace) -> Result<Key<Dep>, WrapSetFault> {
        if self.place != *place || codec::check_bounds(self).is_err() {
            return Err(WrapSetFault::Damaged);
        }
        let known = seed.commitment(place);
        let committed = digest::same(known.as_bytes(), self.commitment.as_bytes());
        let authentic = digest::same(&self.mac_under(seed), &self.mac);
        match (committed, authentic) {
            (true, true) => Ok(seed.dep_key(place)),
            // The seed is the one that was committed to, so it is the stored bytes that changed.
            (true, false) => Err(WrapSetFault::Damaged),
            // No set that we ever wrote: ours carry the commitment of the seed that made the MAC.
            (false, true) => Err(WrapSetFault::Damaged),
            (false, false) if self.restored(known, seed) => Err(WrapSetFault::Damaged),
            (false, false) => Err(WrapSetFault::Lying),
        }
    }

    /// Whether the MAC holds once the commitment is put right: then this seed made the MAC, the vault told the
    /// truth, and the commitment's bytes were damaged.
    fn restored(&self, commitment: Commitment, seed: &Seed) -> bool {
        let mended = Self { commitment, ..self.clone() };
        digest::same(&mended.mac_under(seed), &self.mac)
    }

    fn mac_under(&self, seed: &Seed) -> [u8; 32] {
        seed.wrap_set_mac(&self.place, &codec::body(self))
    }

    /// The canonical bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads stored bytes; refuses everything that [`WrapSet::to_bytes`] does not give.
    ///
    /// A failure means damaged storage (ours), before any vault has been asked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAWrapSet> {
        codec::decode(bytes)
    }
}

impl fmt::Debug for WrapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapSet")
            .field("place", &self.place)
            .field("preset", &self.preset)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a stored set or with a vault's answer; neither opens anything, both raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapSetFault {
    /// Ours: the stored bytes are not what was written, or were found in another place.
    #[error("the stored wrap set is damaged")]
    Damaged,
    /// The seed is not the one that the set commits to: the vault that gave it lies.
    ///
    /// Before it is accused in public, the other slot is asked: two vaults that give the *same* seed
    /// ([`Seed::agrees_with`]) have not lied, the set is damaged in more than one field.
    #[error("the vault answered with another seed than the one that was wrapped")]
    Lying,
}

/// Bytes that are not a wrap set in its canonical form, or fields that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAWrapSet {
    /// The format's mark is missing.
    #[error("not a wrap set")]
    Magic,
    /// A version that this program does not read.
    #[error("wrap set version {0} is not known here")]
    Version(u16),
    /// The bytes are cut, too long, or hold a value that is not canonical.
    #[error("malformed wrap set: {0}")]
    Malformed(&'static str),
    /// The checksum does not match: the stored bytes changed.
    #[error("the wrap set's checksum does not match")]
    Checksum,
}

#[cfg(test)]
mod tests;
