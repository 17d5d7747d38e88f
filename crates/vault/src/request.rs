//! A request as every host reads it: path, query, request ids; the body stays unread until somebody may send one.
//!
//! Owns [`Asked`]. Empty path segments are dropped (clients send them), names in the query are decoded before they
//! are compared (one client encodes them), and everything that goes into a log is bounded here.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::time::Moment;

use crate::core::Core;
use crate::id::CallId;

/// The header that names a request as the client numbers it; it comes back in the reply and goes into the log.
pub(crate) const CLIENT_REQUEST_ID: &str = "x-ms-client-request-id";

/// The longest client request id that is echoed; a longer one is ignored.
const LONGEST_CLIENT_ID: usize = 128;
/// The longest text of a client that goes into the log.
const LONGEST_LOGGED: usize = 256;
/// More segments than the longest path has.
const MOST_SEGMENTS: usize = 32;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Decoded segments without the empty ones; `None` if the path is not text.
    pub(crate) path: Option<Vec<String>>,
    query: Vec<(String, String)>,
    /// Host and port as the client wrote them.
    pub(crate) authority: String,
    /// The value of the Authorization header.
    pub(crate) authorization: Option<HeaderValue>,
    /// The number that we give the request.
    pub(crate) id: CallId,
    /// The number that the client gave it.
    pub(crate) client_id: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) peer: Option<IpAddr>,
    /// Path without query, for the log.
    pub(crate) path_text: String,
    pub(crate) started: Moment,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It is larger than the limit.
    TooLarge,
    /// The client stopped sending.
    Broken,
}

impl Asked {
    pub(crate) fn read(core: &Core, parts: &Parts) -> Self {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let client_id = text(CLIENT_REQUEST_ID)
            .filter(|id| !id.is_empty() && id.len() <= LONGEST_CLIENT_ID)
            .map(str::to_owned);
        let query = parts.uri.query().unwrap_or_default();
        Self {
            method: parts.method.clone(),
            path: segments(parts.uri.path()),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            authority: authority(&parts.uri, &parts.headers).unwrap_or_default().to_owned(),
            authorization: parts.headers.get(AUTHORIZATION).cloned(),
            id: core.call_id(),
            client_id,
            user_agent: text(USER_AGENT.as_str()).map(cut),
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip()),
            path_text: cut(parts.uri.path()),
            started: core.clock.moment(),
        }
    }

    /// The first value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The host that the request is for: of the URI (HTTP/2), else of the Host header.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn body(body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Err(_) => Err(BodyFault::Broken),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_LOGGED).collect()
}

fn segments(path: &str) -> Option<Vec<String>> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.take(MOST_SEGMENTS).map(decode).collect()
}

fn decode(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte"));
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_segments_are_dropped_and_the_rest_is_decoded() {
        let of = |path: &str| segments(path).map(|segments| segments.join("|"));
        assert_eq!(of("/keys/k1/"), Some("keys|k1".into()));
        assert_eq!(of("//keys//k1//wrapkey"), Some("keys|k1|wrapkey".into()));
        assert_eq!(of("/keys/%6b1"), Some("keys|k1".into()));
        assert_eq!(of("/keys/a%2Fb"), Some("keys|a/b".into()));
        assert_eq!(of("/"), Some(String::new()));
        assert_eq!(of("/keys/%"), None);
        assert_eq!(of("/keys/%f"), None);
        assert_eq!(of("/keys/%ff"), None);
        assert_eq!(of("/keys/%+1"), None);
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(body(Body::from("12345"), 5).await.expect("it fits"), "12345");
        assert_eq!(body(Body::from("123456"), 5).await, Err(BodyFault::TooLarge));
    }
}
