//! A wrap set that somebody edited by hand and somebody else refreshes: refused as ours, and no vault is asked to wrap.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_wrap_set_edited_by_hand_cannot_be_refreshed_and_is_refreshed_once_it_is_restored() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let at = |path: &str| format!("/v1/tenants/{}{path}", contoso.id);
    let keys = world.keys(&contoso).await;
    let new = json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": keys, "settings": { "boundSeconds": 2 } });
    let made = world.post(&at("/policies"), &contoso.token, new).await.good();
    let refresh = at(&format!("/policies/{}/refresh", made["id"].as_str().expect("an id")));
    let wrapped = async || {
        let records = world.get(&at("/audit?limit=500"), &contoso.token).await.good();
        let wraps = |record: &&Value| record["body"]["operation"] == "wrapKey";
        records["records"].as_array().expect("records").iter().filter(wraps).count()
    };
    let before = wrapped().await;

    let wraps = Connection::open(world.lab.layout.wraps_database()).expect("a database");
    let row = format!("{}/{}", contoso.id, made["id"].as_str().expect("an id"));
    let query = "SELECT payload FROM wrap_sets WHERE key = ?1";
    let sound: Vec<u8> = wraps.query_row(query, [&row], |row| row.get(0)).expect("a set");
    let set = |payload: &[u8]| {
        let query = "UPDATE wrap_sets SET payload = ?2 WHERE key = ?1";
        assert_eq!(wraps.execute(query, rusqlite::params![row, payload]).expect("written"), 1);
    };
    // The first vault's name becomes that of a vault of somebody else.
    let host = keys[0].trim_start_matches("https://").split('.').next().expect("a host").as_bytes();
    let found = sound.windows(host.len()).position(|window| window == host).expect("the vault's name");
    let mut edited = sound.clone();
    edited[found] = b'z';
    set(&edited);
    // What is open may stay open for its bound.
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let refused = world.post(&refresh, &contoso.token, json!({})).await;
    refused.refused("FH4001");
    assert_eq!(refused.body["policyId"], made["id"]);
    assert_eq!(wrapped().await, before, "nobody was asked to wrap");

    set(&sound);
    let refreshed = world.post(&refresh, &contoso.token, json!({})).await.good();
    assert_eq!(refreshed["policy"]["keyIdentifiers"], made["keyIdentifiers"]);
    world.end().await;
}
