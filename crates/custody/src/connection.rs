//! How a tenant's vaults are reached: one connection for each kind of policy, each with its own principal.
//!
//! Owns the connection's row and the [`Reach`] that turns it into root keys. The operator's half (authority,
//! client id, credential, address ranges) is configuration and never a row; the tenant's half is its directory.

use std::fmt;
use std::sync::Arc;

use model::fault::Answer;
use model::id::{DepId, DirectoryId, RequestId, TenantId};
use model::key_identifier::KeyIdentifier;
use model::policy::PolicyKind;
use model::refusal::Refusal;
use model::suffix::SuffixList;
use model::time::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::roots::{RootDescription, RootKeys};

/// A tenant's connection to its vaults, for one kind of policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultConnection {
    /// The version of this row's shape.
    pub v: u8,
    /// The tenant.
    pub tenant: TenantId,
    /// The kind of policy whose principal is used.
    pub kind: PolicyKind,
    /// The customer's directory, whose tokens its vaults trust.
    pub directory: DirectoryId,
    /// Counts changes of the connection: what was heard under an older one proves nothing.
    pub number: u64,
}

/// Turns a connection into root keys that can be called.
pub trait Reach: Send + Sync + fmt::Debug {
    /// The root keys of a tenant, as the principal of one kind of policy.
    fn customer(&self, connection: &VaultConnection) -> Result<Arc<dyn RootKeys>, Refusal>;
    /// The provider's own vault: availability keys, and the roots of the provider-managed policies.
    fn provider(&self) -> Arc<dyn RootKeys>;
    /// The provider's two root keys, without version.
    fn provider_roots(&self) -> [KeyIdentifier; 2];
    /// The domains that the vaults of a policy of this kind may lie under; empty where there is no way to any.
    fn suffixes(&self, kind: PolicyKind) -> SuffixList;
    /// Where the availability key of a policy is, or will be; without version.
    fn availability_key(&self, policy: DepId) -> KeyIdentifier;
    /// Makes an availability key in the provider's vault.
    fn create_availability_key<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>>;
}

/// The key of a connection's row.
pub(crate) fn key(tenant: TenantId, kind: PolicyKind) -> String {
    format!("{tenant}/{}", kind.slug())
}
