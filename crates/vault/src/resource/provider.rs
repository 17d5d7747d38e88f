//! Resource providers of a subscription: a vault can be made once `Microsoft.KeyVault` is registered.
//!
//! Owns the provider's row. The providers behind subscriptions, roles and features are there from the start.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use crate::core::{Core, Found};
use crate::error::{Refused, Stop, resources as texts};
use crate::id::SubscriptionId;
use crate::resource::path::ProviderAt;
use crate::resource::{Call, Done, vault};
use crate::schema::{self, PROVIDERS};

/// The provider of vaults.
pub(crate) const KEY_VAULT: &str = "Microsoft.KeyVault";

/// The providers that need no registration.
const ALWAYS: &[&str] = &["Microsoft.Resources", "Microsoft.Features", "Microsoft.Authorization"];

/// A provider that was registered; the row's being there says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProviderRow {
    pub(crate) namespace: String,
}

/// The registration of the provider of vaults, if the subscription has it.
pub(crate) async fn find_key_vault(
    core: &Core,
    subscription: SubscriptionId,
) -> Result<Option<Found<ProviderRow>>, StoreError> {
    core.find(PROVIDERS, &schema::in_subscription(subscription, KEY_VAULT)).await
}

pub(crate) async fn show(call: &Call<'_>, at: &ProviderAt) -> Result<Done, Stop> {
    let namespace = known(at)?;
    let registered = namespace != KEY_VAULT || find_key_vault(call.core, at.subscription).await?.is_some();
    Ok(Done::ok(shape(at.subscription, namespace, registered)))
}

pub(crate) async fn register(call: &Call<'_>, at: &ProviderAt) -> Result<Done, Stop> {
    let namespace = known(at)?;
    if namespace == KEY_VAULT {
        let key = schema::in_subscription(at.subscription, KEY_VAULT);
        call.commit(call.batch().put(PROVIDERS, key, &ProviderRow { namespace: KEY_VAULT.into() })).await?;
    }
    Ok(Done::ok(shape(at.subscription, namespace, true)))
}

/// A subscription with vaults keeps the provider, for they could not be changed without it.
pub(crate) async fn unregister(call: &Call<'_>, at: &ProviderAt) -> Result<Done, Stop> {
    let namespace = known(at)?;
    if namespace != KEY_VAULT || vault::any_in(call.core, at.subscription).await? {
        return Err(texts::provider_in_use(namespace).into());
    }
    if let Some(found) = find_key_vault(call.core, at.subscription).await? {
        call.commit(call.batch_on(found.basis()).delete(PROVIDERS, found.key)).await?;
    }
    Ok(Done::ok(shape(at.subscription, namespace, false)))
}

/// Every provider that there is.
pub(crate) async fn list(call: &Call<'_>, subscription: SubscriptionId) -> Result<Done, Stop> {
    let registered = find_key_vault(call.core, subscription).await?.is_some();
    let mut shapes: Vec<Value> =
        ALWAYS.iter().map(|namespace| shape(subscription, namespace, true)).collect();
    shapes.push(shape(subscription, KEY_VAULT, registered));
    Ok(Done::ok(json!({ "value": shapes })))
}

fn known(at: &ProviderAt) -> Result<&'static str, Refused> {
    ALWAYS
        .iter()
        .chain([&KEY_VAULT])
        .find(|known| known.eq_ignore_ascii_case(&at.namespace))
        .copied()
        .ok_or_else(|| texts::provider_not_found(&at.namespace.chars().take(128).collect::<String>()))
}

fn shape(subscription: SubscriptionId, namespace: &str, registered: bool) -> Value {
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
        "namespace": namespace,
        "registrationState": if registered { "Registered" } else { "NotRegistered" },
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [],
    })
}
