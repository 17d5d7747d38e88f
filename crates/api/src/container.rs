//! Mailboxes and sites: what holds a container key, and which policy covers it.

use model::id::{ContainerId, DepId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// What a container is; it decides which kind of policy covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerKind {
    /// A person's mail, found by its address.
    Mailbox,
    /// A place for files, found by its path.
    Site,
}

/// A new mailbox or site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewContainer {
    /// What it is.
    pub kind: ContainerKind,
    /// The mailbox's address or the site's path; unique without regard to case.
    #[schema(example = "alice@contoso.com")]
    pub name: String,
}

/// Which mailbox or site is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerName {
    /// What it is.
    pub kind: ContainerKind,
    /// The mailbox's address or the site's path.
    #[schema(example = "alice@contoso.com")]
    pub name: String,
}

/// A mailbox or a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: ContainerId,
    /// What it is.
    pub kind: ContainerKind,
    /// Its address or path.
    pub name: String,
    /// When it was made.
    pub created: Time,
}

/// A page of mailboxes and sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPage {
    /// The mailboxes and sites, in the order of their ids.
    pub containers: Vec<Container>,
    /// Give this as `after` for the next page; missing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub next: Option<ContainerId>,
}

/// Which policy is assigned; null takes the assignment away, and a body that does not say is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssignedPolicy {
    /// The policy, or null for none.
    // A field that is read by a function of its own is missed when it is missing.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(value_type = Option<String>, format = Uuid, required = true)]
    pub policy_id: Option<DepId>,
}

/// Which policy covers a container, and which one its stored wrap uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The policy that was assigned to it by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub assigned_policy_id: Option<DepId>,
    /// The policy that covers it now, by precedence.
    #[schema(value_type = String, format = Uuid)]
    pub covering_policy_id: DepId,
    /// The policy that its stored wrap uses; missing under the volume layer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub effective_policy_id: Option<DepId>,
    /// Whether the effective policy is the provider's and not the customer's.
    pub provider_managed: bool,
    /// The key generation that new content is sealed under.
    pub generation: u32,
    /// Whether a rewrap or a move is still to come.
    pub pending: bool,
}

/// The wraps above a container's content, from the bottom to the top: sizes and names, nothing is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// The policy whose key holds the container key; missing under the volume layer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub policy_id: Option<DepId>,
    /// Bytes of the container key's wrap.
    pub container_wrap_bytes: u64,
    /// What wraps the policy's seed: first, second, availability.
    pub roots: Vec<RootWrap>,
}

/// One key that wraps a policy's seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootWrap {
    /// The key, with its version.
    pub key_identifier: String,
    /// Bytes of its wrap.
    pub wrap_bytes: u64,
}
