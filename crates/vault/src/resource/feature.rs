//! Preview features of a subscription; the one that matters is the mandatory retention period.
//!
//! Owns the feature's row and its lifecycle: an owner registers it (`Pending`), and only the directory's operator makes
//! it `Registered`, through the administration. From then on the recovery level of every protected key says so.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use crate::core::{Core, Found};
use crate::error::{Stop, resources as texts};
use crate::id::SubscriptionId;
use crate::resource::path::FeatureAt;
use crate::resource::{Call, Done};
use crate::schema::{self, FEATURES};

/// The feature that puts a subscription under a mandatory retention period.
pub(crate) const MANDATORY_RETENTION: &str = "Microsoft.Resources/MandatoryRetentionPeriodEnabled";

/// How far a feature's registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    NotRegistered,
    Pending,
    Registered,
}

/// A feature that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FeatureRow {
    pub(crate) state: State,
}

pub(crate) async fn find(
    core: &Core,
    subscription: SubscriptionId,
) -> Result<Option<Found<FeatureRow>>, StoreError> {
    core.find(FEATURES, &row(subscription)).await
}

/// Whether the subscription is under the mandatory retention period now.
pub(crate) async fn registered(core: &Core, subscription: SubscriptionId) -> Result<bool, StoreError> {
    Ok(find(core, subscription).await?.is_some_and(|found| found.value.state == State::Registered))
}

/// The key of the feature's row.
pub(crate) fn row(subscription: SubscriptionId) -> String {
    schema::in_subscription(subscription, MANDATORY_RETENTION)
}

pub(crate) async fn show(call: &Call<'_>, at: &FeatureAt) -> Result<Done, Stop> {
    known(at)?;
    let state =
        find(call.core, at.subscription).await?.map_or(State::NotRegistered, |found| found.value.state);
    Ok(Done::ok(shape(at.subscription, state)))
}

pub(crate) async fn register(call: &Call<'_>, at: &FeatureAt) -> Result<Done, Stop> {
    known(at)?;
    let key = row(at.subscription);
    let (batch, state) = match find(call.core, at.subscription).await? {
        None => {
            let at_once = call.core.settings.retention_at_once;
            let state = if at_once { State::Registered } else { State::Pending };
            (call.batch().expect_absent(FEATURES, &key), state)
        }
        // Asking again changes nothing: what is registered stays registered.
        Some(found) => (call.batch_on(found.basis()), found.value.state),
    };
    call.commit(batch.put(FEATURES, key, &FeatureRow { state })).await?;
    Ok(Done::ok(shape(at.subscription, state)))
}

/// Takes back a registration that waits. A completed one stays: the period that keys are protected for is not the owner's to end.
pub(crate) async fn unregister(call: &Call<'_>, at: &FeatureAt) -> Result<Done, Stop> {
    known(at)?;
    let Some(found) = find(call.core, at.subscription).await? else {
        return Ok(Done::ok(shape(at.subscription, State::NotRegistered)));
    };
    if found.value.state == State::Registered {
        return Err(texts::feature_stays(MANDATORY_RETENTION).into());
    }
    call.commit(call.batch_on(found.basis()).delete(FEATURES, found.key)).await?;
    Ok(Done::ok(shape(at.subscription, State::NotRegistered)))
}

/// The features of all providers, or of one.
pub(crate) async fn list(
    call: &Call<'_>,
    subscription: SubscriptionId,
    namespace: Option<&str>,
) -> Result<Done, Stop> {
    let state = find(call.core, subscription).await?.map_or(State::NotRegistered, |found| found.value.state);
    let of_resources =
        namespace.is_none_or(|namespace| namespace.eq_ignore_ascii_case("Microsoft.Resources"));
    let shapes: Vec<Value> = of_resources.then(|| shape(subscription, state)).into_iter().collect();
    Ok(Done::ok(json!({ "value": shapes })))
}

fn known(at: &FeatureAt) -> Result<(), Stop> {
    if at.name.eq_ignore_ascii_case(MANDATORY_RETENTION) {
        return Ok(());
    }
    Err(texts::feature_not_found(&at.name.chars().take(128).collect::<String>()).into())
}

fn shape(subscription: SubscriptionId, state: State) -> Value {
    let (namespace, name) = MANDATORY_RETENTION.split_once('/').expect("a namespace and a name");
    json!({
        "id": format!(
            "/subscriptions/{subscription}/providers/Microsoft.Features/providers/{namespace}/features/{name}"
        ),
        "name": MANDATORY_RETENTION,
        "type": "Microsoft.Features/providers/features",
        "properties": { "state": state },
    })
}
