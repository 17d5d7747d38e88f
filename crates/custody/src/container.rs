//! A container's keys: the list of generations, each with the policy it was born under and the wrap it has now.
//!
//! Owns the container's row in custody. What the container *is* (a mailbox, a site) and what it holds is the
//! business of the workload that keeps it.

use crypto::{ContainerPlace, DepPlace, Wrapped};
use model::assignment::Holder;
use model::id::{ContainerId, DepId, Generation, TenantId};
use model::time::Timestamp;
use model::unwrap::Family;
use serde::{Deserialize, Serialize};

/// The keys of one mailbox or site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerRow {
    pub(crate) v: u8,
    pub(crate) tenant: TenantId,
    pub(crate) id: ContainerId,
    pub(crate) family: Family,
    /// The policy set for this container by name; `None` leaves it to the tenant's.
    pub(crate) assigned: Option<DepId>,
    /// Oldest first; never empty. New content is sealed under the last.
    pub(crate) generations: Vec<GenerationRow>,
    pub(crate) created: Timestamp,
}

/// One key generation of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GenerationRow {
    pub(crate) number: Generation,
    /// The policy that the key was generated under: an old backup may hold it wrapped by that one.
    pub(crate) born: Option<DepId>,
    pub(crate) holder: StoredHolder,
    /// The container key under the holder's key, in hexadecimal.
    pub(crate) wrapped: String,
}

/// [`Holder`] as it stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StoredHolder {
    Volume,
    Policy { policy: DepId, generation: Generation },
}

impl From<StoredHolder> for Holder {
    fn from(stored: StoredHolder) -> Self {
        match stored {
            StoredHolder::Volume => Self::Volume,
            StoredHolder::Policy { policy, generation } => Self::Policy { policy, generation },
        }
    }
}

impl ContainerRow {
    /// The generation that new content is sealed under.
    pub(crate) fn current(&self) -> &GenerationRow {
        self.generations.last().expect("a container is created with a generation and never loses its last")
    }

    /// The generation of that number, if the container has it.
    pub(crate) fn generation(&self, number: Generation) -> Option<&GenerationRow> {
        self.generations.iter().find(|generation| generation.number == number)
    }

    /// The row's key in the store.
    pub(crate) fn key(&self) -> String {
        key(self.tenant, self.id)
    }

    /// Where the generation's wrap was found, for its context.
    pub(crate) fn place(&self, number: Generation) -> ContainerPlace {
        ContainerPlace {
            tenant: *self.tenant.as_bytes(),
            container: *self.id.as_bytes(),
            generation: number.0,
        }
    }
}

impl GenerationRow {
    /// The stored wrap; `None` when the row's text is not what was written.
    pub(crate) fn wrap(&self) -> Option<Wrapped<crypto::Container>> {
        crate::hex::decode(&self.wrapped).map(Wrapped::from_bytes)
    }
}

/// The key of a container's row.
pub(crate) fn key(tenant: TenantId, container: ContainerId) -> String {
    format!("{tenant}/{container}")
}

/// Where a policy's key stands, for derivations and contexts.
pub(crate) fn dep_place(tenant: TenantId, policy: DepId, generation: Generation) -> DepPlace {
    DepPlace { tenant: *tenant.as_bytes(), dep: *policy.as_bytes(), generation: generation.0 }
}
