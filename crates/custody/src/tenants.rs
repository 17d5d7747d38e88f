//! Tenants and what is assigned to them: creation, vault connections, assignment of policies.
//!
//! Owns every write of the `tenants`, `directories` and `connections` tables.

use model::assignment::check_by_name;
use model::caller::{Caller, Initiator, Principal};
use model::id::{ContainerId, DepId, DirectoryId, RequestId, TenantId};
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{AuditRow, Batch, Cause, CommitError, Scan};

use crate::connection::{self, VaultConnection};
use crate::container::ContainerRow;
use crate::creation::{NewPolicy, described};
use crate::custody::{Custody, to_the_end};
use crate::policy::Policy;
use crate::rows::{
    CONNECTIONS, CONTAINERS, DIRECTORIES, DOMAINS, Kept, POLICIES, REWRAPS, TENANTS, load, lost, trouble,
};
use crate::service::Standing;
use crate::tenant::{NewTenant, Tenant};

/// How many rows a list gives at most.
pub const PAGE: u32 = 500;

impl Custody {
    /// Takes a tenant in: its directory is claimed, its connections are numbered, and its provider-managed
    /// policy is made, under which every container starts. It goes on to its end also if the caller leaves.
    pub async fn create_tenant(&self, operator: &Principal, new: NewTenant) -> Result<Tenant, Refusal> {
        let request = RequestId::from_random(self.sixteen_bytes());
        self.create_tenant_in(request, operator, new).await
    }

    /// The same, as part of a call that has an id already.
    pub async fn create_tenant_in(
        &self,
        request: RequestId,
        operator: &Principal,
        new: NewTenant,
    ) -> Result<Tenant, Refusal> {
        new.check()?;
        let (custody, operator) = (self.clone(), operator.clone());
        to_the_end(async move { custody.create_tenant_now(request, operator, new).await }).await
    }

    async fn create_tenant_now(
        &self,
        request: RequestId,
        operator: Principal,
        new: NewTenant,
    ) -> Result<Tenant, Refusal> {
        let id = TenantId::from_random(self.sixteen_bytes());
        let caller = Caller { tenant: id, principal: operator, initiator: Initiator::System, request };
        self.check_domains(&new.domains, None).await?;
        let claim = self.claim(&caller, new.directory).await?;
        let provider = NewPolicy {
            kind: PolicyKind::ProviderManaged,
            name: "Provider-managed keys".into(),
            description: "Where every container starts, and what it falls back to".into(),
            keys: self.reach().provider_roots(),
            settings: None,
        };
        let prepared = self.prepare_policy(&caller, provider).await?;
        let policy = &prepared.policy;
        let tenant = Tenant {
            v: 1,
            id,
            name: new.name,
            directory: new.directory,
            domains: new.domains,
            geos: if new.geos.is_empty() { vec!["default".into()] } else { new.geos },
            entitlement: new.entitlement,
            provider_policy: policy.id,
            multi_workload: None,
            share_point: None,
            created: self.clock().now(),
        };
        // One transaction for all of it: there is no tenant without its policy and no policy without its tenant.
        let mut batch = self
            .row_of(&prepared)
            .await?
            .expect_version(DIRECTORIES, tenant.directory.to_string(), claim)
            .expect_absent(TENANTS, id.to_string())
            .put(TENANTS, id.to_string(), &tenant);
        for domain in &tenant.domains {
            batch = batch.expect_absent(DOMAINS, domain).put(DOMAINS, domain, &Claim { v: 1, tenant: id });
        }
        for kind in [PolicyKind::Mailbox, PolicyKind::MultiWorkload, PolicyKind::SharePoint] {
            let connection =
                VaultConnection { v: 1, tenant: id, kind, directory: tenant.directory, number: 1 };
            batch = batch.put(CONNECTIONS, connection::key(id, kind), &connection);
        }
        let records = vec![
            self.record(&caller, "Policy created", described(policy)),
            self.record(&caller, "Tenant created", json!({ "directoryId": tenant.directory })),
        ];
        let outcome = self.store().commit(batch, Cause::Audited(records)).await;
        if matches!(outcome, Err(CommitError::Conflict { .. })) {
            self.shelf().discard(id, policy.id).await?;
        }
        outcome.map_err(taken)?;
        Ok(tenant)
    }

    /// Claims a directory for a tenant that is being made; says at which version of its row.
    ///
    /// A claim whose tenant never came to be (its process died, or its vault did not answer) is taken over. If that
    /// one is still on its way, it finds its claim changed when it comes to its last step, and leaves nothing behind.
    async fn claim(&self, caller: &Caller, directory: DirectoryId) -> Result<u64, Refusal> {
        let key = directory.to_string();
        let claim = Claim { v: 1, tenant: caller.tenant };
        let batch = match load::<Claim>(self.store(), DIRECTORIES, &key).await? {
            None => Batch::new().expect_absent(DIRECTORIES, &key),
            Some(Kept { value: other, version }) => {
                let owner = load::<Tenant>(self.store(), TENANTS, &other.tenant.to_string()).await?;
                if owner.is_some() {
                    return Err(unusable("directory"));
                }
                Batch::new().expect_version(DIRECTORIES, &key, version)
            }
        };
        let record = self.record(caller, "Directory claimed", json!({ "directoryId": directory }));
        let batch = batch.put(DIRECTORIES, &key, &claim);
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(taken)?;
        let ours = load::<Claim>(self.store(), DIRECTORIES, &key).await?;
        let ours = ours.filter(|kept| kept.value.tenant == caller.tenant);
        ours.map(|kept| kept.version).ok_or_else(|| unusable("directory"))
    }

    /// Refuses domains that tenants have; those of `except` are its own.
    pub(crate) async fn check_domains(
        &self,
        domains: &[String],
        except: Option<TenantId>,
    ) -> Result<(), Refusal> {
        for row in self.store().read_many(DOMAINS, domains).await.map_err(trouble)?.into_iter().flatten() {
            let claim: Claim = row.parse().map_err(trouble)?;
            if Some(claim.tenant) != except {
                return Err(unusable("domain"));
            }
        }
        Ok(())
    }

    /// The tenant that a directory belongs to, if it came to be.
    pub(crate) async fn tenant_of(&self, directory: DirectoryId) -> Result<Option<Tenant>, Refusal> {
        let claim = load::<Claim>(self.store(), DIRECTORIES, &directory.to_string()).await?;
        let Some(claim) = claim else { return Ok(None) };
        let tenant = load::<Tenant>(self.store(), TENANTS, &claim.value.tenant.to_string()).await?;
        Ok(tenant.map(|kept| kept.value))
    }

    /// Whether a tenant of this service has the directory.
    pub async fn knows_directory(&self, directory: DirectoryId) -> Result<bool, Refusal> {
        Ok(self.tenant_of(directory).await?.is_some())
    }

    /// Tenants in the order of their ids, after one of them; a page at most, and one by which it is seen to go on.
    pub async fn tenants(&self, after: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, Refusal> {
        let after = after.map(|id| id.to_string());
        let scan = Scan { prefix: "", after: after.as_deref(), limit: limit.min(PAGE + 1) };
        let rows = self.store().scan(TENANTS, scan).await.map_err(trouble)?;
        rows.iter().map(|row| row.parse().map_err(trouble)).collect()
    }

    /// One tenant, for its own people.
    pub async fn own_tenant(&self, caller: &Caller) -> Result<Tenant, Refusal> {
        Ok(self.tenant(caller.tenant).await?.value)
    }

    /// Refuses the id of a tenant that there is not.
    pub async fn check_tenant(&self, id: TenantId) -> Result<(), Refusal> {
        self.tenant(id).await.map(|_| ())
    }

    /// One tenant.
    pub(crate) async fn tenant(&self, id: TenantId) -> Result<Kept<Tenant>, Refusal> {
        let kept = load(self.store(), TENANTS, &id.to_string()).await?;
        kept.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no tenant {id}")))
    }

    /// The policies of the caller's tenant, all of them, in the order of their ids.
    pub async fn policies(&self, caller: &Caller) -> Result<Vec<Policy>, Refusal> {
        let prefix = format!("{}/", caller.tenant);
        let mut policies = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(POLICIES, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(policies) };
            after = Some(last.key.clone());
            for row in &page {
                policies.push(row.parse().map_err(trouble)?);
            }
        }
    }

    /// One policy of the caller's tenant.
    pub async fn policy(&self, caller: &Caller, policy: DepId) -> Result<Policy, Refusal> {
        Ok(self.unwrapper().policy(caller, policy).await?.value)
    }

    /// Assigns a mailbox policy to one container, or takes the assignment away.
    ///
    /// Nothing is opened here: the rewrap follows when the container is touched or the sweeper reaches it.
    pub async fn assign(
        &self,
        caller: &Caller,
        container: ContainerId,
        policy: Option<DepId>,
    ) -> Result<Standing, Refusal> {
        let Kept { value: mut row, version }: Kept<ContainerRow> =
            self.container(caller.tenant, container).await?;
        if let Some(policy) = policy {
            let policy = self.policy(caller, policy).await?;
            check_by_name(policy.kind, row.family).map_err(|refusal| refusal.about(policy.id))?;
            policy.condition().check_assignable().map_err(|refusal| refusal.about(policy.id))?;
        }
        let before = row.assigned;
        row.assigned = policy;
        let batch = Batch::new()
            .expect_version(CONTAINERS, row.key(), version)
            .put(CONTAINERS, row.key(), &row)
            .put(REWRAPS, row.key(), &self.queued());
        let body = json!({ "containerId": container, "before": before, "policyId": policy });
        let record = self.record(caller, "Policy assigned", body);
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)?;
        let tenant = self.tenant(caller.tenant).await?.value;
        Ok(self.standing_of(&row, &tenant))
    }

    /// Assigns a multi-workload or SharePoint policy to the tenant as a whole, or takes the assignment away.
    pub async fn assign_tenant(
        &self,
        caller: &Caller,
        kind: PolicyKind,
        policy: Option<DepId>,
    ) -> Result<Tenant, Refusal> {
        if let Some(policy) = policy {
            let found = self.policy(caller, policy).await?;
            if found.kind != kind {
                let rule = format!("policy: it is a {} policy and no {kind} policy", found.kind);
                return Err(Refusal::new(Code::BadRequest, rule).about(policy));
            }
            found.condition().check_assignable().map_err(|refusal| refusal.about(policy))?;
        }
        let Kept { value: mut tenant, version } = self.tenant(caller.tenant).await?;
        match kind {
            PolicyKind::MultiWorkload => tenant.multi_workload = policy,
            PolicyKind::SharePoint => tenant.share_point = policy,
            PolicyKind::Mailbox | PolicyKind::ProviderManaged => {
                return Err(Refusal::new(
                    Code::BadRequest,
                    format!("kind: a {kind} policy is not assigned to a tenant"),
                ));
            }
        }
        let key = tenant.id.to_string();
        let batch = Batch::new().expect_version(TENANTS, &key, version).put(TENANTS, &key, &tenant).put(
            REWRAPS,
            everything_of(tenant.id),
            &self.queued(),
        );
        let record =
            self.record(caller, "Policy assigned to tenant", json!({ "kind": kind, "policyId": policy }));
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)?;
        self.queue_all(tenant.id).await?;
        Ok(tenant)
    }

    /// Audit records of the caller's tenant, after a sequence number; a page at most, and one by which it is seen to
    /// go on.
    pub async fn audit(&self, caller: &Caller, after: u64, limit: u32) -> Result<Vec<AuditRow>, Refusal> {
        self.store().audit(&caller.tenant.to_string(), after, limit.min(PAGE + 1)).await.map_err(trouble)
    }

    /// Queues every container of the tenant for the sweeper, which skips those that are covered already; then takes
    /// the note off that asked for it. A kill in between leaves the note, and the sweeper goes on from there.
    pub(crate) async fn queue_all(&self, tenant: TenantId) -> Result<(), Refusal> {
        let note = everything_of(tenant);
        let Some(noted) = self.store().read(REWRAPS, &note).await.map_err(trouble)? else { return Ok(()) };
        let prefix = format!("{tenant}/");
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(CONTAINERS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let queued = self.queued();
            let batch = page.iter().fold(Batch::new(), |batch, row| batch.put(REWRAPS, &row.key, &queued));
            let reason = Cause::Housekeeping("containers queued after an assignment to the tenant");
            self.store().commit(batch, reason).await.map_err(lost)?;
        }
        self.forget(&note, noted.version).await
    }

    /// What stands in a row of the rewrap list.
    fn queued(&self) -> serde_json::Value {
        json!({ "v": 1, "queued": self.clock().now() })
    }

    /// The directory that the wraps of a policy name; none for the provider's own keys.
    pub(crate) async fn directory_of(&self, policy: &Policy) -> Result<Option<[u8; 16]>, Refusal> {
        if policy.kind == PolicyKind::ProviderManaged {
            return Ok(None);
        }
        let key = connection::key(policy.tenant, policy.kind);
        let kept: Option<Kept<VaultConnection>> = load(self.store(), CONNECTIONS, &key).await?;
        Ok(kept.map(|kept| *kept.value.directory.as_bytes()))
    }
}

/// Which tenant a directory belongs to, or is claimed for.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    v: u8,
    tenant: TenantId,
}

/// A directory or a domain that another tenant has; whose it is, or whether it is there at all, is not told.
pub(crate) fn unusable(what: &str) -> Refusal {
    Refusal::new(Code::Conflict, format!("{what}: it cannot be used for this tenant"))
}

/// A lost race for a directory or a domain, told as what it is.
fn taken(error: CommitError) -> Refusal {
    match error {
        CommitError::Conflict { table, .. } => {
            unusable(if table == DOMAINS { "domain" } else { "directory" })
        }
        CommitError::Store(error) => trouble(error),
    }
}

/// The key of the note that all containers of a tenant are to be put on the rewrap list; it sorts before them.
pub(crate) fn everything_of(tenant: TenantId) -> String {
    format!("{tenant}/*")
}
