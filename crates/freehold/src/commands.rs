//! Commands that work on a data folder or at a server: tenants, imports, reads. One noun a file.
//!
//! Owns what they share: the folder opened with all parties in this process, and who is calling.

pub mod directory;
mod draft;
pub mod enrol;
pub mod import;
pub mod list;
pub mod object;
mod objects;
pub mod people;
mod secret;
pub mod server;
pub mod tenant;
pub mod token;
pub mod vault;

use std::io::Write;
use std::sync::Arc;

use model::caller::{Caller, Initiator, Principal};
use model::id::{RequestId, TenantId};
use workloads::HolderKind;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::folder::{DataFolder, examine};
use crate::layout::Layout;
use crate::node::{Edge, Lab, Service, Wiring, reach};
use crate::random::SystemRandom;
use crate::reserve::{self, Share};
use crate::serve::first_start;
use crate::settings::Role;
use crate::signals::unless_stopped;
use crate::wire::Names;
use server::Server;

/// Runs one command on the installation in the data folder, with every party in this process, and closes it again.
///
/// A folder that holds none is refused and not touched: a mistyped `--data` must not make one.
pub fn with_lab<T>(
    config: &Config,
    command: impl AsyncFnOnce(&Lab, &Edge) -> Result<T, Failure>,
) -> Result<T, Failure> {
    installation(config)?;
    with_new_lab(config, command)
}

/// Runs one command with the service alone: it calls no vault, and goes on if at all possible when the disk is full.
pub fn with_service<T>(
    config: &Config,
    command: impl AsyncFnOnce(&Service, &Edge) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let layout = installation(config)?;
    run(async |edge| {
        lend(&layout, Share::Rest)?;
        let folder = DataFolder::open(layout, Role::Service)?;
        let wiring = Wiring::fixed(config);
        let trust = wiring.tls.trusted(&folder.layout.tls())?;
        let nobody = Names::new(Vec::new());
        let reach = reach(&folder.layout, &trust, &nobody, &wiring, edge.clock.clone())?;
        let service = Service::open(&folder.layout, Arc::new(reach), edge).await?;
        command(&service, edge).await
    })
}

/// Runs one command that only looks: when the disk is full, it may show what can be deleted.
pub fn with_lab_to_look<T>(
    config: &Config,
    command: impl AsyncFnOnce(&Lab, &Edge) -> Result<T, Failure>,
) -> Result<T, Failure> {
    lend(&installation(config)?, Share::Half)?;
    with_new_lab(config, command)
}

fn lend(layout: &Layout, share: Share) -> Result<(), Failure> {
    let folder = layout.service();
    reserve::lend(&folder, share).map_err(|error| Failure::of_ours(&folder, &error))
}

/// The data folder, if it holds an installation.
fn installation(config: &Config) -> Result<Layout, Failure> {
    let layout = Layout::new(config);
    examine(&layout, Role::All)?;
    if !layout.service_database().exists() {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "{} holds no installation: look at --data; `freehold serve`, `freehold tour --data DIR` and \
                 `freehold tenant create` make one",
                layout.root().display()
            ),
        ));
    }
    Ok(layout)
}

/// The same, which makes an installation where there is none and tells where its keys lie.
pub fn with_new_lab<T>(
    config: &Config,
    command: impl AsyncFnOnce(&Lab, &Edge) -> Result<T, Failure>,
) -> Result<T, Failure> {
    run(async |edge| {
        let layout = Layout::new(config);
        let new = !layout.service_database().exists();
        let lab = Lab::open(layout, edge, &Wiring::free(config), &[]).await?;
        for line in first_start(new, &lab.layout) {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
        let outcome = command(&lab, edge).await;
        lab.close().await;
        outcome
    })
}

fn run<T>(work: impl AsyncFnOnce(&Edge) -> Result<T, Failure>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Ours, error))?;
    let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
    let outcome = runtime.block_on(unless_stopped(work(&edge)));
    runtime.shutdown_background();
    outcome
}

/// Where objects are: a mailbox or a site of a tenant, on a data folder or at a server.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub server: Server,
    /// The tenant's id
    #[arg(long, value_name = "TENANT")]
    pub tenant: TenantId,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub holder: HolderName,
}

/// A mailbox or a site, by name.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct HolderName {
    /// The mailbox's address
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: Option<String>,
    /// The site's path
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
}

impl HolderName {
    /// What kind it is, and its name.
    fn parts(&self) -> (HolderKind, &str) {
        match (&self.mailbox, &self.site) {
            (Some(name), _) => (HolderKind::Mailbox, name),
            (None, site) => (HolderKind::Site, site.as_deref().unwrap_or_default()),
        }
    }
}

/// Somebody else's text for a terminal: what would move the cursor, forge a line or turn the direction is escaped.
pub(crate) fn shown(text: &str) -> String {
    let tricky = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if tricky(c) {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
        out
    })
}

/// A call by the person at this machine.
pub(crate) fn local(tenant: TenantId, edge: &Edge) -> Caller {
    let mut bytes = [0; 16];
    edge.random.fill(&mut bytes);
    Caller {
        tenant,
        principal: Principal(format!("local:{}", rustix::process::geteuid().as_raw())),
        initiator: Initiator::User,
        request: RequestId::from_random(bytes),
    }
}
