//! What the service's application proves itself with: every kind that Microsoft's client knows, in one enum.
//!
//! Owns [`Credential`] and how each kind becomes a token credential of one connection. Files are read again for each token
//! that is asked for, so that what their owner renews is used without a restart. Nothing of the environment has a say.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientMethodOptions, ClientOptions};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, ClientAssertion, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
};
use crypto::Random;
use model::id::DirectoryId;
use model::time::Clock;

use super::certificate::ClientCertificate;
use super::identity::{ManagedIdentity, OfMachine};
use super::renewed::Renewed;
use super::secret::{self, ClientSecret, NoSecret};

/// What an application signs in with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret.
    Secret(Renewed<ClientSecret>),
    /// A certificate with its RSA key; the source of randomness makes each assertion another one.
    Certificate(Renewed<ClientCertificate>, Arc<dyn Random>),
    /// A token that another issuer signed and that the directory trusts by federation: one that an agent of the operator's
    /// renews, or one that a platform projects (workload identity).
    Assertion(Renewed<secret::Assertion>),
    /// The identity that the platform gives the machine.
    Identity(Arc<ManagedIdentity>),
    /// Whoever is signed in at a developer's tool on this machine. For rehearsals: it starts a program that it finds by
    /// name, and the person behind it is no application.
    Developer(DeveloperTool),
}

/// A developer's tool that gives out tokens of the person who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeveloperTool {
    /// `az`.
    AzureCli,
    /// `azd`.
    AzureDeveloperCli,
    /// The first of the two that gives a token.
    Any,
}

/// Our own side has nothing to sign in with; no token service was asked, or none that is a customer's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoCredential(pub(super) &'static str);

/// Whom a credential signs in, where, and by whose clock.
#[derive(Debug)]
pub(super) struct SignIn {
    pub(super) directory: DirectoryId,
    pub(super) client_id: String,
    /// The authority's host.
    pub(super) authority: String,
    pub(super) clock: Arc<dyn Clock>,
}

impl Credential {
    /// The client secret in a file.
    pub fn secret(path: &Path) -> Result<Self, NoSecret> {
        Renewed::read(path, ClientSecret::read).map(Self::Secret)
    }

    /// A client secret from memory, as tests make them; nobody renews it.
    pub fn fixed(secret: ClientSecret) -> Self {
        Self::Secret(Renewed::fixed(secret))
    }

    /// The key and certificate in a PEM file.
    pub fn certificate(path: &Path, random: Arc<dyn Random>) -> Result<Self, NoSecret> {
        Ok(Self::Certificate(Renewed::read(path, ClientCertificate::read)?, random))
    }

    /// The assertion in a file that an agent of the operator's renews.
    pub fn assertion(path: &Path) -> Result<Self, NoSecret> {
        Renewed::read(path, secret::Assertion::read).map(Self::Assertion)
    }

    /// The token that a platform projects into a file.
    pub fn federated_token(path: &Path) -> Result<Self, NoSecret> {
        Renewed::read(path, secret::Assertion::read_federated).map(Self::Assertion)
    }

    /// Whether it is for rehearsals alone.
    pub fn is_for_rehearsal(&self) -> bool {
        matches!(self, Self::Developer(_))
    }

    /// A token credential that has no token yet; `options` is read for each client that it makes.
    pub(super) fn open(
        &self,
        sign_in: SignIn,
        options: impl Fn() -> ClientOptions + Send + Sync + 'static,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let assertion = |source| {
            let (directory, client_id) = (sign_in.directory.to_string(), sign_in.client_id.clone());
            let options = ClientAssertionCredentialOptions { client_options: options() };
            ClientAssertionCredential::new(directory, client_id, source, Some(options))
        };
        Ok(match self {
            Self::Assertion(token) => assertion(Source::File(token.clone()))?,
            Self::Certificate(certificate, random) => {
                let audience =
                    format!("https://{}/{}/oauth2/v2.0/token", sign_in.authority, sign_in.directory);
                let (client_id, clock) = (sign_in.client_id.clone(), sign_in.clock.clone());
                let (certificate, random) = (certificate.clone(), random.clone());
                assertion(Source::Certificate(Signer { certificate, random, client_id, audience, clock }))?
            }
            Self::Secret(secret) => Arc::new(OfSecret {
                secret: secret.clone(),
                sign_in,
                options: Box::new(options),
                last: Mutex::default(),
            }),
            Self::Identity(identity) => {
                Arc::new(OfMachine { identity: identity.clone(), directory: sign_in.directory })
            }
            Self::Developer(tool) => Arc::new(OfDeveloper(tool.open(sign_in.directory)?)),
        })
    }
}

impl DeveloperTool {
    /// The tools to ask, each for a token of this directory; Microsoft's own chain of them takes no directory.
    fn open(self, directory: DirectoryId) -> azure_core::Result<Vec<Arc<dyn TokenCredential>>> {
        let tenant_id = Some(directory.to_string());
        let mut tools: Vec<Arc<dyn TokenCredential>> = Vec::new();
        if self != Self::AzureDeveloperCli {
            let options = AzureCliCredentialOptions { tenant_id: tenant_id.clone(), ..Default::default() };
            tools.push(AzureCliCredential::new(Some(options))?);
        }
        if self != Self::AzureCli {
            let options = AzureDeveloperCliCredentialOptions { tenant_id, ..Default::default() };
            tools.push(AzureDeveloperCliCredential::new(Some(options))?);
        }
        Ok(tools)
    }
}

/// Where an assertion comes from.
#[derive(Debug)]
enum Source {
    File(Renewed<secret::Assertion>),
    Certificate(Signer),
}

/// What signs an assertion for each request.
#[derive(Debug)]
struct Signer {
    certificate: Renewed<ClientCertificate>,
    random: Arc<dyn Random>,
    client_id: String,
    audience: String,
    clock: Arc<dyn Clock>,
}

#[async_trait::async_trait]
impl ClientAssertion for Source {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        match self {
            Self::File(token) => Ok(token.now().await.expose().to_owned()),
            Self::Certificate(signer) => {
                let mut id = [0; 16];
                signer.random.fill(&mut id);
                let (certificate, now) = (signer.certificate.now().await, signer.clock.now());
                let signed = certificate.assertion(&signer.client_id, &signer.audience, now, id);
                signed.map_err(|_| own("the private key of the certificate does not sign"))
            }
        }
    }
}

/// A client secret as a credential; another secret in its file makes another client.
struct OfSecret {
    secret: Renewed<ClientSecret>,
    sign_in: SignIn,
    options: Box<dyn Fn() -> ClientOptions + Send + Sync>,
    last: Mutex<Option<(Arc<ClientSecret>, Arc<ClientSecretCredential>)>>,
}

impl OfSecret {
    /// The client of the secret: the one that is there keeps its token as long as the secret is the same.
    fn client(&self, secret: Arc<ClientSecret>) -> azure_core::Result<Arc<ClientSecretCredential>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = last.as_ref()
            && of.expose() == secret.expose()
        {
            return Ok(client.clone());
        }
        let client = ClientSecretCredential::new(
            &self.sign_in.directory.to_string(),
            self.sign_in.client_id.clone(),
            Secret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions { client_options: (self.options)() }),
        )?;
        *last = Some((secret, client.clone()));
        Ok(client)
    }
}

#[async_trait::async_trait]
impl TokenCredential for OfSecret {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let client = self.client(self.secret.now().await)?;
        client.get_token(scopes, options).await
    }
}

impl std::fmt::Debug for OfSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfSecret").field("sign_in", &self.sign_in).finish_non_exhaustive()
    }
}

/// A developer's tool as a credential: whatever it says when it fails is ours to mend, and may name a person.
#[derive(Debug)]
struct OfDeveloper(Vec<Arc<dyn TokenCredential>>);

#[async_trait::async_trait]
impl TokenCredential for OfDeveloper {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        for tool in &self.0 {
            if let Ok(token) = tool.get_token(scopes, None).await {
                return Ok(token);
            }
        }
        Err(own("the developer's tool gives no token: sign in with it on this machine"))
    }
}

fn own(why: &'static str) -> Error {
    Error::new(ErrorKind::Credential, NoCredential(why))
}
