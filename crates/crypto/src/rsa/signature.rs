//! RSA signatures of digests: PKCS#1 v1.5, and PSS with a salt as long as the digest.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512};
use aws_lc_rs::rsa::{KeyPair, RsaParameters};
use aws_lc_rs::signature::{self, KeyPair as _, RsaSignatureEncoding, UnparsedPublicKey};

use crate::rsa::RsaPrivate;
use crate::signature::{SignatureError, digest};

/// How an RSA key signs a digest; the names are those of JSON Web Algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RsaSignature {
    /// PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// PSS with SHA-256.
    Ps256,
    /// PSS with SHA-384.
    Ps384,
    /// PSS with SHA-512.
    Ps512,
}

impl RsaSignature {
    pub(crate) fn digest(self) -> &'static Algorithm {
        match self {
            RsaSignature::Rs256 | RsaSignature::Ps256 => &SHA256,
            RsaSignature::Rs384 | RsaSignature::Ps384 => &SHA384,
            RsaSignature::Rs512 | RsaSignature::Ps512 => &SHA512,
        }
    }

    fn signing(self) -> &'static RsaSignatureEncoding {
        match self {
            RsaSignature::Rs256 => &signature::RSA_PKCS1_SHA256,
            RsaSignature::Rs384 => &signature::RSA_PKCS1_SHA384,
            RsaSignature::Rs512 => &signature::RSA_PKCS1_SHA512,
            RsaSignature::Ps256 => &signature::RSA_PSS_SHA256,
            RsaSignature::Ps384 => &signature::RSA_PSS_SHA384,
            RsaSignature::Ps512 => &signature::RSA_PSS_SHA512,
        }
    }

    fn verifying(self) -> &'static RsaParameters {
        match self {
            RsaSignature::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            RsaSignature::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            RsaSignature::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            RsaSignature::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            RsaSignature::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            RsaSignature::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        }
    }
}

impl RsaPrivate {
    /// Signs a digest; the signature has the length of the modulus.
    pub fn sign(&self, algorithm: RsaSignature, bytes: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let digest = digest(bytes, algorithm.digest())?;
        let mut out = vec![0; self.size.bytes()];
        self.signer()?
            .sign_digest(algorithm.signing(), &digest, &mut out)
            .map_err(|_| SignatureError::Failed)?;
        Ok(out)
    }

    /// Whether this key signed the digest.
    pub fn verify(
        &self,
        algorithm: RsaSignature,
        bytes: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignatureError> {
        verify(self.signer()?.public_key().as_ref(), algorithm, bytes, signature)
    }

    fn signer(&self) -> Result<&KeyPair, SignatureError> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer);
        }
        let made = KeyPair::from_pkcs8(&self.to_pkcs8()).map_err(|_| SignatureError::Failed)?;
        Ok(self.signer.get_or_init(|| made))
    }
}

/// Whether the key of this public half, in DER, signed the digest.
pub(super) fn verify(
    public: &[u8],
    algorithm: RsaSignature,
    bytes: &[u8],
    signature: &[u8],
) -> Result<bool, SignatureError> {
    let digest = digest(bytes, algorithm.digest())?;
    Ok(UnparsedPublicKey::new(algorithm.verifying(), public).verify_digest(&digest, signature).is_ok())
}
