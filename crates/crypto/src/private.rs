//! A vault's private key, whichever type it has; what is sealed under a master key.

use zeroize::Zeroizing;

use crate::ec::EcPrivate;
use crate::rsa::RsaPrivate;
use crate::signature::{SignatureAlgorithm, SignatureError};

/// A private key of a vault.
#[derive(Debug)]
pub enum PrivateKey {
    /// An RSA key: wraps, encrypts and signs.
    Rsa(Box<RsaPrivate>),
    /// A key on an elliptic curve: signs.
    Ec(EcPrivate),
}

impl PrivateKey {
    /// Reads a PKCS#8 (v1) private key of either type; `None` if it is neither, or unsound.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let ec = || EcPrivate::from_pkcs8(pkcs8).map(Self::Ec).ok();
        RsaPrivate::from_pkcs8(pkcs8).map(Self::from).ok().or_else(ec)
    }

    /// The key as PKCS#8 (v1), only to be wrapped by a master key.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        match self {
            PrivateKey::Rsa(key) => key.to_pkcs8(),
            PrivateKey::Ec(key) => key.to_pkcs8(),
        }
    }

    /// The RSA key, if it is one.
    pub fn rsa(&self) -> Option<&RsaPrivate> {
        match self {
            PrivateKey::Rsa(key) => Some(key),
            PrivateKey::Ec(_) => None,
        }
    }

    /// Signs a digest.
    pub fn sign(&self, algorithm: SignatureAlgorithm, digest: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match (self, algorithm) {
            (PrivateKey::Rsa(key), SignatureAlgorithm::Rsa(algorithm)) => key.sign(algorithm, digest),
            (PrivateKey::Ec(key), SignatureAlgorithm::Ec(curve)) if curve == key.curve() => key.sign(digest),
            _ => Err(SignatureError::OtherKey),
        }
    }

    /// Whether this key signed the digest.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignatureError> {
        match (self, algorithm) {
            (PrivateKey::Rsa(key), SignatureAlgorithm::Rsa(algorithm)) => {
                key.verify(algorithm, digest, signature)
            }
            (PrivateKey::Ec(key), SignatureAlgorithm::Ec(curve)) if curve == key.curve() => {
                key.verify(digest, signature)
            }
            _ => Err(SignatureError::OtherKey),
        }
    }
}

impl From<RsaPrivate> for PrivateKey {
    fn from(key: RsaPrivate) -> Self {
        Self::Rsa(Box::new(key))
    }
}

impl From<EcPrivate> for PrivateKey {
    fn from(key: EcPrivate) -> Self {
        Self::Ec(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec::Curve;
    use crate::rsa::{RsaSignature, RsaSize};

    #[test]
    fn either_type_is_read_back_as_what_it_is() {
        let rsa = PrivateKey::from(RsaPrivate::generate(RsaSize::Rsa2048).expect("a key"));
        let again = PrivateKey::from_pkcs8(&rsa.to_pkcs8()).expect("our own PKCS#8");
        assert_eq!(again.rsa().map(RsaPrivate::size), Some(RsaSize::Rsa2048));
        for curve in Curve::ALL {
            let ec = PrivateKey::from(EcPrivate::generate(curve).expect("a key"));
            let again = PrivateKey::from_pkcs8(&ec.to_pkcs8()).expect("our own PKCS#8");
            assert!(matches!(again, PrivateKey::Ec(key) if key.curve() == curve));
        }
        assert!(PrivateKey::from_pkcs8(b"neither").is_none());
    }

    #[test]
    fn an_algorithm_signs_and_verifies_with_its_own_keys_alone() {
        let rsa = PrivateKey::from(RsaPrivate::generate(RsaSize::Rsa2048).expect("a key"));
        let ec = PrivateKey::from(EcPrivate::generate(Curve::P256).expect("a key"));
        let rs256 = SignatureAlgorithm::Rsa(RsaSignature::Rs256);
        let (es256, es256k) = (SignatureAlgorithm::Ec(Curve::P256), SignatureAlgorithm::Ec(Curve::P256K));
        for (key, algorithm, good) in [
            (&rsa, rs256, true),
            (&rsa, es256, false),
            (&ec, es256, true),
            (&ec, es256k, false),
            (&ec, rs256, false),
        ] {
            match key.sign(algorithm, &[7; 32]) {
                Ok(signature) => {
                    assert!(good, "{algorithm:?}");
                    assert_eq!(key.verify(algorithm, &[7; 32], &signature), Ok(true));
                    assert_eq!(key.verify(algorithm, &[8; 32], &signature), Ok(false));
                }
                Err(error) => {
                    assert!(!good && error == SignatureError::OtherKey, "{algorithm:?} {error}");
                    assert_eq!(key.verify(algorithm, &[7; 32], &[0; 64]), Err(SignatureError::OtherKey));
                }
            }
        }
    }
}
