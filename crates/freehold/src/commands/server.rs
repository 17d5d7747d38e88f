//! The server that a command works at instead of a data folder: its address, its authority, and the caller's token.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::client::{Client, ClientError, NoClient, Settings};
use custody::roots::Trust;
use rustls::RootCertStore;
use zeroize::Zeroizing;

use super::{secret, shown};
use crate::config::{Config, Origin, TOKEN_VARIABLE};
use crate::exit::{Exit, Failure};

/// Which server, and as whom; without one the command works on the data folder.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// Work at this server instead of on a data folder: https://HOST or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The file of the token that goes with each call, readable by its owner alone (or FREEHOLD_TOKEN holds the token)
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub authority: Authority,
}

/// Who vouches for a server.
#[derive(Debug, Clone, clap::Args)]
pub struct Authority {
    /// The authorities in PEM that may vouch for the server (or FREEHOLD_CA names them); without them this machine's
    #[arg(long, value_name = "FILE", env = crate::config::CA_VARIABLE, hide_env = true)]
    pub ca: Option<PathBuf>,
}

impl Authority {
    /// The authorities that were named.
    pub(super) fn roots(&self) -> Result<Option<Arc<RootCertStore>>, Failure> {
        let bundle = |path: &Path| Trust::bundle(path).map(|trust| trust.roots());
        self.ca.as_deref().map(bundle).transpose().map_err(|error| Failure::new(Exit::Usage, error))
    }
}

impl Server {
    /// A client of the server, if one is named; then the command line must name no data folder.
    pub(super) fn client(&self, config: &Config) -> Result<Option<Client>, Failure> {
        let Some(server) = &self.server else { return Ok(None) };
        if let Origin::Flag(flag) = config.data.origin() {
            let why = "a command works at a server or on a data folder: name one of them";
            return Err(Failure::new(Exit::Usage, format!("--server and {flag}: {why}")));
        }
        let settings =
            Settings { server: server.clone(), roots: self.authority.roots()?, token: self.token()? };
        Ok(Some(Client::new(settings)?))
    }

    /// The same for a command that needs a server.
    pub(super) fn needed(&self, config: &Config) -> Result<Client, Failure> {
        let client = self.client(config)?;
        client.ok_or_else(|| Failure::new(Exit::Usage, "this is done at a server: name it with --server URL"))
    }

    fn token(&self) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.token_file {
            return secret::read(path);
        }
        let token = env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Zeroizing::new);
        token.ok_or_else(|| {
            let how = "name the file of a token with --token-file, or put a token into";
            Failure::new(Exit::Usage, format!("a server wants a token: {how} {TOKEN_VARIABLE}"))
        })
    }
}

impl From<NoClient> for Failure {
    fn from(error: NoClient) -> Self {
        let exit = match &error {
            NoClient::Server(_) | NoClient::Plain(_) | NoClient::Token => Exit::Usage,
            NoClient::Platform(_) | NoClient::Http(_) => Exit::Ours,
        };
        Self::new(exit, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let how = if matches!(error, ClientError::Untrusted { .. }) { ": --ca FILE" } else { "" };
        // What a server says is somebody else's text.
        Self::new(error.actor().into(), shown(&format!("{error}{how}")))
    }
}
