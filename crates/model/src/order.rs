//! An order of the tenant's officers, once its signatures have been checked.
//!
//! Owns the value alone. Who may sign, how many must, and whether the nonce is new, is checked by whoever calls
//! [`RecoveryOrder::verified`]: custody, and the availability vault once more for itself.

use crate::id::{DepId, Generation, TenantId};
use crate::key_identifier::KeyIdentifier;
use crate::time::Timestamp;

/// Leave to open one policy by its availability key, and the root keys that take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryOrder {
    tenant: TenantId,
    policy: DepId,
    generation: Generation,
    new_roots: [KeyIdentifier; 2],
    not_after: Timestamp,
}

impl RecoveryOrder {
    /// Records that enough officers signed exactly this; to be called by the verifier of signatures only.
    pub fn verified(
        tenant: TenantId,
        policy: DepId,
        generation: Generation,
        new_roots: [KeyIdentifier; 2],
        not_after: Timestamp,
    ) -> Self {
        Self { tenant, policy, generation, new_roots, not_after }
    }

    /// The root keys that take over.
    pub fn new_roots(&self) -> &[KeyIdentifier; 2] {
        &self.new_roots
    }

    /// Whether the order is about this key of this policy and still runs.
    pub fn covers(&self, tenant: TenantId, policy: DepId, generation: Generation, now: Timestamp) -> bool {
        self.tenant == tenant
            && self.policy == policy
            && self.generation == generation
            && now <= self.not_after
    }
}
