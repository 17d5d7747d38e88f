//! Destroying every key of a vault whose own destruction has begun: live keys and deleted ones, each with all versions.
//!
//! Owns the sweep. One key is one transaction with its record, so a crash leaves whole keys alone, and the sweep goes on with
//! what is left. No key can be added meanwhile: every commit on a key expects the vault's row, which says that it is over.

use store::{Batch, Cause, Scan, Table};

use crate::core::{Core, Found};
use crate::error::Stop;
use crate::keys::deleted::DeletedRow;
use crate::keys::due::Job;
use crate::keys::key::KeyRow;
use crate::keys::{delete, purge, rotate, stream};
use crate::log;
use crate::resource::vault::VaultRow;
use crate::schema::{self, DELETED_KEYS, KEYS};

/// Destroys all keys of the vault; when it returns, none is left.
pub(crate) async fn all(core: &Core, vault: &Found<VaultRow>) -> Result<(), Stop> {
    while let Some(head) = first::<KeyRow>(core, KEYS, vault).await? {
        let versions = delete::versions(core, &vault.value.name, &head.value.name).await?;
        let newest = versions.iter().find(|version| version.key.ends_with(&head.value.current.to_string()));
        let rotation = newest.and_then(|newest| rotate::next(&head.value, &newest.value));
        let batch = delete::rests_on(head.basis().and(vault), &versions).batch();
        let batch = Job::Rotation.moved(batch.delete(KEYS, head.key.clone()), &head.key, rotation, None);
        commit(core, vault, &head.key, &head.value, delete::destroy(batch, &versions)).await?;
    }
    while let Some(found) = first::<DeletedRow>(core, DELETED_KEYS, vault).await? {
        let key = &found.value.key;
        let versions = delete::versions(core, &vault.value.name, &key.name).await?;
        let basis = delete::rests_on(found.basis().and(vault), &versions);
        let batch = delete::destroy(purge::gone(basis.batch(), &found), &versions);
        commit(core, vault, &found.key, key, batch).await?;
    }
    core.parsed.forget_all(&vault.key);
    Ok(())
}

async fn first<T: serde::de::DeserializeOwned>(
    core: &Core,
    table: Table,
    vault: &Found<VaultRow>,
) -> Result<Option<Found<T>>, Stop> {
    let scan = Scan { prefix: &schema::in_vault(&vault.value.name), after: None, limit: 1 };
    let row = core.store.scan(table, scan).await?.pop();
    Ok(row.map(|row| Found::parse(table, row)).transpose()?)
}

async fn commit(
    core: &Core,
    vault: &Found<VaultRow>,
    place: &str,
    key: &KeyRow,
    batch: Batch,
) -> Result<(), Stop> {
    let name = &vault.value.name;
    let kid = format!("{}/keys/{}/{}", core.settings.vault(name), key.name, key.current);
    let entry = log::own(core, stream(name), "KeyPurge", vault.value.scope().to_string(), kid);
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    core.parsed.forget_all(place);
    Ok(())
}
