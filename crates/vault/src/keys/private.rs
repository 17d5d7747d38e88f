//! Private halves: sealed at rest, opened under the master key, parsed once and kept for a while.
//!
//! Owns the bounded cache. Nothing is decided from it: every call reads the version's row first, and a key that is disabled
//! or gone is refused there. What is deleted is also dropped here, so that its private half is nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use crypto::{Key, Master, PrivateKey, VaultKeyPlace};

use crate::core::{Core, Found};
use crate::error::Stop;
use crate::id::KeyVersion;
use crate::keys::key::VersionRow;

/// Parsed private keys by the place of their row.
#[derive(Debug)]
pub(crate) struct Parsed {
    most: usize,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    keys: HashMap<String, Kept>,
    /// Counts uses; the entry with the smallest is dropped first.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    key: Arc<PrivateKey>,
    used: u64,
}

impl Parsed {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, cache: Mutex::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.cache().keys.len()
    }

    fn find(&self, place: &str) -> Option<Arc<PrivateKey>> {
        let mut cache = self.cache();
        cache.uses += 1;
        let uses = cache.uses;
        let kept = cache.keys.get_mut(place)?;
        kept.used = uses;
        Some(kept.key.clone())
    }

    fn keep(&self, place: String, key: Arc<PrivateKey>) {
        if self.most == 0 {
            return;
        }
        let mut cache = self.cache();
        cache.uses += 1;
        let used = cache.uses;
        if cache.keys.len() >= self.most && !cache.keys.contains_key(&place) {
            let oldest = cache.keys.iter().min_by_key(|(_, kept)| kept.used).map(|(place, _)| place.clone());
            if let Some(oldest) = oldest {
                cache.keys.remove(&oldest);
            }
        }
        cache.keys.insert(place, Kept { key, used });
    }

    /// Forgets the key of a row that is gone, or that changed under a call.
    pub(crate) fn forget(&self, place: &str) {
        self.cache().keys.remove(place);
    }

    /// Forgets every version of a key that is deleted; `key` is the key of its row.
    pub(crate) fn forget_all(&self, key: &str) {
        let of_key = |place: &str| place.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'));
        self.cache().keys.retain(|place, _| !of_key(place));
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seals a new private half for the payload of the row with this key.
pub(crate) fn seal(core: &Core, row: &str, key: &PrivateKey) -> Result<Vec<u8>, Stop> {
    Ok(core.master.wrap_private(key, &place(row)?, &*core.random))
}

/// A sealed private half for the row of another key; `from` and `to` are the keys of the rows, `by` the master key of its time.
pub(crate) fn move_to(
    core: &Core,
    sealed: &[u8],
    by: &Key<Master>,
    from: &str,
    to: &str,
) -> Result<Vec<u8>, Stop> {
    let moved = by.move_private(sealed, &place(from)?, &core.master, &place(to)?, &*core.random);
    moved.map_err(|_| Stop::Damaged("a private half that does not open"))
}

/// A private half in use. It stays in the cache only if the use was committed, which proves that its row still stood:
/// a call that failed, met a deletion or was dropped half-way leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    parsed: &'a Parsed,
    place: String,
    pub(crate) key: Arc<PrivateKey>,
    committed: bool,
}

impl Held<'_> {
    /// The use is durable and its row was the one that was read.
    pub(crate) fn committed(mut self) {
        self.committed = true;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.parsed.forget(&self.place);
        }
    }
}

/// The private half of a version that was just read; unsealed once while it is in use.
pub(crate) fn open<'a>(core: &'a Core, row: &Found<VersionRow>) -> Result<Held<'a>, Stop> {
    let held = |key| Held { parsed: &core.parsed, place: row.key.clone(), key, committed: false };
    if let Some(key) = core.parsed.find(&row.key) {
        return Ok(held(key));
    }
    let sealed: &Bytes = row.payload.as_ref().ok_or(Stop::Damaged("a version without private half"))?;
    let key = core
        .master
        .unwrap_private(sealed, &place(&row.key)?)
        .map_err(|_| Stop::Damaged("a private half that does not open"))?;
    let key = Arc::new(key);
    core.parsed.keep(row.key.clone(), key.clone());
    Ok(held(key))
}

/// The place that a private half is bound to: vault, name and version of its row's key, never of its body.
/// Where the private half of the row with this key is sealed.
pub(crate) fn place(row: &str) -> Result<VaultKeyPlace, Stop> {
    let damaged = || Stop::Damaged("a version's row with another key");
    let [vault, name, version] = *row.split('/').collect::<Vec<_>>() else { return Err(damaged()) };
    let version: KeyVersion = version.parse().map_err(|_| damaged())?;
    Ok(VaultKeyPlace { vault: vault.into(), name: name.into(), version: *version.as_bytes() })
}

#[cfg(test)]
mod tests {
    use crypto::{Curve, EcPrivate};

    use super::*;

    #[test]
    fn the_cache_has_a_bound_and_drops_what_was_used_longest_ago() {
        let key = Arc::new(PrivateKey::from(EcPrivate::generate(Curve::P256).expect("a key")));
        let parsed = Parsed::new(2);
        for place in ["a", "b"] {
            parsed.keep(place.into(), key.clone());
        }
        assert!(parsed.find("a").is_some());
        parsed.keep("c".into(), key.clone());
        assert!(parsed.find("b").is_none());
        assert!(parsed.find("a").is_some() && parsed.find("c").is_some());
        parsed.forget("a");
        assert!(parsed.find("a").is_none());
        let none = Parsed::new(0);
        none.keep("a".into(), key);
        assert!(none.find("a").is_none());
    }
}
