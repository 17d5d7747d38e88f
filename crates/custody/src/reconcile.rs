//! What a process that died left behind, put right at start, before anybody is served.
//!
//! Owns the reconciling of the wrap sets' database and its replica with the policies' rows. Open intents are
//! reconciled in `calls`, the rewrap list by the sweeper.

use model::caller::{Caller, Initiator, Principal};
use model::id::{DepId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;

use crate::custody::Custody;
use crate::policy;
use crate::rows::{POLICIES, trouble};
use crate::tenants::PAGE;

impl Custody {
    /// Reports open intents, takes off the shelf what no policy stands for, and lets each policy's row name the keys
    /// that its wraps name.
    pub(crate) async fn reconcile(&self) -> Result<(), Refusal> {
        self.calls().reconcile(Timestamp(i64::MAX)).await?;
        let mut after: Option<String> = None;
        loop {
            let page = self.shelf().places(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for place in &page {
                self.reconcile_place(place).await?;
            }
        }
        for place in self.shelf().copies().await? {
            self.reconcile_place(&place).await?;
        }
        Ok(())
    }

    async fn reconcile_place(&self, place: &str) -> Result<(), Refusal> {
        let Some((tenant, id)) = parts(place) else {
            tracing::error!("a wrap set lies at a malformed place");
            return Ok(());
        };
        if self.store().read(POLICIES, &policy::key(tenant, id)).await.map_err(trouble)?.is_some() {
            let request = self.unwrapper().request_id();
            let principal = Principal("reconciler".into());
            let caller = Caller { tenant, principal, initiator: Initiator::System, request };
            return match self.follow_wraps(&caller, id, false).await {
                // Only a sound set, and the policy's own, may take the place of the copy in the replica.
                Ok(_) => self.shelf().mirror(tenant, id).await,
                // Damage is for whoever opens that policy to hear; it keeps nobody else from being served.
                Err(refusal) if refusal.code == Code::Ours => {
                    tracing::error!(%tenant, policy = %id, "a policy's row or wrap set is damaged");
                    Ok(())
                }
                Err(refusal) => Err(refusal),
            };
        }
        // A creation that died left records of its calls. A database that never heard of the tenant is not the one
        // that this shelf belongs to: nothing is taken from the shelf on its word.
        let stream = tenant.to_string();
        if self.store().audit(&stream, 0, 1).await.map_err(trouble)?.is_empty() {
            tracing::error!(%tenant, policy = %id, "a wrap set is of a tenant that this database never heard of");
            return Ok(());
        }
        tracing::info!(%tenant, policy = %id, "a policy that never came to be is taken off the shelf");
        self.shelf().discard(tenant, id).await
    }
}

fn parts(place: &str) -> Option<(TenantId, DepId)> {
    let (tenant, policy) = place.split_once('/')?;
    Some((tenant.parse().ok()?, policy.parse().ok()?))
}
