//! The service's door: one router for its HTTP API, with who may come in, the id of each call, and the document.
//!
//! Owns the composition of the rooms' routes and what every call passes on its way (spec/http-api.md). What a route
//! does is the room's that owns its noun; who somebody is, is `bearer`'s.

mod answer;
mod bearer;
mod body;
mod document;
mod health;
mod issuer;
mod operator_token;
mod passage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::server::{no_such_method, nothing_here};
use axum::{Router, middleware};
use utoipa_axum::router::OpenApiRouter;

pub use self::document::{openapi, openapi_text};
use self::health::Readiness;
pub use self::issuer::{Issuer, IssuerFault};
pub use self::operator_token::{OPERATOR_PREFIX, OperatorToken};
use crate::node::{Edge, Service};

/// Everything that decides who comes in, and what lies behind.
#[derive(Debug, Clone)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    issuer: Issuer,
    operator: OperatorToken,
    edge: Edge,
    readiness: Readiness,
    draining: AtomicBool,
}

impl Door {
    /// The door of a service: its people come from the issuer, its operator has the token.
    pub fn new(service: Service, issuer: Issuer, operator: OperatorToken, edge: Edge) -> Self {
        let (readiness, draining) = (Readiness::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { service, issuer, operator, edge, readiness, draining }))
    }

    /// The whole API.
    pub fn router(&self) -> Router {
        let Service { custody, engine, .. } = &self.0.service;
        let http = workloads::http::Http { custody: custody.clone(), engine: engine.clone() };
        let (router, _) = OpenApiRouter::new()
            .merge(health::routes().with_state(self.clone()))
            .merge(custody::http::routes().with_state(custody.clone()))
            .merge(workloads::http::routes().with_state(http))
            .split_for_parts();
        router
            .fallback(nothing_here)
            .method_not_allowed_fallback(no_such_method)
            .layer(middleware::from_fn_with_state(self.clone(), passage::pass))
            .layer(middleware::map_request(body::whole))
            .layer(middleware::map_response(answer::taken))
    }

    /// From now on the service says that it is not ready; whoever is in is served to the end.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    fn draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}
