//! The managed identity: tokens for the programs of this machine without any secret of theirs, as in a cloud's machine.
//!
//! Owns a router of its own, in plain http, that the binary puts on a loopback address and nowhere else. It gives out
//! tokens of one application in one directory, in two shapes: that of App Service, with a header that its caller must know,
//! and that of the instance metadata service (IMDS), which trusts whoever reaches it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use crypto::digest;
use http::{HeaderMap, Method, StatusCode};
use model::id::DirectoryId;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::core::Core;
use crate::error::Stop;
use crate::id::ApplicationId;
use crate::reply::{Reply, Response};
use crate::request::Asked;
use crate::token::{No, service};

/// Whose tokens the managed identity gives out.
pub struct ManagedIdentity {
    /// The directory of the tokens.
    pub directory: DirectoryId,
    /// The application, which the directory must have consented to.
    pub application: ApplicationId,
    /// What callers of the App Service shape send as `X-IDENTITY-HEADER`. Without it that shape is not served.
    pub header: Option<Zeroizing<String>>,
    /// Whether the IMDS shape is served, which asks its callers for nothing that another program could not send.
    pub instance_metadata: bool,
}

impl std::fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { directory, application, instance_metadata, .. } = self;
        write!(f, "ManagedIdentity({directory}, {application}, IMDS: {instance_metadata})")
    }
}

struct Source {
    core: Arc<Core>,
    identity: ManagedIdentity,
}

/// The router of one managed identity.
pub(crate) fn router(core: Arc<Core>, identity: ManagedIdentity) -> Router {
    Router::new().fallback(serve).with_state(Arc::new(Source { core, identity }))
}

/// How this endpoint says no.
struct Refused(StatusCode, &'static str, String);

async fn serve(State(source): State<Arc<Source>>, request: Request) -> Response {
    let (parts, _unread) = request.into_parts();
    let asked = Asked::read(&source.core, &parts);
    let reply =
        |status| Reply::new(status, &asked).header("cache-control", "no-store").header("pragma", "no-cache");
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    match answer(&source, &asked, &parts.headers, peer).await {
        Ok(json) => reply(StatusCode::OK).json(&json),
        Err(Refused(status, error, text)) => {
            let body = json!({"error": error, "error_description": text, "correlationId": asked.id});
            let reply = reply(status);
            let busy = status == StatusCode::SERVICE_UNAVAILABLE;
            if busy { reply.header("retry-after", "1").json(&body) } else { reply.json(&body) }
        }
    }
}

async fn answer(
    source: &Source,
    asked: &Asked,
    headers: &HeaderMap,
    peer: Option<std::net::IpAddr>,
) -> Result<Value, Refused> {
    let bad = |text: &str| Refused(StatusCode::BAD_REQUEST, "invalid_request", text.into());
    if !peer.is_some_and(|peer| peer.is_loopback()) {
        return Err(Refused(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Only programs of this machine are served.".into(),
        ));
    }
    if asked.method != Method::GET {
        return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "bad_request_102", "Only GET is served.".into()));
    }
    let path = asked.path.as_deref().unwrap_or_default();
    let words: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["msi", "token"] => app_service(source, headers)?,
        ["metadata", "identity", "oauth2", "token"] if source.identity.instance_metadata => {
            metadata(headers)?
        }
        _ => return Err(Refused(StatusCode::NOT_FOUND, "not_found", "No such endpoint.".into())),
    }
    // Any version: the shapes have not changed between them.
    asked
        .query("api-version")
        .filter(|version| !version.is_empty())
        .ok_or_else(|| bad("api-version is missing."))?;
    let resource = asked.query("resource").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or_else(|| bad("The resource is missing."))?;
    let own = source.identity.application.to_string();
    let another = ["client_id", "clientid"]
        .iter()
        .any(|name| asked.query(name).is_some_and(|named| !named.eq_ignore_ascii_case(&own)));
    if another {
        return Err(Refused(StatusCode::BAD_REQUEST, "invalid_request", "Identity not found".into()));
    }
    let given = service::for_identity(
        &source.core,
        asked,
        source.identity.directory,
        source.identity.application,
        resource,
    );
    given.await.map_err(|no| refused(&source.core, asked, no))
}

/// The shape of App Service: its callers know the header, which other programs of the machine do not.
fn app_service(source: &Source, headers: &HeaderMap) -> Result<(), Refused> {
    let denied = || {
        Refused(StatusCode::UNAUTHORIZED, "invalid_request", "X-IDENTITY-HEADER is missing or wrong.".into())
    };
    let wanted = source.identity.header.as_ref().ok_or_else(denied)?;
    let sent = headers.get("x-identity-header").ok_or_else(denied)?;
    // Hashes, so that the time tells nothing of the length either.
    let same = digest::same(&digest::sha256(sent.as_bytes()), &digest::sha256(wanted.as_bytes()));
    if same && !wanted.is_empty() { Ok(()) } else { Err(denied()) }
}

/// The shape of IMDS: a header that no browser sends by itself, and none of those that a proxy adds.
fn metadata(headers: &HeaderMap) -> Result<(), Refused> {
    let is = headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if !is {
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Required metadata header not specified".into(),
        ));
    }
    if headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded") {
        let text = "A request that came over a proxy is not served.";
        return Err(Refused(StatusCode::BAD_REQUEST, "invalid_request", text.into()));
    }
    Ok(())
}

fn refused(core: &Core, asked: &Asked, no: No) -> Refused {
    match no {
        No::Refused(refused) => {
            let body = refused.body(&core.settings.login(), core.now(), asked.id, &asked.id.to_string());
            let text = body["error_description"].as_str().unwrap_or_default();
            Refused(StatusCode::BAD_REQUEST, "invalid_request", text.into())
        }
        No::Fault(stop) => {
            let _ = Stop::refusal(stop);
            let text = "The service cannot answer at the moment. Try again later.";
            Refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text.into())
        }
    }
}
