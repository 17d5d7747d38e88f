//! The way from the service to root keys in vaults.
//!
//! Custody sees [`RootKeys`] alone: describe a root key, wrap a seed under it, unwrap it again, and an
//! [`Answer`](model::fault::Answer) that names what went wrong without judging it. Behind it stands
//! Microsoft's own client over a transport of ours, because whoever names a vault, or answers for one, must
//! not be trusted with more than the one question that was put to it. `spec/roots.md` says what is dialled,
//! what is refused and how an answer is read.

mod keys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use keys::{RootDescription, RootKeys};
