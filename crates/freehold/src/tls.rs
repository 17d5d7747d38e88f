//! Which certificate a process shows, and whose certificates it trusts when it connects: one answer for every party.
//!
//! Owns the choice between the lab's authority and the operator's own files. Reading a certificate and judging it is
//! `certificates`'. Nothing of the lab is made or read where the operator brings files of their own.

use std::path::{Path, PathBuf};

use custody::roots::Trust;

use crate::certificates::{Certificate, CertificateFault, chain_of, lab_trust};
use crate::config::Config;

/// What the operator chose; nothing chosen is the lab.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authority: Option<PathBuf>,
}

impl Tls {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            certificate: config.tls_certificate.0.clone(),
            key: config.tls_key.0.clone(),
            authority: config.tls_authority.0.clone(),
        }
    }

    /// Whether the operator brings a certificate, whole or by half.
    pub fn is_brought(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }

    /// Whether the operator names who vouches for vaults that run elsewhere.
    pub fn names_authority(&self) -> bool {
        self.authority.is_some()
    }

    /// The operator's own certificate; `None` where the lab's is shown.
    pub fn own(&self) -> Result<Option<Certificate>, CertificateFault> {
        match (self.pair()?, &self.authority) {
            (Some((chain, key)), _) => Ok(Some(Certificate::own(chain, key, self.named(chain)?)?)),
            (None, Some(_)) => Err(CertificateFault::Stranger),
            (None, None) => Ok(None),
        }
    }

    /// Whom a process without a vault of its own trusts; no private key is read for it.
    pub fn trusted(&self, folder: &Path) -> Result<Trust, CertificateFault> {
        match (self.pair()?, &self.authority) {
            (Some((chain, _)), _) => self.named(chain),
            (None, Some(bundle)) => Ok(Trust::bundle(bundle)?),
            (None, None) => lab_trust(folder),
        }
    }

    fn pair(&self) -> Result<Option<(&Path, &Path)>, CertificateFault> {
        match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => Ok(Some((chain, key))),
            (None, None) => Ok(None),
            _ => Err(CertificateFault::Half),
        }
    }

    /// The authorities of the setting, else the top of the chain.
    fn named(&self, chain: &Path) -> Result<Trust, CertificateFault> {
        match &self.authority {
            Some(bundle) => Ok(Trust::bundle(bundle)?),
            None => Ok(Trust::root(chain_of(chain)?.pop().expect("a chain has a certificate"))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::time::{ManualClock, Timestamp};
    use tempfile::TempDir;

    use super::*;
    use crate::authority::lab_names;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    /// A folder with files as an operator has them: `server.pem`, `server.key`, `ca.pem`.
    fn files() -> TempDir {
        let folder = TempDir::new().expect("a folder");
        Certificate::lab(folder.path(), &lab_names(&[]), &ManualClock::at(NOW)).expect("made");
        folder
    }

    fn tls(folder: &TempDir, names: [Option<&str>; 3]) -> Tls {
        let [certificate, key, authority] = names.map(|name| name.map(|name| folder.path().join(name)));
        Tls { certificate, key, authority }
    }

    #[test]
    fn own_files_are_shown_and_trusted_and_nothing_of_the_lab_is_read() {
        let files = files();
        let own = tls(&files, [Some("server.pem"), Some("server.key"), Some("ca.pem")]);
        let shown = own.own().expect("its own").expect("set");
        assert_eq!(shown.problem(&lab_names(&[]), NOW), None);
        assert!(!own.trusted(Path::new("nowhere")).expect("its own").is_lab());
    }

    #[test]
    fn without_an_authority_the_top_of_the_chain_is_trusted() {
        let files = files();
        let text = |name| fs::read_to_string(files.path().join(name)).expect("read");
        fs::write(files.path().join("chain.pem"), text("server.pem") + &text("ca.pem")).expect("written");
        let whole = tls(&files, [Some("chain.pem"), Some("server.key"), None]).own().expect("own");
        assert_eq!(whole.expect("set").problem(&lab_names(&[]), NOW), None);
        let alone = tls(&files, [Some("server.pem"), Some("server.key"), None]).own().expect("own");
        assert!(alone.expect("set").problem(&lab_names(&[]), NOW).is_some(), "its issuer is not there");
    }

    #[test]
    fn halves_are_refused_and_an_authority_alone_is_for_who_shows_nothing() {
        let files = files();
        for half in [[Some("server.pem"), None, None], [None, Some("server.key"), None]] {
            assert!(matches!(tls(&files, half).own(), Err(CertificateFault::Half)));
            assert!(matches!(tls(&files, half).trusted(files.path()), Err(CertificateFault::Half)));
        }
        let alone = tls(&files, [None, None, Some("ca.pem")]);
        assert!(!alone.trusted(Path::new("nowhere")).expect("named").is_lab());
        assert!(matches!(alone.own(), Err(CertificateFault::Stranger)));
    }

    #[test]
    fn who_only_connects_to_the_lab_needs_its_authority_and_no_private_key() {
        let files = files();
        for key in ["server.key", "ca.key", "server.pem"] {
            fs::remove_file(files.path().join(key)).expect("removed");
        }
        assert!(Tls::default().trusted(files.path()).expect("the lab's").is_lab());
    }
}
