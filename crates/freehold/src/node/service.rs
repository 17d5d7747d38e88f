//! The service: custody and the workloads over the service's own stores.

use std::sync::{Arc, LazyLock};

use crypto::{Key, Volume};
use custody::{Custody, CustodySettings, Parts, Reach};
use store::{Blobs, Migration, Replica, Schema, Store, Table};
use workloads::Engine;

use super::Edge;
use crate::exit::Failure;
use crate::folder;
use crate::key_file::{KeyFile, KeyFileError};
use crate::layout::Layout;

/// The service's database: custody's tables and the workloads' in one, so that both can share a transaction.
pub static SERVICE_SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let tables: Vec<Table> = custody::TABLES.iter().chain(workloads::TABLES).copied().collect();
    let migrations = &[Migration { to: 2, steps: custody::ADDED }];
    Schema { owner: "service", version: 2, tables: tables.leak(), migrations }
});

/// Custody and the workloads of one node.
#[derive(Debug, Clone)]
pub struct Service {
    /// Policies, keys, audit.
    pub custody: Custody,
    /// Mailboxes and sites.
    pub engine: Engine,
    /// The service's database.
    pub store: Store,
    /// The wrap sets' database.
    pub wraps: Store,
}

impl Service {
    /// Opens the service's stores and composes custody and the workloads over them.
    pub async fn open(layout: &Layout, reach: Arc<dyn Reach>, edge: &Edge) -> Result<Self, Failure> {
        let database = layout.service_database();
        let volume = KeyFile::open(&layout.volume_key(), &database, edge.random.as_ref())?;
        let store = folder::database(&database, &SERVICE_SCHEMA).await?;
        let path = volume.path;
        let volume = Key::<Volume>::from_file(volume.key);
        if !custody::is_volume_key_of(&store, &volume, edge.random.as_ref()).await? {
            return Err(KeyFileError::Wrong { path, guards: database }.into());
        }
        let wraps = folder::database(&layout.wraps_database(), &custody::WRAPS_SCHEMA).await?;
        let blobs = Blobs::folder(&layout.blobs()).await?;
        let parts = Parts {
            store: store.clone(),
            wraps: wraps.clone(),
            replica: Replica::open(layout.wraps_replica()).await?,
            reach,
            volume,
            settings: CustodySettings::default(),
            clock: edge.clock.clone(),
            random: edge.random.clone(),
        };
        let custody = Custody::open(parts).await?;
        let keys = Arc::new(custody.clone());
        let engine = Engine::open(store.clone(), blobs, keys, edge.clock.clone(), edge.random.clone());
        Ok(Self { custody, engine, store, wraps })
    }
}
