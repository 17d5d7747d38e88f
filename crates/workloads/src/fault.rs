//! How trouble below reads to a caller: every fault becomes a refusal that says who must act.
//!
//! Owns the words for damage, for what does not exist and for lost races. Texts carry ids and rules, never
//! content or names.

use model::id::ContainerId;
use model::refusal::{Code, Refusal};
use store::{CommitError, StoreError};

use crate::object::Place;

/// A fault of the store; its own words name files and counts and go to the log alone.
pub(crate) fn trouble(error: StoreError) -> Refusal {
    match error {
        StoreError::Full => Refusal::new(Code::DiskFull, "no space is left for objects"),
        StoreError::Locked(_) => Refusal::new(Code::Busy, "the store is in use by somebody else"),
        error => {
            tracing::error!(%error, "the store failed");
            Refusal::new(Code::Ours, "the store of objects failed")
        }
    }
}

/// A commit that was not acknowledged.
pub(crate) fn lost(error: CommitError) -> Refusal {
    match error {
        CommitError::Conflict { .. } => {
            Refusal::new(Code::Conflict, "another change of the same thing came first")
        }
        CommitError::Store(error) => trouble(error),
    }
}

/// A row that was not acknowledged, and whether it may be there all the same.
///
/// The difference decides about its blobs: a row that may be there keeps them.
#[derive(Debug)]
pub(crate) enum Missed {
    /// Nothing was changed.
    Nothing(Refusal),
    /// The store went down or failed midway: the row is there as a whole or not at all.
    Unknown(Refusal),
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Self {
        Self::Nothing(refusal)
    }
}

impl From<CommitError> for Missed {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } | CommitError::Store(StoreError::Full | StoreError::Misuse(_)) => {
                Self::Nothing(lost(error))
            }
            CommitError::Store(_) => Self::Unknown(lost(error)),
        }
    }
}

/// Stored bytes of an object that are not what was written; one of us should look.
pub(crate) fn damaged(place: &Place, what: &str) -> Refusal {
    let Place { tenant, container, object } = place;
    tracing::error!(%tenant, %container, %object, what, "stored bytes are damaged");
    Refusal::new(Code::Ours, format!("object {object} of container {container} is damaged: its {what}"))
}

/// The same words whether the holder never was or is another tenant's.
pub(crate) fn no_holder(container: ContainerId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no mailbox or site {container}"))
}

/// The same words whether the object never was, was deleted, or is another tenant's.
pub(crate) fn no_object(place: &Place) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no object {} in {}", place.object, place.container))
}

/// A fault that nothing outside can cause.
pub(crate) fn bug(what: &str) -> Refusal {
    tracing::error!(what, "a fault of our own");
    Refusal::new(Code::Ours, what)
}
