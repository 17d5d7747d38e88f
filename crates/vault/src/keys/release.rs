//! Releasing a key to an environment that proves what it runs: refused, because no key of this program may leave it.
//!
//! Owns the refusals of release and of keys that are made for it, in the order and the words of a vault that has both.

use serde::Deserialize;

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::kind::PREMIUM;
use crate::keys::{Call, Done};

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    target: Option<String>,
}

impl Input {
    pub(crate) fn check(&self) -> Result<(), Refused> {
        match self.target.as_deref() {
            None | Some("") => Err(texts::bad_parameter("Property target is required.")),
            Some(_) => Ok(()),
        }
    }
}

/// Whether a new key may be what is asked.
pub(crate) fn check(call: &Call<'_>, exportable: bool, policy: bool) -> Result<(), Refused> {
    let known = call.vault.sku.eq_ignore_ascii_case(PREMIUM) && call.wire.has_rotation();
    match (exportable, policy) {
        (false, false) => Ok(()),
        (false, true) => Err(texts::policy_without_exportable()),
        (true, _) if !known => Err(texts::exportable_elsewhere()),
        (true, false) => Err(texts::exportable_without_policy()),
        (true, true) => Err(texts::nothing_is_exported()),
    }
}

/// Refuses a release: no key here was made for it.
pub(crate) async fn release(call: &Call<'_>) -> Result<Done, Stop> {
    let found = call.version().await?;
    if !found.row.value.enabled {
        return Err(texts::key_disabled("release").into());
    }
    Err(texts::operation_forbidden("release").into())
}
