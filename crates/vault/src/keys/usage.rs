//! Using a key: wrap and unwrap, encrypt and decrypt, sign and verify.
//!
//! Owns these operations, in this order: the row, enabled, permitted, valid, and only then the key. The record is durable
//! before the reply leaves, and the commit expects the row: a use that a disabling overtook is decided anew.

use crypto::{Curve, PrivateKey, RsaError, RsaPadding, RsaSignature, SignatureAlgorithm, SignatureError};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::key::{FoundVersion, KeyOp, VersionRow, word_of};
use crate::keys::private::{self, Held};
use crate::keys::{Call, Done, shape};

#[derive(Debug, Deserialize)]
pub(crate) struct RawInput {
    alg: Option<String>,
    value: Option<String>,
    digest: Option<String>,
}

/// What is to be done with the key.
#[derive(Clone)]
pub(crate) enum Input {
    /// Wrap or encrypt.
    Close {
        padding: RsaPadding,
        value: Zeroizing<Vec<u8>>,
    },
    /// Unwrap or decrypt.
    Open {
        padding: RsaPadding,
        value: Zeroizing<Vec<u8>>,
    },
    Sign {
        algorithm: SignatureAlgorithm,
        digest: Vec<u8>,
    },
    Verify {
        algorithm: SignatureAlgorithm,
        digest: Vec<u8>,
        signature: Vec<u8>,
    },
}

impl Input {
    pub(crate) fn check(op: KeyOp, raw: RawInput) -> Result<Self, Refused> {
        // The text of a value may be a key in clear: zeroed with everything else.
        let text = Zeroizing::new(raw.value.unwrap_or_default());
        let alg = raw.alg.ok_or_else(|| texts::bad_parameter("Property alg is required."))?;
        let value = || {
            let value = shape::decode("value", &text)?;
            if value.is_empty() {
                Err(texts::bad_parameter("Property value is required."))
            } else {
                Ok(value)
            }
        };
        Ok(match op {
            KeyOp::WrapKey | KeyOp::Encrypt => Self::Close { padding: padding(op, &alg)?, value: value()? },
            KeyOp::UnwrapKey | KeyOp::Decrypt => Self::Open { padding: padding(op, &alg)?, value: value()? },
            KeyOp::Sign => {
                let algorithm = signature(op, &alg)?;
                Self::Sign { algorithm, digest: digest("value", algorithm, &value()?)? }
            }
            KeyOp::Verify => {
                let algorithm = signature(op, &alg)?;
                let bytes = shape::decode("digest", &raw.digest.unwrap_or_default())?;
                let digest = digest("digest", algorithm, &bytes)?;
                Self::Verify { algorithm, digest, signature: value()?.to_vec() }
            }
        })
    }
}

fn padding(op: KeyOp, alg: &str) -> Result<RsaPadding, Refused> {
    Ok(match alg {
        "RSA-OAEP-256" => RsaPadding::Oaep256,
        "RSA-OAEP" => RsaPadding::OaepSha1,
        "RSA1_5" => RsaPadding::Pkcs1v15,
        _ => return Err(unknown(op, alg)),
    })
}

fn signature(op: KeyOp, alg: &str) -> Result<SignatureAlgorithm, Refused> {
    let rsa = SignatureAlgorithm::Rsa;
    Ok(match alg {
        "RS256" => rsa(RsaSignature::Rs256),
        "RS384" => rsa(RsaSignature::Rs384),
        "RS512" => rsa(RsaSignature::Rs512),
        "PS256" => rsa(RsaSignature::Ps256),
        "PS384" => rsa(RsaSignature::Ps384),
        "PS512" => rsa(RsaSignature::Ps512),
        "ES256" => SignatureAlgorithm::Ec(Curve::P256),
        "ES256K" => SignatureAlgorithm::Ec(Curve::P256K),
        "ES384" => SignatureAlgorithm::Ec(Curve::P384),
        "ES512" => SignatureAlgorithm::Ec(Curve::P521),
        _ => return Err(unknown(op, alg)),
    })
}

fn unknown(op: KeyOp, alg: &str) -> Refused {
    let alg: String = alg.chars().take(32).collect();
    texts::bad_parameter(format!("Property alg has the value '{alg}', which {} does not know.", word_of(op)))
}

fn digest(property: &str, algorithm: SignatureAlgorithm, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let expected = algorithm.digest_len();
    if bytes.len() != expected {
        return Err(texts::bad_parameter(format!(
            "Property {property} has {} bytes: this algorithm takes a digest of {expected} bytes.",
            bytes.len()
        )));
    }
    Ok(bytes.to_vec())
}

/// What the key said.
enum Answer {
    Bytes(Zeroizing<Vec<u8>>),
    Verified(bool),
}

pub(crate) async fn carry_out(call: &Call<'_>, op: KeyOp, input: &Input) -> Result<Done, Stop> {
    let found = call.version().await?;
    permitted(op, &found.row.value, call.core.now().seconds())?;
    let (held, answer) = apply(call, &found, input).await?;
    let kid = call.kid(found.name(), Some(found.version));
    call.commit(call.batch_on(found.basis()), Some(kid.clone())).await?;
    held.committed();
    Ok(match answer {
        Answer::Bytes(bytes) => Done::secret(shape::operation_result(&kid, &bytes)),
        Answer::Verified(value) => Done::json(&shape::Verified { value }),
    })
}

/// Whether the version may be used so now. Disabled blocks all; the window blocks only what makes new things, because
/// what was wrapped before a key's end must still open after it.
fn permitted(op: KeyOp, row: &VersionRow, now: i64) -> Result<(), Refused> {
    let word = word_of(op);
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

async fn apply<'a>(call: &Call<'a>, found: &FoundVersion, input: &Input) -> Result<(Held<'a>, Answer), Stop> {
    let bits = found.row.value.public.size();
    if let Input::Open { value, .. } = input
        && bits != Some(8 * value.len())
    {
        return Err(not_opened().into());
    }
    let held = private::open(call.core, &found.row)?;
    let (key, input) = (held.key.clone(), input.clone());
    let answer = call.core.operations.run(move || work(&key, &input)).await??;
    Ok((held, answer))
}

fn work(key: &PrivateKey, input: &Input) -> Result<Answer, Stop> {
    let rsa = || key.rsa().ok_or_else(other_key);
    let done = match input {
        Input::Close { padding, value } => rsa()?.wrap(*padding, value).map(Zeroizing::new),
        Input::Open { padding, value } => rsa()?.unwrap(*padding, value),
        Input::Sign { algorithm, digest } => {
            let signature = key.sign(*algorithm, digest).map_err(unsigned)?;
            return Ok(Answer::Bytes(Zeroizing::new(signature)));
        }
        Input::Verify { algorithm, digest, signature } => {
            return Ok(Answer::Verified(key.verify(*algorithm, digest, signature).map_err(unsigned)?));
        }
    };
    done.map(Answer::Bytes).map_err(|error| match error {
        RsaError::TooLong => {
            texts::bad_parameter("Property value is too long for this key and algorithm.").into()
        }
        RsaError::NotWrapped => not_opened().into(),
        _ => Stop::Damaged("a key that cannot be used"),
    })
}

fn unsigned(error: SignatureError) -> Stop {
    match error {
        SignatureError::OtherKey => other_key().into(),
        _ => Stop::Damaged("a key that cannot sign"),
    }
}

fn other_key() -> Refused {
    texts::bad_parameter("Property alg names an algorithm of another type of key, or of another curve.")
}

/// One answer for everything that is wrong with a ciphertext.
fn not_opened() -> Refused {
    texts::bad_parameter("Property value was not wrapped or encrypted by this key with this algorithm.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::keys::kind::{Kind, Public};

    fn row() -> VersionRow {
        VersionRow {
            kty: Kind::Rsa,
            public: Public::Rsa { size: 2048, n: String::new(), e: String::new() },
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
