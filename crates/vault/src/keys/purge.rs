//! Purging a deleted key: it is destroyed with every version's private half, when somebody asks or when its time is over.
//!
//! Owns the purge operation and the job that does the same by itself. The job reads, decides ([`due`], pure) and commits
//! once for each key, with a record in the vault's log; purge protection does not hold it back, for the time is over.

use std::time::Duration;

use store::{Cause, Scan};

use crate::core::{Core, Found};
use crate::error::{Stop, keys as texts};
use crate::keys::deleted::DeletedRow;
use crate::keys::{Call, Done, delete, deleted, stream};
use crate::log;
use crate::resource::vault;
use crate::schema::DELETED_KEYS;

/// How long the job rests between two rounds.
pub(crate) const PURGE_EVERY: Duration = Duration::from_secs(600);

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

/// Purges every deleted key whose time is over; how many. One that cannot be purged does not stop the rest.
pub(crate) async fn purge_due(core: &Core) -> u64 {
    let mut purged = 0;
    let mut after: Option<String> = None;
    loop {
        let scan = Scan { prefix: "", after: after.as_deref(), limit: store::MAX_PAGE };
        let page = match core.store.scan(DELETED_KEYS, scan).await {
            Ok(page) => page,
            Err(fault) => {
                tracing::warn!(%fault, "keys that are due to be purged have to wait");
                return purged;
            }
        };
        let Some(last) = page.last() else { return purged };
        after = Some(last.key.clone());
        for row in page {
            let key = row.key;
            match purge_if_due(core, &key).await {
                Ok(done) => purged += u64::from(done),
                // It was recovered or purged meanwhile, and the next round sees what became of it.
                Err(Stop::Conflict) => {}
                Err(fault) => tracing::warn!(?fault, key, "a key that is due to be purged has to wait"),
            }
        }
    }
}

/// Whether a deleted key's time is over.
fn due(row: &DeletedRow, now: i64) -> bool {
    now >= row.purge
}

async fn purge_if_due(core: &Core, place: &str) -> Result<bool, Stop> {
    let (name, key) = place.split_once('/').ok_or(Stop::Damaged("a deleted key's row with another key"))?;
    // The versions come first: a recovery changes one of them, so the commit does not hold for a key that was recovered
    // and deleted again after this, whose row looks like the old one.
    let versions = delete::versions(core, name, key).await?;
    let found: Option<Found<DeletedRow>> = core.find(DELETED_KEYS, place).await?;
    let Some(found) = found.filter(|found| due(&found.value, core.now().seconds())) else { return Ok(false) };
    let key = &found.value.key;
    let vault = vault::find(core, name).await?.ok_or(Stop::Damaged("a deleted key of no vault"))?;
    let basis = delete::rests_on(found.basis(), &versions);
    let batch = delete::destroy(basis.batch().delete(DELETED_KEYS, found.key.clone()), &versions);
    let kid = format!("{}/keys/{}/{}", core.settings.vault(name), key.name, key.current);
    let entry = log::own(core, stream(name), "KeyPurge", vault.value.scope().to_string(), kid);
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    core.parsed.forget_all(&found.key);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KeyVersion;
    use crate::keys::key::KeyRow;

    #[test]
    fn a_key_is_due_from_its_second_on() {
        let key =
            KeyRow { name: "k".into(), current: KeyVersion::from_random([1; 16]), versions: 1, policy: None };
        let row = DeletedRow { key, deleted: 100, purge: 200 };
        assert_eq!([0, 199, 200, 201].map(|now| due(&row, now)), [false, false, true, true]);
    }
}
