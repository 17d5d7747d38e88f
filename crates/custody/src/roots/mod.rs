//! The way from the service to root keys in vaults.
//!
//! Custody sees [`RootKeys`] alone: describe a root key, wrap a seed under it, unwrap it again, and an
//! [`Answer`](model::fault::Answer) that names what went wrong without judging it. Behind it stands
//! Microsoft's own client over a transport of ours, because whoever names a vault, or answers for one, must
//! not be trusted with more than the one question that was put to it. `spec/roots.md` says what is dialled,
//! what is refused and how an answer is read.

mod answer;
mod certificate;
mod client;
mod cloud;
mod connection;
mod credential;
mod domains;
mod identity;
mod keys;
mod range;
mod renewed;
mod resolver;
mod secret;
#[cfg(test)]
mod server;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod transport;
mod trust;

pub use certificate::{ASSERTION_LIFE, ClientCertificate, MAX_CERTIFICATE};
pub use client::{AzureRootKeys, CALL_BOUND, MAX_CLIENTS, MAX_KEY_OPS, MAX_SIZES, MAX_WORD, SIZES};
pub use cloud::{Cloud, NotACloud};
pub use connection::{Application, ClientId, Connection, MAX_CLIENT_ID, NotAClientId};
pub use credential::{Credential, DeveloperTool};
pub use domains::Domains;
pub use identity::{Endpoint, IdentityName, MAX_IDENTITY, ManagedIdentity, NotAnEndpoint, is_identity};
pub use keys::{RootDescription, RootKeys};
pub use range::{MAX_RANGES, NotARange, Range, Ranges};
pub use renewed::Renewed;
pub use resolver::{
    LabMap, Lookup, MAX_ADDRESSES, MAX_LAB_NAMES, MAX_LOOKUPS, NotALabName, NotDialled, Resolver,
};
pub use secret::{Assertion, ClientSecret, MAX_ASSERTION, MAX_SECRET, NoSecret};
pub use transport::{
    CONNECT_TIMEOUT, IDLE_TIMEOUT, MAX_BODY, MAX_IDLE, MAX_TOKEN_LIFE, NoWire, REQUEST_TIMEOUT,
};
pub use trust::{MAX_BUNDLE, NoTrust, Trust};
