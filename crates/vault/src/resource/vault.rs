//! The vault as a resource: where it lies, which directory it trusts, how what is deleted in it is protected.
//!
//! Owns the row, the name's rule, GET, PUT and PATCH, and how a vault is shown. What a body comes to is in `input`.

pub(crate) mod deleted;
mod input;
pub(crate) mod life;
pub(crate) mod lists;

use std::collections::BTreeMap;

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Batch, Scan, StoreError};

use self::input::{Input, Put, decide};
use self::life::Gone;
use crate::access::Scope;
use crate::core::{Basis, Core, Found};
use crate::error::{Refused, Stop, resources as texts};
use crate::host::RESERVED;
use crate::id::SubscriptionId;
use crate::log::time_text;
use crate::resource::network::NetworkRules;
use crate::resource::policy::{Change, PolicyRow};
use crate::resource::{Call, Done, group, policy, provider};
use crate::schema::VAULTS;

/// From this version of the wire on, a new vault that does not say otherwise goes by roles.
const ROLES_BY_DEFAULT_FROM: &str = "2026-02-01";
/// The largest body for a vault: with every access policy that it may have.
pub(crate) const MAX_BODY: usize = 2 * 1024 * 1024;
/// The largest row of a vault, with its tags and network rules: it fits into the store.
const LARGEST: usize = 60 * 1024;
/// The action that who switches between policies and roles needs as well.
const GIVE_RIGHTS: &str = "Microsoft.Authorization/roleAssignments/write";

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
    /// By roles; if not, by access policies. The other of the two gives nothing.
    pub(crate) by_roles: bool,
    enabled_for_deployment: bool,
    enabled_for_disk_encryption: bool,
    enabled_for_template_deployment: bool,
    #[serde(default)]
    pub(crate) network: NetworkRules,
    created: Stamp,
    modified: Stamp,
    /// Deleted: the name is kept, and nobody reaches what lies in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) gone: Option<Gone>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    by: String,
    by_type: String,
    at: Timestamp,
}

impl VaultRow {
    pub(crate) fn scope(&self) -> Scope {
        Scope::vault(self.subscription, &self.group, &self.name)
    }
}

/// The live vault of a name, wherever it lies: names are unique in one instance, as they are in a cloud.
pub(crate) async fn find(core: &Core, name: &str) -> Result<Option<Found<VaultRow>>, StoreError> {
    Ok(find_any(core, name).await?.filter(|found| found.value.gone.is_none()))
}

/// The same, also when it is deleted.
pub(crate) async fn find_any(core: &Core, name: &str) -> Result<Option<Found<VaultRow>>, StoreError> {
    core.find(VAULTS, &name.to_ascii_lowercase()).await
}

/// The vault at exactly this scope.
pub(crate) async fn find_at(core: &Core, scope: &Scope) -> Result<Option<Found<VaultRow>>, StoreError> {
    let name = scope.vault.as_deref().unwrap_or_default();
    let here = Scope { key: None, ..scope.clone() };
    Ok(find(core, name).await?.filter(|found| found.value.scope().row() == here.row()))
}

/// Whether a subscription has any vault, deleted ones included.
pub(crate) async fn any_in(core: &Core, subscription: SubscriptionId) -> Result<bool, StoreError> {
    let mut after: Option<String> = None;
    loop {
        let scan = Scan { prefix: "", after: after.as_deref(), limit: store::MAX_PAGE };
        let rows = core.store.scan(VAULTS, scan).await?;
        let Some(last) = rows.last() else { return Ok(false) };
        after = Some(last.key.clone());
        for row in rows {
            if Found::<VaultRow>::parse(VAULTS, row)?.value.subscription == subscription {
                return Ok(true);
            }
        }
    }
}

pub(crate) async fn show(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let found = find_at(call.core, scope).await?.ok_or_else(|| missing(scope))?;
    Ok(Done::ok(shown(call.core, &found.value).await?))
}

pub(crate) async fn put(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let input: Input = call.input()?;
    let (name, group) =
        (scope.vault.as_deref().unwrap_or_default(), scope.group.as_deref().unwrap_or_default());
    let registered = provider::find_key_vault(call.core, scope.subscription)
        .await?
        .ok_or_else(|| texts::provider_not_registered(provider::KEY_VAULT))?;
    let folder = group::find(call.core, scope).await?.ok_or_else(|| texts::group_not_found(group))?;
    if folder.value.deleting {
        return Err(texts::group_is_being_deleted(group).into());
    }
    let rows = registered.basis().and(&folder);
    if input.recovers() {
        let location = input.check_recovery(call.who.directory)?;
        return life::recover(call, scope, &location, rows).await;
    }
    let found = find_any(call.core, name).await?;
    if let Some(VaultRow { gone, subscription, .. }) = found.as_ref().map(|found| &found.value) {
        let elsewhere = found.as_ref().is_some_and(|found| found.value.scope().row() != scope.row());
        match gone {
            Some(gone) if !gone.destroying && *subscription == scope.subscription => {
                return Err(texts::vault_is_deleted().into());
            }
            Some(_) => return Err(texts::vault_name_taken(name).into()),
            None if elsewhere => return Err(texts::vault_name_taken(name).into()),
            None => {}
        }
    }
    write(call, scope, rows, &folder.value.name, found, input).await
}

/// Changes what is said and leaves the rest.
pub(crate) async fn patch(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let input: Input = call.input()?;
    let found = find_at(call.core, scope).await?.ok_or_else(|| missing(scope))?;
    let group = found.value.group.clone();
    let input = input.over(&found.value);
    write(call, scope, Basis::default(), &group, Some(found), input).await
}

async fn write(
    call: &Call<'_>,
    scope: &Scope,
    rows: Basis,
    group: &str,
    found: Option<Found<VaultRow>>,
    mut input: Input,
) -> Result<Done, Stop> {
    let sent = input.take_policies();
    let asked = Put {
        soft_delete: call.core.settings.soft_delete,
        scope,
        group,
        directory: call.who.directory,
        roles_by_default: call.api_version >= ROLES_BY_DEFAULT_FROM,
        by: stamp(call),
    };
    let row = decide(asked, found.as_ref().map(|found| &found.value), input)?;
    if serde_json::to_vec(&row).map_or(usize::MAX, |body| body.len()) > LARGEST {
        return Err(texts::vault_is_too_large(LARGEST).into());
    }
    let mut rows = rows;
    if let Some(old) = &found
        && old.value.by_roles != row.by_roles
    {
        // Whoever switches the model decides who may use keys, so he must be one who gives rights.
        rows = rows.join(call.also(GIVE_RIGHTS, &old.value.scope()).await?);
    }
    let key = row.name.to_ascii_lowercase();
    let batch = match &found {
        Some(found) => call.batch_on(rows.and(found)),
        None => call.batch_on(rows).expect_absent(VAULTS, &key),
    };
    let mut batch = batch.put(VAULTS, &*key, &row);
    if let Some(sent) = sent {
        let sent = policy::check(row.directory, &sent)?;
        let old = policy::all(call.core, &row.name).await?;
        let new = policy::changed(Vec::new(), Change::Add, sent)?;
        batch = policy::write(batch, &row.name, &old, &new);
    }
    call.commit(batch).await?;
    Ok(Done::ok(shown(call.core, &row).await?))
}

/// A batch that rests on the vault and marks it as changed by the caller.
pub(crate) fn touched(call: &Call<'_>, found: &Found<VaultRow>) -> Batch {
    let row = VaultRow { modified: stamp(call), ..found.value.clone() };
    call.batch_on(found.basis()).put(VAULTS, found.key.clone(), &row)
}

fn stamp(call: &Call<'_>) -> Stamp {
    Stamp {
        by: call.who.sign_in_name.clone().unwrap_or_else(|| call.who.application.to_string()),
        by_type: if call.who.sign_in_name.is_some() { "User" } else { "Application" }.into(),
        at: call.core.now(),
    }
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

pub(crate) fn missing(scope: &Scope) -> Refused {
    texts::vault_not_found(
        scope.vault.as_deref().unwrap_or_default(),
        scope.group.as_deref().unwrap_or_default(),
    )
}

async fn shown(core: &Core, row: &VaultRow) -> Result<Value, StoreError> {
    let policies: Vec<PolicyRow> =
        policy::all(core, &row.name).await?.into_iter().map(|found| found.value).collect();
    Ok(shape(core, row, &policies))
}

fn shape(core: &Core, row: &VaultRow, policies: &[PolicyRow]) -> Value {
    let mut properties = json!({
        "tenantId": row.directory,
        "sku": { "family": "A", "name": row.sku },
        "accessPolicies": policy::shapes(row.directory, policies),
        "enabledForDeployment": row.enabled_for_deployment,
        "enabledForDiskEncryption": row.enabled_for_disk_encryption,
        "enabledForTemplateDeployment": row.enabled_for_template_deployment,
        "enableSoftDelete": row.soft_delete,
        "enableRbacAuthorization": row.by_roles,
        "vaultUri": format!("{}/", core.settings.vault(&row.name)),
        "provisioningState": "Succeeded",
    });
    row.network.show(&mut properties);
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
