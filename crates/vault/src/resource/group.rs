//! Resource groups: the folder between a subscription and its vaults.
//!
//! Owns the row, the name's rule, and what is done with a group.

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Cause, StoreError};

use crate::access::{self, Plane, Scope};
use crate::core::{Core, Found};
use crate::error::{Refused, Stop, resources as texts};
use crate::id::SubscriptionId;
use crate::resource::vault::life;
use crate::resource::{Call, Done, assignment, list};
use crate::schema::{self, RESOURCE_GROUPS};

const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
/// The longest name of a group.
const LONGEST_NAME: usize = 90;
/// The most tags of a resource, and the longest name and value of one.
const MOST_TAGS: usize = 50;
const LONGEST_TAG: usize = 512;

/// One resource group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    /// Its deletion has begun: nothing new comes into it.
    #[serde(default)]
    pub(crate) deleting: bool,
}

#[derive(Debug, Deserialize)]
struct Input {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(crate) async fn find(core: &Core, scope: &Scope) -> Result<Option<Found<GroupRow>>, StoreError> {
    let name = scope.group.as_deref().unwrap_or_default();
    core.find(RESOURCE_GROUPS, &schema::in_subscription(scope.subscription, name)).await
}

pub(crate) async fn show(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let name = scope.group.as_deref().unwrap_or_default();
    let found = find(call.core, scope).await?.ok_or_else(|| texts::group_not_found(name))?;
    Ok(Done::ok(shape(scope, &found.value)))
}

pub(crate) async fn put(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let input: Input = call.input()?;
    let location = check_location(input.location.as_deref())?;
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    let name = scope.group.clone().unwrap_or_default();
    let key = schema::in_subscription(scope.subscription, &name);
    let found = find(call.core, scope).await?;
    let (batch, row) = match &found {
        None => {
            let row = GroupRow { name, location, tags, created: call.core.now(), deleting: false };
            (call.batch().expect_absent(RESOURCE_GROUPS, &key), row)
        }
        Some(found) if found.value.deleting => return Err(texts::group_is_being_deleted(&name).into()),
        Some(found) if found.value.location != location => {
            return Err(texts::location_differs(&found.value.name, &found.value.location, &location).into());
        }
        // The body's tags replace the old ones; name and birth stay.
        Some(found) => {
            let basis = found.basis();
            (call.batch_on(basis), GroupRow { tags, ..found.value.clone() })
        }
    };
    call.commit(batch.put(RESOURCE_GROUPS, key, &row)).await?;
    let shape = shape(scope, &row);
    Ok(if found.is_some() { Done::ok(shape) } else { Done::created(shape) })
}

/// Whether it is there, without a body.
pub(crate) async fn exists(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let name = scope.group.as_deref().unwrap_or_default();
    find(call.core, scope).await?.ok_or_else(|| texts::group_not_found(name))?;
    Ok(Done::nothing())
}

/// The groups of a subscription that the caller may read.
pub(crate) async fn list(call: &Call<'_>, subscription: SubscriptionId) -> Result<Done, Stop> {
    let grants = assignment::held(call.core, &call.identities, subscription).await?;
    let visible = |row: &GroupRow| {
        let at = Scope::group(subscription, &row.name);
        access::decide_for(&grants, &call.identities, &at, Plane::Control, &[READ]).is_some()
    };
    let prefix = schema::in_subscription(subscription, "");
    let page = list::page(call, RESOURCE_GROUPS, &prefix, list::MOST_ITEMS, visible).await?;
    let at = Scope::subscription(subscription);
    let shapes = page.found.iter().map(|found| shape(&at, &found.value)).collect();
    Ok(page.shown(shapes))
}

/// Deletes a group with its vaults, which are set aside like every deleted vault. It first says so in the row, so that nothing
/// comes into it meanwhile; whoever repeats a deletion that was interrupted goes on with it.
pub(crate) async fn delete(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let (core, name) = (call.core, scope.group.as_deref().unwrap_or_default());
    let found = find(core, scope).await?.ok_or_else(|| texts::group_not_found(name))?;
    if !found.value.deleting {
        let row = GroupRow { deleting: true, ..found.value.clone() };
        call.commit(call.batch_on(found.basis()).put(RESOURCE_GROUPS, found.key.clone(), &row)).await?;
    }
    // Somebody else may end the same deletion and make the group anew meanwhile: that one is not ours to delete.
    let Some(left) = find(core, scope).await?.filter(|left| left.value.deleting) else {
        return Ok(Done::empty());
    };
    life::delete_all(core, scope).await?;
    assignment::clear(core, scope).await?;
    let batch = left.basis().batch().delete(RESOURCE_GROUPS, left.key);
    core.store.commit(batch, Cause::Housekeeping("a resource group is empty and its deletion ends")).await?;
    Ok(Done::empty())
}

/// Letters, digits, `-`, `_`, `.` and parentheses, not ending in a dot.
pub(crate) fn check_name(name: &str) -> Result<(), Refused> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.()".contains(&b);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(known) || name.ends_with('.') {
        return Err(texts::group_name(&name.chars().take(LONGEST_NAME).collect::<String>()));
    }
    Ok(())
}

/// A location as it is stored: `West Europe` and `westeurope` are one.
pub(crate) fn check_location(location: Option<&str>) -> Result<String, Refused> {
    let location: String = location.unwrap_or_default().chars().filter(|c| *c != ' ').collect();
    if location.is_empty() || location.len() > 64 || !location.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(texts::bad_request("The location property is required for this definition."));
    }
    Ok(location.to_ascii_lowercase())
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refused> {
    let long = |text: &String| text.chars().count() > LONGEST_TAG;
    if tags.len() > MOST_TAGS || tags.iter().any(|(name, value)| name.is_empty() || long(name) || long(value))
    {
        let message = format!("A resource has at most {MOST_TAGS} tags of at most {LONGEST_TAG} characters.");
        return Err(texts::bad_request(message));
    }
    Ok(())
}

fn shape(scope: &Scope, row: &GroupRow) -> Value {
    json!({
        "id": Scope::group(scope.subscription, &row.name).to_string(),
        "name": row.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": row.location,
        "tags": row.tags,
        "properties": { "provisioningState": if row.deleting { "Deleting" } else { "Succeeded" } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_the_rule() {
        for name in ["rg", "a-b_c.(d)", &"x".repeat(90)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a.", "a/b", "*", "ä", &"x".repeat(91)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
