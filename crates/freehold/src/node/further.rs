//! Vaults of customers in domains that are not this installation's own: Azure's, or another house's.
//!
//! Owns what the operator says of them: domains, address ranges, authorities, and the applications that the service signs
//! in as there. Each domain's token service follows from custody's table and cannot be named.

use std::path::PathBuf;

use custody::roots::{Application, ClientId, Cloud, Credential, LabMap, Lookup, Range, Ranges, Trust};
use model::fault::CredentialOwner;
use model::policy::PolicyKind;

use super::{SignsWith, Unvouched};
use crate::authority::is_lab;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use model::suffix::Suffix;

/// What the operator said of further domains; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Further {
    domains: Vec<Suffix>,
    /// Private addresses that customers' vaults may have, in every domain.
    pub ranges: Vec<Range>,
    authority: Option<PathBuf>,
    applications: Vec<Signs>,
}

/// An application that the service signs in as.
#[derive(Debug, Clone)]
struct Signs {
    kind: PolicyKind,
    setting: &'static str,
    id: Option<ClientId>,
    with: SignsWith,
    secret: Option<PathBuf>,
}

/// Settings that say half of what is needed.
#[derive(Debug, thiserror::Error)]
enum Half {
    #[error("{0}.id and {0}.secret belong together: set both or neither")]
    Application(&'static str),
    #[error("{0}.credential lies in no file: leave {0}.secret empty, and set {0}.id")]
    NoFile(&'static str),
    #[error(
        "vault.domains has no application: set application.exchange.id and application.exchange.secret, or another kind's"
    )]
    NoApplication,
    #[error("{0}.id is set, and vault.domains is empty: name the domains that it signs in to")]
    NoDomain(&'static str),
    #[error("vault.domains names {0}, which is vault.suffix already")]
    Twice(String),
}

impl Further {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let signs = |kind, setting, id: &Option<ClientId>, with: &SignsWith, secret: &Option<PathBuf>| {
            Signs { kind, setting, id: id.clone(), with: with.clone(), secret: secret.clone() }
        };
        let applications = vec![
            signs(
                PolicyKind::Mailbox,
                "application.exchange",
                &config.exchange_id.0,
                &config.exchange_credential,
                &config.exchange_secret.0,
            ),
            signs(
                PolicyKind::SharePoint,
                "application.sharepoint",
                &config.sharepoint_id.0,
                &config.sharepoint_credential,
                &config.sharepoint_secret.0,
            ),
            signs(
                PolicyKind::MultiWorkload,
                "application.data-at-rest",
                &config.at_rest_id.0,
                &config.at_rest_credential,
                &config.at_rest_secret.0,
            ),
        ];
        Self {
            domains: config.vault_domains.0.clone(),
            ranges: config.vault_ranges.0.clone(),
            authority: config.vault_authority.0.clone(),
            applications,
        }
    }

    /// What each application that is named signs in with, with its setting: whether it can be used.
    pub fn credentials(&self) -> impl Iterator<Item = (&'static str, Result<(), Failure>)> {
        let named = self.applications.iter().filter(|signs| signs.secret.is_some() || signs.id.is_some());
        named.map(|signs| (signs.setting, signs.open().map(|_| ())))
    }

    /// An application of each kind in each domain; `own` is the domain that needs none, `trust` holds where no other
    /// authority is named.
    pub fn applications(
        &self,
        own: &Suffix,
        trust: &Trust,
    ) -> Result<Vec<(PolicyKind, Application)>, Failure> {
        let named = self.named()?;
        if let Some(twice) = self.domains.iter().find(|domain| *domain == own) {
            return Err(Failure::new(Exit::Usage, Half::Twice(twice.to_string())));
        }
        let trust = match &self.authority {
            Some(bundle) => Trust::bundle(bundle).map_err(|error| Failure::new(Exit::Usage, error))?,
            None => trust.clone(),
        };
        let mut applications = Vec::new();
        for domain in &self.domains {
            if trust.is_lab() && !is_lab(domain.host()) {
                let unvouched = Unvouched { domain: domain.host().to_owned(), setting: "vault.authority" };
                return Err(Failure::new(Exit::Usage, unvouched));
            }
            let cloud = Cloud::of(domain.clone()).map_err(|error| Failure::new(Exit::Usage, error))?;
            for (signs, id) in &named {
                let application = Application {
                    cloud: cloud.clone(),
                    client_id: (*id).clone(),
                    owner: CredentialOwner::Operator,
                    credential: signs.open()?,
                    ranges: public_and(&self.ranges)?,
                    trust: trust.clone(),
                    lab: LabMap::default(),
                    lookup: Lookup::system(),
                };
                applications.push((signs.kind, application));
            }
        }
        Ok(applications)
    }

    /// The applications that are named, each with its id; halves are refused.
    fn named(&self) -> Result<Vec<(&Signs, &ClientId)>, Failure> {
        let half = |half: Half| Failure::new(Exit::Usage, half);
        let mut named = Vec::new();
        for signs in &self.applications {
            match (&signs.id, &signs.secret, signs.with.has_file()) {
                (_, Some(_), false) => return Err(half(Half::NoFile(signs.setting))),
                (Some(_), None, true) | (None, Some(_), true) => {
                    return Err(half(Half::Application(signs.setting)));
                }
                (Some(_), ..) if self.domains.is_empty() => return Err(half(Half::NoDomain(signs.setting))),
                (Some(id), ..) => named.push((signs, id)),
                (None, None, _) => {}
            }
        }
        if named.is_empty() && !self.domains.is_empty() {
            return Err(half(Half::NoApplication));
        }
        Ok(named)
    }
}

impl Signs {
    fn open(&self) -> Result<Credential, Failure> {
        let credential = self.with.open(self.secret.as_deref(), |name| std::env::var(name).ok())?;
        if credential.is_for_rehearsal() {
            tracing::warn!(
                setting = self.setting,
                "signs in as the person at a developer's tool: for a rehearsal, not for customers"
            );
        }
        Ok(credential)
    }
}

/// The public addresses and these.
pub(super) fn public_and(ranges: &[Range]) -> Result<Ranges, Failure> {
    Ranges::public_and(ranges.to_vec()).map_err(|error| Failure::new(Exit::Usage, error))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::net::IpAddr;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::authority::Authority;
    use crate::cli::Flags;
    use crate::node::Wiring;

    fn further(set: &[(&str, &str)]) -> (Further, Suffix) {
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let flags = Flags { set, ..Flags::default() };
        let config =
            Config::load(&flags, std::iter::empty::<(OsString, OsString)>()).expect("a configuration");
        let wiring = Wiring::fixed(&config);
        (wiring.further, wiring.vault)
    }

    /// A folder with a secret and a PEM of authorities, and the trust of its lab.
    fn files() -> (TempDir, Trust) {
        let folder = TempDir::new().expect("a folder");
        let authority =
            Authority::open(folder.path(), model::time::Timestamp(1_795_000_000_000)).expect("made");
        let trust = Trust::lab(authority.certificate()).expect("a root");
        crate::key_file::create(&folder.path().join("app.secret"), b"s3cret").expect("written");
        (folder, trust)
    }

    fn path(folder: &TempDir, name: &str) -> String {
        folder.path().join(name).display().to_string()
    }

    #[test]
    fn real_azure_is_reached_by_an_application_of_ones_own_and_public_authorities() {
        let (folder, trust) = files();
        let (secret, roots) = (path(&folder, "app.secret"), path(&folder, "ca.pem"));
        let (further, own) = further(&[
            ("vault.domains", "vault.azure.net, vault.other.example:8443"),
            ("vault.ranges", "10.20.0.0/16"),
            ("vault.authority", &roots),
            ("application.exchange.id", "11111111-1111-4111-8111-111111111111"),
            ("application.exchange.secret", &secret),
        ]);
        let found = further.applications(&own, &trust).expect("configured");
        let told: Vec<_> = found.iter().map(|(kind, found)| (*kind, found.cloud.authority())).collect();
        assert_eq!(
            told,
            [
                (PolicyKind::Mailbox, "login.microsoftonline.com"),
                (PolicyKind::Mailbox, "login.vault.other.example:8443"),
            ]
        );
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (_, application) in &found {
            assert!(!application.trust.is_lab());
            assert_eq!(application.client_id.to_string(), "11111111-1111-4111-8111-111111111111");
            let allowed = ["20.50.1.2", "10.20.3.4", "10.21.0.1", "169.254.169.254"]
                .map(|a| application.ranges.allow(address(a)));
            assert_eq!(allowed, [true, true, false, false]);
        }
    }

    #[test]
    fn halves_are_refused_with_what_is_missing() {
        let (folder, trust) = files();
        let (secret, roots) = (path(&folder, "app.secret"), path(&folder, "ca.pem"));
        let app = [("application.exchange.id", "app"), ("application.exchange.secret", secret.as_str())];
        let identity = ("application.exchange.credential", "managed-identity");
        let (domain, authority) = (("vault.domains", "vault.azure.net"), ("vault.authority", roots.as_str()));
        for (set, wanted) in [
            (vec![domain, authority], "application.exchange.id"),
            (vec![domain, authority, app[0]], "application.exchange.secret"),
            (vec![app[0], app[1]], "vault.domains is empty"),
            (vec![domain, authority, identity, app[0], app[1]], "lies in no file"),
            (vec![domain, authority, identity], "has no application"),
            (vec![domain, app[0], app[1]], "vault.authority"),
            (vec![("vault.domains", "vault.localhost"), app[0], app[1]], "vault.suffix already"),
            (vec![("vault.domains", "azure.net"), authority, app[0], app[1]], "Microsoft's domain"),
        ] {
            let (further, own) = further(&set);
            let refused = further.applications(&own, &trust).expect_err("half").to_string();
            assert!(refused.contains(wanted), "{set:?}: {refused}");
        }
        let (machine, own) = further(&[domain, authority, identity, app[0]]);
        assert_eq!(machine.applications(&own, &trust).expect("no file is needed").len(), 1);
        let (nothing, own) = further(&[]);
        assert!(nothing.applications(&own, &trust).expect("nothing").is_empty());
        fs::remove_file(Path::new(&secret)).expect("removed");
        let (lost, own) = further(&[domain, authority, app[0], app[1]]);
        assert!(lost.applications(&own, &trust).expect_err("lost").to_string().contains("app.secret"));
    }
}
