//! Calls about tenants and their people: the operator's, enrolment, the log, health.

use model::id::{DepId, TenantId};
use reqwest::StatusCode;

use super::{Client, ClientError};
use crate::audit::AuditPage;
use crate::container::AssignedPolicy;
use crate::health::{Ready, TenantHealth};
use crate::person::{Enrolled, Enrolment, Invitation, NewInvitation, People};
use crate::policy::PolicyKind;
use crate::tenant::{NewTenant, NewTenantMade, Tenant, TenantPage};

impl Client {
    /// Takes a customer in; the operator's.
    pub async fn create_tenant(&self, new: &NewTenant) -> Result<NewTenantMade, ClientError> {
        self.post(self.at(&["v1", "tenants"]), new).await
    }

    /// A page of the tenants; the operator's.
    pub async fn tenants(&self, after: Option<TenantId>) -> Result<TenantPage, ClientError> {
        self.page(self.at(&["v1", "tenants"]), after).await
    }

    /// One tenant.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Tenant, ClientError> {
        self.get(self.in_tenant(tenant, &[])).await
    }

    /// Another credential for the first administrator, for one that was lost or has expired; the operator's.
    pub async fn invite_first(&self, tenant: TenantId) -> Result<Invitation, ClientError> {
        self.json(self.http.post(self.in_tenant(tenant, &["first-administrator"]))).await
    }

    /// Redeems a one-time credential for whoever has the token.
    pub async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, ClientError> {
        self.post(self.at(&["v1", "enrolment"]), enrolment).await
    }

    /// Everybody who is enrolled.
    pub async fn people(&self, tenant: TenantId) -> Result<People, ClientError> {
        self.get(self.in_tenant(tenant, &["people"])).await
    }

    /// Makes a one-time credential for somebody.
    pub async fn invite(&self, tenant: TenantId, new: &NewInvitation) -> Result<Invitation, ClientError> {
        self.post(self.in_tenant(tenant, &["invitations"]), new).await
    }

    /// Takes somebody's roles away.
    pub async fn remove_person(&self, tenant: TenantId, person: &str) -> Result<(), ClientError> {
        self.delete(self.in_tenant(tenant, &["people", person])).await
    }

    /// Assigns a policy to the tenant, or with `None` takes the assignment away.
    ///
    /// `kind` is one that a tenant can be assigned: multi-workload or SharePoint.
    pub async fn assign_to_tenant(
        &self,
        tenant: TenantId,
        kind: PolicyKind,
        policy_id: Option<DepId>,
    ) -> Result<Tenant, ClientError> {
        let url = self.in_tenant(tenant, &["assignments", kind.word()]);
        self.put(url, &AssignedPolicy { policy_id }).await
    }

    /// A page of the tenant's log; the first record is 1.
    pub async fn audit(
        &self,
        tenant: TenantId,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Result<AuditPage, ClientError> {
        let mut url = self.in_tenant(tenant, &["audit"]);
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", &after.to_string());
        }
        if let Some(limit) = limit {
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
        }
        self.get(url).await
    }

    /// The tenant's policies, as their keys were last heard.
    pub async fn tenant_health(&self, tenant: TenantId) -> Result<TenantHealth, ClientError> {
        self.get(self.in_tenant(tenant, &["health"])).await
    }

    /// Whether the service can serve; that it cannot is an answer too.
    pub async fn ready(&self) -> Result<Ready, ClientError> {
        let answer = self.send(self.http.get(self.at(&["ready"]))).await?;
        let said = super::is_of_type(&answer, "application/json");
        match answer.status() {
            StatusCode::OK => self.read_json(answer).await,
            StatusCode::SERVICE_UNAVAILABLE if said => self.read_json(answer).await,
            _ => Err(self.refused(answer).await),
        }
    }
}
