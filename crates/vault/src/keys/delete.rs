//! Deleting a key: it is set aside for as long as its vault says, or, without soft delete, destroyed at once.
//!
//! Owns the delete operation and [`destroy`], which purge shares. Setting aside moves the key's own row and leaves its
//! versions where they are: whatever leads to a version begins at the key, and every use expects the key that it began at.

use store::Batch;

use crate::core::{Basis, Core, Found};
use crate::error::Stop;
use crate::keys::deleted::{self, DeletedRow};
use crate::keys::due::Job;
use crate::keys::key::VersionRow;
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, rotate};
use crate::schema::{self, DELETED_KEYS, KEY_VERSIONS, KEYS};

const DAY: i64 = 24 * 3600;

pub(crate) async fn delete(call: &Call<'_>) -> Result<Done, Stop> {
    let (core, vault, asked) = (call.core, call.vault, call.name()?);
    let found = call.version().await?;
    let protected = call.protected().await?;
    let kid = call.kid(found.name(), Some(found.version));
    let place = schema::key(&vault.name, asked.as_str());
    let bundle = Bundle::of(call, kid.clone(), &found.row.value, protected);
    let rotation = rotate::next(&found.head.value, &found.row.value);
    let done = if vault.soft_delete {
        let head = &found.head;
        let now = core.now().seconds();
        let purge = now + i64::from(vault.retention_days) * DAY;
        let row = DeletedRow { key: head.value.clone(), deleted: now, purge };
        let batch = call.batch_on(found.basis()).delete(KEYS, &*place);
        let batch = Job::Rotation.moved(batch, &place, rotation, None);
        let batch = Job::Purge.moved(batch, &place, None, Some(purge));
        let batch = batch.expect_absent(DELETED_KEYS, &*place).put(DELETED_KEYS, &*place, &row);
        call.commit(batch, Some(kid)).await?;
        Done::json(&deleted::shape(call, &row, bundle))
    } else {
        let versions = versions(core, &vault.name, asked.as_str()).await?;
        let batch = call.batch_on(rests_on(found.basis(), &versions)).delete(KEYS, &*place);
        let batch = Job::Rotation.moved(batch, &place, rotation, None);
        call.commit(destroy(batch, &versions), Some(kid)).await?;
        Done::json(&bundle)
    };
    core.parsed.forget_all(&place);
    Ok(done)
}

/// All versions of a key, with their sealed private halves.
pub(crate) async fn versions(core: &Core, vault: &str, name: &str) -> Result<Vec<Found<VersionRow>>, Stop> {
    Ok(core.all(KEY_VERSIONS, &format!("{}/", schema::key(vault, name))).await?)
}

/// The basis with every version as it was read: a key that was destroyed and made again meanwhile has the same rows but
/// other versions, and none may be left behind without its key.
pub(crate) fn rests_on(basis: Basis, versions: &[Found<VersionRow>]) -> Basis {
    versions.iter().fold(basis, Basis::and)
}

/// Removes versions with their private halves.
pub(crate) fn destroy(batch: Batch, versions: &[Found<VersionRow>]) -> Batch {
    versions.iter().fold(batch, |batch, version| batch.delete(KEY_VERSIONS, version.key.clone()))
}
