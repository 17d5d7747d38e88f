//! Changing what may be said about a key: enabled, operations, validity, tags. The key itself never changes.
//!
//! Owns the update operation. Disabling a version takes effect with the transaction: every use expects the row it decided on.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::due::Job;
use crate::keys::key::{self, AttributesInput, KeyOp, VersionRow};
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, Given, rotate};
use crate::schema::KEY_VERSIONS;

#[derive(Debug, Deserialize)]
pub(crate) struct RawInput {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesInput>,
    #[serde(deserialize_with = "key::tags", default)]
    tags: Option<BTreeMap<String, String>>,
    release_policy: Given,
}

/// A checked update; what is `None` stays.
#[derive(Debug)]
pub(crate) struct Input {
    key_ops: Option<Vec<KeyOp>>,
    attributes: AttributesInput,
    tags: Option<BTreeMap<String, String>>,
}

impl Input {
    pub(crate) fn check(raw: RawInput) -> Result<Self, Refused> {
        if raw.release_policy.is_some() {
            return Err(texts::policy_without_exportable());
        }
        let attributes = raw.attributes.unwrap_or_default();
        if attributes.exportable == Some(true) {
            return Err(texts::exportable_stays());
        }
        attributes.check()?;
        if let Some(tags) = &raw.tags {
            key::check_tags(tags)?;
        }
        let key_ops = raw.key_ops.as_deref().map(key::key_ops).transpose()?;
        Ok(Self { key_ops, attributes, tags: raw.tags })
    }

    fn apply(&self, old: &VersionRow, now: i64) -> Result<VersionRow, Refused> {
        let new = VersionRow {
            key_ops: self.key_ops.clone().unwrap_or_else(|| old.key_ops.clone()),
            enabled: self.attributes.enabled.unwrap_or(old.enabled),
            nbf: self.attributes.nbf.or(old.nbf),
            exp: self.attributes.exp.or(old.exp),
            tags: self.tags.clone().unwrap_or_else(|| old.tags.clone()),
            updated: now,
            ..old.clone()
        };
        key::check_window(new.nbf, new.exp)?;
        new.kty.permits(&new.key_ops)?;
        Ok(new)
    }
}

pub(crate) async fn update(call: &Call<'_>, input: &Input) -> Result<Done, Stop> {
    let found = call.version().await?;
    let row = input.apply(&found.row.value, call.core.now().seconds())?;
    let protected = call.protected().await?;
    let kid = call.kid(found.name(), Some(found.version));
    let sealed = found.row.payload.clone().ok_or(Stop::Damaged("a version without private half"))?;
    let batch =
        call.batch_on(found.basis()).put_with_payload(KEY_VERSIONS, found.row.key.clone(), &row, sealed);
    let batch = if found.is_newest() {
        let next = |row| rotate::next(&found.head.value, row);
        Job::Rotation.moved(batch, &found.head.key, next(&found.row.value), next(&row))
    } else {
        batch
    };
    call.commit(batch, Some(kid.clone())).await?;
    Ok(Done::json(&Bundle::of(call, kid, &row, protected)))
}
