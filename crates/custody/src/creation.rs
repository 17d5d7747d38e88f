//! How a policy comes to be, and how its wraps are written anew (refresh).
//!
//! Owns the order of spec/custody.md: rules, availability key, seed, three proved wraps, replica, database, row.
//! Nothing is written before every rule holds and every wrap has been unwrapped by its own key and compared.

use std::sync::Arc;

use crypto::{Seed, Slot as WrapSlot, WrapSet};
use model::caller::Caller;
use model::check::refuse;
use model::evidence::Memories;
use model::fault::{Answer, CredentialOwner, Fault};
use model::id::{DepId, Generation, RevocationEpoch};
use model::key_identifier::KeyIdentifier;
use model::policy::{Description, PolicyKind, PolicyName, check_limit};
use model::refusal::{Code, Refusal};
use model::root_key::{RootKeyFacts, key_checks, pair_checks};
use model::settings::Settings;
use model::slot::{ConnectionVersion, Slot, SlotEvent};
use model::time::Timestamp;
use model::unwrap::Purpose;
use serde_json::json;
use store::{Batch, Cause, CommitError};

use crate::calls::{Asked, Call, Operation};
use crate::connection::{self, VaultConnection};
use crate::custody::{Custody, to_the_end};
use crate::memory::KeptMemories;
use crate::policy::Policy;
use crate::roots::{RootDescription, RootKeys};
use crate::rows::{CONNECTIONS, Kept, POLICIES, load, lost};

/// What an administrator says of a new policy.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// What it may be assigned to.
    pub kind: PolicyKind,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The two root keys, with or without a version; without one, the newest is taken.
    pub keys: [KeyIdentifier; 2],
    /// What the tenant chooses; `None` takes the defaults of the kind.
    pub settings: Option<Settings>,
}

/// What a refresh changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The policy, with the versions that its wraps now use.
    pub policy: Policy,
    /// The versions that its wraps used before.
    pub before: [KeyIdentifier; 2],
    /// How many bytes of wraps were written.
    pub wrap_bytes: u64,
}

/// A policy whose wraps are on the shelf and whose row is still to be written.
pub(crate) struct Prepared {
    pub(crate) policy: Policy,
    /// The connection that its keys were proved under.
    connection: ConnectionVersion,
    /// No later than its slots were asked.
    sent: Timestamp,
}

/// How often the entry of a new policy is decided again after another one of its kind.
const ENTRY_RACES: u32 = 8;

/// One root key that is about to wrap the seed.
struct Root {
    asked: Asked,
    keys: Arc<dyn RootKeys>,
    description: RootDescription,
    directory: Option<[u8; 16]>,
}

impl Custody {
    /// Makes a policy; see spec/custody.md for the order. It goes on to its end also if the caller leaves.
    pub async fn create_policy(&self, caller: &Caller, new: NewPolicy) -> Result<Policy, Refusal> {
        let (custody, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let name = PolicyName::parse(new.kind, &new.name)?;
            custody.check_room(&caller, new.kind, &name).await?;
            let prepared = custody.prepare_policy(&caller, new).await?;
            let outcome = custody.enter(&caller, &prepared).await;
            // A lost race is sure to have written nothing. After a fault of the store nobody knows; start-up will.
            if outcome.as_ref().is_err_and(|refusal| refusal.code == Code::Conflict) {
                custody.shelf().discard(prepared.policy.tenant, prepared.policy.id).await?;
            }
            outcome.map(|()| prepared.policy)
        })
        .await
    }

    /// Writes the row of a prepared policy. Name and number are checked against the connection's row, and that row is
    /// written anew with it: whoever makes a policy of the same kind meanwhile has to look again.
    async fn enter(&self, caller: &Caller, prepared: &Prepared) -> Result<(), Refusal> {
        let Prepared { policy, connection, .. } = prepared;
        let turnstile = connection::key(policy.tenant, policy.kind);
        for _ in 0..ENTRY_RACES {
            let row: Option<Kept<VaultConnection>> = load(self.store(), CONNECTIONS, &turnstile).await?;
            let row = row.filter(|row| row.value.number == connection.0).ok_or_else(|| {
                Refusal::new(Code::Conflict, "the vault connection has changed meanwhile").about(policy.id)
            })?;
            self.check_room(caller, policy.kind, &policy.name).await?;
            let batch = self
                .row_of(prepared)
                .await?
                .expect_version(CONNECTIONS, &turnstile, row.version)
                .put(CONNECTIONS, &turnstile, &row.value);
            let record = self.record(caller, "Policy created", described(policy));
            match self.store().commit(batch, Cause::Audited(vec![record])).await {
                Err(CommitError::Conflict { table: CONNECTIONS, .. }) => {}
                outcome => return outcome.map_err(lost),
            }
        }
        Err(Refusal::new(Code::Busy, "many policies of this kind are being made"))
    }

    /// Everything of a policy but its row: its keys proved, its wraps on the shelf.
    pub(crate) async fn prepare_policy(&self, caller: &Caller, new: NewPolicy) -> Result<Prepared, Refusal> {
        let family = new.kind.family();
        let settings = new.settings.unwrap_or_else(|| Settings::default_of(family));
        settings.check(family).map_err(bad_request)?;
        let name = PolicyName::parse(new.kind, &new.name)?;
        let description = Description::try_from(new.description)?;
        let now = self.clock().now();
        let mut policy = Policy {
            v: 1,
            tenant: caller.tenant,
            id: DepId::from_random(self.sixteen_bytes()),
            kind: new.kind,
            name,
            description,
            generation: Generation::FIRST,
            epoch: RevocationEpoch::default(),
            settings,
            keys: new.keys,
            commitment: String::new(),
            enabled: true,
            closed: None,
            created: now,
            refreshed: now,
        };
        let (roots, connection) = self.unwrapper().roots(&policy).await?;
        let directory = self.directory_of(&policy).await?;
        let first = self.examine(caller, &policy, Slot::First, &roots).await?;
        let second = self.examine(caller, &policy, Slot::Second, &roots).await?;
        if policy.kind != PolicyKind::ProviderManaged {
            refuse(Code::UnusableKey, &pair_checks(&facts(&first), &facts(&second)))?;
        }
        policy.keys = [first.key.clone(), second.key.clone()];
        let availability = self.availability_key(caller, &policy).await?;
        let seed = Seed::generate(self.random());
        policy.commitment = seed.commitment(&policy.place()).to_string();
        let set = self
            .prove_and_wrap(
                caller,
                &policy,
                &seed,
                [
                    Root { asked: Asked::First, keys: roots.clone(), description: first, directory },
                    Root { asked: Asked::Second, keys: roots, description: second, directory },
                    Root {
                        asked: Asked::Availability,
                        keys: self.reach().provider(),
                        description: availability,
                        directory: None,
                    },
                ],
            )
            .await?;
        self.shelf().put(policy.tenant, policy.id, &set, None).await?;
        Ok(Prepared { policy, connection, sent: now })
    }

    /// The row of a prepared policy, with the first memories of its slots.
    pub(crate) async fn row_of(&self, prepared: &Prepared) -> Result<Batch, Refusal> {
        let Prepared { policy, connection, sent } = prepared;
        let batch = Batch::new().expect_absent(POLICIES, policy.key()).put(POLICIES, policy.key(), policy);
        self.first_memories(batch, policy, *connection, *sent).await
    }

    /// Writes the wraps of a policy anew, under the newest version of each of its two keys; content stays.
    pub async fn refresh(&self, caller: &Caller, policy: DepId) -> Result<Refreshed, Refusal> {
        let (custody, caller) = (self.clone(), caller.clone());
        to_the_end(async move { custody.refresh_now(&caller, policy).await }).await
    }

    async fn refresh_now(&self, caller: &Caller, policy: DepId) -> Result<Refreshed, Refusal> {
        let opening = self.unwrapper().open(caller, policy, Purpose::PolicyChange).await;
        let opening = opening.map_err(|unopened| unopened.refusal)?;
        let mut policy = opening.policy;
        let before = policy.keys.clone();
        let set = opening.set;
        let (roots, _) = self.unwrapper().roots(&policy).await?;
        let mut targets = Vec::with_capacity(WrapSet::SLOTS);
        for (index, slot) in Slot::BOTH.into_iter().enumerate() {
            // The target comes from the set whose MAC was just checked, never from a row.
            let stored = stored_key(&set.value.slots[index].key_identifier)
                .map_err(|refusal| refusal.about(policy.id))?;
            policy.keys[index] = stored.versionless();
            let description = self.examine(caller, &policy, slot, &roots).await?;
            policy.keys[index] = description.key.clone();
            let directory = set.value.slots[index].directory;
            targets.push(Root { asked: slot.into(), keys: roots.clone(), description, directory });
        }
        let mut slots = Vec::with_capacity(WrapSet::SLOTS);
        for root in &targets {
            slots.push(self.wrap_slot(caller, &policy, &opening.seed, root).await?);
        }
        slots.push(set.value.slots[2].clone());
        let wrap_bytes = slots[..2].iter().map(|slot| slot.wrapped.len() as u64).sum();
        let next = WrapSet::new(policy.place(), set.value.preset.clone(), slots, &opening.seed)
            .map_err(|error| Refusal::new(Code::Ours, error.to_string()).about(policy.id))?;
        self.shelf().put(policy.tenant, policy.id, &next, Some(set.version)).await?;
        let policy = self.follow_wraps(caller, policy.id, true).await?;
        Ok(Refreshed { policy, before, wrap_bytes })
    }

    /// Lets the policy's row name the keys that its wraps on the shelf name, on whatever else it now says.
    ///
    /// Written in any case after a refresh; at start only where a refresh died before it got here.
    pub(crate) async fn follow_wraps(
        &self,
        caller: &Caller,
        policy: DepId,
        refreshed: bool,
    ) -> Result<Policy, Refusal> {
        const RACES: u32 = 4;
        for _ in 0..RACES {
            let Kept { value: mut row, version } = self.unwrapper().policy(caller, policy).await?;
            // Read after the row: whoever commits on this row's version has seen the wraps of every refresh before.
            let set = self.shelf().read(caller.tenant, policy).await?.value;
            row.check_set(&set)?;
            let before = row.keys.clone();
            for (key, slot) in row.keys.iter_mut().zip(&set.slots) {
                *key = stored_key(&slot.key_identifier).map_err(|refusal| refusal.about(policy))?;
            }
            if !refreshed && row.keys == before {
                return Ok(row);
            }
            row.refreshed = self.clock().now();
            let (key, record) = (row.key(), self.record(caller, "Policy refreshed", described(&row)));
            let batch = Batch::new().expect_version(POLICIES, &key, version).put(POLICIES, &key, &row);
            match self.store().commit(batch, Cause::Audited(vec![record])).await {
                Ok(()) => return Ok(row),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(lost(error)),
            }
        }
        Err(Refusal::new(Code::Busy, "the policy is being changed by others").about(policy))
    }

    /// Refused where one more policy of the kind is too many, or the name is taken.
    async fn check_room(&self, caller: &Caller, kind: PolicyKind, name: &PolicyName) -> Result<(), Refusal> {
        let policies = self.policies(caller).await?;
        let same_kind = || policies.iter().filter(|policy| policy.kind == kind);
        check_limit(kind, same_kind().filter(|policy| policy.condition().counts(kind)).count())?;
        match same_kind().any(|policy| policy.name.folded() == name.folded()) {
            true => Err(Refusal::new(Code::Conflict, format!("name: a {kind} policy has this name already"))),
            false => Ok(()),
        }
    }

    /// What the vault says of one key, if the rules for root keys let a policy stand on it.
    async fn examine(
        &self,
        caller: &Caller,
        policy: &Policy,
        slot: Slot,
        roots: &Arc<dyn RootKeys>,
    ) -> Result<RootDescription, Refusal> {
        let key = &policy.keys[usize::from(slot == Slot::Second)];
        let described = self
            .recorded(
                caller,
                policy,
                slot.into(),
                Operation::Describe,
                key,
                roots.describe(key, caller.request),
            )
            .await?
            .map_err(|answer| unusable(policy, slot.into(), &answer))?;
        if policy.kind != PolicyKind::ProviderManaged {
            let checks = key_checks(&facts(&described), &self.settings().recovery_levels, self.clock().now());
            refuse(Code::UnusableKey, &checks)?;
        }
        Ok(described)
    }

    /// An availability key of the policy's own, made in the provider's vault.
    async fn availability_key(&self, caller: &Caller, policy: &Policy) -> Result<RootDescription, Refusal> {
        let key = self.reach().availability_key(policy.id);
        let making = self.reach().create_availability_key(&key, caller.request);
        self.recorded(caller, policy, Asked::Availability, Operation::CreateKey, &key, making)
            .await?
            .map_err(|answer| unusable(policy, Asked::Availability, &answer))
    }

    async fn prove_and_wrap(
        &self,
        caller: &Caller,
        policy: &Policy,
        seed: &Seed,
        roots: [Root; WrapSet::SLOTS],
    ) -> Result<WrapSet, Refusal> {
        let mut slots = Vec::with_capacity(WrapSet::SLOTS);
        for root in &roots {
            slots.push(self.wrap_slot(caller, policy, seed, root).await?);
        }
        WrapSet::new(policy.place(), policy.settings.preset.to_string(), slots, seed)
            .map_err(|error| Refusal::new(Code::Ours, error.to_string()).about(policy.id))
    }

    /// Wraps the seed by one root key, has the same key unwrap it, and compares.
    async fn wrap_slot(
        &self,
        caller: &Caller,
        policy: &Policy,
        seed: &Seed,
        root: &Root,
    ) -> Result<WrapSlot, Refusal> {
        let key = &root.description.key;
        let refuse = |answer: Answer| unusable(policy, root.asked, &answer);
        let wrapping = root.keys.wrap(key, seed, caller.request);
        let wrapped = self
            .recorded(caller, policy, root.asked, Operation::WrapKey, key, wrapping)
            .await?
            .map_err(refuse)?;
        let unwrapping = async {
            let bytes = root.keys.unwrap(key, &wrapped, caller.request).await?;
            let again = Seed::from_unwrapped(bytes).map_err(|_| Answer::Mismatch)?;
            if again.agrees_with(seed) { Ok(()) } else { Err(Answer::Mismatch) }
        };
        self.recorded(caller, policy, root.asked, Operation::UnwrapKey, key, unwrapping)
            .await?
            .map_err(refuse)?;
        Ok(WrapSlot { key_identifier: key.to_string(), directory: root.directory, wrapped })
    }

    /// One call between its intent and its outcome.
    pub(crate) async fn recorded<T>(
        &self,
        caller: &Caller,
        policy: &Policy,
        slot: Asked,
        operation: Operation,
        key: &KeyIdentifier,
        call: impl Future<Output = Result<T, Answer>>,
    ) -> Result<Result<T, Answer>, Refusal> {
        let announcing = Call { caller, policy: policy.id, slot, operation, key };
        let announced = self.calls().announce(announcing, self.eight_bytes(), Batch::new()).await?;
        let outcome = call.await;
        let slug = match &outcome {
            Ok(_) => "done",
            Err(answer) => answer.judge(CredentialOwner::Operator).map_or("unexpected", |f| f.reason),
        };
        self.calls().settle(&announced, slug, Batch::new(), Vec::new()).await.map_err(lost)?;
        Ok(outcome)
    }

    /// Both slots have just proved themselves; that is the first thing that is remembered of them.
    async fn first_memories(
        &self,
        mut batch: Batch,
        policy: &Policy,
        connection: ConnectionVersion,
        sent: Timestamp,
    ) -> Result<Batch, Refusal> {
        let kept = KeptMemories::load(self.store(), policy.tenant, policy.id).await?;
        for slot in Slot::BOTH {
            let memory = Memories::default().of(slot).clone();
            let event = SlotEvent::Succeeded { seen: memory.seen(), sent, connection };
            batch = kept.put(batch, slot, &memory.after(&event).memory);
        }
        Ok(batch)
    }
}

/// What a vault said of a key, as the rules look at it; the subscription is known to the control plane alone.
pub(crate) fn facts(described: &RootDescription) -> RootKeyFacts {
    RootKeyFacts {
        identifier: described.key.clone(),
        key_type: described.kty.clone(),
        bits: described.size,
        key_ops: described.key_ops.clone(),
        enabled: described.enabled,
        expires: described.expires.map(Timestamp::seconds),
        not_before: described.not_before.map(Timestamp::seconds),
        recovery_level: described.recovery_level.clone(),
        subscription: None,
    }
}

fn stored_key(text: &str) -> Result<KeyIdentifier, Refusal> {
    KeyIdentifier::from_stored(text).map_err(|_| Refusal::new(Code::Ours, "the wrap set names no key"))
}

fn bad_request(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::BadRequest, error.to_string())
}

/// Why a key cannot carry a policy. Whose fault it is, is kept; whether the key exists for others, is not told.
fn unusable(policy: &Policy, slot: Asked, answer: &Answer) -> Refusal {
    let which = match slot {
        Asked::First => "the first key",
        Asked::Second => "the second key",
        Asked::Availability => "the availability key",
    };
    let finding = answer.judge(CredentialOwner::Operator);
    let (code, what) = match (finding.map(|finding| finding.fault), slot) {
        (Some(Fault::Denied), Asked::First | Asked::Second) => (
            Code::UnusableKey,
            "does not exist, or the service's application may not use it (get, wrapKey, unwrapKey)",
        ),
        (Some(Fault::Unreachable), _) => (Code::Outage, "cannot be reached"),
        (Some(Fault::Lying), _) => (Code::Lying, "answers with other bytes than it was given"),
        _ => (Code::Ours, "could not be used"),
    };
    let reason = finding.map_or("unexpected", |finding| finding.reason);
    Refusal::new(code, format!("{which} {what} ({reason})")).about(policy.id)
}

pub(crate) fn described(policy: &Policy) -> serde_json::Value {
    json!({
        "policyId": policy.id,
        "kind": policy.kind,
        "name": policy.name,
        "keys": [policy.keys[0].to_string(), policy.keys[1].to_string()],
        "preset": policy.settings.preset.to_string(),
        "commitment": policy.commitment,
    })
}
