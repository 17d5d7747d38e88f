//! Role assignments: who holds which role where. Two rows for each, written together.
//!
//! Owns both: `role_assignments` finds one by scope and id, `grants` finds all of a principal in a subscription with one
//! scan, which is what every decision needs. An assignment takes effect, and ends, with the transaction.

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Batch, Cause, Scan, StoreError};

use crate::access::{Grant, Scope};
use crate::core::{Basis, Core, Found};
use crate::directory::principal::{self, Subject};
use crate::error::{Refused, Stop, resources as texts};
use crate::id::{AssignmentId, PrincipalId, SubscriptionId};
use crate::resource::filter::Term;
use crate::resource::role::{self, Role};
use crate::resource::{Call, Done, filter, group, list, vault};
use crate::schema::{ASSIGNMENTS, GRANTS};

/// The most assignments of one principal in one subscription; a decision reads them all.
const MOST_GRANTS: usize = 256;
/// The most assignments that are ended in one commit.
const AT_ONCE: u32 = 500;
/// The longest description.
const LONGEST_DESCRIPTION: usize = 1024;

/// One role assignment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AssignmentRow {
    pub(crate) grant: Grant,
    pub(crate) principal_type: String,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
    /// The principal that gave the right; `None`: the operator.
    pub(crate) created_by: Option<PrincipalId>,
}

#[derive(Debug, Deserialize)]
struct Input {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    role_definition_id: String,
    principal_id: String,
    principal_type: Option<String>,
    description: Option<String>,
    condition: Option<String>,
    delegated_managed_identity_resource_id: Option<String>,
}

impl AsRef<Grant> for Found<Grant> {
    fn as_ref(&self) -> &Grant {
        &self.value
    }
}

/// What a principal was given in a subscription, at whatever scope.
pub(crate) async fn grants(
    core: &Core,
    principal: PrincipalId,
    subscription: SubscriptionId,
) -> Result<Vec<Found<Grant>>, StoreError> {
    core.all(GRANTS, &format!("{principal}/{subscription}/")).await
}

/// What a caller holds in a subscription, by himself and by his groups.
pub(crate) async fn held(
    core: &Core,
    identities: &[PrincipalId],
    subscription: SubscriptionId,
) -> Result<Vec<Found<Grant>>, StoreError> {
    let mut held = Vec::new();
    for identity in identities {
        held.extend(grants(core, *identity, subscription).await?);
    }
    Ok(held)
}

/// What a principal was given anywhere.
pub(crate) async fn all_grants(core: &Core, principal: PrincipalId) -> Result<Vec<Found<Grant>>, StoreError> {
    core.all(GRANTS, &format!("{principal}/")).await
}

/// What kind of principal it is, in the wire's words.
pub(crate) fn type_of(subject: &Subject) -> &'static str {
    match subject {
        Subject::User { .. } => "User",
        Subject::Application { .. } => "ServicePrincipal",
        Subject::Group {} => "Group",
    }
}

/// Adds an assignment to a batch; the caller has made sure that it is new.
pub(crate) fn add(batch: Batch, row: &AssignmentRow) -> Batch {
    let grant = &row.grant;
    batch
        .expect_absent(ASSIGNMENTS, assignment_key(&grant.scope, grant.id))
        .put(ASSIGNMENTS, assignment_key(&grant.scope, grant.id), row)
        .put(GRANTS, grant_key(grant), grant)
}

/// Ends every assignment at the scope and below, a bounded number at a time.
pub(crate) async fn clear(core: &Core, scope: &Scope) -> Result<(), Stop> {
    let prefix = scope.rows();
    loop {
        let scan = Scan { prefix: &prefix, after: None, limit: AT_ONCE };
        let rows = core.store.scan(ASSIGNMENTS, scan).await?;
        let last = rows.len() < AT_ONCE as usize;
        let mut batch = Batch::new();
        for row in rows {
            let found: Found<AssignmentRow> = Found::parse(ASSIGNMENTS, row)?;
            batch =
                batch.delete(ASSIGNMENTS, found.key.clone()).delete(GRANTS, grant_key(&found.value.grant));
        }
        if !batch.is_empty() {
            let why = Cause::Housekeeping("role assignments end with what they were given on");
            core.store.commit(batch, why).await?;
        }
        if last {
            return Ok(());
        }
    }
}

pub(crate) async fn show(call: &Call<'_>, scope: &Scope, id: &str) -> Result<Done, Stop> {
    let found = find(call.core, scope, id).await?.ok_or_else(|| texts::assignment_not_found(id))?;
    Ok(Done::ok(shape(&found.value)))
}

/// The assignments that matter at a scope: those above, at and below it; `atScope()` leaves out those below.
pub(crate) async fn list(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let (mut below, mut of) = (true, None);
    for term in filter::parse(call.asked.query("$filter"))? {
        match term {
            Term::Call(name, None) if name == "atscope" => below = false,
            Term::Call(name, Some(value)) if name == "assignedto" => of = Some(principal_of(&value)?),
            Term::Equals(field, value) if field == "principalid" => of = Some(principal_of(&value)?),
            _ => return Err(filter::refused().into()),
        }
    }
    let keep = |row: &AssignmentRow| {
        let at = &row.grant.scope;
        of.is_none_or(|of| row.grant.principal == of) && (at.covers(scope) || (below && scope.covers(at)))
    };
    let prefix = Scope::subscription(scope.subscription).rows();
    let page = list::page(call, ASSIGNMENTS, &prefix, list::MOST_ITEMS, keep).await?;
    let shapes = page.found.iter().map(|found| shape(&found.value)).collect();
    Ok(page.shown(shapes))
}

fn principal_of(text: &str) -> Result<PrincipalId, Refused> {
    text.parse().map_err(|_| texts::bad_request("The principal ID must be a GUID."))
}

pub(crate) async fn put(call: &Call<'_>, scope: &Scope, id: &str) -> Result<Done, Stop> {
    let id: AssignmentId =
        id.parse().map_err(|_| texts::bad_request("The role assignment ID must be a GUID."))?;
    let input: Input = call.input()?;
    let (row, role, place) = decide(call, scope, id, input.properties).await?;
    if let Some(found) = find(call.core, scope, &id.to_string()).await? {
        let same =
            found.value.grant.principal == row.grant.principal && found.value.grant.role == row.grant.role;
        return if same {
            Ok(Done::ok(shape(&found.value)))
        } else {
            Err(texts::assignment_is_another().into())
        };
    }
    let grants = grants(call.core, row.grant.principal, scope.subscription).await?;
    let twin = grants
        .iter()
        .map(|found| &found.value)
        .find(|grant| grant.role == role.id && grant.scope.row() == scope.row());
    if let Some(twin) = twin {
        return Err(texts::assignment_exists(twin.id).into());
    }
    if grants.len() >= MOST_GRANTS {
        return Err(texts::too_many_assignments(MOST_GRANTS).into());
    }
    call.commit(add(call.batch_on(place), &row)).await?;
    Ok(Done::created(shape(&row)))
}

/// Answers 204 for one that is not there, so that a deletion can be repeated.
pub(crate) async fn delete(call: &Call<'_>, scope: &Scope, id: &str) -> Result<Done, Stop> {
    let Some(found) = find(call.core, scope, id).await? else { return Ok(Done::nothing()) };
    let batch = call
        .batch_on(found.basis())
        .delete(ASSIGNMENTS, found.key.clone())
        .delete(GRANTS, grant_key(&found.value.grant));
    call.commit(batch).await?;
    Ok(Done::ok(shape(&found.value)))
}

async fn find(core: &Core, scope: &Scope, id: &str) -> Result<Option<Found<AssignmentRow>>, StoreError> {
    match id.parse() {
        Ok(id) => core.find(ASSIGNMENTS, &assignment_key(scope, id)).await,
        Err(_) => Ok(None),
    }
}

/// Checks what was asked against the directory and what exists; a condition is refused, for it would not be kept.
async fn decide(
    call: &Call<'_>,
    scope: &Scope,
    id: AssignmentId,
    asked: Properties,
) -> Result<(AssignmentRow, &'static Role, Basis), Stop> {
    if asked.condition.is_some() || asked.delegated_managed_identity_resource_id.is_some() {
        let message =
            "Conditions and delegated identities of role assignments are not supported by this service.";
        return Err(texts::bad_request(message).into());
    }
    if asked.description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        return Err(texts::bad_request("The description is too long.").into());
    }
    let role = role_of(&asked.role_definition_id)?;
    let principal = principal_of(&asked.principal_id)?;
    let directory = call.who.directory;
    let found = principal::find(call.core, directory, principal)
        .await?
        .ok_or_else(|| texts::principal_not_found(principal, directory))?;
    let principal_type = type_of(&found.value.subject);
    if asked.principal_type.as_ref().is_some_and(|asked| !asked.eq_ignore_ascii_case(principal_type)) {
        let message = format!(
            "The PrincipalId '{principal}' has type '{principal_type}', which is different from the specified \
             PrincipalType."
        );
        return Err(Refused::new(http::StatusCode::BAD_REQUEST, "UnmatchedPrincipalType", message).into());
    }
    let place = exists(call.core, scope).await?;
    let row = AssignmentRow {
        grant: Grant { id, principal, role: role.id.into(), scope: scope.clone() },
        principal_type: principal_type.into(),
        description: asked.description,
        created: call.core.now(),
        created_by: Some(call.who.principal),
    };
    Ok((row, role, place))
}

/// The group and vault of a scope must be there, and stay until the assignment is; its key need not be, for a right may be given before the
/// key is made.
async fn exists(core: &Core, scope: &Scope) -> Result<Basis, Stop> {
    let missing = || texts::scope_not_found(scope, scope.subscription);
    if scope.vault.is_some() {
        return Ok(vault::find_at(core, scope).await?.ok_or_else(missing)?.basis());
    }
    if scope.group.is_some() {
        let found = group::find(core, scope).await?.filter(|found| !found.value.deleting);
        return Ok(found.ok_or_else(missing)?.basis());
    }
    Ok(Basis::default())
}

/// The role that a full id, or its last segment, names.
fn role_of(id: &str) -> Result<&'static Role, Refused> {
    let last = id.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    role::by_id(last).ok_or_else(|| texts::role_not_found(last))
}

fn assignment_key(scope: &Scope, id: AssignmentId) -> String {
    format!("{}/{id}", scope.row())
}

fn grant_key(grant: &Grant) -> String {
    format!("{}/{}/{}", grant.principal, grant.scope.row(), grant.id)
}

fn shape(row: &AssignmentRow) -> Value {
    let Grant { id, principal, role, scope } = &row.grant;
    let role = role::by_id(role).map_or_else(String::new, |role| role.resource_id(Some(scope)));
    let created = crate::log::time_text(row.created);
    let by = row.created_by.map(|by| by.to_string()).unwrap_or_default();
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}"),
        "name": id,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": row.principal_type,
            "scope": scope.to_string(),
            "description": row.description,
            "condition": null,
            "conditionVersion": null,
            "createdOn": created,
            "updatedOn": created,
            "createdBy": by,
            "updatedBy": by,
        },
    })
}
