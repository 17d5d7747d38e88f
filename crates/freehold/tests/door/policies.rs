//! Policies over the API: made, assigned, in force; and a customer's refusal told as what it is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Customer, World};

async fn policy(world: &World, contoso: &Customer, keys: &[String; 2]) -> Value {
    let settings = json!({ "boundSeconds": 2 });
    let new = json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": keys, "settings": settings });
    world.post(&format!("/v1/tenants/{}/policies", contoso.id), &contoso.token, new).await.good()
}

#[tokio::test]
async fn a_policy_is_made_assigned_and_in_force_and_a_refusal_of_the_customer_is_told_as_one() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let at = |path: &str| format!("/v1/tenants/{}{path}", contoso.id);
    let keys = world.keys(&contoso).await;
    let made = policy(&world, &contoso, &keys).await;
    assert_eq!((&made["state"], &made["settings"]["preset"]), (&json!("active"), &json!("outage-only")));
    let mailbox = json!({ "kind": "mailbox", "name": "alice@contoso.com" });
    let mailbox = world.post(&at("/containers"), &contoso.token, mailbox).await.good();
    let place = at(&format!("/containers/{}", mailbox["id"].as_str().expect("an id")));
    let before = world.get(&format!("{place}/standing"), &contoso.token).await.good();
    assert_eq!(before["providerManaged"], json!(true));
    let assigned = json!({ "policyId": made["id"] });
    world.call(Method::PUT, &format!("{place}/policy"), &contoso.token, Some(assigned)).await.good();
    for path in [format!("{place}/policy"), at("/assignments/multi-workload")] {
        let silent = world.call(Method::PUT, &path, &contoso.token, Some(json!({}))).await;
        silent.refused("FH3001");
        assert!(
            silent.body["detail"].as_str().is_some_and(|why| why.contains("policyId")),
            "{}",
            silent.body
        );
    }
    let standing = world.get(&format!("{place}/standing"), &contoso.token).await.good();
    assert_eq!(standing["assignedPolicyId"], made["id"], "a body that does not say takes nothing away");
    let after = world.post(&format!("{place}/rewrap"), &contoso.token, json!({})).await.good();
    assert_eq!((&after["effectivePolicyId"], &after["pending"]), (&made["id"], &json!(false)));
    let layers = world.get(&format!("{place}/layers"), &contoso.token).await.good();
    assert_eq!(layers["roots"].as_array().map(Vec::len), Some(3));

    let letter = "Subject: Quarter\r\nFrom: a@b.c\r\n\r\nhello\r\n";
    let put = world.http.post(format!("{}{place}/objects", world.base)).bearer_auth(&contoso.token);
    let put = put.header("content-type", "message/rfc822").body(letter);
    let put = put.header("content-disposition", "attachment; filename*=UTF-8''inbox%2F1.eml");
    let object = world.send(put).await.good();
    let content = format!("{place}/objects/{}/content", object["id"].as_str().expect("an id"));
    let read = world.http.get(format!("{}{content}", world.base)).bearer_auth(&contoso.token);
    assert_eq!(read.send().await.expect("an answer").text().await.expect("text"), letter);

    // The longest name there is, percent-encoded threefold, beside as much as a directory's longest tokens have.
    let name = format!("attachment; filename*=UTF-8''{}", "%C3%BC".repeat(2048));
    let put = world.http.post(format!("{}{place}/objects", world.base)).bearer_auth(&contoso.token);
    let put = put.header("content-disposition", &name).header("x-filler", "a".repeat(14_000)).body("x");
    assert_eq!(world.send(put).await.good()["size"], json!(1));

    for key in &keys {
        world.revoke(&contoso, key).await;
    }
    // The bound is two seconds: until then a lease of before may serve.
    let mut refused = world.get(&content, &contoso.token).await;
    for _ in 0..40 {
        if refused.status.as_u16() == 403 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        refused = world.get(&content, &contoso.token).await;
    }
    refused.refused("FH1001");
    assert_eq!(refused.body["policyId"], made["id"]);
    let health = world.get(&at("/health"), &contoso.token).await.good();
    let ours =
        health["policies"].as_array().expect("policies").iter().find(|one| one["policyId"] == made["id"]);
    assert_eq!(ours.expect("the policy")["answer"], json!("refused-by-customer"), "{health}");
    let ready = world.get("/ready", "").await.good();
    assert_eq!(ready["status"], json!("ready"));
    assert_eq!((&ready["policiesRefusedByCustomer"], &ready["policiesInOutage"]), (&json!(1), &json!(0)));
    world.end().await;
}

#[tokio::test]
async fn one_request_id_goes_through_all_three_parties() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let keys = world.keys(&contoso).await;
    let request = "5eed0000-0000-4000-8000-00000000cafe";
    let new = json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": keys });
    let call = world.http.post(format!("{}/v1/tenants/{}/policies", world.base, contoso.id));
    let made = world.send(call.bearer_auth(&contoso.token).header("x-request-id", request).json(&new)).await;
    assert_eq!(made.headers["x-request-id"], request);
    made.good();
    let records =
        world.get(&format!("/v1/tenants/{}/audit?limit=500", contoso.id), &contoso.token).await.good();
    let ours = records["records"].as_array().expect("records").iter();
    assert!(ours.filter(|record| record["body"]["requestId"] == json!(request)).count() > 5);
    // The vaults' own logs, as they lie in their stores.
    let (vault, provider) =
        (world.lab.layout.vault_database(), world.lab.layout.availability_vault_database());
    for database in [vault, provider] {
        let bytes: Vec<u8> = ["", "-wal"]
            .iter()
            .flat_map(|end| {
                let mut path = database.clone().into_os_string();
                path.push(end);
                std::fs::read(path).unwrap_or_default()
            })
            .collect();
        assert!(
            bytes.windows(request.len()).any(|window| window == request.as_bytes()),
            "{}",
            database.display()
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_key_outside_the_allowed_domains_is_refused_before_anybody_is_called() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let path = format!("/v1/tenants/{}/policies", contoso.id);
    let good = "https://contoso-b.vault.localhost/keys/mail";
    for bad in [
        "https://contoso-a.vault.evil.example/keys/mail",
        "http://contoso-a.vault.localhost/keys/mail",
        "https://127.0.0.1/keys/mail",
        "https://user@contoso-a.vault.localhost/keys/mail",
        "https://contoso-a.vault.localhost:8443/keys/mail",
        "https://contoso-a.vault.localhost/keys/mail?x=1",
        "",
    ] {
        let new = json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": [bad, good] });
        let refused = world.post(&path, &contoso.token, new).await;
        refused.refused("FH3001");
        assert!(
            refused.body["detail"].as_str().is_some_and(|why| why.starts_with("keyIdentifiers[0]: ")),
            "{bad}"
        );
    }
    let managed = json!({ "kind": "provider-managed", "name": "Mine", "keyIdentifiers": [good, good] });
    world.post(&path, &contoso.token, managed).await.refused("FH3001");
    let settings = json!({ "boundSeconds": 1 });
    let new =
        json!({ "kind": "mailbox", "name": "Mail", "keyIdentifiers": [good, good], "settings": settings });
    let refused = world.post(&path, &contoso.token, new).await;
    assert!(refused.body["detail"].as_str().is_some_and(|why| why.contains("2 to 900")), "{}", refused.body);
    world.end().await;
}

#[tokio::test]
async fn a_policy_works_on_keys_under_the_names_of_the_public_cloud() {
    let world = World::under_public_names().await;
    let contoso = world.customer("contoso").await;
    let keys = world.keys(&contoso).await;
    assert!(keys.iter().all(|key| key.contains(".vault.azure.net/keys/mail/")), "{keys:?}");
    let made = policy(&world, &contoso, &keys).await;
    assert_eq!(made["state"], json!("active"));
    let at = |path: &str| format!("/v1/tenants/{}{path}", contoso.id);
    let mailbox = json!({ "kind": "mailbox", "name": "alice@contoso.com" });
    let mailbox = world.post(&at("/containers"), &contoso.token, mailbox).await.good();
    let place = at(&format!("/containers/{}", mailbox["id"].as_str().expect("an id")));
    let assigned = json!({ "policyId": made["id"] });
    world.call(Method::PUT, &format!("{place}/policy"), &contoso.token, Some(assigned)).await.good();
    let after = world.post(&format!("{place}/rewrap"), &contoso.token, json!({})).await.good();
    assert_eq!((&after["effectivePolicyId"], &after["pending"]), (&made["id"], &json!(false)));
    world.end().await;
}
