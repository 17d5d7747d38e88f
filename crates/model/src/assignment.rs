//! Which policy covers a container, and what it takes to bring its keys there.
//!
//! Owns precedence ([`covering`]) and what an assignment asks for ([`asks`]). *Assigned* is what an administrator
//! set, *effective* is what the stored wrap uses; the two differ until the rewrap, and neither is ever guessed
//! from the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DepId, Generation};
use crate::policy::PolicyKind;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::unwrap::Family;

/// How long a move that an assignment asked for may take before its state says whom to contact.
pub const MOVE_DEADLINE: Duration = Duration::from_hours(7 * 24);

/// The policies that are assigned to a tenant as a whole, as they bear on one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantPolicies {
    /// The multi-workload policy, if one is assigned.
    pub multi_workload: Option<DepId>,
    /// The SharePoint policy of the container's geo, if one is registered.
    pub share_point: Option<DepId>,
    /// The provider-managed policy; every tenant has one.
    pub provider: DepId,
}

/// A policy and why it is the one that covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Covering {
    /// The policy.
    pub policy: DepId,
    /// Its kind, which says how it came to cover.
    pub kind: PolicyKind,
}

/// The policy that covers a container; `own` is the one assigned to it by name, `None` after `$null`.
pub fn covering(family: Family, own: Option<DepId>, tenant: &TenantPolicies) -> Covering {
    let candidates = match family {
        Family::Exchange => [(own, PolicyKind::Mailbox), (tenant.multi_workload, PolicyKind::MultiWorkload)],
        // A multi-workload policy never covers a site, and no policy is assigned to one site by name.
        Family::SharePoint => [(tenant.share_point, PolicyKind::SharePoint), (None, PolicyKind::Mailbox)],
    };
    candidates
        .into_iter()
        .find_map(|(policy, kind)| policy.map(|policy| Covering { policy, kind }))
        .unwrap_or(Covering { policy: tenant.provider, kind: PolicyKind::ProviderManaged })
}

/// Refused unless a policy of this kind may be assigned to one container of this family by name.
pub fn check_by_name(kind: PolicyKind, family: Family) -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::new(Code::BadRequest, why));
    match (kind, family) {
        (PolicyKind::Mailbox, Family::Exchange) => Ok(()),
        (PolicyKind::Mailbox, Family::SharePoint) => refused("a mailbox policy cannot be assigned to a site"),
        (PolicyKind::MultiWorkload, _) => refused("a multi-workload policy is assigned to the tenant"),
        (PolicyKind::SharePoint, _) => refused("a SharePoint policy covers its geo from its registration"),
        (PolicyKind::ProviderManaged, _) => {
            refused("the provider-managed policy covers what has no other; set the mailbox's policy to none")
        }
    }
}

/// Whose key holds a container's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The node's volume key.
    Volume,
    /// One generation of a policy's key.
    Policy {
        /// Which policy.
        policy: DepId,
        /// Which of its keys.
        generation: Generation,
    },
}

/// Which data of a kind of container a policy covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// What is there and what comes.
    ExistingAndNew,
    /// What comes from the assignment on.
    NewOnly,
}

/// What it takes to bring one container key under its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ask {
    /// It is there.
    Nothing,
    /// The same key under another parent; content is not touched.
    Rewrap,
    /// A new key, and content sealed anew: it has never been under a policy.
    Move,
    /// A new key for what comes; the old key stays where it is.
    NewGeneration,
}

/// What the container key that `holder` holds needs in order to be under the target.
pub fn asks(holder: Holder, target: DepId, generation: Generation, covers: Covers) -> Ask {
    match (holder, covers) {
        (Holder::Policy { policy, generation: held }, _) if policy == target && held == generation => {
            Ask::Nothing
        }
        // Its data stays where it is; only a re-key of the same policy follows it everywhere.
        (Holder::Policy { policy, .. }, Covers::NewOnly) if policy == target => Ask::Rewrap,
        (_, Covers::NewOnly) => Ask::NewGeneration,
        (Holder::Policy { .. }, Covers::ExistingAndNew) => Ask::Rewrap,
        (Holder::Volume, Covers::ExistingAndNew) => Ask::Move,
    }
}

/// Whether a purge of the policy that covers a key also erases what the key opens.
///
/// A key that was born under another policy may lie in an old backup, wrapped by that one.
pub fn is_erasable(born: Option<DepId>, effective: DepId, backups_expired: bool) -> bool {
    born == Some(effective) && backups_expired
}

/// Which background work comes first; the larger goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Nobody waits for it.
    Upkeep,
    /// An assignment asked for it.
    Assignment,
    /// A person asked for it.
    UserInitiated,
}

/// Whether a move that was asked for at `asked` has missed its deadline.
pub fn is_overdue(asked: Timestamp, now: Timestamp) -> bool {
    now.since(asked) > MOVE_DEADLINE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dep(number: u8) -> DepId {
        DepId::from_random([number; 16])
    }

    fn tenant() -> TenantPolicies {
        TenantPolicies { multi_workload: Some(dep(2)), share_point: Some(dep(3)), provider: dep(9) }
    }

    #[test]
    fn a_mailbox_has_its_own_policy_then_the_tenants_then_the_providers() {
        let own = covering(Family::Exchange, Some(dep(1)), &tenant());
        assert_eq!(own, Covering { policy: dep(1), kind: PolicyKind::Mailbox });
        let after_null = covering(Family::Exchange, None, &tenant());
        assert_eq!(after_null, Covering { policy: dep(2), kind: PolicyKind::MultiWorkload });
        let nothing = TenantPolicies { multi_workload: None, ..tenant() };
        let provider = covering(Family::Exchange, None, &nothing);
        assert_eq!(provider, Covering { policy: dep(9), kind: PolicyKind::ProviderManaged });
    }

    #[test]
    fn a_site_has_the_policy_of_its_geo_and_never_a_multi_workload_one() {
        let covered = covering(Family::SharePoint, Some(dep(1)), &tenant());
        assert_eq!(covered, Covering { policy: dep(3), kind: PolicyKind::SharePoint });
        let none = TenantPolicies { share_point: None, ..tenant() };
        assert_eq!(covering(Family::SharePoint, None, &none).policy, dep(9));
    }

    #[test]
    fn only_a_mailbox_policy_is_assigned_by_name_and_only_to_a_mailbox() {
        for kind in PolicyKind::ALL {
            for family in [Family::Exchange, Family::SharePoint] {
                let fits = kind == PolicyKind::Mailbox && family == Family::Exchange;
                assert_eq!(check_by_name(kind, family).is_ok(), fits, "{kind} {family:?}");
            }
        }
    }

    #[test]
    fn what_an_assignment_asks_for() {
        let now = Generation(2);
        let held = |policy, generation| Holder::Policy { policy, generation: Generation(generation) };
        for (holder, covers, ask) in [
            (held(dep(1), 2), Covers::ExistingAndNew, Ask::Nothing),
            (held(dep(1), 2), Covers::NewOnly, Ask::Nothing),
            (held(dep(1), 1), Covers::ExistingAndNew, Ask::Rewrap),
            (held(dep(1), 1), Covers::NewOnly, Ask::Rewrap),
            (held(dep(9), 2), Covers::ExistingAndNew, Ask::Rewrap),
            (held(dep(9), 2), Covers::NewOnly, Ask::NewGeneration),
            (Holder::Volume, Covers::ExistingAndNew, Ask::Move),
            (Holder::Volume, Covers::NewOnly, Ask::NewGeneration),
        ] {
            assert_eq!(asks(holder, dep(1), now, covers), ask, "{holder:?} {covers:?}");
        }
    }

    #[test]
    fn a_key_that_was_born_elsewhere_is_covered_and_not_erasable() {
        assert!(is_erasable(Some(dep(1)), dep(1), true));
        assert!(!is_erasable(Some(dep(9)), dep(1), true));
        assert!(!is_erasable(None, dep(1), true));
        assert!(!is_erasable(Some(dep(1)), dep(1), false), "an old backup still holds the former key");
    }

    #[test]
    fn a_move_is_overdue_after_seven_days() {
        let asked = Timestamp(0);
        assert!(!is_overdue(asked, asked + MOVE_DEADLINE));
        assert!(is_overdue(asked, asked + MOVE_DEADLINE + Duration::from_millis(1)));
        assert!(Priority::UserInitiated > Priority::Assignment && Priority::Assignment > Priority::Upkeep);
    }
}
