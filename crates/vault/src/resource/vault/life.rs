//! The life of a vault: deleted, recovered, purged, by somebody or when its time is over.
//!
//! Owns [`Gone`] and these steps. A deleted vault keeps its row, and so its name; its keys lie where they lay and nobody reaches
//! them. A purge first says in the row that destruction has begun, which cannot be taken back, and then destroys key by key: what a
//! crash interrupts, the next round goes on with. Role assignments at the vault or below end with its deletion; a
//! recovery sweeps away what a crash may have left of them before the vault is there again.

use serde::{Deserialize, Serialize};
use store::{Batch, Cause, Scan};

use super::{Stamp, VaultRow, find_any, find_at, shown, stamp};
use crate::access::Scope;
use crate::core::{Basis, Core, Found};
use crate::error::{Stop, resources as texts};
use crate::id::SubscriptionId;
use crate::keys::destroy;
use crate::log;
use crate::resource::{self, Call, Done, assignment, policy};
use crate::schema::{DUE, VAULTS};

const DAY: i64 = 24 * 3600;
/// What the rows of vaults in the order of due work begin with.
const PREFIX: &str = "vault/";

/// When a vault was deleted, and when it is purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// In seconds.
    pub(crate) deleted: i64,
    /// In seconds.
    pub(crate) purge: i64,
    /// Its destruction has begun, and there is no way back.
    pub(crate) destroying: bool,
}

fn due(purge: i64, place: &str) -> String {
    format!("{PREFIX}{:012}/{place}", purge.max(0))
}

/// Deletes a vault; answers 204 for one that is not there, so that a deletion can be repeated.
pub(crate) async fn delete(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let core = call.core;
    let Some(found) = find_at(core, scope).await? else { return Ok(Done::nothing()) };
    let batch = call.batch_on(found.basis());
    call.commit(set_aside(core, batch, &found, Some(stamp(call)))).await?;
    finish_deletion(core, &found).await?;
    Ok(Done::empty())
}

/// Deletes every vault of a group that is being deleted, each with its record.
pub(crate) async fn delete_all(core: &Core, group: &Scope) -> Result<(), Stop> {
    let mut after: Option<String> = None;
    loop {
        let scan = Scan { prefix: "", after: after.as_deref(), limit: store::MAX_PAGE };
        let rows = core.store.scan(VAULTS, scan).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for row in rows {
            let found: Found<VaultRow> = Found::parse(VAULTS, row)?;
            let scope = found.value.scope();
            if found.value.gone.is_some() || !group.covers(&scope) {
                continue;
            }
            let (stream, place) = (resource::stream(scope.subscription), core.settings.vault(&found.key));
            let entry = log::own(core, stream, "Microsoft.KeyVault/vaults/delete", scope.to_string(), place);
            let batch = set_aside(core, found.basis().batch(), &found, None);
            core.store.commit(batch, Cause::Audited(vec![entry])).await?;
            finish_deletion(core, &found).await?;
        }
    }
}

/// The batch in which a vault is deleted: set aside, or, without soft delete, given up to its destruction.
fn set_aside(core: &Core, batch: Batch, found: &Found<VaultRow>, by: Option<Stamp>) -> Batch {
    let row = &found.value;
    let now = core.now().seconds();
    let purge = if row.soft_delete { now + i64::from(row.retention_days) * DAY } else { now };
    let gone = Gone { deleted: now, purge, destroying: !row.soft_delete };
    let modified = by.unwrap_or_else(|| row.modified.clone());
    let row = VaultRow { gone: Some(gone), modified, ..row.clone() };
    batch.put(VAULTS, found.key.clone(), &row).put(DUE, due(purge, &found.key), &())
}

async fn finish_deletion(core: &Core, found: &Found<VaultRow>) -> Result<(), Stop> {
    core.parsed.forget_all(&found.key);
    assignment::clear(core, &found.value.scope()).await?;
    if found.value.soft_delete { Ok(()) } else { raze(core, &found.key).await.map(|_| ()) }
}

/// Brings a deleted vault back, with its keys and access policies and without role assignments.
pub(super) async fn recover(
    call: &Call<'_>,
    scope: &Scope,
    location: &str,
    rows: Basis,
) -> Result<Done, Stop> {
    let (core, name) = (call.core, scope.vault.as_deref().unwrap_or_default());
    let found = find_any(core, name).await?.ok_or_else(|| texts::deleted_vault_not_found(name))?;
    let Some(gone) = &found.value.gone else { return Err(texts::vault_name_taken(name).into()) };
    if gone.destroying {
        return Err(texts::vault_name_taken(name).into());
    }
    if found.value.scope().row() != scope.row() {
        return Err(texts::vault_name_taken(name).into());
    }
    if found.value.location != location {
        return Err(texts::location_differs(&found.value.name, &found.value.location, location).into());
    }
    assignment::clear(core, &found.value.scope()).await?;
    let row = VaultRow { gone: None, modified: stamp(call), ..found.value.clone() };
    let batch = call.batch_on(rows.and(&found)).put(VAULTS, found.key.clone(), &row);
    call.commit(batch.delete(DUE, due(gone.purge, &found.key))).await?;
    Ok(Done::ok(shown(core, &row).await?))
}

/// Purges a deleted vault because somebody asks.
pub(crate) async fn purge(
    call: &Call<'_>,
    subscription: SubscriptionId,
    location: &str,
    name: &str,
) -> Result<Done, Stop> {
    let (found, gone) = deleted(call.core, subscription, location, name).await?;
    if found.value.purge_protection {
        return Err(texts::vault_is_purge_protected().into());
    }
    call.commit(begin(call.core, call.batch_on(found.basis()), &found, &gone)).await?;
    raze(call.core, &found.key).await?;
    Ok(Done::empty())
}

/// The deleted vault of that name, subscription and region, unless it is being destroyed.
pub(crate) async fn deleted(
    core: &Core,
    subscription: SubscriptionId,
    location: &str,
    name: &str,
) -> Result<(Found<VaultRow>, Gone), Stop> {
    let here =
        |row: &VaultRow| row.subscription == subscription && row.location.eq_ignore_ascii_case(location);
    let found = find_any(core, name).await?.filter(|found| here(&found.value));
    let found = found.ok_or_else(|| texts::deleted_vault_not_found(name))?;
    match found.value.gone.clone() {
        Some(gone) if !gone.destroying => Ok((found, gone)),
        _ => Err(texts::deleted_vault_not_found(name).into()),
    }
}

/// The batch after which a deleted vault is only destroyed further; from now on every round looks at it.
fn begin(core: &Core, batch: Batch, found: &Found<VaultRow>, gone: &Gone) -> Batch {
    let purge = core.now().seconds().min(gone.purge);
    let over = Gone { purge, destroying: true, ..gone.clone() };
    let row = VaultRow { gone: Some(over), ..found.value.clone() };
    let batch = batch.put(VAULTS, found.key.clone(), &row);
    if purge == gone.purge {
        return batch;
    }
    batch.delete(DUE, due(gone.purge, &found.key)).put(DUE, due(purge, &found.key), &())
}

/// Destroys what is left of a vault whose destruction has begun; whether there was such a vault.
async fn raze(core: &Core, place: &str) -> Result<bool, Stop> {
    let over = |found: &Found<VaultRow>| found.value.gone.as_ref().is_some_and(|gone| gone.destroying);
    let Some(found) = find_any(core, place).await?.filter(over) else { return Ok(false) };
    destroy::all(core, &found).await?;
    assignment::clear(core, &found.value.scope()).await?;
    let policies = policy::all(core, place).await?;
    let purge = found.value.gone.as_ref().map_or(0, |gone| gone.purge);
    let batch = policy::write(found.basis().batch(), place, &policies, &[]);
    let batch = batch.delete(VAULTS, &*found.key).delete(DUE, due(purge, &found.key));
    let scope = found.value.scope();
    let stream = resource::stream(scope.subscription);
    let entry = log::own(core, stream, "VaultPurge", scope.to_string(), core.settings.vault(place));
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    Ok(true)
}

/// Purges every deleted vault whose time is over, and goes on with what was begun; how many are gone. One that cannot be
/// purged does not stop the rest.
pub(crate) async fn round(core: &Core) -> u64 {
    let mut done = 0;
    let mut after: Option<String> = None;
    loop {
        let scan = Scan { prefix: PREFIX, after: after.as_deref(), limit: store::MAX_PAGE };
        let page = match core.store.scan(DUE, scan).await {
            Ok(page) => page,
            Err(fault) => {
                tracing::warn!(%fault, "vaults that are due to be purged have to wait");
                return done;
            }
        };
        let last = page.len() < store::MAX_PAGE as usize;
        for row in page {
            if row.key >= due(core.now().seconds() + 1, "") {
                return done;
            }
            match take(core, &row.key).await {
                Ok(gone) => done += u64::from(gone),
                // It was recovered or purged meanwhile.
                Err(Stop::Conflict) => {}
                Err(fault) => tracing::warn!(?fault, vault = row.key, "a vault that is due has to wait"),
            }
            after = Some(row.key);
        }
        if last {
            return done;
        }
    }
}

async fn take(core: &Core, row: &str) -> Result<bool, Stop> {
    let place = row.rsplit_once('/').map(|(_, place)| place);
    let place = place.ok_or(Stop::Damaged("a row of what is due with another key"))?;
    let found = find_any(core, place).await?;
    let gone = found.as_ref().and_then(|found| found.value.gone.clone().map(|gone| (found, gone)));
    let Some((found, gone)) = gone.filter(|(_, gone)| due(gone.purge, place) == row) else {
        // It was recovered, or deleted anew since: the row says nothing.
        let basis =
            found.map_or_else(|| Batch::new().expect_absent(VAULTS, place), |found| found.basis().batch());
        let why = Cause::Housekeeping("a vault is no longer due when its row says");
        core.store.commit(basis.delete(DUE, row), why).await?;
        return Ok(false);
    };
    if !gone.destroying {
        let scope = found.value.scope();
        let stream = resource::stream(scope.subscription);
        let entry = log::own(core, stream, "VaultPurgeIsDue", scope.to_string(), core.settings.vault(place));
        let batch = begin(core, found.basis().batch(), found, &gone);
        core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    }
    raze(core, place).await
}
