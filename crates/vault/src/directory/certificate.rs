//! Certificates of applications: whoever holds the private half signs an assertion instead of sending a secret.
//!
//! Owns [`Certificate`] and the reading of a PEM file. A certificate is known by its thumbprints, and believed because
//! the operator gave it: nobody's signature on it is looked at. Only RSA is served, as at the service.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::pem::Pem;
use x509_parser::public_key::PublicKey;

/// How many certificates one application may have.
pub(crate) const MOST_CERTIFICATES: usize = 4;
/// The longest file with a certificate, in bytes.
pub(crate) const LONGEST_PEM: usize = 16 * 1024;
/// The smallest RSA key of a certificate, in bytes.
const SMALLEST_MODULUS: usize = 256;
/// The largest RSA key of a certificate, in bytes.
const LARGEST_MODULUS: usize = 512;

/// One certificate as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// SHA-256 of the certificate in base64url.
    pub(crate) thumbprint: String,
    /// SHA-1 of it, by which most clients name it.
    older_thumbprint: String,
    /// Modulus and exponent in base64url.
    n: String,
    e: String,
    begins: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Certificate {
    /// Reads the first certificate of a PEM file; the text says what is wrong with it.
    pub(crate) fn read(pem: &str) -> Result<Self, &'static str> {
        if pem.len() > LONGEST_PEM {
            return Err("the file with the certificate is larger than 16 KiB");
        }
        let none = "the file holds no certificate in PEM";
        let pem = Pem::iter_from_buffer(pem.as_bytes())
            .filter_map(Result::ok)
            .find(|pem| pem.label == "CERTIFICATE")
            .ok_or(none)?;
        let certificate = pem.parse_x509().map_err(|_| none)?;
        let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else {
            return Err("the certificate's key is not RSA, the only type that clients sign assertions with");
        };
        let number = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes[zeros..].to_vec()
        };
        let (modulus, exponent) = (number(key.modulus), number(key.exponent));
        if !(SMALLEST_MODULUS..=LARGEST_MODULUS).contains(&modulus.len()) {
            return Err("the certificate's key has less than 2048 or more than 4096 bits");
        }
        let seconds = |at: i64| Timestamp(at.saturating_mul(1000));
        let validity = certificate.validity();
        let hash = |with| URL_SAFE_NO_PAD.encode(digest::digest(with, &pem.contents).as_ref());
        Ok(Self {
            thumbprint: hash(&digest::SHA256),
            older_thumbprint: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            n: URL_SAFE_NO_PAD.encode(modulus),
            e: URL_SAFE_NO_PAD.encode(exponent),
            begins: seconds(validity.not_before.timestamp()),
            expires: seconds(validity.not_after.timestamp()),
        })
    }

    /// Whether an assertion's header names this one; of two names the longer hash counts.
    pub(crate) fn is_named(&self, sha1: Option<&str>, sha256: Option<&str>) -> bool {
        match (sha256, sha1) {
            (Some(named), _) => named.trim_end_matches('=') == self.thumbprint,
            (None, Some(named)) => named.trim_end_matches('=') == self.older_thumbprint,
            (None, None) => false,
        }
    }

    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.begins <= now && now < self.expires
    }

    pub(crate) fn key(&self) -> Option<DecodingKey> {
        DecodingKey::from_rsa_components(&self.n, &self.e).ok()
    }
}
