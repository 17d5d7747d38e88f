//! A tenant on its way in: what was asked for is remembered until its end was told, so that the same request can be
//! made again after a kill, and ends with the same directory and the same tenant.
//!
//! Owns the `intakes` table. What is done with the directory in between is the caller's.

use model::caller::Principal;
use model::id::DirectoryId;
use model::refusal::Refusal;
use serde::{Deserialize, Serialize};
use store::{Batch, Cause, Scan};

use crate::custody::Custody;
use crate::rows::{INTAKES, lost, trouble};
use crate::tenant::{NewTenant, Tenant};
use crate::tenants::{PAGE, unusable};

/// What stands in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Intake {
    v: u8,
    /// The directory is made for this tenant, and was not named by whoever asked.
    made: bool,
    new: NewTenant,
}

impl Custody {
    /// Checks a new tenant and notes that it is on its way, before anything is made for it; a request that is the
    /// same as one on its way goes on with that one's directory.
    ///
    /// `made` says that the directory is one to be made; its id is then only a proposal.
    pub async fn begin_intake(&self, new: NewTenant, made: bool) -> Result<NewTenant, Refusal> {
        new.check()?;
        let wanted = Intake { v: 1, made, new };
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(INTAKES, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for row in &page {
                let found: Intake = row.parse().map_err(trouble)?;
                let directory = if made { found.new.directory } else { wanted.new.directory };
                if found == (Intake { new: NewTenant { directory, ..wanted.new.clone() }, ..wanted.clone() })
                {
                    return Ok(found.new);
                }
            }
        }
        let new = &wanted.new;
        self.check_domains(&new.domains, None).await?;
        if self.tenant_of(new.directory).await?.is_some() {
            return Err(unusable("directory"));
        }
        let key = new.directory.to_string();
        let batch = Batch::new().put(INTAKES, key, &wanted);
        let cause =
            Cause::Housekeeping("a tenant is on its way in; what is made for it has records of its own");
        self.store().commit(batch, cause).await.map_err(lost)?;
        Ok(wanted.new)
    }

    /// Creates the tenant of an intake, unless an earlier run did.
    pub async fn take_tenant_in(&self, operator: &Principal, new: &NewTenant) -> Result<Tenant, Refusal> {
        match self.tenant_of(new.directory).await? {
            Some(tenant) => Ok(tenant),
            None => self.create_tenant(operator, new.clone()).await,
        }
    }

    /// Forgets an intake, once its outcome was told.
    pub async fn end_intake(&self, directory: DirectoryId) -> Result<(), Refusal> {
        let batch = Batch::new().delete(INTAKES, directory.to_string());
        let cause = Cause::Housekeeping("what became of an intake was told");
        self.store().commit(batch, cause).await.map_err(lost)
    }
}
