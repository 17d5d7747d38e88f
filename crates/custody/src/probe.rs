//! Whether the root keys of a policy can be reached: each vault is asked to describe its key, as in a real use.
//!
//! Owns the question and its answer. Nothing is learnt from it: to describe a key is another right than to unwrap by it,
//! so neither answer says anything about a slot.

use model::caller::Caller;
use model::check::refuse;
use model::fault::{CredentialOwner, Finding};
use model::id::DepId;
use model::key_identifier::KeyIdentifier;
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::root_key::key_checks;
use model::slot::Slot;

use crate::calls::Operation;
use crate::creation::facts;
use crate::custody::{Custody, to_the_end};
use crate::policy::Policy;

/// What came of asking for one root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Whose key of the two.
    pub slot: Slot,
    /// The key, with the version that the policy's wraps name.
    pub key: KeyIdentifier,
    /// What the vault said.
    pub reached: Reached,
}

/// How far a probe came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The key is there, and the rules for root keys let a policy stand on it.
    Usable,
    /// The key is there, and breaks a rule: an operation is missing, its end is near.
    Unusable(String),
    /// No key was described, and why.
    No(Finding),
}

impl Custody {
    /// Asks the vault of each of the two root keys to describe it; recorded as every call to a vault is.
    pub async fn probe(&self, caller: &Caller, policy: DepId) -> Result<[Probed; 2], Refusal> {
        let (custody, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let policy = custody.unwrapper().policy(&caller, policy).await?.value;
            let (first, second) = futures::future::join(
                custody.probe_slot(&caller, &policy, Slot::First),
                custody.probe_slot(&caller, &policy, Slot::Second),
            )
            .await;
            Ok([first?, second?])
        })
        .await
    }

    async fn probe_slot(&self, caller: &Caller, policy: &Policy, slot: Slot) -> Result<Probed, Refusal> {
        let (roots, _) = self.unwrapper().roots(policy).await?;
        let key = policy.keys[usize::from(slot == Slot::Second)].clone();
        let asking = roots.describe(&key, caller.request);
        let answer = self.recorded(caller, policy, slot.into(), Operation::Describe, &key, asking).await?;
        let reached = match answer {
            Err(answer) => match answer.judge(CredentialOwner::Operator) {
                Some(finding) => Reached::No(finding),
                None => return Err(Refusal::new(Code::Ours, "an unwrap was no question").about(policy.id)),
            },
            // The provider's keys are its own affair; a customer's were checked by these rules when they were chosen.
            Ok(_) if policy.kind == PolicyKind::ProviderManaged => Reached::Usable,
            Ok(described) => {
                let levels = &self.settings().recovery_levels;
                let checks = key_checks(&facts(&described), levels, self.clock().now());
                match refuse(Code::UnusableKey, &checks) {
                    Ok(()) => Reached::Usable,
                    Err(broken) => Reached::Unusable(broken.detail),
                }
            }
        };
        Ok(Probed { slot, key, reached })
    }
}
