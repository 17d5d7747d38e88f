//! All three parties on one data folder, on free ports of this machine.
//!
//! Owns what runs when nobody asked for fixed addresses: the tour, and commands that work on a data folder. The
//! lab's names carry no port, so the same folder opens again wherever there is room.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use custody::Reach;
use vault::{ServiceHosts, Settings};

use super::program::settings;
use super::{Edge, Program, Service, Wiring, prepare_applications, prepare_provider, reach, shown};
use crate::certificates::Certificate;
use crate::exit::{Exit, Failure};
use crate::folder::DataFolder;
use crate::layout::Layout;
use crate::listener::Listener;
use crate::settings::Role;
use crate::wire::{self, Names};

/// Everything that runs.
#[derive(Debug)]
pub struct Lab {
    /// Where everything lies.
    pub layout: Layout,
    /// The program of the customers' vaults.
    pub customers: Program,
    /// The program of the provider's availability vault.
    pub provider: Program,
    /// Custody and the workloads.
    pub service: Service,
    /// A client that finds the lab's names and trusts its authority.
    pub http: reqwest::Client,
    /// A listener for each host that was asked for one of its own, in their order.
    pub doors: Vec<Listener>,
    others: Vec<Listener>,
    _folder: DataFolder,
}

impl Lab {
    /// Opens every party on a data folder and makes what the provider needs; each of `hosts` gets its own listener.
    pub async fn open(layout: Layout, edge: &Edge, wiring: &Wiring, hosts: &[&str]) -> Result<Self, Failure> {
        let folder = DataFolder::open(layout, Role::All)?;
        let certificate = shown(&folder.layout, wiring, &[&wiring.vault, &wiring.availability], edge)?;
        Self::showing(&certificate, folder, edge, wiring, hosts).await
    }

    /// The same on a folder that is held already, with a certificate that somebody else made.
    pub async fn showing(
        certificate: &Certificate,
        folder: DataFolder,
        edge: &Edge,
        wiring: &Wiring,
        hosts: &[&str],
    ) -> Result<Self, Failure> {
        let layout = folder.layout.clone();
        let (trust, tls) = (certificate.trust(), certificate.server_config());
        let customers =
            Settings { retention_at_once: wiring.retention_at_once, ..settings(&wiring.vault, true) };
        let (database, master) = (layout.vault_database(), layout.vault_master_key());
        let customers = Program::open(&database, &master, customers, tls.clone(), edge).await?;
        let (database, master) = (layout.availability_vault_database(), layout.availability_master_key());
        let provider =
            Program::open(&database, &master, settings(&wiring.availability, false), tls, edge).await?;

        let rest = customers.listen("vault.listen", wiring.vault_at)?;
        let availability = provider.listen("availability-vault.listen", wiring.availability_at)?;
        let mut entries = vec![
            (wiring.vault.host().to_owned(), rest.address()),
            (wiring.availability.host().to_owned(), availability.address()),
        ];
        let services = ServiceHosts::of(&wiring.vault);
        let host = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
        entries.extend(services.all().map(|name| (host(name), rest.address())));
        let mut doors = Vec::with_capacity(hosts.len());
        for host in hosts {
            let door = customers.listen("the tour", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            entries.push((format!("{host}.{}", wiring.vault.host()), door.address()));
            doors.push(door);
        }
        let names = Names::new(entries);
        let http = wire::client(trust, names.clone()).map_err(|error| Failure::new(Exit::Ours, error))?;
        prepare_applications(&customers, &layout, edge.clock.now()).await?;
        prepare_provider(&provider, &layout, &http, edge.clock.now()).await?;
        let reach: Arc<dyn Reach> = Arc::new(reach(&layout, trust, &names, wiring, edge.clock.clone())?);
        let service = Service::open(&layout, reach, edge).await?;
        let others = vec![rest, availability];
        Ok(Self { layout, customers, provider, service, http, doors, others, _folder: folder })
    }

    /// Where the customers' vaults, and then the availability vault, listen.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.others.iter().map(Listener::address)
    }

    /// Lets open requests end, for at most this long.
    pub async fn drain(self, at_most: Duration) {
        let listeners = self.doors.into_iter().chain(self.others);
        futures::future::join_all(listeners.map(|listener| listener.drain(at_most))).await;
    }

    /// Ends every listener that is still here.
    pub async fn close(self) {
        for listener in self.doors.into_iter().chain(self.others) {
            listener.kill().await;
        }
    }
}
