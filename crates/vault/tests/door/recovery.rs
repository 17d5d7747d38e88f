//! The recovery level of keys, seen at every place that shows it, as vault and subscription change under the same keys.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Keys, OFFICER, World, vault_body};

/// Vaults by the days that they keep deleted keys.
const RETENTIONS: [u8; 4] = [7, 45, 89, 90];

struct Vaults<'a> {
    world: &'a World,
    token: String,
}

impl Vaults<'_> {
    async fn put(&self, days: u8, purge_protection: bool) {
        let mut body = vault_body(&self.world.contoso);
        body["properties"]["softDeleteRetentionInDays"] = json!(days);
        if purge_protection {
            body["properties"]["enablePurgeProtection"] = json!(true);
        }
        self.world.manage().put(&self.path(days), &body).await.ok();
    }

    fn path(&self, days: u8) -> String {
        format!("{}/providers/Microsoft.KeyVault/vaults/contoso-d{days}", self.world.contoso.group_path())
    }

    fn keys(&self, days: u8) -> Keys<'_> {
        Keys {
            router: &self.world.router,
            host: format!("contoso-d{days}.vault.localhost"),
            token: self.token.clone(),
        }
    }

    /// What all vaults show, which is one thing for each of them.
    async fn levels(&self) -> [String; 4] {
        let mut levels = Vec::new();
        for days in RETENTIONS {
            levels.push(level(&self.keys(days), i64::from(days)).await);
        }
        levels.try_into().unwrap()
    }
}

/// Where the level of one key or another is shown: the live one as bundle, in both lists and by an update, the deleted one
/// as bundle and in its list.
async fn shown(keys: &Keys<'_>) -> Vec<Value> {
    let first = |list: Value| list["value"][0].clone();
    vec![
        keys.get("/keys/live").await.ok(),
        keys.patch("/keys/live/", json!({})).await.ok(),
        first(keys.get("/keys").await.ok()),
        first(keys.get("/keys/live/versions").await.ok()),
        keys.get("/deletedkeys/gone").await.ok(),
        first(keys.get("/deletedkeys").await.ok()),
    ]
}

async fn level(keys: &Keys<'_>, days: i64) -> String {
    let shown = shown(keys).await;
    let level = shown[0]["attributes"]["recoveryLevel"].as_str().unwrap().to_owned();
    for shown in shown {
        assert_eq!(shown["attributes"]["recoveryLevel"], level, "{shown}");
        assert_eq!(shown["attributes"]["recoverableDays"], days, "{shown}");
    }
    level
}

fn levels(customized: &str, standard: &str) -> [String; 4] {
    [customized, customized, customized, standard].map(str::to_owned)
}

#[tokio::test]
async fn every_place_shows_the_level_of_vault_and_subscription_as_they_are_now() {
    let world = World::new().await;
    let vaults = Vaults { world: &world, token: world.officer().await.token };
    for (n, days) in (10..).zip(RETENTIONS) {
        vaults.put(days, false).await;
        world.manage().assign(&vaults.path(days), &world.contoso.officer, OFFICER, n).await.ok();
        let keys = vaults.keys(days);
        for name in ["live", "gone"] {
            keys.create(name, json!({"kty": "EC"})).await.ok();
        }
        let deleted = keys.call(Method::DELETE, "/keys/gone", None).await.ok();
        let after =
            deleted["scheduledPurgeDate"].as_i64().unwrap() - deleted["deletedDate"].as_i64().unwrap();
        assert_eq!(after, i64::from(days) * 24 * 3600);
    }
    assert_eq!(vaults.levels().await, levels("CustomizedRecoverable+Purgeable", "Recoverable+Purgeable"));

    let feature = format!(
        "/subscriptions/{}/providers/Microsoft.Features/providers/Microsoft.Resources/features/\
         MandatoryRetentionPeriodEnabled/register",
        world.contoso.subscription
    );
    world.manage().post(&feature).await.ok();
    world.vault.administration().register_mandatory_retention(world.contoso.subscription).await.unwrap();
    // A vault that can be purged is not protected by its subscription.
    assert_eq!(vaults.levels().await, levels("CustomizedRecoverable+Purgeable", "Recoverable+Purgeable"));
    for days in RETENTIONS {
        vaults.put(days, true).await;
    }
    let protected =
        levels("CustomizedRecoverable+ProtectedSubscription", "Recoverable+ProtectedSubscription");
    assert_eq!(vaults.levels().await, protected);
}

#[tokio::test]
async fn purge_protection_alone_gives_the_level_without_a_suffix() {
    let world = World::new().await;
    let vaults = Vaults { world: &world, token: world.officer().await.token };
    for (n, days) in (10..).zip(RETENTIONS) {
        vaults.put(days, true).await;
        world.manage().assign(&vaults.path(days), &world.contoso.officer, OFFICER, n).await.ok();
        let keys = vaults.keys(days);
        for name in ["live", "gone"] {
            keys.create(name, json!({"kty": "EC"})).await.ok();
        }
        keys.call(Method::DELETE, "/keys/gone", None).await.ok();
    }
    assert_eq!(vaults.levels().await, levels("CustomizedRecoverable", "Recoverable"));
    let keys = vaults.keys(90);
    let recovered = keys.call(Method::POST, "/deletedkeys/gone/recover", None).await.ok();
    assert_eq!(recovered["attributes"]["recoveryLevel"], "Recoverable");
    let backup = keys.call(Method::POST, "/keys/live/backup", None).await.ok();
    let restored = vaults.keys(7).call(Method::POST, "/keys/restore", Some(&backup)).await;
    restored.refused(409, "Conflict", "");
    let other = world.officer().await.call(Method::POST, "/keys/restore", Some(&backup)).await.ok();
    assert_eq!(
        other["attributes"]["recoveryLevel"], "Recoverable+Purgeable",
        "of the vault that it is in now"
    );
    let rotated = keys.call(Method::POST, "/keys/live/rotate", None).await.ok();
    assert_eq!(rotated["attributes"]["recoveryLevel"], "Recoverable");
}

#[tokio::test]
async fn without_soft_delete_the_level_is_purgeable_whatever_the_subscription_is() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.create("k", json!({"kty": "EC"})).await.ok();
    let feature = format!(
        "/subscriptions/{}/providers/Microsoft.Features/providers/Microsoft.Resources/features/\
         MandatoryRetentionPeriodEnabled/register",
        world.contoso.subscription
    );
    for _ in 0..2 {
        for shown in [officer.get("/keys/k").await.ok(), officer.get("/keys").await.ok()["value"][0].clone()]
        {
            assert_eq!(shown["attributes"]["recoveryLevel"], "Purgeable");
            assert_eq!(shown["attributes"]["recoverableDays"], 0);
        }
        world.manage().post(&feature).await.ok();
        world.vault.administration().register_mandatory_retention(world.contoso.subscription).await.unwrap();
    }
    let deleted = officer.call(Method::DELETE, "/keys/k", None).await.ok();
    assert_eq!(deleted["attributes"]["recoveryLevel"], "Purgeable");
}
