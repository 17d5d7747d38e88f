//! Federated credentials: another issuer's word for an application, in the place of a secret.
//!
//! Owns [`Federation`]. The issuer is one of this program's own directories, whose keys are at hand, or one whose keys
//! the operator gave as a document: nothing here calls out to anybody.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How many federated credentials one application may have.
pub(crate) const MOST_FEDERATIONS: usize = 20;
/// The longest document with an issuer's keys, in bytes.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;
/// Keys of one issuer.
pub(crate) const MOST_ISSUER_KEYS: usize = 32;
/// The longest issuer, subject or audience, in bytes.
pub(crate) const LONGEST_CLAIM: usize = 600;
/// The audience of an assertion that is exchanged for a token.
pub(crate) const EXCHANGE: &str = "api://AzureADTokenExchange";

/// One federated credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Federation {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    /// The issuer's keys; none where it is a directory of this program.
    pub(crate) keys: Vec<IssuerKey>,
    pub(crate) created: Timestamp,
}

/// A public key of an issuer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IssuerKey {
    kid: String,
    /// Modulus and exponent in base64url.
    n: String,
    e: String,
}

impl Federation {
    /// The issuer's key of that name.
    pub(crate) fn key(&self, kid: &str) -> Option<DecodingKey> {
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        DecodingKey::from_rsa_components(&key.n, &key.e).ok()
    }
}

/// Reads the RSA keys of a JSON Web Key set; the text says what is wrong with it.
pub(crate) fn read_keys(document: &str) -> Result<Vec<IssuerKey>, &'static str> {
    if document.len() > LONGEST_DOCUMENT {
        return Err("the document with the issuer's keys is larger than 64 KiB");
    }
    let set: JwkSet = serde_json::from_str(document).map_err(|_| "the document is no JSON Web Key set")?;
    let keys: Vec<IssuerKey> = set
        .keys
        .into_iter()
        .filter_map(|key| match (key.common.key_id, key.algorithm) {
            (Some(kid), AlgorithmParameters::RSA(rsa)) => Some(IssuerKey { kid, n: rsa.n, e: rsa.e }),
            _ => None,
        })
        .collect();
    if keys.iter().any(|key| DecodingKey::from_rsa_components(&key.n, &key.e).is_err()) {
        return Err("a key of the document has a modulus or exponent that is not base64url");
    }
    match keys.len() {
        0 => Err("the document has no RSA key with a key id, and no other kind is served"),
        1..=MOST_ISSUER_KEYS => Ok(keys),
        _ => Err("the document has more than 32 keys"),
    }
}
