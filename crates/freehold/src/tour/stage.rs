//! The stage: all parties of the lab on one data folder, with a listener for each thing that can be taken away.
//!
//! Owns what is running. Each customer's vault has a listener of its own, so that one can die while the other lives;
//! killing one cuts its connections and frees its port, which is what a client sees of a machine that died.

use std::net::SocketAddr;
use std::path::Path;

use model::time::Clock;

use super::story::Broken;
use crate::exit::Failure;
use crate::layout::Layout;
use crate::listener::Listener;
use crate::node::{Edge, Lab, Program, Service, Wiring};

/// What errors about the tour's listeners name.
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
    pub(super) edge: Edge,
    lab: Lab,
    doors: [Door; 2],
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
        let hosts = Which::BOTH.map(Which::name);
        let mut lab = Lab::open(Layout::inside(data), &edge, &Wiring::lab(), &hosts).await?;
        let mut doors = std::mem::take(&mut lab.doors).into_iter().map(Door::open);
        let doors = [(); 2].map(|()| doors.next().expect("a door for each of two hosts"));
        Ok(Self { edge, lab, doors })
    }

    /// Where everything lies.
    pub(super) fn layout(&self) -> &Layout {
        &self.lab.layout
    }

    /// Custody and the workloads.
    pub(super) fn service(&self) -> &Service {
        &self.lab.service
    }

    /// The program of the customers' vaults.
    pub(super) fn customers(&self) -> &Program {
        &self.lab.customers
    }

    /// A client for whoever sits at a keyboard.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.lab.http
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
            let listener = self.lab.customers.listen(SETTING, address).map_err(Broken::because)?;
            self.door(which).listener = Some(listener);
        }
        Ok(())
    }

    /// Ends every listener.
    pub(super) async fn strike(mut self) {
        for which in Which::BOTH {
            self.kill(which).await;
        }
        self.lab.close().await;
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
