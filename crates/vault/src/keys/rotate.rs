//! Rotating a key: a new version of the same type, size and purpose, when somebody asks or when the key's policy says.
//!
//! Owns the rotate operation and the job that does the same by itself and tells of versions that are about to end. The job
//! reads, decides ([`due`], pure) and commits once for each key, with a record in the vault's log. The new version has the tags of the newest one and starts out enabled; it ends when the
//! rotation policy says. What was wrapped before still opens under its own version.

use store::{Batch, Cause};

use crate::core::{Core, Found};
use crate::error::{Stop, keys as texts};
use crate::keys::create::{Fresh, MOST_VERSIONS, Recipe};
use crate::keys::due::{Job, Left};
use crate::keys::key::{self, KeyRow, VersionRow};
use crate::keys::kind::Public;
use crate::keys::policy::{Action, RotationPolicy};
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, stream};
use crate::log;
use crate::resource::vault;
use crate::schema::KEYS;

/// What a key's policy does next, and when: both actions, each if it is still to be done.
fn times(key: &KeyRow, newest: &VersionRow) -> [Option<(i64, Action)>; 2] {
    if key.policy.is_none() && newest.exp.is_none() {
        return [None, None];
    }
    let policy = key.policy.clone().unwrap_or_default();
    let at = |action| policy.at(action, newest.created, newest.exp).map(|at| (at, action));
    let may_rotate = newest.enabled && key.versions < MOST_VERSIONS;
    let told = key.notified == Some(key.current);
    [at(Action::Rotate).filter(|_| may_rotate), at(Action::Notify).filter(|_| !told)]
}

/// When the job has to look at a key, if ever.
pub(crate) fn next(key: &KeyRow, newest: &VersionRow) -> Option<i64> {
    times(key, newest).into_iter().flatten().map(|(at, _)| at).min()
}

/// What is to be done with a key at this second. A rotation makes a notice needless: the version is followed already.
fn due(key: &KeyRow, newest: &VersionRow, now: i64) -> Option<Action> {
    times(key, newest).into_iter().flatten().find(|(at, _)| *at <= now).map(|(_, action)| action)
}

/// Does with a key what is due.
pub(crate) async fn if_due(core: &Core, place: &str) -> Result<Left, Stop> {
    let (name, _) = place.split_once('/').ok_or(Stop::Damaged("a key's row with another key"))?;
    let head: Option<Found<KeyRow>> = core.find(KEYS, place).await?;
    let Some(head) = head else { return Ok(Left::Stale(Batch::new().expect_absent(KEYS, place))) };
    let newest = key::newest(core, name, &head.value).await?;
    let rows = head.basis().and(&newest);
    let now = core.now().seconds();
    let from = next(&head.value, &newest.value);
    let Some(action) = due(&head.value, &newest.value, now) else {
        return Ok(Left::Stale(Job::Rotation.moved(rows.batch(), place, None, from)));
    };
    // A vault that was set aside keeps its keys as they are, for its recovery.
    let Some(vault) = vault::find(core, name).await? else { return Ok(Left::Waiting) };
    let id = |version| format!("{}/keys/{}/{version}", core.settings.vault(name), head.value.name);
    let batch = rows.and(&vault).batch();
    let (batch, operation, kid) = match action {
        Action::Rotate => {
            if newest.value.kty.fits(&vault.value).is_err() {
                return Ok(Left::Waiting);
            }
            let rotation = Rotation::generate(core, &newest.value).await?;
            let policy = head.value.policy.clone().unwrap_or_default();
            let row = rotation.row(&newest.value, &policy, now)?;
            let batch = rotation.fresh.succeed(core, batch, &head, &newest, &row)?;
            (batch, "KeyRotateIfDue", id(rotation.fresh.version))
        }
        Action::Notify => {
            let current = head.value.current;
            let told = KeyRow { notified: Some(current), ..head.value.clone() };
            let batch = batch.put(KEYS, place, &told);
            let to = next(&told, &newest.value);
            (Job::Rotation.moved(batch, place, from, to), "KeyNearExpiryEventGridNotification", id(current))
        }
    };
    let entry = log::own(core, stream(name), operation, vault.value.scope().to_string(), kid);
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    Ok(Left::Done)
}

/// A private half for the next version, and what it was made after.
#[derive(Debug)]
pub(crate) struct Rotation {
    fresh: Fresh,
    recipe: Recipe,
}

/// Generates what the newest version is, anew.
pub(crate) async fn prepare(call: &Call<'_>) -> Result<Rotation, Stop> {
    let newest = call.version().await?;
    check(&newest.row.value)?;
    Rotation::generate(call.core, &newest.row.value).await
}

/// A key that was switched off gets no new version that is on.
fn check(newest: &VersionRow) -> Result<(), Stop> {
    if newest.enabled { Ok(()) } else { Err(texts::key_disabled("rotate").into()) }
}

impl Rotation {
    async fn generate(core: &Core, newest: &VersionRow) -> Result<Self, Stop> {
        let recipe = Recipe::like(&newest.public)?;
        Ok(Self { fresh: Fresh::generate(core, recipe).await?, recipe })
    }

    /// The row of the next version after the one that is the newest now, which must be of the kind that was generated.
    fn row(&self, newest: &VersionRow, policy: &RotationPolicy, now: i64) -> Result<VersionRow, Stop> {
        if Recipe::like(&newest.public)? != self.recipe {
            return Err(Stop::Conflict);
        }
        Ok(VersionRow {
            kty: newest.kty,
            public: Public::of(&self.fresh.private),
            key_ops: newest.key_ops.clone(),
            enabled: true,
            nbf: None,
            exp: policy.end(now),
            created: now,
            updated: now,
            tags: newest.tags.clone(),
        })
    }

    pub(crate) async fn carry_out(&self, call: &Call<'_>) -> Result<Done, Stop> {
        let (core, vault, asked) = (call.core, call.vault, call.name()?);
        let head = key::head(core, &vault.name, asked).await?;
        let head = head.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
        let newest = key::newest(core, &vault.name, &head.value).await?;
        check(&newest.value)?;
        newest.value.kty.fits(vault)?;
        let protected = call.protected().await?;
        let policy = head.value.policy.clone().unwrap_or_default();
        let row = self.row(&newest.value, &policy, core.now().seconds())?;
        let batch = call.batch_on(head.basis().and(&newest));
        let batch = self.fresh.succeed(core, batch, &head, &newest, &row)?;
        let kid = call.kid(&head.value.name, Some(self.fresh.version));
        call.commit(batch, Some(kid.clone())).await?;
        Ok(Done::json(&Bundle::of(call, kid, &row, protected)))
    }
}
