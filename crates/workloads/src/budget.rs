//! The budget: bytes of content that are in flight, on the node and for one tenant.
//!
//! Owns the bound. Who reads slowly, or sends slowly, holds its share meanwhile; others wait for a moment and then
//! hear that the node is busy. A share goes back when the memory that it stands for is freed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use model::id::TenantId;
use model::refusal::{Code, Refusal};
use model::time::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of content that a node has in flight; the sealed bytes that they are made of come beside them.
pub const IN_FLIGHT: usize = 512 << 20;
/// Bytes of them that one tenant has.
pub const IN_FLIGHT_OF_TENANT: usize = IN_FLIGHT / 4;
/// How long a call that holds nothing yet waits for its share.
pub(crate) const WAIT: Duration = Duration::from_secs(2);
/// How long one that was begun waits for the next.
pub(crate) const WAIT_MIDWAY: Duration = Duration::from_secs(30);

/// What is left of the bytes in flight; clones share it.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Inner>);

struct Inner {
    node: Arc<Semaphore>,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    clock: Arc<dyn Clock>,
}

/// Bytes that somebody may hold; dropping it gives them back.
pub(crate) struct Share {
    bytes: u32,
    _tenant: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({})", self.bytes)
    }
}

impl Budget {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (node, tenants) = (Arc::new(Semaphore::new(IN_FLIGHT)), Mutex::default());
        Self(Arc::new(Inner { node, tenants, clock }))
    }

    /// A share of so many bytes, if it comes free in time; `Busy` otherwise.
    pub(crate) async fn share(
        &self,
        tenant: TenantId,
        bytes: usize,
        at_most: Duration,
    ) -> Result<Share, Refusal> {
        let bytes = u32::try_from(bytes.min(IN_FLIGHT_OF_TENANT)).expect("the budget of a tenant is 128 MiB");
        let (ours, node) = (self.of(tenant), self.0.node.clone());
        let both = Box::pin(async move {
            let tenant = ours.acquire_many_owned(bytes).await;
            let node = node.acquire_many_owned(bytes).await;
            let open = "the budget is never closed";
            Share { bytes, _tenant: tenant.expect(open), _node: node.expect(open) }
        });
        match select(both, self.0.clock.sleep(at_most)).await {
            Either::Left((share, _)) => Ok(share),
            Either::Right(_) => {
                let why = "as much content as this node holds at a time is being read and written";
                Err(Refusal::new(Code::Busy, why))
            }
        }
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains_key(&tenant) {
            // Who holds nothing and waits for nothing has the whole of its budget, and needs no entry for that.
            tenants.retain(|_, one| Arc::strong_count(one) > 1);
        }
        tenants.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT_OF_TENANT))).clone()
    }
}

impl Share {
    /// Content that carries the share until its last copy is dropped.
    pub(crate) fn carried_by(self, content: Bytes) -> Bytes {
        Bytes::from_owner(Carried { content, _share: self })
    }
}

struct Carried {
    content: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use model::time::{ManualClock, Timestamp};

    use super::*;

    const MIB: usize = 1 << 20;

    fn tenant(number: u8) -> TenantId {
        format!("00000000-0000-4000-8000-0000000000{number:02}").parse().expect("a UUID")
    }

    #[tokio::test]
    async fn a_tenant_has_a_quarter_and_four_have_all() {
        let clock = ManualClock::at(Timestamp(0));
        let budget = Budget::new(Arc::new(clock.clone()));
        let mut held = Vec::new();
        for number in 1..=4 {
            held.push(budget.share(tenant(number), IN_FLIGHT_OF_TENANT, WAIT).await.expect("a share"));
            let mut more = Box::pin(budget.share(tenant(number), 1, WAIT));
            assert!((&mut more).now_or_never().is_none(), "it waits");
            clock.advance(WAIT);
            assert_eq!(more.await.expect_err("no more").code, Code::Busy);
        }
        let mut fifth = Box::pin(budget.share(tenant(5), 1, WAIT));
        assert!((&mut fifth).now_or_never().is_none(), "the node has no more");
        held.pop();
        drop(fifth.await.expect("what was given back"));
        drop(held);
        let everything = budget.share(tenant(6), 4 * IN_FLIGHT, WAIT).now_or_never().expect("at once");
        assert_eq!(everything.expect("a share").bytes as usize, IN_FLIGHT_OF_TENANT);
        assert!(budget.0.tenants.lock().expect("no panic").len() == 1, "who holds nothing is forgotten");
    }

    #[tokio::test]
    async fn content_gives_its_share_back_with_its_last_slice() {
        let budget = Budget::new(Arc::new(ManualClock::at(Timestamp(0))));
        let share = budget.share(tenant(1), IN_FLIGHT_OF_TENANT, WAIT).await.expect("a share");
        let content = share.carried_by(Bytes::from(vec![7; MIB]));
        let slice = content.slice(3..5);
        drop(content);
        assert!(budget.share(tenant(1), 1, WAIT).now_or_never().is_none());
        drop(slice);
        assert!(budget.share(tenant(1), 1, WAIT).now_or_never().expect("at once").is_ok());
    }
}
