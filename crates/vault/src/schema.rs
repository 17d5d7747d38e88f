//! The tables of the vault's database, and how the keys of their rows are written (spec/vault-store.md).
//!
//! Owns the names alone; what a row holds is beside its noun.

use model::id::DirectoryId;
use store::{Migration, Schema, Step, Table};

use crate::id::{ApplicationId, KeyVersion, PrincipalId, SubscriptionId};

pub(crate) const DIRECTORIES: Table = Table("directories");
pub(crate) const PRINCIPALS: Table = Table("principals");
pub(crate) const PRINCIPAL_NAMES: Table = Table("principal_names");
pub(crate) const APPLICATIONS: Table = Table("applications");
pub(crate) const SIGNING_KEYS: Table = Table("signing_keys");
pub(crate) const SUBSCRIPTIONS: Table = Table("subscriptions");
pub(crate) const PROVIDERS: Table = Table("providers");
pub(crate) const FEATURES: Table = Table("features");
pub(crate) const RESOURCE_GROUPS: Table = Table("resource_groups");
pub(crate) const VAULTS: Table = Table("vaults");
pub(crate) const ASSIGNMENTS: Table = Table("role_assignments");
pub(crate) const GRANTS: Table = Table("grants");
pub(crate) const KEYS: Table = Table("keys");
pub(crate) const KEY_VERSIONS: Table = Table("key_versions");
pub(crate) const DELETED_KEYS: Table = Table("deleted_keys");
pub(crate) const DUE: Table = Table("due");
pub(crate) const ACCESS_POLICIES: Table = Table("access_policies");
pub(crate) const TICKETS: Table = Table("tickets");
pub(crate) const FORMER_MASTERS: Table = Table("former_masters");

/// The schema that a store for [`crate::Vault::open`] is opened with.
pub const SCHEMA: Schema = Schema {
    owner: "vault",
    version: 6,
    tables: &[
        DIRECTORIES,
        PRINCIPALS,
        PRINCIPAL_NAMES,
        APPLICATIONS,
        SIGNING_KEYS,
        SUBSCRIPTIONS,
        PROVIDERS,
        FEATURES,
        RESOURCE_GROUPS,
        VAULTS,
        ASSIGNMENTS,
        GRANTS,
        KEYS,
        KEY_VERSIONS,
        DELETED_KEYS,
        DUE,
        ACCESS_POLICIES,
        TICKETS,
        FORMER_MASTERS,
    ],
    migrations: &[
        Migration { to: 2, steps: &[Step::Create(DELETED_KEYS)] },
        Migration { to: 3, steps: &[Step::Create(DUE)] },
        Migration { to: 4, steps: &[Step::Create(ACCESS_POLICIES)] },
        Migration { to: 5, steps: &[Step::Create(TICKETS)] },
        Migration { to: 6, steps: &[Step::Create(FORMER_MASTERS)] },
    ],
};

/// A principal of a directory: `DIRECTORY/OBJECT`.
pub(crate) fn principal(directory: DirectoryId, principal: PrincipalId) -> String {
    format!("{directory}/{principal}")
}

/// The service principal of an application in a directory: `DIRECTORY/app/CLIENT`.
pub(crate) fn application_in(directory: DirectoryId, application: ApplicationId) -> String {
    format!("{directory}/app/{application}")
}

/// A user by sign-in name: `DIRECTORY/user/NAME`, in lower case.
pub(crate) fn user_in(directory: DirectoryId, sign_in_name: &str) -> String {
    format!("{directory}/user/{}", sign_in_name.to_lowercase())
}

/// A group by its name: `DIRECTORY/group/NAME`, in lower case.
pub(crate) fn group_in(directory: DirectoryId, display_name: &str) -> String {
    format!("{directory}/group/{}", display_name.to_lowercase())
}

/// A domain of a directory: `domain/NAME`, in lower case.
pub(crate) fn domain(name: &str) -> String {
    format!("domain/{name}")
}

/// What all refresh tokens of a user begin with: `refresh/DIRECTORY/OBJECT/`.
pub(crate) fn refresh_tokens(directory: DirectoryId, principal: PrincipalId) -> String {
    format!("refresh/{directory}/{principal}/")
}

/// Something that a subscription has by name: `SUBSCRIPTION/NAME`, in lower case.
pub(crate) fn in_subscription(subscription: SubscriptionId, name: &str) -> String {
    format!("{subscription}/{}", name.to_ascii_lowercase())
}

/// What all keys of the rows that a vault has begin with: `VAULT/`, in lower case.
pub(crate) fn in_vault(vault: &str) -> String {
    format!("{}/", vault.to_ascii_lowercase())
}

/// A key, by its vault and name: `VAULT/NAME`, in lower case.
pub(crate) fn key(vault: &str, name: &str) -> String {
    format!("{}/{}", vault.to_ascii_lowercase(), name.to_ascii_lowercase())
}

/// One version of a key: `VAULT/NAME/VERSION`.
pub(crate) fn key_version(vault: &str, name: &str, version: KeyVersion) -> String {
    version_of_key(&key(vault, name), version)
}

/// The same, where `key` is the key of the key's own row.
pub(crate) fn version_of_key(key: &str, version: KeyVersion) -> String {
    format!("{key}/{version}")
}
