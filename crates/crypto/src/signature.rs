//! Signatures of digests: which algorithm belongs to which key, how long its digest is, and why one was not made.

use aws_lc_rs::digest::{Algorithm, Digest};

use crate::ec::Curve;
use crate::rsa::RsaSignature;

/// How a digest is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// By an RSA key.
    Rsa(RsaSignature),
    /// By a key on this curve, with the digest that belongs to it.
    Ec(Curve),
}

impl SignatureAlgorithm {
    /// The length of the digest that is signed, in bytes.
    pub fn digest_len(self) -> usize {
        match self {
            SignatureAlgorithm::Rsa(algorithm) => algorithm.digest().output_len(),
            SignatureAlgorithm::Ec(curve) => curve.digest().output_len(),
        }
    }
}

/// Why a signature was neither made nor looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm belongs to keys of another type or on another curve.
    #[error("the algorithm does not belong to this key")]
    OtherKey,
    /// The digest has not the length that the algorithm signs.
    #[error("the digest has not the length that the algorithm signs")]
    DigestLength,
    /// The library could not sign.
    #[error("the digest could not be signed")]
    Failed,
}

/// Takes the bytes of a digest that was made elsewhere.
pub(crate) fn digest(bytes: &[u8], algorithm: &'static Algorithm) -> Result<Digest, SignatureError> {
    Digest::import_less_safe(bytes, algorithm).map_err(|_| SignatureError::DigestLength)
}
