//! The parties of one data folder in one process: who is opened with what, on one page.
//!
//! Owns the composition: vault programs with their stores and master keys, the provider's set-up, custody and the
//! workloads. Each party has its own store and identity, and they meet on the wire alone, here too.

mod credential;
mod further;
mod lab;
mod program;
mod provider;
mod service;
mod wiring;

use std::collections::HashMap;
use std::sync::Arc;

use crypto::Random;
use custody::roots::{Application, ClientSecret, Cloud, Connection, LabMap, Lookup, Range, Trust};
use custody::{AzureReach, Provider};
use model::fault::CredentialOwner;
use model::key_identifier::KeyIdentifier;
use model::suffix::Suffix;
use model::time::Clock;

pub use self::credential::{RENEW_SECRET, SECRET_LIFE, noted};
pub use self::further::Further;
use self::further::public_and;
pub use self::lab::Lab;
pub use self::program::Program;
pub use self::provider::{
    APPLICATIONS, AVAILABILITY_OPERATOR, AVAILABILITY_SERVICE, PROVIDER_DIRECTORY, prepare_applications,
    prepare_provider, there,
};
pub use self::service::{SERVICE_SCHEMA, Service};
pub use self::wiring::{AVAILABILITY_SUFFIX, VAULT_SUFFIX, Wiring};
use crate::authority::{is_lab, lab_names};
use crate::certificates::{Certificate, CertificateFault};
use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::settings;
use crate::wire::Names;

/// The certificate that every listener of the process shows; whoever connects to it trusts what it names.
pub fn shown(layout: &Layout, wiring: &Wiring, edge: &Edge) -> Result<Certificate, Failure> {
    let names = lab_names(&[&wiring.vault, &wiring.availability]);
    Ok(wiring.tls.shown(&layout.tls(), &names, edge.clock.as_ref())?)
}

/// The way to vaults that run elsewhere: at the addresses of the configuration, with what it says of trust.
pub fn remote_reach(layout: &Layout, wiring: &Wiring, edge: &Edge) -> Result<AzureReach, Failure> {
    let trust = wiring.tls.trusted(&layout.tls()).map_err(|error| match error {
        error @ CertificateFault::File { .. } => {
            let todo = "start the vault and the availability vault first, or set tls.authority";
            Failure::new(Exit::Outage, format!("{error}: {todo}"))
        }
        error => error.into(),
    })?;
    let names = Names::new(vec![
        (wiring.vault.domain().to_owned(), wiring.vault_at),
        (wiring.availability.domain().to_owned(), wiring.availability_at),
    ]);
    reach(layout, &trust, &names, wiring, edge.clock.clone())
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
    let suffix = parsed(&wiring.availability)?;
    let key = |vault, name| {
        KeyIdentifier::from_parts(vault, &suffix, name, None).expect("the provider's vaults have plain names")
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
    suffix: &settings::Suffix,
    ranges: &[Range],
) -> Result<impl Fn(&str, &str) -> Result<Application, Failure> + use<'a>, Failure> {
    let ours = |error: &dyn std::error::Error| Failure::new(Exit::Ours, error.to_string());
    let cloud = Cloud::of(parsed(suffix)?).map_err(|error| ours(&error))?;
    if trust.is_lab() && !is_lab(suffix.domain()) {
        let unvouched = Unvouched { domain: suffix.domain().to_owned(), setting: "tls.authority" };
        return Err(Failure::new(Exit::Usage, unvouched));
    }
    let lab = names.entries().iter().filter(|(name, _)| is_lab(name)).cloned();
    let lab = LabMap::new(lab).map_err(|error| ours(&error))?;
    let ranges = public_and(ranges)?;
    Ok(move |name: &str, client_id: &str| {
        let path = layout.credential(name);
        Ok(Application {
            cloud: cloud.clone(),
            client_id: client_id.parse().map_err(|error| ours(&error))?,
            owner: CredentialOwner::Operator,
            secret: ClientSecret::read(&path).map_err(|error| ours(&error))?,
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

fn parsed(suffix: &settings::Suffix) -> Result<Suffix, Failure> {
    suffix.as_str().parse().map_err(|error| Failure::new(Exit::Usage, error))
}

/// Clock and randomness, which enter here and are handed down.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
}
