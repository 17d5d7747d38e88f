//! One vault program: its store, its master key, and the listeners that it is reached by.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crypto::{Key, Master};
use model::suffix::Suffix;
use rustls::ServerConfig;
use vault::{Limits, OpenFault, ServiceHosts, Settings, Vault};

use super::Edge;
use crate::exit::{Exit, Failure};
use crate::folder;
use crate::key_file::{KeyFile, KeyFileError};
use crate::listener::{Listener, Transport};

/// A vault program over its own store and master key.
#[derive(Debug)]
pub struct Program {
    /// The program.
    pub vault: Vault,
    /// The domain of its vaults.
    pub suffix: String,
    tls: Arc<ServerConfig>,
}

/// Settings of a program that serves this domain, with nothing that somebody chose.
pub fn settings(suffix: &Suffix, soft_delete: bool) -> Settings {
    let (hosts, limits) = (ServiceHosts::of(suffix), Limits::default());
    Settings { suffix: suffix.clone(), hosts, soft_delete, retention_at_once: false, limits }
}

/// Opens a vault over its store and master key; makes both on the first start.
pub async fn open_vault(
    database: &Path,
    master_key: &Path,
    settings: Settings,
    edge: &Edge,
) -> Result<Vault, Failure> {
    let key = KeyFile::open(master_key, database, edge.random.as_ref())?;
    let store = folder::database(database, &vault::SCHEMA).await?;
    let master = Key::<Master>::from_file(key.key);
    let vault = Vault::open(settings, store, master, edge.clock.clone(), edge.random.clone()).await;
    vault.map_err(|fault| match fault {
        OpenFault::Store(error) => error.into(),
        OpenFault::MasterKey => {
            KeyFileError::Wrong { path: master_key.to_owned(), guards: database.to_owned() }.into()
        }
        OpenFault::SigningKey => Failure::new(Exit::Ours, fault),
    })
}

impl Program {
    /// Opens the program; makes store and master key on the first start.
    pub async fn open(
        database: &Path,
        master_key: &Path,
        settings: Settings,
        tls: Arc<ServerConfig>,
        edge: &Edge,
    ) -> Result<Self, Failure> {
        let suffix = settings.suffix.to_string();
        let vault = open_vault(database, master_key, settings, edge).await?;
        Ok(Self { vault, suffix, tls })
    }

    /// Listens on an address with every host of the program behind it.
    pub fn listen(&self, setting: &'static str, address: SocketAddr) -> Result<Listener, Failure> {
        let tls = Transport::Tls(self.tls.clone());
        Ok(Listener::start(setting, address, tls, self.vault.router())?)
    }
}
