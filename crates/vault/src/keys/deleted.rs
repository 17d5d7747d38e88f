//! Keys that were deleted and can come back: their row, how they are shown and listed, and recovery.
//!
//! Owns [`DeletedRow`]. A deleted key keeps its name and its versions; nothing but recovery and purge touches it.

use serde::{Deserialize, Serialize};

use crate::core::{Core, Found};
use crate::error::{Refused, Stop, keys as texts};
use crate::keys::due::Job;
use crate::keys::key::{self, KeyName, KeyRow, VersionRow};
use crate::keys::shape::{Bundle, Deleted};
use crate::keys::{Call, Done, purge, read, rotate};
use crate::schema::{self, DELETED_KEYS, KEY_VERSIONS, KEYS};

/// A key that was deleted; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeletedRow {
    pub(crate) key: KeyRow,
    pub(crate) deleted: i64,
    /// When it is purged by itself.
    pub(crate) purge: i64,
}

pub(crate) async fn find(
    core: &Core,
    vault: &str,
    name: &KeyName,
) -> Result<Option<Found<DeletedRow>>, Stop> {
    Ok(core.find(DELETED_KEYS, &schema::key(vault, name.as_str())).await?)
}

/// Refuses a name that a deleted key still holds.
pub(crate) async fn refuse(core: &Core, vault: &str, name: &KeyName) -> Result<(), Stop> {
    match find(core, vault, name).await? {
        Some(found) => Err(texts::deleted_but_recoverable(&found.value.key.name).into()),
        None => Ok(()),
    }
}

pub(crate) fn shape<T>(call: &Call<'_>, row: &DeletedRow, key: T) -> Deleted<T> {
    let vault = call.core.settings.vault(&call.vault.name);
    Deleted {
        recovery_id: format!("{vault}/deletedkeys/{}", row.key.name),
        deleted_date: row.deleted,
        scheduled_purge_date: row.purge,
        key,
    }
}

/// Shows a deleted key, also a disabled one: whoever waits for a deletion looks here.
pub(crate) async fn show(call: &Call<'_>) -> Result<Done, Stop> {
    let asked = call.name()?;
    let gone = || texts::deleted_key_not_found(asked.as_str());
    let (found, newest) = with_newest(call, gone).await?;
    let protected = call.protected().await?;
    let kid = call.kid(&found.value.key.name, Some(found.value.key.current));
    call.commit(call.batch_on(found.basis().and(&newest)), Some(kid.clone())).await?;
    let bundle = Bundle::of(call, kid, &newest.value, protected);
    Ok(Done::json(&shape(call, &found.value, bundle)))
}

pub(crate) async fn list(call: &Call<'_>) -> Result<Done, Stop> {
    let (core, vault) = (call.core, call.vault.name.as_str());
    let prefix = format!("{}/", vault.to_ascii_lowercase());
    let limit = read::page(call)?;
    let after: Option<KeyName> = read::skip_token(call)?;
    let after = after.map(|name| schema::key(vault, name.as_str()));
    let scan = read::store_scan(&prefix, after.as_deref(), limit);
    let found: Vec<Found<DeletedRow>> = read::scan(call, scan, DELETED_KEYS).await?;
    let (found, more) = read::cut(found, limit);
    let newest = |row: &KeyRow| schema::key_version(vault, &row.name, row.current);
    let places: Vec<String> = found.iter().map(|found| newest(&found.value.key)).collect();
    let rows = core.store.read_many(KEY_VERSIONS, &places).await?;
    let protected = call.protected().await?;
    let mut value = Vec::with_capacity(found.len());
    for (found, row) in found.iter().zip(rows) {
        // A key that was purged between the two reads is not listed.
        let Some(row) = row else { continue };
        let row: VersionRow = row.parse()?;
        let item = read::item(call, call.kid(&found.value.key.name, None), row, protected);
        value.push(shape(call, &found.value, item));
    }
    let next = more.then(|| found.last().map(|found| found.value.key.name.to_ascii_lowercase())).flatten();
    read::reply(call, value, next, limit).await
}

pub(crate) async fn recover(call: &Call<'_>) -> Result<Done, Stop> {
    let asked = call.name()?;
    let (found, newest) = with_newest(call, || texts::key_not_found(asked.as_str())).await?;
    let protected = call.protected().await?;
    let row = &found.value.key;
    let kid = call.kid(&row.name, Some(row.current));
    let batch = purge::gone(call.batch_on(found.basis().and(&newest)), &found);
    let batch = batch.expect_absent(KEYS, found.key.clone()).put(KEYS, found.key.clone(), row);
    let batch = Job::Rotation.moved(batch, &found.key, None, rotate::next(row, &newest.value));
    call.commit(key::renumber(batch, &newest)?, Some(kid.clone())).await?;
    Ok(Done::json(&Bundle::of(call, kid, &newest.value, protected)))
}

async fn with_newest(
    call: &Call<'_>,
    gone: impl FnOnce() -> Refused,
) -> Result<(Found<DeletedRow>, Found<VersionRow>), Stop> {
    let (core, vault) = (call.core, call.vault.name.as_str());
    let found = find(core, vault, call.name()?).await?.ok_or_else(gone)?;
    let newest = key::newest(core, vault, &found.value.key).await?;
    Ok((found, newest))
}
