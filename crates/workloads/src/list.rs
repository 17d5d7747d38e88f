//! Lists: the objects of a holder in the order of their ids, a page at a time.
//!
//! Owns [`Page`] and its cursor. Details are opened for the page alone; a damaged row is shown as damaged and
//! does not hide the others, while a lease that ends refuses the page as a whole.

use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::Refusal;
use store::Scan;

use crate::engine::{Engine, Found, OBJECTS};
use crate::fault::{bug, trouble};
use crate::lease::Keyring;
use crate::object::{Entry, Place, open_details};

/// Objects on one page.
pub const MAX_OBJECTS: u32 = 200;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the order of their ids, which is the order in which they came.
    pub entries: Vec<Entry>,
    /// Objects of this page whose rows are damaged beyond showing anything of them.
    pub damaged: Vec<ObjectId>,
    /// Give this as `after` for the next page; `None` after the last.
    pub next: Option<ObjectId>,
}

impl Engine {
    /// A page of the objects after a cursor; at most [`MAX_OBJECTS`].
    ///
    /// What is written meanwhile comes at the end, so walking the cursor meets every object that stays.
    pub async fn list(
        &self,
        caller: &Caller,
        container: ContainerId,
        after: Option<ObjectId>,
        limit: u32,
    ) -> Result<Page, Refusal> {
        self.ready_holder(caller, container).await?;
        let limit = limit.clamp(1, MAX_OBJECTS);
        let prefix = format!("{}/{container}/", caller.tenant);
        let after = after.map(|object| Place { tenant: caller.tenant, container, object }.key());
        let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: limit + 1 };
        let mut rows = self.store.scan(OBJECTS, scan).await.map_err(trouble)?;
        // The row beyond the page says that another one follows.
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let mut ring = Keyring::new(&self.keys, caller, container);
        let (mut entries, mut damaged, mut last) = (Vec::with_capacity(rows.len()), Vec::new(), None);
        for row in rows {
            let object = row.key.strip_prefix(&prefix).and_then(|object| object.parse().ok());
            let object = object.ok_or_else(|| bug("the key of a row of objects does not end in an id"))?;
            last = Some(object);
            let place = Place { tenant: caller.tenant, container, object };
            match Found::parse(&place, row) {
                Ok(found) => entries.push(self.entry(&mut ring, &place, &found).await?),
                Err(_) => damaged.push(object),
            }
        }
        Ok(Page { entries, damaged, next: last.filter(|_| more) })
    }

    /// One object as a list shows it, without its content.
    pub async fn object(
        &self,
        caller: &Caller,
        container: ContainerId,
        object: ObjectId,
    ) -> Result<Entry, Refusal> {
        self.ready_holder(caller, container).await?;
        let place = Place { tenant: caller.tenant, container, object };
        let found = self.object_row(&place).await?;
        self.entry(&mut Keyring::new(&self.keys, caller, container), &place, &found).await
    }

    /// What a list shows of a row that was found.
    pub(crate) async fn entry(
        &self,
        ring: &mut Keyring,
        place: &Place,
        found: &Found,
    ) -> Result<Entry, Refusal> {
        let Found { row, payload, .. } = found;
        let details =
            ring.with(row.generation, |key| open_details(key, place, row, &payload.details)).await?;
        Ok(row.entry(place.object, details.map(|(details, _)| details)))
    }
}
