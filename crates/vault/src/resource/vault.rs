//! The vault as a resource: where it lies, which directory it trusts, how what is deleted in it is protected.
//!
//! Owns the row, the name's rule, and PUT and GET. [`decide`] is pure: it materialises the defaults that the service
//! would, and refuses what this program would not keep, for a stored setting without effect is a trap.

use std::collections::BTreeMap;

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use crate::access::Scope;
use crate::core::{Core, Found};
use crate::error::{Refused, Stop, resources as texts};
use crate::host::RESERVED;
use crate::id::SubscriptionId;
use crate::log::time_text;
use crate::resource::{Call, Done, group, provider};
use crate::schema::VAULTS;

/// Days that a deleted key stays recoverable if the vault does not say otherwise.
const DEFAULT_RETENTION: u8 = 90;
/// The days that a vault may say.
const RETENTION: std::ops::RangeInclusive<i64> = 7..=90;
/// From this version of the wire on, a new vault that does not say otherwise goes by roles.
const ROLES_BY_DEFAULT_FROM: &str = "2026-02-01";

/// One vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VaultRow {
    /// As it was first written.
    pub(crate) name: String,
    pub(crate) subscription: SubscriptionId,
    pub(crate) group: String,
    /// The directory whose tokens it trusts.
    pub(crate) directory: DirectoryId,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) sku: String,
    pub(crate) soft_delete: bool,
    pub(crate) retention_days: u8,
    pub(crate) purge_protection: bool,
    /// By roles; if not, by access policies, of which there are none yet: nobody may do anything.
    pub(crate) by_roles: bool,
    enabled_for_deployment: bool,
    enabled_for_disk_encryption: bool,
    enabled_for_template_deployment: bool,
    created: Stamp,
    modified: Stamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    by: String,
    by_type: String,
    at: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
struct Input {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<Properties>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    tenant_id: Option<String>,
    sku: Option<Sku>,
    access_policies: Option<Vec<Value>>,
    enable_rbac_authorization: Option<bool>,
    enable_soft_delete: Option<bool>,
    enable_purge_protection: Option<bool>,
    soft_delete_retention_in_days: Option<i64>,
    network_acls: Option<NetworkAcls>,
    public_network_access: Option<String>,
    create_mode: Option<String>,
    enabled_for_deployment: Option<bool>,
    enabled_for_disk_encryption: Option<bool>,
    enabled_for_template_deployment: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Sku {
    name: String,
    family: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkAcls {
    default_action: Option<String>,
    ip_rules: Option<Vec<Value>>,
    virtual_network_rules: Option<Vec<Value>>,
}

impl VaultRow {
    pub(crate) fn scope(&self) -> Scope {
        Scope::vault(self.subscription, &self.group, &self.name)
    }
}

/// The vault of a name, wherever it lies: names are unique in one instance, as they are in a cloud.
pub(crate) async fn find(core: &Core, name: &str) -> Result<Option<Found<VaultRow>>, StoreError> {
    core.find(VAULTS, &name.to_ascii_lowercase()).await
}

/// The vault at exactly this scope.
pub(crate) async fn find_at(core: &Core, scope: &Scope) -> Result<Option<Found<VaultRow>>, StoreError> {
    let name = scope.vault.as_deref().unwrap_or_default();
    let here = Scope { key: None, ..scope.clone() };
    Ok(find(core, name).await?.filter(|found| found.value.scope().row() == here.row()))
}

pub(crate) async fn show(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let found = find_at(call.core, scope).await?.ok_or_else(|| missing(scope))?;
    Ok(Done::ok(shape(call.core, &found.value)))
}

pub(crate) async fn put(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let input: Input = call.input()?;
    let (name, group) =
        (scope.vault.as_deref().unwrap_or_default(), scope.group.as_deref().unwrap_or_default());
    let registered = provider::find_key_vault(call.core, scope.subscription)
        .await?
        .ok_or_else(|| texts::provider_not_registered(provider::KEY_VAULT))?;
    let folder = group::find(call.core, scope).await?.ok_or_else(|| texts::group_not_found(group))?;
    let found = find(call.core, name).await?;
    if found.as_ref().is_some_and(|found| found.value.scope().row() != scope.row()) {
        return Err(texts::vault_name_taken(name).into());
    }
    let by = Stamp {
        by: call.who.sign_in_name.clone().unwrap_or_else(|| call.who.application.to_string()),
        by_type: if call.who.sign_in_name.is_some() { "User" } else { "Application" }.into(),
        at: call.core.now(),
    };
    let asked = Put {
        soft_delete: call.core.settings.soft_delete,
        scope,
        group: &folder.value.name,
        directory: call.who.directory,
        roles_by_default: call.api_version >= ROLES_BY_DEFAULT_FROM,
        by,
    };
    let row = decide(asked, found.as_ref().map(|found| &found.value), input)?;
    let rows = registered.basis().and(&folder);
    let key = name.to_ascii_lowercase();
    let batch = match &found {
        Some(found) => call.batch_on(rows.and(found)),
        None => call.batch_on(rows).expect_absent(VAULTS, &key),
    };
    call.commit(batch.put(VAULTS, key, &row)).await?;
    Ok(Done::ok(shape(call.core, &row)))
}

/// Three to 24 letters, digits and dashes, starting with a letter, without a double or final dash; no host of our own.
pub(crate) fn check_name(name: &str) -> Result<(), Refused> {
    let good = (3..=24).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
        && !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
    if good { Ok(()) } else { Err(texts::vault_name(&name.chars().take(64).collect::<String>())) }
}

/// What a PUT is decided on, besides the body and the row.
struct Put<'a> {
    /// Whether this instance has soft delete.
    soft_delete: bool,
    scope: &'a Scope,
    group: &'a str,
    directory: DirectoryId,
    roles_by_default: bool,
    by: Stamp,
}

fn decide(put: Put<'_>, old: Option<&VaultRow>, input: Input) -> Result<VaultRow, Refused> {
    let location = group::check_location(input.location.as_deref())?;
    let tags = input.tags.unwrap_or_default();
    group::check_tags(&tags)?;
    let asked = input
        .properties
        .ok_or_else(|| texts::bad_request("The parameter properties has an invalid value."))?;
    let directory = asked.tenant_id.as_deref().and_then(|id| id.parse::<DirectoryId>().ok());
    if directory != Some(put.directory) {
        let message = "The parameter tenantId must be the directory of the subscription.";
        return Err(texts::bad_request(message));
    }
    refuse_what_is_not_kept(&asked)?;
    let sku = sku(asked.sku.as_ref())?;
    // A vault keeps what it was made with, also when the program is started with the other setting.
    let soft_delete = old.map_or(put.soft_delete, |old| old.soft_delete);
    let protection = if soft_delete { protection(&asked, old)? } else { no_protection(&asked)? };
    if let Some(old) = old
        && old.location != location
    {
        return Err(texts::location_differs(&old.name, &old.location, &location));
    }
    let kept = |asked: Option<bool>, old: Option<bool>| asked.or(old).unwrap_or(false);
    Ok(VaultRow {
        name: old.map_or_else(|| put.scope.vault.clone().unwrap_or_default(), |old| old.name.clone()),
        subscription: put.scope.subscription,
        group: put.group.into(),
        directory: put.directory,
        location,
        tags,
        sku,
        soft_delete,
        retention_days: protection.retention_days,
        purge_protection: protection.purge_protection,
        by_roles: asked
            .enable_rbac_authorization
            .or(old.map(|old| old.by_roles))
            .unwrap_or(put.roles_by_default),
        enabled_for_deployment: kept(asked.enabled_for_deployment, old.map(|old| old.enabled_for_deployment)),
        enabled_for_disk_encryption: kept(
            asked.enabled_for_disk_encryption,
            old.map(|old| old.enabled_for_disk_encryption),
        ),
        enabled_for_template_deployment: kept(
            asked.enabled_for_template_deployment,
            old.map(|old| old.enabled_for_template_deployment),
        ),
        created: old.map_or_else(|| put.by.clone(), |old| old.created.clone()),
        modified: put.by,
    })
}

fn refuse_what_is_not_kept(asked: &Properties) -> Result<(), Refused> {
    let is = |text: &Option<String>, expected: &str| {
        text.as_ref().is_none_or(|text| text.eq_ignore_ascii_case(expected))
    };
    let some = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let not_kept = |what: &str| Err(texts::bad_request(format!("{what} is not supported by this service.")));
    if some(&asked.access_policies) {
        return not_kept("The property \"accessPolicies\"");
    }
    if let Some(acls) = &asked.network_acls
        && (!is(&acls.default_action, "Allow") || some(&acls.ip_rules) || some(&acls.virtual_network_rules))
    {
        return not_kept("A property \"networkAcls\" that denies");
    }
    if !is(&asked.public_network_access, "Enabled") {
        return not_kept("A property \"publicNetworkAccess\" other than Enabled");
    }
    if !is(&asked.create_mode, "default") {
        return not_kept("A property \"createMode\" other than default");
    }
    Ok(())
}

fn sku(asked: Option<&Sku>) -> Result<String, Refused> {
    let refused = || texts::bad_request("The parameter sku must be standard or premium of family A.");
    let asked = asked.ok_or_else(refused)?;
    if asked.family.as_ref().is_some_and(|family| !family.eq_ignore_ascii_case("A")) {
        return Err(refused());
    }
    let known = ["standard", "premium"].into_iter().find(|known| known.eq_ignore_ascii_case(&asked.name));
    Ok(known.ok_or_else(refused)?.to_owned())
}

struct Protection {
    retention_days: u8,
    purge_protection: bool,
}

fn protection(asked: &Properties, old: Option<&VaultRow>) -> Result<Protection, Refused> {
    if asked.enable_soft_delete == Some(false) {
        return Err(texts::soft_delete_is_for_ever());
    }
    // False is refused even where it is off already, as the service does: it is on, or it is not said.
    if asked.enable_purge_protection == Some(false) {
        return Err(texts::purge_protection_is_for_ever());
    }
    let retention_days = match (asked.soft_delete_retention_in_days, old) {
        (None, None) => DEFAULT_RETENTION,
        (None, Some(old)) => old.retention_days,
        (Some(days), Some(old)) if days == i64::from(old.retention_days) => old.retention_days,
        (Some(_), Some(_)) => return Err(texts::retention_is_set()),
        (Some(days), None) if RETENTION.contains(&days) => u8::try_from(days).expect("7 to 90 fit a byte"),
        (Some(_), None) => {
            let message = "The property \"softDeleteRetentionInDays\" must be between 7 and 90.";
            return Err(texts::bad_request(message));
        }
    };
    let purge_protection =
        asked.enable_purge_protection == Some(true) || old.is_some_and(|old| old.purge_protection);
    Ok(Protection { retention_days, purge_protection })
}

fn no_protection(asked: &Properties) -> Result<Protection, Refused> {
    let protects = asked.enable_soft_delete == Some(true)
        || asked.soft_delete_retention_in_days.is_some()
        || asked.enable_purge_protection == Some(true);
    if protects {
        return Err(texts::soft_delete_is_absent());
    }
    Ok(Protection { retention_days: 0, purge_protection: false })
}

fn missing(scope: &Scope) -> Refused {
    texts::vault_not_found(
        scope.vault.as_deref().unwrap_or_default(),
        scope.group.as_deref().unwrap_or_default(),
    )
}

fn shape(core: &Core, row: &VaultRow) -> Value {
    let mut properties = json!({
        "tenantId": row.directory,
        "sku": { "family": "A", "name": row.sku },
        "accessPolicies": [],
        "enabledForDeployment": row.enabled_for_deployment,
        "enabledForDiskEncryption": row.enabled_for_disk_encryption,
        "enabledForTemplateDeployment": row.enabled_for_template_deployment,
        "enableSoftDelete": row.soft_delete,
        "enableRbacAuthorization": row.by_roles,
        "vaultUri": format!("{}/", core.settings.vault(&row.name)),
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
    });
    if row.soft_delete {
        properties["softDeleteRetentionInDays"] = json!(row.retention_days);
    }
    // True or absent, never false.
    if row.purge_protection {
        properties["enablePurgeProtection"] = json!(true);
    }
    json!({
        "id": row.scope().to_string(),
        "name": row.name,
        "type": "Microsoft.KeyVault/vaults",
        "location": row.location,
        "tags": row.tags,
        "systemData": {
            "createdBy": row.created.by,
            "createdByType": row.created.by_type,
            "createdAt": time_text(row.created.at),
            "lastModifiedBy": row.modified.by,
            "lastModifiedByType": row.modified.by_type,
            "lastModifiedAt": time_text(row.modified.at),
        },
        "properties": properties,
    })
}

#[cfg(test)]
mod tests;
