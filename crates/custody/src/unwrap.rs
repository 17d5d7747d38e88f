//! Opens a policy's seed: runs the unwrap machine, makes the calls it asks for, and stores what they taught.
//!
//! Owns the question that an unwrap puts and what it gives back; one unwrap under way is in `run`. What to ask, and
//! what an answer means, is decided in `model::unwrap`; that an opened key may live on is decided in `leases`.

mod run;

use std::sync::Arc;

use crypto::{Dep, Key, Random, Seed, WrapSet};
use model::caller::Caller;
use model::fault::{CredentialOwner, Fault};
use model::id::DepId;
use model::lease::{HoldGround, Origin};
use model::outcome::{Alarm, Party};
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::slot::{ConnectionVersion, Slot};
use model::time::{Clock, Moment};
use model::unwrap::{By, Purpose, Question, Step, Unwrap};
use store::Store;

use crate::calls::Calls;
use crate::connection::{self, Reach, VaultConnection};
use crate::leases::Leases;
use crate::memory::KeptMemories;
use crate::policy::{self, Policy};
use crate::pulse::Pulse;
use crate::roots::RootKeys;
use crate::rows::{CONNECTIONS, Kept, POLICIES, load};
use crate::wraps::WrapShelf;
use run::Run;

/// A policy's seed and key, and what is known about how they were opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) seed: Seed,
    pub(crate) key: Key<Dep>,
    pub(crate) origin: Origin,
    /// When the request that opened it was sent.
    pub(crate) sent: Moment,
    /// When the revocation epoch was read.
    pub(crate) epoch_read: Moment,
    pub(crate) policy: Policy,
    pub(crate) set: Kept<WrapSet>,
}

/// Nothing was opened: what the caller is told, and whether the silence gives ground for a hold.
#[derive(Debug)]
pub(crate) struct Unopened {
    pub(crate) refusal: Refusal,
    pub(crate) ground: Option<HoldGround>,
}

impl From<Refusal> for Unopened {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, ground: None }
    }
}

/// Everything that an unwrap needs and that does not belong to one.
#[derive(Debug)]
pub(crate) struct Unwrapper {
    pub(crate) store: Store,
    pub(crate) shelf: WrapShelf,
    pub(crate) calls: Calls,
    pub(crate) reach: Arc<dyn Reach>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) pulse: Pulse,
}

impl Unwrapper {
    /// Opens the seed of a policy for a caller, by the order of spec/unwrap-order.md.
    pub(crate) async fn open(
        &self,
        caller: &Caller,
        policy: DepId,
        purpose: Purpose,
    ) -> Result<Opening, Unopened> {
        let epoch_read = self.clock.moment();
        let policy = self.policy(caller, policy).await?.value;
        let set = self.shelf.read(caller.tenant, policy.id).await?;
        policy.check_set(&set.value)?;
        let (roots, connection) = self.roots(&policy).await?;
        let kept = KeptMemories::load(&self.store, caller.tenant, policy.id).await?;
        let question = Question {
            tenant: caller.tenant,
            policy: policy.id,
            generation: policy.generation,
            family: policy.family(),
            by: By::of(caller.initiator, None)?,
            purpose,
            preset: policy.settings.preset,
            outage_budget: policy.settings.outage_budget,
            denial_rule: policy.settings.denial_rule,
            owner: CredentialOwner::Operator,
            connection,
            closed: policy.closed,
        };
        let (machine, step) = Unwrap::begin(question, self.coin(), &kept.memories, self.clock.now());
        let run = Run {
            unwrapper: self,
            caller,
            policy,
            set,
            roots,
            connection,
            machine,
            epoch_read,
            opened: None,
            basis: None,
        };
        run.follow(step).await
    }

    /// Asks one slot, whether or not anybody needs the key, so that its memory stays fresh.
    pub(crate) async fn prove(&self, caller: &Caller, policy: DepId, slot: Slot) -> Result<(), Refusal> {
        let epoch_read = self.clock.moment();
        let policy = self.policy(caller, policy).await?.value;
        let set = self.shelf.read(caller.tenant, policy.id).await?;
        policy.check_set(&set.value)?;
        let (roots, connection) = self.roots(&policy).await?;
        let kept = KeptMemories::load(&self.store, caller.tenant, policy.id).await?;
        let question = Question {
            tenant: caller.tenant,
            policy: policy.id,
            generation: policy.generation,
            family: model::unwrap::Family::Exchange,
            by: By::System,
            purpose: Purpose::PolicyChange,
            preset: model::settings::Preset::Never,
            outage_budget: policy.settings.outage_budget,
            denial_rule: policy.settings.denial_rule,
            owner: CredentialOwner::Operator,
            connection,
            closed: policy.closed,
        };
        let coin = slot == Slot::First;
        let (machine, step) = Unwrap::begin(question, coin, &kept.memories, self.clock.now());
        if step != Step::Try(slot) {
            return Ok(());
        }
        let mut run = Run {
            unwrapper: self,
            caller,
            policy,
            set,
            roots,
            connection,
            machine,
            epoch_read,
            opened: None,
            basis: None,
        };
        let announced = run.announce(slot.into()).await?;
        let heard = run.call(slot)?.await;
        let finding = heard.answer.judge(CredentialOwner::Operator);
        run.settle(slot, announced, heard).await?;
        if let Some(finding) = finding.filter(|finding| matches!(finding.fault, Fault::Lying | Fault::Ours)) {
            run.alarm(Alarm { party: Party::Root(slot), finding });
        }
        Ok(())
    }

    /// The policy's row, if it is of the caller's tenant.
    pub(crate) async fn policy(&self, caller: &Caller, policy: DepId) -> Result<Kept<Policy>, Refusal> {
        let key = policy::key(caller.tenant, policy);
        let kept = load(&self.store, POLICIES, &key).await?;
        kept.ok_or_else(|| Refusal::new(Code::NotFound, "the tenant has no such policy").about(policy))
    }

    /// The root keys behind a policy, and the number of the connection they are reached by.
    pub(crate) async fn roots(
        &self,
        policy: &Policy,
    ) -> Result<(Arc<dyn RootKeys>, ConnectionVersion), Refusal> {
        if policy.kind == PolicyKind::ProviderManaged {
            return Ok((self.reach.provider(), ConnectionVersion(0)));
        }
        let key = connection::key(policy.tenant, policy.kind);
        let kept: Option<Kept<VaultConnection>> = load(&self.store, CONNECTIONS, &key).await?;
        let connection = kept
            .map(|kept| kept.value)
            .ok_or_else(|| Refusal::new(Code::Ours, "the policy has no vault connection").about(policy.id))?;
        Ok((self.reach.customer(&connection)?, ConnectionVersion(connection.number)))
    }

    fn coin(&self) -> bool {
        let mut byte = [0];
        self.random.fill(&mut byte);
        byte[0] & 1 == 0
    }
}
