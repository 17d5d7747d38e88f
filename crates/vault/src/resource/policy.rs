//! Access policies: what a vault that goes by them lets a principal do. One row for each, beside the vault's own.
//!
//! Owns the row, the parsing of what is sent, and the three ways to change the list. Every change of the list also rewrites
//! the vault's row: two changes never pass each other, and what was decided on the old list is decided again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Batch, StoreError};

use model::id::DirectoryId;

use crate::access::Scope;
use crate::core::{Core, Found};
use crate::error::{Refused, Stop, resources as texts};
use crate::id::{ApplicationId, PrincipalId};
use crate::resource::{Call, Done, vault};
use crate::schema::{self, ACCESS_POLICIES};

/// The most policies of one vault.
const MOST_POLICIES: usize = 1024;
/// The most permissions of one kind in a policy, and the longest one.
const MOST_PERMISSIONS: usize = 32;
const LONGEST_PERMISSION: usize = 32;

/// The permission that stands for all others but [`PURGE`].
const ALL: &str = "all";
/// Destroying for ever is never implied: it is named, or not given.
const PURGE: &str = "purge";

/// Every permission on keys.
const ON_KEYS: &[&str] = &[
    ALL,
    "backup",
    "create",
    "decrypt",
    "delete",
    "encrypt",
    "get",
    "getrotationpolicy",
    "import",
    "list",
    PURGE,
    "recover",
    "release",
    "restore",
    "rotate",
    "setrotationpolicy",
    "sign",
    "unwrapKey",
    "update",
    "verify",
    "wrapKey",
];

/// One access policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    /// Its place in the list, which is shown in the order in which it was sent.
    place: u32,
    object: PrincipalId,
    /// Where it is given, the policy holds only for calls through this application.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    application: Option<ApplicationId>,
    permissions: Permissions,
}

/// What a policy allows, as it was sent; only what is said of keys has an effect here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Permissions {
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Vec<String>>,
}

/// A policy as it is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    tenant_id: String,
    object_id: String,
    application_id: Option<String>,
    permissions: Option<Permissions>,
}

#[derive(Debug, Deserialize)]
struct Input {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    access_policies: Vec<Sent>,
}

/// How a list of policies is changed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// What is sent is given besides what is there.
    Add,
    /// What is sent takes the place of what its principal had; all others stay.
    Replace,
    /// What is sent is taken away; a policy that is left without any permission goes.
    Remove,
}

impl Change {
    pub(crate) fn by_word(word: &str) -> Option<Self> {
        let words = [("add", Self::Add), ("replace", Self::Replace), ("remove", Self::Remove)];
        words.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, change)| change)
    }
}

impl Permissions {
    fn kinds(&self) -> [&Option<Vec<String>>; 4] {
        [&self.keys, &self.secrets, &self.certificates, &self.storage]
    }

    fn kinds_mut(&mut self) -> [&mut Option<Vec<String>>; 4] {
        [&mut self.keys, &mut self.secrets, &mut self.certificates, &mut self.storage]
    }

    fn is_empty(&self) -> bool {
        self.kinds().iter().all(|words| words.as_ref().is_none_or(Vec::is_empty))
    }

    fn check(&self) -> Result<(), Refused> {
        let well = |word: &String| {
            (1..=LONGEST_PERMISSION).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        for words in self.kinds().into_iter().flatten() {
            if words.len() > MOST_PERMISSIONS || !words.iter().all(well) {
                return Err(invalid());
            }
        }
        let known = |word: &String| ON_KEYS.iter().any(|known| known.eq_ignore_ascii_case(word));
        if self.keys.iter().flatten().all(known) { Ok(()) } else { Err(invalid()) }
    }

    fn add(&mut self, more: &Self) {
        for (mine, more) in self.kinds_mut().into_iter().zip(more.kinds()) {
            let Some(more) = more else { continue };
            let mine = mine.get_or_insert_default();
            for word in more {
                if !has(mine, word) {
                    mine.push(word.clone());
                }
            }
        }
    }

    /// Writes the words of `all` in its place, where only some of them are to go.
    fn spell_all_out(&mut self, less: &[String]) {
        let Some(mine) = self.keys.as_mut().filter(|mine| has(mine, ALL)) else { return };
        if less.is_empty() || has(less, ALL) {
            return;
        }
        mine.retain(|word| !word.eq_ignore_ascii_case(ALL));
        for word in ON_KEYS.iter().filter(|word| ![ALL, PURGE].contains(word)) {
            if !has(mine, word) {
                mine.push((*word).to_owned());
            }
        }
    }

    /// Takes words away; `all` takes every word of its kind, and no word at all takes everything.
    fn remove(&mut self, less: &Self) {
        let everything = less.is_empty();
        self.spell_all_out(less.keys.as_deref().unwrap_or_default());
        for (mine, less) in self.kinds_mut().into_iter().zip(less.kinds()) {
            let Some(mine) = mine else { continue };
            let less = less.as_deref().unwrap_or_default();
            mine.retain(|word| !everything && !has(less, ALL) && !has(less, word));
        }
    }
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

impl PolicyRow {
    /// Whether it is about the same principal, through the same application.
    fn is_of(&self, other: &Self) -> bool {
        self.object == other.object && self.application == other.application
    }

    fn key(&self, vault: &str) -> String {
        let vault = vault.to_ascii_lowercase();
        match self.application {
            Some(application) => format!("{vault}/{}/{application}", self.object),
            None => format!("{vault}/{}/*", self.object),
        }
    }

    fn allows(&self, application: ApplicationId, permission: &str) -> bool {
        let words = self.permissions.keys.as_deref().unwrap_or_default();
        let named = has(words, permission);
        let implied = has(words, ALL) && !permission.eq_ignore_ascii_case(PURGE);
        self.application.is_none_or(|only| only == application) && (named || implied)
    }
}

/// Reads what was sent: at most [`MOST_POLICIES`], of the vault's directory, none with a permission that is not known.
pub(crate) fn check(directory: DirectoryId, sent: &[Sent]) -> Result<Vec<PolicyRow>, Refused> {
    if sent.len() > MOST_POLICIES {
        return Err(texts::too_many_policies(MOST_POLICIES));
    }
    let mut rows: Vec<PolicyRow> = Vec::with_capacity(sent.len());
    for sent in sent {
        if sent.tenant_id.parse::<DirectoryId>().ok() != Some(directory) {
            return Err(invalid());
        }
        let application = sent.application_id.as_deref().map(str::parse).transpose();
        let permissions = sent.permissions.clone().unwrap_or_default();
        permissions.check()?;
        rows.push(PolicyRow {
            place: 0,
            object: sent.object_id.parse().map_err(|_| invalid())?,
            application: application.map_err(|_| invalid())?,
            permissions,
        });
    }
    Ok(rows)
}

/// The list after a change, in order and numbered. Two policies of one principal in what is sent become one.
pub(crate) fn changed(
    old: Vec<PolicyRow>,
    change: Change,
    sent: Vec<PolicyRow>,
) -> Result<Vec<PolicyRow>, Refused> {
    let mut list = old;
    if change == Change::Replace {
        for row in &mut list {
            if sent.iter().any(|sent| sent.is_of(row)) {
                row.permissions = Permissions::default();
            }
        }
    }
    for sent in sent {
        match (list.iter_mut().find(|row| row.is_of(&sent)), change) {
            (Some(row), Change::Remove) => row.permissions.remove(&sent.permissions),
            (Some(row), _) => row.permissions.add(&sent.permissions),
            (None, Change::Remove) => {}
            (None, _) => list.push(sent),
        }
    }
    if change == Change::Remove {
        list.retain(|row| !row.permissions.is_empty());
    }
    if list.len() > MOST_POLICIES {
        return Err(texts::too_many_policies(MOST_POLICIES));
    }
    // What was sent is within bounds, and what it was added to was: their sum need not be.
    list.iter().try_for_each(|row| row.permissions.check())?;
    for (place, row) in list.iter_mut().enumerate() {
        row.place = u32::try_from(place).expect("a list has at most 1,024 policies");
    }
    Ok(list)
}

/// The policies of a vault, in order.
pub(crate) async fn all(core: &Core, vault: &str) -> Result<Vec<Found<PolicyRow>>, StoreError> {
    let mut found: Vec<Found<PolicyRow>> = core.all(ACCESS_POLICIES, &schema::in_vault(vault)).await?;
    found.sort_by_key(|found| found.value.place);
    Ok(found)
}

/// Makes a batch leave a vault with these policies.
pub(crate) fn write(batch: Batch, vault: &str, old: &[Found<PolicyRow>], new: &[PolicyRow]) -> Batch {
    let gone = old.iter().filter(|old| !new.iter().any(|new| new.is_of(&old.value)));
    let batch = gone.fold(batch, |batch, gone| batch.delete(ACCESS_POLICIES, gone.key.clone()));
    let changed = new.iter().filter(|new| !old.iter().any(|old| old.value == **new));
    changed.fold(batch, |batch, row| batch.put(ACCESS_POLICIES, row.key(vault), row))
}

/// The first policy of one of the identities (a principal, and later its groups) that gives the permission.
pub(crate) async fn allowing(
    core: &Core,
    vault: &str,
    identities: &[PrincipalId],
    application: ApplicationId,
    permission: &str,
) -> Result<Option<Found<PolicyRow>>, StoreError> {
    for identity in identities {
        let prefix = format!("{}{identity}/", schema::in_vault(vault));
        let found: Vec<Found<PolicyRow>> = core.all(ACCESS_POLICIES, &prefix).await?;
        let mut allowing = found.into_iter().filter(|found| found.value.allows(application, permission));
        if let Some(found) = allowing.next() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Changes the list of a vault; the answer is the whole list.
pub(crate) async fn put(call: &Call<'_>, scope: &Scope, change: Change) -> Result<Done, Stop> {
    let input: Input = call.input()?;
    let found = vault::find_at(call.core, scope).await?.ok_or_else(|| vault::missing(scope))?;
    let row = &found.value;
    let sent = check(row.directory, &input.properties.access_policies)?;
    let old = all(call.core, &row.name).await?;
    let new = changed(old.iter().map(|found| found.value.clone()).collect(), change, sent)?;
    let batch = write(vault::touched(call, &found), &row.name, &old, &new);
    call.commit(batch).await?;
    Ok(Done::ok(json!({
        "id": format!("{}/accessPolicies/", row.scope()),
        "type": "Microsoft.KeyVault/vaults/accessPolicies",
        "location": row.location,
        "properties": { "accessPolicies": shapes(row.directory, &new) },
    })))
}

/// The list as it is shown.
pub(crate) fn shapes(directory: DirectoryId, rows: &[PolicyRow]) -> Value {
    let shape = |row: &PolicyRow| {
        let mut shape =
            json!({ "tenantId": directory, "objectId": row.object, "permissions": row.permissions });
        if let Some(application) = row.application {
            shape["applicationId"] = json!(application);
        }
        shape
    };
    rows.iter().map(shape).collect()
}

fn invalid() -> Refused {
    texts::bad_request("An invalid value was provided for 'accessPolicies'.")
}

#[cfg(test)]
mod tests;
