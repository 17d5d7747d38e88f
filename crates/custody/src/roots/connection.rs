//! A vault connection: what the operator sets, what the tenant sets, and the clients that the two give.
//!
//! Owns [`Application`], [`Connection`] and the guard around credentials. A tenant sets its directory and
//! nothing else; authority, scope, credential and address ranges are the operator's.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use model::fault::CredentialOwner;
use model::id::DirectoryId;
use model::time::Clock;

use super::cloud::Cloud;
use super::credential::{Credential, SignIn};
use super::range::Ranges;
use super::resolver::{LabMap, Lookup, Resolver};
use super::transport::{NoWire, Wire};
use super::trust::Trust;

/// The longest client id; Entra's are UUIDs.
pub const MAX_CLIENT_ID: usize = 64;

/// The application that the service signs in as, and the way to the vaults; the operator's side.
#[derive(Debug)]
pub struct Application {
    /// Vault suffix and authority.
    pub cloud: Cloud,
    /// The application's id, as the directory knows it.
    pub client_id: ClientId,
    /// Whose application it is: an invalid secret is the act of its owner.
    pub owner: CredentialOwner,
    /// What it proves itself with.
    pub credential: Credential,
    /// Which addresses may be dialled.
    pub ranges: Ranges,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Where names of a lab are.
    pub lab: LabMap,
    /// Who is asked for addresses of all other names.
    pub lookup: Lookup,
}

/// The id of an application: letters, digits, dashes, dots and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientId(String);

/// Text that is no client id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no client id: expected 1 to {MAX_CLIENT_ID} letters, digits, dashes, dots and underscores")]
pub struct NotAClientId(String);

impl std::str::FromStr for ClientId {
    type Err = NotAClientId;

    fn from_str(text: &str) -> Result<Self, NotAClientId> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        match plain && (1..=MAX_CLIENT_ID).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAClientId(text.chars().take(MAX_CLIENT_ID).collect())),
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One tenant's way to its vaults, for one kind of policy.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The operator's side.
    pub application: Arc<Application>,
    /// The directory whose tokens the tenant's vaults trust: all that a tenant sets.
    pub directory: DirectoryId,
    /// Raised with every change of either side; nothing that was made for another version is used.
    pub version: u64,
}

/// Makes clients of one connection; each has a credential of its own.
pub(super) struct Clients {
    vaults: Transport,
    authority: Transport,
    connection: Connection,
    clock: Arc<dyn Clock>,
}

impl Clients {
    pub(super) fn new(connection: Connection, clock: Arc<dyn Clock>) -> Result<Self, NoWire> {
        let application = &connection.application;
        let (lookup, ranges) = (application.lookup.clone(), application.ranges.clone());
        let resolver = Resolver::new(lookup, ranges, application.lab.clone());
        let wire = Wire::new(&application.trust, resolver)?;
        let (vaults, authority) = (wire.to_vaults(&application.cloud), wire.to_authority(&application.cloud));
        Ok(Self { vaults, authority, connection, clock })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A client for one vault, with a credential that has no token yet.
    ///
    /// The credential is not shared between vaults: dropping it is the only way to drop its token, and it
    /// holds a lock while it waits for the token service.
    pub(super) fn client(&self, vault_url: &str) -> azure_core::Result<KeyClient> {
        let application = &self.connection.application;
        let sign_in = SignIn {
            directory: self.connection.directory,
            client_id: application.client_id.to_string(),
            authority: application.cloud.authority().to_owned(),
            clock: self.clock.clone(),
        };
        let (authority, cloud) = (self.authority.clone(), application.cloud.clone());
        let credential = application.credential.open(sign_in, move || options(&authority, &cloud))?;
        let credential = OneScope { credential, scope: application.cloud.scope() };
        let client_options = options(&self.vaults, &application.cloud);
        KeyClient::new(
            vault_url,
            Arc::new(credential),
            Some(KeyClientOptions { client_options, ..Default::default() }),
        )
    }
}

/// Our transport, our authority and no repetition; what is not set here is read from the environment.
fn options(transport: &Transport, cloud: &Cloud) -> ClientOptions {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = format!("https://{}", cloud.authority());
    ClientOptions {
        transport: Some(transport.clone()),
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(CloudConfiguration::from(custom))),
        ..ClientOptions::default()
    }
}

/// A vault asked for a token that is meant for somebody else.
#[derive(Debug, thiserror::Error)]
#[error("the vault asked for a token of another scope than its own")]
pub(super) struct OtherScope;

/// A credential that gives out tokens of one scope only.
///
/// The client takes the scope from the vault's challenge and checks no more of it than that the vault's host ends
/// with it; a vault could ask for `https://azure.net`.
#[derive(Debug)]
struct OneScope {
    credential: Arc<dyn TokenCredential>,
    scope: String,
}

#[async_trait::async_trait]
impl TokenCredential for OneScope {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        match scopes == [self.scope.as_str()] {
            true => self.credential.get_token(scopes, options).await,
            false => Err(Error::new(ErrorKind::Other, OtherScope)),
        }
    }
}
