//! Subscriptions that are made over the wire, and the offers that they are held under.

use freehold_vault::{Log, Offer};
use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Manage, World, tenant};

const EA: &str = "/providers/Microsoft.Billing/billingAccounts/1/enrollmentAccounts/2";

async fn make(manage: &Manage<'_>, alias: &str, properties: Value) -> Answer {
    let path = format!("/providers/Microsoft.Subscription/aliases/{alias}");
    manage.put(&path, &json!({ "properties": properties })).await
}

async fn policies(manage: &Manage<'_>, id: &str) -> Value {
    manage.get(&format!("/subscriptions/{id}")).await.ok()["subscriptionPolicies"].clone()
}

#[tokio::test]
async fn an_owner_makes_a_subscription_once_and_owns_it() {
    let world = World::new().await;
    let manage = world.manage();
    let body = json!({"displayName": "Keys B", "workload": "Production", "billingScope": EA});
    let made = make(&manage, "keys-b", body.clone()).await;
    assert_eq!(made.status, 201);
    let id = made.json["properties"]["subscriptionId"].as_str().unwrap().to_owned();
    assert_eq!(made.json["properties"]["provisioningState"], "Succeeded");
    let again = make(&manage, "KEYS-B", body).await;
    assert_eq!((again.status.as_u16(), &again.json["properties"]["subscriptionId"]), (200, &json!(id)));
    let path = "/providers/microsoft.subscription/aliases/keys-b";
    assert_eq!(manage.get(path).await.ok(), made.json);
    assert_eq!(policies(&manage, &id).await["quotaId"], "EnterpriseAgreement_2014-09-01");
    manage.post(&format!("/subscriptions/{id}/providers/Microsoft.KeyVault/register")).await.ok();
    let group = format!("/subscriptions/{id}/resourceGroups/b");
    manage.put(&group, &json!({"location": "westeurope"})).await.ok();
    let log = world.vault.log(Log::Subscription(id.parse().unwrap()), 0, 10).await.unwrap();
    assert_eq!(log[0].operation, "Microsoft.Subscription/aliases/write");
    // The same alias in another directory is another subscription.
    let other = tenant(&world.vault, "fabrikam").await;
    let fabrikam = Manage { router: &world.router, tenant: &other, who: &other.owner };
    fabrikam.get(path).await.refused(404, "SubscriptionAliasNotFound", "");
    let theirs = make(&fabrikam, "keys-b", json!({})).await.ok();
    assert_ne!(theirs["properties"]["subscriptionId"], json!(id));
}

#[tokio::test]
async fn an_offer_is_shown_also_one_that_no_keys_should_rest_on() {
    let world = World::new().await;
    let (manage, admin) = (world.manage(), world.vault.administration());
    let trial = make(&manage, "trial", json!({"displayName": "Trial"})).await.ok();
    let id = trial["properties"]["subscriptionId"].as_str().unwrap();
    assert_eq!(
        policies(&manage, id).await,
        json!({"locationPlacementId": "Public_2014-09-01", "quotaId": "FreeTrial_2014-09-01", "spendingLimit": "On"})
    );
    let feature = format!(
        "/subscriptions/{id}/providers/Microsoft.Features/providers/Microsoft.Resources/features/\
         MandatoryRetentionPeriodEnabled/register"
    );
    assert_eq!(manage.post(&feature).await.ok()["properties"]["state"], "Pending", "it may ask");
    admin.set_subscription_offer(id.parse().unwrap(), Offer::PayAsYouGo, true).await.unwrap();
    let shown = manage.get(&format!("/subscriptions/{id}")).await.ok();
    assert_eq!(shown["state"], "PastDue");
    assert_eq!(shown["subscriptionPolicies"]["quotaId"], "PayAsYouGo_2014-09-01");
    assert_eq!(shown["subscriptionPolicies"]["spendingLimit"], "Off");
    let nowhere = "99999999-9999-4999-8999-999999999999".parse().unwrap();
    assert!(admin.set_subscription_offer(nowhere, Offer::FreeTrial, false).await.is_err());
}

#[tokio::test]
async fn who_owns_no_subscription_makes_none() {
    let world = World::new().await;
    for who in [&world.contoso.officer, &world.contoso.service] {
        let manage = Manage { who, ..world.manage() };
        make(&manage, "mine", json!({"billingScope": EA})).await.refused(403, "AuthorizationFailed", "");
    }
    make(&world.manage(), "mine", json!({})).await.ok();
    let officer = Manage { who: &world.contoso.officer, ..world.manage() };
    make(&officer, "mine", json!({})).await.refused(403, "AuthorizationFailed", "");
    officer.get("/providers/Microsoft.Subscription/aliases/mine").await.refused(
        404,
        "SubscriptionAliasNotFound",
        "",
    );
}

#[tokio::test]
async fn what_makes_no_subscription_is_refused() {
    let world = World::new().await;
    let manage = world.manage();
    for (alias, bad) in [
        ("a", json!({"subscriptionId": world.contoso.subscription})),
        ("a", json!({"workload": "DevTest"})),
        ("a", json!({"displayName": ""})),
        ("a", json!({"displayName": "a\nb"})),
        ("a", json!({"displayName": "x".repeat(65)})),
        ("a*b", json!({})),
        (&*"x".repeat(64), json!({})),
    ] {
        make(&manage, alias, bad.clone()).await.refused(400, "BadRequest", "");
    }
    let path = "/providers/Microsoft.Subscription/aliases/a";
    manage.put(path, &json!({})).await.refused(400, "InvalidRequestContent", "");
    manage.call(Method::DELETE, path, None).await.refused(405, "HttpMethodNotAllowed", "");
    manage.get(path).await.refused(404, "SubscriptionAliasNotFound", "");
}
