//! People: enrolment by a one-time credential, and who belongs to a tenant.

use std::collections::BTreeSet;

use api::server::{Asker, Body, Refused, answer};
use api::{Enrolled, Enrolment, Invitation, NewInvitation, People, Problem};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::caller::{Identity, Role};
use model::refusal::{Code, Refusal};

use super::shown;
use super::way::{Administrator, InTenant, OfPerson};
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
    let Identity::Person(subject) = &asker.identity else {
        let rule = "the operator's token enrols nobody: use a token of the tenant's directory";
        return Err(Refused(Refusal::new(Code::Forbidden, rule)));
    };
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
    State(custody): State<Custody>,
) -> Result<StatusCode, Refused> {
    custody.remove_person(&caller, &at.person).await?;
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
    State(custody): State<Custody>,
    Body(new): Body<NewInvitation>,
) -> Result<Response, Refused> {
    let roles: BTreeSet<Role> = new.roles.into_iter().map(shown::role_given).collect();
    let invited = custody.invite(&caller, roles).await?;
    Ok(answer(StatusCode::CREATED, &shown::invited(&invited)))
}
