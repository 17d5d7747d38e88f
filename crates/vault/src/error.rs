//! How this program says no: the envelope of keys and resource manager, and what stops a call.
//!
//! Owns [`Refused`] and [`Stop`]. The texts are beside this file, one page for each wire: `keys`, `resources`. The
//! token service has an envelope of its own (`token::refusal`).

pub(crate) mod keys;
pub(crate) mod resources;

use http::StatusCode;
use serde_json::{Value, json};
use store::{CommitError, StoreError};

use crate::blocking::Busy;

/// A refusal as it goes out: `{"error":{"code","message","innererror":{"code"}}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// The finer code, where the service has one.
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
    /// Seconds after which the same call may be tried again.
    pub(crate) retry_after: Option<u32>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), retry_after: None }
    }

    pub(crate) fn inner(self, inner: &'static str) -> Self {
        Self { inner: Some(inner), ..self }
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(inner) = self.inner {
            error["innererror"] = json!({ "code": inner });
        }
        json!({ "error": error })
    }
}

/// Why a call was not carried through.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was decided: no.
    Refused(Refused),
    /// A row that the decision rests on changed meanwhile: decide again.
    Conflict,
    /// Too many callers wait for the same kind of work.
    Busy,
    /// The store could not do it.
    Store(StoreError),
    /// Something of ours is damaged; the text is for our log alone.
    Damaged(&'static str),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Busy> for Stop {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<StoreError> for Stop {
    fn from(fault: StoreError) -> Self {
        Self::Store(fault)
    }
}

impl From<CommitError> for Stop {
    fn from(fault: CommitError) -> Self {
        match fault {
            CommitError::Conflict { .. } => Self::Conflict,
            CommitError::Store(fault) => Self::Store(fault),
        }
    }
}

impl Stop {
    /// What the caller hears. Only [`Stop::Refused`] is a decision; all else is a fault of ours and says so with a
    /// 429 or 5xx, so that nobody takes an outage for a denial.
    pub(crate) fn refusal(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Conflict => {
                tracing::warn!("a call met other changes at every try");
                unavailable()
            }
            Self::Busy => keys::throttled(),
            Self::Store(fault @ (StoreError::Full | StoreError::Locked(_) | StoreError::Down(_))) => {
                tracing::error!(%fault, "the store cannot serve");
                unavailable()
            }
            Self::Store(fault) => {
                tracing::error!(%fault, "the store failed");
                internal()
            }
            Self::Damaged(what) => {
                tracing::error!(what, "stored data is damaged");
                internal()
            }
        }
    }
}

/// A bound of the program is reached, or the store is out of reach for now.
pub(crate) fn unavailable() -> Refused {
    let message = "The service cannot answer at the moment. Try again later.";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).retry_after(1)
}

fn internal() -> Refused {
    let message = "An internal error occurred. The operator of this service finds it under the request id.";
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
}
