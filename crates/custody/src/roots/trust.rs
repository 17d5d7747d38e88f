//! Whose certificates a connection believes: a list that the operator gives, and nothing of the machine's.
//!
//! Owns [`Trust`]. Neither the system's store nor `SSL_CERT_FILE` is read: a root that somebody puts into an
//! environment must not stand between the service and a customer's vault.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::resolver::{LAB_DOMAIN, is_under};

/// The largest bundle of roots that is read, in bytes; the public bundles are a fifth of it.
pub const MAX_BUNDLE: u64 = 1 << 20;

/// The roots of one connection.
#[derive(Clone)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// Made once: what it remembers of servers is shared by the connections of all tenants with this trust.
    tls: ClientConfig,
    /// Of a lab's authority: the domains that it vouches for.
    lab: Option<Arc<[String]>>,
}

/// Roots that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoTrust {
    /// The file could not be read.
    #[error(
        "the bundle of root certificates {path} cannot be read: {reason}. Name a PEM file that the service may read"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file that is no bundle.
    #[error(
        "{path} holds no usable root certificate: expected PEM, at most {MAX_BUNDLE} bytes, each certificate whole"
    )]
    NoBundle {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that is none.
    #[error("the root certificate cannot be read")]
    NoCertificate,
}

impl Trust {
    /// The lab's own certificate authority.
    ///
    /// A connection with this trust reaches names under `localhost` alone, so that a lab's authority that is
    /// left over in a real service can vouch for nobody.
    pub fn lab(authority: &[u8]) -> Result<Self, NoTrust> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from(authority.to_vec());
        roots.add(certificate).map_err(|_| NoTrust::NoCertificate)?;
        Ok(Self::of(roots, Some([LAB_DOMAIN.to_owned()].into())))
    }

    /// The authority of one run of a lab, which vouches for these domains and what lies below them.
    ///
    /// For whoever makes an authority for a run and forgets its key: among the domains may be names of a real cloud, and
    /// a connection with this trust reaches them nowhere but where a lab map says.
    pub fn run(authority: &[u8], domains: impl IntoIterator<Item = String>) -> Result<Self, NoTrust> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.to_vec())).map_err(|_| NoTrust::NoCertificate)?;
        Ok(Self::of(roots, Some(domains.into_iter().collect())))
    }

    /// One certificate that the operator named: the top of the chain that its own vaults show.
    pub fn root(certificate: CertificateDer<'static>) -> Result<Self, NoTrust> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(|_| NoTrust::NoCertificate)?;
        Ok(Self::of(roots, None))
    }

    /// A PEM file of root certificates: a public bundle, or the authority of vaults of one's own.
    ///
    /// Every certificate in it must be readable; a bundle that is cut short is refused, not used in part.
    pub fn bundle(path: &Path) -> Result<Self, NoTrust> {
        let unreadable = |reason| NoTrust::Unreadable { path: path.to_owned(), reason };
        let no_bundle = || NoTrust::NoBundle { path: path.to_owned() };
        let mut pem = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BUNDLE + 1).read_to_end(&mut pem).map_err(unreadable)?;
        if pem.len() as u64 > MAX_BUNDLE {
            return Err(no_bundle());
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.map_err(|_| no_bundle())?).map_err(|_| no_bundle())?;
        }
        match roots.is_empty() {
            true => Err(no_bundle()),
            false => Ok(Self::of(roots, None)),
        }
    }

    /// Whether only names of a lab may be reached.
    pub fn is_lab(&self) -> bool {
        self.lab.is_some()
    }

    /// Whether this is a lab's authority, and the host lies in one of its domains.
    pub fn vouches_for(&self, host: &str) -> bool {
        let domains = self.lab.as_deref().unwrap_or_default();
        domains.iter().any(|domain| host == domain || is_under(host, domain))
    }

    /// The client's side of TLS 1.2 and 1.3 with these roots, aws-lc-rs for all cryptography.
    pub fn tls(&self) -> ClientConfig {
        self.tls.clone()
    }

    /// The roots themselves, for whoever asks beforehand whether a certificate would be believed.
    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    fn of(roots: RootCertStore, lab: Option<Arc<[String]>>) -> Self {
        let roots = Arc::new(roots);
        Self { tls: tls(roots.clone()), roots, lab }
    }
}

/// TLS that believes nobody, for a client that speaks plain HTTP alone.
pub(super) fn nobody() -> ClientConfig {
    tls(Arc::new(RootCertStore::empty()))
}

fn tls(roots: Arc<RootCertStore>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("roots", &self.roots.len()).field("lab", &self.lab).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
    }

    fn authority() -> Vec<u8> {
        crate::roots::server::Authority::new().der().to_vec()
    }

    #[test]
    fn a_bundle_of_roots_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("roots.pem");
        let whole = format!("{}some text between\n{}", pem(&authority()), pem(&authority()));
        fs::write(&path, &whole).expect("written");
        let trust = Trust::bundle(&path).expect("two roots");
        assert_eq!(trust.roots().len(), 2);
        assert!(!trust.is_lab());
        let cut = &whole[..whole.len() - 40];
        let not_a_certificate = pem(b"not a certificate");
        for bad in ["", "no PEM here", cut, &format!("{whole}{not_a_certificate}")] {
            fs::write(&path, bad).expect("written");
            assert!(matches!(Trust::bundle(&path), Err(NoTrust::NoBundle { .. })), "{bad}");
        }
        fs::write(&path, whole.repeat(3000)).expect("written");
        assert!(matches!(Trust::bundle(&path), Err(NoTrust::NoBundle { .. })));
        let absent = Trust::bundle(&folder.path().join("absent")).expect_err("no such file");
        assert!(absent.to_string().contains("absent"), "{absent}");
    }

    #[test]
    fn the_labs_authority_is_a_certificate_and_marks_the_connection() {
        assert!(Trust::lab(&authority()).expect("a certificate").is_lab());
        assert!(matches!(Trust::lab(b"none"), Err(NoTrust::NoCertificate)));
        let run = Trust::run(&authority(), ["vault.azure.net".to_owned()]).expect("a certificate");
        assert!(run.is_lab() && run.vouches_for("a.vault.azure.net") && run.vouches_for("vault.azure.net"));
        assert!(!run.vouches_for("a.vault.localhost") && !run.vouches_for("evilvault.azure.net"));
        let named = Trust::root(authority().into()).expect("a certificate");
        assert!(!named.is_lab() && !named.vouches_for("vault.localhost") && named.roots().len() == 1);
        assert!(matches!(Trust::root(b"none".to_vec().into()), Err(NoTrust::NoCertificate)));
    }
}
