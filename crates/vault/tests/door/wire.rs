//! What depends on the client's version of the wire, and rules that hold for every list and every update.

use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Keys, World, request, send, version};

async fn at(keys: &Keys<'_>, version: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let join = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{join}api-version={version}");
    send(keys.router, request(method, &keys.host, &path, Some(&keys.token), body)).await
}

/// Follows the links of a list from its first page on; the names or versions, page by page.
async fn pages(keys: &Keys<'_>, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = format!("{path}&api-version=2025-07-01");
    loop {
        let asked = request(Method::GET, &keys.host, &path, Some(&keys.token), None);
        let page = send(keys.router, asked).await.ok();
        let items = page["value"].as_array().unwrap().iter();
        pages.push(items.map(version).collect());
        match page["nextLink"].as_str() {
            Some(next) => path = next.strip_prefix(&format!("https://{}", keys.host)).unwrap().to_owned(),
            None => return pages,
        }
    }

    fn version(item: &Value) -> String {
        item["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn attributes_are_those_of_the_version_of_the_wire() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    officer.create("curve", json!({"kty": "EC"})).await.ok();
    let since = [("recoverableDays", 1), ("exportable", 4), ("hsmPlatform", 5), ("key_size", 6)];
    for (wire, minor) in [
        ("2016-10-01", 0),
        ("7.0", 0),
        ("7.1", 1),
        ("7.2", 2),
        ("7.3-preview", 3),
        ("7.3", 3),
        ("7.4", 4),
        ("7.5-preview.1", 5),
        ("7.5", 5),
        ("7.6-preview.2", 6),
        ("7.6", 6),
        ("2025-06-01-preview", 7),
        ("2025-07-01", 7),
        ("2026-03-01-preview", 7),
    ] {
        let listed = at(&officer, wire, Method::GET, "/keys/k/versions", None).await.ok()["value"][0].clone();
        for shown in [at(&officer, wire, Method::GET, "/keys/k", None).await.ok(), listed] {
            let attributes = shown["attributes"].as_object().unwrap();
            for name in ["enabled", "created", "updated", "recoveryLevel"] {
                assert!(attributes.contains_key(name), "{wire} {name}");
            }
            for (name, first) in since {
                assert_eq!(attributes.contains_key(name), minor >= first, "{wire} {name}");
            }
        }
        let curve = at(&officer, wire, Method::GET, "/keys/curve", None).await.ok();
        assert!(!curve["attributes"].as_object().unwrap().contains_key("key_size"));
    }
}

#[tokio::test]
async fn the_next_page_speaks_the_version_of_the_first() {
    let world = World::new().await;
    let officer = world.officer().await;
    for name in ["a", "b"] {
        officer.create(name, json!({"kty": "EC"})).await.ok();
    }
    let page = at(&officer, "7.4", Method::GET, "/keys?maxresults=1", None).await.ok();
    let next = page["nextLink"].as_str().unwrap();
    assert!(next.contains("api-version=7.4&"), "{next}");
    // Clients encode names of the query as they please.
    let path = next.strip_prefix("https://contoso-ck-a1.vault.localhost").unwrap();
    let path = path.replace("api-version", "api%2Dversion").replace("$skiptoken", "%24skiptoken");
    let asked = request(Method::GET, &officer.host, &path, Some(&officer.token), None);
    assert!(send(&world.router, asked).await.ok()["value"][0]["kid"].as_str().unwrap().ends_with("/keys/b"));
}

#[tokio::test]
async fn every_list_has_pages_of_1_to_25_and_links_to_the_next() {
    let world = World::new().await;
    let officer = world.officer().await;
    let names: Vec<String> = (0..28).map(|n| format!("k{n:02}")).collect();
    for name in &names {
        officer.create(name, json!({"kty": "EC"})).await.ok();
    }
    let mut made = Vec::new();
    for _ in 0..26 {
        made.push(version(&officer.create("many", json!({"kty": "EC"})).await.ok()));
    }
    made.sort();
    let sizes = |pages: &[Vec<String>]| pages.iter().map(Vec::len).collect::<Vec<_>>();
    let mut lists =
        vec![("/keys", [names.as_slice(), &["many".to_owned()]].concat()), ("/keys/many/versions", made)];
    for (path, expected) in &lists {
        let whole = pages(&officer, &format!("{path}?x=")).await;
        assert_eq!(
            (whole.concat(), sizes(&whole)),
            (expected.clone(), vec![25, expected.len() - 25]),
            "{path}"
        );
        let nine = pages(&officer, &format!("{path}?maxresults=9")).await;
        assert_eq!((nine.concat(), nine.len()), (expected.clone(), expected.len().div_ceil(9)), "{path}");
    }
    for name in &names {
        officer.call(Method::DELETE, &format!("/keys/{name}"), None).await.ok();
    }
    let whole = pages(&officer, "/deletedkeys?x=").await;
    assert_eq!((whole.concat(), sizes(&whole)), (names.clone(), vec![25, 3]));
    assert_eq!(pages(&officer, "/deletedkeys?maxresults=7").await.concat(), names);
    lists.push(("/deletedkeys", names));
    for (path, _) in lists {
        for query in [
            "maxresults=0",
            "maxresults=26",
            "maxresults=-1",
            "maxresults=",
            "maxresults=1.5",
            "$skiptoken=!",
        ] {
            officer.get(&format!("{path}?{query}")).await.refused(400, "BadParameter", "");
        }
        for query in ["maxresults=1", "maxresults=25", "MaxResults=3", "max%72esults=3"] {
            officer.get(&format!("{path}?{query}")).await.ok();
        }
    }
}

#[tokio::test]
async fn a_key_has_at_most_15_tags_of_256_characters() {
    let world = World::new().await;
    let officer = world.officer().await;
    let tags = |n: usize, name: usize, value: usize| -> Value {
        let tag = |i: usize| (format!("{i:02}{}", "ä".repeat(name - 2)), json!("v".repeat(value)));
        Value::Object((0..n).map(tag).collect())
    };
    let most = tags(15, 256, 256);
    let created = officer.create("k", json!({"kty": "EC", "tags": most})).await.ok();
    assert_eq!(created["tags"], most);
    for wrong in
        [tags(16, 2, 1), tags(1, 257, 1), tags(1, 2, 257), json!({"": "v"}), json!({"a": 1}), json!(["a"])]
    {
        officer.create("k", json!({"kty": "EC", "tags": wrong})).await.refused(400, "BadParameter", "");
        officer.patch("/keys/k/", json!({"tags": wrong})).await.refused(400, "BadParameter", "");
    }
    assert_eq!(officer.get("/keys/k").await.ok()["tags"], most);
    assert_eq!(officer.patch("/keys/k/", json!({"tags": tags(15, 2, 0)})).await.ok()["tags"], tags(15, 2, 0));
}

#[tokio::test]
async fn an_update_changes_every_attribute_and_clears_what_can_be_cleared() {
    let world = World::new().await;
    let officer = world.officer().await;
    let attributes = json!({"nbf": 1_795_521_600, "exp": 1_795_600_000});
    let made = json!({"kty": "RSA", "attributes": attributes, "tags": {"a": "b"}});
    let first = version(&officer.create("k", made).await.ok());
    let change = json!({
        "key_ops": ["verify", "sign", "sign"], "tags": {"c": ""},
        "attributes": {"enabled": true, "nbf": 1_795_521_601, "exp": 1_795_700_000},
    });
    let changed = officer.patch("/keys/k/", change).await.ok();
    assert_eq!(changed["key"]["key_ops"], json!(["sign", "verify"]));
    assert_eq!(changed["tags"], json!({"c": ""}));
    assert_eq!(changed["attributes"]["nbf"], 1_795_521_601);
    assert_eq!(changed["attributes"]["exp"], 1_795_700_000);
    // As in the service, a time that was set can be moved and not taken away; tags and operations can.
    let nothing =
        json!({"key_ops": null, "tags": null, "attributes": {"enabled": null, "nbf": null, "exp": null}});
    assert_eq!(officer.patch("/keys/k/", nothing).await.ok(), changed);
    let cleared = officer.patch("/keys/k/", json!({"key_ops": [], "tags": {}})).await.ok();
    assert_eq!(cleared["key"]["key_ops"], json!([]));
    assert!(cleared.get("tags").is_none());
    officer.wrap("k").await.refused(403, "Forbidden", "KeyOperationForbidden");
    // An older version is changed by its own address, and the newest stays.
    let second = officer.make("k").await;
    let old =
        officer.patch(&format!("/keys/K/{first}"), json!({"attributes": {"enabled": false}})).await.ok();
    assert_eq!((version(&old), &old["attributes"]["enabled"]), (first, &json!(false)));
    let newest = officer.get("/keys/k").await.ok();
    assert_eq!((version(&newest), &newest["attributes"]["enabled"]), (second, &json!(true)));
    for wrong in [
        json!({"attributes": {"enabled": "yes"}}),
        json!({"attributes": {"exp": "2027-01-01"}}),
        json!({"attributes": {"exp": -1}}),
        json!({"attributes": {"exp": 1.5}}),
        json!({"attributes": []}),
        json!({"key_ops": "sign"}),
        json!({"key_ops": ["SIGN"]}),
        json!([]),
    ] {
        officer.patch("/keys/k/", wrong.clone()).await.refused(400, "BadParameter", "");
    }
    assert_eq!(officer.get("/keys/k").await.ok(), newest);
}

/// Every operation on a key of an unknown name says so in the same words, and names are compared without case.
#[tokio::test]
async fn every_operation_finds_a_key_by_its_name_in_any_case() {
    let world = World::new().await;
    let officer = world.officer().await;
    let made = officer.make("Mixed-Case").await;
    let digest = "A".repeat(43);
    let signed = officer.operate("/keys/mixed-case//sign", "PS256", &digest).await.ok();
    let verify = json!({"alg": "PS256", "digest": digest, "value": signed["value"]});
    assert_eq!(
        officer.call(Method::POST, "/keys/MIXED-CASE/verify", Some(&verify)).await.ok(),
        json!({"value": true})
    );
    for path in [
        "/keys/MIXED-case",
        "/KEYS/mixed-CASE/",
        "/keys/mixed-case/versions",
        "/keys/mixed-case/rotationpolicy",
    ] {
        officer.get(path).await.ok();
    }
    assert_eq!(version(&officer.get(&format!("/keys/mixed-case/{}", made.to_uppercase())).await.ok()), made);
    let kid = officer.call(Method::DELETE, "/keys/MIXED-CASE", None).await.ok()["key"]["kid"].clone();
    assert!(kid.as_str().unwrap().contains("/keys/Mixed-Case/"), "as it was first written");
    officer.get("/deletedkeys/mixed-CASE").await.ok();
    officer.call(Method::POST, "/deletedkeys/MIXED-CASE/recover", None).await.ok();
    officer.call(Method::DELETE, "/keys/mixed-case", None).await.ok();
    officer.call(Method::DELETE, "/deletedkeys/mixed-case", None).await.ok();
    for (method, path) in [
        (Method::POST, "/keys/Mixed-Case/backup"),
        (Method::POST, "/keys/Mixed-Case/rotate"),
        (Method::DELETE, "/keys/Mixed-Case"),
        (Method::POST, "/deletedkeys/Mixed-Case/recover"),
    ] {
        let refused = officer.call(method, path, None).await;
        refused.refused(404, "KeyNotFound", "");
        assert!(
            refused.message().starts_with("A key with (name/id) Mixed-Case was not found in this key vault.")
        );
    }
}
