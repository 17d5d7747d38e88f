//! `freehold serve`: one party, or all three, until told to stop.
//!
//! Owns the life of the process: what is opened and in which order, what is told at the start, how it ends. What is
//! served belongs to the rooms below.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::suffix::Suffix;
use vault::ServiceHosts;

use crate::authority::AUTHORITY;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};
use crate::folder::{DataFolder, Standing};
use crate::layout::Layout;
use crate::listener::Listener;
use crate::node::{
    Edge, Entrance, Lab, Program, Remote, Service, Wiring, prepare_applications, prepare_provider,
    prepare_service_certificate, remote, settings, shown,
};
use crate::random::SystemRandom;
use crate::settings::Role;
use crate::signals::Signals;
use crate::wire::{self, Names};

/// How long the sweep of orphan blobs rests between two rounds.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long open requests may take to end after the first signal to stop.
pub const DRAIN: Duration = Duration::from_secs(20);

/// Serves until told to stop.
pub fn run(config: &Config) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Ours, error))?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_background();
    served.map(|()| Answer::ok(""))
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::new(Exit::Ours, error))?;
    let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
    let wiring = Wiring::fixed(config);
    let layout = Layout::new(config);
    let start = async {
        match *config.role {
            Role::All => Party::all(config, layout, &wiring, &edge).await,
            Role::Vault => Party::vault(layout, &wiring, &edge).await,
            Role::AvailabilityVault => Party::availability_vault(layout, &wiring, &edge).await,
            Role::Service => Party::service(config, layout, &wiring, &edge).await,
        }
    };
    let party = tokio::select! {
        party = start => party?,
        signal = signals.stop() => {
            tracing::info!(signal, "asked to stop before the start was over");
            return Ok(());
        }
    };
    for line in &party.told {
        say(line);
    }
    say("ready");
    let signal = party.work(&mut signals).await;
    tracing::info!(signal, "asked to stop");
    tokio::select! {
        () = party.drain() => {}
        _ = signals.stop() => tracing::warn!("asked to stop at once"),
    }
    Ok(())
}

/// What one process plays.
struct Party {
    running: Running,
    told: Vec<String>,
}

enum Running {
    All { lab: Box<Lab>, entrance: Entrance },
    Vault { program: Box<Program>, listener: Listener, _folder: DataFolder },
    Service { service: Box<Service>, entrance: Entrance, _folder: DataFolder },
}

impl Party {
    async fn all(config: &Config, layout: Layout, wiring: &Wiring, edge: &Edge) -> Result<Self, Failure> {
        let new = !layout.service_database().exists();
        let lab = Lab::open(layout, edge, wiring, &[]).await?;
        let mut told = first_start(new, &lab.layout);
        let suffixes = [&wiring.vault, &wiring.availability];
        told.extend(lab.addresses().zip(suffixes).map(|(at, suffix)| vault_line(suffix, at)));
        let entrance = Entrance::open(config, &lab.layout, wiring, &lab.service, &lab.http, edge)?;
        told.extend(entrance.told.iter().cloned());
        told.push(
            "all three parties run in this process: a demonstration, not a separation of powers".into(),
        );
        Ok(Self { running: Running::All { lab: Box::new(lab), entrance }, told })
    }

    async fn vault(layout: Layout, wiring: &Wiring, edge: &Edge) -> Result<Self, Failure> {
        let folder = DataFolder::open(layout, Role::Vault)?;
        let layout = &folder.layout;
        let tls = shown(layout, wiring, &[&wiring.vault], edge)?.server_config();
        prepare_service_certificate(layout, wiring, edge)?;
        let (database, master) = (layout.vault_database(), layout.vault_master_key());
        let program = Program::open(&database, &master, settings(&wiring.vault, true), tls, edge).await?;
        prepare_applications(&program, layout, edge.clock.now()).await?;
        let listener = program.listen("vault.listen", wiring.vault_at)?;
        let mut told = first_start(folder.standing == Standing::New, layout);
        told.push(vault_line(&wiring.vault, listener.address()));
        Ok(Self { running: Running::Vault { program: Box::new(program), listener, _folder: folder }, told })
    }

    async fn availability_vault(layout: Layout, wiring: &Wiring, edge: &Edge) -> Result<Self, Failure> {
        let folder = DataFolder::open(layout, Role::AvailabilityVault)?;
        let layout = &folder.layout;
        prepare_service_certificate(layout, wiring, edge)?;
        let certificate = shown(layout, wiring, &[&wiring.availability], edge)?;
        let (database, master) = (layout.availability_vault_database(), layout.availability_master_key());
        let suffix = &wiring.availability;
        let program =
            Program::open(&database, &master, settings(suffix, false), certificate.server_config(), edge)
                .await?;
        let listener = program.listen("availability-vault.listen", wiring.availability_at)?;
        let names = Names::new(vec![(wiring.availability.host().to_owned(), listener.address())]);
        let http =
            wire::client(certificate.trust(), names).map_err(|error| Failure::new(Exit::Ours, error))?;
        prepare_provider(&program, layout, &http, edge.clock.now()).await?;
        let mut told = first_start(folder.standing == Standing::New, layout);
        told.push(vault_line(suffix, listener.address()));
        Ok(Self { running: Running::Vault { program: Box::new(program), listener, _folder: folder }, told })
    }

    async fn service(config: &Config, layout: Layout, wiring: &Wiring, edge: &Edge) -> Result<Self, Failure> {
        let folder = DataFolder::open(layout, Role::Service)?;
        let layout = &folder.layout;
        let Remote { reach, http } = remote(layout, wiring, edge)?;
        let service = Service::open(layout, Arc::new(reach), edge).await?;
        let entrance = Entrance::open(config, layout, wiring, &service, &http, edge)?;
        let mut told = first_start(folder.standing == Standing::New, layout);
        told.push(format!("vaults are looked for at {} and {}", wiring.vault_at, wiring.availability_at));
        told.extend(entrance.told.iter().cloned());
        let service = Box::new(service);
        Ok(Self { running: Running::Service { service, entrance, _folder: folder }, told })
    }

    /// Does what the party does by itself until a signal comes; which one it was.
    async fn work(&self, signals: &mut Signals) -> &'static str {
        tokio::select! {
            () = self.upkeep() => "the end of upkeep",
            signal = signals.stop() => signal,
        }
    }

    async fn upkeep(&self) {
        let of_service = async |service: &Service| {
            tokio::select! {
                () = service.custody.upkeep() => {}
                () = sweep(service) => {}
            }
        };
        match &self.running {
            Running::All { lab, .. } => tokio::select! {
                () = of_service(&lab.service) => {}
                () = lab.customers.vault.upkeep() => {}
                () = lab.provider.vault.upkeep() => {}
            },
            Running::Service { service, .. } => of_service(service).await,
            Running::Vault { program, .. } => program.vault.upkeep().await,
        }
    }

    async fn drain(self) {
        match self.running {
            // The vaults last: what is still served needs them.
            Running::All { lab, entrance } => {
                entrance.drain(DRAIN).await;
                lab.drain(DRAIN).await;
            }
            Running::Vault { listener, .. } => listener.drain(DRAIN).await,
            Running::Service { entrance, .. } => entrance.drain(DRAIN).await,
        }
    }
}

/// Removes orphan blobs for ever, with a rest between.
async fn sweep(service: &Service) {
    loop {
        match service.engine.sweep().await {
            Ok(swept) => {
                tracing::debug!(seen = swept.seen, removed = swept.removed, "orphan blobs were looked for")
            }
            Err(refusal) => tracing::warn!(code = %refusal.code, "the sweep of orphan blobs has to wait"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

fn vault_line(suffix: &Suffix, address: SocketAddr) -> String {
    format!("vaults https://NAME.{suffix}, tokens https://{}, at {address}", ServiceHosts::of(suffix).login())
}

/// Where the key files lie, told once: whoever loses them loses what they open.
pub(crate) fn first_start(new: bool, layout: &Layout) -> Vec<String> {
    if !new {
        return Vec::new();
    }
    let mut told = vec![format!(
        "first start: the keys of this node are in {}; keep a copy of that folder, apart from the data",
        layout.keys().display()
    )];
    if layout.tls().join(AUTHORITY.0).exists() {
        told.push(format!("first start: the lab's certificate authority is in {}", layout.tls().display()));
    }
    told
}

fn say(line: &str) {
    // A reader that closed the pipe does not end the service.
    let _ = writeln!(anstream::stdout(), "{line}");
}
