//! Calls about mailboxes and sites.

use std::fmt::Display;

use model::id::{ContainerId, DepId, TenantId};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::{Client, ClientError};
use crate::container::{
    AssignedPolicy, Container, ContainerName, ContainerPage, Layers, NewContainer, Standing,
};

impl Client {
    /// A page of a tenant's mailboxes and sites.
    pub async fn containers(
        &self,
        tenant: TenantId,
        after: Option<ContainerId>,
    ) -> Result<ContainerPage, ClientError> {
        self.page(self.in_tenant(tenant, &["containers"]), after).await
    }

    /// Makes a mailbox or a site.
    pub async fn create_container(
        &self,
        tenant: TenantId,
        new: &NewContainer,
    ) -> Result<Container, ClientError> {
        self.post(self.in_tenant(tenant, &["containers"]), new).await
    }

    /// Finds a mailbox or a site by its name.
    pub async fn find_container(
        &self,
        tenant: TenantId,
        name: &ContainerName,
    ) -> Result<Container, ClientError> {
        self.post(self.in_tenant(tenant, &["containers", "find"]), name).await
    }

    /// One mailbox or site.
    pub async fn container(
        &self,
        tenant: TenantId,
        container: ContainerId,
    ) -> Result<Container, ClientError> {
        self.get(self.in_container(tenant, container, &[])).await
    }

    /// Which policy covers it.
    pub async fn standing(&self, tenant: TenantId, container: ContainerId) -> Result<Standing, ClientError> {
        self.get(self.in_container(tenant, container, &["standing"])).await
    }

    /// The wraps above its content.
    pub async fn layers(&self, tenant: TenantId, container: ContainerId) -> Result<Layers, ClientError> {
        self.get(self.in_container(tenant, container, &["layers"])).await
    }

    /// Assigns a policy to a mailbox, or with `None` takes the assignment away.
    pub async fn assign_to_container(
        &self,
        tenant: TenantId,
        container: ContainerId,
        policy_id: Option<DepId>,
    ) -> Result<Standing, ClientError> {
        self.put(self.in_container(tenant, container, &["policy"]), &AssignedPolicy { policy_id }).await
    }

    /// Wraps its key under the policy that covers it now.
    pub async fn rewrap(&self, tenant: TenantId, container: ContainerId) -> Result<Standing, ClientError> {
        self.json(self.http.post(self.in_container(tenant, container, &["rewrap"]))).await
    }

    /// A page of a list that is in the order of ids.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        mut url: Url,
        after: Option<impl Display>,
    ) -> Result<T, ClientError> {
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", &after.to_string());
        }
        self.get(url).await
    }
}
