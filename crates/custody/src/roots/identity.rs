//! Signing in with the identity that a platform gives the machine: a question to an endpoint beside the service.
//!
//! Owns [`ManagedIdentity`] and [`Endpoint`]. The endpoint speaks plain HTTP on an address that no vault may have; it is
//! the one exception, has a client of its own, and nothing but this URL is ever asked through it.

use std::net::{Ipv4Addr, SocketAddr};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::time::OffsetDateTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::id::DirectoryId;
use serde::Deserialize;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::credential::NoCredential;
use super::secret::ClientSecret;
use super::transport::{CONNECT_TIMEOUT, MAX_BODY, NoWire, REQUEST_TIMEOUT};

/// The longest name of a user-assigned identity; a resource id is the longest kind.
pub const MAX_IDENTITY: usize = 512;
/// Where every virtual machine of Azure finds its metadata service.
const IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// Which identity of the machine signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityName {
    /// The one that the platform made together with the machine.
    System,
    /// A user-assigned one, by its application's client id.
    ClientId(String),
    /// A user-assigned one, by its object id in the directory.
    ObjectId(String),
    /// A user-assigned one, by its resource id.
    ResourceId(String),
}

/// Where the platform answers for the machine's identity.
#[derive(Debug)]
pub struct Endpoint {
    url: Url,
    api_version: &'static str,
    resource_id: &'static str,
    /// Goes into `x-identity-header`; the metadata service of a virtual machine has none.
    secret: Option<ClientSecret>,
}

/// Text that is no endpoint of a managed identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "IDENTITY_ENDPOINT and IDENTITY_HEADER name no identity endpoint: expected an http URL on this machine (localhost, a \
     loopback address or one of 169.254.0.0/16) and a header of printable characters, as the platform sets both"
)]
pub struct NotAnEndpoint;

impl Endpoint {
    /// The metadata service of a virtual machine.
    pub fn machine() -> Self {
        let url = Url::parse(IMDS).expect("a URL");
        Self { url, api_version: "2018-02-01", resource_id: "msi_res_id", secret: None }
    }

    /// What App Service and its kin tell the program that they start: a URL on this machine, and a header that only this
    /// program knows.
    pub fn app_service(url: &str, header: Zeroizing<String>) -> Result<Self, NotAnEndpoint> {
        let url = Url::parse(url).map_err(|_| NotAnEndpoint)?;
        let beside = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let plain = url.scheme() == "http" && url.username().is_empty() && url.query().is_none();
        match ClientSecret::new(header) {
            Some(secret) if beside && plain => {
                Ok(Self { url, api_version: "2019-08-01", resource_id: "mi_res_id", secret: Some(secret) })
            }
            _ => Err(NotAnEndpoint),
        }
    }
}

/// The identity of the machine, and the way to whoever answers for it.
#[derive(Debug)]
pub struct ManagedIdentity {
    endpoint: Endpoint,
    name: IdentityName,
    http: reqwest::Client,
}

impl ManagedIdentity {
    /// An identity behind an endpoint.
    pub fn new(endpoint: Endpoint, name: IdentityName) -> Result<Self, NoWire> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(super::trust::nobody())
            // The one name that an endpoint may have means this machine, whatever a DNS says.
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        Ok(Self { endpoint, name, http })
    }

    /// A token for the scope, from the one endpoint that this identity has.
    async fn token(&self, scope: &str) -> Result<Answered, NoCredential> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let mut url = self.endpoint.url.clone();
        url.query_pairs_mut()
            .append_pair("api-version", self.endpoint.api_version)
            .append_pair("resource", resource);
        let named = match &self.name {
            IdentityName::System => None,
            IdentityName::ClientId(id) => Some(("client_id", id)),
            IdentityName::ObjectId(id) => Some(("object_id", id)),
            IdentityName::ResourceId(id) => Some((self.endpoint.resource_id, id)),
        };
        if let Some((key, id)) = named {
            url.query_pairs_mut().append_pair(key, id);
        }
        let mut request = self.http.get(url).header("metadata", "true");
        if let Some(secret) = &self.endpoint.secret {
            request = request.header("x-identity-header", secret.expose());
        }
        let silent = |_| NoCredential("the identity endpoint of this machine does not answer");
        let mut answer = request.send().await.map_err(silent)?;
        if !answer.status().is_success() {
            return Err(NoCredential(
                "the identity endpoint of this machine gives no token for this identity",
            ));
        }
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY));
        while let Some(chunk) = answer.chunk().await.map_err(silent)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(NoCredential("the identity endpoint's answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body)
            .map_err(|_| NoCredential("the identity endpoint's answer holds no usable token"))
    }
}

/// What an identity endpoint answers; the time is a text of seconds, and a number in some of them.
#[derive(Deserialize)]
struct Answered {
    access_token: String,
    token_type: String,
    expires_on: Seconds,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

/// The identity as a credential of one connection.
#[derive(Debug)]
pub(super) struct OfMachine {
    pub(super) identity: std::sync::Arc<ManagedIdentity>,
    pub(super) directory: DirectoryId,
}

#[async_trait::async_trait]
impl TokenCredential for OfMachine {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let failed = |why| Error::new(ErrorKind::Credential, why);
        let [scope] = scopes else {
            return Err(failed(NoCredential("a token has one scope")));
        };
        let answered = self.identity.token(scope).await.map_err(failed)?;
        let unusable = || failed(NoCredential("the identity endpoint's answer holds no usable token"));
        let seconds = match answered.expires_on {
            Seconds::Number(seconds) => seconds,
            Seconds::Text(text) => text.parse().map_err(|_| unusable())?,
        };
        let ends = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| unusable())?;
        let plain = answered.access_token.bytes().all(|byte| byte.is_ascii_graphic());
        let bearer = answered.token_type.eq_ignore_ascii_case("Bearer");
        if !plain || answered.access_token.is_empty() || !bearer {
            return Err(unusable());
        }
        // A vault would refuse a token of another directory as if the customer had said no.
        match directory_of(&answered.access_token) {
            Some(other) if !other.eq_ignore_ascii_case(&self.directory.to_string()) => {
                let why = "the machine's identity is of another directory than the tenant's vaults trust";
                Err(failed(NoCredential(why)))
            }
            _ => Ok(AccessToken::new(answered.access_token, ends)),
        }
    }
}

/// The directory that a token names; nothing where it cannot be read.
fn directory_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        tid: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.tid)
}

/// Whether an identity can be named so: short, printable, without spaces.
pub fn is_identity(text: &str) -> bool {
    (1..=MAX_IDENTITY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
