//! The wire under Microsoft's client: what it may dial, for how long, and how much it may bring back.
//!
//! Owns [`Wire`] and the [`HttpClient`] that it gives to key clients and to credentials. No proxy and no root
//! of the environment, no redirect, no repetition, https to names only; each of these is a test in `client`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport, Url};
use futures::StreamExt;
use serde::Deserialize;

use super::cloud::Cloud;
use super::resolver::{NotDialled, Resolver, is_under};
use super::trust::Trust;

/// How long a connection may take to come about, DNS and TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long one request may take, connection and body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without work is kept open.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How many connections without work are kept open to one host.
pub const MAX_IDLE: usize = 8;
/// The largest body of an answer, in bytes; an RSA-4096 key with its attributes is a tenth of it.
pub const MAX_BODY: usize = 64 * 1024;
/// The longest life of a token that is believed; Entra gives up to 28 hours.
pub const MAX_TOKEN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// An answer larger than [`MAX_BODY`].
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {MAX_BODY} bytes")]
pub(super) struct TooLarge;

/// A token service's success that holds no token that can be used.
#[derive(Debug, thiserror::Error)]
#[error("the token service's answer holds no usable token")]
pub(super) struct NoToken;

/// The HTTP client of one vault connection: its own pool, so that no other connection's ranges apply to it.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
    trust: Trust,
}

/// The operator's machine cannot make an HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for vaults can be made: {0}")]
pub struct NoWire(#[from] reqwest::Error);

impl Wire {
    /// A wire that believes `trust` and dials what `resolver` allows.
    pub(super) fn new(trust: &Trust, resolver: Resolver) -> Result<Self, NoWire> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(trust.tls())
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .https_only(true)
            // One request at a time on a connection: nothing here needs streams, and a hostile vault has less to play with.
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .build()?;
        Ok(Self { http, trust: trust.clone() })
    }

    /// The transport of key clients: hosts under the cloud's suffix alone.
    pub(super) fn to_vaults(&self, cloud: &Cloud) -> Transport {
        self.transport(Hosts::Under(cloud.suffix().to_string()))
    }

    /// The transport of credentials: the cloud's authority alone.
    pub(super) fn to_authority(&self, cloud: &Cloud) -> Transport {
        self.transport(Hosts::Authority(cloud.authority().to_owned()))
    }

    fn transport(&self, hosts: Hosts) -> Transport {
        Transport::new(Arc::new(Guarded { wire: self.clone(), hosts }))
    }
}

/// Which hosts a transport is for, with the port where it is not 443.
#[derive(Debug)]
enum Hosts {
    Under(String),
    Authority(String),
}

/// The checks around each request and each answer.
#[derive(Debug)]
struct Guarded {
    wire: Wire,
    hosts: Hosts,
}

impl Guarded {
    /// Whether the URL may be dialled at all; addresses of its name are checked by the resolver.
    fn check(&self, url: &Url) -> Result<(), NotDialled> {
        let Some(url::Host::Domain(name)) = url.host() else {
            return Err(NotDialled::Literal(url.host_str().unwrap_or_default().to_owned()));
        };
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        if url.scheme() != "https" {
            return Err(NotDialled::Plain(host));
        }
        let meant = match &self.hosts {
            Hosts::Under(suffix) => is_under(&host, suffix),
            Hosts::Authority(authority) => host == *authority,
        };
        match meant && (!self.wire.trust.is_lab() || self.wire.trust.vouches_for(name)) {
            true => Ok(()),
            false => Err(NotDialled::Elsewhere(host)),
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Guarded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.check(request.url()).map_err(|refused| Error::new(ErrorKind::Other, refused))?;
        let answer = bounded(self.wire.http.execute_request(request).await?);
        match self.hosts {
            Hosts::Under(_) => Ok(answer),
            Hosts::Authority(_) => checked_token(answer).await,
        }
    }
}

/// The answer with a body that ends in an error once it is too large, whatever its length claims.
fn bounded(answer: AsyncRawResponse) -> AsyncRawResponse {
    let (status, headers, body) = answer.deconstruct();
    let mut seen = 0_usize;
    let body = body.map(move |chunk| {
        let chunk = chunk?;
        seen = seen.saturating_add(chunk.len());
        match seen > MAX_BODY {
            true => Err(Error::new(ErrorKind::Other, TooLarge)),
            false => Ok(chunk),
        }
    });
    AsyncRawResponse::new(status, headers, Box::pin(body))
}

/// A token service's answer, so that Microsoft's client cannot lose or trip over what it says.
///
/// An error status becomes an error here: the client's own parser drops status and body where a description has
/// an escape in it or the body is not JSON. A success is read before the client adds `expires_in` to its clock,
/// which panics for a number that is too large.
async fn checked_token(answer: AsyncRawResponse) -> azure_core::Result<AsyncRawResponse> {
    let raw = answer.try_into_raw_response().await?;
    let status = raw.status();
    if !status.is_success() {
        let kind = ErrorKind::HttpResponse { status, error_code: None, raw_response: Some(Box::new(raw)) };
        return Err(Error::with_message(kind, "the token service answered with an error"));
    }
    let (status, headers, body) = raw.deconstruct();
    let body = azure_core::Bytes::from(body);
    match serde_json::from_slice::<Token<'_>>(&body) {
        Ok(token) if token.is_usable() => Ok(AsyncRawResponse::from_bytes(status, headers, body)),
        _ => Err(Error::new(ErrorKind::DataConversion, NoToken)),
    }
}

/// What is looked at of a token; it is borrowed where it can be, so that one copy less is made of it.
#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Cow<'a, str>,
    expires_in: u64,
}

impl Token<'_> {
    fn is_usable(&self) -> bool {
        let text = &self.access_token;
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && self.token_type.eq_ignore_ascii_case("Bearer")
            && self.expires_in <= MAX_TOKEN_LIFE.as_secs()
    }
}
