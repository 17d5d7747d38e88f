//! The client of the API: one service, one token, and a typed call for each path.
//!
//! Owns how a call is made and how its answer is read. A problem document becomes the refusal that it tells of; an
//! answer that is not what spec/http-api.md promises is broken, never guessed at. The calls lie with their nouns.

mod containers;
mod error;
mod import;
mod objects;
mod policies;
mod tenants;
#[cfg(test)]
mod tests;
mod upload;
mod wire;

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::id::{ContainerId, TenantId};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use rustls::RootCertStore;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::problem::{PROBLEM_JSON, Problem};

pub use error::{ClientError, NoClient};
pub use import::{Import, ImportItem};
pub use objects::Download;
pub use wire::{IDLE_TIMEOUT, connection};

/// The longest JSON answer that is read: a page of the largest records of the log fits.
pub const MAX_ANSWER: usize = 64 << 20;
/// The header that carries the id of a call.
const REQUEST_ID: &str = "x-request-id";
/// How much of a request id is told.
const MAX_REQUEST_ID: usize = 64;

/// Which service is called, and as whom.
pub struct Settings {
    /// Where it is: `https://HOST` or `https://HOST:PORT`; `http` on this machine alone.
    pub server: String,
    /// The authorities that may vouch for it; without them those of this machine.
    pub roots: Option<Arc<RootCertStore>>,
    /// The operator's token, or a person's.
    pub token: Zeroizing<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A service that can be called; clones share their connections.
#[derive(Clone)]
pub struct Client {
    server: Url,
    token: HeaderValue,
    http: reqwest::Client,
    /// For what sends a content: it may take long before the first byte of the answer comes.
    uploads: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of one service; nothing is sent yet.
    pub fn new(settings: Settings) -> Result<Self, NoClient> {
        let server = wire::server(&settings.server)?;
        let bearer = Zeroizing::new(format!("Bearer {}", settings.token.as_str()));
        let mut token = HeaderValue::from_str(&bearer).map_err(|_| NoClient::Token)?;
        if settings.token.is_empty() || settings.token.contains(char::is_whitespace) {
            return Err(NoClient::Token);
        }
        token.set_sensitive(true);
        let tls = wire::tls(settings.roots)?;
        let (http, uploads) = (wire::http(&server, tls.clone())?, wire::uploads(&server, tls)?);
        Ok(Self { server, token, http, uploads })
    }

    /// Where a path is; segments are ids and words of ours, and cannot leave their place whatever is in them.
    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.server.clone();
        url.path_segments_mut().expect("an http address has a path").clear().extend(segments);
        url
    }

    fn in_tenant(&self, tenant: TenantId, rest: &[&str]) -> Url {
        self.at(&[&["v1", "tenants", &tenant.to_string()], rest].concat())
    }

    fn in_container(&self, tenant: TenantId, container: ContainerId, rest: &[&str]) -> Url {
        self.in_tenant(tenant, &[&["containers", &container.to_string()], rest].concat())
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        self.json(self.http.get(url)).await
    }

    async fn post<T: DeserializeOwned>(&self, url: Url, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(self.http.post(url).json(body)).await
    }

    async fn put<T: DeserializeOwned>(&self, url: Url, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(self.http.put(url).json(body)).await
    }

    async fn delete(&self, url: Url) -> Result<(), ClientError> {
        self.answer(self.http.delete(url)).await.map(|_| ())
    }

    /// Makes a call and reads its answer.
    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let answer = self.answer(request).await?;
        self.read_json(answer).await
    }

    /// Makes a call; an answer of success, whose body is not read yet, or why there is none.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = self.send(request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(answer).await) }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let request = request.header(AUTHORIZATION, self.token.clone());
        request.send().await.map_err(|error| ClientError::unanswered(&self.server, &error))
    }

    /// Why the service refused, as it says itself.
    async fn refused(&self, answer: Response) -> ClientError {
        let (status, request) = (answer.status(), request_id(&answer));
        let broken = |what: String| ClientError::Broken { what, request: request.clone() };
        if status.is_redirection() {
            return broken(format!(
                "status {status}: a redirect, which is not followed; name the service itself"
            ));
        }
        if !is_of_type(&answer, PROBLEM_JSON) {
            return broken(format!(
                "status {status} without a reason; something in between may have answered"
            ));
        }
        match self.read_json::<Problem>(answer).await {
            Ok(problem) => ClientError::Refused(problem.refusal()),
            Err(error) => error,
        }
    }

    async fn read_json<T: DeserializeOwned>(&self, answer: Response) -> Result<T, ClientError> {
        let request = request_id(&answer);
        let body = self.read(answer).await?;
        serde_json::from_slice(&body).map_err(|_| ClientError::Broken {
            what: "it is not the JSON that this version knows".into(),
            request,
        })
    }

    /// The whole body, which has a bound; one that is cut is an error.
    async fn read(&self, mut answer: Response) -> Result<Bytes, ClientError> {
        let request = request_id(&answer);
        let mut body = BytesMut::new();
        while let Some(piece) =
            answer.chunk().await.map_err(|error| ClientError::cut(&self.server, &error, request.clone()))?
        {
            if body.len() + piece.len() > MAX_ANSWER {
                let what = format!("it is longer than {MAX_ANSWER} bytes");
                return Err(ClientError::Broken { what, request });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

/// The id of a call, as the service tells it.
fn request_id(answer: &Response) -> Option<String> {
    let id = answer.headers().get(REQUEST_ID)?.to_str().ok()?;
    Some(id.chars().take(MAX_REQUEST_ID).collect())
}

/// Whether the body is of a media type, whatever its parameters.
fn is_of_type(answer: &Response, media_type: &str) -> bool {
    let given = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split(';').next()).unwrap_or_default();
    given.trim().eq_ignore_ascii_case(media_type)
}
