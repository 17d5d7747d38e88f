//! Tenants, as the operator makes and lists them.

use model::id::{DepId, DirectoryId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::person::Invitation;
use crate::time::Time;

/// What the operator says of a new tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTenant {
    /// The name that people see, 1 to 120 characters.
    #[schema(example = "Contoso")]
    pub name: String,
    /// The customer's directory; it belongs to one tenant alone.
    #[schema(value_type = String, format = Uuid)]
    pub directory_id: DirectoryId,
    /// Verified domains, at most 50.
    #[serde(default)]
    #[schema(example = json!(["contoso.com"]))]
    pub domains: Vec<String>,
    /// Where the tenant's containers may live, the home geo first; empty means one, `default`.
    #[serde(default)]
    pub geos: Vec<String>,
    /// What the tenant is entitled to.
    #[serde(default = "lab_entitlement")]
    #[schema(example = "E5")]
    pub entitlement: String,
}

fn lab_entitlement() -> String {
    "E5".into()
}

/// One customer of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: TenantId,
    /// The name that people see.
    pub name: String,
    /// The customer's directory.
    #[schema(value_type = String, format = Uuid)]
    pub directory_id: DirectoryId,
    /// Verified domains.
    pub domains: Vec<String>,
    /// Where its containers may live, the home geo first.
    pub geos: Vec<String>,
    /// What it is entitled to.
    pub entitlement: String,
    /// The provider-managed policy that every container starts under.
    #[schema(value_type = String, format = Uuid)]
    pub provider_policy_id: DepId,
    /// The multi-workload policy assigned to the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub multi_workload_policy_id: Option<DepId>,
    /// The SharePoint policy assigned to the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub share_point_policy_id: Option<DepId>,
    /// When it was made.
    pub created: Time,
}

/// A new tenant, and the invitation of its first administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewTenantMade {
    /// The tenant.
    pub tenant: Tenant,
    /// The first administrator's one-time credential; it is told here and never again.
    pub first_administrator: Invitation,
}

/// A page of tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantPage {
    /// The tenants, in the order of their ids.
    pub tenants: Vec<Tenant>,
    /// Give this as `after` for the next page; missing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub next: Option<TenantId>,
}
