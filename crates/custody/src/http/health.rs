//! Why a tenant's policies do not open, as their keys were last heard.

use api::server::{Asker, At, Refused, answer};
use api::{PolicyHealth, Problem, SlotAnswer, SlotHealth, TenantHealth};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::caller::Role;
use model::id::TenantId;

use super::caller;
use crate::custody::Custody;
use crate::{Said, health};

/// Which policies open, and if not, who must act
///
/// As the keys were last heard; nothing is asked for this answer.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/health", operation_id = "getTenantHealth", tag = "health",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id")), security(("bearer" = [])),
    responses((status = 200, body = TenantHealth), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn tenant(
    State(custody): State<Custody>,
    asker: Asker,
    At(tenant): At<TenantId>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Auditor).await?;
    let policies = custody.health(&caller).await?.into_iter().map(policy).collect();
    Ok(answer(StatusCode::OK, &TenantHealth { policies }))
}

fn policy(health: health::PolicyHealth) -> PolicyHealth {
    let health::PolicyHealth { policy, name, said, slots } = health;
    PolicyHealth { policy_id: policy, name, answer: said_shown(said), slots: slots.map(slot) }
}

fn slot(health: health::SlotHealth) -> SlotHealth {
    let health::SlotHealth { key, said, at, reason } = health;
    SlotHealth {
        key_identifier: key.to_string(),
        answer: said_shown(said),
        since: at.map(Into::into),
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
