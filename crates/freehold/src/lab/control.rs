//! The lab's control endpoint: the clock, and the last step of a service request.
//!
//! Owns its routes, which are in no other router. It listens on loopback and answers to the token of the run alone, which
//! nobody but COMMAND is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header::AUTHORIZATION};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use crypto::digest::{same, sha256};
use model::time::Clock;
use serde::Deserialize;
use serde_json::json;
use vault::{AdminFault, SubscriptionId, Vault};

use super::clock::LabClock;
use super::period::Period;
use super::stamp::Stamp;
use crate::exit::Failure;
use crate::layout::Layout;
use crate::listener::{Listener, Transport};

/// The largest body of a request to the control endpoint, in bytes.
pub const CONTROL_BODY: usize = 4 << 10;
/// What errors about the listener name.
const SETTING: &str = "the lab's control endpoint";

/// What the endpoint rules over.
#[derive(Debug, Clone)]
pub(super) struct Control {
    /// The clock of the run.
    pub(super) clock: Arc<LabClock>,
    /// The customers' vaults, and then the provider's.
    pub(super) vaults: [Vault; 2],
    /// The folder, and what its stamp says.
    pub(super) stamped: (Layout, Stamp),
    /// The hash of the token.
    token: [u8; 32],
}

impl Control {
    /// An endpoint that answers to this token.
    pub(super) fn new(
        clock: Arc<LabClock>,
        vaults: [Vault; 2],
        stamped: (Layout, Stamp),
        token: &str,
    ) -> Self {
        Self { clock, vaults, stamped, token: sha256(token.as_bytes()) }
    }

    /// Listens on a free port of loopback.
    pub(super) fn listen(self) -> Result<Listener, Failure> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Listener::start(SETTING, free, Transport::Plain, self.router())?)
    }

    /// The routes; whatever else is asked for is answered with 404, and without the token with 401.
    fn router(self) -> Router {
        let routes = Router::new()
            .route("/clock", get(told).post(advance))
            .route("/subscriptions/{id}/registered", post(registered))
            .layer(axum::extract::DefaultBodyLimit::max(CONTROL_BODY));
        routes.layer(middleware::from_fn_with_state(self.clone(), known)).with_state(self)
    }

    fn now(&self) -> api::Time {
        self.clock.now().into()
    }
}

/// Lets pass who has the token; the time tells nothing of how much of it is right.
async fn known(State(control): State<Control>, request: Request, next: Next) -> Response {
    let presented = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if same(&sha256(presented.as_bytes()), &control.token) {
        return next.run(request).await;
    }
    said(StatusCode::UNAUTHORIZED, "send the token of the run: Authorization: Bearer $FREEHOLD_LAB_TOKEN")
}

async fn told(State(control): State<Control>) -> Response {
    Json(json!({ "now": control.now() })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

/// Moves the clock, and does at once what is due by then.
async fn advance(State(control): State<Control>, Json(asked): Json<Advance>) -> Response {
    let by = match asked.advance.parse::<Period>() {
        Ok(Period(by)) => by,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Some(ahead) = control.clock.advance(by) else {
        return said(StatusCode::BAD_REQUEST, "the lab's clock goes a hundred years ahead at most");
    };
    let (layout, stamp) = &control.stamped;
    if let Err(failure) = stamp.clone().at(ahead).keep(layout) {
        tracing::error!(%failure, "the next run on this folder would find an older clock");
        return said(StatusCode::INTERNAL_SERVER_ERROR, &failure.to_string());
    }
    // The upkeep wakes too; whoever of the two comes first, what is due is gone before this is answered.
    for vault in &control.vaults {
        vault.do_due().await;
    }
    told(State(control)).await
}

/// What the operator of the directory does when the service request is completed.
async fn registered(State(control): State<Control>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<SubscriptionId>() else {
        return said(StatusCode::BAD_REQUEST, "a subscription's id is a UUID");
    };
    match control.vaults[0].administration().register_mandatory_retention(id).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(fault @ AdminFault::Missing(_)) => said(StatusCode::NOT_FOUND, &fault.to_string()),
        Err(fault @ (AdminFault::Refused(_) | AdminFault::Exists(_) | AdminFault::Conflict)) => {
            said(StatusCode::CONFLICT, &fault.to_string())
        }
        Err(fault @ AdminFault::Store(_)) => said(StatusCode::INTERNAL_SERVER_ERROR, &fault.to_string()),
    }
}

fn said(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
