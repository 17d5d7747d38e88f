//! A store of the size that a provider has, made in moments: for measurements of opening, reading and listing.
//!
//! Owns [`fill`]. It copies rows and makes no keys, so that a thousand vaults with a thousand keys each take no longer than
//! the store takes to write them.

use store::{Batch, Cause, CommitError, Store, StoreError};

use crate::keys::due::Job;
use crate::keys::key::{KeyRow, VersionRow};
use crate::keys::rotate;
use crate::resource::vault::VaultRow;
use crate::schema::{self, KEY_VERSIONS, KEYS, VAULTS};

/// Keys that are written in one transaction.
const AT_ONCE: u32 = 1000;

/// Fills a store with copies of the newest version of one key: `vaults` vaults called `VAULT-0`, `VAULT-1` … in the group and
/// under the subscription of the vault it lies in, with `keys` keys called `KEY-000000`, `KEY-000001` … each.
///
/// Rights on the subscription or its group hold for them. They are shown and listed like any others; their private halves are
/// sealed for the place that they were copied from and open nowhere else. A vault program that holds the store meanwhile sees
/// them at its next call.
pub async fn fill(store: &Store, vault: &str, key: &str, vaults: u32, keys: u32) -> Result<(), CommitError> {
    let missing = || StoreError::Misuse(format!("there is no key {key} in a vault {vault}"));
    let pattern = store.read(VAULTS, &vault.to_ascii_lowercase()).await?.ok_or_else(missing)?;
    let pattern: VaultRow = pattern.parse()?;
    let head = store.read(KEYS, &schema::key(vault, key)).await?.ok_or_else(missing)?;
    let head: KeyRow = head.parse()?;
    let newest = store.read(KEY_VERSIONS, &schema::key_version(vault, key, head.current)).await?;
    let newest = newest.ok_or_else(missing)?;
    let (row, sealed): (VersionRow, _) = (newest.parse()?, newest.payload.unwrap_or_default());
    let head = KeyRow { versions: 1, ..head };
    let due = rotate::next(&head, &row);
    for number in 0..vaults {
        let name = format!("{}-{number}", pattern.name);
        let mut copy = pattern.clone();
        copy.name.clone_from(&name);
        let mut batch = Batch::new().put(VAULTS, name.to_ascii_lowercase(), &copy);
        for number in 0..keys {
            let head = KeyRow { name: format!("{}-{number:06}", head.name), ..head.clone() };
            let place = schema::key(&name, &head.name);
            let version = schema::version_of_key(&place, head.current);
            batch = batch.put_with_payload(KEY_VERSIONS, version, &row, sealed.clone());
            batch = Job::Rotation.moved(batch.put(KEYS, &*place, &head), &place, None, due);
            if (number + 1) % AT_ONCE == 0 {
                commit(store, std::mem::take(&mut batch)).await?;
            }
        }
        commit(store, batch).await?;
    }
    Ok(())
}

async fn commit(store: &Store, batch: Batch) -> Result<(), CommitError> {
    if batch.is_empty() {
        return Ok(());
    }
    store.commit(batch, Cause::Housekeeping("copies for a measurement")).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;
    use crypto::Key;
    use crypto::testing::SeededRandom;
    use http::{Method, Request, StatusCode};
    use http_body_util::BodyExt;
    use model::time::{ManualClock, Timestamp};
    use serde_json::{Value, json};
    use store::Scan;
    use tower::ServiceExt;

    use super::*;
    use crate::{Limits, NewSubscription, ServiceHosts, Settings, Vault};

    const PUBLIC_CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
    const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";

    struct Door {
        vault: Vault,
        token: String,
    }

    impl Door {
        async fn call(&self, method: Method, host: &str, path: &str, body: Value) -> Value {
            let join = if path.contains('?') { '&' } else { '?' };
            let asked = Request::builder()
                .method(method)
                .uri(format!("{path}{join}api-version=2026-02-01"))
                .header("host", host)
                .header("authorization", format!("Bearer {}", self.token))
                .header("content-type", "application/x-www-form-urlencoded");
            let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            let reply = self.vault.router().oneshot(asked.body(Body::from(body)).expect("a request")).await;
            let reply = reply.expect("the router answers");
            let status = reply.status();
            let bytes = reply.into_body().collect().await.expect("a body").to_bytes();
            let json: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert!(status == StatusCode::OK || status == StatusCode::CREATED, "{path}: {status} {json}");
            json
        }

        async fn sign_in(&mut self, directory: &str, secret: &str, resource: &str) {
            let form = format!(
                "client_id={PUBLIC_CLIENT}&grant_type=password&username=o@c.com&password={secret}&scope={resource}/.default"
            );
            let path = format!("/{directory}/oauth2/v2.0/token");
            let reply = self.call(Method::POST, "login.vault.localhost", &path, json!(form)).await;
            self.token = reply["access_token"].as_str().expect("a token").to_owned();
        }
    }

    /// An instance with the vault `v` and the key `k` in it, its owner signed in for keys.
    async fn door(store: Store) -> Door {
        let suffix = "vault.localhost".parse().expect("a suffix");
        let settings = Settings {
            hosts: ServiceHosts::of(&suffix),
            suffix,
            soft_delete: true,
            retention_at_once: false,
            limits: Limits::default(),
        };
        let clock = Arc::new(ManualClock::at(Timestamp(1_795_521_600_000)));
        let random = Arc::new(SeededRandom::new(5));
        let master = Key::generate(&SeededRandom::new(77));
        let vault = Vault::open(settings, store, master, clock, random).await.expect("it opens");
        let admin = vault.administration();
        let directory = admin.create_directory(None, "contoso").await.expect("a directory");
        let life = Duration::from_secs(1000);
        let (owner, secret) = admin.create_user(directory, "o@c.com", "o", life).await.expect("a user");
        let new = NewSubscription { id: None, display_name: "keys", owner };
        let subscription = admin.create_subscription(directory, new).await.expect("a subscription");
        let mut door = Door { vault, token: String::new() };
        door.sign_in(&directory.to_string(), &secret, "https://management.vault.localhost").await;
        let scope = format!("/subscriptions/{subscription}");
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{ADMINISTRATOR}");
        let id = uuid::Uuid::from_u128(1);
        for (method, path, body) in [
            (Method::POST, format!("{scope}/providers/Microsoft.KeyVault/register"), json!(null)),
            (Method::PUT, format!("{scope}/resourceGroups/g"), json!({"location": "westeurope"})),
            (
                Method::PUT,
                format!("{scope}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/vvv"),
                json!({"location": "westeurope", "properties":
                    {"tenantId": directory, "sku": {"name": "premium", "family": "A"}}}),
            ),
            (
                Method::PUT,
                format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}"),
                json!({"properties": {"roleDefinitionId": role, "principalId": owner}}),
            ),
        ] {
            door.call(method, "management.vault.localhost", &path, body).await;
        }
        door.sign_in(&directory.to_string(), &secret, "https://vault.localhost").await;
        let body = json!({"kty": "EC", "attributes": {"exp": 1_895_521_600}});
        door.call(Method::POST, "vvv.vault.localhost", "/keys/k/create", body).await;
        door
    }

    #[tokio::test]
    async fn copies_are_shown_and_listed_to_the_last_page_and_due_like_any_others() {
        let (store, _faults) = Store::memory(&schema::SCHEMA);
        let door = door(store.clone()).await;
        fill(&store, "vvv", "K", 3, 1_030).await.expect("it is filled");
        let host = "vvv-2.vault.localhost";
        let last = door.call(Method::GET, host, "/keys/k-001029", json!(null)).await;
        assert_eq!(last["attributes"]["exp"], 1_895_521_600);
        let (mut path, mut names) = ("/keys?maxresults=25".to_owned(), Vec::new());
        loop {
            let page = door.call(Method::GET, host, &path, json!(null)).await;
            let kids = page["value"].as_array().expect("a page").iter();
            names.extend(kids.map(|item| item["kid"].as_str().expect("a name").to_owned()));
            let Some(next) = page["nextLink"].as_str() else { break };
            path = next.strip_prefix(&format!("https://{host}")).expect("the same host").to_owned();
        }
        assert_eq!(names.len(), 1_030);
        assert!(names.is_sorted() && names[1_029].ends_with("/keys/k-001029"));
        let scan = Scan { prefix: "rotation/", after: None, limit: store::MAX_PAGE };
        assert_eq!(store.scan(schema::DUE, scan).await.expect("rows").len(), 1_000, "a page of them");
        assert_eq!(door.vault.rotate_due().await, 0);
        let fault = fill(&store, "vvv", "other", 1, 1).await.expect_err("there is no such key");
        assert!(fault.to_string().contains("no key other"), "{fault}");
    }
}
