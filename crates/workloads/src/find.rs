//! Finding objects by name: a keyed tag leads to them, so that no name stands in a row.
//!
//! Owns the lookup (spec/objects.md, 5). A tag belongs to one generation of the container key, so every
//! generation that the holder has in use is tried.

use crypto::Lookup;
use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::Refusal;
use store::Scan;

use crate::engine::{Engine, Found, OBJECT_NAMES, OBJECTS, name_prefix};
use crate::fault::trouble;
use crate::lease::Keyring;
use crate::name::Name;
use crate::object::{Entry, Place};
use crate::tag::Tag;

/// Objects of one name that a lookup gives.
pub const MAX_NAMESAKES: u32 = 200;

impl Engine {
    /// The objects that bear a name, in the order of their ids; empty when none does.
    ///
    /// At most [`MAX_NAMESAKES`]; a list shows the others.
    pub async fn find(
        &self,
        caller: &Caller,
        container: ContainerId,
        name: &Name,
    ) -> Result<Vec<Entry>, Refusal> {
        let holder = self.ready_holder(caller, container).await?;
        let mut ring = Keyring::new(&self.keys, caller, container);
        let mut keys = Vec::new();
        for generation in holder.generations {
            let tag = ring.with(generation, |key| Tag::of_name(&key.lookup_key(Lookup::Name), name)).await?;
            let prefix = name_prefix(caller.tenant, container, generation, &tag);
            let scan = Scan { prefix: &prefix, after: None, limit: MAX_NAMESAKES };
            for row in self.store.scan(OBJECT_NAMES, scan).await.map_err(trouble)? {
                let object = row.key.strip_prefix(&prefix).and_then(|object| object.parse::<ObjectId>().ok());
                keys.extend(object);
            }
        }
        keys.sort_unstable();
        keys.truncate(MAX_NAMESAKES as usize);
        let places = keys.into_iter().map(|object| Place { tenant: caller.tenant, container, object });
        let places: Vec<Place> = places.collect();
        let row_keys: Vec<String> = places.iter().map(Place::key).collect();
        let rows = self.store.read_many(OBJECTS, &row_keys).await.map_err(trouble)?;
        let mut entries = Vec::with_capacity(rows.len());
        for (place, row) in places.iter().zip(rows) {
            // An index row and its object are committed together: without the object it was just deleted.
            let Some(row) = row else { continue };
            let entry = self.entry(&mut ring, place, &Found::parse(place, row)?).await?;
            // Renamed since the index was read, or led here by an index row that somebody else wrote.
            if entry.details.as_ref().is_ok_and(|details| details.name != *name) {
                continue;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
