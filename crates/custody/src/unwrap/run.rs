//! One unwrap under way: its calls, one after the other or raced, and what each taught.
//!
//! Owns the order intent → call → outcome, the one transaction in which an outcome is written with what it
//! teaches, and the cancelling of a raced request.

use std::sync::Arc;

use crypto::{Dep, Key, Seed, WrapSet, WrapSetFault};
use futures::future::{Either, select};
use model::caller::Caller;
use model::fault::{Answer, CredentialOwner, Fault};
use model::id::RequestId;
use model::key_identifier::KeyIdentifier;
use model::lease::HoldGround;
use model::outcome::{Alarm, AvailabilityUse, Finish, Outcome};
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::slot::{ConnectionVersion, Slot};
use model::time::{BoxFuture, Moment, Timestamp};
use model::unwrap::{Reply, Step, Unwrap};
use serde_json::json;
use store::{AuditEntry, Batch, CommitError};

use super::{Opening, Unopened, Unwrapper};
use crate::calls::{Announced, Asked, Call, Operation};
use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::roots::RootKeys;
use crate::rows::{Kept, POLICIES, trouble};

/// How often an outcome is written again after another call changed the same slot.
///
/// Every success of the same slot is such a change; a denial that gave up here would be lost.
const OUTCOME_RACES: u32 = 64;

/// What one call brought.
pub(super) struct Heard {
    /// The bytes that the vault gave, judged against the wrap set.
    opened: Option<(Seed, Key<Dep>)>,
    pub(super) answer: Answer,
    sent: Timestamp,
    sent_moment: Moment,
    heard: Timestamp,
}

/// One unwrap under way.
pub(super) struct Run<'a> {
    pub(super) unwrapper: &'a Unwrapper,
    pub(super) caller: &'a Caller,
    pub(super) policy: Policy,
    pub(super) set: Kept<WrapSet>,
    pub(super) roots: Arc<dyn RootKeys>,
    pub(super) connection: ConnectionVersion,
    pub(super) machine: Unwrap,
    pub(super) epoch_read: Moment,
    pub(super) opened: Option<(Seed, Key<Dep>, Moment)>,
    /// The memories that the last decision rests on, where it did not change them.
    pub(super) basis: Option<KeptMemories>,
}

impl Run<'_> {
    pub(super) async fn follow(mut self, mut step: Step) -> Result<Opening, Unopened> {
        loop {
            step = match step {
                Step::Try(slot) | Step::Await(slot) => {
                    let announced = self.announce(slot.into()).await?;
                    let heard = self.call(slot)?.await;
                    self.settle(slot, announced, heard).await?
                }
                Step::Race { first, second, stagger } => {
                    let timer = self.unwrapper.clock.sleep(stagger);
                    self.race(first, second, timer).await?
                }
                Step::TryAvailability(why) => self.ask_availability(why).await?,
                Step::Finish(finish) => return self.finish(finish).await,
            };
        }
    }

    /// Asks both, the second when the timer ends; returns once one has succeeded or both have answered.
    async fn race(
        &mut self,
        first: Slot,
        second: Slot,
        timer: BoxFuture<'static, ()>,
    ) -> Result<Step, Refusal> {
        let announced = self.announce(first.into()).await?;
        let call = self.call(first)?;
        let call = match select(call, timer).await {
            Either::Left((heard, _)) => return self.settle(first, announced, heard).await,
            Either::Right(((), call)) => call,
        };
        let other_announced = self.announce(second.into()).await?;
        let other_call = self.call(second)?;
        let (slot, heard, announced, rest, rest_announced) = match select(call, other_call).await {
            Either::Left((heard, rest)) => (first, heard, announced, rest, other_announced),
            Either::Right((heard, rest)) => (second, heard, other_announced, rest, announced),
        };
        let step = self.settle(slot, announced, heard).await?;
        let Step::Await(slot) = step else {
            drop(rest);
            self.cancelled(&rest_announced).await?;
            return Ok(step);
        };
        let heard = rest.await;
        self.settle(slot, rest_announced, heard).await
    }

    async fn ask_availability(&mut self, why: AvailabilityUse) -> Result<Step, Refusal> {
        // The memories that the decision rests on must still stand when the intent is written: a denial that another
        // call has heard meanwhile makes it void.
        let basis = self.basis.as_ref().map_or_else(Batch::new, KeptMemories::expected);
        let announced = self.announce_if(Asked::Availability, basis).await?;
        let heard = self.call_with(self.unwrapper.reach.provider(), 2)?.await;
        let step = self.machine.availability_answered(&heard.answer);
        let key = self.slot_key(2)?;
        let mut records = Vec::new();
        if heard.opened.is_some() {
            records.push(fallback(self.caller, &self.policy, &key, why, heard.heard));
        }
        let outcome = outcome_slug(&heard.answer);
        let settled = self.unwrapper.calls.settle(&announced, outcome, Batch::new(), records).await;
        settled.map_err(crate::rows::lost)?;
        // Its lease counts from before the first root was asked: a denial since then must not be outlived.
        self.opened = heard.opened.map(|(seed, key)| (seed, key, self.epoch_read));
        Ok(step)
    }

    pub(super) async fn announce(&self, asked: Asked) -> Result<Announced, Refusal> {
        self.announce_if(asked, Batch::new()).await
    }

    /// Announces a call on the condition that the rows expected by `basis` are as they were.
    async fn announce_if(&self, asked: Asked, basis: Batch) -> Result<Announced, Refusal> {
        let index = match asked {
            Asked::First => 0,
            Asked::Second => 1,
            Asked::Availability => 2,
        };
        let key = self.slot_key(index)?;
        let mut number = [0; 8];
        self.unwrapper.random.fill(&mut number);
        let call = Call {
            caller: self.caller,
            policy: self.policy.id,
            slot: asked,
            operation: Operation::UnwrapKey,
            key: &key,
        };
        self.unwrapper.calls.announce(call, number, basis).await.map_err(|refusal| match refusal.code {
            Code::Conflict => Refusal::new(Code::Busy, "a slot was heard while the key was being opened")
                .about(self.policy.id),
            _ => refusal,
        })
    }

    pub(super) fn call(&self, slot: Slot) -> Result<BoxFuture<'static, Heard>, Refusal> {
        let index = match slot {
            Slot::First => 0,
            Slot::Second => 1,
        };
        self.call_with(self.roots.clone(), index)
    }

    /// The call as a future that borrows nothing, so that two can run while the machine stands still.
    fn call_with(
        &self,
        roots: Arc<dyn RootKeys>,
        index: usize,
    ) -> Result<BoxFuture<'static, Heard>, Refusal> {
        let (key, set, place) = (self.slot_key(index)?, self.set.value.clone(), self.policy.place());
        let (clock, request) = (self.unwrapper.clock.clone(), self.caller.request);
        Ok(Box::pin(async move {
            let (sent, sent_moment) = (clock.now(), clock.moment());
            let given = ask(roots.as_ref(), &key, &set.slots[index].wrapped, request).await;
            let (answer, opened) = match given {
                Ok(seed) => match set.check(&seed, &place) {
                    Ok(dep) => (Answer::Unwrapped, Some((seed, dep))),
                    Err(WrapSetFault::Lying) => (Answer::Mismatch, None),
                    Err(WrapSetFault::Damaged) => (Answer::Damaged, None),
                },
                Err(answer) => (answer, None),
            };
            Heard { opened, answer, sent, sent_moment, heard: clock.now() }
        }))
    }

    fn slot_key(&self, index: usize) -> Result<KeyIdentifier, Refusal> {
        let text = self.set.value.slots.get(index).map(|slot| slot.key_identifier.as_str());
        text.and_then(|text| KeyIdentifier::from_stored(text).ok())
            .ok_or_else(|| Refusal::new(Code::Ours, "the wrap set names no key").about(self.policy.id))
    }

    /// Writes the outcome with what it teaches, in one transaction, and asks the machine what comes next.
    pub(super) async fn settle(
        &mut self,
        slot: Slot,
        announced: Announced,
        heard: Heard,
    ) -> Result<Step, Refusal> {
        let Unwrapper { store, calls, clock, leases, .. } = self.unwrapper;
        for _ in 0..OUTCOME_RACES {
            let kept = KeptMemories::load(store, self.caller.tenant, self.policy.id).await?;
            let mut machine = self.machine.clone();
            let reply = Reply { slot, answer: heard.answer.clone(), sent: heard.sent, heard: heard.heard };
            let turn = machine.answered(reply, &kept.memories, clock.now());
            let (mut batch, mut records, mut fence) = (Batch::new(), Vec::new(), None);
            let mut known = self.policy.epoch;
            let mut denied_since = kept.memories.of(slot).denied().map(|(since, _)| since);
            if let Some((slot, event)) = &turn.remember {
                let remembered = kept.memories.of(*slot).after(event);
                batch = kept.put(batch, *slot, &remembered.memory);
                denied_since = remembered.memory.denied().map(|(since, _)| since);
                if remembered.newly_denied {
                    let mut policy = self.unwrapper.policy(self.caller, self.policy.id).await?;
                    // Only who knew the epoch before this denial knows the one after it: if another denial came
                    // between, an answer of before it must open nothing.
                    let only_ours = policy.value.epoch == known;
                    policy.value.epoch = policy.value.epoch.next();
                    if only_ours {
                        known = policy.value.epoch;
                    }
                    let key = policy.value.key();
                    batch = batch.expect_version(POLICIES, &key, policy.version).put(
                        POLICIES,
                        &key,
                        &policy.value,
                    );
                    records.push(denied(self.caller, &policy.value, *slot, heard.heard));
                    fence = Some(policy.value.epoch);
                }
            }
            match calls.settle(&announced, outcome_slug(&heard.answer), batch, records).await {
                Ok(()) => {}
                Err(CommitError::Conflict { .. }) => continue,
                Err(CommitError::Store(error)) => return Err(trouble(error)),
            }
            if let Some(epoch) = fence {
                leases.fence(self.policy.id, epoch);
            }
            let fault = heard.answer.judge(CredentialOwner::Operator).map(|finding| finding.fault);
            let place = (self.caller.tenant, self.policy.id, self.policy.kind);
            match denied_since {
                // Whatever this answer was, what counts of the slot is a denial.
                Some(since) => self.unwrapper.pulse.note(place, slot, Some(Fault::Denied), since),
                None => self.unwrapper.pulse.note(place, slot, fault, heard.heard),
            }
            self.policy.epoch = known;
            self.machine = machine;
            self.basis = turn.remember.is_none().then_some(kept);
            self.opened = heard.opened.map(|(seed, key)| (seed, key, heard.sent_moment));
            return Ok(turn.step);
        }
        Err(Refusal::new(Code::Busy, "the slot's memory is being changed by others").about(self.policy.id))
    }

    /// Records that a raced request was given up: it is no answer.
    async fn cancelled(&self, announced: &Announced) -> Result<(), Refusal> {
        let settled = self.unwrapper.calls.settle(announced, "cancelled", Batch::new(), Vec::new()).await;
        settled.map_err(crate::rows::lost)
    }

    async fn finish(self, finish: Finish) -> Result<Opening, Unopened> {
        finish.alarms.iter().for_each(|alarm| self.alarm(*alarm));
        let opener = match &finish.outcome {
            Outcome::Opened(opener) => *opener,
            Outcome::Refused(why) if self.policy.kind == PolicyKind::ProviderManaged => {
                // Nobody but the operator holds these keys: a refusal by them is no act of the customer.
                return Err(Refusal::new(Code::Ours, format!("the provider's own keys refuse: {why}"))
                    .about(self.policy.id)
                    .into());
            }
            outcome => return Err(self.unopened(outcome).await),
        };
        let (seed, key, sent) = self.opened.ok_or_else(|| {
            Refusal::new(Code::Ours, "the unwrap machine opened what no vault gave").about(self.policy.id)
        })?;
        Ok(Opening {
            seed,
            key,
            origin: opener.origin(),
            sent,
            epoch_read: self.epoch_read,
            policy: self.policy,
            set: self.set,
        })
    }
}

impl Run<'_> {
    pub(super) fn alarm(&self, alarm: Alarm) {
        tracing::error!(
            tenant = %self.caller.tenant,
            policy = %self.policy.id,
            request = %self.caller.request,
            party = %alarm.party,
            reason = alarm.finding.reason,
            "a root key answered as it must not"
        );
    }

    /// What the caller is told of a key that stays shut, and whether a hold has ground.
    async fn unopened(&self, outcome: &Outcome) -> Unopened {
        let ours = || Refusal::new(Code::Ours, "the unwrap ended without a result");
        let refusal = outcome.refusal(self.policy.id).unwrap_or_else(ours);
        let kept = KeptMemories::load(&self.unwrapper.store, self.caller.tenant, self.policy.id).await;
        let ground = kept.ok().and_then(|kept| HoldGround::of(outcome, &kept.memories, self.connection));
        Unopened { refusal, ground }
    }
}

/// One question to one root key; bytes that are no seed are an answer that does not match.
async fn ask(
    roots: &dyn RootKeys,
    key: &KeyIdentifier,
    wrapped: &[u8],
    request: RequestId,
) -> Result<Seed, Answer> {
    let bytes = roots.unwrap(key, wrapped, request).await?;
    Seed::from_unwrapped(bytes).map_err(|_| Answer::Mismatch)
}

/// How an answer reads in a record: `unwrapped`, or the reason of the fault table.
fn outcome_slug(answer: &Answer) -> &'static str {
    answer.judge(CredentialOwner::Operator).map_or("unwrapped", |finding| finding.reason)
}

/// The record of every use of the availability key.
fn fallback(
    caller: &Caller,
    policy: &Policy,
    key: &KeyIdentifier,
    why: AvailabilityUse,
    at: Timestamp,
) -> AuditEntry {
    AuditEntry {
        stream: caller.tenant.to_string(),
        at,
        operation: "Fallback to Availability Key".into(),
        body: json!({
            "recordType": 69,
            "policyId": policy.id,
            "scopeKeyVersionId": key.to_string(),
            "requestId": caller.request,
            "userId": caller.principal,
            "initiator": caller.initiator,
            "reason": why,
        }),
    }
}

fn denied(caller: &Caller, policy: &Policy, slot: Slot, at: Timestamp) -> AuditEntry {
    AuditEntry {
        stream: caller.tenant.to_string(),
        at,
        // The provider's own keys are nobody's act but the operator's.
        operation: match policy.kind {
            PolicyKind::ProviderManaged => "Denied by provider key".into(),
            _ => "Denied by customer key".into(),
        },
        body: json!({
            "policyId": policy.id,
            "slot": slot,
            "keyIdentifier": policy.keys[usize::from(slot == Slot::Second)].to_string(),
            "revocationEpoch": policy.epoch,
            "requestId": caller.request,
        }),
    }
}
