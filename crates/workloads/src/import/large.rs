//! A file that is too large for a batch: known by one pass over it where that is possible, then streamed.
//!
//! Owns the import of one large item. Its blobs are durable one by one; its row is a commit of its own.

use std::io::Read;

use crypto::digest::sha256;
use model::refusal::Refusal;
use serde_json::json;
use store::{Batch, CommitError};

use super::commit::ImportRow;
use super::inlet::LargeContent;
use super::look::Large;
use super::{Acknowledged, Outcome, Run, is_of_the_item};
use crate::blob::Writing;
use crate::engine::{IMPORTS, OBJECT_NAMES, OBJECTS, blocking, import_key, name_key};
use crate::fault::{Missed, bug};
use crate::lease::KeyInUse;
use crate::name::Name;
use crate::object::{BLOB, Draft, Place, blobs_of};
use crate::source::{Content, Reopen, Source, failed};
use crate::tag::{ContentDigest, Digester};

impl Run<'_> {
    /// Imports one large item; a refusal that is about this item alone is its outcome.
    pub(super) async fn stream(&mut self, large: Large) -> Result<Acknowledged, Refusal> {
        let index = large.index;
        let outcome = match self.stream_one(large).await {
            Err(refusal) if is_of_the_item(&refusal) => Outcome::Refused(refusal),
            outcome => outcome?,
        };
        Ok(Acknowledged { index, outcome })
    }

    async fn stream_one(&mut self, large: Large) -> Result<Outcome, Refusal> {
        let Large { name, kind, content, .. } = large;
        let mut key = KeyInUse::to_seal(&self.engine.keys, self.caller, self.container).await?;
        let started = self.engine.clock.moment();
        let source = match content {
            LargeContent::Bytes(bytes) => {
                let (content, size) = (bytes.clone(), bytes.len() as u64);
                let digest = blocking(move || ContentDigest::of(&content)).await?;
                if let Some(there) = self.there(&mut key, &name, size, &digest).await? {
                    return Ok(there);
                }
                Source::open(Content::Bytes(bytes)).await?
            }
            LargeContent::Again(again) => {
                let (again, size, digest) = blocking(move || first_pass(again)).await?.map_err(failed)?;
                if let Some(there) = self.there(&mut key, &name, size, &digest).await? {
                    return Ok(there);
                }
                Source::open(Content::Again(again)).await?
            }
            LargeContent::Stream(ahead, stream) => Source::resume(ahead, stream),
        };
        let tagger = self.tagger(&mut key).await?;
        let object = self.engine.new_object();
        let place = Place { tenant: self.caller.tenant, container: self.container, object };
        let digester = Some(Digester::new());
        let writing = Writing { engine: self.engine, key: &mut key, place: &place, kind, digester };
        let (body, digest) = writing.all(source).await?;
        let digest = digest.ok_or_else(|| bug("a content that was to be digested was not"))?;
        let (attempt, blobs, mark) = (body.attempt, blobs_of(body.size), body.letter.mark);
        // What is filed is what was stored, also when the file changed between the two passes.
        let filed = tagger.tags(&name, body.size, &digest);
        let keys: Vec<String> =
            filed.iter().map(|one| import_key(place.tenant, place.container, one)).collect();
        let now = self.engine.clock.now();
        let draft = Draft {
            kind,
            version: 1,
            created: now,
            changed: now,
            name,
            import: Some(filed[0]),
            digest: Some(digest),
            body,
        };
        let committed = async {
            if let Some(object) = self.engine.imports(&keys).await?.into_iter().flatten().next() {
                return Ok(Some(object));
            }
            let size = draft.body.size;
            let (row, payload) = self.engine.seal_row(&mut key, &place, draft).await?;
            self.engine.in_time(started)?;
            let rows = Batch::new()
                .expect_absent(IMPORTS, &keys[0])
                .put_with_payload(OBJECTS, place.key(), &row, payload)
                .put(OBJECT_NAMES, name_key(&place, row.generation, &row.name_tag), &json!({}))
                .put(IMPORTS, &keys[0], &ImportRow { object });
            let more = json!({ "objects": 1, "first": object, "last": object, "size": size });
            let cause = self.engine.audited(self.caller, self.container, "Import objects", more);
            match self.engine.store.commit(rows, cause).await {
                Ok(()) => Ok(None),
                // Somebody else brought the same file in between the look and the commit.
                Err(error @ CommitError::Conflict { .. }) => {
                    match self.engine.imports(&keys[..1]).await?.into_iter().flatten().next() {
                        Some(object) => Ok(Some(object)),
                        None => Err(Missed::from(error)),
                    }
                }
                Err(error) => Err(Missed::from(error)),
            }
        };
        match committed.await {
            Ok(None) => Ok(Outcome::Imported { object, mark }),
            Ok(Some(object)) => {
                self.engine.drop_blobs(&place, attempt, blobs).await;
                Ok(Outcome::AlreadyThere { object })
            }
            Err(missed) => Err(self.engine.abandon(&place, attempt, blobs, missed).await),
        }
    }

    /// The outcome of an item that was imported before.
    async fn there(
        &mut self,
        key: &mut KeyInUse,
        name: &Name,
        size: u64,
        digest: &ContentDigest,
    ) -> Result<Option<Outcome>, Refusal> {
        let filed = self.tagger(key).await?.tags(name, size, digest);
        let key = |one| import_key(self.caller.tenant, self.container, one);
        let there = self.engine.imports(&filed.iter().map(key).collect::<Vec<_>>()).await?;
        Ok(there.into_iter().flatten().next().map(|object| Outcome::AlreadyThere { object }))
    }
}

/// Reads a file to its end to know it, one piece in memory at a time.
fn first_pass(mut again: Box<dyn Reopen>) -> std::io::Result<(Box<dyn Reopen>, u64, ContentDigest)> {
    let mut reader = again.open()?;
    let (mut piece, mut size, mut digester) = (Vec::new(), 0, Digester::new());
    loop {
        piece.clear();
        let read = reader.by_ref().take(BLOB as u64).read_to_end(&mut piece)?;
        if read == 0 {
            return Ok((again, size, digester.finish()));
        }
        digester.add(sha256(&piece));
        size += read as u64;
    }
}
