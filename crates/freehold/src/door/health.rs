//! Health and the API's own description.

use std::sync::LazyLock;
use std::time::Duration;

use api::server::{Asker, answer};
use api::{Live, Problem, Ready, ReadyState};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::time::Moment;
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Door, openapi_text};

/// How long the last look at the store counts: whoever asks all the time makes no load.
const READY_AGE: Duration = Duration::from_secs(2);
/// How long a look at the store may take before it counts as broken.
const READY_WAIT: Duration = Duration::from_secs(5);

/// The document; the routes do not change while the process runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_text);

/// When the store was last looked at, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Moment, Vec<String>)>>);

pub(super) fn routes() -> OpenApiRouter<Door> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(document))
}

/// The process answers
#[utoipa::path(get, path = "/health/live", operation_id = "live", tag = "health", responses((status = 200, description = "It answers.", body = Live)))]
async fn live() -> Response {
    answer(StatusCode::OK, &Live { live: true, version: env!("CARGO_PKG_VERSION").into() })
}

/// Whether the service can serve
///
/// 503 only when something of the service itself is broken. A customer's refusal and the outage of a customer's vault
/// are counted, and make nothing "not ready": other tenants are served.
#[utoipa::path(get, path = "/ready", operation_id = "ready", tag = "health",
    responses((status = 200, description = "It can.", body = Ready), (status = 503, description = "Something of ours is broken.", body = Ready)))]
async fn ready(State(door): State<Door>) -> Response {
    let our_fault = door.broken().await;
    let shut = door.0.service.custody.shut();
    let (status, state) = match our_fault.is_empty() {
        true => (StatusCode::OK, ReadyState::Ready),
        false => (StatusCode::SERVICE_UNAVAILABLE, ReadyState::NotReady),
    };
    let ready = Ready {
        status: state,
        our_fault,
        policies_refused_by_customer: shut.refused,
        policies_in_outage: shut.outage,
        policies_our_fault: shut.ours,
    };
    answer(status, &ready)
}

/// This document
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "health", security(("bearer" = [])),
    responses((status = 200, description = "The OpenAPI document of the service.", body = std::collections::HashMap<String, serde_json::Value>, content_type = "application/json"), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")))]
async fn document(_asker: Asker) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

impl Door {
    /// What of ours is broken now.
    async fn broken(&self) -> Vec<String> {
        let mut broken = self.looked_at().await;
        if self.draining() {
            broken.push("the service drains: it was asked to stop".into());
        }
        broken
    }

    async fn looked_at(&self) -> Vec<String> {
        let mut last = self.0.readiness.0.lock().await;
        let now = self.0.edge.clock.moment();
        if let Some((_, broken)) = last.as_ref().filter(|(at, _)| *at + READY_AGE > now) {
            return broken.clone();
        }
        let look = tokio::time::timeout(READY_WAIT, self.0.service.custody.beat()).await;
        let broken = match look {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(refusal)) => vec![format!("the store cannot be written: {}", refusal.code.slug())],
            Err(_) => vec!["the store does not answer".to_owned()],
        };
        *last = Some((self.0.edge.clock.moment(), broken.clone()));
        broken
    }
}
