//! Calls about data encryption policies.

use model::id::{DepId, TenantId};

use super::{Client, ClientError};
use crate::policy::{NewPolicy, Policy, PolicyList, RefreshedPolicy};

impl Client {
    /// Makes a policy over two root keys.
    pub async fn create_policy(&self, tenant: TenantId, new: &NewPolicy) -> Result<Policy, ClientError> {
        self.post(self.in_tenant(tenant, &["policies"]), new).await
    }

    /// Every policy of a tenant.
    pub async fn policies(&self, tenant: TenantId) -> Result<PolicyList, ClientError> {
        self.get(self.in_tenant(tenant, &["policies"])).await
    }

    /// One policy.
    pub async fn policy(&self, tenant: TenantId, policy: DepId) -> Result<Policy, ClientError> {
        self.get(self.in_tenant(tenant, &["policies", &policy.to_string()])).await
    }

    /// Takes the newest versions of a policy's root keys.
    pub async fn refresh_policy(
        &self,
        tenant: TenantId,
        policy: DepId,
    ) -> Result<RefreshedPolicy, ClientError> {
        let url = self.in_tenant(tenant, &["policies", &policy.to_string(), "refresh"]);
        self.json(self.http.post(url)).await
    }
}
