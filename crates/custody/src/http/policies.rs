//! Policies: made, looked at, refreshed, and assigned to the tenant as a whole.

use api::server::{Asker, At, Body, Refused, answer};
use api::{AssignedPolicy, NewPolicy, Policy, PolicyKind, PolicyList, Problem, RefreshedPolicy, Tenant};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::caller::Role;
use model::id::{DepId, TenantId};

use super::{caller, shown};
use crate::custody::Custody;

/// The policies of the tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}/policies", operation_id = "listPolicies", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id")), security(("bearer" = [])),
    responses((status = 200, body = PolicyList), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(custody): State<Custody>,
    asker: Asker,
    At(tenant): At<TenantId>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Auditor).await?;
    let policies = custody.policies(&caller).await?.into_iter().map(shown::policy).collect();
    Ok(answer(StatusCode::OK, &PolicyList { policies }))
}

/// Make a policy
///
/// Both root keys are asked what they are, and each wraps and unwraps the new seed, before anything is written.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/policies", operation_id = "createPolicy", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id")),
    request_body = NewPolicy, security(("bearer" = [])),
    responses((status = 201, body = Policy), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(custody): State<Custody>,
    asker: Asker,
    At(tenant): At<TenantId>,
    Body(new): Body<NewPolicy>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Administrator).await?;
    let policy = custody.create_policy(&caller, shown::policy_given(&custody, new)?).await?;
    let location = format!("/v1/tenants/{tenant}/policies/{}", policy.id);
    let made = answer(StatusCode::CREATED, &shown::policy(policy));
    Ok(([(header::LOCATION, location)], made).into_response())
}

/// One policy
#[utoipa::path(get, path = "/v1/tenants/{tenant}/policies/{policy}", operation_id = "getPolicy", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("policy" = String, Path, format = Uuid, description = "The policy's id")),
    security(("bearer" = [])),
    responses((status = 200, body = Policy), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, policy)): At<(TenantId, DepId)>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Auditor).await?;
    Ok(answer(StatusCode::OK, &shown::policy(custody.policy(&caller, policy).await?)))
}

/// Take up the newest versions of the root keys
///
/// The wraps of the policy's seed are written anew; no content changes.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/policies/{policy}/refresh", operation_id = "refreshPolicy", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("policy" = String, Path, format = Uuid, description = "The policy's id")),
    security(("bearer" = [])),
    responses((status = 200, body = RefreshedPolicy), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refresh(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, policy)): At<(TenantId, DepId)>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Administrator).await?;
    let refreshed = custody.refresh(&caller, policy).await?;
    let shown = RefreshedPolicy {
        policy: shown::policy(refreshed.policy),
        key_identifiers_before: refreshed.before.map(|key| key.to_string()),
        wrap_bytes: refreshed.wrap_bytes,
    };
    Ok(answer(StatusCode::OK, &shown))
}

/// Assign a policy to the tenant as a whole, or take the assignment away
///
/// Every mailbox or site that it now covers is rewrapped when it is next touched, or by the sweeper.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/assignments/{kind}", operation_id = "assignTenantPolicy", tag = "policies",
    params(("tenant" = String, Path, format = Uuid, description = "The tenant's id"), ("kind" = PolicyKind, Path, description = "multi-workload or share-point")),
    request_body = AssignedPolicy, security(("bearer" = [])),
    responses((status = 200, body = Tenant), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    State(custody): State<Custody>,
    asker: Asker,
    At((tenant, kind)): At<(TenantId, PolicyKind)>,
    Body(assigned): Body<AssignedPolicy>,
) -> Result<Response, Refused> {
    let caller = caller(&custody, &asker, tenant, Role::Administrator).await?;
    let tenant = custody.assign_tenant(&caller, shown::kind_given(kind), assigned.policy_id).await?;
    Ok(answer(StatusCode::OK, &shown::tenant(tenant)))
}
