//! Deleted vaults as they are shown: to recover one, or to purge it, one has to find it.

use serde_json::{Value, json};

use super::VaultRow;
use super::life::{self, Gone};
use crate::error::Stop;
use crate::id::SubscriptionId;
use crate::log::seconds_text;
use crate::resource::{Call, Done, list};
use crate::schema::VAULTS;

pub(crate) async fn list(call: &Call<'_>, subscription: SubscriptionId) -> Result<Done, Stop> {
    let gone = |row: &VaultRow| row.gone.clone().filter(|gone| !gone.destroying);
    let keep = |row: &VaultRow| row.subscription == subscription && gone(row).is_some();
    let page = list::page(call, VAULTS, "", list::MOST_ITEMS, keep).await?;
    let shapes =
        page.found.iter().filter_map(|found| Some(shape(&found.value, &gone(&found.value)?))).collect();
    Ok(page.shown(shapes))
}

pub(crate) async fn show(
    call: &Call<'_>,
    subscription: SubscriptionId,
    location: &str,
    name: &str,
) -> Result<Done, Stop> {
    let (found, gone) = life::deleted(call.core, subscription, location, name).await?;
    Ok(Done::ok(shape(&found.value, &gone)))
}

fn shape(row: &VaultRow, gone: &Gone) -> Value {
    let mut properties = json!({
        "vaultId": row.scope().to_string(),
        "location": row.location,
        "tags": row.tags,
        "deletionDate": seconds_text(gone.deleted),
        "scheduledPurgeDate": seconds_text(gone.purge),
    });
    if row.purge_protection {
        properties["purgeProtectionEnabled"] = json!(true);
    }
    let (subscription, location, name) = (row.subscription, &row.location, &row.name);
    json!({
        "id": format!(
            "/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"
        ),
        "name": name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": properties,
    })
}
