//! The types of keys that a vault makes, and the public half that each of them shows.
//!
//! Owns [`Kind`] and [`Public`]. The types that name hardware are taken where the vault's sku has them; their private
//! halves are kept in software like all others, and the platform that a key shows says so.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{Curve, PrivateKey};
use serde::{Deserialize, Serialize};

use crate::error::{Refused, keys as texts};
use crate::keys::key::{KeyOp, word_of};
use crate::resource::vault::VaultRow;

/// The sku of vaults that take the types that name hardware.
pub(crate) const PREMIUM: &str = "premium";

/// What `kty` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "RSA")]
    Rsa,
    #[serde(rename = "RSA-HSM")]
    RsaHsm,
    #[serde(rename = "EC")]
    Ec,
    #[serde(rename = "EC-HSM")]
    EcHsm,
}

impl Kind {
    /// Reads the type that a client asks for.
    pub(crate) fn parse(property: &str, asked: Option<&str>) -> Result<Self, Refused> {
        match asked.unwrap_or_default() {
            "RSA" => Ok(Self::Rsa),
            "RSA-HSM" => Ok(Self::RsaHsm),
            "EC" => Ok(Self::Ec),
            "EC-HSM" => Ok(Self::EcHsm),
            "" => Err(texts::bad_parameter(format!("Property {property} is required."))),
            other => Err(texts::key_type_not_supported(other)),
        }
    }

    /// The same type with the name of hardware.
    pub(crate) fn hsm(self) -> Self {
        match self {
            Self::Rsa | Self::RsaHsm => Self::RsaHsm,
            Self::Ec | Self::EcHsm => Self::EcHsm,
        }
    }

    /// Whether it is one of the two RSA types.
    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa | Self::RsaHsm)
    }

    /// What a key of this type may be used for; all of it, if nothing else is said.
    pub(crate) fn operations(self) -> &'static [KeyOp] {
        if self.is_rsa() { KeyOp::ALL } else { &[KeyOp::Sign, KeyOp::Verify] }
    }

    /// Refuses operations that keys of this type do not have.
    pub(crate) fn permits(self, asked: &[KeyOp]) -> Result<(), Refused> {
        match asked.iter().find(|op| !self.operations().contains(op)) {
            Some(op) => Err(texts::operation_of_another_type(word_of(*op))),
            None => Ok(()),
        }
    }

    /// Refuses the types that name hardware in a vault whose sku does not have them.
    pub(crate) fn fits(self, vault: &VaultRow) -> Result<(), Refused> {
        if self == self.hsm() && !vault.sku.eq_ignore_ascii_case(PREMIUM) {
            return Err(texts::bad_parameter(
                "Keys of the types RSA-HSM and EC-HSM need a vault of the sku premium: use RSA or EC.",
            ));
        }
        Ok(())
    }
}

/// The public half as it is stored and shown; binary in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Public {
    /// Modulus, its bits, and the exponent.
    Rsa { size: usize, n: String, e: String },
    /// A curve and a point on it.
    Ec { crv: String, x: String, y: String },
}

impl Public {
    pub(crate) fn of(private: &PrivateKey) -> Self {
        let text = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        match private {
            PrivateKey::Rsa(key) => {
                Self::Rsa { size: key.size().bits(), n: text(key.modulus()), e: text(key.exponent()) }
            }
            PrivateKey::Ec(key) => {
                let (x, y) = key.point();
                Self::Ec { crv: curve_name(key.curve()).into(), x: text(x), y: text(y) }
            }
        }
    }

    /// The bits of an RSA key; a key on a curve has its curve instead.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Rsa { size, .. } => Some(*size),
            Self::Ec { .. } => None,
        }
    }
}

/// Reads the name of a curve; `property` is where it stands.
pub(crate) fn curve(property: &str, asked: &str) -> Result<Curve, Refused> {
    Curve::ALL.into_iter().find(|curve| curve_name(*curve) == asked).ok_or_else(|| {
        texts::bad_parameter(format!("Property {property} must be P-256, P-256K, P-384 or P-521."))
    })
}

fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "P-256",
        Curve::P256K => "P-256K",
        Curve::P384 => "P-384",
        Curve::P521 => "P-521",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_read_and_shown_by_one_name() {
        for name in ["RSA", "RSA-HSM", "EC", "EC-HSM"] {
            let kind = Kind::parse("kty", Some(name)).expect(name);
            assert_eq!(serde_json::to_value(kind).expect("a word"), name);
            assert_eq!(kind.is_rsa(), kind.hsm().is_rsa());
        }
        for wrong in [None, Some(""), Some("rsa"), Some("oct"), Some("oct-HSM")] {
            assert!(Kind::parse("kty", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_on_a_curve_signs_and_does_nothing_else() {
        assert!(Kind::Rsa.permits(KeyOp::ALL).is_ok());
        assert!(Kind::Ec.permits(&[KeyOp::Sign, KeyOp::Verify]).is_ok());
        for op in [KeyOp::Encrypt, KeyOp::Decrypt, KeyOp::WrapKey, KeyOp::UnwrapKey] {
            assert!(Kind::EcHsm.permits(&[KeyOp::Sign, op]).is_err(), "{op:?}");
        }
    }

    #[test]
    fn either_public_half_is_read_back_from_a_row() {
        let rsa = json!({"size": 2048, "n": "AQ", "e": "AQAB"});
        let ec = json!({"crv": "P-256K", "x": "AQ", "y": "Ag"});
        for (row, size) in [(rsa, Some(2048)), (ec, None)] {
            let public: Public = serde_json::from_value(row.clone()).expect("a public half");
            assert_eq!(public.size(), size);
            assert_eq!(serde_json::to_value(public).expect("JSON"), row);
        }
    }
}
