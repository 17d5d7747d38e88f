//! Lists of vaults: whole ones of a subscription or a group, the short form of all resources, and whether a name is free.
//!
//! A list shows what the caller may read, vault by vault, and looks in the subscription of its path alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{VaultRow, check_name, find_any, shown};
use crate::access::{self, Plane, Scope};
use crate::error::{Stop, resources as texts};
use crate::resource::filter::{self, Term};
use crate::resource::list::{self, Page};
use crate::resource::{Call, Done, assignment, group};
use crate::schema::VAULTS;

const READ: &str = "Microsoft.KeyVault/vaults/read";
const TYPE: &str = "Microsoft.KeyVault/vaults";
/// Whole vaults on a page: each may have a thousand access policies.
const MOST_WHOLE: usize = 25;

/// The vaults at a subscription or in a group, as each is shown by itself.
pub(crate) async fn whole(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let page = page(call, scope, MOST_WHOLE, |_| true).await?;
    let mut shapes = Vec::with_capacity(page.found.len());
    for found in &page.found {
        shapes.push(shown(call.core, &found.value).await?);
    }
    Ok(page.shown(shapes))
}

/// The resources at a subscription or in a group, which are vaults, and of them those that `$filter` names.
pub(crate) async fn short(call: &Call<'_>, scope: &Scope) -> Result<Done, Stop> {
    let terms = filter::parse(call.asked.query("$filter"))?;
    for term in &terms {
        match term {
            Term::Equals(field, _)
                if ["resourcetype", "name", "resourcegroup", "location"].contains(&&**field) => {}
            _ => return Err(filter::refused().into()),
        }
    }
    let keep = |row: &VaultRow| {
        terms.iter().all(|term| match term {
            Term::Equals(field, value) => match &**field {
                "resourcetype" => value.eq_ignore_ascii_case(TYPE),
                "name" => value.eq_ignore_ascii_case(&row.name),
                "resourcegroup" => value.eq_ignore_ascii_case(&row.group),
                _ => value.eq_ignore_ascii_case(&row.location),
            },
            Term::Call(..) => false,
        })
    };
    let page = page(call, scope, list::MOST_ITEMS, keep).await?;
    let shapes = page.found.iter().map(|found| short_shape(&found.value)).collect();
    Ok(page.shown(shapes))
}

async fn page(
    call: &Call<'_>,
    scope: &Scope,
    most: usize,
    keep: impl Fn(&VaultRow) -> bool,
) -> Result<Page<VaultRow>, Stop> {
    if scope.group.is_some() {
        let name = scope.group.as_deref().unwrap_or_default();
        group::find(call.core, scope).await?.ok_or_else(|| texts::group_not_found(name))?;
    }
    let grants = assignment::held(call.core, &call.identities, scope.subscription).await?;
    let keep = |row: &VaultRow| {
        let at = row.scope();
        let visible =
            || access::decide_for(&grants, &call.identities, &at, Plane::Control, &[READ]).is_some();
        row.gone.is_none() && scope.covers(&at) && keep(row) && visible()
    };
    list::page(call, VAULTS, "", most, keep).await
}

fn short_shape(row: &VaultRow) -> Value {
    json!({
        "id": row.scope().to_string(),
        "name": row.name,
        "type": TYPE,
        "location": row.location,
        "tags": row.tags,
    })
}

#[derive(Debug, Deserialize)]
struct Name {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Whether a vault of that name can be made; names are one for all subscriptions, deleted vaults keep theirs.
pub(crate) async fn check_name_availability(call: &Call<'_>) -> Result<Done, Stop> {
    let Name { name, kind } = call.input()?;
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case(TYPE)) {
        return Err(texts::bad_request("The property \"type\" must be Microsoft.KeyVault/vaults.").into());
    }
    let taken = match check_name(&name) {
        Err(refused) => Some(("AccountNameInvalid", refused.message)),
        Ok(()) if find_any(call.core, &name).await?.is_some() => {
            Some(("AlreadyExists", texts::vault_name_taken(&name).message))
        }
        Ok(()) => None,
    };
    Ok(Done::ok(match taken {
        None => json!({ "nameAvailable": true }),
        Some((reason, message)) => {
            json!({ "nameAvailable": false, "reason": reason, "message": message })
        }
    }))
}
