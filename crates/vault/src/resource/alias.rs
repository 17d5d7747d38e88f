//! Subscriptions by their alias: made over the wire, under a name of the caller's choice, so that a repeated call makes one.
//!
//! Owns PUT and GET. Whoever owns a subscription of the directory may make another; the first one is the operator's to give. The
//! id follows from directory and alias, so nobody can make a subscription that looks like another directory's.

use crypto::digest;
use model::id::DirectoryId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Grant, Scope};
use crate::directory::principal;
use crate::error::{Refused, Stop, resources as texts};
use crate::id::{AssignmentId, SubscriptionId};
use crate::resource::assignment::{self, AssignmentRow};
use crate::resource::path::Need;
use crate::resource::subscription::{self, Offer, SubscriptionRow};
use crate::resource::{Call, Done, role};
use crate::schema::SUBSCRIPTIONS;

/// The longest alias.
const LONGEST_ALIAS: usize = 63;
/// The longest name that people call a subscription.
const LONGEST_NAME: usize = 64;
/// The most subscriptions that a principal who makes more may own.
const MOST_OWNED: usize = 64;
const WRITE: &str = "Microsoft.Subscription/aliases/write";

#[derive(Debug, Deserialize)]
struct Input {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    display_name: Option<String>,
    billing_scope: Option<String>,
    workload: Option<String>,
    subscription_id: Option<String>,
}

/// Letters, digits, dashes, underscores and dots.
pub(crate) fn check_name(alias: &str) -> Result<(), Refused> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if (1..=LONGEST_ALIAS).contains(&alias.len()) && alias.bytes().all(known) {
        return Ok(());
    }
    Err(texts::bad_request(
        "The alias of a subscription has 1 to 63 letters, digits, dashes, underscores and dots.",
    ))
}

fn id(directory: DirectoryId, alias: &str) -> SubscriptionId {
    let name = format!("freehold subscription alias v1\0{directory}\0{}", alias.to_ascii_lowercase());
    let digest = digest::sha256(name.as_bytes());
    let first = digest.first_chunk().expect("a digest has 32 bytes");
    SubscriptionId::from_random(*first)
}

/// What is sent: a subscription that nobody pays for is made too, as the trial that it is.
fn check(alias: &str, asked: Properties) -> Result<(String, Offer), Refused> {
    if asked.subscription_id.is_some() {
        return Err(texts::bad_request(
            "An alias of a subscription that is there is not supported by this service.",
        ));
    }
    if asked.workload.as_ref().is_some_and(|workload| !workload.eq_ignore_ascii_case("Production")) {
        return Err(texts::bad_request("The property \"workload\" must be Production."));
    }
    let name = asked.display_name.unwrap_or_else(|| alias.to_owned());
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(texts::bad_request(
            "The property \"displayName\" has 1 to 64 bytes and no control characters.",
        ));
    }
    let offer = match asked.billing_scope.as_deref() {
        None | Some("") => Offer::FreeTrial,
        Some(scope) if scope.to_ascii_lowercase().contains("/enrollmentaccounts/") => {
            Offer::EnterpriseAgreement
        }
        Some(_) => Offer::PayAsYouGo,
    };
    Ok((name, offer))
}

pub(crate) async fn put(call: &Call<'_>, alias: &str) -> Result<Done, Stop> {
    let (core, who) = (call.core, call.who);
    let input: Input = call.input()?;
    let (display_name, offer) = check(alias, input.properties)?;
    let id = id(who.directory, alias);
    let forbidden =
        || texts::forbidden(who, WRITE, &format!("/providers/Microsoft.Subscription/aliases/{alias}"));
    let grants = assignment::all_grants(core, who.principal).await?;
    if let Some(found) = subscription::find(core, id).await? {
        let mine = grants.iter().any(|grant| grant.value.scope.subscription == id);
        return if mine { Ok(Done::ok(shape(alias, id, &found.value))) } else { Err(forbidden().into()) };
    }
    let owns = |grant: &Grant| grant.role == role::OWNER && grant.scope.group.is_none();
    let mut owned = grants.iter().filter(|grant| owns(&grant.value));
    let right = owned.next().ok_or_else(forbidden)?;
    if owned.count() + 1 >= MOST_OWNED {
        return Err(texts::too_many_subscriptions(MOST_OWNED).into());
    }
    let found = principal::find(core, who.directory, who.principal).await?.ok_or(Stop::Conflict)?;
    let row =
        SubscriptionRow { directory: who.directory, display_name, created: core.now(), offer, unpaid: false };
    let scope = Scope::subscription(id);
    let grant = Grant {
        id: AssignmentId::from_random(core.id()),
        principal: who.principal,
        role: role::OWNER.into(),
        scope: scope.clone(),
    };
    let owner = AssignmentRow {
        grant,
        principal_type: assignment::type_of(&found.value.subject).into(),
        description: None,
        created: core.now(),
        created_by: Some(who.principal),
    };
    let batch = call.batch_on(right.basis()).expect_absent(SUBSCRIPTIONS, id.to_string());
    let batch = assignment::add(batch.put(SUBSCRIPTIONS, id.to_string(), &row), &owner);
    call.commit_as(&Need { action: WRITE.into(), scope, filtered: false }, batch).await?;
    Ok(Done::created(shape(alias, id, &row)))
}

pub(crate) async fn show(call: &Call<'_>, alias: &str) -> Result<Done, Stop> {
    let id = id(call.who.directory, alias);
    let missing = || texts::alias_not_found(alias);
    let found = subscription::find(call.core, id).await?.ok_or_else(missing)?;
    if assignment::grants(call.core, call.who.principal, id).await?.is_empty() {
        return Err(missing().into());
    }
    Ok(Done::ok(shape(alias, id, &found.value)))
}

fn shape(alias: &str, id: SubscriptionId, row: &SubscriptionRow) -> Value {
    json!({
        "id": format!("/providers/Microsoft.Subscription/aliases/{alias}"),
        "name": alias,
        "type": "Microsoft.Subscription/aliases",
        "properties": {
            "subscriptionId": id,
            "displayName": row.display_name,
            "workload": "Production",
            "provisioningState": "Succeeded",
        },
    })
}
