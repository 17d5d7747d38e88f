//! The service's entrance: its API on a listener, with the issuer that it believes and the operator's token.
//!
//! Owns what has to be there before anybody can call the service. What a call passes is `door`'s.

use std::net::SocketAddr;
use std::time::Duration;

use custody::roots::Trust;
use vault::ServiceHosts;

use super::{Edge, Service, Wiring};
use crate::certificates::Certificate;
use crate::config::Config;
use crate::door::{Door, Issuer, OperatorToken};
use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::listener::{Listener, Transport};
use crate::settings::Role;
use crate::wire;

/// The API of a running service.
#[derive(Debug)]
pub struct Entrance {
    door: Door,
    listener: Listener,
    /// What the operator is told at the start.
    pub told: Vec<String>,
}

impl Entrance {
    /// Opens the service's API; `lab` is a client that finds and trusts the vaults' own token service.
    pub fn open(
        config: &Config,
        layout: &Layout,
        wiring: &Wiring,
        service: &Service,
        lab: &reqwest::Client,
        edge: &Edge,
    ) -> Result<Self, Failure> {
        let certificate = certificate(config, layout, wiring, edge)?;
        Self::showing(&certificate, config, layout, wiring, service, lab, edge)
    }

    /// The same with a certificate that somebody else made.
    pub fn showing(
        certificate: &Certificate,
        config: &Config,
        layout: &Layout,
        wiring: &Wiring,
        service: &Service,
        lab: &reqwest::Client,
        edge: &Edge,
    ) -> Result<Self, Failure> {
        let issuer = issuer(config, wiring, lab, edge)?;
        let path = layout.operator_token();
        let (operator, made) = OperatorToken::open(&path, edge.random.as_ref())?;
        let door = Door::new(service.clone(), issuer, operator, edge.clone());
        let tls = Transport::Tls(certificate.server_config());
        let listener = Listener::start("service.listen", *config.service_listen, tls, door.router())?;
        let address = listener.address();
        let mut told = vec![format!("service https://localhost:{}, at {address}", address.port())];
        if made {
            told.push(format!("first start: the operator's token for the API is in {}", path.display()));
        }
        Ok(Self { door, listener, told })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Says "not ready", takes no new connections, and lets open requests end for at most this long.
    pub async fn drain(self, at_most: Duration) {
        self.door.drain();
        self.listener.drain(at_most).await;
    }
}

/// What the API shows: the operator's own certificate, or on loopback the lab's.
fn certificate(
    config: &Config,
    layout: &Layout,
    wiring: &Wiring,
    edge: &Edge,
) -> Result<Certificate, Failure> {
    if wiring.tls.is_brought() {
        return Ok(wiring.tls.own()?.expect("a certificate that was brought is there or refused"));
    }
    let address = *config.service_listen;
    if !address.ip().is_loopback() {
        let why = format!(
            "service.listen is {address}, which others can reach, and the lab's certificate is good on this machine \
             alone: set tls.certificate and tls.key, or listen on 127.0.0.1"
        );
        return Err(Failure::new(Exit::Usage, why));
    }
    // Where the vaults are elsewhere, so is their authority: the service has one of its own for its API.
    if *config.role == Role::All || wiring.tls.names_authority() {
        return Ok(Certificate::lab_service(&layout.tls(), edge.clock.as_ref())?);
    }
    Certificate::kept_service(&layout.tls()).map_err(|error| {
        let todo = "start a vault first, which makes it, or set tls.certificate and tls.key";
        Failure::new(Exit::Outage, format!("{error}: {todo}"))
    })
}

/// Whose tokens are believed: those of the vaults' own token service, unless the operator names another issuer.
fn issuer(config: &Config, wiring: &Wiring, lab: &reqwest::Client, edge: &Edge) -> Result<Issuer, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error.to_string());
    let (template, http) = match &config.service_issuer.0 {
        None => {
            let hosts = ServiceHosts::of(&wiring.vault);
            (format!("https://{}/{{directory}}/", hosts.login()), lab.clone())
        }
        Some(template) => {
            let bundle = config.service_issuer_authority.0.as_ref().ok_or_else(|| {
                let why = "service.issuer names an issuer of its own: set service.issuer-authority to a PEM file of the \
                           roots that vouch for it";
                Failure::new(Exit::Usage, why)
            })?;
            let trust = Trust::bundle(bundle).map_err(|error| usage(&error))?;
            (template.clone(), wire::outside(&trust).map_err(|error| Failure::new(Exit::Ours, error))?)
        }
    };
    Issuer::new(&template, &config.service_audience, http, edge.clock.clone()).map_err(|error| usage(&error))
}
