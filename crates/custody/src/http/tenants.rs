//! Tenants: the operator makes and lists them; their own people look at theirs.

use api::server::{Asked, Asker, At, Body, Refused, answer};
use api::{Invitation, NewTenant, NewTenantMade, Paging, Problem, Tenant, TenantPage};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::caller::Identity;
use model::id::TenantId;

use super::way::InTenant;
use super::{operator, shown};
use crate::PAGE;
use crate::custody::Custody;

/// Take a tenant in
///
/// Its directory is claimed, its provider-managed policy is made, and its first administrator is invited. The
/// credential in the answer is told once. If the answer was lost, the tenant is in the list, and
/// `first-administrator` gives another credential.
#[utoipa::path(post, path = "/v1/tenants", operation_id = "createTenant", tag = "tenants",
    request_body = NewTenant, security(("bearer" = ["operator"])),
    responses((status = 201, description = "The tenant, and the credential of its first administrator, told once.", body = NewTenantMade, headers(("location" = String, description = "Its path."))), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(custody): State<Custody>,
    asker: Asker,
    Body(new): Body<NewTenant>,
) -> Result<Response, Refused> {
    let operator = operator(&asker)?;
    let new = crate::NewTenant {
        name: new.name,
        directory: new.directory_id,
        domains: new.domains,
        geos: new.geos,
        entitlement: new.entitlement,
    };
    let tenant = custody.create_tenant_in(asker.request, &operator, new).await?;
    let invited = custody.invite_first(&operator, asker.request, tenant.id).await?;
    let location = format!("/v1/tenants/{}", tenant.id);
    let made = NewTenantMade { tenant: shown::tenant(tenant), first_administrator: shown::invited(&invited) };
    Ok(([(header::LOCATION, location)], answer(StatusCode::CREATED, &made)).into_response())
}

/// List the tenants
#[utoipa::path(get, path = "/v1/tenants", operation_id = "listTenants", tag = "tenants",
    params(Paging), security(("bearer" = ["operator"])),
    responses((status = 200, description = "A page, at most 500 of them.", body = TenantPage), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(custody): State<Custody>,
    asker: Asker,
    Asked(paging): Asked<Paging>,
) -> Result<Response, Refused> {
    operator(&asker)?;
    let limit = paging.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut tenants = custody.tenants(paging.start()?, limit + 1).await?;
    let more = tenants.len() > limit as usize;
    tenants.truncate(limit as usize);
    let next = tenants.last().filter(|_| more).map(|tenant| tenant.id);
    let tenants = tenants.into_iter().map(shown::tenant).collect();
    Ok(answer(StatusCode::OK, &TenantPage { tenants, next }))
}

/// One tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}", operation_id = "getTenant", tag = "tenants",
    params(InTenant), security(("bearer" = [])),
    responses((status = 200, description = "The tenant.", body = Tenant), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(custody): State<Custody>,
    asker: Asker,
    At(tenant): At<TenantId>,
) -> Result<Response, Refused> {
    let found = match asker.identity {
        Identity::Operator => custody.tenant(tenant).await?.value,
        Identity::Person(_) => {
            let (caller, _) = custody.member(&asker.identity, asker.request, tenant).await?;
            custody.own_tenant(&caller).await?
        }
    };
    Ok(answer(StatusCode::OK, &shown::tenant(found)))
}

/// Invite the first administrator again
///
/// For the operator, and only while nobody is enrolled in the tenant.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/first-administrator", operation_id = "inviteFirstAdministrator", tag = "tenants",
    params(InTenant), security(("bearer" = ["operator"])),
    responses((status = 201, description = "The credential, told once.", body = Invitation), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn first_administrator(
    State(custody): State<Custody>,
    asker: Asker,
    At(tenant): At<TenantId>,
) -> Result<Response, Refused> {
    let operator = operator(&asker)?;
    let invited = custody.invite_first(&operator, asker.request, tenant).await?;
    Ok(answer(StatusCode::CREATED, &shown::invited(&invited)))
}
