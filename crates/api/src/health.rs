//! Health: alive, ready, and why a policy does not open; a denial, an outage and our fault are three answers.

use model::id::DepId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// The process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Always true.
    pub live: bool,
    /// The version of the program.
    pub version: String,
}

/// Whether the service can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyState {
    /// It can.
    Ready,
    /// Something of the service itself is broken, or it drains.
    NotReady,
}

/// Whether the service can serve, and how many policies do not open, by who must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Whether it can serve at all.
    pub status: ReadyState,
    /// What of ours is broken; empty when ready.
    pub our_fault: Vec<String>,
    /// Policies whose root keys their customers refuse.
    pub policies_refused_by_customer: u64,
    /// Policies whose two root keys were last heard to be unreachable.
    pub policies_in_outage: u64,
    /// Policies that do not open through a fault of ours.
    pub policies_our_fault: u64,
}

/// What a slot said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlotAnswer {
    /// Nothing was heard since the service started, and before that no refusal.
    Unheard,
    /// The key unwrapped.
    Open,
    /// The customer's side said no; it stays until the key unwraps again.
    RefusedByCustomer,
    /// Nobody answered when it was last asked.
    Outage,
    /// It was not asked, or not understood, through a fault of ours.
    OurFault,
}

/// One root key of a policy, as it was last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotHealth {
    /// The key.
    pub key_identifier: String,
    /// What it said last.
    pub answer: SlotAnswer,
    /// Since when it says so; missing where nothing was heard since the service started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When it was last proved to open, whatever came since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_proved: Option<Time>,
    /// Why it was refused, in the words of the fault table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One policy, as its keys were last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyHealth {
    /// The policy.
    #[schema(value_type = String, format = Uuid)]
    pub policy_id: DepId,
    /// Its name.
    pub name: String,
    /// What its root keys say together; in an outage the availability key may serve all the same.
    pub answer: SlotAnswer,
    /// Its two root keys.
    #[schema(min_items = 2, max_items = 2)]
    pub slots: [SlotHealth; 2],
}

/// The policies of a tenant, as their keys were last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantHealth {
    /// The policies, in the order of their ids.
    pub policies: Vec<PolicyHealth>,
}
