//! How the Graph says no: its envelope and its codes.

use http::StatusCode;
use serde_json::{Value, json};
use store::{CommitError, StoreError};

use crate::core::Core;
use crate::error::Stop;
use crate::log::time_text;
use crate::request::Asked;

/// One refusal of the Graph.
#[derive(Debug)]
pub(crate) struct No {
    pub(crate) status: StatusCode,
    code: &'static str,
    text: String,
}

impl No {
    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    pub(crate) fn token(text: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", text)
    }

    /// The bearer is known, and the directory has him no more.
    pub(crate) fn nobody() -> Self {
        let text = "The identity of the calling application could not be established.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_IdentityNotFound", text)
    }

    pub(crate) fn denied() -> Self {
        let text = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", text)
    }

    pub(crate) fn no_object(named: &str) -> Self {
        let named: String = named.chars().take(128).collect();
        let text = format!(
            "Resource '{named}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", text)
    }

    pub(crate) fn no_path() -> Self {
        let text = "This part of the Graph is not served here.";
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", text)
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", text)
    }

    pub(crate) fn no_application(named: &str) -> Self {
        let named: String = named.chars().take(128).collect();
        let text = format!(
            "The appId '{named}' of the service principal does not reference a valid application object."
        );
        Self::new(StatusCode::BAD_REQUEST, "NoBackingApplicationObject", text)
    }

    pub(crate) fn there_already(named: &str) -> Self {
        let text = format!(
            "The service principal cannot be created, updated, or restored because the service principal name \
             {named} is already in use."
        );
        Self::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", text)
    }

    fn busy() -> Self {
        let text = "The service is temporarily unavailable. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
    }

    pub(crate) fn body(&self, core: &Core, asked: &Asked) -> Value {
        json!({ "error": {
            "code": self.code,
            "message": self.text,
            "innerError": {
                "date": time_text(core.now()),
                "request-id": asked.id,
                "client-request-id": asked.client_id.clone().unwrap_or_else(|| asked.id.to_string()),
            },
        }})
    }
}

impl From<StoreError> for No {
    fn from(fault: StoreError) -> Self {
        // The fault goes to the log; the client hears the same for each.
        let _ = Stop::Store(fault).refusal();
        Self::busy()
    }
}

impl From<CommitError> for No {
    fn from(fault: CommitError) -> Self {
        let _ = Stop::from(fault).refusal();
        Self::busy()
    }
}
