//! `freehold lab -- COMMAND`: all parties with the lab's tenant, and one command that meets them as stock tools do.
//!
//! Owns the life of one run: the folder, the authority that is known for the run alone, the proxy, the control endpoint,
//! and the environment that COMMAND gets. What is made of it is removed at the end, but a data folder that was named.

mod child;
mod clock;
mod control;
mod period;
mod proxy;
mod stamp;
mod tenant;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use model::suffix::Suffix;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use vault::{PUBLIC_SUFFIX, ServiceHosts};
use zeroize::Zeroizing;

use self::child::{Running, inherited, set};
use self::clock::LabClock;
use self::control::Control;
use self::proxy::{List, Proxy};
use self::stamp::Stamp;
use self::tenant::{APPLICATION, CONTOSO, Reached, SignIns};
use crate::authority::lab_names;
use crate::certificates::Certificate;
use crate::cli::Flags;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::folder::{DataFolder, FOLDER_MODE};
use crate::key_file;
use crate::layout::Layout;
use crate::listener::Listener;
use crate::node::{Edge, Entrance, Lab, Wiring};
use crate::random::SystemRandom;
use crate::settings::Kind;
use crate::signals::Signals;

pub use self::child::PATIENCE;
pub use self::clock::FURTHEST;
pub use self::control::CONTROL_BODY;
pub use self::proxy::{MAX_TUNNELS, PROXY_HEAD, PROXY_HEAD_TIMEOUT};

/// The variable that says to a command that it runs in a lab, and where the control endpoint is.
pub const MARKER: &str = "FREEHOLD_LAB";
/// How long what still runs at the end of a run may take to stop.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The names that the lab's services go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// Those of Azure's public cloud: what stock tools ask for without being told anything.
    Real,
    /// Our own, below vault.localhost.
    Own,
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Real { "real" } else { "own" })
    }
}

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is stored, and kept; a temporary folder if `None`.
    pub data: Option<PathBuf>,
    /// The names that everything goes by.
    pub names: Names,
    /// Whether the mandatory retention period is there as soon as it is asked for.
    pub register_at_once: bool,
    /// The program and its arguments; one word at least.
    pub command: Vec<OsString>,
}

/// Refuses to go on where the environment is that of a lab's COMMAND: what would be served there is no service.
pub fn refuse_inside(environment: impl Iterator<Item = (OsString, OsString)>) -> Result<(), Failure> {
    let inside = environment.into_iter().any(|(name, value)| name == MARKER && !value.is_empty());
    match inside {
        true => Err(Failure::new(
            Exit::Refused,
            format!(
                "{MARKER} is set: this is the environment of a `freehold lab`, in which nothing is served for real"
            ),
        )),
        false => Ok(()),
    }
}

/// Runs COMMAND in a lab; its exit status.
pub fn run(
    options: &Options,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Ours, error))?;
    let inherited: Vec<_> = inherited(environment).collect();
    // Made where a signal no longer ends the process, and removed where nothing of the run goes on any more.
    let mut folder = None;
    let status = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| Failure::new(Exit::Ours, error))?;
        let made = tempfile::Builder::new().prefix("freehold-lab-").tempdir();
        let folder = folder.insert(made.map_err(|error| Failure::new(Exit::Ours, error))?);
        let party = tokio::select! {
            party = Party::open(options, folder) => party?,
            signal = signals.stop() => {
                let why = format!("stopped by {signal} before COMMAND was started");
                return Err(Failure::new(Exit::Stopped, why));
            }
        };
        let environment = inherited.into_iter().chain(party.environment(folder)?).collect();
        let started = Running::start(&options.command, environment);
        let status = match started {
            Ok(running) => tokio::select! {
                status = running.end(&mut signals) => {
                    status.map_err(|error| Failure::new(Exit::Ours, error))
                }
                () = party.upkeep() => Err(Failure::new(Exit::Ours, "the upkeep of the lab ended")),
            },
            Err(error) => {
                say(&error.to_string());
                Ok(error.status())
            }
        };
        party.close().await;
        status
    });
    runtime.shutdown_timeout(LAST_WORDS);
    status
}

/// Everything that runs beside COMMAND.
struct Party {
    names: Names,
    lab: Lab,
    entrance: Entrance,
    proxy: Proxy,
    control: Listener,
    token: Zeroizing<String>,
    sign_ins: SignIns,
    authority: String,
}

impl Party {
    async fn open(options: &Options, folder: &TempDir) -> Result<Self, Failure> {
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let layout = Layout::inside(data);
        let mut stamp = Stamp::take(&layout, options.names)?;
        let clock = Arc::new(LabClock::ahead_by(stamp.ahead()));
        let edge = Edge { clock: clock.clone(), random: Arc::new(SystemRandom) };
        let wiring = wiring(options);
        let (certificate, authority) = certificate(&wiring)?;
        let held = DataFolder::of_lab(layout.clone())?;
        let lab = Lab::showing(&certificate, held, &edge, &wiring, &[]).await?;
        let (entrance, reached) = service(&certificate, &lab, &wiring, &edge)?;
        let sign_ins = if stamp.furnished {
            tenant::renew(&lab).await?
        } else {
            let made = tenant::furnish(&lab, &reached).await?;
            stamp.furnished = true;
            stamp.keep(&layout)?;
            made
        };
        let proxy = Proxy::start(list(&wiring, &lab)).await;
        let proxy = proxy.map_err(|error| Failure::new(Exit::Ours, format!("the lab's proxy: {error}")))?;
        let token = token(&edge);
        let vaults = [lab.customers.vault.clone(), lab.provider.vault.clone()];
        let control = Control::new(clock, vaults, (layout, stamp), &token).listen()?;
        let names = options.names;
        Ok(Self { names, lab, entrance, proxy, control, token, sign_ins, authority })
    }

    /// What COMMAND is told, beside what it inherits; the files that it is told of are made here.
    fn environment(&self, folder: &TempDir) -> Result<Vec<(OsString, OsString)>, Failure> {
        let place = |name: &str| folder.path().join(name);
        let home = |name: &str| -> Result<PathBuf, Failure> {
            let path = place(name);
            let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&path);
            made.map(|()| path.clone()).map_err(|error| Failure::of_ours(&path, &error))
        };
        let ca = place("ca.pem");
        fs::write(&ca, &self.authority).map_err(|error| Failure::of_ours(&ca, &error))?;
        let users = place("users.json");
        let kept = key_file::create(&users, self.sign_ins.users.as_bytes());
        kept.map_err(|error| Failure::of_ours(&users, &error))?;
        let azure = home("azure")?;
        azure_config(&azure, self.names).map_err(|error| Failure::of_ours(&azure, &error))?;
        let proxy = format!("http://{}", self.proxy.address());
        let mut told = vec![
            set("HOME", home("home")?),
            set("AZURE_CONFIG_DIR", azure),
            set("AZURE_TENANT_ID", CONTOSO),
            set("AZURE_CLIENT_ID", APPLICATION),
            set("AZURE_CLIENT_SECRET", self.sign_ins.application.as_str()),
            set("FREEHOLD_CA", &ca),
            set(MARKER, format!("http://{}", self.control.address())),
            set("FREEHOLD_LAB_TOKEN", self.token.as_str()),
            set("FREEHOLD_LAB_USERS", users),
            set("FREEHOLD_LAB_SERVICE", format!("https://{}", self.entrance.address())),
        ];
        for name in
            ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"]
        {
            told.push(set(name, home(&name.to_ascii_lowercase())?));
        }
        for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"] {
            told.push(set(name, &ca));
        }
        // Plain http too, so that it is refused in words and leads nowhere. Not `localhost`: some clients take that for
        // the lab's own names as well.
        for (name, value) in [
            ("HTTPS_PROXY", proxy.as_str()),
            ("HTTP_PROXY", &proxy),
            ("ALL_PROXY", &proxy),
            ("NO_PROXY", "127.0.0.1,::1"),
        ] {
            told.extend([set(name, value), set(&name.to_ascii_lowercase(), value)]);
        }
        if self.names == Names::Own {
            let hosts = ServiceHosts::of(&suffix(self.names));
            told.push(set("AZURE_AUTHORITY_HOST", format!("https://{}", hosts.login())));
        }
        Ok(told)
    }

    async fn upkeep(&self) {
        tokio::select! {
            () = self.lab.service.custody.upkeep() => {}
            () = self.lab.customers.vault.upkeep() => {}
            () = self.lab.provider.vault.upkeep() => {}
        }
    }

    async fn close(self) {
        drop(self.proxy);
        self.control.kill().await;
        self.entrance.drain(Duration::ZERO).await;
        self.lab.close().await;
    }
}

fn suffix(names: Names) -> Suffix {
    match names {
        Names::Real => Suffix::parse(PUBLIC_SUFFIX).expect("a suffix"),
        Names::Own => Wiring::lab().vault,
    }
}

fn wiring(options: &Options) -> Wiring {
    let vault = suffix(options.names);
    Wiring { vault, retention_at_once: options.register_at_once, ..Wiring::lab() }
}

/// The certificate of every listener of the run, and the authority that COMMAND is told to trust.
pub fn certificate(wiring: &Wiring) -> Result<(Certificate, String), Failure> {
    let host = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    let mut domains = vec!["localhost".to_owned(), wiring.vault.host().to_owned()];
    domains.extend(ServiceHosts::of(&wiring.vault).all().map(host));
    domains.dedup();
    let names = lab_names(&[&wiring.vault, &wiring.availability]);
    // By the machine's clock and not by the lab's: that is the one that clients go by.
    Ok(Certificate::for_run(&domains, &names, &crate::clock::SystemClock)?)
}

/// The service's API on a free port, and how it is reached.
fn service(
    certificate: &Certificate,
    lab: &Lab,
    wiring: &Wiring,
    edge: &Edge,
) -> Result<(Entrance, Reached), Failure> {
    let flags = Flags { set: vec![("service.listen".into(), "127.0.0.1:0".into())], ..Flags::default() };
    let config = Config::load(&flags, std::iter::empty())?;
    let entrance =
        Entrance::showing(certificate, &config, &lab.layout, wiring, &lab.service, &lab.http, edge)?;
    let path = lab.layout.operator_token();
    let operator = fs::read_to_string(&path).map_err(|error| Failure::of_ours(&path, &error))?;
    let operator = Zeroizing::new(Zeroizing::new(operator).trim_end().to_owned());
    let server = format!("https://localhost:{}", entrance.address().port());
    let roots = certificate.trust().roots();
    Ok((entrance, Reached { server, roots, operator }))
}

/// The names that the proxy reaches: the customers' vaults and their services, and nothing of the provider's.
fn list(wiring: &Wiring, lab: &Lab) -> List {
    let mut list = List::default();
    if let Some(address) = lab.addresses().next() {
        list.below(wiring.vault.host(), address);
        for name in ServiceHosts::of(&wiring.vault).all() {
            list.host(name, address);
        }
    }
    list
}

fn token(edge: &Edge) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    edge.random.fill(bytes.as_mut_slice());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// What `az` is told once: nothing is sent to Microsoft, and an authority of our own is not looked up there.
fn azure_config(folder: &Path, names: Names) -> io::Result<()> {
    let mut text = String::from("[core]\ncollect_telemetry = false\nsurvey_message = false\n");
    if names == Names::Own {
        text.push_str("instance_discovery = false\n");
    }
    fs::write(folder.join("config"), text)
}

fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "freehold: {line}");
}
