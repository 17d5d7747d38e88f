//! What the handlers of every room share: who asks, how a request is read, how a refusal leaves.
//!
//! Owns the extractors and [`Refused`]. Who may do what is decided in custody; that a request comes with an
//! [`Identity`] at all is the binary's door. A handler that finds none refuses: deny by default.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::iter::successors;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::caller::Identity;
use model::id::RequestId;
use model::refusal::{Code, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{PROBLEM_JSON, Problem};

/// The longest JSON body of a request.
pub const MAX_JSON_BODY: usize = 64 << 10;

/// A refusal on its way out; [`Refused::render`] makes the answer of it, where the id of the call is known.
#[derive(Debug, Clone)]
pub struct Refused(pub Refusal);

impl<T: Into<Refusal>> From<T> for Refused {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = status(self.0.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Refused {
    /// Writes the problem document into an answer that a handler refused; any other answer stays as it is.
    ///
    /// Headers and a status that the handler set stay: a code has one status, but HTTP has finer ones for some cases.
    pub fn render(mut response: Response, request: RequestId) -> Response {
        let Some(Self(refusal)) = response.extensions_mut().remove::<Self>() else { return response };
        let mut problem = Problem::new(&refusal, Some(request));
        problem.status = response.status().as_u16();
        *response.body_mut() = serde_json::to_vec(&problem).unwrap_or_default().into();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if refusal.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Who asks, and the id of the call.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who it is, by the token that came with the call.
    pub identity: Identity,
    /// The id that the call carries through all three parties.
    pub request: RequestId,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let identity = parts.extensions.get::<Identity>().cloned();
        let request = parts.extensions.get::<RequestId>().copied();
        match (identity, request) {
            (Some(identity), Some(request)) => Ok(Self { identity, request }),
            _ => Err(Refused(Refusal::new(Code::Unauthenticated, "the call came without a token"))),
        }
    }
}

/// The JSON body of a request.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Refused(unreadable(&rejection))),
        }
    }
}

/// The variable parts of a path.
#[derive(Debug)]
pub struct At<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let wrong = |rejection: PathRejection| match rejection {
            // Not an id: then there is nothing of that id.
            PathRejection::FailedToDeserializePathParams(_) => {
                Refusal::new(Code::NotFound, "the path names something that cannot be: ids are UUIDs")
            }
            _ => Refusal::new(Code::BadRequest, "the path cannot be read"),
        };
        path.map(|Path(at)| Self(at)).map_err(|rejection| Refused(wrong(rejection)))
    }
}

/// The query of a request.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let wrong = |rejection: QueryRejection| Refusal::new(Code::BadRequest, inner(&rejection.body_text()));
        query.map(|Query(asked)| Self(asked)).map_err(|rejection| Refused(wrong(rejection)))
    }
}

/// An answer in JSON that no cache keeps.
pub fn answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// A route's fallback for what is not served at all.
pub async fn nothing_here() -> Result<Infallible, Refused> {
    Err(Refused(Refusal::new(
        Code::NotFound,
        "there is nothing at this path; /openapi.json lists every path",
    )))
}

/// A path that exists, asked by a method that it does not have; the router says in `allow` which ones it has.
pub async fn no_such_method() -> Response {
    let rule = "the path has no such method; allow names those that it has";
    (StatusCode::METHOD_NOT_ALLOWED, Refused(Refusal::new(Code::BadRequest, rule))).into_response()
}

fn unreadable(rejection: &JsonRejection) -> Refusal {
    match rejection {
        JsonRejection::BytesRejection(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(Code::TooLarge, format!("body: at most {MAX_JSON_BODY} bytes of JSON"))
        }
        JsonRejection::BytesRejection(error) => {
            Refusal::new(Code::BadRequest, format!("body: it did not come whole ({})", broken_by(error)))
        }
        JsonRejection::MissingJsonContentType(_) => {
            Refusal::new(Code::BadRequest, "content-type: expected application/json")
        }
        JsonRejection::JsonDataError(error) => {
            Refusal::new(Code::BadRequest, format!("body: {}", inner(&error.body_text())))
        }
        _ => Refusal::new(Code::BadRequest, "body: it is not JSON"),
    }
}

/// What broke a body off; the words of a library are not passed on.
pub fn broken_by(error: &(dyn Error + 'static)) -> io::ErrorKind {
    let causes = successors(Some(error), |error| (*error).source());
    let mut faults = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    faults.next().map_or(io::ErrorKind::ConnectionAborted, io::Error::kind)
}

/// What the parser found, without the library's sentence before it and without a value: it may be a credential.
fn inner(text: &str) -> String {
    let found = text.split_once(": ").map_or(text, |(_, found)| found);
    let found = match (found.find('"'), found.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}…{}", &found[..=first], &found[last..]),
        _ => found.to_owned(),
    };
    found.chars().take(MAX_FOUND).collect()
}

/// How much of a parser's complaint is told.
const MAX_FOUND: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_broke_off_is_not_called_other_than_json() {
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::UnexpectedEof] {
            let body = futures::stream::iter([Ok("{\"a\":"), Err(io::Error::new(kind, "secret words"))]);
            let body = axum::body::Body::from_stream(body);
            let request = Request::post("/").header(header::CONTENT_TYPE, "application/json").body(body);
            let read = Body::<serde_json::Value>::from_request(request.expect("a request"), &()).await;
            assert_eq!(read.expect_err("refused").0.detail, format!("body: it did not come whole ({kind})"));
        }
    }

    #[test]
    fn a_status_and_a_header_that_a_handler_set_stay_with_the_problem() {
        let refused = Refused(Refusal::new(Code::BadRequest, "range: beyond the end"));
        let set = (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, "bytes */7")], refused);
        let response = Refused::render(set.into_response(), RequestId::from_random([1; 16]));
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */7");
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }
}
