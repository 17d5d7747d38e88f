//! Writing: a new object, or a new version of one, from content that streams in.
//!
//! Owns the order of a write (spec/objects.md, 7): the content is durable before the row that names it, and
//! nothing is visible before that row is committed. An import commits the same rows in batches (`import`).

use bytes::Bytes;
use crypto::{Container, Key, Lookup};
use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::{Code, Refusal};
use model::time::Moment;
use serde_json::json;
use store::limits::LONGEST_PUT;
use store::{Batch, CommitError};

use crate::blob::Writing;
use crate::budget::{Share, WAIT};
use crate::engine::{Engine, OBJECT_NAMES, OBJECTS, name_key};
use crate::fault::Missed;
use crate::lease::KeyInUse;
use crate::mail::Mark;
use crate::name::Name;
use crate::object::{BLOB, Body, Draft, INLINE, Kind, ObjectRow, Place, blobs_of, open_details};
use crate::source::{Content, Source};
use crate::tag::Attempt;

/// A new object.
#[derive(Debug)]
pub struct Put {
    /// Its path below the holder; another object may bear the same.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub content: Content,
}

/// A new version of an object.
#[derive(Debug)]
pub struct Replacement {
    /// A new name; `None` keeps the one it has.
    pub name: Option<Name>,
    /// The version that is to be replaced; `None` replaces whatever is there.
    pub version: Option<u32>,
    /// The new content.
    pub content: Content,
}

/// What was acknowledged by a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The object.
    pub id: ObjectId,
    /// Its version.
    pub version: u32,
    /// The length of its content.
    pub size: u64,
    /// Why a message is kept but could not be read as one.
    pub mark: Option<Mark>,
}

impl Engine {
    /// Writes a new object; it is durable and visible when this returns, and nothing of it is when refused.
    pub async fn put(&self, caller: &Caller, container: ContainerId, put: Put) -> Result<Written, Refusal> {
        let mut holder = self.ready_holder(caller, container).await?;
        let mut key = KeyInUse::to_seal(&self.keys, caller, container).await?;
        self.note_generation(caller, &mut holder, key.generation()).await?;
        let started = self.clock.moment();
        let place = Place { tenant: caller.tenant, container, object: self.new_object() };
        let Put { name, kind, content } = put;
        let mut source = Source::open(content).await?;
        let _share = self.share_of(caller, &mut source).await?;
        let writing = Writing { engine: self, key: &mut key, place: &place, kind, digester: None };
        let (body, _) = writing.all(source).await?;
        let written = written(&place, 1, &body);
        let (attempt, blobs) = (body.attempt, blobs_of(body.size));
        let now = self.clock.now();
        let draft =
            Draft { kind, version: 1, created: now, changed: now, name, import: None, digest: None, body };
        let acknowledged = async {
            let (row, payload) = self.seal_row(&mut key, &place, draft).await?;
            self.in_time(started)?;
            let batch = Batch::new()
                .expect_absent(OBJECTS, place.key())
                .put_with_payload(OBJECTS, place.key(), &row, payload)
                .put(OBJECT_NAMES, name_key(&place, row.generation, &row.name_tag), &json!({}));
            let more = json!({ "objectId": place.object, "size": written.size });
            Ok(self.store.commit(batch, self.audited(caller, container, "Put object", more)).await?)
        };
        match acknowledged.await {
            Ok(()) => Ok(written),
            Err(missed) => Err(self.abandon(&place, attempt, blobs, missed).await),
        }
    }

    /// Replaces the content of an object, and its name when a new one is given.
    ///
    /// Readers see one version or the other. `Conflict` when another change came first, or when the present
    /// version is not the expected one.
    pub async fn overwrite(
        &self,
        caller: &Caller,
        container: ContainerId,
        object: ObjectId,
        replacement: Replacement,
    ) -> Result<Written, Refusal> {
        let mut holder = self.ready_holder(caller, container).await?;
        let place = Place { tenant: caller.tenant, container, object };
        let before = self.object_row(&place).await?;
        let Replacement { name, version: expected, content } = replacement;
        before.row.must_be_at(expected, object)?;
        let mut old = KeyInUse::to_open(&self.keys, caller, container, before.row.generation).await?;
        let open = |key: &Key<Container>| open_details(key, &place, &before.row, &before.payload.details);
        let (details, digest) = old.with(open).await??;
        let version = before.row.version.checked_add(1).ok_or_else(|| {
            Refusal::new(
                Code::TooLarge,
                format!("object {object} has had as many versions as can be counted"),
            )
        })?;

        let mut key = KeyInUse::to_seal(&self.keys, caller, container).await?;
        self.note_generation(caller, &mut holder, key.generation()).await?;
        let started = self.clock.moment();
        let mut source = Source::open(content).await?;
        let _share = self.share_of(caller, &mut source).await?;
        let kind = before.row.kind;
        let writing = Writing { engine: self, key: &mut key, place: &place, kind, digester: None };
        let (body, _) = writing.all(source).await?;
        let written = written(&place, version, &body);
        let (attempt, blobs) = (body.attempt, blobs_of(body.size));
        let draft = Draft {
            kind,
            version,
            created: before.row.created,
            changed: self.clock.now(),
            name: name.unwrap_or(details.name),
            import: before.row.import,
            digest,
            body,
        };
        let acknowledged = async {
            let (row, payload) = self.seal_row(&mut key, &place, draft).await?;
            self.in_time(started)?;
            let old = name_key(&place, before.row.generation, &before.row.name_tag);
            let new = name_key(&place, row.generation, &row.name_tag);
            let mut batch = Batch::new()
                .expect_version(OBJECTS, place.key(), before.version)
                .put_with_payload(OBJECTS, place.key(), &row, payload);
            if old != new {
                batch = batch.delete(OBJECT_NAMES, old).put(OBJECT_NAMES, new, &json!({}));
            }
            let more = json!({ "objectId": object, "version": version, "size": written.size });
            let cause = self.audited(caller, container, "Overwrite object", more);
            self.store.commit(batch, cause).await.map_err(|error| match error {
                CommitError::Conflict { .. } => Missed::Nothing(overtaken(object)),
                error => error.into(),
            })
        };
        if let Err(missed) = acknowledged.await {
            return Err(self.abandon(&place, attempt, blobs, missed).await);
        }
        self.drop_blobs(&place, before.row.attempt, before.row.blobs).await;
        Ok(written)
    }

    /// What a write may hold of the budget: a blob, unless all of the content fits into its row.
    async fn share_of(&self, caller: &Caller, source: &mut Source) -> Result<Option<Share>, Refusal> {
        if source.is_shorter_than(INLINE).await? {
            return Ok(None);
        }
        self.budget.share(caller.tenant, BLOB, WAIT).await.map(Some)
    }

    /// Removes the blobs of a version that was refused, unless its row may be there all the same.
    pub(crate) async fn abandon(
        &self,
        place: &Place,
        attempt: Attempt,
        blobs: u16,
        missed: Missed,
    ) -> Refusal {
        match missed {
            Missed::Nothing(refusal) => {
                self.drop_blobs(place, attempt, blobs).await;
                refusal
            }
            Missed::Unknown(refusal) => refusal,
        }
    }

    /// Seals the details of a version under a lease that holds now.
    pub(crate) async fn seal_row(
        &self,
        key: &mut KeyInUse,
        place: &Place,
        draft: Draft,
    ) -> Result<(ObjectRow, Bytes), Refusal> {
        let generation = key.generation();
        let seal = |key: &Key<Container>| {
            draft.clone().seal(key, &key.lookup_key(Lookup::Name), generation, place, &*self.random)
        };
        key.with(seal).await
    }

    /// Refuses a write that took so long that a sweep may have taken its first blobs.
    pub(crate) fn in_time(&self, started: Moment) -> Result<(), Refusal> {
        if started.until(self.clock.moment()) > LONGEST_PUT {
            return Err(Refusal::new(Code::BadRequest, "content: it took longer than 24 hours to arrive"));
        }
        Ok(())
    }
}

/// What is told of a version whose content is durable.
pub(crate) fn written(place: &Place, version: u32, body: &Body) -> Written {
    Written { id: place.object, version, size: body.size, mark: body.letter.mark }
}

impl ObjectRow {
    /// Refuses when the version that is there is not the expected one; `None` expects any.
    pub(crate) fn must_be_at(&self, expected: Option<u32>, object: ObjectId) -> Result<(), Refusal> {
        match expected {
            Some(expected) if expected > self.version || expected == 0 => {
                let present = self.version;
                let never =
                    format!("there never was a version {expected} of object {object}; it is at {present}");
                Err(Refusal::new(Code::Conflict, never))
            }
            Some(expected) if expected < self.version => Err(overtaken(object)),
            _ => Ok(()),
        }
    }
}

fn overtaken(object: ObjectId) -> Refusal {
    Refusal::new(Code::Conflict, format!("object {object} was changed by somebody else first"))
}
