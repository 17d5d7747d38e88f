//! What was last heard from a policy's slots, kept so that a denial outlives the process that heard it.
//!
//! Owns the `slots` table. What a memory allows is decided in `model`.

use model::evidence::Memories;
use model::id::{DepId, TenantId};
use model::refusal::Refusal;
use model::slot::{Slot, SlotMemory};
use store::{Batch, Store};

use crate::rows::{SLOTS, load};

/// The memories of both slots, each with the version of its row (none if it was never written).
#[derive(Debug, Clone)]
pub(crate) struct KeptMemories {
    tenant: TenantId,
    policy: DepId,
    pub(crate) memories: Memories,
    versions: [Option<u64>; 2],
}

impl KeptMemories {
    pub(crate) async fn load(store: &Store, tenant: TenantId, policy: DepId) -> Result<Self, Refusal> {
        let first = load::<SlotMemory>(store, SLOTS, &key(tenant, policy, Slot::First)).await?;
        let second = load::<SlotMemory>(store, SLOTS, &key(tenant, policy, Slot::Second)).await?;
        let versions = [first.as_ref().map(|kept| kept.version), second.as_ref().map(|kept| kept.version)];
        let memory =
            |kept: Option<crate::rows::Kept<SlotMemory>>| kept.map(|kept| kept.value).unwrap_or_default();
        let memories = Memories { first: memory(first), second: memory(second) };
        Ok(Self { tenant, policy, memories, versions })
    }

    /// An empty change that expects both rows as they were read.
    pub(crate) fn expected(&self) -> Batch {
        Slot::BOTH.into_iter().zip(self.versions).fold(Batch::new(), |batch, (slot, version)| {
            expect(batch, &key(self.tenant, self.policy, slot), version)
        })
    }

    /// Adds the write of one slot's new memory, on the version that was read.
    pub(crate) fn put(&self, batch: Batch, slot: Slot, memory: &SlotMemory) -> Batch {
        let key = key(self.tenant, self.policy, slot);
        let version = match slot {
            Slot::First => self.versions[0],
            Slot::Second => self.versions[1],
        };
        expect(batch, &key, version).put(SLOTS, &key, memory)
    }
}

fn expect(batch: Batch, key: &str, version: Option<u64>) -> Batch {
    match version {
        Some(version) => batch.expect_version(SLOTS, key, version),
        None => batch.expect_absent(SLOTS, key),
    }
}

fn key(tenant: TenantId, policy: DepId, slot: Slot) -> String {
    format!("{tenant}/{policy}/{slot}")
}
