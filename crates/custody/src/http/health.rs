//! Why a tenant's policies do not open, as their keys were last heard.

use api::server::{Refused, answer};
use api::{PolicyHealth, Problem, SlotAnswer, SlotHealth, TenantHealth};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::way::{Auditor, InTenant};
use crate::custody::Custody;
use crate::{Said, health};

/// Which policies open, and if not, who must act
///
/// As the keys were last heard; nothing is asked for this answer.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/health", operation_id = "getTenantHealth", tag = "health",
    params(InTenant), security(("bearer" = ["auditor"])),
    responses((status = 200, description = "Each policy: whether it opens, and what its keys last said.", body = TenantHealth), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn tenant(
    Auditor(caller, _): Auditor<InTenant>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let policies = custody.health(&caller).await?.into_iter().map(policy).collect();
    Ok(answer(StatusCode::OK, &TenantHealth { policies }))
}

fn policy(health: health::PolicyHealth) -> PolicyHealth {
    let health::PolicyHealth { policy, name, said, slots } = health;
    PolicyHealth { policy_id: policy, name, answer: said_shown(said), slots: slots.map(slot) }
}

fn slot(health: health::SlotHealth) -> SlotHealth {
    let health::SlotHealth { key, said, since, proved, reason } = health;
    SlotHealth {
        key_identifier: key.to_string(),
        answer: said_shown(said),
        since: since.map(Into::into),
        last_proved: proved.map(Into::into),
        reason,
    }
}

fn said_shown(said: Said) -> SlotAnswer {
    match said {
        Said::Nothing => SlotAnswer::Unheard,
        Said::Open => SlotAnswer::Open,
        Said::Refused => SlotAnswer::RefusedByCustomer,
        Said::Silent => SlotAnswer::Outage,
        Said::Faulty => SlotAnswer::OurFault,
    }
}
