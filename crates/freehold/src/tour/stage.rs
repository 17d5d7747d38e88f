//! The stage: all parties of the lab on one data folder, with a listener for each thing that can be taken away.
//!
//! Owns what is running. Each customer's vault has a listener of its own, so that one can die while the other lives;
//! killing one cuts its connections and frees its port, which is what a client sees of a machine that died.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use custody::Reach;
use model::time::Clock;

use super::story::Broken;
use crate::authority::lab_names;
use crate::certificates::Certificate;
use crate::exit::{Exit, Failure};
use crate::folder::DataFolder;
use crate::layout::Layout;
use crate::listener::Listener;
use crate::node::{
    AVAILABILITY_SUFFIX, Edge, Program, Service, VAULT_SUFFIX, lab_reach, prepare_applications,
    prepare_provider,
};
use crate::settings::{Kind, Role, Suffix};
use crate::wire::{self, Names};

/// The setting that errors about the tour's listeners name.
const SETTING: &str = "the tour";

/// One of the customer's two vaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    A,
    B,
}

impl Which {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The vault's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::A => "contoso-a",
            Self::B => "contoso-b",
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) layout: Layout,
    pub(super) edge: Edge,
    pub(super) customers: Program,
    pub(super) service: Service,
    pub(super) http: reqwest::Client,
    doors: [Door; 2],
    others: Vec<Listener>,
    _provider: Program,
    _folder: DataFolder,
}

/// The listener of one vault, which may be dead; its address stays.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    listener: Option<Listener>,
}

impl Stage {
    /// Opens every party on a data folder and makes what the provider needs.
    pub(super) async fn set(data: &Path, edge: Edge) -> Result<Self, Failure> {
        let folder = DataFolder::open(Layout::inside(data), Role::All)?;
        let layout = folder.layout.clone();
        let suffixes =
            [VAULT_SUFFIX, AVAILABILITY_SUFFIX].map(|suffix| Suffix::parse(suffix).expect("a suffix"));
        let names = lab_names(&[&suffixes[0], &suffixes[1]]);
        let certificate = Certificate::lab(&layout.tls(), &names, edge.clock.as_ref());
        let certificate = certificate.map_err(|error| Failure::new(Exit::Ours, error))?;
        let authority = certificate.authority().expect("the lab's certificate has an authority").clone();
        let tls = certificate.server_config();
        let customers = Program::open(
            &layout.vault_database(),
            &layout.vault_master_key(),
            VAULT_SUFFIX,
            true,
            tls.clone(),
            &edge,
        )
        .await?;
        let provider = Program::open(
            &layout.availability_vault_database(),
            &layout.availability_master_key(),
            AVAILABILITY_SUFFIX,
            false,
            tls,
            &edge,
        )
        .await?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let rest = customers.listen(SETTING, any)?;
        let availability = provider.listen(SETTING, any)?;
        let doors = Which::BOTH.map(|_| customers.listen(SETTING, any));
        let [a, b] = doors;
        let doors = [Door::open(a?), Door::open(b?)];
        let mut entries = vec![
            (VAULT_SUFFIX.to_owned(), rest.address()),
            (AVAILABILITY_SUFFIX.to_owned(), availability.address()),
        ];
        for (which, door) in Which::BOTH.into_iter().zip(&doors) {
            entries.push((format!("{}.{VAULT_SUFFIX}", which.name()), door.address));
        }
        let names = Names::new(entries);
        let http =
            wire::client(&authority, names.clone()).map_err(|error| Failure::new(Exit::Ours, error))?;
        prepare_applications(&customers, &layout).await?;
        prepare_provider(&provider, &layout, &http).await?;
        let reach: Arc<dyn Reach> = Arc::new(lab_reach(&layout, &authority, &names, edge.clock.clone())?);
        let service = Service::open(&layout, reach, &edge).await?;
        let others = vec![rest, availability];
        Ok(Self {
            layout,
            edge,
            customers,
            service,
            http,
            doors,
            others,
            _provider: provider,
            _folder: folder,
        })
    }

    /// The clock that everything on the stage runs by.
    pub(super) fn clock(&self) -> &dyn Clock {
        self.edge.clock.as_ref()
    }

    /// Kills the listener of a vault; its rights and keys stay as they are.
    pub(super) async fn kill(&mut self, which: Which) {
        if let Some(listener) = self.door(which).listener.take() {
            listener.kill().await;
        }
    }

    /// Lets a dead vault listen again, at the same address.
    pub(super) fn revive(&mut self, which: Which) -> Result<(), Broken> {
        let address = self.door(which).address;
        if self.door(which).listener.is_none() {
            let listener = self.customers.listen(SETTING, address).map_err(Broken::because)?;
            self.door(which).listener = Some(listener);
        }
        Ok(())
    }

    /// Ends every listener.
    pub(super) async fn strike(mut self) {
        for which in Which::BOTH {
            self.kill(which).await;
        }
        for listener in self.others {
            listener.kill().await;
        }
    }

    fn door(&mut self, which: Which) -> &mut Door {
        match which {
            Which::A => &mut self.doors[0],
            Which::B => &mut self.doors[1],
        }
    }
}

impl Door {
    fn open(listener: Listener) -> Self {
        Self { address: listener.address(), listener: Some(listener) }
    }
}
