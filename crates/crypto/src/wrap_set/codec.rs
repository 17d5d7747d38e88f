//! A wrap set's bytes: canonical, versioned, bounded, with a checksum. Layout in `spec/wrap-set.md`.
//!
//! `body ‖ mac ‖ checksum`: the MAC covers the body, the checksum both. The checksum is no protection; it tells
//! storage damage apart from a lying vault before any vault is asked.

use super::{NotAWrapSet, Slot, WrapSet};
use crate::digest;
use crate::place::DepPlace;
use crate::seed::Commitment;

const MAGIC: &[u8; 8] = b"FHWRAPS\0";
const VERSION: u16 = 1;
const DIGEST_LEN: usize = 32;
const NO_DIRECTORY: u8 = 0;
const DIRECTORY: u8 = 1;

const FIXED_LEN: usize = MAGIC.len() + 2 + 16 + 16 + 4 + 2 + 1 + 3 * DIGEST_LEN;
const MAX_SLOT_LEN: usize = 2 + Slot::MAX_KEY_IDENTIFIER + 1 + 16 + 2 + Slot::MAX_WRAPPED;
pub(super) const MAX_LEN: usize = FIXED_LEN + WrapSet::MAX_PRESET + WrapSet::SLOTS * MAX_SLOT_LEN;

/// Whether every field has bytes that can be read back.
pub(super) fn check_bounds(set: &WrapSet) -> Result<(), NotAWrapSet> {
    let within = |len: usize, max: usize| (1..=max).contains(&len);
    if set.slots.len() != WrapSet::SLOTS {
        return Err(NotAWrapSet::Malformed("there are not three slots"));
    }
    if !within(set.preset.len(), WrapSet::MAX_PRESET) {
        return Err(NotAWrapSet::Malformed("the preset is empty or too long"));
    }
    for slot in &set.slots {
        if !within(slot.key_identifier.len(), Slot::MAX_KEY_IDENTIFIER) {
            return Err(NotAWrapSet::Malformed("a key identifier is empty or too long"));
        }
        if !within(slot.wrapped.len(), Slot::MAX_WRAPPED) {
            return Err(NotAWrapSet::Malformed("a wrap is empty or too long"));
        }
    }
    Ok(())
}

/// What the MAC covers: everything but the MAC and the checksum.
pub(super) fn body(set: &WrapSet) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_LEN);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&set.place.tenant);
    out.extend_from_slice(&set.place.dep);
    out.extend_from_slice(&set.place.generation.to_be_bytes());
    put(&mut out, set.preset.as_bytes());
    out.push(u8::try_from(set.slots.len()).unwrap_or(u8::MAX));
    for slot in &set.slots {
        put(&mut out, slot.key_identifier.as_bytes());
        match &slot.directory {
            None => out.push(NO_DIRECTORY),
            Some(directory) => {
                out.push(DIRECTORY);
                out.extend_from_slice(directory);
            }
        }
        put(&mut out, &slot.wrapped);
    }
    out.extend_from_slice(set.commitment.as_bytes());
    out
}

pub(super) fn encode(set: &WrapSet) -> Vec<u8> {
    let mut out = body(set);
    out.extend_from_slice(&set.mac);
    let checksum = digest::sha256(&out);
    out.extend_from_slice(&checksum);
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<WrapSet, NotAWrapSet> {
    if bytes.len() > MAX_LEN {
        return Err(NotAWrapSet::Malformed("too long"));
    }
    let mut reader = Reader(bytes);
    if reader.array::<8>()? != *MAGIC {
        return Err(NotAWrapSet::Magic);
    }
    let version = u16::from_be_bytes(reader.array()?);
    if version != VERSION {
        return Err(NotAWrapSet::Version(version));
    }
    let (stored, checksum) = bytes.split_last_chunk::<DIGEST_LEN>().ok_or(CUT)?;
    if !digest::same(&digest::sha256(stored), checksum) {
        return Err(NotAWrapSet::Checksum);
    }
    let place = DepPlace {
        tenant: reader.array()?,
        dep: reader.array()?,
        generation: u32::from_be_bytes(reader.array()?),
    };
    let preset = reader.text()?;
    let [count] = reader.array()?;
    if usize::from(count) != WrapSet::SLOTS {
        return Err(NotAWrapSet::Malformed("there are not three slots"));
    }
    let slots = (0..count).map(|_| reader.slot()).collect::<Result<Vec<_>, _>>()?;
    let commitment = Commitment::from_bytes(reader.array()?);
    let mac = reader.array()?;
    reader.array::<DIGEST_LEN>()?;
    if !reader.0.is_empty() {
        return Err(NotAWrapSet::Malformed("bytes after the end"));
    }
    let set = WrapSet { place, preset, slots, commitment, mac };
    check_bounds(&set)?;
    Ok(set)
}

const CUT: NotAWrapSet = NotAWrapSet::Malformed("cut short");

fn put(out: &mut Vec<u8>, field: &[u8]) {
    // A field beyond its bound never gets here from `new` or `check`; one that a caller put into a public
    // field is written with a length that cannot be read back, and so fails its checks, never silently cut.
    let len = u16::try_from(field.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(field);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotAWrapSet> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn field(&mut self) -> Result<&'a [u8], NotAWrapSet> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        let (field, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = rest;
        Ok(field)
    }

    fn text(&mut self) -> Result<String, NotAWrapSet> {
        let text = std::str::from_utf8(self.field()?);
        text.map(str::to_owned).map_err(|_| NotAWrapSet::Malformed("text that is not UTF-8"))
    }

    fn slot(&mut self) -> Result<Slot, NotAWrapSet> {
        let key_identifier = self.text()?;
        let directory = match self.array()? {
            [NO_DIRECTORY] => None,
            [DIRECTORY] => Some(self.array()?),
            _ => return Err(NotAWrapSet::Malformed("a directory mark that is neither 0 nor 1")),
        };
        let wrapped = self.field()?.to_vec();
        Ok(Slot { key_identifier, directory, wrapped })
    }
}
