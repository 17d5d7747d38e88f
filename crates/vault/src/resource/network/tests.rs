//! What is a rule, and whom the rules let in.

use super::*;

fn rules(access: Option<&str>, acls: Value) -> Result<NetworkRules, Refused> {
    let sent = if acls.is_null() { None } else { Some(serde_json::from_value(acls).expect("rules")) };
    NetworkRules::default().changed(access, sent)
}

fn deny(addresses: &[&str]) -> NetworkRules {
    let list: Vec<Value> = addresses.iter().map(|value| json!({ "value": value })).collect();
    rules(None, json!({ "defaultAction": "Deny", "ipRules": list })).expect("rules")
}

fn somebody() -> ApplicationId {
    ApplicationId::from_random([1; 16])
}

fn lets_in(rules: &NetworkRules, from: &str) -> bool {
    rules.check(Some(from.parse().expect("an address")), somebody()).is_ok()
}

#[test]
fn a_block_begins_at_its_first_address() {
    for (text, shown) in [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("128.0.0.0/1", "128.0.0.0/1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ] {
        assert_eq!(text.parse::<Block>().expect(text).to_string(), shown);
    }
    for text in [
        "",
        "/",
        "203.0.113.7/",
        "203.0.113.7/24",
        "203.0.113.0/33",
        "203.0.113.0/-1",
        "203.0.113.0/+8",
        "203.0.113.0/024/1",
        "203.0.113",
        "203.0.113.256",
        "0x7f.1",
        "*",
        "1.2.3.4-1.2.3.9",
        "::1/64",
        "2001:db8::/129",
        "::ffff:203.0.113.7",
        "203.0.113.0/99999999999",
        " 203.0.113.7",
    ] {
        assert_eq!(text.parse::<Block>(), Err(NotABlock), "{text}");
    }
}

#[test]
fn a_firewall_lets_in_whom_it_names() {
    let rules = deny(&["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"]);
    for (from, expected) in [
        ("203.0.113.0", true),
        ("203.0.113.255", true),
        ("203.0.112.255", false),
        ("203.0.114.0", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("::ffff:198.51.100.7", true),
        ("2001:db8::5", true),
        ("2001:db9::5", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(lets_in(&rules, from), expected, "{from}");
    }
    assert_eq!(rules.check(None, somebody()), Err(Shut::Firewall), "an address that is not known");
    assert!(lets_in(&deny(&["0.0.0.0/0"]), "255.255.255.255"));
    assert!(!lets_in(&deny(&["0.0.0.0/0"]), "::1"), "one kind of address is not the other");
    assert!(!lets_in(&deny(&[]), "203.0.113.7"));
}

#[test]
fn as_long_as_nothing_denies_everybody_comes_in() {
    for open in [
        NetworkRules::default(),
        rules(Some("enabled"), json!({"defaultAction": "allow", "ipRules": [{"value": "203.0.113.7"}]}))
            .expect("rules"),
        rules(None, json!({"bypass": "None"})).expect("rules"),
    ] {
        assert!(open.check(None, somebody()).is_ok(), "{open:?}");
    }
}

#[test]
fn public_access_that_is_off_shuts_out_whom_the_firewall_names() {
    let rules =
        rules(Some("DISABLED"), json!({"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}]}));
    let from = Some("203.0.113.7".parse().expect("an address"));
    assert_eq!(rules.expect("rules").check(from, somebody()), Err(Shut::Connection));
}

#[test]
fn only_customer_keys_applications_are_trusted_and_only_if_the_vault_says_so() {
    for access in ["Enabled", "Disabled"] {
        for (bypass, expected) in
            [(json!("AzureServices"), true), (json!(null), true), (json!("None"), false)]
        {
            let acls = json!({"bypass": bypass, "defaultAction": "Deny"});
            let rules = rules(Some(access), acls).expect("rules");
            for application in TRUSTED {
                let application = application.parse().expect("an id");
                assert_eq!(rules.check(None, application).is_ok(), expected, "{access} {bypass}");
            }
            assert!(rules.check(None, somebody()).is_err());
        }
    }
    let off = rules(Some("Disabled"), Value::Null).expect("rules");
    assert_eq!(
        off.check(None, TRUSTED[0].parse().expect("an id")),
        Err(Shut::Connection),
        "nothing was said"
    );
}

#[test]
fn what_is_no_rule_is_refused() {
    let subnet = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    for bad in [
        json!({"bypass": "Everybody"}),
        json!({"defaultAction": "maybe"}),
        json!({"ipRules": [{"value": "203.0.113.7"}]}),
        json!({"virtualNetworkRules": [{"id": subnet}]}),
        json!({"defaultAction": "Deny", "ipRules": [{"value": "everywhere"}]}),
        json!({"defaultAction": "Deny", "ipRules": vec![json!({"value": "203.0.113.7"}); MOST_ADDRESSES + 1]}),
        json!({"defaultAction": "Deny", "virtualNetworkRules": vec![json!({"id": subnet}); MOST_SUBNETS + 1]}),
        json!({"defaultAction": "Deny", "virtualNetworkRules": [{"id": "subnet"}]}),
        json!({"defaultAction": "Deny", "virtualNetworkRules": [{"id": "/\r\n"}]}),
        json!({"defaultAction": "Deny", "virtualNetworkRules": [{"id": format!("/{}", "x".repeat(LONGEST_SUBNET))}]}),
    ] {
        assert_eq!(rules(None, bad.clone()).expect_err("no rules").status, 400, "{bad}");
    }
    assert!(rules(Some("SecuredByPerimeter"), Value::Null).is_err());
    assert!(rules(None, json!({"defaultAction": "Deny", "virtualNetworkRules": [{"id": subnet}]})).is_ok());
}

#[test]
fn what_is_not_said_stays() {
    let old = rules(Some("Disabled"), json!({"defaultAction": "Deny"})).expect("rules");
    assert_eq!(old.changed(None, None).expect("rules"), old);
    let mut shown = json!({});
    old.show(&mut shown);
    assert_eq!(
        shown,
        json!({"publicNetworkAccess": "Disabled", "networkAcls": {"bypass": "AzureServices",
            "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}})
    );
    let row = serde_json::to_value(&old).expect("a row");
    assert_eq!(serde_json::from_value::<NetworkRules>(row).expect("a row"), old);
}

#[test]
fn what_a_body_does_not_name_stays_as_it_was() {
    let closed = deny(&["203.0.113.0/24"]);
    for sent in [json!({}), json!({ "bypass": "None" }), json!({ "virtualNetworkRules": [] })] {
        let sent = serde_json::from_value(sent).expect("rules");
        let still = closed.changed(None, Some(sent)).expect("rules");
        assert!(lets_in(&still, "203.0.113.7") && !lets_in(&still, "198.51.100.1"));
    }
    let sent = serde_json::from_value(json!({ "ipRules": [] })).expect("rules");
    assert!(!lets_in(&closed.changed(None, Some(sent)).expect("rules"), "203.0.113.7"));
    let sent = serde_json::from_value(json!({ "defaultAction": "Allow" })).expect("rules");
    assert!(lets_in(&closed.changed(None, Some(sent)).expect("rules"), "198.51.100.1"));
}
