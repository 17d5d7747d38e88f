//! Purging a deleted key: it is destroyed with every version's private half, when somebody asks or when its time is over.
//!
//! Owns the purge operation and the job that does the same by itself. The job reads, decides ([`due`], pure) and commits
//! once for each key, with a record in the vault's log; purge protection does not hold it back, for the time is over.

use store::{Batch, Cause};

use crate::core::{Core, Found};
use crate::error::{Stop, keys as texts};
use crate::keys::deleted::DeletedRow;
use crate::keys::due::{Job, Left};
use crate::keys::{Call, Done, delete, deleted, stream};
use crate::log;
use crate::resource::vault;
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
    let batch = gone(call.batch_on(basis), &found);
    let kid = call.kid(&found.value.key.name, Some(found.value.key.current));
    call.commit(delete::destroy(batch, &versions), Some(kid)).await?;
    core.parsed.forget_all(&found.key);
    Ok(Done::empty())
}

/// Whether a deleted key's time is over.
fn due(row: &DeletedRow, now: i64) -> bool {
    now >= row.purge
}

/// Purges a deleted key if its time is over.
pub(crate) async fn if_due(core: &Core, place: &str) -> Result<Left, Stop> {
    let (name, key) = place.split_once('/').ok_or(Stop::Damaged("a deleted key's row with another key"))?;
    // The versions come first: a recovery changes one of them, so the commit does not hold for a key that was recovered
    // and deleted again after this, whose row looks like the old one.
    let versions = delete::versions(core, name, key).await?;
    let found: Option<Found<DeletedRow>> = core.find(DELETED_KEYS, place).await?;
    let Some(found) = found else {
        return Ok(Left::Stale(Batch::new().expect_absent(DELETED_KEYS, place)));
    };
    if !due(&found.value, core.now().seconds()) {
        let batch = Job::Purge.moved(found.basis().batch(), place, None, Some(found.value.purge));
        return Ok(Left::Stale(batch));
    }
    let key = &found.value.key;
    let vault = vault::find_any(core, name).await?.ok_or(Stop::Damaged("a deleted key of no vault"))?;
    let basis = delete::rests_on(found.basis(), &versions);
    let batch = delete::destroy(gone(basis.batch(), &found), &versions);
    let kid = format!("{}/keys/{}/{}", core.settings.vault(name), key.name, key.current);
    let entry = log::own(core, stream(name), "KeyPurge", vault.value.scope().to_string(), kid);
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    core.parsed.forget_all(&found.key);
    Ok(Left::Done)
}

/// Takes a key out of those that were deleted.
pub(crate) fn gone(batch: Batch, found: &Found<DeletedRow>) -> Batch {
    let batch = batch.delete(DELETED_KEYS, found.key.clone());
    Job::Purge.moved(batch, &found.key, Some(found.value.purge), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KeyVersion;
    use crate::keys::key::KeyRow;

    #[test]
    fn a_key_is_due_from_its_second_on() {
        let key = KeyRow {
            name: "k".into(),
            current: KeyVersion::from_random([1; 16]),
            versions: 1,
            policy: None,
            notified: None,
        };
        let row = DeletedRow { key, deleted: 100, purge: 200 };
        assert_eq!([0, 199, 200, 201].map(|now| due(&row, now)), [false, false, true, true]);
    }
}
