//! The tenant's log, record by record, as it was hashed.

use api::server::{Asked, Refused, answer};
use api::{AuditPage, AuditRecord, Paging, Problem};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::refusal::{Code, Refusal};
use store::AuditRow;

use super::way::{Auditor, InTenant};
use crate::custody::Custody;
use crate::{PAGE, hex};

/// The tenant's log
#[utoipa::path(get, path = "/v1/tenants/{tenant}/audit", operation_id = "listAudit", tag = "audit",
    params(InTenant, Paging), security(("bearer" = ["auditor"])),
    responses((status = 200, description = "A page, at most 500 records.", body = AuditPage), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    Auditor(caller, _): Auditor<InTenant>,
    State(custody): State<Custody>,
    Asked(paging): Asked<Paging>,
) -> Result<Response, Refused> {
    let limit = paging.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rows = custody.audit(&caller, paging.start()?.unwrap_or(0), limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.seq);
    let records = rows.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(answer(StatusCode::OK, &AuditPage { records, next }))
}

fn record(row: AuditRow) -> Result<AuditRecord, Refusal> {
    let damaged = || Refusal::new(Code::Ours, format!("record {} of the log is damaged", row.seq));
    Ok(AuditRecord {
        sequence: row.seq,
        at: row.at.into(),
        body: serde_json::from_slice(&row.body).map_err(|_| damaged())?,
        body_text: String::from_utf8(row.body.clone()).map_err(|_| damaged())?,
        operation: row.operation.clone(),
        previous: hex::encode(&row.previous),
        hash: hex::encode(&row.hash),
    })
}
