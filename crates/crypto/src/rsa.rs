//! RSA for the vault: generate, import and export, wrap and unwrap, sign and verify. Parsed once, then shared.
//!
//! Randomness is aws-lc-rs's own here, the one exception to "randomness is an argument": it takes no source.

mod signature;

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeyPair, KeyPairComponents, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey,
    PrivateDecryptingKey, PublicKeyComponents,
};
use zeroize::Zeroizing;

use crate::der;
pub use signature::RsaSignature;

/// The sizes of root keys that a vault offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RsaSize {
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl RsaSize {
    /// The modulus in bits.
    pub fn bits(self) -> usize {
        match self {
            RsaSize::Rsa2048 => 2048,
            RsaSize::Rsa3072 => 3072,
            RsaSize::Rsa4096 => 4096,
        }
    }

    /// The modulus, and so every wrap, in bytes.
    pub fn bytes(self) -> usize {
        self.bits() / 8
    }

    /// The size of this many bits, if a vault offers it.
    pub fn of_bits(bits: usize) -> Option<Self> {
        match bits {
            2048 => Some(RsaSize::Rsa2048),
            3072 => Some(RsaSize::Rsa3072),
            4096 => Some(RsaSize::Rsa4096),
            _ => None,
        }
    }
}

/// How a key is padded before RSA. Freehold's own wraps use [`RsaPadding::Oaep256`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RsaPadding {
    /// RSA-OAEP-256: SHA-256 for the label and the mask.
    Oaep256,
    /// RSA-OAEP: SHA-1 for the label and the mask; for old clients.
    OaepSha1,
    /// RSA1_5, for old clients: whoever may ask for unwraps and see which fail can open wraps of this padding.
    Pkcs1v15,
}

/// The numbers of a private RSA key, big-endian; zeros in front do not count.
pub struct RsaParts<'a> {
    /// The modulus.
    pub n: &'a [u8],
    /// The public exponent.
    pub e: &'a [u8],
    /// The private exponent.
    pub d: &'a [u8],
    /// The first prime.
    pub p: &'a [u8],
    /// The second prime.
    pub q: &'a [u8],
    /// `d` modulo `p - 1`.
    pub dp: &'a [u8],
    /// `d` modulo `q - 1`.
    pub dq: &'a [u8],
    /// The inverse of `q` modulo `p`.
    pub qi: &'a [u8],
}

/// A private RSA key: parsed once, used from many threads, never shown by Debug.
pub struct RsaPrivate {
    size: RsaSize,
    key: PrivateDecryptingKey,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
    oaep_public: OaepPublicEncryptingKey,
    pkcs1_public: Pkcs1PublicEncryptingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    /// The same key as the library wants it for signatures; most keys only wrap, so it is made when it is first asked for.
    signer: OnceLock<KeyPair>,
}

impl RsaPrivate {
    /// Makes a new key pair; it takes tens of milliseconds to seconds, so keep it off request threads.
    pub fn generate(size: RsaSize) -> Result<Self, RsaError> {
        let bits = match size {
            RsaSize::Rsa2048 => KeySize::Rsa2048,
            RsaSize::Rsa3072 => KeySize::Rsa3072,
            RsaSize::Rsa4096 => KeySize::Rsa4096,
        };
        Self::of(PrivateDecryptingKey::generate(bits).map_err(|_| RsaError::Generate)?)
    }

    /// Reads a PKCS#8 (v1) private key of 2048, 3072 or 4096 bits, with nothing behind it.
    ///
    /// That the numbers belong together is checked; that the primes are prime is not, since it would cost a
    /// hundred private operations: an imported key is as good as whoever made it.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, RsaError> {
        if !der::is_one_sequence(pkcs8) {
            return Err(RsaError::NotAKey);
        }
        Self::of(PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| RsaError::NotAKey)?)
    }

    /// Builds a key from its numbers, with the same checks and the same trust in whoever made it.
    pub fn from_parts(parts: &RsaParts<'_>) -> Result<Self, RsaError> {
        let public_key = PublicKeyComponents { n: der::unsigned(parts.n), e: der::unsigned(parts.e) };
        let private = |number: &[u8]| Zeroizing::new(number.to_vec());
        let components = KeyPairComponents {
            public_key,
            d: private(parts.d),
            p: private(parts.p),
            q: private(parts.q),
            dP: private(parts.dp),
            dQ: private(parts.dq),
            qInv: private(parts.qi),
        };
        let pair = KeyPair::from_components(&components).map_err(|_| RsaError::NotAKey)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| RsaError::NotAKey)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// The key as PKCS#8 (v1), only to be wrapped by a master key.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let der: Pkcs8V1Der<'_> = self.key.as_der().expect("a parsed RSA key has a PKCS#8 form");
        Zeroizing::new(der.as_ref().to_vec())
    }

    /// The size of the key.
    pub fn size(&self) -> RsaSize {
        self.size
    }

    /// The public modulus: big-endian, no leading zero, as `n` in a JSON Web Key.
    pub fn modulus(&self) -> Vec<u8> {
        self.modulus.clone()
    }

    /// The public exponent: big-endian, no leading zero, as `e` in a JSON Web Key.
    pub fn exponent(&self) -> Vec<u8> {
        self.exponent.clone()
    }

    /// Wraps a key with the public half; the result has the length of the modulus.
    ///
    /// Fails when `plain` is longer than the padding leaves room for.
    pub fn wrap(&self, padding: RsaPadding, plain: &[u8]) -> Result<Vec<u8>, RsaError> {
        let mut out = vec![0; self.size.bytes()];
        let written = match padding.oaep() {
            Some(algorithm) => self.oaep_public.encrypt(algorithm, plain, &mut out, None),
            None => self.pkcs1_public.encrypt(plain, &mut out),
        };
        let len = written.map_err(|_| RsaError::TooLong)?.len();
        out.truncate(len);
        Ok(out)
    }

    /// Unwraps with the private half.
    ///
    /// One error for whatever is wrong with the bytes: telling more would open a padding oracle.
    pub fn unwrap(&self, padding: RsaPadding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, RsaError> {
        let mut out = Zeroizing::new(vec![0; self.size.bytes()]);
        let opened = match padding.oaep() {
            Some(algorithm) => self.oaep.decrypt(algorithm, wrapped, &mut out, None),
            None => self.pkcs1.decrypt(wrapped, &mut out),
        };
        let len = opened.map_err(|_| RsaError::NotWrapped)?.len();
        out.truncate(len);
        Ok(out)
    }

    fn of(key: PrivateDecryptingKey) -> Result<Self, RsaError> {
        let size = RsaSize::of_bits(key.key_size_bits()).ok_or(RsaError::Size)?;
        let public = key.public_key();
        let spki: PublicKeyX509Der<'_> = public.as_der().map_err(|_| RsaError::NotAKey)?;
        let (modulus, exponent) = der::modulus_and_exponent(spki.as_ref()).ok_or(RsaError::NotAKey)?;
        Ok(Self {
            size,
            oaep: OaepPrivateDecryptingKey::new(key.clone()).map_err(|_| RsaError::NotAKey)?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(key.clone()).map_err(|_| RsaError::NotAKey)?,
            oaep_public: OaepPublicEncryptingKey::new(public.clone()).map_err(|_| RsaError::NotAKey)?,
            pkcs1_public: Pkcs1PublicEncryptingKey::new(public).map_err(|_| RsaError::NotAKey)?,
            modulus,
            exponent,
            key,
            signer: OnceLock::new(),
        })
    }
}

impl RsaPadding {
    fn oaep(self) -> Option<&'static OaepAlgorithm> {
        match self {
            RsaPadding::Oaep256 => Some(&OAEP_SHA256_MGF1SHA256),
            RsaPadding::OaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
            RsaPadding::Pkcs1v15 => None,
        }
    }
}

impl fmt::Debug for RsaPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivate({} bits)", self.size.bits())
    }
}

/// Why an RSA operation was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaError {
    /// The key could not be generated.
    #[error("the RSA key could not be generated")]
    Generate,
    /// The bytes are not a sound RSA private key.
    #[error("not a sound RSA private key")]
    NotAKey,
    /// The key has another size than 2048, 3072 or 4096 bits.
    #[error("an RSA key of 2048, 3072 or 4096 bits is needed")]
    Size,
    /// The plaintext is too long for the key and the padding.
    #[error("too long to be wrapped by this key")]
    TooLong,
    /// The bytes were not wrapped by this key with this padding.
    #[error("not wrapped by this key with this padding")]
    NotWrapped,
}

#[cfg(test)]
mod tests;
