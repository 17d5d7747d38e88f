//! The reception: the service's API on a free port, and the voices that call it, each with a token of its own.
//!
//! Owns what a scene knows of the service: an address, an authority that vouches for it, and tokens. A token of a person
//! is one of the tenant's directory; the operator's is read where the first start has put it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::client::{Client, Settings};
use api::{Enrolment, Invitation};
use rustls::RootCertStore;
use zeroize::Zeroizing;

use super::story::Broken;
use crate::certificates::Certificate;
use crate::cli::Flags;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::node::{API_APPLICATION, Edge, Entrance, Lab, Wiring};
use crate::wire::Person;

/// The setting that is not the default: a free port of this machine.
const LISTEN: (&str, &str) = ("service.listen", "127.0.0.1:0");

/// The API of the stage's service.
#[derive(Debug)]
pub(super) struct Reception {
    entrance: Entrance,
    roots: Arc<RootCertStore>,
    /// Calls with the operator's token.
    pub(super) operator: Client,
}

/// Somebody who calls the API.
pub(super) struct Voice {
    pub(super) token: Zeroizing<String>,
    pub(super) client: Client,
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token.
        f.debug_struct("Voice").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Reception {
    /// Opens the API of the lab's service.
    pub(super) fn open(lab: &Lab, wiring: &Wiring, edge: &Edge) -> Result<Self, Failure> {
        let (key, value) = LISTEN;
        let flags = Flags { set: vec![(key.into(), value.into())], ..Flags::default() };
        let config = Config::load(&flags, std::iter::empty())?;
        let entrance = Entrance::open(&config, &lab.layout, wiring, &lab.service, &lab.http, edge)?;
        let roots = Certificate::kept_service(&lab.layout.tls())?.trust().roots();
        let path = lab.layout.operator_token();
        let token = std::fs::read_to_string(&path).map_err(|error| Failure::of_file(&path, &error))?;
        let token = Zeroizing::new(Zeroizing::new(token).trim_end().to_owned());
        let operator = client(&entrance, &roots, token).map_err(|broken| Failure::new(Exit::Ours, broken))?;
        Ok(Self { entrance, roots, operator })
    }

    /// Whoever has this token.
    pub(super) fn client(&self, token: Zeroizing<String>) -> Result<Client, Broken> {
        client(&self.entrance, &self.roots, token)
    }

    /// Somebody who comes into a tenant, with a token of its directory and a one-time credential.
    pub(super) async fn enrol(&self, person: &Person, invitation: Invitation) -> Result<Voice, Broken> {
        let token = person.token(&format!("api://{API_APPLICATION}")).await.map_err(Broken::because)?;
        let token = Zeroizing::new(token);
        let client = self.client(token.clone())?;
        let enrolment = Enrolment { credential: invitation.credential };
        client.enrol(&enrolment).await.map_err(Broken::because)?;
        Ok(Voice { token, client })
    }

    /// Ends the API; nobody calls it any more.
    pub(super) async fn close(self) {
        self.entrance.drain(Duration::ZERO).await;
    }
}

fn client(
    entrance: &Entrance,
    roots: &Arc<RootCertStore>,
    token: Zeroizing<String>,
) -> Result<Client, Broken> {
    let server = format!("https://localhost:{}", entrance.address().port());
    Client::new(Settings { server, roots: Some(Arc::clone(roots)), token }).map_err(Broken::because)
}
