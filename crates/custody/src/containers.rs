//! What is done to a container's keys: taking it in, opening a generation, bringing it under its policy.
//!
//! Owns every write of the `containers` and `rewraps` tables. Which policy covers a container is decided in
//! `model::assignment`.

use std::sync::Arc;

use crypto::{Context, Key, Wrapped};
use model::assignment::{self, TenantPolicies};
use model::caller::Caller;
use model::id::{ContainerId, DepId, Generation, TenantId};
use model::refusal::{Code, Refusal};
use model::unwrap::{Family, Purpose};
use serde_json::json;
use store::{AuditEntry, Batch, Cause, CommitError};

use crate::container::{self, ContainerRow, GenerationRow, StoredHolder, dep_place};
use crate::custody::Custody;
use crate::leases::DepLease;
use crate::rows::{CONTAINERS, Kept, REWRAPS, TENANTS, lost};
use crate::service::{Opened, Standing};
use crate::tenant::Tenant;

/// The wraps above one container's content, from the bottom to the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The policy whose key holds the container key; `None` under the volume layer alone.
    pub policy: Option<DepId>,
    /// Bytes of the container key under that policy's key.
    pub container_wrap: usize,
    /// Each root key that wraps the policy's seed, and the bytes of its wrap: first, second, availability.
    pub roots: Vec<(String, usize)>,
}

/// How often it is decided again what covers a container, after another change of it or of its tenant.
const RACES: u32 = 4;

impl Custody {
    /// Takes a container in under the policy that covers it now.
    pub(crate) async fn take_in(
        &self,
        caller: &Caller,
        id: ContainerId,
        family: Family,
    ) -> Result<Standing, Refusal> {
        for _ in 0..RACES {
            if let Some(standing) = self.take_in_once(caller, id, family).await? {
                return Ok(standing);
            }
        }
        Err(Refusal::new(Code::Busy, "the tenant's policies are being changed by others"))
    }

    /// `None` if what is assigned to the tenant changed meanwhile: the container would be born under another policy
    /// than the one that covers it, and on nobody's list.
    async fn take_in_once(
        &self,
        caller: &Caller,
        id: ContainerId,
        family: Family,
    ) -> Result<Option<Standing>, Refusal> {
        let Kept { value: tenant, version } = self.tenant(caller.tenant).await?;
        let policy = self.covering(&tenant, family, None);
        let dep = self.dep(caller, policy, Purpose::Content).await?;
        let mut row = ContainerRow {
            v: 1,
            tenant: caller.tenant,
            id,
            family,
            assigned: None,
            generations: Vec::new(),
            created: self.clock().now(),
        };
        let holder = StoredHolder::Policy { policy, generation: dep.lease.generation() };
        let key = Key::<crypto::Container>::generate(self.random());
        let number = Generation::FIRST;
        let wrapped = self.wrap_for(&dep, &row, number, &key)?;
        row.generations.push(GenerationRow { number, born: Some(policy), holder, wrapped });
        let batch = Batch::new()
            .expect_version(TENANTS, tenant.id.to_string(), version)
            .expect_absent(CONTAINERS, row.key())
            .put(CONTAINERS, row.key(), &row);
        let record =
            self.record(caller, "Container taken in", json!({ "containerId": id, "policyId": policy }));
        match self.store().commit(batch, Cause::Audited(vec![record])).await {
            Ok(()) => Ok(Some(self.standing_of(&row, &tenant))),
            Err(CommitError::Conflict { table: TENANTS, .. }) => Ok(None),
            Err(error) => Err(lost(error)),
        }
    }

    /// Opens the key of one generation, rewrapping first if the container is not under its policy yet.
    pub(crate) async fn open_container(
        &self,
        caller: &Caller,
        id: ContainerId,
        generation: Option<Generation>,
    ) -> Result<Opened, Refusal> {
        let mut kept = self.container(caller.tenant, id).await?;
        let tenant = self.tenant(caller.tenant).await?.value;
        if self.standing_of(&kept.value, &tenant).pending {
            // The touch brings it under its policy; where it cannot, the old policy still decides.
            match self.bring_under(caller, id).await {
                Ok(_) => kept = self.container(caller.tenant, id).await?,
                Err(refusal) => tracing::info!(
                    tenant = %caller.tenant,
                    container = %id,
                    request = %caller.request,
                    code = %refusal.code,
                    "a rewrap on touch has to wait"
                ),
            }
        }
        let row = kept.value;
        let found = match generation {
            Some(number) => row.generation(number).ok_or_else(|| {
                Refusal::new(Code::Ours, format!("container {id} has no key generation {number}"))
            })?,
            None => row.current(),
        };
        match found.holder {
            StoredHolder::Volume => self.opened_by_volume(&row, found),
            StoredHolder::Policy { policy, .. } => {
                let dep = self.dep(caller, policy, Purpose::Content).await?;
                let key = dep.unwrap(&row, found)?;
                Ok(Opened::new(found.number, Box::new(dep.lease.container(key, caller.initiator))))
            }
        }
    }

    /// Brings every generation of the container under the policy that covers it.
    ///
    /// The key is opened under the policy that holds it now, by a root key alone: a denial there refuses, and
    /// a lease of availability origin does not serve.
    pub(crate) async fn bring_under(&self, caller: &Caller, id: ContainerId) -> Result<Standing, Refusal> {
        for _ in 0..RACES {
            let kept = self.container(caller.tenant, id).await?;
            let tenant = self.tenant(caller.tenant).await?;
            let standing = self.standing_of(&kept.value, &tenant.value);
            if !standing.pending {
                return Ok(standing);
            }
            match self.rewrap_once(caller, kept, &tenant).await {
                Err(refusal) if refusal.code == Code::Conflict => {}
                outcome => return outcome,
            }
        }
        Err(Refusal::new(Code::Busy, format!("container {id} is being changed by others")))
    }

    async fn rewrap_once(
        &self,
        caller: &Caller,
        kept: Kept<ContainerRow>,
        tenant: &Kept<Tenant>,
    ) -> Result<Standing, Refusal> {
        let Kept { value: mut row, version } = kept;
        let Kept { value: tenant, version: tenant_version } = tenant;
        let target = self.covering(tenant, row.family, row.assigned);
        let to = self.dep(caller, target, Purpose::PolicyChange).await?;
        let mut from = Vec::new();
        for index in 0..row.generations.len() {
            let StoredHolder::Policy { policy, .. } = row.generations[index].holder else {
                return Err(Refusal::new(
                    Code::Conflict,
                    "the container is under no policy and waits for a move",
                ));
            };
            if policy == target {
                continue;
            }
            let dep = self.dep(caller, policy, Purpose::PolicyChange).await?;
            let key = dep.unwrap(&row, &row.generations[index])?;
            let number = row.generations[index].number;
            let wrapped = self.wrap_for(&to, &row, number, &key)?;
            let holder = StoredHolder::Policy { policy: target, generation: to.lease.generation() };
            from.push(policy);
            let generation = &mut row.generations[index];
            (generation.holder, generation.wrapped) = (holder, wrapped);
        }
        // The target was decided by the tenant's row: with another one, the container would leave the list too early.
        let batch = Batch::new()
            .expect_version(TENANTS, tenant.id.to_string(), *tenant_version)
            .expect_version(CONTAINERS, row.key(), version)
            .put(CONTAINERS, row.key(), &row)
            .delete(REWRAPS, row.key());
        let body = json!({ "containerId": row.id, "from": from, "to": target, "generations": row.generations.len() });
        let record = self.record(caller, "Rewrapped", body);
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)?;
        Ok(self.standing_of(&row, tenant))
    }

    /// The policies that must open before the container can be rewrapped: what covers it, and what holds its keys.
    pub(crate) async fn needs(&self, tenant: TenantId, id: ContainerId) -> Result<Vec<DepId>, Refusal> {
        let row = self.container(tenant, id).await?.value;
        let tenant = self.tenant(tenant).await?.value;
        let holders = row.generations.iter().filter_map(|generation| match generation.holder {
            StoredHolder::Policy { policy, .. } => Some(policy),
            StoredHolder::Volume => None,
        });
        Ok(holders.chain([self.covering(&tenant, row.family, row.assigned)]).collect())
    }

    /// What lies between a container's content and its root keys, as sizes and names: nothing is opened.
    pub async fn layers(&self, caller: &Caller, id: ContainerId) -> Result<Layers, Refusal> {
        let row = self.container(caller.tenant, id).await?.value;
        let current = row.current();
        let roots = match current.holder {
            StoredHolder::Volume => Vec::new(),
            StoredHolder::Policy { policy, .. } => {
                let set = self.shelf().read(caller.tenant, policy).await?.value;
                set.slots.into_iter().map(|slot| (slot.key_identifier, slot.wrapped.len())).collect()
            }
        };
        let policy = match current.holder {
            StoredHolder::Volume => None,
            StoredHolder::Policy { policy, .. } => Some(policy),
        };
        Ok(Layers { policy, container_wrap: current.wrapped.len() / 2, roots })
    }

    /// The container's row, if it is of the tenant.
    pub(crate) async fn container(
        &self,
        tenant: TenantId,
        id: ContainerId,
    ) -> Result<Kept<ContainerRow>, Refusal> {
        let kept = crate::rows::load(self.store(), CONTAINERS, &container::key(tenant, id)).await?;
        kept.ok_or_else(|| Refusal::new(Code::NotFound, format!("the tenant has no container {id}")))
    }

    /// Assigned and effective policy of a container, as two facts.
    pub(crate) fn standing_of(&self, row: &ContainerRow, tenant: &Tenant) -> Standing {
        let target = self.covering(tenant, row.family, row.assigned);
        let effective = match row.current().holder {
            StoredHolder::Volume => None,
            StoredHolder::Policy { policy, .. } => Some(policy),
        };
        let all = row.generations.iter().all(
            |generation| matches!(generation.holder, StoredHolder::Policy { policy, .. } if policy == target),
        );
        Standing {
            assigned: row.assigned,
            covering: target,
            effective,
            provider_managed: effective == Some(tenant.provider_policy),
            generation: row.current().number,
            pending: !all,
        }
    }

    /// The policy that covers a container now.
    pub(crate) fn covering(&self, tenant: &Tenant, family: Family, assigned: Option<DepId>) -> DepId {
        let tenant = TenantPolicies {
            multi_workload: tenant.multi_workload,
            share_point: tenant.share_point,
            provider: tenant.provider_policy,
        };
        assignment::covering(family, assigned, &tenant).policy
    }

    fn opened_by_volume(&self, row: &ContainerRow, found: &GenerationRow) -> Result<Opened, Refusal> {
        let wrapped = stored_wrap(row, found)?;
        let context = Context::container_under_volume(&row.place(found.number));
        let key = self.volume().unwrap(&wrapped, &context).map_err(|_| damaged(row))?;
        Ok(Opened::new(found.number, Box::new(self.leases().volume_lease(key))))
    }

    fn wrap_for(
        &self,
        dep: &Opener<'_>,
        row: &ContainerRow,
        number: Generation,
        key: &Key<crypto::Container>,
    ) -> Result<String, Refusal> {
        let context = dep.context(row, number);
        let wrapped = dep.key()?.wrap(key, &context, self.random());
        Ok(crate::hex::encode(wrapped.as_bytes()))
    }

    /// A policy's key, opened for this caller; what a lease of availability origin may serve, the lease says.
    async fn dep<'a>(
        &self,
        caller: &'a Caller,
        policy: DepId,
        purpose: Purpose,
    ) -> Result<Opener<'a>, Refusal> {
        let lease = self.leases().open(caller, policy, purpose).await?;
        Ok(Opener { lease, caller, purpose })
    }

    pub(crate) fn record(&self, caller: &Caller, operation: &str, mut body: serde_json::Value) -> AuditEntry {
        body["userId"] = json!(caller.principal);
        body["initiator"] = json!(caller.initiator);
        body["requestId"] = json!(caller.request);
        AuditEntry {
            stream: caller.tenant.to_string(),
            at: self.clock().now(),
            operation: operation.into(),
            body,
        }
    }
}

/// A DEP key in use: by whom and for what, which its lease is asked every time.
pub(crate) struct Opener<'a> {
    lease: Arc<DepLease>,
    caller: &'a Caller,
    purpose: Purpose,
}

impl Opener<'_> {
    fn key(&self) -> Result<&Key<crypto::Dep>, Refusal> {
        self.lease.key(self.caller.initiator, self.purpose)
    }

    fn context(&self, row: &ContainerRow, number: Generation) -> Context {
        let place = dep_place(row.tenant, self.lease.policy(), self.lease.generation());
        Context::container_under_dep(&row.place(number), &place)
    }

    fn unwrap(&self, row: &ContainerRow, found: &GenerationRow) -> Result<Key<crypto::Container>, Refusal> {
        let wrapped = stored_wrap(row, found)?;
        self.key()?.unwrap(&wrapped, &self.context(row, found.number)).map_err(|_| damaged(row))
    }
}

fn stored_wrap(row: &ContainerRow, found: &GenerationRow) -> Result<Wrapped<crypto::Container>, Refusal> {
    found.wrap().ok_or_else(|| damaged(row))
}

fn damaged(row: &ContainerRow) -> Refusal {
    Refusal::new(Code::Ours, format!("the stored key of container {} is damaged", row.id))
}
