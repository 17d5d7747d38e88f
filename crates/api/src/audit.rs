//! Audit records, as an auditor reads them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::time::Time;

/// One record of the tenant's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Its place in the log: 1, 2, 3 … without a gap.
    pub sequence: u64,
    /// When it happened.
    pub at: Time,
    /// What was done.
    #[schema(example = "Fallback to Availability Key")]
    pub operation: String,
    /// The rest of the record: ids and outcomes.
    #[schema(value_type = HashMap<String, Value>)]
    pub body: Value,
    /// The text of `body` exactly as it was hashed.
    pub body_text: String,
    /// The hash of the record before, 64 hexadecimal digits; zeros for the first.
    pub previous: String,
    /// The hash of this record, 64 hexadecimal digits.
    pub hash: String,
}

/// A page of the tenant's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// The records, in their order.
    pub records: Vec<AuditRecord>,
    /// Give this as `after` for the next page; missing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
