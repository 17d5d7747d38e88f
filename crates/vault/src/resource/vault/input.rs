//! What is sent for a vault, and what it comes to.
//!
//! Owns [`Input`] and [`decide`], which is pure: it materialises the defaults that the service would, and refuses what this
//! program would not keep, for a stored setting without effect is a trap.

use std::collections::BTreeMap;

use model::id::DirectoryId;
use serde::Deserialize;

use super::{Stamp, VaultRow};
use crate::access::Scope;
use crate::error::{Refused, resources as texts};
use crate::resource::network::{self, NetworkRules};
use crate::resource::{group, policy};

/// Days that a deleted key stays recoverable if the vault does not say otherwise.
const DEFAULT_RETENTION: u8 = 90;
/// The days that a vault may say.
const RETENTION: std::ops::RangeInclusive<i64> = 7..=90;
/// The body of a PUT or a PATCH.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Input {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<Properties>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    tenant_id: Option<String>,
    sku: Option<Sku>,
    access_policies: Option<Vec<policy::Sent>>,
    enable_rbac_authorization: Option<bool>,
    enable_soft_delete: Option<bool>,
    enable_purge_protection: Option<bool>,
    soft_delete_retention_in_days: Option<i64>,
    network_acls: Option<network::Sent>,
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

impl Input {
    /// The access policies that were sent, which are rows of their own.
    pub(super) fn take_policies(&mut self) -> Option<Vec<policy::Sent>> {
        self.properties.as_mut().and_then(|properties| properties.access_policies.take())
    }

    /// Whether it asks for a deleted vault to come back.
    pub(super) fn recovers(&self) -> bool {
        let mode = self.properties.as_ref().and_then(|properties| properties.create_mode.as_deref());
        mode.is_some_and(|mode| mode.eq_ignore_ascii_case("recover"))
    }

    /// A recovery brings back what was there: of its body only the directory and the region are looked at.
    pub(super) fn check_recovery(&self, directory: DirectoryId) -> Result<String, Refused> {
        let asked = self.properties.as_ref().and_then(|properties| properties.tenant_id.as_deref());
        check_directory(asked, directory)?;
        group::check_location(self.location.as_deref())
    }

    /// The body of a PATCH as that of a PUT: what is not said is as it is.
    pub(super) fn over(mut self, old: &VaultRow) -> Self {
        self.location = self.location.or_else(|| Some(old.location.clone()));
        self.tags = self.tags.or_else(|| Some(old.tags.clone()));
        let properties = self.properties.get_or_insert_default();
        properties.tenant_id.get_or_insert_with(|| old.directory.to_string());
        properties.sku.get_or_insert_with(|| Sku { name: old.sku.clone(), family: None });
        self
    }
}

/// What a PUT is decided on, besides the body and the row.
pub(super) struct Put<'a> {
    /// Whether this instance has soft delete.
    pub(super) soft_delete: bool,
    pub(super) scope: &'a Scope,
    pub(super) group: &'a str,
    pub(super) directory: DirectoryId,
    pub(super) roles_by_default: bool,
    pub(super) by: Stamp,
}

pub(super) fn decide(put: Put<'_>, old: Option<&VaultRow>, input: Input) -> Result<VaultRow, Refused> {
    let location = group::check_location(input.location.as_deref())?;
    let tags = input.tags.unwrap_or_default();
    group::check_tags(&tags)?;
    let mut asked = input
        .properties
        .ok_or_else(|| texts::bad_request("The parameter properties has an invalid value."))?;
    check_directory(asked.tenant_id.as_deref(), put.directory)?;
    if asked.create_mode.as_deref().is_some_and(|mode| !mode.eq_ignore_ascii_case("default")) {
        return Err(texts::bad_request("The property \"createMode\" must be default or recover."));
    }
    let sku = sku(asked.sku.as_ref())?;
    // A vault keeps what it was made with, also when the program is started with the other setting.
    let soft_delete = old.map_or(put.soft_delete, |old| old.soft_delete);
    let protection = if soft_delete { protection(&asked, old)? } else { no_protection(&asked)? };
    if let Some(old) = old
        && old.location != location
    {
        return Err(texts::location_differs(&old.name, &old.location, &location));
    }
    let network = old.map_or_else(NetworkRules::default, |old| old.network.clone());
    let network = network.changed(asked.public_network_access.as_deref(), asked.network_acls.take())?;
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
        network,
        created: old.map_or_else(|| put.by.clone(), |old| old.created.clone()),
        modified: put.by,
        gone: None,
    })
}

fn check_directory(asked: Option<&str>, directory: DirectoryId) -> Result<(), Refused> {
    if asked.and_then(|id| id.parse::<DirectoryId>().ok()) == Some(directory) {
        return Ok(());
    }
    Err(texts::bad_request("The parameter tenantId must be the directory of the subscription."))
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

#[cfg(test)]
mod tests;
