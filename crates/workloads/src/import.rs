//! Import: many files in one go, in batches that are acknowledged at once, and again without doing it twice.
//!
//! Owns what a caller gives and is told, and the loop that prepares one batch while the one before is being
//! committed (spec/objects.md, 6). `inlet` gathers, `look` reads, `batch` seals, `commit` makes durable; a file
//! too large for a batch is streamed by `large`.

mod batch;
mod commit;
mod inlet;
mod large;
mod look;

use std::pin::pin;

use futures::Stream;
use futures::future::join;
use futures::stream::StreamExt;
use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::{Code, Refusal};

use crate::engine::Engine;
use crate::holder::HolderRow;
use crate::mail::Mark;
use crate::object::Kind;
use crate::source::Content;
use batch::Prepared;
use inlet::Inlet;
pub use inlet::{BATCH_BYTES, BATCH_ITEMS};

/// Refusals that a summary keeps word for word; all are counted, and told one by one.
pub const MAX_REFUSALS: usize = 1000;

/// One file on its way in.
#[derive(Debug)]
pub struct Item {
    /// Its path relative to what is imported, as the file system gave it; it becomes the object's name.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub content: Content,
}

/// How one item ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable; a message that could not be read as one is kept as it is and marked.
    Imported {
        /// The new object.
        object: ObjectId,
        /// Why it is marked, if it is.
        mark: Option<Mark>,
    },
    /// The same content was imported from the same path before.
    AlreadyThere {
        /// The object that it became.
        object: ObjectId,
    },
    /// It breaks a rule or its source failed; nothing of it is stored.
    Refused(Refusal),
}

/// The end of one item, told once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Which item: 0 for the first.
    pub index: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an import ended so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Items that were stored by this run, the marked ones included.
    pub imported: u64,
    /// How many of the imported were marked.
    pub marked: u64,
    /// Items that an earlier run, or an earlier item of this run, had brought in.
    pub already_there: u64,
    /// Items that were refused.
    pub refused: u64,
    /// The first refusals, each with the number of its item; at most [`MAX_REFUSALS`].
    pub refusals: Vec<(u64, Refusal)>,
}

impl Summary {
    fn count(&mut self, acknowledged: &Acknowledged) {
        match &acknowledged.outcome {
            Outcome::Imported { mark, .. } => {
                self.imported += 1;
                self.marked += u64::from(mark.is_some());
            }
            Outcome::AlreadyThere { .. } => self.already_there += 1,
            Outcome::Refused(refusal) => {
                self.refused += 1;
                if self.refusals.len() < MAX_REFUSALS {
                    self.refusals.push((acknowledged.index, refusal.clone()));
                }
            }
        }
    }
}

/// An import that ended before its last item; what the summary counts is durable, and a second run goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub struct Stopped {
    /// How far it came.
    pub summary: Summary,
    /// What would meet the next item too.
    pub refusal: Refusal,
}

/// One run of an import.
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) caller: &'a Caller,
    pub(crate) container: ContainerId,
    pub(crate) holder: HolderRow,
}

impl Engine {
    /// Brings items in, in the order in which they come; `told` hears of each once it is durable.
    ///
    /// Batches are made full, so the last items of a pause may be told of only when more come or the end does.
    /// A refused item never stops the others. A full disk, a refusal by the customer, an outage or a fault of
    /// ours ends the import with [`Stopped`].
    pub async fn import(
        &self,
        caller: &Caller,
        container: ContainerId,
        items: impl Stream<Item = Item> + Send,
        mut told: impl FnMut(&Acknowledged) + Send,
    ) -> Result<Summary, Stopped> {
        let mut summary = Summary::default();
        let holder = match self.ready_holder(caller, container).await {
            Ok(holder) => holder,
            Err(refusal) => return Err(Stopped { summary, refusal }),
        };
        let mut run = Run { engine: self, caller, container, holder };
        let items = pin!(items.enumerate());
        let mut inlet = Inlet::new(items);
        let mut tell = |acknowledged: Vec<Acknowledged>| {
            for one in acknowledged {
                summary.count(&one);
                told(&one);
            }
        };
        let ended = run.all(&mut inlet, &mut tell).await;
        match ended {
            Ok(()) => Ok(summary),
            Err(refusal) => Err(Stopped { summary, refusal }),
        }
    }
}

impl Run<'_> {
    async fn all<S>(
        &mut self,
        inlet: &mut Inlet<S>,
        tell: &mut (impl FnMut(Vec<Acknowledged>) + Send),
    ) -> Result<(), Refusal>
    where
        S: Stream<Item = (usize, Item)> + Send + Unpin,
    {
        let mut committing: Option<Prepared> = None;
        loop {
            // The batch before is committed, and told of, while the next one is gathered, read and sealed.
            let in_flight = committing.as_ref().map(Prepared::tags).unwrap_or_default();
            let (engine, caller, container) = (self.engine, self.caller, self.container);
            let commit = async {
                if let Some(batch) = committing.take() {
                    tell(engine.commit_batch(caller, container, batch).await?);
                }
                Ok(())
            };
            let (committed, prepared) = join(commit, self.prepare(inlet, &in_flight)).await;
            committed?;
            let Some((batch, large)) = prepared? else { return Ok(()) };
            if let Some(large) = large {
                tell(self.engine.commit_batch(self.caller, self.container, batch).await?);
                tell(vec![self.stream(large).await?]);
            } else {
                committing = Some(batch);
            }
        }
    }
}

/// Whether a refusal is about one item alone, so that the others can go on.
pub(crate) fn is_of_the_item(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::BadRequest | Code::TooLarge)
}
