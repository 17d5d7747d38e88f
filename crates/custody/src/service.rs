//! The door of custody: what a workload, ours or somebody else's, may ask of a tenant's keys.
//!
//! Owns the [`Keys`] trait and what it hands out. Our own workloads use this trait and nothing else, so
//! that precedence, leases, faults, audit, revocation and coverage are the same for everybody.

use crypto::{Container, Key};
use model::caller::Caller;
use model::id::{ContainerId, DepId, Generation};
use model::refusal::Refusal;
use model::time::{BoxFuture, Moment};
pub use model::unwrap::Family;
use serde::{Deserialize, Serialize};

/// What custody tells about one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The policy that an administrator set for this container by name, if any.
    pub assigned: Option<DepId>,
    /// The policy that covers it now, by precedence.
    pub covering: DepId,
    /// The policy that the stored wrap of the current generation uses; `None`: only the volume layer.
    pub effective: Option<DepId>,
    /// Whether the effective policy is the provider's and not the customer's.
    pub provider_managed: bool,
    /// The generation that new content is sealed under.
    pub generation: Generation,
    /// A rewrap or a move is still to come.
    pub pending: bool,
}

/// The keys of a tenant's containers, for a caller that has been authenticated.
///
/// Every call decides anew under today's policy and answers with a [`Refusal`] that says who must act. The
/// keys it hands out are leases: they end, and [`Opened::key`] is asked again for every blob.
pub trait Keys: Send + Sync {
    /// Takes a new container in: it is born with generation 1, under the policy that covers it now.
    ///
    /// Refused with `Conflict` when the tenant already has a container of that id.
    fn create<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        family: Family,
    ) -> BoxFuture<'a, Result<Standing, Refusal>>;

    /// Opens the key that *new* content is sealed under; the current generation.
    ///
    /// Touching a container also brings it under its assigned policy (a rewrap on touch).
    fn seal<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Opened, Refusal>>;

    /// Opens the key that existing content of `generation` was sealed under.
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Opened, Refusal>>;

    /// Brings the container under its assigned policy now; content is not touched.
    fn rewrap<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>>;

    /// What policy the container is assigned to and which one its stored wrap uses.
    fn standing<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>>;
}

/// A container key for as long as its lease lasts.
#[derive(Debug)]
pub struct Opened {
    /// The generation of the key; it is written into every record that is sealed under it.
    pub generation: Generation,
    lease: Box<dyn Lease>,
}

impl Opened {
    /// Pairs a generation with the lease on its key.
    pub fn new(generation: Generation, lease: Box<dyn Lease>) -> Self {
        Self { generation, lease }
    }

    /// The key, if the lease still holds at this moment; call it again for every blob.
    pub fn key(&self) -> Result<&Key<Container>, Refusal> {
        self.lease.key()
    }

    /// When the lease ends at the latest, unless it is renewed by opening again.
    pub fn not_after(&self) -> Moment {
        self.lease.not_after()
    }
}

/// The promise behind [`Opened`]; a denial, an order or a raised epoch ends it early.
pub trait Lease: Send + Sync + std::fmt::Debug {
    /// The key, or why it may no longer be used.
    fn key(&self) -> Result<&Key<Container>, Refusal>;
    /// When the lease ends at the latest.
    fn not_after(&self) -> Moment;
}
