//! The stage: all parties of the lab on one data folder, with a listener for each thing that can be taken away.
//!
//! Owns what is running. Each customer's vault has a listener of its own, so that one can die while the other lives;
//! killing one cuts its connections and refuses new ones, which is what a client sees of a machine that died.

use std::net::SocketAddr;
use std::path::Path;

use model::time::Clock;
use tokio::net::TcpSocket;

use super::reception::Reception;
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

    /// The vault's name; each lies in a subscription of its own.
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
    reception: Reception,
    doors: [Door; 2],
}

/// The door of one vault; its address stays the same whatever happens to it.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    state: DoorState,
}

#[derive(Debug)]
enum DoorState {
    Open(Listener),
    /// Nobody listens. The port is kept all the same, so that no other program moves in meanwhile.
    Dead(Option<TcpSocket>),
}

impl Stage {
    /// Opens every party on a data folder and makes what the provider needs.
    pub(super) async fn set(data: &Path, edge: Edge) -> Result<Self, Failure> {
        let hosts = Which::BOTH.map(Which::name);
        let wiring = Wiring::lab();
        let mut lab = Lab::open(Layout::inside(data), &edge, &wiring, &hosts).await?;
        let reception = Reception::open(&lab, &wiring, &edge)?;
        let mut doors = std::mem::take(&mut lab.doors).into_iter().map(Door::open);
        let doors = [(); 2].map(|()| doors.next().expect("a door for each of two hosts"));
        Ok(Self { edge, lab, reception, doors })
    }

    /// Everything that runs, as stage hands see it.
    pub(super) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Where everything lies.
    pub(super) fn layout(&self) -> &Layout {
        &self.lab.layout
    }

    /// The service's API, and who calls it.
    pub(super) fn reception(&self) -> &Reception {
        &self.reception
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

    /// Whether each vault listens.
    pub(super) fn alive(&self) -> [bool; 2] {
        self.doors.each_ref().map(|door| matches!(door.state, DoorState::Open(_)))
    }

    /// Kills the listener of a vault, if it lives; its rights and keys stay as they are.
    pub(super) async fn kill(&mut self, which: Which) {
        let door = &mut self.doors[which as usize];
        if let DoorState::Open(listener) = std::mem::replace(&mut door.state, DoorState::Dead(None)) {
            listener.kill().await;
            door.state = DoorState::Dead(kept(door.address).ok());
        }
    }

    /// Lets a dead vault listen again, at the same address.
    pub(super) fn revive(&mut self, which: Which) -> Result<(), Broken> {
        let door = &mut self.doors[which as usize];
        if let DoorState::Dead(port) = &mut door.state {
            drop(port.take());
            let listener = self.lab.customers.listen(SETTING, door.address).map_err(Broken::because)?;
            door.state = DoorState::Open(listener);
        }
        Ok(())
    }

    /// Ends every listener.
    pub(super) async fn strike(mut self) {
        for which in Which::BOTH {
            self.kill(which).await;
        }
        self.reception.close().await;
        self.lab.close().await;
    }
}

impl Door {
    fn open(listener: Listener) -> Self {
        Self { address: listener.address(), state: DoorState::Open(listener) }
    }
}

/// Takes a port without listening on it: whoever connects is refused.
fn kept(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
