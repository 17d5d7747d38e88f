//! Elliptic curves for the vault: generate, import and export, sign and verify digests. Parsed once, then shared.
//!
//! Randomness is aws-lc-rs's own here, as for RSA: it takes no source.

use std::fmt;

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
    KeyPair, UnparsedPublicKey,
};
use zeroize::Zeroizing;

use crate::der;
use crate::signature::{SignatureError, digest};

/// The curves that a vault offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256; signs SHA-256.
    P256,
    /// secp256k1; signs SHA-256.
    P256K,
    /// NIST P-384; signs SHA-384.
    P384,
    /// NIST P-521; signs SHA-512.
    P521,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 4] = [Self::P256, Self::P256K, Self::P384, Self::P521];

    /// The length of a coordinate, of the private number, and of each half of a signature, in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Curve::P256 | Curve::P256K => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    pub(crate) fn digest(self) -> &'static Algorithm {
        match self {
            Curve::P256 | Curve::P256K => &SHA256,
            Curve::P384 => &SHA384,
            Curve::P521 => &SHA512,
        }
    }

    /// The object identifier by which PKCS#8 names the curve, without tag and length.
    fn identifier(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P256K => &[0x2b, 0x81, 0x04, 0x00, 0x0a],
            Curve::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Curve::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    fn algorithm(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Curve::P256K => &ECDSA_P256K1_SHA256_FIXED_SIGNING,
            Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }
}

/// A private key on a curve: parsed once, used from many threads, never shown by Debug.
pub struct EcPrivate {
    curve: Curve,
    key: EcdsaKeyPair,
}

impl EcPrivate {
    /// Makes a new key pair.
    pub fn generate(curve: Curve) -> Result<Self, EcError> {
        let key = EcdsaKeyPair::generate(curve.algorithm()).map_err(|_| EcError::Generate)?;
        Ok(Self { curve, key })
    }

    /// Reads a PKCS#8 (v1) private key on one of the curves, with nothing behind it.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, EcError> {
        if !der::is_one_sequence(pkcs8) {
            return Err(EcError::NotAKey);
        }
        let Some((EC, Some(named))) = der::algorithm(pkcs8) else { return Err(EcError::NotAKey) };
        let curve = Curve::ALL.into_iter().find(|curve| curve.identifier() == named);
        let curve = curve.ok_or(EcError::NotAKey)?;
        let key = EcdsaKeyPair::from_pkcs8(curve.algorithm(), pkcs8).map_err(|_| EcError::NotAKey)?;
        Ok(Self { curve, key })
    }

    /// Builds a key from its private number and the point that must belong to it, all big-endian.
    ///
    /// Zeros in front do not count; a number that is longer than the curve's is refused.
    pub fn from_parts(curve: Curve, d: &[u8], x: &[u8], y: &[u8]) -> Result<Self, EcError> {
        let wide = |number| fixed(number, curve.bytes()).ok_or(EcError::NotAKey);
        let point = [&[UNCOMPRESSED][..], &wide(x)?, &wide(y)?].concat();
        let key = EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm(), &wide(d)?, &point);
        Ok(Self { curve, key: key.map_err(|_| EcError::NotAKey)? })
    }

    /// The key as PKCS#8 (v1), only to be wrapped by a master key.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let der = self.key.to_pkcs8v1().expect("a parsed key on a curve has a PKCS#8 form");
        Zeroizing::new(der.as_ref().to_vec())
    }

    /// The curve of the key.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The public point `(x, y)`: big-endian, each as long as the curve's numbers are, as in a JSON Web Key.
    pub fn point(&self) -> (Vec<u8>, Vec<u8>) {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(self.curve.bytes());
        (x.to_vec(), y.to_vec())
    }

    /// Signs a digest; the signature is both its numbers, each as long as the curve's.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let digest = digest(bytes, self.curve.digest())?;
        let signature = self.key.sign_digest(&digest).map_err(|_| SignatureError::Failed)?;
        Ok(signature.as_ref().to_vec())
    }

    /// Whether this key signed the digest.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<bool, SignatureError> {
        verify(self.curve, self.key.public_key().as_ref(), bytes, signature)
    }
}

impl fmt::Debug for EcPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPrivate({:?})", self.curve)
    }
}

/// Whether the key of this uncompressed point signed the digest.
fn verify(curve: Curve, point: &[u8], bytes: &[u8], signature: &[u8]) -> Result<bool, SignatureError> {
    let digest = digest(bytes, curve.digest())?;
    let algorithm: &'static EcdsaVerificationAlgorithm = curve.algorithm();
    Ok(UnparsedPublicKey::new(algorithm, point).verify_digest(&digest, signature).is_ok())
}

/// The number in exactly so many bytes; `None` if it has more.
fn fixed(number: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let mut out = Zeroizing::new(vec![0; len]);
    let start = len.checked_sub(number.len())?;
    out[start..].copy_from_slice(number);
    Some(out)
}

/// The object identifier of keys on curves.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// The first byte of a point of which both coordinates are written.
const UNCOMPRESSED: u8 = 4;

/// Why there is no key on a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EcError {
    /// The key could not be generated.
    #[error("the key on the curve could not be generated")]
    Generate,
    /// What was given is no sound private key on one of the curves.
    #[error("not a sound private key on P-256, P-256K, P-384 or P-521")]
    NotAKey,
}

#[cfg(test)]
mod tests;
