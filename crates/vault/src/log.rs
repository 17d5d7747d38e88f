//! The vault's own log: who did what with which key, in the shape that readers of such logs know (AuditEvent).
//!
//! Owns the record. It is written in the transaction of the change that it describes; for a use of a key, it is durable
//! before the reply leaves. Both request ids are in it, so that a caller's log and this one witness each other.

use http::StatusCode;
use model::time::Timestamp;
use serde_json::{Value, json};
use store::AuditEntry;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::core::Core;
use crate::id::AssignmentId;
use crate::request::Asked;
use crate::token::check::Who;

/// What one record says besides the request itself.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    /// The stream that it goes to.
    pub(crate) stream: String,
    pub(crate) category: &'static str,
    /// What was done, for example `KeyWrap`.
    pub(crate) operation: &'a str,
    pub(crate) api_version: &'a str,
    /// The full resource id.
    pub(crate) resource: String,
    pub(crate) who: &'a Who,
    /// The assignment that allowed it.
    pub(crate) assignment: Option<AssignmentId>,
    /// The key and version that were used, as a URL, or else what was asked for.
    pub(crate) target: Option<String>,
    pub(crate) outcome: Outcome<'a>,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub(crate) status: StatusCode,
    /// The code and the inner code of a refusal.
    pub(crate) refusal: Option<(&'a str, Option<&'a str>)>,
}

impl Outcome<'_> {
    pub(crate) const DONE: Self = Self { status: StatusCode::OK, refusal: None };
}

impl Event<'_> {
    pub(crate) fn entry(self, core: &Core, asked: &Asked) -> AuditEntry {
        let now = core.now();
        let took = asked.started.until(core.clock.moment());
        let done = self.outcome.refusal.is_none();
        let (code, inner) = self.outcome.refusal.unwrap_or(("", None));
        let body = json!({
            "time": time_text(now),
            "category": self.category,
            "resourceId": self.resource,
            "operationName": self.operation,
            "operationVersion": self.api_version,
            "resultType": if done { "Success" } else { "Failure" },
            "resultSignature": signature(self.outcome.status),
            "resultDescription": inner.unwrap_or(code),
            "durationMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "callerIpAddress": asked.peer,
            "correlationId": asked.id,
            "identity": identity(self.who),
            "properties": {
                "clientInfo": asked.user_agent,
                "clientRequestId": asked.client_id,
                "httpStatusCode": self.outcome.status.as_u16(),
                "id": self.target,
                "requestUri": asked.path_text,
                "roleAssignmentId": self.assignment,
            },
        });
        AuditEntry { stream: self.stream, at: now, operation: self.operation.into(), body }
    }
}

/// The record of what the program did by itself: no caller, no request.
pub(crate) fn own(
    core: &Core,
    stream: String,
    operation: &str,
    resource: String,
    target: String,
) -> AuditEntry {
    let now = core.now();
    let body = json!({
        "time": time_text(now),
        "category": "AuditEvent",
        "resourceId": resource,
        "operationName": operation,
        "resultType": "Success",
        "resultSignature": "OK",
        "resultDescription": "",
        "correlationId": core.call_id(),
        "identity": { "claim": {} },
        "properties": { "id": target },
    });
    AuditEntry { stream, at: now, operation: operation.into(), body }
}

/// The words of the service for a status: `OK`, `Forbidden`, `NotFound`.
fn signature(status: StatusCode) -> String {
    match status {
        StatusCode::OK => "OK".into(),
        other => other.canonical_reason().unwrap_or("Unknown").replace(' ', ""),
    }
}

fn identity(who: &Who) -> Value {
    json!({ "claim": {
        "http://schemas.microsoft.com/identity/claims/objectidentifier": who.principal,
        "http://schemas.microsoft.com/identity/claims/tenantid": who.directory,
        "appid": who.application,
        "upn": who.sign_in_name,
    }})
}

/// A time as records show it: RFC 3339 with milliseconds.
pub(crate) fn time_text(at: Timestamp) -> String {
    moment(at).and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The same, of whole seconds.
pub(crate) fn seconds_text(seconds: i64) -> String {
    time_text(Timestamp(seconds.saturating_mul(1000)))
}

/// A time as the token service shows it in a sentence: `2026-11-24 12:00:00Z`.
pub(crate) fn second_text(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    moment(at).and_then(|at| at.format(&format).ok()).unwrap_or_default()
}

fn moment(at: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let at = Timestamp(1_795_521_600_250);
        assert_eq!(time_text(at), "2026-11-24T12:00:00.25Z");
        assert_eq!(second_text(at), "2026-11-24 12:00:00Z");
        assert_eq!(time_text(Timestamp(i64::MAX)), "");
    }

    #[test]
    fn a_status_has_one_word() {
        assert_eq!(signature(StatusCode::OK), "OK");
        assert_eq!(signature(StatusCode::NOT_FOUND), "NotFound");
        assert_eq!(signature(StatusCode::FORBIDDEN), "Forbidden");
    }
}
