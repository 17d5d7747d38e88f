//! The certificate that the listeners show: signed by the lab's own authority, or the operator's own.
//!
//! Owns reading it and the judgement whether it serves. What the lab signs is `authority`'s; which of the two a
//! process takes, and whom it trusts, is `tls`'.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use custody::roots::{NoTrust, Trust};
use model::time::{Clock, Timestamp};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WantsServerCert};
use rustls::{CertificateError, ConfigBuilder, ServerConfig};
use zeroize::Zeroizing;

use crate::authority::{AUTHORITY, Authority, Pair, SERVER, SERVICE, is_lab, lab_names};
use crate::key_file;
use crate::pem;

/// A lab certificate is replaced, and `doctor` warns of an own one, when less than this is left.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 3600;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// A file is missing, unreadable, readable by others, or not what it should be.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The lab's authority may not sign this name.
    #[error(
        "{0} is not below localhost, and the lab's own authority signs no other name: set tls.certificate and \
         tls.key to a certificate of your own"
    )]
    Name(String),
    /// Only one of the two settings is there.
    #[error("tls.certificate and tls.key belong together: set both or neither")]
    Half,
    /// The process would show the lab's certificate and trust somebody else.
    #[error(
        "tls.authority is set, and this process shows the lab's certificate, which that authority did not sign: set \
         tls.certificate and tls.key too"
    )]
    Stranger,
    /// The roots that were named cannot be used.
    #[error(transparent)]
    Roots(#[from] NoTrust),
    /// The TLS library takes no such certificate.
    #[error("a certificate cannot be shown: {0}")]
    Unfit(String),
    /// The library could not make a key or a certificate.
    #[error("a certificate cannot be made: {0}")]
    Making(#[from] rcgen::Error),
}

/// A certificate with its private key, ready to be shown.
#[derive(Debug)]
pub struct Certificate {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    trust: Trust,
}

impl Certificate {
    /// The lab's certificate for these names: read from the folder, or made and kept there.
    ///
    /// The authority is made once and kept, so that whoever trusts it need not be told again. The certificate
    /// is replaced when it lacks a name or when little of its life is left.
    pub fn lab(folder: &Path, names: &[String], clock: &dyn Clock) -> Result<Self, CertificateFault> {
        Self::signed(folder, SERVER, names, clock)
    }

    /// The lab's certificate for the service, which knows no vault's name; the same rules.
    pub fn lab_service(folder: &Path, clock: &dyn Clock) -> Result<Self, CertificateFault> {
        Self::signed(folder, SERVICE, &lab_names(&[]), clock)
    }

    fn signed(
        folder: &Path,
        pair: Pair,
        names: &[String],
        clock: &dyn Clock,
    ) -> Result<Self, CertificateFault> {
        let foreign = names.iter().find(|name| !is_lab(name));
        if let Some(name) = foreign {
            return Err(CertificateFault::Name(name.clone()));
        }
        let authority = Authority::open(folder, clock.now())?;
        let (certificate, key) = (folder.join(pair.0), folder.join(pair.1));
        if certificate.exists()
            && let Ok(found) = read(&certificate, &key, Trust::lab(authority.certificate())?)
            && found.problem(names, clock.now() + RENEW_BEFORE).is_none()
        {
            return Ok(found);
        }
        authority.issue(&certificate, &key, names, clock.now())?;
        read(&certificate, &key, Trust::lab(authority.certificate())?)
    }

    /// A certificate for one run, and the PEM of the authority that signed it; the keys of both were never in a file.
    ///
    /// The authority is held to the domains, and its key is gone when this returns.
    pub fn for_run(
        domains: &[String],
        names: &[String],
        clock: &dyn Clock,
    ) -> Result<(Self, String), CertificateFault> {
        let authority = Authority::for_run(domains, clock.now())?;
        let trust = Trust::run(authority.certificate(), domains.iter().cloned())?;
        let (signed, pair) = authority.sign(names, clock.now())?;
        let config = builder()?.with_single_cert(vec![signed.clone()], PrivateKeyDer::from(pair));
        let config = config.map_err(|error| CertificateFault::Unfit(error.to_string()))?;
        let pem = pem::encode("CERTIFICATE", authority.certificate());
        Ok((Self { config: offering(config), chain: vec![signed], trust }, pem))
    }

    /// The lab's certificate for vaults as it lies in the folder; nothing is made.
    pub fn kept(folder: &Path) -> Result<Self, CertificateFault> {
        read(&folder.join(SERVER.0), &folder.join(SERVER.1), lab_trust(folder)?)
    }

    /// The lab's certificate for the service as the vault's party made it; the authority's key is not read.
    pub fn kept_service(folder: &Path) -> Result<Self, CertificateFault> {
        read(&folder.join(SERVICE.0), &folder.join(SERVICE.1), lab_trust(folder)?)
    }

    /// The operator's own certificate chain and key, and who vouches for them.
    pub fn own(chain: &Path, key: &Path, trust: Trust) -> Result<Self, CertificateFault> {
        read(chain, key, trust)
    }

    /// What a listener shows; h2 and HTTP/1.1 are offered.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whom a client must trust to believe this certificate.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Why a client that asks for one of these names would refuse the certificate at that time.
    pub fn problem(&self, names: &[String], at: Timestamp) -> Option<String> {
        let Some((server, intermediates)) = self.chain.split_first() else {
            return Some("it is empty".into());
        };
        let parsed = match ParsedCertificate::try_from(server) {
            Ok(parsed) => parsed,
            Err(error) => return Some(error.to_string()),
        };
        for name in names {
            let Ok(asked) = ServerName::try_from(name.replace('*', "any")) else {
                return Some(format!("{name} is no name of a host"));
            };
            if verify_server_name(&parsed, &asked).is_err() {
                return Some(format!("it does not cover {name}"));
            }
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(self.trust.roots(), provider()).build();
        let verifier = match verifier {
            Ok(verifier) => verifier,
            Err(error) => return Some(error.to_string()),
        };
        let name = ServerName::try_from(names.first()?.replace('*', "any")).ok()?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.seconds()).unwrap_or(0)));
        match verifier.verify_server_cert(server, intermediates, &name, &[], at) {
            Ok(_) => None,
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Some(
                "none of the trusted authorities signed it, or an intermediate is missing in its chain"
                    .into(),
            ),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// The one provider of cryptography, named wherever TLS is set up: no default that another crate could change.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(certificate: &Path, key: &Path, trust: Trust) -> Result<Certificate, CertificateFault> {
    let chain = chain_of(certificate)?;
    let config = builder()?.with_single_cert(chain.clone(), secret(key)?);
    let config = config
        .map_err(|error| fault(certificate, format!("it does not go with {}: {error}", key.display())))?;
    Ok(Certificate { config: offering(config), chain, trust })
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, CertificateFault> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| CertificateFault::Unfit(error.to_string()))?.with_no_client_auth())
}

fn offering(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The certificates of a file, at least one.
pub(crate) fn chain_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| fault(path, error))?;
    if chain.is_empty() {
        return Err(fault(path, "it holds no certificate in PEM"));
    }
    Ok(chain)
}

/// The lab's authority as it lies in the folder: its certificate alone, no key.
pub(crate) fn lab_trust(folder: &Path) -> Result<Trust, CertificateFault> {
    Ok(Trust::lab(&first(&folder.join(AUTHORITY.0))?)?)
}

pub(crate) fn first(path: &Path) -> Result<CertificateDer<'static>, CertificateFault> {
    CertificateDer::from_pem_file(path).map_err(|error| fault(path, error))
}

/// Reads a private key that nobody else can read.
pub(crate) fn secret(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    let opened = File::open(path).map_err(|error| fault(path, error))?;
    key_file::rights(&opened, path).map_err(|error| fault(path, error))?;
    let text = io::read_to_string(opened).map_err(|error| fault(path, error))?;
    PrivateKeyDer::from_pem_slice(Zeroizing::new(text).as_bytes()).map_err(|error| fault(path, error))
}

pub(crate) fn fault(path: &Path, why: impl ToString) -> CertificateFault {
    CertificateFault::File { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use model::time::ManualClock;
    use tempfile::TempDir;

    use super::*;
    use crate::authority::{CERTIFICATE_LIFE, lab_names};
    use model::suffix::Suffix;

    use crate::settings::Kind;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn names() -> Vec<String> {
        let suffix = |text| Suffix::parse(text).expect("a suffix");
        lab_names(&[&suffix("vault.localhost:8443"), &suffix("availability.localhost")])
    }

    fn authority(certificate: &Certificate) -> Vec<Vec<u8>> {
        certificate.trust().roots().roots.iter().map(|root| root.subject_public_key_info.to_vec()).collect()
    }

    fn folder() -> TempDir {
        TempDir::new().expect("a folder")
    }

    fn lab(folder: &TempDir, clock: &ManualClock) -> Certificate {
        Certificate::lab(folder.path(), &names(), clock).expect("a certificate")
    }

    #[test]
    fn the_lab_covers_its_names_and_no_others() {
        let certificate = lab(&folder(), &ManualClock::at(NOW));
        for name in [
            "contoso-a.vault.localhost",
            "login.vault.localhost",
            "management.vault.localhost",
            "provider.availability.localhost",
            "login.availability.localhost",
            "freehold.localhost",
            "localhost",
            "127.0.0.1",
        ] {
            assert_eq!(certificate.problem(&[name.into()], NOW), None, "{name}");
        }
        for name in ["a.b.vault.localhost", "example.com", "vault.azure.net", "127.0.0.2"] {
            assert!(certificate.problem(&[name.into()], NOW).is_some(), "{name}");
        }
    }

    #[test]
    fn the_authority_is_kept_and_its_key_is_for_its_owner_alone() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        let before = lab(&folder, &clock);
        let after = lab(&folder, &clock);
        assert_eq!(authority(&before), authority(&after));
        assert_eq!(before.chain, after.chain);
        assert_eq!(Certificate::kept(folder.path()).expect("kept").chain, before.chain);
        for key in [AUTHORITY.1, SERVER.1] {
            let mode = fs::metadata(folder.path().join(key)).expect("there").permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "{key}");
        }
    }

    #[test]
    fn a_certificate_near_its_end_is_replaced_under_the_same_authority() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        let before = lab(&folder, &clock);
        clock.advance(CERTIFICATE_LIFE - RENEW_BEFORE - Duration::from_secs(60));
        assert_eq!(lab(&folder, &clock).chain, before.chain);
        clock.advance(Duration::from_secs(120));
        let after = lab(&folder, &clock);
        assert_ne!(after.chain, before.chain);
        assert_eq!(authority(&after), authority(&before));
        assert!(
            before.problem(&names(), clock.now() + RENEW_BEFORE).is_some_and(|why| why.contains("expired"))
        );
    }

    #[test]
    fn a_certificate_that_lacks_a_name_is_replaced() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        let before = lab(&folder, &clock);
        let mut more = names();
        more.push("login.other.localhost".into());
        let after = Certificate::lab(folder.path(), &more, &clock).expect("a certificate");
        assert_ne!(after.chain, before.chain);
        assert_eq!(after.problem(&more, NOW), None);
    }

    #[test]
    fn a_name_that_is_not_the_labs_is_not_signed() {
        let foreign = ["vault.example.com".to_owned()];
        let refused = Certificate::lab(folder().path(), &foreign, &ManualClock::at(NOW));
        assert!(matches!(refused, Err(CertificateFault::Name(name)) if name == "vault.example.com"));
    }

    #[test]
    fn the_authority_may_sign_nothing_outside_the_lab_whatever_its_key_does() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        lab(&folder, &clock);
        let authority = Authority::open(folder.path(), NOW).expect("the authority");
        let (certificate, secret) = (folder.path().join("x.pem"), folder.path().join("x.key"));
        authority.issue(&certificate, &secret, &["example.com".into()], NOW).expect("signed");
        let trust = Trust::lab(authority.certificate()).expect("a root");
        let forged = read(&certificate, &secret, trust).expect("read");
        assert!(
            forged.problem(&["example.com".into()], NOW).is_some_and(|why| why.contains("NameConstraint"))
        );
    }

    #[test]
    fn an_authority_of_a_run_is_held_to_its_domains_and_is_in_no_file() {
        let domains = ["vault.azure.net", "login.microsoftonline.com"].map(str::to_owned);
        let clock = ManualClock::at(NOW);
        let names = ["*.vault.azure.net", "login.microsoftonline.com"].map(str::to_owned);
        let (shown, pem) = Certificate::for_run(&domains, &names, &clock).expect("a certificate");
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(shown.problem(&names, NOW), None);
        assert!(shown.problem(&["login.microsoft.com".into()], NOW).is_some());
        // What the authority signs for another name is believed by nobody.
        let foreign = ["example.com".to_owned()];
        let (forged, _) = Certificate::for_run(&domains, &foreign, &clock).expect("signed");
        assert!(forged.problem(&foreign, NOW).is_some_and(|why| why.contains("NameConstraint")));
    }

    #[test]
    fn a_lost_or_open_authority_key_is_an_error_and_no_new_authority() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        lab(&folder, &clock);
        let key = folder.path().join(AUTHORITY.1);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("rights");
        let refused = Certificate::lab(folder.path(), &names(), &clock).expect_err("open");
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        fs::remove_file(&key).expect("removed");
        let refused = Certificate::lab(folder.path(), &names(), &clock).expect_err("lost");
        assert!(refused.to_string().contains("restore it"), "{refused}");
    }

    #[test]
    fn a_kill_between_key_and_certificate_is_mended() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        lab(&folder, &clock);
        fs::remove_file(folder.path().join(SERVER.1)).expect("removed");
        assert_eq!(lab(&folder, &clock).problem(&names(), NOW), None);
        fs::remove_file(folder.path().join(AUTHORITY.0)).expect("removed");
        assert_eq!(lab(&folder, &clock).problem(&names(), NOW), None);
    }

    #[test]
    fn parties_that_start_at_once_on_one_folder_agree() {
        let folder = folder();
        let start =
            || Certificate::lab(folder.path(), &names(), &ManualClock::at(NOW)).expect("a certificate").chain;
        let chains = thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().expect("a chain")).collect::<Vec<_>>()
        });
        assert!(chains.iter().all(|chain| *chain == chains[0]));
    }

    #[test]
    fn an_own_certificate_serves_until_it_expires_if_its_issuer_is_trusted() {
        let (folder, clock) = (folder(), ManualClock::at(NOW));
        lab(&folder, &clock);
        let (chain, key) = (folder.path().join(SERVER.0), folder.path().join(SERVER.1));
        let issuer = || Trust::root(first(&folder.path().join(AUTHORITY.0)).expect("PEM")).expect("a root");
        let own = Certificate::own(&chain, &key, issuer()).expect("own");
        assert_eq!(own.problem(&names(), NOW), None);
        assert!(own.problem(&names(), NOW + CERTIFICATE_LIFE + RENEW_BEFORE).is_some());
        assert!(own.problem(&["example.com".into()], NOW).is_some());
        let itself = Trust::root(first(&chain).expect("PEM")).expect("a root");
        let unknown = Certificate::own(&chain, &key, itself).expect("own").problem(&names(), NOW);
        assert!(unknown.is_some_and(|why| why.contains("trusted authorities")));
        let other =
            Certificate::own(&chain, &folder.path().join(AUTHORITY.1), issuer()).expect_err("another key");
        assert!(other.to_string().contains("does not go with"), "{other}");
    }
}
