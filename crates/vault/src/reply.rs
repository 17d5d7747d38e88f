//! A reply as every host sends it: JSON, the request ids, and the headers that each host adds.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::request::{Asked, CLIENT_REQUEST_ID};

/// The reply of a handler.
pub(crate) type Response = http::Response<Body>;

/// A reply being made.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, asked: &Asked) -> Self {
        let reply = Self { status, headers: HeaderMap::new() }
            .header("strict-transport-security", "max-age=31536000;includeSubDomains")
            .header("x-content-type-options", "nosniff")
            .header("x-ms-request-id", &asked.id.to_string());
        match &asked.client_id {
            Some(id) => reply.header(CLIENT_REQUEST_ID, id),
            None => reply,
        }
    }

    /// Adds a header; a value that no header can hold is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Response {
        let bytes = serde_json::to_vec(body).expect("our own shapes have only text keys");
        self.bytes(Bytes::from(bytes))
    }

    /// A body that is JSON already.
    pub(crate) fn bytes(self, body: Bytes) -> Response {
        let mut response = self.empty();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        *response.body_mut() = Body::from(body);
        response
    }

    pub(crate) fn empty(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
