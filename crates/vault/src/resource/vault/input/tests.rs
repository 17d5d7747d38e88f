//! What a PUT of a vault comes to, case by case.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::id::SubscriptionId;
use crate::resource::vault::check_name;

fn directory() -> DirectoryId {
    DirectoryId::from_random([7; 16])
}

fn put(soft_delete: bool, old: Option<&VaultRow>, properties: Value) -> Result<VaultRow, Refused> {
    let scope = Scope::vault(SubscriptionId::from_random([1; 16]), "rg", "Contoso");
    let by = Stamp { by: "alice".into(), by_type: "User".into(), at: Timestamp(0) };
    let asked =
        Put { soft_delete, scope: &scope, group: "rg", directory: directory(), roles_by_default: true, by };
    let mut all = json!({ "tenantId": directory(), "sku": { "name": "premium", "family": "A" } });
    let merged = all.as_object_mut().expect("an object");
    merged.extend(properties.as_object().expect("an object").clone());
    let input = json!({ "location": "West Europe", "properties": all });
    decide(asked, old, serde_json::from_value(input).expect("a body"))
}

#[test]
fn what_is_not_said_is_filled_in_as_the_service_does() {
    let row = put(true, None, json!({})).expect("allowed");
    assert_eq!((row.soft_delete, row.retention_days, row.purge_protection), (true, 90, false));
    assert!(row.by_roles);
    assert_eq!(
        (row.name.as_str(), row.location.as_str(), row.sku.as_str()),
        ("Contoso", "westeurope", "premium")
    );
}

#[test]
fn purge_protection_is_never_taken_back() {
    let row = put(true, None, json!({"enablePurgeProtection": true})).expect("allowed");
    assert!(row.purge_protection);
    assert!(put(true, Some(&row), json!({})).expect("allowed").purge_protection);
    let refused = put(true, Some(&row), json!({"enablePurgeProtection": false})).expect_err("irreversible");
    assert!(refused.message.contains("irreversible action"), "{}", refused.message);
    assert!(put(true, None, json!({"enablePurgeProtection": false})).is_err());
}

#[test]
fn retention_is_7_to_90_days_and_set_once() {
    let row = put(true, None, json!({"softDeleteRetentionInDays": 7})).expect("allowed");
    assert_eq!(row.retention_days, 7);
    assert_eq!(put(true, Some(&row), json!({})).expect("allowed").retention_days, 7);
    assert!(put(true, Some(&row), json!({"softDeleteRetentionInDays": 7})).is_ok());
    assert!(put(true, Some(&row), json!({"softDeleteRetentionInDays": 8})).is_err());
    for days in [6, 91, -1, 1_000_000] {
        assert!(put(true, None, json!({ "softDeleteRetentionInDays": days })).is_err(), "{days}");
    }
}

#[test]
fn soft_delete_is_what_the_instance_is_built_with() {
    assert!(put(true, None, json!({"enableSoftDelete": false})).is_err());
    let row = put(false, None, json!({})).expect("allowed");
    assert_eq!((row.soft_delete, row.retention_days), (false, 0));
    for protects in [
        json!({"enableSoftDelete": true}),
        json!({"enablePurgeProtection": true}),
        json!({"softDeleteRetentionInDays": 90}),
    ] {
        assert!(put(false, None, protects.clone()).is_err(), "{protects}");
    }
}

#[test]
fn a_vault_keeps_its_soft_delete_under_the_other_setting() {
    let soft = put(true, None, json!({"enablePurgeProtection": true})).expect("allowed");
    let kept = put(false, Some(&soft), json!({})).expect("allowed");
    assert_eq!((kept.soft_delete, kept.retention_days, kept.purge_protection), (true, 90, true));
    let hard = put(false, None, json!({})).expect("allowed");
    assert!(!put(true, Some(&hard), json!({})).expect("allowed").soft_delete);
}

#[test]
fn what_would_have_no_effect_is_refused() {
    for ignored in [
        json!({"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "everywhere"}]}}),
        json!({"publicNetworkAccess": "Sometimes"}),
        json!({"createMode": "undo"}),
        json!({"tenantId": DirectoryId::from_random([8; 16])}),
        json!({"tenantId": null}),
        json!({"sku": {"name": "gold", "family": "A"}}),
    ] {
        assert!(put(true, None, ignored.clone()).is_err(), "{ignored}");
    }
    let harmless =
        json!({"accessPolicies": [], "networkAcls": {"bypass": "AzureServices", "defaultAction": "Allow"}});
    assert!(put(true, None, harmless).is_ok());
}

#[test]
fn access_by_roles_is_kept_unless_it_is_said() {
    let row = put(true, None, json!({"enableRbacAuthorization": false})).expect("allowed");
    assert!(!row.by_roles);
    assert!(!put(true, Some(&row), json!({})).expect("allowed").by_roles);
    assert!(put(true, Some(&row), json!({"enableRbacAuthorization": true})).expect("allowed").by_roles);
}

#[test]
fn a_vault_does_not_move() {
    let mut row = put(true, None, json!({})).expect("allowed");
    row.location = "swedencentral".into();
    let refused = put(true, Some(&row), json!({})).expect_err("it lies elsewhere");
    assert_eq!(refused.code, "InvalidResourceLocation");
}

#[test]
fn a_name_keeps_the_rule_and_is_no_host_of_ours() {
    for name in ["abc", "Contoso-CK-EX-NA-VaultA1", "a1-b2"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in
        ["", "ab", "1abc", "abc-", "a--b", "a_b", "login", "Management", "graph", &"a".repeat(25), "a.b"]
    {
        assert!(check_name(name).is_err(), "{name}");
    }
}
