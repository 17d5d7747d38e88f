//! Subscriptions: what belongs together under one owner, in one directory.
//!
//! Owns the row, the offer and how both are shown. A subscription is made through the administration or by its alias.

use std::collections::BTreeSet;

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use crate::core::{Core, Found};
use crate::directory;
use crate::error::Stop;
use crate::id::SubscriptionId;
use crate::resource::{Call, Done, assignment};
use crate::schema::SUBSCRIPTIONS;

/// One subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubscriptionRow {
    pub(crate) directory: DirectoryId,
    pub(crate) display_name: String,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) offer: Offer,
    /// Its bill is open. It serves on, but nobody should rest root keys on it.
    #[serde(default)]
    pub(crate) unpaid: bool,
}

/// Under which offer a subscription is held: whoever rests keys on it looks at that, for a trial ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Offer {
    /// A contract of an organisation; what a subscription is unless it is said otherwise.
    #[default]
    EnterpriseAgreement,
    /// Paid by use.
    PayAsYouGo,
    /// Free for a time, with a limit on spending.
    FreeTrial,
}

impl Offer {
    fn quota(self) -> &'static str {
        match self {
            Self::EnterpriseAgreement => "EnterpriseAgreement_2014-09-01",
            Self::PayAsYouGo => "PayAsYouGo_2014-09-01",
            Self::FreeTrial => "FreeTrial_2014-09-01",
        }
    }
}

pub(crate) async fn find(
    core: &Core,
    id: SubscriptionId,
) -> Result<Option<Found<SubscriptionRow>>, StoreError> {
    core.find(SUBSCRIPTIONS, &id.to_string()).await
}

/// Those in which the caller has any right.
pub(crate) async fn list(call: &Call<'_>) -> Result<Done, Stop> {
    let mut mine = BTreeSet::new();
    for identity in &call.identities {
        let grants = assignment::all_grants(call.core, *identity).await?;
        mine.extend(grants.iter().map(|grant| grant.value.scope.subscription));
    }
    let mut shapes = Vec::new();
    for id in mine {
        if let Some(found) = find(call.core, id).await?
            && found.value.directory == call.who.directory
        {
            shapes.push(shape(id, &found.value));
        }
    }
    Ok(Done::ok(json!({ "value": shapes })))
}

/// The directory that the caller's token is of; a token is of one.
pub(crate) async fn tenants(call: &Call<'_>) -> Result<Done, Stop> {
    let id = call.who.directory;
    let found = directory::find(call.core, id).await?.ok_or(Stop::Conflict)?;
    let row = &found.value;
    Ok(Done::ok(json!({ "value": [{
        "id": format!("/tenants/{id}"),
        "tenantId": id,
        "displayName": row.display_name,
        "defaultDomain": row.domains.first(),
        "domains": row.domains,
        "tenantCategory": "Home",
    }] })))
}

pub(crate) async fn show(call: &Call<'_>, id: SubscriptionId) -> Result<Done, Stop> {
    let found = find(call.core, id).await?.ok_or(Stop::Conflict)?;
    Ok(Done::ok(shape(id, &found.value)))
}

fn shape(id: SubscriptionId, row: &SubscriptionRow) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"),
        "subscriptionId": id,
        "tenantId": row.directory,
        "displayName": row.display_name,
        "state": if row.unpaid { "PastDue" } else { "Enabled" },
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": row.offer.quota(),
            "spendingLimit": if row.offer == Offer::FreeTrial { "On" } else { "Off" },
        },
    })
}
