//! One batch on its way in: read, compared with what is there, and sealed.
//!
//! Owns the steps of spec/objects.md, 6 up to the commit: one key and one look at the import tags for the
//! whole batch; reading and sealing run where they may block. `commit.rs` makes the batch durable.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use crypto::{Container, Key, Lookup, LookupKey, Random};
use custody::service::Opened;
use futures::Stream;
use model::id::{ContainerId, ObjectId, TenantId};
use model::refusal::Refusal;
use model::time::Timestamp;
use store::BlobName;

use super::inlet::Inlet;
use super::look::{Large, Looked, Read, Tagger, look};
use super::{Item, Outcome, Run};
use crate::blob::{Address, seal_blob};
use crate::engine::{blocking, import_key};
use crate::lease::{KeyInUse, Keyring};
use crate::mail::{Letter, Mark};
use crate::object::{Body, Draft, INLINE, ObjectRow, Place};
use crate::tag::Attempt;

/// A batch that only has to be committed.
pub(crate) struct Prepared {
    pub(super) items: Vec<(u64, Step)>,
}

/// What is to be done with one item.
pub(super) enum Step {
    Write(Box<Sealed>),
    /// It is the same file as an earlier one of this run; by the key of that one's import row.
    Same(String),
    Done(Outcome),
}

/// A small item, sealed.
pub(super) struct Sealed {
    pub(super) place: Place,
    pub(super) row: ObjectRow,
    pub(super) payload: Bytes,
    /// The key of its import row.
    pub(super) import: String,
    pub(super) blob: Option<(BlobName, Bytes)>,
    pub(super) mark: Option<Mark>,
}

/// A small item that was not here before, and the step that it belongs to.
struct New {
    at: usize,
    object: ObjectId,
    read: Read,
}

impl Prepared {
    /// The keys of the import rows that this batch will write.
    pub(super) fn tags(&self) -> HashSet<String> {
        self.writes().map(|sealed| sealed.import.clone()).collect()
    }

    /// What this batch will write, in order.
    pub(super) fn writes(&self) -> impl Iterator<Item = &Sealed> {
        self.items.iter().filter_map(|(_, step)| match step {
            Step::Write(sealed) => Some(&**sealed),
            _ => None,
        })
    }
}

impl Run<'_> {
    /// Makes the next batch; `None` after the last item. A large item ends its batch.
    pub(super) async fn prepare<S>(
        &mut self,
        inlet: &mut Inlet<S>,
        in_flight: &HashSet<String>,
    ) -> Result<Option<(Prepared, Option<Large>)>, Refusal>
    where
        S: Stream<Item = (usize, Item)> + Send + Unpin,
    {
        inlet.fill().await;
        let waiting = inlet.take();
        if waiting.is_empty() {
            return Ok(None);
        }
        let mut key = KeyInUse::to_seal(&self.engine.keys, self.caller, self.container).await?;
        let tagger = self.tagger(&mut key).await?;
        let Looked { items, large, rest } = blocking(move || look(waiting, &tagger)).await?;
        inlet.put_back(rest);

        let there = self.imported(&items).await?;
        let mut steps = Vec::with_capacity(items.len());
        let (mut new, mut mine) = (VecDeque::new(), HashSet::new());
        for ((index, item), there) in items.into_iter().zip(there) {
            let step = match (item, there) {
                (Err(refusal), _) => Step::Done(Outcome::Refused(refusal)),
                (Ok(_), Some(object)) => Step::Done(Outcome::AlreadyThere { object }),
                (Ok(read), None) => {
                    let import = import_key(self.caller.tenant, self.container, &read.filed[0]);
                    if !in_flight.contains(&import) && mine.insert(import.clone()) {
                        new.push_back(New { at: steps.len(), object: self.engine.new_object(), read });
                    }
                    Step::Same(import)
                }
            };
            steps.push((index, step));
        }
        for (at, sealed) in self.seal(&mut key, new).await? {
            steps[at].1 = Step::Write(Box::new(sealed));
        }
        Ok(Some((Prepared { items: steps }, large)))
    }

    /// The keys that make import tags; the present generation is noted before anything is sealed under it.
    pub(super) async fn tagger(&mut self, key: &mut KeyInUse) -> Result<Tagger, Refusal> {
        let present = key.generation();
        self.engine.note_generation(self.caller, &mut self.holder, present).await?;
        let lookup = |key: &Key<Container>| key.lookup_key(Lookup::Import);
        let mut keys = vec![(present, key.with(lookup).await?)];
        let mut ring = Keyring::new(&self.engine.keys, self.caller, self.container);
        for generation in self.holder.generations.iter().copied().filter(|one| *one != present) {
            keys.push((generation, ring.with(generation, lookup).await?));
        }
        Ok(Tagger(keys))
    }

    /// Which of these were imported before, and as what; one look for the whole batch.
    async fn imported(
        &self,
        items: &[(u64, Result<Read, Refusal>)],
    ) -> Result<Vec<Option<ObjectId>>, Refusal> {
        let filed = items.iter().map(|(_, item)| item.as_ref().map_or(&[][..], |read| &read.filed[..]));
        let key = |one| import_key(self.caller.tenant, self.container, one);
        let keys: Vec<Vec<String>> = filed.map(|filed| filed.iter().map(key).collect()).collect();
        let mut found = self.engine.imports(&keys.concat()).await?.into_iter();
        Ok(keys.iter().map(|keys| found.by_ref().take(keys.len()).flatten().last()).collect())
    }

    /// Seals what is new, away from the tasks that wait; the lease is asked again for every item.
    async fn seal(
        &self,
        key: &mut KeyInUse,
        mut new: VecDeque<New>,
    ) -> Result<Vec<(usize, Sealed)>, Refusal> {
        let mut sealed = Vec::with_capacity(new.len());
        while !new.is_empty() {
            let sealing = Sealing {
                opened: key.fresh().await?,
                tenant: self.caller.tenant,
                container: self.container,
                now: self.engine.clock.now(),
                random: self.engine.random.clone(),
            };
            let (left, ended);
            left = new.len();
            (new, sealed, ended) = blocking(move || {
                let ended = sealing.all(&mut new, &mut sealed);
                (new, sealed, ended)
            })
            .await?;
            // A lease that ended midway is renewed; one that ends before it served a single item is not.
            if new.len() == left {
                ended?;
            }
        }
        Ok(sealed)
    }
}

/// Everything that sealing needs, for a thread of its own.
struct Sealing {
    opened: Arc<Opened>,
    tenant: TenantId,
    container: ContainerId,
    now: Timestamp,
    random: Arc<dyn Random>,
}

impl Sealing {
    /// Seals from the front until all is sealed or the lease has ended.
    fn all(&self, new: &mut VecDeque<New>, sealed: &mut Vec<(usize, Sealed)>) -> Result<(), Refusal> {
        let names = self.opened.key()?.lookup_key(Lookup::Name);
        while !new.is_empty() {
            let key = self.opened.key()?;
            if let Some(New { at, object, read }) = new.pop_front() {
                sealed.push((at, self.one(key, &names, object, read)));
            }
        }
        Ok(())
    }

    fn one(&self, key: &Key<Container>, names: &LookupKey, object: ObjectId, read: Read) -> Sealed {
        let Read { name, kind, content, digest, filed } = read;
        let place = Place { tenant: self.tenant, container: self.container, object };
        let generation = self.opened.generation;
        let attempt = Attempt::draw(&*self.random);
        let at = place.blob(generation, attempt, 0);
        let letter = Letter::of(kind, &content);
        let mark = letter.mark;
        let mut body = Body { size: content.len() as u64, attempt, content: None, letter };
        let mut blob = None;
        if content.len() < INLINE {
            body.content = Some(key.seal(&content, &at, &*self.random).into());
        } else {
            let file = seal_blob(key, &content, &at, &*self.random);
            blob = Some((Address { place, attempt, number: 0 }.name(), file.into()));
        }
        let import = import_key(self.tenant, self.container, &filed[0]);
        let draft = Draft {
            kind,
            version: 1,
            created: self.now,
            changed: self.now,
            name,
            import: Some(filed[0]),
            digest: Some(digest),
            body,
        };
        let (row, payload) = draft.seal(key, names, generation, &place, &*self.random);
        Sealed { place, row, payload, import, blob, mark }
    }
}
