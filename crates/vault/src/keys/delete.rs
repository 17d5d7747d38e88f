//! Deleting a key, in an instance without soft delete: it is destroyed at once, with every version's private half.
//!
//! Owns the delete operation. Where soft delete is on, deletion comes with recovery and purge, and until then is refused:
//! a deletion that cannot be taken back is not what such a vault promises.

use crate::core::{Basis, Found};
use crate::error::{Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::key::{self, VersionRow};
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, read};
use crate::schema::{self, KEY_VERSIONS};

pub(crate) async fn delete(call: &Call<'_>) -> Result<Done, Stop> {
    if call.vault.soft_delete {
        return Err(texts::not_allowed(&call.asked.method, "delete").into());
    }
    let (core, vault, asked) = (call.core, call.vault.name.as_str(), call.name()?);
    let head = key::head(core, vault, asked).await?.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
    let versions: Vec<Found<VersionRow>> =
        core.all(KEY_VERSIONS, &format!("{}/", schema::key(vault, asked.as_str()))).await?;
    let current: KeyVersion = head.value.current;
    let mut last = None;
    // Every version is expected as it was read: a key that was deleted and made again meanwhile has the same rows but
    // other versions, and none may be left behind without its key.
    let mut basis = Basis::default().and(&head);
    for version in &versions {
        basis = basis.and(version);
        if read::version_of(&version.key)? == current {
            last = Some(version.value.clone());
        }
    }
    let last = last.ok_or(Stop::Conflict)?;
    let mut batch = call.batch_on(basis).delete(schema::KEYS, head.key.clone());
    for version in &versions {
        batch = batch.delete(KEY_VERSIONS, version.key.clone());
    }
    let protected = call.protected().await?;
    let kid = call.kid(&head.value.name, Some(current));
    call.commit(batch, Some(kid.clone())).await?;
    for version in &versions {
        core.parsed.forget(&version.key);
    }
    Ok(Done::json(&Bundle::of(kid, &last, call.vault, protected)))
}
