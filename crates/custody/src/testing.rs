//! Vaults of every party in memory, for tests of this room and of the rooms above it.
//!
//! Owns [`Vaults`], the [`Reach`] that ends at [`FakeRoots`], and the names of its keys.

use std::sync::Arc;

use model::fault::Answer;
use model::id::{DepId, RequestId};
use model::key_identifier::{KeyIdentifier, KeyVersion};
use model::policy::PolicyKind;
use model::refusal::Refusal;
use model::suffix::SuffixList;
use model::time::BoxFuture;

use crate::roots::testing::FakeRoots;
use crate::roots::{RootDescription, RootKeys};
use crate::{Reach, VaultConnection};

/// Vaults of every party, in memory; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Vaults {
    /// The customers' vaults.
    pub customer: FakeRoots,
    /// The provider's vaults, the availability vault among them.
    pub provider: FakeRoots,
}

impl Vaults {
    /// Vaults in which the provider's two root keys are made, and nothing else.
    pub fn new() -> Self {
        let vaults = Self::default();
        for vault in PROVIDER {
            vaults.provider.add(&key(vault, "root"));
        }
        vaults
    }
}

const PROVIDER: [&str; 2] = ["provider-a", "provider-b"];

impl Reach for Vaults {
    fn customer(&self, _: &VaultConnection) -> Result<Arc<dyn RootKeys>, Refusal> {
        Ok(Arc::new(self.customer.clone()))
    }

    fn provider(&self) -> Arc<dyn RootKeys> {
        Arc::new(self.provider.clone())
    }

    fn provider_roots(&self) -> [KeyIdentifier; 2] {
        PROVIDER.map(|vault| key(vault, "root").versionless())
    }

    fn suffixes(&self, _: PolicyKind) -> SuffixList {
        SuffixList::new(["vault.localhost"]).expect("a suffix")
    }

    fn availability_key(&self, policy: DepId) -> KeyIdentifier {
        key("availability", &format!("dep-{policy}")).versionless()
    }

    fn create_availability_key<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>> {
        Box::pin(async move {
            self.provider.add(&key.at(KeyVersion::from_bytes([1; 16])));
            self.provider.describe(key, request).await
        })
    }
}

/// Version 1 of a key of the lab.
pub fn key(vault: &str, name: &str) -> KeyIdentifier {
    version(vault, name, 1)
}

/// One version of a key of the lab.
pub fn version(vault: &str, name: &str, version: u8) -> KeyIdentifier {
    let text = format!("https://{vault}.vault.localhost/keys/{name}/{}", format!("{version:02x}").repeat(16));
    KeyIdentifier::from_stored(&text).expect("canonical")
}
