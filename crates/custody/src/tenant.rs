//! A tenant: one customer of the service, its directories, and the policies assigned to it as a whole.
//!
//! Owns the tenant's row. What a tenant's people may do is decided at the HTTP door; what its keys may do
//! is decided by its policies.

use model::id::{DepId, DirectoryId, TenantId};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest display name of a tenant, in characters.
pub const MAX_TENANT_NAME: usize = 120;
/// How many verified domains one tenant may have.
pub const MAX_DOMAINS: usize = 50;

/// One customer of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The version of this row's shape.
    pub v: u8,
    /// The tenant's id.
    pub id: TenantId,
    /// The name that the operator gave it.
    pub name: String,
    /// The directory whose tokens the tenant's vaults trust; it belongs to this tenant alone.
    pub directory: DirectoryId,
    /// Verified domains, lower case.
    pub domains: Vec<String>,
    /// Where the tenant's containers may live; the first is the home geo.
    pub geos: Vec<String>,
    /// What the tenant is entitled to; `E5` is the lab's value.
    pub entitlement: String,
    /// The provider-managed policy that every container starts under.
    pub provider_policy: DepId,
    /// The multi-workload policy assigned to the tenant, if any.
    pub multi_workload: Option<DepId>,
    /// The SharePoint policy of the tenant, if any.
    pub share_point: Option<DepId>,
    /// When the tenant was created.
    pub created: Timestamp,
}

/// What the operator says of a new tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// The display name.
    pub name: String,
    /// The customer's directory.
    pub directory: DirectoryId,
    /// Its domains.
    pub domains: Vec<String>,
    /// Its geos; empty means one, `default`.
    pub geos: Vec<String>,
    /// Its entitlement.
    pub entitlement: String,
}
