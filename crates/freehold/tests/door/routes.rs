//! Every route of the document, asked by nobody, by the operator, and by another tenant's administrator.

use freehold::door;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Every operation of the document: method, path, and whether it needs a token.
fn operations() -> Vec<(Method, String, bool)> {
    let document: Value = serde_json::from_str(&door::openapi_text()).expect("JSON");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if let Ok(method) = method.to_uppercase().parse::<Method>() {
                let standard = ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"].contains(&method.as_str());
                if standard {
                    all.push((method, path.clone(), operation["security"].is_array()));
                }
            }
        }
    }
    assert!(all.len() > 25, "{}", all.len());
    all
}

/// A path with ids of nothing, below a tenant.
fn filled(path: &str, tenant: &str) -> String {
    let nothing = "00000000-0000-4000-8000-000000000000";
    let path = path.replace("{tenant}", tenant).replace("{kind}", "multi-workload");
    path.split('/')
        .map(|segment| if segment.starts_with('{') { nothing } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(world: &World, method: &Method, path: &str, token: Option<&str>) -> crate::world::Answer {
    let mut request = world.http.request(method.clone(), format!("{}{path}", world.base));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if *method == Method::POST || *method == Method::PUT {
        request = request.json(&body(path));
    }
    world.send(request).await
}

/// A body that the route takes, so that nothing but who asks can be wrong.
fn body(path: &str) -> Value {
    if path.ends_with("/invitations") {
        json!({ "roles": ["reader"] })
    } else if path.ends_with("/policies") {
        let keys = ["https://a.vault.localhost/keys/k", "https://b.vault.localhost/keys/k"];
        json!({ "kind": "mailbox", "name": "x", "keyIdentifiers": keys })
    } else if path.ends_with("/containers") || path.ends_with("/containers/find") {
        json!({ "kind": "mailbox", "name": "a@b.c" })
    } else if path.ends_with("/objects/find") {
        json!({ "name": "x" })
    } else if path.contains("/assignments/") || path.ends_with("/policy") {
        json!({ "policyId": null })
    } else if path.ends_with("/enrolment") {
        json!({ "credential": "fhin_x" })
    } else if path.ends_with("/tenants") {
        json!({ "name": "x", "directoryId": "00000000-0000-4000-8000-000000000000" })
    } else {
        json!({})
    }
}

#[tokio::test]
async fn only_health_answers_without_a_token() {
    let world = World::new().await;
    for (method, path, secured) in operations() {
        let answer = ask(&world, &method, &filled(&path, "00000000-0000-4000-8000-000000000000"), None).await;
        if path == "/health/live" || path == "/ready" {
            assert!(!secured && answer.status.is_success(), "{method} {path}: {}", answer.body);
        } else {
            assert!(secured, "{method} {path} says that it needs no token");
            assert_eq!(answer.code(), "FH3002", "{method} {path}: {} {}", answer.status, answer.body);
        }
    }
    for path in ["/", "/v1", "/nothing", "/health", "/openapi.json"] {
        assert_eq!(ask(&world, &Method::GET, path, None).await.code(), "FH3002", "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn another_tenant_hears_on_every_route_what_it_hears_of_a_tenant_that_does_not_exist() {
    let world = World::new().await;
    let (contoso, fabrikam) = (world.customer("contoso").await, world.customer("fabrikam").await);
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let mut asked = 0;
    for (method, path, _) in operations().into_iter().filter(|(_, path, _)| path.contains("{tenant}")) {
        // What the operator alone may ask is forbidden to everybody, whatever tenant it names.
        let code = if path.ends_with("/first-administrator") { "FH3003" } else { "FH3004" };
        let theirs = ask(&world, &method, &filled(&path, &contoso.id), Some(&fabrikam.token)).await;
        let none = ask(&world, &method, &filled(&path, nowhere), Some(&fabrikam.token)).await;
        assert_eq!((theirs.code(), none.code()), (code, code), "{method} {path}: {}", theirs.body);
        let words = |answer: &crate::world::Answer, tenant: &str| {
            answer.body["detail"].as_str().unwrap_or_default().replace(tenant, "T")
        };
        assert_eq!(words(&theirs, &contoso.id), words(&none, nowhere), "{method} {path}");
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
    world.end().await;
}

#[tokio::test]
async fn the_operators_token_opens_nothing_of_a_tenant() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    for (method, path, _) in operations().into_iter().filter(|(_, path, _)| path.contains("{tenant}/")) {
        let answer = ask(&world, &method, &filled(&path, &contoso.id), Some(&world.operator)).await;
        let code = if path.ends_with("/first-administrator") { "FH3005" } else { "FH3004" };
        assert_eq!(answer.code(), code, "{method} {path}: {}", answer.body);
    }
    world.end().await;
}

#[tokio::test]
async fn a_path_or_a_method_that_is_not_served_is_told_so() {
    let world = World::new().await;
    world.get("/v2/tenants", &world.operator).await.refused("FH3004");
    let refused = world.call(Method::DELETE, "/v1/tenants", &world.operator, None).await;
    refused.refused("FH3001");
    assert_eq!((refused.status.as_u16(), &refused.body["status"]), (405, &json!(405)));
    let allowed = refused.headers["allow"].to_str().expect("text");
    assert!(allowed.contains("GET") && allowed.contains("POST") && !allowed.contains("DELETE"), "{allowed}");
    let served = world.get("/openapi.json", &world.operator).await.good();
    let known: Value = serde_json::from_str(&door::openapi_text()).expect("JSON");
    assert_eq!(served, known);
    world.end().await;
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if committed != door::openapi_text() {
        let wanted = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        std::fs::write(&wanted, door::openapi_text()).expect("written");
        panic!(
            "docs/openapi.json differs from the routes: look at the difference and copy {} there",
            wanted.display()
        );
    }
}

/// Calls for every value of the document, with the way to it.
fn walk(value: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    see(at, value);
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, field)| walk(field, &format!("{at}/{}", key.replace('/', "~1")), see));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{at}/{index}"), see));
        }
        _ => {}
    }
}

#[test]
fn a_client_can_be_made_of_the_document() {
    let document: Value = serde_json::from_str(&door::openapi_text()).expect("JSON");
    let mut wrong = Vec::new();
    walk(&document, "", &mut |at, value| {
        let says = |what: &str| value.get(what).is_some();
        if value["type"] == "object" && !says("properties") && !says("additionalProperties") {
            wrong.push(format!("{at}: an object of which nothing is said"));
        }
        let binary = at.contains("/content/") && !at.contains("json");
        if binary && value["type"] == "array" {
            wrong.push(format!("{at}: bytes as an array"));
        }
        let pair = value["type"] == "array" && (at.contains("keyIdentifiers") || at.ends_with("/slots"));
        if pair && (value["minItems"] != 2 || value["maxItems"] != 2) {
            wrong.push(format!("{at}: two items, and it does not say so"));
        }
        let there = |to: &str| to.strip_prefix('#').and_then(|to| document.pointer(to)).is_some();
        if let Some(to) = value["$ref"].as_str().filter(|to| !there(to)) {
            wrong.push(format!("{at}: {to} is not there"));
        }
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_operation_has_a_name_its_path_and_the_headers_that_it_bears() {
    let document: Value = serde_json::from_str(&door::openapi_text()).expect("JSON");
    let mut names = std::collections::BTreeSet::new();
    for (method, path, _) in operations() {
        let item = &document["paths"][&path];
        let operation = &item[method.as_str().to_lowercase()];
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} is the name of two");
        assert_eq!(item["parameters"], json!([{ "$ref": "#/components/parameters/RequestId" }]), "{path}");
        let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
        let described: Vec<&str> = parameters
            .iter()
            .filter(|one| one["in"] == "path" && one["required"] == true && one["description"].is_string())
            .filter_map(|one| one["name"].as_str())
            .collect();
        let in_path: Vec<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(described, in_path, "{method} {path}");
        for (status, answer) in operation["responses"].as_object().expect("answers") {
            let headers = &answer["headers"];
            assert!(
                !answer["description"].as_str().unwrap_or_default().is_empty(),
                "{method} {path}: {status}"
            );
            assert!(headers["x-request-id"].is_object(), "{method} {path}: {status}");
            // Whatever is made has a path, but what is told once has none.
            let told_once = answer["content"]["application/json"]["schema"]["$ref"]
                .as_str()
                .is_some_and(|is| is.ends_with("/Invitation"));
            assert_eq!(headers["location"].is_object(), status == "201" && !told_once, "{method} {path}");
        }
    }
}
