//! The way to vaults through Microsoft's client: applications for each kind of policy, and the provider's own.
//!
//! Owns the operator's half of every connection and the clients made of it. A client is made once for each
//! tenant, kind and connection number; a changed connection gets a new one and the old one's token is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::fault::Answer;
use model::id::{DepId, RequestId, TenantId};
use model::key_identifier::KeyIdentifier;
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::suffix::SuffixList;
use model::time::{BoxFuture, Clock};

use crate::connection::{Reach, VaultConnection};
use crate::roots::{Application, AzureRootKeys, Connection, Domains, NoWire, RootDescription, RootKeys};

/// How many tenants' clients are kept; the next one starts the list anew.
pub const MAX_CONNECTIONS: usize = 10_000;

/// The provider's own vault: where it is and how the service signs in to it.
#[derive(Debug)]
pub struct Provider {
    /// The service's application in the provider's directory.
    pub connection: Connection,
    /// The root keys of every provider-managed policy, without version, in two vaults.
    pub roots: [KeyIdentifier; 2],
    /// Any key of the vault that holds the availability keys; its name is replaced.
    pub availability: KeyIdentifier,
}

/// A client and the number of the connection that it was made for.
type Numbered = (u64, Arc<Domains>);

/// Reaches real vaults.
#[derive(Debug)]
pub struct AzureReach {
    applications: HashMap<PolicyKind, Vec<Arc<Application>>>,
    provider: Arc<AzureRootKeys>,
    roots: [KeyIdentifier; 2],
    availability: KeyIdentifier,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<(TenantId, PolicyKind), Numbered>>,
}

impl AzureReach {
    /// The applications by kind of policy, one for each vault domain, and the provider's own vault.
    pub fn new(
        applications: HashMap<PolicyKind, Vec<Arc<Application>>>,
        provider: Provider,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoWire> {
        Ok(Self {
            applications,
            provider: Arc::new(AzureRootKeys::new(provider.connection, clock.clone())?),
            roots: provider.roots,
            availability: provider.availability,
            clock,
            open: Mutex::default(),
        })
    }

    fn client(&self, wanted: &VaultConnection) -> Result<Arc<Domains>, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (wanted.tenant, wanted.kind);
        if let Some((number, client)) = open.get(&place)
            && *number == wanted.number
        {
            return Ok(client.clone());
        }
        let applications = self.applications.get(&wanted.kind).ok_or_else(|| {
            Refusal::new(Code::Ours, format!("no application is configured for {} policies", wanted.kind))
        })?;
        let connected = applications.iter().map(|application| {
            let connection = Connection {
                application: application.clone(),
                directory: wanted.directory,
                version: wanted.number,
            };
            AzureRootKeys::new(connection, self.clock.clone())
        });
        let connected: Vec<_> = connected
            .collect::<Result<_, NoWire>>()
            .map_err(|error| Refusal::new(Code::Ours, error.to_string()))?;
        if open.len() >= MAX_CONNECTIONS {
            open.clear();
        }
        let client = Arc::new(Domains::new(connected));
        open.insert(place, (wanted.number, client.clone()));
        Ok(client)
    }
}

impl Reach for AzureReach {
    fn customer(&self, connection: &VaultConnection) -> Result<Arc<dyn RootKeys>, Refusal> {
        Ok(self.client(connection)?)
    }

    fn provider(&self) -> Arc<dyn RootKeys> {
        self.provider.clone()
    }

    fn provider_roots(&self) -> [KeyIdentifier; 2] {
        self.roots.clone()
    }

    fn suffixes(&self, kind: PolicyKind) -> SuffixList {
        let applications = self.applications.get(&kind).into_iter().flatten();
        let suffixes: Vec<String> =
            applications.map(|application| application.cloud.suffix().to_string()).collect();
        SuffixList::new(suffixes.iter().map(String::as_str)).expect("a cloud's suffix was parsed before")
    }

    fn availability_key(&self, policy: DepId) -> KeyIdentifier {
        let vault = &self.availability;
        KeyIdentifier::from_parts(vault.vault(), vault.suffix(), &format!("dep-{policy}"), None)
            .expect("a UUID after a word is a key name, and the vault's name was parsed before")
    }

    fn create_availability_key<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>> {
        Box::pin(self.provider.create(key, request))
    }
}
