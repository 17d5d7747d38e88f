//! May this principal do this here? A pure decision: grants, scope and actions in, the deciding grant out.
//!
//! Owns [`Scope`], [`Grant`] and [`decide`]. Deny by default: no grant that covers the scope and holds one of the
//! actions, no access. Reading the grants is the caller's part; he reads them anew for every call.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AssignmentId, PrincipalId, SubscriptionId};
use crate::resource::role;

/// Where a right holds: a subscription, or a resource group, vault or key in it; it holds for all below.
///
/// Names compare without case and are shown as they were written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) subscription: SubscriptionId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) vault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) key: Option<String>,
}

impl Scope {
    pub(crate) fn subscription(subscription: SubscriptionId) -> Self {
        Self { subscription, group: None, vault: None, key: None }
    }

    pub(crate) fn group(subscription: SubscriptionId, group: &str) -> Self {
        Self { group: Some(group.into()), ..Self::subscription(subscription) }
    }

    pub(crate) fn vault(subscription: SubscriptionId, group: &str, vault: &str) -> Self {
        Self { vault: Some(vault.into()), ..Self::group(subscription, group) }
    }

    /// The same vault's key of that name.
    pub(crate) fn key(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// Whether a right at this scope reaches the other one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let level = |here: &Option<String>, there: &Option<String>| match (here, there) {
            (None, _) => true,
            (Some(here), Some(there)) => here.eq_ignore_ascii_case(there),
            (Some(_), None) => false,
        };
        self.subscription == other.subscription
            && level(&self.group, &other.group)
            && level(&self.vault, &other.vault)
            && level(&self.key, &other.key)
    }

    /// The key of a row that belongs to this scope alone: four parts, `*` where there is none, in lower case.
    pub(crate) fn row(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or("*").to_ascii_lowercase();
        format!("{}/{}/{}/{}", self.subscription, part(&self.group), part(&self.vault), part(&self.key))
    }
}

impl Scope {
    /// What the keys of the rows at this scope and below begin with.
    pub(crate) fn rows(&self) -> String {
        let parts = [&self.group, &self.vault, &self.key].into_iter().map_while(|part| part.as_deref());
        parts.fold(format!("{}/", self.subscription), |rows, part| {
            format!("{rows}{}/", part.to_ascii_lowercase())
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}", self.subscription)?;
        if let Some(group) = &self.group {
            write!(f, "/resourceGroups/{group}")?;
        }
        if let Some(vault) = &self.vault {
            write!(f, "/providers/Microsoft.KeyVault/vaults/{vault}")?;
        }
        if let Some(key) = &self.key {
            write!(f, "/keys/{key}")?;
        }
        Ok(())
    }
}

/// One role assignment, as far as a decision needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: AssignmentId,
    pub(crate) principal: PrincipalId,
    pub(crate) role: String,
    pub(crate) scope: Scope,
}

/// Which half of a role is asked: the resource manager's actions, or the actions on keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Subscriptions, groups, vaults, assignments.
    Control,
    /// Keys.
    Data,
}

/// The first grant by which the principal may do one of the actions at the scope; `None` is a denial.
///
/// The actions are alternatives, tried in order.
pub(crate) fn decide<'a, G: AsRef<Grant>>(
    grants: &'a [G],
    principal: PrincipalId,
    scope: &Scope,
    plane: Plane,
    actions: &[&str],
) -> Option<&'a G> {
    actions.iter().find_map(|action| {
        grants.iter().find(|grant| {
            let grant = grant.as_ref();
            grant.principal == principal
                && grant.scope.covers(scope)
                && role::by_id(&grant.role).is_some_and(|role| role.allows(plane, action))
        })
    })
}

/// The same for a principal and its groups, the principal first.
pub(crate) fn decide_for<'a, G: AsRef<Grant>>(
    grants: &'a [G],
    identities: &[PrincipalId],
    scope: &Scope,
    plane: Plane,
    actions: &[&str],
) -> Option<&'a G> {
    identities.iter().find_map(|identity| decide(grants, *identity, scope, plane, actions))
}

impl AsRef<Grant> for Grant {
    fn as_ref(&self) -> &Grant {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "Microsoft.KeyVault/vaults/keys/read";
    const WRAP: &str = "Microsoft.KeyVault/vaults/keys/wrap/action";
    const UNWRAP: &str = "Microsoft.KeyVault/vaults/keys/unwrap/action";
    const CREATE: &str = "Microsoft.KeyVault/vaults/keys/create/action";
    const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";

    fn subscription(n: u8) -> SubscriptionId {
        SubscriptionId::from_random([n; 16])
    }

    fn principal(n: u8) -> PrincipalId {
        PrincipalId::from_random([n; 16])
    }

    fn scopes() -> Vec<Scope> {
        let vault = Scope::vault(subscription(1), "rg", "v");
        vec![
            Scope::subscription(subscription(1)),
            Scope::group(subscription(1), "RG"),
            vault.clone(),
            vault.key("K"),
            Scope::subscription(subscription(2)),
            Scope::group(subscription(1), "rg2"),
            Scope::vault(subscription(1), "rg", "v2"),
            vault.key("k2"),
        ]
    }

    fn grant(name: &str, scope: &Scope) -> Grant {
        let role = role::by_name(name).expect("a built-in role").id.to_string();
        Grant { id: AssignmentId::from_random([9; 16]), principal: principal(1), role, scope: scope.clone() }
    }

    #[test]
    fn a_right_reaches_what_lies_below_its_scope_and_nothing_beside() {
        let target = Scope::vault(subscription(1), "Rg", "V").key("k");
        let reaches: Vec<bool> = scopes()
            .iter()
            .map(|at| {
                let grants = [grant("Key Vault Crypto Officer", at)];
                decide(&grants, principal(1), &target, Plane::Data, &[CREATE]).is_some()
            })
            .collect();
        assert_eq!(reaches, [true, true, true, true, false, false, false, false]);
    }

    #[test]
    fn a_right_on_one_key_is_none_on_its_vault() {
        let key = Scope::vault(subscription(1), "rg", "v").key("k");
        let grants = [grant("Key Vault Crypto Officer", &key)];
        let vault = Scope::vault(subscription(1), "rg", "v");
        assert!(decide(&grants, principal(1), &vault, Plane::Data, &[READ]).is_none());
    }

    #[test]
    fn the_rows_at_a_scope_and_below_begin_alike() {
        let at = scopes();
        let below = |n: usize| -> Vec<usize> {
            (0..at.len()).filter(|i| format!("{}/x", at[*i].row()).starts_with(&at[n].rows())).collect()
        };
        assert_eq!(below(0), [0, 1, 2, 3, 5, 6, 7]);
        assert_eq!(below(1), [1, 2, 3, 6, 7], "and not the group whose name begins alike");
        assert_eq!(below(2), [2, 3, 7], "and not the vault whose name begins alike");
        assert_eq!(below(3), [3]);
    }

    #[test]
    fn somebody_elses_right_is_none() {
        let scope = Scope::subscription(subscription(1));
        let grants = [grant("Key Vault Administrator", &scope)];
        assert!(decide(&grants, principal(2), &scope, Plane::Data, &[READ]).is_none());
        assert!(decide::<Grant>(&[], principal(1), &scope, Plane::Data, &[READ]).is_none());
    }

    #[test]
    fn an_owner_may_assign_roles_and_use_no_key() {
        let scope = Scope::subscription(subscription(1));
        let grants = [grant("Owner", &scope)];
        assert!(decide(&grants, principal(1), &scope, Plane::Control, &[ASSIGN]).is_some());
        for action in [READ, WRAP, UNWRAP, CREATE] {
            assert!(decide(&grants, principal(1), &scope, Plane::Data, &[action]).is_none(), "{action}");
        }
    }

    #[test]
    fn reading_a_key_is_enough_for_its_public_half() {
        let scope = Scope::vault(subscription(1), "rg", "v").key("k");
        let grants = [grant("Key Vault Reader", &scope)];
        let may = |actions: &[&str]| decide(&grants, principal(1), &scope, Plane::Data, actions).is_some();
        assert!(may(&[WRAP, READ]));
        assert!(!may(&[WRAP]));
        assert!(!may(&[UNWRAP]));
    }

    #[test]
    fn the_own_action_decides_before_the_one_that_implies_it() {
        let scope = Scope::vault(subscription(1), "rg", "v").key("k");
        let mut reader = grant("Key Vault Reader", &scope);
        reader.id = AssignmentId::from_random([1; 16]);
        let mut service = grant("Key Vault Crypto Service Encryption User", &scope);
        service.id = AssignmentId::from_random([2; 16]);
        let grants = [reader, service];
        let by = decide(&grants, principal(1), &scope, Plane::Data, &[WRAP, READ]).expect("allowed");
        assert_eq!(by.id, AssignmentId::from_random([2; 16]));
    }
}
