//! Rotating a key: a new version of the same type, size and purpose, made when somebody asks.
//!
//! Owns the rotate operation. The new version has the tags of the newest one and starts out enabled; it ends when the
//! rotation policy says. What was wrapped before still opens under its own version.

use crate::core::Core;
use crate::error::{Stop, keys as texts};
use crate::keys::create::{Fresh, Recipe};
use crate::keys::key::{self, VersionRow};
use crate::keys::kind::Public;
use crate::keys::policy::RotationPolicy;
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done};

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
        Ok(Done::json(&Bundle::of(kid, &row, vault, protected)))
    }
}
