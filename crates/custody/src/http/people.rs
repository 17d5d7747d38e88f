//! People: enrolment by a one-time credential, and who belongs to a tenant.

use std::collections::BTreeSet;

use api::server::{Asker, Body, Refused, answer};
use api::{Enrolled, Enrolment, Invitation, NewInvitation, OpenInvitations, People, Problem};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::caller::Role;

use super::shown;
use super::way::{Administrator, InTenant, OfInvitation, OfPerson};
use crate::custody::Custody;

/// Come in with a one-time credential
///
/// Whoever has a token of the tenant's directory and the credential is enrolled in its tenant; the credential is gone.
#[utoipa::path(post, path = "/v1/enrolment", operation_id = "enrol", tag = "people",
    request_body = Enrolment, security(("bearer" = [])),
    responses((status = 200, description = "The tenant, and the person who has come in.", body = Enrolled), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn enrol(
    State(custody): State<Custody>,
    asker: Asker,
    Body(enrolment): Body<Enrolment>,
) -> Result<Response, Refused> {
    let subject = asker.identity.person()?;
    let (tenant_id, person) = custody.redeem(subject, asker.request, &enrolment.credential).await?;
    Ok(answer(StatusCode::OK, &Enrolled { tenant_id, person: shown::person(person) }))
}

/// Who is enrolled in the tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}/people", operation_id = "listPeople", tag = "people",
    params(InTenant), security(("bearer" = ["administrator"])),
    responses((status = 200, description = "All of them; there are no pages.", body = People), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    Administrator(caller, _): Administrator<InTenant>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let people = custody.people(&caller).await?.into_iter().map(shown::person).collect();
    Ok(answer(StatusCode::OK, &People { people }))
}

/// Take somebody out of the tenant
///
/// His next call is refused. The last administrator cannot be removed.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/people/{person}", operation_id = "removePerson", tag = "people",
    params(OfPerson),
    security(("bearer" = ["administrator"])),
    responses((status = 204, description = "He is out."), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    Administrator(caller, at): Administrator<OfPerson>,
    asker: Asker,
    State(custody): State<Custody>,
) -> Result<StatusCode, Refused> {
    custody.remove_person(&caller, asker.identity.person()?, &at.person).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The open invitations
#[utoipa::path(get, path = "/v1/tenants/{tenant}/invitations", operation_id = "listInvitations", tag = "people",
    params(InTenant), security(("bearer" = ["administrator"])),
    responses((status = 200, description = "Every invitation that can still be redeemed.", body = OpenInvitations), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn invitations(
    Administrator(caller, _): Administrator<InTenant>,
    State(custody): State<Custody>,
) -> Result<Response, Refused> {
    let invitations = custody.invitations(&caller).await?.into_iter().map(shown::invitation).collect();
    Ok(answer(StatusCode::OK, &OpenInvitations { invitations }))
}

/// Take an invitation back
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/invitations/{invitation}", operation_id = "withdrawInvitation", tag = "people",
    params(OfInvitation), security(("bearer" = ["administrator"])),
    responses((status = 204, description = "It is of no use any more."), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn withdraw(
    Administrator(caller, at): Administrator<OfInvitation>,
    State(custody): State<Custody>,
) -> Result<StatusCode, Refused> {
    custody.withdraw(&caller, &at.invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invite somebody into the tenant
///
/// The credential in the answer is told once, and good for seven days.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/invitations", operation_id = "invite", tag = "people",
    params(InTenant),
    request_body = NewInvitation, security(("bearer" = ["administrator"])),
    responses((status = 201, description = "The credential, told once.", body = Invitation), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn invite(
    Administrator(caller, _): Administrator<InTenant>,
    asker: Asker,
    State(custody): State<Custody>,
    Body(new): Body<NewInvitation>,
) -> Result<Response, Refused> {
    let roles: BTreeSet<Role> = new.roles.into_iter().map(shown::role_given).collect();
    let by = asker.identity.person()?;
    let invited = custody.invite(&caller, by, roles).await?;
    Ok(answer(StatusCode::CREATED, &shown::invited(&invited)))
}
