//! Root keys in several vault domains: each domain has an application of its own, and a key is asked where it lies.
//!
//! Owns [`Domains`]. The key's own suffix decides, so the credential that one domain knows is never shown to another.

use crypto::Seed;
use model::fault::Answer;
use model::id::RequestId;
use model::key_identifier::KeyIdentifier;
use model::time::BoxFuture;
use zeroize::Zeroizing;

use super::{AzureRootKeys, RootDescription, RootKeys};

/// The root keys of one connection, by domain.
#[derive(Debug)]
pub struct Domains(Vec<AzureRootKeys>);

impl Domains {
    /// The domains of these connections; of two for one domain the first is asked.
    pub fn new(connections: Vec<AzureRootKeys>) -> Self {
        Self(connections)
    }

    /// The connection of the key's domain; a key elsewhere is at an address that may not be called.
    fn of(&self, key: &KeyIdentifier) -> Result<&AzureRootKeys, Answer> {
        let holds = |keys: &&AzureRootKeys| keys.connection().application.cloud.holds(key);
        self.0.iter().find(holds).ok_or(Answer::Address)
    }
}

impl RootKeys for Domains {
    fn describe<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>> {
        Box::pin(async move { self.of(key)?.describe(key, request).await })
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        seed: &'a Seed,
        request: RequestId,
    ) -> BoxFuture<'a, Result<Vec<u8>, Answer>> {
        Box::pin(async move { self.of(key)?.wrap(key, seed, request).await })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        wrapped: &'a [u8],
        request: RequestId,
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, Answer>> {
        Box::pin(async move { self.of(key)?.unwrap(key, wrapped, request).await })
    }
}
