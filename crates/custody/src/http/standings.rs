//! Standings: which policy covers a mailbox or a site, and what lies between its content and the root keys.

use api::server::{Asker, At, Body, Refused, answer};
use api::{AssignedPolicy, Layers, Problem, RootWrap, Standing};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::caller::Role;
use model::id::{ContainerId, TenantId};

use super::{caller, shown};
use crate::custody::Custody;
use crate::service::Keys;

/// Which policy covers it
#[utoipa::path(get, path = "/v1/tenants/{tenant}/containers/{container}/standing", operation_id = "getStanding", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("container" = String, Path, format = Uuid, description = "The mailbox's or site's id")),
    security(("bearer" = [])),
    responses((status = 200, body = Standing), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, container)): At<(TenantId, ContainerId)>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Auditor).await?;
    Ok(answer(StatusCode::OK, &shown::standing(custody.standing(&caller, container).await?)))
}

/// What lies between its content and the root keys
///
/// Sizes and names of the wraps; nothing is opened.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/containers/{container}/layers", operation_id = "getLayers", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("container" = String, Path, format = Uuid, description = "The mailbox's or site's id")),
    security(("bearer" = [])),
    responses((status = 200, body = Layers), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn layers(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, container)): At<(TenantId, ContainerId)>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Auditor).await?;
    let layers = custody.layers(&caller, container).await?;
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
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("container" = String, Path, format = Uuid, description = "The mailbox's id")),
    request_body = AssignedPolicy, security(("bearer" = [])),
    responses((status = 200, body = Standing), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, container)): At<(TenantId, ContainerId)>,
    Body(assigned): Body<AssignedPolicy>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Administrator).await?;
    let standing = custody.assign(&caller, container, assigned.policy_id).await?;
    Ok(answer(StatusCode::OK, &shown::standing(standing)))
}

/// Bring it under its policy now
///
/// The container key is wrapped for the policy that covers it; no content changes.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/containers/{container}/rewrap", operation_id = "rewrap", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("container" = String, Path, format = Uuid, description = "The mailbox's or site's id")),
    security(("bearer" = [])),
    responses((status = 200, body = Standing), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rewrap(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, container)): At<(TenantId, ContainerId)>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Administrator).await?;
    Ok(answer(StatusCode::OK, &shown::standing(custody.rewrap(&caller, container).await?)))
}
