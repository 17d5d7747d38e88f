//! Importing a key that was made elsewhere, or a new version of one, from the numbers of a JSON Web Key.
//!
//! Owns the import operation. The numbers must belong together; whether the primes are prime is the word of whoever made
//! them. What was sent is zeroed after use, and no refusal repeats any of it.

use std::collections::BTreeMap;

use crypto::{EcPrivate, PrivateKey, RsaError, RsaParts, RsaPrivate};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::create::{About, Fresh, Made};
use crate::keys::key::{self, AttributesInput};
use crate::keys::kind::{self, Kind};
use crate::keys::{Call, Given, shape};

#[derive(Deserialize)]
pub(crate) struct Input {
    #[serde(rename = "Hsm", alias = "hsm")]
    hsm: Option<bool>,
    key: Option<WebKey>,
    attributes: Option<AttributesInput>,
    #[serde(deserialize_with = "key::tags", default)]
    tags: Option<BTreeMap<String, String>>,
    release_policy: Given,
}

#[derive(Deserialize)]
struct WebKey {
    kty: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<Hidden>,
    e: Option<Hidden>,
    d: Option<Hidden>,
    p: Option<Hidden>,
    q: Option<Hidden>,
    dp: Option<Hidden>,
    dq: Option<Hidden>,
    qi: Option<Hidden>,
    crv: Option<String>,
    x: Option<Hidden>,
    y: Option<Hidden>,
    key_hsm: Given,
}

/// Text that may be a part of a private key.
struct Hidden(Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Checks what is given, then builds the key.
pub(crate) async fn prepare(call: &Call<'_>, mut input: Input) -> Result<Made, Stop> {
    let key = input.key.take().ok_or_else(|| texts::bad_parameter("Property key is required."))?;
    let kind = Kind::parse("key.kty", key.kty.as_deref())?;
    let kind = if input.hsm == Some(true) { kind.hsm() } else { kind };
    kind.fits(call.vault)?;
    if key.key_hsm.is_some() {
        let message = "Property key.key_hsm is not supported: there is no hardware here that could open it.";
        return Err(texts::bad_parameter(message).into());
    }
    let numbers = Numbers::of(kind, &key)?;
    let Input { attributes, tags, release_policy, .. } = input;
    let checked = About { key_ops: key.key_ops, attributes, tags, release_policy }.check(call, kind)?;
    let private = call.core.operations.run(move || numbers.build()).await??;
    Ok(Made::of(call, Fresh::of(call.core, private), checked))
}

type Number = Zeroizing<Vec<u8>>;

/// The numbers of a private key, decoded.
enum Numbers {
    /// `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi`.
    Rsa(Box<[Number; 8]>),
    /// `d`, `x`, `y`.
    Ec(crypto::Curve, [Number; 3]),
}

impl Numbers {
    fn of(kind: Kind, key: &WebKey) -> Result<Self, Refused> {
        if kind.is_rsa() {
            return Ok(Self::Rsa(Box::new([
                number("key.n", &key.n)?,
                number("key.e", &key.e)?,
                number("key.d", &key.d)?,
                number("key.p", &key.p)?,
                number("key.q", &key.q)?,
                number("key.dp", &key.dp)?,
                number("key.dq", &key.dq)?,
                number("key.qi", &key.qi)?,
            ])));
        }
        let curve = kind::curve("key.crv", key.crv.as_deref().unwrap_or_default())?;
        Ok(Self::Ec(curve, [number("key.d", &key.d)?, number("key.x", &key.x)?, number("key.y", &key.y)?]))
    }

    fn build(&self) -> Result<PrivateKey, Refused> {
        match self {
            Self::Rsa(numbers) => {
                let [n, e, d, p, q, dp, dq, qi] = &**numbers;
                let built = RsaPrivate::from_parts(&RsaParts { n, e, d, p, q, dp, dq, qi });
                built.map(PrivateKey::from).map_err(|error| match error {
                    RsaError::Size => {
                        texts::bad_parameter("Property key must be an RSA key of 2048, 3072 or 4096 bits.")
                    }
                    _ => unsound(),
                })
            }
            Self::Ec(curve, [d, x, y]) => {
                EcPrivate::from_parts(*curve, d, x, y).map(PrivateKey::from).map_err(|_| unsound())
            }
        }
    }
}

fn number(property: &str, text: &Option<Hidden>) -> Result<Number, Refused> {
    match text {
        Some(Hidden(text)) if !text.is_empty() => shape::decode(property, text),
        _ => Err(texts::bad_parameter(format!(
            "Property {property} is required: a key is imported with all numbers of its private half."
        ))),
    }
}

fn unsound() -> Refused {
    texts::bad_parameter("Property key is no private key: its numbers do not belong together.")
}
