//! What every call passes: it gets its id, its caller is identified, and its refusal and its line in the log are written.

use std::str::FromStr;

use api::server::Refused;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::caller::Identity;
use model::id::RequestId;
use tracing::Instrument;

use super::{Door, bearer};

/// The header that carries the id of a call, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// The calls that need no token.
const ANONYMOUS: [&str; 2] = ["/health/live", "/ready"];
/// How much of a path the log shows.
const LONGEST_LOGGED: usize = 256;

/// Lets a call in, and its answer out.
pub(super) async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let id = request_id(&door, &request);
    let started = door.0.edge.clock.moment();
    // Ids alone stand in paths: names travel in bodies and headers.
    let path: String = request.uri().path().chars().take(LONGEST_LOGGED).collect();
    let method = request.method().clone();
    let span = tracing::info_span!("call", request = %id);
    let answered = async {
        if !ANONYMOUS.contains(&request.uri().path()) {
            match identified(&door, request.headers()).await {
                Ok(identity) => drop(request.extensions_mut().insert(identity)),
                Err(refused) => return refused.into_response(),
            }
        }
        request.extensions_mut().insert(id);
        next.run(request).await
    };
    let response = answered.instrument(span).await;
    let code = response.extensions().get::<Refused>().map(|refused| refused.0.code.text());
    let mut response = Refused::render(response, id);
    let took = started.until(door.0.edge.clock.moment());
    let (status, ms) = (response.status().as_u16(), took.as_millis() as u64);
    tracing::info!(request = %id, %method, path, status, code, ms, "answered");
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn identified(door: &Door, headers: &HeaderMap) -> Result<Identity, Refused> {
    let (custody, now) = (&door.0.service.custody, door.0.edge.clock.now());
    Ok(bearer::identify(headers, &door.0.operator, &door.0.issuer, custody, now).await?)
}

/// The id that the caller gave the call, if it is a UUID; else a new one.
fn request_id(door: &Door, request: &Request) -> RequestId {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    given.and_then(|text| RequestId::from_str(text).ok()).unwrap_or_else(|| {
        let mut bytes = [0; 16];
        door.0.edge.random.fill(&mut bytes);
        RequestId::from_random(bytes)
    })
}
