//! The door of the data plane: its routes, and who may pass through each.
//!
//! Owns the paths and the rule that a call is let into a tenant before anything else of it is read. What a body or
//! a header says is turned into the engine's terms in the files of the nouns; `spec/http-api.md` is the contract.

mod containers;
mod content;
mod imports;
mod objects;

use api::server::{Asker, At, MAX_JSON_BODY, Refused};
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use custody::Custody;
use model::caller::{Caller, Role};
use model::id::{ContainerId, ObjectId, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::engine::Engine;

/// What the handlers of mailboxes and sites work on.
#[derive(Debug, Clone)]
pub struct Http {
    /// Says who is enrolled in a tenant and may do what there.
    pub custody: Custody,
    /// The mailboxes and sites.
    pub engine: Engine,
}

/// Every route of mailboxes and sites, with its description.
///
/// The bound on a body holds for JSON; content and imports are taken as streams and bounded by the engine.
pub fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::new()
        .routes(routes!(containers::list, containers::create))
        .routes(routes!(containers::find))
        .routes(routes!(containers::show))
        .routes(routes!(objects::list, objects::create))
        .routes(routes!(objects::find))
        .routes(routes!(objects::show, objects::delete))
        .routes(routes!(content::read, content::replace))
        .routes(routes!(imports::import))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY))
}

/// What the routes are listed under.
const TAG: &str = "mailboxes and sites";

/// The way to a tenant.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InTenant {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
}

/// The way to a mailbox or a site.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InContainer {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The mailbox or site.
    #[param(value_type = String, format = Uuid)]
    container: ContainerId,
}

/// The way to an object.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InObject {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The mailbox or site.
    #[param(value_type = String, format = Uuid)]
    container: ContainerId,
    /// The object.
    #[param(value_type = String, format = Uuid)]
    object: ObjectId,
}

/// A way that begins at a tenant.
trait Way: DeserializeOwned + Copy + Send {
    fn tenant(&self) -> TenantId;
}

impl Way for InTenant {
    fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Way for InContainer {
    fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Way for InObject {
    fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// A caller who may read in the tenant of the path, and the path; the first argument of a handler.
struct Reader<W>(Caller, W);

/// A caller who may write in the tenant of the path, and the path; the first argument of a handler.
struct Writer<W>(Caller, W);

impl<W: Way> FromRequestParts<Http> for Reader<W> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Refused> {
        let (caller, way) = let_in(parts, http, Role::Reader).await?;
        Ok(Self(caller, way))
    }
}

impl<W: Way> FromRequestParts<Http> for Writer<W> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Refused> {
        let (caller, way) = let_in(parts, http, Role::Writer).await?;
        Ok(Self(caller, way))
    }
}

async fn let_in<W: Way>(parts: &mut Parts, http: &Http, needed: Role) -> Result<(Caller, W), Refused> {
    let asker = Asker::from_request_parts(parts, http).await?;
    let At(way) = At::<W>::from_request_parts(parts, http).await?;
    let caller = http.custody.caller(&asker.identity, asker.request, way.tenant(), needed).await?;
    Ok((caller, way))
}
