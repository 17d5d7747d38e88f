//! Standings: which policy covers a mailbox or a site, and what lies between its content and the root keys.

use api::server::{Body, Refused, answer};
use api::{AssignedPolicy, Layers, Problem, RootWrap, Standing};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::shown;
use super::way::{Administrator, Auditor, InContainer};
use crate::custody::Custody;
use crate::service::Keys;

/// Which policy covers it
#[utoipa::path(get, path = "/v1/tenants/{tenant}/containers/{container}/standing", operation_id = "getStanding", tag = "policies",
    params(InContainer),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "Where it stands now.", body = Standing), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    Auditor(caller, at): Auditor<InContainer>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    Ok(answer(StatusCode::OK, &shown::standing(custody.standing(&caller, at.container).await?)))
}

/// What lies between its content and the root keys
///
/// Sizes and names of the wraps; nothing is opened.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/containers/{container}/layers", operation_id = "getLayers", tag = "policies",
    params(InContainer),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "The wraps, from the bottom to the top.", body = Layers), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn layers(
    Auditor(caller, at): Auditor<InContainer>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let layers = custody.layers(&caller, at.container).await?;
    let root = |(key_identifier, bytes)| RootWrap { key_identifier, wrap_bytes: bytes as u64 };
    let shown = Layers {
        policy_id: layers.policy,
        container_wrap_bytes: layers.container_wrap as u64,
        roots: layers.roots.into_iter().map(root).collect(),
    };
    Ok(answer(StatusCode::OK, &shown))
}

/// Assign a policy to a mailbox, or take the assignment away
///
/// Nothing is opened: the mailbox is rewrapped when it is next touched, or by the sweeper.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/containers/{container}/policy", operation_id = "assignPolicy", tag = "policies",
    params(InContainer),
    request_body = AssignedPolicy, security(("bearer" = ["administrator"])),
    responses((status = 200, description = "Where it stands now.", body = Standing), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    Administrator(caller, at): Administrator<InContainer>,
    State(custody): State<Custody>,
    Body(assigned): Body<AssignedPolicy>,
) -> Result<Response, Refused> {
    let standing = custody.assign(&caller, at.container, assigned.policy_id).await?;
    Ok(answer(StatusCode::OK, &shown::standing(standing)))
}

/// Bring it under its policy now
///
/// The container key is wrapped for the policy that covers it; no content changes.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/containers/{container}/rewrap", operation_id = "rewrap", tag = "policies",
    params(InContainer),
    security(("bearer" = ["administrator"])),
    responses((status = 200, description = "Where it stands now.", body = Standing), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rewrap(
    Administrator(caller, at): Administrator<InContainer>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    Ok(answer(StatusCode::OK, &shown::standing(custody.rewrap(&caller, at.container).await?)))
}
