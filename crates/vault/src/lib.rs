//! The key vault: keys on the Azure wire, with the slices of token service and resource manager that they need.
//!
//! One program, two uses: customers keep root keys in it, and a second instance with other settings is the provider's
//! availability vault. What is served, and what is refused with which words, is in spec/vault.md; the rows are in
//! spec/vault-store.md. TLS and sockets belong to the binary: this crate gives it a router.

mod access;
mod admin;
mod blocking;
mod core;
mod directory;
mod error;
mod graph;
mod host;
mod id;
mod identity;
mod keys;
mod log;
mod renewal;
mod reply;
mod request;
mod resource;
mod schema;
mod service_hosts;
mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod token;

use std::sync::Arc;

use axum::Router;
use crypto::{Key, Master, Random};
use model::id::DirectoryId;
use model::time::Clock;
use store::{AuditRow, Store, StoreError};

pub use crate::admin::{
    AdminFault, Administration, GivenCertificate, NewApplication, NewFederation, NewSubscription,
};
use crate::blocking::Blocking;
use crate::core::Core;
pub use crate::id::{ApplicationId, PrincipalId, SubscriptionId};
pub use crate::identity::ManagedIdentity;
use crate::keys::due::Job;
use crate::keys::private::Parsed;
pub use crate::renewal::{MAX_FORMERS, Renewal, RenewalFault, Renewed};
pub use crate::resource::role::{CRYPTO_OFFICER, ENCRYPTION_USER};
pub use crate::resource::subscription::Offer;
pub use crate::schema::SCHEMA;
pub use crate::service_hosts::{PUBLIC_SUFFIX, ServiceHosts};
pub use crate::settings::{
    GENERATIONS, Limits, MAX_BODY, OPERATIONS, PARSED_KEYS, SIGNING_KEY_LIFE, Settings, TOKEN_LIFE, WAITING,
};
use crate::token::signing::{self, SigningKeys, Unreadable};

/// One instance of the vault program; clones share it.
#[derive(Debug, Clone)]
pub struct Vault {
    core: Arc<Core>,
}

/// Why the vault did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// What is sealed in the store does not open: this is not its master key, or the store is damaged.
    #[error("the store does not open under this master key")]
    MasterKey,
    /// No key to sign tokens could be made.
    #[error("no key to sign tokens could be made")]
    SigningKey,
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A log of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log<'a> {
    /// What was done with the keys of the vault of this name.
    Vault(&'a str),
    /// What was done to a subscription, its vaults and its roles.
    Subscription(SubscriptionId),
    /// Sign-ins, and changes of users and applications.
    Directory(DirectoryId),
}

impl Vault {
    /// Opens the vault over a store that was opened with [`SCHEMA`].
    ///
    /// A master key that is not the store's is found here, before anything is served.
    pub async fn open(
        settings: Settings,
        store: Store,
        master: Key<Master>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenFault> {
        let signing = SigningKeys::load(&store, &master).await.map_err(|fault| match fault {
            Unreadable::Sealed => OpenFault::MasterKey,
            Unreadable::Store(fault) => OpenFault::Store(fault),
        })?;
        let formers = renewal::formers(&store, &master).await?;
        let limits = &settings.limits;
        let core = Core {
            parsed: Parsed::new(limits.parsed_keys),
            generations: Blocking::new(limits.generations, limits.waiting),
            operations: Blocking::new(limits.operations, limits.waiting),
            settings,
            store,
            master,
            formers,
            clock,
            random,
            signing,
        };
        keys::due::complete(&core).await?;
        match signing::signer(&core).await {
            Ok(_) => Ok(Self { core: Arc::new(core) }),
            Err(error::Stop::Store(fault)) => Err(OpenFault::Store(fault)),
            Err(_) => Err(OpenFault::SigningKey),
        }
    }

    /// The router of all hosts under the suffix; the binary puts TLS and sockets before it.
    ///
    /// It logs the address of a caller if the server gives it as `ConnectInfo<SocketAddr>`.
    pub fn router(&self) -> Router {
        Router::new().fallback(host::serve).with_state(self.core.clone())
    }

    /// The router of a managed identity: plain http, for a loopback address and nothing else.
    pub fn identity_router(&self, identity: ManagedIdentity) -> Router {
        identity::router(self.core.clone(), identity)
    }

    /// The operator's side: directories, applications, subscriptions.
    pub fn administration(&self) -> Administration {
        Administration::new(self.core.clone())
    }

    /// Does for ever what the program does by itself, with rests between; the binary drops it when it drains.
    pub async fn upkeep(&self) {
        loop {
            self.do_due().await;
            self.core.clock.sleep(keys::due::ROUND_EVERY).await;
        }
    }

    /// Does once what is due at this moment: purges and rotations.
    pub async fn do_due(&self) {
        self.purge_due().await;
        self.purge_vaults_due().await;
        self.rotate_due().await;
    }

    /// Purges every deleted key whose time is over; how many.
    pub async fn purge_due(&self) -> u64 {
        Job::Purge.round(&self.core).await
    }

    /// Purges every deleted vault whose time is over, and goes on with purges that were interrupted; how many are gone.
    pub async fn purge_vaults_due(&self) -> u64 {
        resource::vault::life::round(&self.core).await
    }

    /// Does what rotation policies ask for by now: new versions, and records of versions that are about to end; how many.
    pub async fn rotate_due(&self) -> u64 {
        Job::Rotation.round(&self.core).await
    }

    /// How many private keys are open in memory at this moment, for the operator's status page.
    pub fn parsed_keys(&self) -> usize {
        self.core.parsed.len()
    }

    /// Reads a log: records after a sequence number, at most `limit`, in order.
    pub async fn log(&self, log: Log<'_>, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let stream = match log {
            Log::Vault(name) => keys::stream(name),
            Log::Subscription(id) => resource::stream(id),
            Log::Directory(id) => directory::stream(id),
        };
        self.core.store.audit(&stream, after, limit).await
    }
}
