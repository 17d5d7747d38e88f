//! Using a key: wrap and unwrap, encrypt and decrypt.
//!
//! Owns these operations, in this order: the row, enabled, permitted, valid, and only then the key. The record is durable
//! before the reply leaves, and the commit expects the row: a use that a disabling overtook is decided anew.

use crypto::{RsaError, RsaPadding, RsaSize};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::key::{FoundVersion, KeyOp, VersionRow};
use crate::keys::operation::Operation;
use crate::keys::private::{self, Held};
use crate::keys::{Call, Done, shape};

#[derive(Debug, Deserialize)]
pub(crate) struct RawInput {
    alg: Option<String>,
    value: Option<String>,
}

/// What is to be wrapped or unwrapped.
pub(crate) struct Input {
    padding: RsaPadding,
    value: Zeroizing<Vec<u8>>,
}

impl Input {
    pub(crate) fn check(op: KeyOp, raw: RawInput) -> Result<Self, Refused> {
        // The text of a value may be a key in clear: zeroed with everything else.
        let text = Zeroizing::new(raw.value.unwrap_or_default());
        let padding = match raw.alg.as_deref() {
            Some("RSA-OAEP-256") => RsaPadding::Oaep256,
            Some("RSA-OAEP") => RsaPadding::OaepSha1,
            Some("RSA1_5") => RsaPadding::Pkcs1v15,
            Some(other) => {
                let other: String = other.chars().take(32).collect();
                let word = Operation::Use(op).permission();
                return Err(texts::bad_parameter(format!(
                    "Property alg has the value '{other}', which {word} does not know."
                )));
            }
            None => return Err(texts::bad_parameter("Property alg is required.")),
        };
        let value = shape::decode("value", &text)?;
        if value.is_empty() {
            return Err(texts::bad_parameter("Property value is required."));
        }
        Ok(Self { padding, value })
    }
}

pub(crate) async fn carry_out(call: &Call<'_>, op: KeyOp, input: &Input) -> Result<Done, Stop> {
    let found = call.version().await?;
    permitted(op, &found.row.value, call.core.now().seconds())?;
    let (held, result) = apply(call, op, &found, input).await?;
    let kid = call.kid(&found.name, Some(found.version));
    call.commit(call.batch_on(found.basis()), Some(kid.clone())).await?;
    held.committed();
    Ok(Done::secret(shape::operation_result(&kid, &result)))
}

/// Whether the version may be used so now. Disabled blocks all; the window blocks only what makes new things, because
/// what was wrapped before a key's end must still open after it.
fn permitted(op: KeyOp, row: &VersionRow, now: i64) -> Result<(), Refused> {
    let word = Operation::Use(op).permission();
    if !row.enabled {
        return Err(texts::key_disabled(word));
    }
    if !row.key_ops.contains(&op) {
        return Err(texts::operation_forbidden(word));
    }
    if op.makes_new() && row.nbf.is_some_and(|nbf| now < nbf) {
        return Err(texts::key_not_yet_valid(word));
    }
    if op.makes_new() && row.exp.is_some_and(|exp| now >= exp) {
        return Err(texts::key_expired(word));
    }
    Ok(())
}

async fn apply<'a>(
    call: &Call<'a>,
    op: KeyOp,
    found: &FoundVersion,
    input: &Input,
) -> Result<(Held<'a>, Zeroizing<Vec<u8>>), Stop> {
    let size = RsaSize::of_bits(found.row.value.size).ok_or(Stop::Damaged("a key of another size"))?;
    let makes_new = op.makes_new();
    if !makes_new && input.value.len() != size.bytes() {
        return Err(not_opened().into());
    }
    let held = private::open(call.core, &found.row)?;
    let (key, padding, value) = (held.key.clone(), input.padding, input.value.clone());
    let worked = call.core.operations.run(move || match (key.rsa(), makes_new) {
        (Some(key), true) => key.wrap(padding, &value).map(Zeroizing::new),
        (Some(key), false) => key.unwrap(padding, &value),
        (None, _) => Err(RsaError::NotAKey),
    });
    match worked.await? {
        Ok(result) => Ok((held, result)),
        Err(RsaError::TooLong) => {
            Err(texts::bad_parameter("Property value is too long for this key and algorithm.").into())
        }
        Err(RsaError::NotWrapped) => Err(not_opened().into()),
        Err(_) => Err(Stop::Damaged("a key that cannot be used")),
    }
}

/// One answer for everything that is wrong with a ciphertext.
fn not_opened() -> Refused {
    texts::bad_parameter("Property value was not wrapped or encrypted by this key with this algorithm.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn row() -> VersionRow {
        VersionRow {
            kty: "RSA".into(),
            size: 2048,
            n: String::new(),
            e: String::new(),
            key_ops: vec![KeyOp::WrapKey, KeyOp::UnwrapKey],
            enabled: true,
            nbf: Some(100),
            exp: Some(200),
            created: 0,
            updated: 0,
            tags: BTreeMap::new(),
        }
    }

    fn inner(op: KeyOp, row: &VersionRow, now: i64) -> Option<&'static str> {
        permitted(op, row, now).err().map(|refused| refused.inner.expect("an inner code"))
    }

    #[test]
    fn the_window_stops_wrapping_and_never_unwrapping() {
        for (now, wrap) in [(99, Some("KeyNotYetValid")), (100, None), (199, None), (200, Some("KeyExpired"))]
        {
            assert_eq!(inner(KeyOp::WrapKey, &row(), now), wrap, "{now}");
            assert_eq!(inner(KeyOp::UnwrapKey, &row(), now), None, "{now}");
        }
    }

    #[test]
    fn disabled_comes_before_everything() {
        let disabled = VersionRow { enabled: false, ..row() };
        for op in KeyOp::ALL {
            assert_eq!(inner(*op, &disabled, 300), Some("KeyDisabled"));
        }
    }

    #[test]
    fn what_is_not_among_the_operations_is_refused() {
        assert_eq!(inner(KeyOp::Encrypt, &row(), 150), Some("KeyOperationForbidden"));
        let none = VersionRow { key_ops: Vec::new(), ..row() };
        assert_eq!(inner(KeyOp::UnwrapKey, &none, 150), Some("KeyOperationForbidden"));
    }
}
