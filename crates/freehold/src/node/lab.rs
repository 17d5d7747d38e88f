//! All three parties on one data folder, on free ports of this machine.
//!
//! Owns what runs when nobody asked for fixed addresses: the tour, and commands that work on a data folder. The
//! lab's names carry no port, so the same folder opens again wherever there is room.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use custody::Reach;

use super::{
    AVAILABILITY_SUFFIX, Edge, Program, Service, VAULT_SUFFIX, lab_reach, prepare_applications,
    prepare_provider,
};
use crate::authority::lab_names;
use crate::certificates::Certificate;
use crate::exit::{Exit, Failure};
use crate::folder::DataFolder;
use crate::layout::Layout;
use crate::listener::Listener;
use crate::settings::{Kind, Role, Suffix};
use crate::wire::{self, Names};

/// What errors about the lab's listeners name.
const SETTING: &str = "the lab";

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
    pub async fn open(layout: Layout, edge: &Edge, hosts: &[&str]) -> Result<Self, Failure> {
        let folder = DataFolder::open(layout, Role::All)?;
        let layout = folder.layout.clone();
        let suffixes = [VAULT_SUFFIX, AVAILABILITY_SUFFIX]
            .map(|suffix| Suffix::parse(suffix).expect("the lab's suffixes are suffixes"));
        let names = lab_names(&[&suffixes[0], &suffixes[1]]);
        let certificate = Certificate::lab(&layout.tls(), &names, edge.clock.as_ref());
        let certificate = certificate.map_err(|error| Failure::new(Exit::Ours, error))?;
        let authority = certificate.authority().expect("the lab's certificate has an authority").clone();
        let tls = certificate.server_config();
        let (database, master) = (layout.vault_database(), layout.vault_master_key());
        let customers = Program::open(&database, &master, VAULT_SUFFIX, true, tls.clone(), edge).await?;
        let (database, master) = (layout.availability_vault_database(), layout.availability_master_key());
        let provider = Program::open(&database, &master, AVAILABILITY_SUFFIX, false, tls, edge).await?;

        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let rest = customers.listen(SETTING, any)?;
        let availability = provider.listen(SETTING, any)?;
        let mut entries = vec![
            (VAULT_SUFFIX.to_owned(), rest.address()),
            (AVAILABILITY_SUFFIX.to_owned(), availability.address()),
        ];
        let mut doors = Vec::with_capacity(hosts.len());
        for host in hosts {
            let door = customers.listen(SETTING, any)?;
            entries.push((format!("{host}.{VAULT_SUFFIX}"), door.address()));
            doors.push(door);
        }
        let names = Names::new(entries);
        let http =
            wire::client(&authority, names.clone()).map_err(|error| Failure::new(Exit::Ours, error))?;
        prepare_applications(&customers, &layout).await?;
        prepare_provider(&provider, &layout, &http).await?;
        let reach: Arc<dyn Reach> = Arc::new(lab_reach(&layout, &authority, &names, edge.clock.clone())?);
        let service = Service::open(&layout, reach, edge).await?;
        let others = vec![rest, availability];
        Ok(Self { layout, customers, provider, service, http, doors, others, _folder: folder })
    }

    /// Ends every listener that is still here.
    pub async fn close(self) {
        for listener in self.doors.into_iter().chain(self.others) {
            listener.kill().await;
        }
    }
}
