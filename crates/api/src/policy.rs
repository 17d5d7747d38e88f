//! Data encryption policies, as administrators make and see them.

use model::id::DepId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// What a policy may be assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// One mailbox at a time.
    Mailbox,
    /// The tenant: everything that has no closer policy, except sites.
    MultiWorkload,
    /// The sites of one geo.
    SharePoint,
    /// Whatever has no other; the provider's two keys.
    ProviderManaged,
}

impl PolicyKind {
    /// The kind as it stands in a path and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::MultiWorkload => "multi-workload",
            Self::SharePoint => "share-point",
            Self::ProviderManaged => "provider-managed",
        }
    }
}

/// When the availability key may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Never.
    Never,
    /// Only in an outage of both roots, with evidence.
    OutageOnly,
}

/// The state of a policy as administrators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyState {
    /// It may be assigned.
    Active,
    /// Not enabled.
    Disabled,
    /// Shut by an order of the officers.
    Revoked,
    /// Being purged.
    PendingDeletion,
}

/// What a tenant chooses for a policy; a missing field takes the default of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySettings {
    /// When the availability key may help; for SharePoint always `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Seconds until a denial is obeyed everywhere: 2 to 900, by default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_seconds: Option<u64>,
    /// Seconds that an open policy lives on while its roots are unreachable: 0 to 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u64>,
    /// Seconds after the last success in which the availability key may help: 43,200 to 604,800, by default 72 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_budget_seconds: Option<u64>,
}

/// What an administrator says of a new policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPolicy {
    /// What it may be assigned to; nobody makes a provider-managed one.
    pub kind: PolicyKind,
    /// Its name, unique in its kind without regard to case.
    #[schema(example = "Contoso-mail")]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The two root keys, in two vaults; without a version the newest is taken.
    #[schema(example = json!(["https://contoso-a.vault.azure.net/keys/mail", "https://contoso-b.vault.azure.net/keys/mail"]))]
    #[schema(min_items = 2, max_items = 2)]
    pub key_identifiers: [String; 2],
    /// What the tenant chooses.
    #[serde(default)]
    pub settings: PolicySettings,
}

/// One data encryption policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: DepId,
    /// What it may be assigned to.
    pub kind: PolicyKind,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its state.
    pub state: PolicyState,
    /// Which DEP key is current; only a re-key changes it.
    pub generation: u32,
    /// The fence for leases; every denial raises it.
    pub revocation_epoch: u64,
    /// What the tenant chose.
    pub settings: PolicySettings,
    /// The two root keys with the versions that the wraps use.
    #[schema(min_items = 2, max_items = 2)]
    pub key_identifiers: [String; 2],
    /// When it was made.
    pub created: Time,
    /// When its wraps were last written.
    pub refreshed: Time,
}

/// Every policy of a tenant, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyList {
    /// The policies.
    pub policies: Vec<Policy>,
}

/// What a refresh changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshedPolicy {
    /// The policy, with the versions that its wraps use now.
    pub policy: Policy,
    /// The versions that they used before.
    #[schema(min_items = 2, max_items = 2)]
    pub key_identifiers_before: [String; 2],
    /// How many bytes of wraps were written; no byte of content was.
    pub wrap_bytes: u64,
}
