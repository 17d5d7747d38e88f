//! The parties of one data folder in one process: who is opened with what, on one page.
//!
//! Owns the composition: vault programs with their stores and master keys, the provider's set-up, custody and the
//! workloads. Each party has its own store and identity, and they meet on the wire alone, here too.

mod credential;
mod entrance;
mod further;
mod lab;
mod program;
mod provider;
mod service;
mod signs_with;
mod wiring;

use std::collections::HashMap;
use std::sync::Arc;

use crypto::Random;
use custody::roots::{Application, Cloud, Connection, Credential, LabMap, Lookup, Range, Trust};
use custody::{AzureReach, Provider};
use model::fault::CredentialOwner;
use model::key_identifier::KeyIdentifier;
use model::suffix::Suffix;
use model::time::Clock;

pub use self::credential::{RENEW_SECRET, SECRET_LIFE, noted};
pub use self::entrance::Entrance;
pub use self::further::Further;
use self::further::public_and;
pub use self::lab::Lab;
pub use self::program::{Program, open_vault, settings};
pub use self::provider::{
    API_APPLICATION, APPLICATIONS, AVAILABILITY_OPERATOR, AVAILABILITY_SERVICE, PROVIDER_DIRECTORY,
    prepare_applications, prepare_provider, there,
};
pub use self::service::{SERVICE_SCHEMA, Service};
pub use self::signs_with::SignsWith;
pub use self::wiring::{AVAILABILITY_SUFFIX, VAULT_SUFFIX, Wiring};
use crate::authority::{is_lab, lab_names};
use crate::certificates::{Certificate, CertificateFault};
use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::wire::{self, Names};

/// The certificate that the listeners of these domains show; whoever connects to them trusts what it names.
pub fn shown(
    layout: &Layout,
    wiring: &Wiring,
    domains: &[&Suffix],
    edge: &Edge,
) -> Result<Certificate, Failure> {
    if let Some(own) = wiring.tls.own()? {
        let vaults = lab_names(domains).split_off(lab_names(&[]).len());
        if let Some(problem) = own.problem(&vaults, edge.clock.now()) {
            tracing::warn!(problem, "clients will refuse the certificate of tls.certificate");
        }
        return Ok(own);
    }
    // Of the lab all parties of the folder show one certificate: it covers the others' names too, where it can.
    let others = [&wiring.vault, &wiring.availability].into_iter();
    let others = others.filter(|other| is_lab(other.host()) && !domains.contains(other));
    let all: Vec<_> = domains.iter().copied().chain(others).collect();
    Ok(Certificate::lab(&layout.tls(), &lab_names(&all), edge.clock.as_ref())?)
}

/// The certificate that the service will show, where the lab's are shown; made beside the authority's key.
pub fn prepare_service_certificate(layout: &Layout, wiring: &Wiring, edge: &Edge) -> Result<(), Failure> {
    if wiring.tls.own()?.is_none() {
        Certificate::lab_service(&layout.tls(), edge.clock.as_ref())?;
    }
    Ok(())
}

/// The way to vaults that run elsewhere.
pub struct Remote {
    /// Custody's.
    pub reach: AzureReach,
    /// A client that finds their names and trusts whoever vouches for them.
    pub http: reqwest::Client,
}

/// The way to vaults that run elsewhere: at the addresses of the configuration, with what it says of trust.
pub fn remote(layout: &Layout, wiring: &Wiring, edge: &Edge) -> Result<Remote, Failure> {
    let trust = wiring.tls.trusted(&layout.tls()).map_err(|error| match error {
        error @ CertificateFault::File { .. } => {
            let todo = "start the vault and the availability vault first, or set tls.authority";
            Failure::new(Exit::Outage, format!("{error}: {todo}"))
        }
        error => error.into(),
    })?;
    let names = Names::new(vec![
        (wiring.vault.host().to_owned(), wiring.vault_at),
        (wiring.availability.host().to_owned(), wiring.availability_at),
    ]);
    let http = wire::client(&trust, names.clone()).map_err(|error| Failure::new(Exit::Ours, error))?;
    Ok(Remote { reach: reach(layout, &trust, &names, wiring, edge.clock.clone())?, http })
}

/// The way from custody to every vault of an installation, by the credentials that lie in the keys folder.
pub fn reach(
    layout: &Layout,
    trust: &Trust,
    names: &Names,
    wiring: &Wiring,
    clock: Arc<dyn Clock>,
) -> Result<AzureReach, Failure> {
    let customers = applications_of(layout, trust, names, &wiring.vault, &wiring.further.ranges)?;
    let mut applications = HashMap::new();
    for (kind, name, client_id) in APPLICATIONS {
        applications.insert(kind, vec![Arc::new(customers(name, client_id)?)]);
    }
    for (kind, application) in wiring.further.applications(&wiring.vault, trust)? {
        applications.entry(kind).or_default().push(Arc::new(application));
    }
    let service = applications_of(layout, trust, names, &wiring.availability, &wiring.availability_ranges)?;
    let suffix = &wiring.availability;
    let key = |vault, name| {
        KeyIdentifier::from_parts(vault, suffix, name, None).expect("the provider's vaults have plain names")
    };
    let provider = Provider {
        connection: Connection {
            application: Arc::new(service(provider::SERVICE.0, provider::SERVICE.1)?),
            directory: provider::directory(),
            version: 0,
        },
        roots: ["provider-a", "provider-b"].map(|vault| key(vault, "root")),
        availability: key("availability", "any"),
    };
    AzureReach::new(applications, provider, clock).map_err(|error| Failure::new(Exit::Ours, error))
}

/// Makes applications of one vault domain from their credentials on disk.
fn applications_of<'a>(
    layout: &'a Layout,
    trust: &'a Trust,
    names: &Names,
    suffix: &Suffix,
    ranges: &[Range],
) -> Result<impl Fn(&str, &str) -> Result<Application, Failure> + use<'a>, Failure> {
    let ours = |error: &dyn std::error::Error| Failure::new(Exit::Ours, error.to_string());
    let cloud = Cloud::of(suffix.clone()).map_err(|error| ours(&error))?;
    if trust.is_lab() && !trust.vouches_for(suffix.host()) {
        let unvouched = Unvouched { domain: suffix.host().to_owned(), setting: "tls.authority" };
        return Err(Failure::new(Exit::Usage, unvouched));
    }
    let lab = names.entries().iter().filter(|(name, _)| is_lab(name) || trust.vouches_for(name)).cloned();
    let lab = LabMap::run(lab, trust).map_err(|error| ours(&error))?;
    let ranges = public_and(ranges)?;
    Ok(move |name: &str, client_id: &str| {
        let path = layout.credential(name);
        Ok(Application {
            cloud: cloud.clone(),
            client_id: client_id.parse().map_err(|error| ours(&error))?,
            owner: CredentialOwner::Operator,
            credential: Credential::secret(&path).map_err(|error| ours(&error))?,
            ranges: ranges.clone(),
            trust: trust.clone(),
            lab: lab.clone(),
            lookup: Lookup::system(),
        })
    })
}

/// Vaults that nobody vouches for.
#[derive(Debug, thiserror::Error)]
#[error(
    "{domain} is not below localhost, and the lab's own authority vouches for no other name: set {setting}"
)]
struct Unvouched {
    domain: String,
    setting: &'static str,
}

/// Clock and randomness, which enter here and are handed down.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::clock::SystemClock;
    use crate::random::SystemRandom;
    use crate::settings::Kind;

    #[test]
    fn a_party_of_the_lab_shows_its_own_names_wherever_the_others_are() {
        let folder = TempDir::new().expect("a folder");
        let layout = Layout::inside(folder.path());
        std::fs::create_dir(layout.tls()).expect("made");
        let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
        let here = Wiring::lab();
        let away = Suffix::parse("availability.example.com").expect("a suffix");
        let apart = Wiring { availability: away, ..here.clone() };
        let covers =
            |shown: &Certificate, suffix| shown.problem(&lab_names(&[suffix]), edge.clock.now()).is_none();
        let alone = shown(&layout, &apart, &[&apart.vault], &edge).expect("its own names are the lab's");
        assert!(covers(&alone, &here.vault) && !covers(&alone, &here.availability));
        let refused = shown(&layout, &apart, &[&apart.availability], &edge).expect_err("not the lab's");
        assert!(refused.to_string().contains("tls.certificate"), "{refused}");
        for domains in [[&here.vault], [&here.availability]] {
            let one = shown(&layout, &here, &domains, &edge).expect("made");
            assert!(
                covers(&one, &here.vault) && covers(&one, &here.availability),
                "one for the whole folder"
            );
        }
    }
}
