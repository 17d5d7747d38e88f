//! Policies: made, looked at, refreshed, and assigned to the tenant as a whole.

use api::server::{Body, Refused, answer};
use api::{AssignedPolicy, NewPolicy, Policy, PolicyList, Problem, RefreshedPolicy, Tenant};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shown;
use super::way::{Administrator, Auditor, InTenant, OfKind, OfPolicy};
use crate::custody::Custody;

/// The policies of the tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}/policies", operation_id = "listPolicies", tag = "policies",
    params(InTenant), security(("bearer" = ["auditor"])),
    responses((status = 200, description = "All of them; there are no pages.", body = PolicyList), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    Auditor(caller, _): Auditor<InTenant>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let policies = custody.policies(&caller).await?.into_iter().map(shown::policy).collect();
    Ok(answer(StatusCode::OK, &PolicyList { policies }))
}

/// Make a policy
///
/// Both root keys are asked what they are, and each wraps and unwraps the new seed, before anything is written.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/policies", operation_id = "createPolicy", tag = "policies",
    params(InTenant),
    request_body = NewPolicy, security(("bearer" = ["administrator"])),
    responses((status = 201, description = "The policy.", body = Policy, headers(("location" = String, description = "Its path."))), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    Administrator(caller, _): Administrator<InTenant>,
    State(custody): State<Custody>,
    Body(new): Body<NewPolicy>,
) -> Result<Response, Refused> {
    let policy = custody.create_policy(&caller, shown::policy_given(&custody, new)?).await?;
    let location = format!("/v1/tenants/{}/policies/{}", caller.tenant, policy.id);
    let made = answer(StatusCode::CREATED, &shown::policy(policy));
    Ok(([(header::LOCATION, location)], made).into_response())
}

/// One policy
#[utoipa::path(get, path = "/v1/tenants/{tenant}/policies/{policy}", operation_id = "getPolicy", tag = "policies",
    params(OfPolicy),
    security(("bearer" = ["auditor"])),
    responses((status = 200, description = "The policy.", body = Policy), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    Auditor(caller, at): Auditor<OfPolicy>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    Ok(answer(StatusCode::OK, &shown::policy(custody.policy(&caller, at.policy).await?)))
}

/// Take up the newest versions of the root keys
///
/// The wraps of the policy's seed are written anew; no content changes.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/policies/{policy}/refresh", operation_id = "refreshPolicy", tag = "policies",
    params(OfPolicy),
    security(("bearer" = ["administrator"])),
    responses((status = 200, description = "The policy, and the versions that its wraps used before.", body = RefreshedPolicy), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refresh(
    Administrator(caller, at): Administrator<OfPolicy>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let refreshed = custody.refresh(&caller, at.policy).await?;
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
    params(OfKind),
    request_body = AssignedPolicy, security(("bearer" = ["administrator"])),
    responses((status = 200, description = "The tenant with what is assigned to it now.", body = Tenant), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn assign(
    Administrator(caller, at): Administrator<OfKind>,
    State(custody): State<Custody>,
    Body(assigned): Body<AssignedPolicy>,
) -> Result<Response, Refused> {
    let tenant = custody.assign_tenant(&caller, shown::kind_given(at.kind), assigned.policy_id).await?;
    Ok(answer(StatusCode::OK, &shown::tenant(tenant)))
}
