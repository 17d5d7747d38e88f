//! Custody on the service's HTTP API: tenants, people, policies, standings, the log, health.
//!
//! Owns the routes and nothing that is decided: each handler finds its caller, hands the question to [`Custody`], and
//! puts the answer into the types of the wire. The router and the OpenAPI document are made of the same list.

mod health;
mod people;
mod policies;
mod records;
mod shown;
mod standings;
mod tenants;
mod way;

use api::server::{Asker, MAX_JSON_BODY, Refused};
use axum::extract::DefaultBodyLimit;
use model::caller::{Identity, Principal};
use model::refusal::{Code, Refusal};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::custody::Custody;

/// Custody's routes, with what the OpenAPI document says of them.
pub fn routes() -> OpenApiRouter<Custody> {
    OpenApiRouter::new()
        .routes(routes!(tenants::create, tenants::list))
        .routes(routes!(tenants::get))
        .routes(routes!(tenants::first_administrator))
        .routes(routes!(people::enrol))
        .routes(routes!(people::list))
        .routes(routes!(people::remove))
        .routes(routes!(people::invitations, people::invite))
        .routes(routes!(people::withdraw))
        .routes(routes!(policies::list, policies::create))
        .routes(routes!(policies::get))
        .routes(routes!(policies::refresh))
        .routes(routes!(policies::assign))
        .routes(routes!(standings::get))
        .routes(routes!(standings::layers))
        .routes(routes!(standings::assign))
        .routes(routes!(standings::rewrap))
        .routes(routes!(records::list))
        .routes(routes!(health::tenant))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY))
}

/// The operator behind a call; anybody else is refused.
fn operator(asker: &Asker) -> Result<Principal, Refused> {
    match asker.identity {
        Identity::Operator => Ok(Principal("operator".into())),
        Identity::Person(_) => Err(Refused(Refusal::new(Code::Forbidden, "this is the operator's alone"))),
    }
}
