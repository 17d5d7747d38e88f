//! What each root key said last, in the memory of this node: for health, and for nothing that is decided.
//!
//! A denial stays until the key unwraps again, as in the stored memory, from which it is learnt at the start; an
//! outage or a fault of ours is what was last heard and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::fault::Fault;
use model::id::{DepId, TenantId};
use model::policy::PolicyKind;
use model::slot::Slot;
use model::time::Timestamp;

/// Policies that are remembered; those above are not counted in `/ready`.
pub const MAX_PULSES: usize = 200_000;

/// What a root key, or a policy as a whole, said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said {
    /// Nothing was heard on this node.
    Nothing,
    /// It unwrapped.
    Open,
    /// The customer refused.
    Refused,
    /// Nobody answered.
    Silent,
    /// A fault of the operator's, or a vault that is not to be trusted.
    Faulty,
}

/// What a slot said, and since when.
pub(crate) type Heard = (Said, Timestamp);

/// How many policies do not open, by who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shut {
    /// Refused by their customers.
    pub refused: u64,
    /// In an outage of both roots.
    pub outage: u64,
    /// Through a fault of ours.
    pub ours: u64,
}

/// The slots of a node's policies; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Mutex<Pulses>>);

/// Both slots of each policy.
type Pulses = HashMap<(TenantId, DepId), [Option<Heard>; 2]>;

impl Pulse {
    /// Notes an answer: none is a success.
    pub(crate) fn note(
        &self,
        (tenant, policy, kind): (TenantId, DepId, PolicyKind),
        slot: Slot,
        fault: Option<Fault>,
        at: Timestamp,
    ) {
        let said = match fault {
            None => Said::Open,
            // Nobody but the operator holds these keys.
            Some(Fault::Denied) if kind == PolicyKind::ProviderManaged => Said::Faulty,
            Some(Fault::Denied) => Said::Refused,
            Some(Fault::Unreachable) => Said::Silent,
            Some(Fault::Lying | Fault::Ours) => Said::Faulty,
        };
        let mut pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pulses.len() >= MAX_PULSES && !pulses.contains_key(&(tenant, policy)) {
            return;
        }
        let slots = pulses.entry((tenant, policy)).or_default();
        let place = &mut slots[match slot {
            Slot::First => 0,
            Slot::Second => 1,
        }];
        let keeps = match *place {
            None => false,
            // It goes on saying what it said: since when stays.
            Some((before, _)) if before == said => true,
            // Answers are noted after they were stored, and not always in their order.
            Some((_, since)) if since > at => true,
            // Silence ends no denial.
            Some((Said::Refused, _)) => said != Said::Open,
            Some(_) => false,
        };
        if !keeps {
            *place = Some((said, at));
        }
    }

    /// What the two slots of a policy said last.
    pub(crate) fn of(&self, tenant: TenantId, policy: DepId) -> [Option<Heard>; 2] {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.get(&(tenant, policy)).copied().unwrap_or_default()
    }

    /// How many policies do not open.
    pub(crate) fn shut(&self) -> Shut {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.values().fold(Shut::default(), |mut shut, slots| {
            match together(slots.map(|heard| heard.map_or(Said::Nothing, |(said, _)| said))) {
                Said::Refused => shut.refused += 1,
                Said::Silent => shut.outage += 1,
                Said::Faulty => shut.ours += 1,
                Said::Open | Said::Nothing => {}
            }
            shut
        })
    }
}

/// What a policy says whose two slots said this: one that opens is enough; of those that do not, one that refuses
/// makes a refusal.
pub(crate) fn together(slots: [Said; 2]) -> Said {
    let any = |said| slots.contains(&said);
    if any(Said::Open) {
        Said::Open
    } else if any(Said::Nothing) {
        // The one that was not heard may open.
        Said::Nothing
    } else if any(Said::Refused) {
        Said::Refused
    } else if any(Said::Faulty) {
        Said::Faulty
    } else {
        Said::Silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(kind: PolicyKind) -> (TenantId, DepId, PolicyKind) {
        (TenantId::from_random([1; 16]), DepId::from_random([2; 16]), kind)
    }

    fn of(pulse: &Pulse) -> [Said; 2] {
        let (tenant, policy, _) = me(PolicyKind::Mailbox);
        pulse.of(tenant, policy).map(|heard| heard.map_or(Said::Nothing, |(said, _)| said))
    }

    #[test]
    fn silence_ends_no_denial_and_a_success_does() {
        let pulse = Pulse::default();
        let note = |slot, fault| pulse.note(me(PolicyKind::Mailbox), slot, fault, Timestamp(1));
        note(Slot::First, Some(Fault::Denied));
        note(Slot::First, Some(Fault::Unreachable));
        note(Slot::Second, Some(Fault::Unreachable));
        assert_eq!(of(&pulse), [Said::Refused, Said::Silent]);
        assert_eq!(pulse.shut(), Shut { refused: 1, ..Shut::default() });
        note(Slot::First, None);
        assert_eq!(of(&pulse), [Said::Open, Said::Silent]);
        assert_eq!(pulse.shut(), Shut::default());
        note(Slot::First, Some(Fault::Unreachable));
        assert_eq!(pulse.shut(), Shut { outage: 1, ..Shut::default() });
        note(Slot::Second, Some(Fault::Lying));
        assert_eq!(pulse.shut(), Shut { ours: 1, ..Shut::default() });
    }

    #[test]
    fn since_when_stays_while_it_says_the_same_and_an_older_answer_changes_nothing() {
        let pulse = Pulse::default();
        let note = |fault, at| pulse.note(me(PolicyKind::Mailbox), Slot::First, fault, Timestamp(at));
        let (tenant, policy, _) = me(PolicyKind::Mailbox);
        let heard = || pulse.of(tenant, policy)[0];
        note(Some(Fault::Denied), 5);
        note(Some(Fault::Denied), 9);
        assert_eq!(heard(), Some((Said::Refused, Timestamp(5))));
        note(None, 4);
        assert_eq!(heard(), Some((Said::Refused, Timestamp(5))), "a success from before the denial");
        note(None, 10);
        assert_eq!(heard(), Some((Said::Open, Timestamp(10))));
    }

    #[test]
    fn a_refusal_of_the_providers_own_keys_is_no_act_of_a_customer() {
        let pulse = Pulse::default();
        for slot in Slot::BOTH {
            pulse.note(me(PolicyKind::ProviderManaged), slot, Some(Fault::Denied), Timestamp(1));
        }
        assert_eq!(pulse.shut(), Shut { ours: 1, ..Shut::default() });
    }
}
