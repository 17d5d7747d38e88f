//! Signing in with a certificate: a token of our own that the application's private key signs.
//!
//! Owns [`ClientCertificate`] and the form of its assertions. Microsoft's client does this with openssl; here it is the
//! same question on the wire (`private_key_jwt`), signed by aws-lc-rs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::time::Timestamp;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use serde_json::json;

use super::secret::{NoSecret, Rights, content};

/// The largest file of a key with its certificates, in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;
/// How long an assertion that a certificate signed is good for; it is sent at once and once.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(600);

/// An RSA key with the certificate that the application is known by. Debug shows the thumbprint alone.
pub struct ClientCertificate {
    key: Arc<dyn SigningKey>,
    thumbprint: String,
}

impl ClientCertificate {
    /// Reads a PEM file that holds the key and, first of its certificates, the one that belongs to it.
    pub fn read(path: &Path) -> Result<Self, NoSecret> {
        let not = |why| NoSecret::NotACertificate { path: path.to_owned(), why };
        let pem = content(path, MAX_CERTIFICATE, Rights::OwnersAlone)?;
        if pem.len() > MAX_CERTIFICATE {
            return Err(not("it is too large"));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| not("it holds no private key"))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|_| not("a certificate in it cannot be read"))?;
        let first = chain.first().ok_or_else(|| not("it holds no certificate"))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(crypto::digest::sha256(first));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|_| not("the key is none that can sign, or not the first certificate's"))?;
        match pair.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]) {
            Some(_) => Ok(Self { key: pair.key.clone(), thumbprint }),
            None => Err(not("the key is no RSA key, and token services take no other")),
        }
    }

    /// An assertion for one request to the token service at `audience`; `id` is another one each time.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
        id: [u8; 16],
    ) -> Result<String, rustls::Error> {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": now.seconds(), "iat": now.seconds(), "exp": (now + ASSERTION_LIFE).seconds(),
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]);
        let signer = signer.ok_or(rustls::Error::General("the key signs no PS256".to_owned()))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes())?)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
