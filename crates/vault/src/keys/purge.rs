//! Purging a deleted key: it is destroyed with every version's private half.
//!
//! Owns the purge operation.

use crate::error::{Stop, keys as texts};
use crate::keys::{Call, Done, delete, deleted};
use crate::schema::DELETED_KEYS;

pub(crate) async fn purge(call: &Call<'_>) -> Result<Done, Stop> {
    let (core, vault, asked) = (call.core, call.vault, call.name()?);
    let found = deleted::find(core, &vault.name, asked).await?;
    let found = found.ok_or_else(|| texts::deleted_key_not_found(asked.as_str()))?;
    if vault.purge_protection {
        return Err(texts::purge_protected(&vault.name, &vault.location).into());
    }
    let versions = delete::versions(core, &vault.name, asked.as_str()).await?;
    let basis = delete::rests_on(found.basis(), &versions);
    let batch = call.batch_on(basis).delete(DELETED_KEYS, found.key.clone());
    let kid = call.kid(&found.value.key.name, Some(found.value.key.current));
    call.commit(delete::destroy(batch, &versions), Some(kid)).await?;
    core.parsed.forget_all(&found.key);
    Ok(Done::empty())
}
