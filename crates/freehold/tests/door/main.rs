//! The service's API over TLS, with all three parties behind it: who comes in, and what tenants see of each other.

mod edited;
mod health;
mod policies;
mod routes;
mod tenants;
mod tokens;
mod world;
