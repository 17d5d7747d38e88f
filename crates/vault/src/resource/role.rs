//! The built-in roles: which actions each of them holds, and how an action is matched.
//!
//! Owns the table. A role has two halves that never mix: actions of the resource manager, and data actions on
//! keys. Roles of one's own come later; until then every other role id is unknown, and unknown roles give nothing.

use serde_json::{Value, json};

use crate::access::{Plane, Scope};

/// One role definition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// The last segment of its id, the same in every directory.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

/// The role with this id, in any case.
pub(crate) fn by_id(id: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(id))
}

/// The role with this name, in any case.
#[cfg(test)]
pub(crate) fn by_name(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name.eq_ignore_ascii_case(name))
}

/// All roles, in the order of the table.
pub(crate) fn all() -> &'static [Role] {
    ROLES
}

/// The id of the role that a subscription's first owner gets.
pub(crate) const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// The id of the role that makes, changes, uses and deletes keys.
pub const CRYPTO_OFFICER: &str = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";
/// The id of the role that a service needs to encrypt at rest.
pub const ENCRYPTION_USER: &str = "e147488a-f6f5-4113-8e2d-b22465e65bf6";

impl Role {
    /// Whether the role holds the action in that half.
    pub(crate) fn allows(&self, plane: Plane, action: &str) -> bool {
        let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, action));
        match plane {
            Plane::Control => any(self.actions) && !any(self.not_actions),
            Plane::Data => any(self.data_actions),
        }
    }

    /// The full id: under a subscription where there is one, as the resource manager writes it.
    pub(crate) fn resource_id(&self, scope: Option<&Scope>) -> String {
        let under = scope.map(|scope| format!("/subscriptions/{}", scope.subscription)).unwrap_or_default();
        format!("{under}/providers/Microsoft.Authorization/roleDefinitions/{}", self.id)
    }

    /// The definition as the resource manager shows it.
    pub(crate) fn shape(&self, scope: Option<&Scope>) -> Value {
        json!({
            "id": self.resource_id(scope),
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.id,
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.description,
                "assignableScopes": ["/"],
                "permissions": [{
                    "actions": self.actions,
                    "notActions": self.not_actions,
                    "dataActions": self.data_actions,
                    "notDataActions": [],
                }],
            },
        })
    }
}

/// `*` stands for any characters, slashes too; letters compare without case.
fn matches(pattern: &str, action: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern.eq_ignore_ascii_case(action) };
    let Some(start) = action.get(..head.len()) else { return false };
    if !start.eq_ignore_ascii_case(head) {
        return false;
    }
    let tail = &action[head.len()..];
    tail.char_indices().map(|(i, _)| i).chain([tail.len()]).any(|i| matches(rest, &tail[i..]))
}

const READ_VAULTS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

const ROLES: &[Role] = &[
    Role {
        id: OWNER,
        name: "Owner",
        description: "Everything in the resource manager, roles included; nothing on keys.",
        actions: &["*"],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        name: "Contributor",
        description: "Everything in the resource manager except giving rights; nothing on keys.",
        actions: &["*"],
        not_actions: &["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"],
        data_actions: &[],
    },
    Role {
        id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        name: "Reader",
        description: "Sees every resource; changes none, and sees no key.",
        actions: &["*/read"],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        name: "User Access Administrator",
        description: "Sees every resource and gives rights.",
        actions: &["*/read", "Microsoft.Authorization/*"],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        name: "Key Vault Administrator",
        description: "Everything on the keys of a vault; no change of the vault itself.",
        actions: READ_VAULTS,
        not_actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/*"],
    },
    Role {
        id: CRYPTO_OFFICER,
        name: "Key Vault Crypto Officer",
        description: "Makes, changes, uses and deletes keys.",
        actions: READ_VAULTS,
        not_actions: &[],
        data_actions: &[
            "Microsoft.KeyVault/vaults/keys/*",
            "Microsoft.KeyVault/vaults/keyrotationpolicies/*",
        ],
    },
    Role {
        id: "12338af0-0e69-4776-bea7-57ae8d297424",
        name: "Key Vault Crypto User",
        description: "Uses keys.",
        actions: READ_VAULTS,
        not_actions: &[],
        data_actions: &[
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/update/action",
            "Microsoft.KeyVault/vaults/keys/backup/action",
            "Microsoft.KeyVault/vaults/keys/encrypt/action",
            "Microsoft.KeyVault/vaults/keys/decrypt/action",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
            "Microsoft.KeyVault/vaults/keys/sign/action",
            "Microsoft.KeyVault/vaults/keys/verify/action",
        ],
    },
    Role {
        id: ENCRYPTION_USER,
        name: "Key Vault Crypto Service Encryption User",
        description: "Reads a key's public half, wraps and unwraps: what a service needs to encrypt at rest.",
        actions: &[],
        not_actions: &[],
        data_actions: &[
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
        ],
    },
    Role {
        id: "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
        name: "Key Vault Crypto Service Release User",
        description: "Releases keys.",
        actions: &[],
        not_actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/keys/release/action"],
    },
    Role {
        id: "21090545-7ca7-4776-b22c-e363652d74d2",
        name: "Key Vault Reader",
        description: "Sees vaults and their keys' public halves.",
        actions: READ_VAULTS,
        not_actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/*/read"],
    },
    Role {
        id: "f25e0fa2-a7c8-4377-a976-54943a77a395",
        name: "Key Vault Contributor",
        description: "Makes and changes vaults; nothing on keys, and gives no rights.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.KeyVault/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        not_actions: &["Microsoft.KeyVault/locations/deletedVaults/purge/action"],
        data_actions: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_case_for_nothing() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.KeyVault/vaults/write", true),
            ("*/read", "Microsoft.KeyVault/vaults/read", true),
            ("*/read", "Microsoft.KeyVault/vaults/readers", false),
            ("Microsoft.KeyVault/vaults/*/read", "microsoft.keyvault/VAULTS/keys/READ", true),
            ("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", false),
            ("Microsoft.KeyVault/vaults/keys/*", "Microsoft.KeyVault/vaults/keys/wrap/action", true),
            ("Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/read/more", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("", "", true),
            ("ab", "a", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn only_owners_and_access_administrators_give_rights() {
        let action = "Microsoft.Authorization/roleAssignments/write";
        let who: Vec<&str> =
            all().iter().filter(|role| role.allows(Plane::Control, action)).map(|role| role.name).collect();
        assert_eq!(who, ["Owner", "User Access Administrator"]);
    }

    #[test]
    fn who_may_unwrap_is_a_short_list() {
        let action = "Microsoft.KeyVault/vaults/keys/unwrap/action";
        let who: Vec<&str> =
            all().iter().filter(|role| role.allows(Plane::Data, action)).map(|role| role.name).collect();
        assert_eq!(
            who,
            [
                "Key Vault Administrator",
                "Key Vault Crypto Officer",
                "Key Vault Crypto User",
                "Key Vault Crypto Service Encryption User",
            ]
        );
    }

    #[test]
    fn the_service_role_reads_wraps_unwraps_and_nothing_else() {
        let role = by_name("key vault crypto service encryption user").expect("built in");
        for (word, expected) in [
            ("read", true),
            ("wrap/action", true),
            ("unwrap/action", true),
            ("create/action", false),
            ("update/action", false),
            ("delete", false),
            ("backup/action", false),
            ("decrypt/action", false),
        ] {
            let action = format!("Microsoft.KeyVault/vaults/keys/{word}");
            assert_eq!(role.allows(Plane::Data, &action), expected, "{word}");
        }
    }
}
