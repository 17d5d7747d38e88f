//! What is a policy, what a list of them comes to after a change, and what it allows.

use super::*;

fn directory() -> DirectoryId {
    DirectoryId::from_random([7; 16])
}

fn object(n: u8) -> PrincipalId {
    PrincipalId::from_random([n; 16])
}

fn application(n: u8) -> ApplicationId {
    ApplicationId::from_random([n; 16])
}

fn sent(n: u8, permissions: Value) -> Value {
    json!({ "tenantId": directory(), "objectId": object(n), "permissions": permissions })
}

fn read(list: Value) -> Result<Vec<PolicyRow>, Refused> {
    let sent: Vec<Sent> = serde_json::from_value(list).expect("a list of policies");
    check(directory(), &sent)
}

fn rows(list: Value) -> Vec<PolicyRow> {
    changed(Vec::new(), Change::Add, read(list).expect("known")).expect("few")
}

fn words(rows: &[PolicyRow]) -> Vec<String> {
    rows.iter().map(|row| row.permissions.keys.clone().unwrap_or_default().join(" ")).collect()
}

#[test]
fn what_is_no_policy_is_refused() {
    for bad in [
        json!([{"tenantId": DirectoryId::from_random([8; 16]), "objectId": object(1), "permissions": {}}]),
        json!([{"tenantId": "contoso", "objectId": object(1), "permissions": {}}]),
        json!([{"tenantId": directory(), "objectId": "alice", "permissions": {}}]),
        json!([{"tenantId": directory(), "objectId": object(1), "applicationId": "*", "permissions": {}}]),
        json!([sent(1, json!({"keys": ["fly"]}))]),
        json!([sent(1, json!({"keys": ["*"]}))]),
        json!([sent(1, json!({"keys": [""]}))]),
        json!([sent(1, json!({"secrets": ["get/../set"]}))]),
        json!([sent(1, json!({"secrets": ["x".repeat(LONGEST_PERMISSION + 1)]}))]),
        json!([sent(1, json!({"keys": vec!["get"; MOST_PERMISSIONS + 1]}))]),
        json!(vec![sent(1, json!({})); MOST_POLICIES + 1]),
    ] {
        assert_eq!(read(bad.clone()).expect_err("not one").status, 400, "{}", bad[0]);
    }
    assert!(read(json!([sent(1, json!({"keys": ["WRAPKEY", "Get"], "secrets": ["anything"]}))])).is_ok());
    assert!(read(json!([{"tenantId": directory(), "objectId": object(1)}])).is_ok());
}

#[test]
fn a_list_changes_in_three_ways() {
    let old = rows(json!([sent(1, json!({"keys": ["get"]})), sent(2, json!({"keys": ["List", "sign"]}))]));
    let apply = |change, list: Value| {
        let new = changed(old.clone(), change, read(list).expect("known")).expect("few");
        assert!(new.iter().enumerate().all(|(i, row)| row.place as usize == i), "{new:?}");
        words(&new)
    };
    let some = |n: u8, keys: &[&str]| json!([sent(n, json!({ "keys": keys }))]);
    assert_eq!(apply(Change::Add, some(1, &["GET", "wrapKey"])), ["get wrapKey", "List sign"]);
    assert_eq!(apply(Change::Add, some(3, &["verify"])), ["get", "List sign", "verify"]);
    assert_eq!(apply(Change::Replace, some(2, &["verify"])), ["get", "verify"]);
    assert_eq!(apply(Change::Replace, some(3, &["verify"])), ["get", "List sign", "verify"]);
    assert_eq!(apply(Change::Remove, some(2, &["list"])), ["get", "sign"]);
    assert_eq!(apply(Change::Remove, some(2, &["list", "sign", "get"])), ["get"]);
    assert_eq!(apply(Change::Remove, some(2, &["all"])), ["get"]);
    assert_eq!(apply(Change::Remove, some(2, &[])), ["get"], "nothing named takes everything");
    assert_eq!(apply(Change::Remove, some(3, &["get"])), ["get", "List sign"]);
}

#[test]
fn two_policies_of_one_principal_become_one_and_an_application_has_its_own() {
    let mut through = sent(1, json!({"keys": ["sign"]}));
    through["applicationId"] = json!(application(9));
    let list =
        rows(json!([sent(1, json!({"keys": ["get"]})), through, sent(1, json!({"keys": ["get", "list"]}))]));
    assert_eq!(words(&list), ["get list", "sign"]);
    assert!(list[1].allows(application(9), "sign"));
    assert!(!list[1].allows(application(8), "sign"), "another application");
    assert!(list[0].allows(application(8), "get"));
}

#[test]
fn all_is_everything_but_the_purge() {
    let list = rows(json!([sent(1, json!({"keys": ["All"]})), sent(2, json!({"keys": ["all", "PURGE"]}))]));
    for permission in ON_KEYS.iter().filter(|word| **word != ALL) {
        assert_eq!(list[0].allows(application(1), permission), *permission != PURGE, "{permission}");
        assert!(list[1].allows(application(1), permission), "{permission}");
    }
    let other = rows(json!([sent(1, json!({"secrets": ["all", "get"]}))]));
    assert!(!other[0].allows(application(1), "get"), "what is said of secrets gives nothing on keys");
}

#[test]
fn every_operation_needs_a_permission_that_can_be_given() {
    for permission in crate::keys::operation::permissions() {
        assert!(permission == "rng" || ON_KEYS.contains(&permission), "{permission}");
    }
}

#[test]
fn the_list_that_is_full_takes_no_more() {
    let many: Vec<Value> = (0..MOST_POLICIES)
        .map(|n| {
            let mut bytes = [1; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            json!({"tenantId": directory(), "objectId": PrincipalId::from_random(bytes), "permissions": {"keys": ["get"]}})
        })
        .collect();
    let full = rows(json!(many));
    assert_eq!(full.len(), MOST_POLICIES);
    let more = read(json!([sent(9, json!({"keys": ["get"]}))])).expect("known");
    let refused = changed(full, Change::Add, more).expect_err("one too many");
    assert!(refused.message.contains("1024"), "{}", refused.message);
}

#[test]
fn one_word_can_be_taken_from_all() {
    let all = rows(json!([sent(1, json!({"keys": ["all", "purge"]}))]));
    let less = read(json!([sent(1, json!({"keys": ["UnwrapKey"]}))])).expect("known");
    let list = changed(all, Change::Remove, less).expect("a list");
    for permission in ON_KEYS.iter().filter(|word| **word != ALL) {
        assert_eq!(list[0].allows(application(1), permission), *permission != "unwrapKey", "{permission}");
    }
    let rest = read(json!([sent(1, json!({"keys": ["all"]}))])).expect("known");
    assert!(changed(list, Change::Remove, rest).expect("a list").is_empty());
}

#[test]
fn what_is_added_again_and_again_stays_within_bounds() {
    let words = |from: usize| (from..from + MOST_PERMISSIONS).map(|n| format!("word{n}")).collect::<Vec<_>>();
    let add = |list, from| {
        changed(list, Change::Add, read(json!([sent(1, json!({"secrets": words(from)}))])).expect("known"))
    };
    let list = add(Vec::new(), 0).expect("a list");
    let same = add(list.clone(), 0).expect("nothing new");
    assert_eq!(same, list);
    assert!(add(list, 1).is_err());
}
