//! The ways of custody's routes, and who may pass them: a call is let into a tenant before anything else of it is read.

use api::PolicyKind;
use api::server::{Asker, At, Refused};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::caller::{Caller, Role};
use model::id::{ContainerId, DepId, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::custody::Custody;

/// The way to a tenant.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct InTenant {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    pub(super) tenant: TenantId,
}

/// The way to a person.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfPerson {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The person.
    pub(super) person: String,
}

/// The way to an invitation.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfInvitation {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The invitation.
    pub(super) invitation: String,
}

/// The way to a policy.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfPolicy {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The policy.
    #[param(value_type = String, format = Uuid)]
    pub(super) policy: DepId,
}

/// The way to what is assigned to a tenant as a whole.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfKind {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The kind of the policy.
    #[param(inline, value_type = OfTenant)]
    pub(super) kind: PolicyKind,
}

/// What the document says of the kinds of policy that are assigned to a tenant; another kind is refused with its name.
enum OfTenant {}

impl PartialSchema for OfTenant {
    fn schema() -> RefOr<Schema> {
        let kinds = [PolicyKind::MultiWorkload, PolicyKind::SharePoint].map(PolicyKind::word);
        Object::builder().schema_type(Type::String).enum_values(Some(kinds)).into()
    }
}

impl ToSchema for OfTenant {}

/// The way to a mailbox or a site.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct InContainer {
    /// The tenant.
    #[param(value_type = String, format = Uuid)]
    tenant: TenantId,
    /// The mailbox or site.
    #[param(value_type = String, format = Uuid)]
    pub(super) container: ContainerId,
}

/// A way that begins at a tenant.
pub(super) trait Way: DeserializeOwned + Send {
    fn tenant(&self) -> TenantId;
}

macro_rules! ways {
    ($($way:ident)*) => {$(
        impl Way for $way {
            fn tenant(&self) -> TenantId {
                self.tenant
            }
        }
    )*};
}

ways! { InTenant OfPerson OfInvitation OfPolicy OfKind InContainer }

/// A caller who may administer the tenant of the path, and the path; the first argument of a handler.
pub(super) struct Administrator<W>(pub(super) Caller, pub(super) W);

/// A caller who may look at policies and the log of the tenant of the path, and the path.
pub(super) struct Auditor<W>(pub(super) Caller, pub(super) W);

impl<W: Way> FromRequestParts<Custody> for Administrator<W> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, custody: &Custody) -> Result<Self, Refused> {
        let (caller, way) = let_in(parts, custody, Role::Administrator).await?;
        Ok(Self(caller, way))
    }
}

impl<W: Way> FromRequestParts<Custody> for Auditor<W> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, custody: &Custody) -> Result<Self, Refused> {
        let (caller, way) = let_in(parts, custody, Role::Auditor).await?;
        Ok(Self(caller, way))
    }
}

async fn let_in<W: Way>(parts: &mut Parts, custody: &Custody, needed: Role) -> Result<(Caller, W), Refused> {
    let asker = Asker::from_request_parts(parts, custody).await?;
    let At(way) = At::<W>::from_request_parts(parts, custody).await?;
    let caller = custody.caller(&asker.identity, asker.request, way.tenant(), needed).await?;
    Ok((caller, way))
}
