//! How keys look on the wire: bundle, list item, page, result of an operation.
//!
//! Owns the shapes. What is not set is absent, never null; times are whole seconds; binary is base64url without padding.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Refused, keys as texts};
use crate::keys::Call;
use crate::keys::key::{KeyOp, VersionRow};
use crate::keys::kind::{Kind, Public};
use crate::keys::recovery;

/// Padding is accepted and never written.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key with one version's public half and attributes.
#[derive(Debug, Serialize)]
pub(crate) struct Bundle<'a> {
    key: WebKey<'a>,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
}

/// A key in a list: no public half.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) kid: String,
    pub(crate) attributes: Attributes,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A key that was deleted, as a bundle or as an item of a list, with when and until when it can come back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deleted<T> {
    pub(crate) recovery_id: String,
    pub(crate) deleted_date: i64,
    pub(crate) scheduled_purge_date: i64,
    #[serde(flatten)]
    pub(crate) key: T,
}

/// Whether a signature is one of the key's.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) value: bool,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}

#[derive(Debug, Serialize)]
struct WebKey<'a> {
    kid: String,
    kty: Kind,
    key_ops: &'a [KeyOp],
    #[serde(flatten)]
    public: WebPublic<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum WebPublic<'a> {
    Rsa { n: &'a str, e: &'a str },
    Ec { crv: &'a str, x: &'a str, y: &'a str },
}

impl<'a> WebPublic<'a> {
    fn of(public: &'a Public) -> Self {
        match public {
            Public::Rsa { n, e, .. } => Self::Rsa { n, e },
            Public::Ec { crv, x, y } => Self::Ec { crv, x, y },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attributes {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(rename = "key_size", skip_serializing_if = "Option::is_none")]
    key_size: Option<usize>,
    created: i64,
    updated: i64,
    recovery_level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recoverable_days: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hsm_platform: Option<&'static str>,
}

impl Attributes {
    /// What the version of the wire that the client speaks has of them.
    pub(crate) fn of(call: &Call<'_>, row: &VersionRow, protected: bool) -> Self {
        let (vault, wire) = (call.vault, call.wire);
        let days = if vault.soft_delete { vault.retention_days } else { 0 };
        Self {
            enabled: row.enabled,
            nbf: row.nbf,
            exp: row.exp,
            key_size: row.public.size().filter(|_| wire.shows_key_size()),
            created: row.created,
            updated: row.updated,
            recovery_level: recovery::level(
                vault.soft_delete,
                vault.retention_days,
                vault.purge_protection,
                protected,
            ),
            recoverable_days: wire.shows_recoverable_days().then_some(days),
            exportable: wire.shows_exportable().then_some(false),
            // Software, which is what this is, also for the types that name hardware.
            hsm_platform: wire.shows_platform().then_some("0"),
        }
    }
}

impl<'a> Bundle<'a> {
    /// `protected`: the subscription is under the mandatory retention period.
    pub(crate) fn of(call: &Call<'_>, kid: String, row: &'a VersionRow, protected: bool) -> Self {
        Self {
            key: WebKey { kid, kty: row.kty, key_ops: &row.key_ops, public: WebPublic::of(&row.public) },
            attributes: Attributes::of(call, row, protected),
            tags: Some(&row.tags).filter(|tags| !tags.is_empty()),
        }
    }
}

/// Reads a binary field.
pub(crate) fn decode(name: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let bytes = LENIENT.decode(text).map(Zeroizing::new);
    bytes.map_err(|_| texts::bad_parameter(format!("Property {name} is not valid base64url.")))
}

/// The result of an operation; written by hand, because it may hold an unwrapped key and must be zeroed after use.
pub(crate) fn operation_result(kid: &str, value: &[u8]) -> Zeroizing<Vec<u8>> {
    // No character of a key identifier or of base64url needs an escape in JSON.
    let (head, middle, tail) = ("{\"kid\":\"", "\",\"value\":\"", "\"}");
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(value));
    let mut out = Zeroizing::new(Vec::with_capacity(
        head.len() + kid.len() + middle.len() + encoded.len() + tail.len(),
    ));
    for part in [head, kid, middle, &encoded, tail] {
        out.extend_from_slice(part.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn binary_is_read_with_and_without_padding() {
        assert_eq!(*decode("value", "AQ").expect("one byte"), [1]);
        assert_eq!(*decode("value", "AQ==").expect("one byte"), [1]);
        assert_eq!(*decode("value", "_-8").expect("two bytes"), [0xff, 0xef]);
        for text in ["A", "A+==", "AQ=A", "ä"] {
            assert!(decode("value", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_result_is_json() {
        let result = operation_result("https://v.vault.localhost/keys/k/0", &[1, 2, 3]);
        let result: serde_json::Value = serde_json::from_slice(&result).expect("JSON");
        assert_eq!(result, json!({"kid": "https://v.vault.localhost/keys/k/0", "value": "AQID"}));
    }
}
