//! Who is let in, for every route that the OpenAPI document has: a new route is covered by itself.

use std::collections::BTreeSet;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use futures::stream::poll_fn;
use model::caller::{Identity, Role};
use model::id::TenantId;
use model::refusal::Code;
use serde_json::Value;

use super::world::{Told, World, get, json, person};

/// A route of the document, and the role that it says it needs.
struct Route {
    method: Method,
    path: String,
    role: String,
}

impl Route {
    /// A call whose body nobody may read.
    fn call(&self, ids: [&str; 3]) -> Request<Body> {
        let [tenant, container, object] = ids;
        let path = self.path.replace("{tenant}", tenant).replace("{container}", container);
        let unread = poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
            panic!("the body of a call that is not let in was read")
        });
        Request::builder()
            .method(&self.method)
            .uri(path.replace("{object}", object))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from_stream(unread))
            .expect("a request")
    }
}

fn routes(world: &World) -> Vec<Route> {
    let document = document(world);
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let role = operation["security"][0]["bearer"][0].as_str().expect("a role").to_owned();
            routes.push(Route { method, path: path.clone(), role });
        }
    }
    assert_eq!(routes.len(), 12, "the routes of the contract");
    routes
}

fn document(world: &World) -> Value {
    serde_json::to_value(&world.openapi).expect("JSON")
}

/// A world with something that could be leaked.
async fn inhabited() -> (World, [String; 3]) {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "secret plan.txt", b"the plan".to_vec()).await;
    let ids = [world.contoso.id.to_string(), mailbox.id.to_string(), object.id.to_string()];
    (world, ids)
}

#[tokio::test]
async fn whoever_is_not_of_the_tenant_hears_the_same_as_for_a_tenant_that_is_not() {
    let (world, [tenant, container, object]) = inhabited().await;
    let nowhere = TenantId::from_random([77; 16]).to_string();
    for route in routes(&world) {
        for outsider in [person(&world.fabrikam, Role::Administrator), Identity::Operator] {
            let here = route.call([&tenant, &container, &object]);
            let here = Told::of(world.send(Some(&outsider), here).await).await;
            let there = route.call([&nowhere, &container, &object]);
            let there = Told::of(world.send(Some(&outsider), there).await).await;
            here.refused(Code::NotFound);
            assert_eq!((here.status, &here.headers), (there.status, &there.headers));
            let text = String::from_utf8(here.body.to_vec()).expect("text");
            assert!(text.contains(&tenant), "{text}");
            assert_eq!(
                text.replace(&tenant, &nowhere).as_bytes(),
                there.body,
                "{} {}",
                route.method,
                route.path
            );
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_let_in() {
    let (world, [tenant, container, object]) = inhabited().await;
    for route in routes(&world) {
        let told = Told::of(world.send(None, route.call([&tenant, &container, &object])).await).await;
        told.refused(Code::Unauthenticated);
        assert_eq!(told.header(header::WWW_AUTHENTICATE), "Bearer", "{}", route.path);
    }
}

#[tokio::test]
async fn a_role_that_is_too_small_is_forbidden_and_the_document_says_which_is_needed() {
    let (world, [tenant, container, object]) = inhabited().await;
    let mut roles = BTreeSet::new();
    for route in routes(&world) {
        let auditor = person(&world.contoso, Role::Auditor);
        let told =
            Told::of(world.send(Some(&auditor), route.call([&tenant, &container, &object])).await).await;
        let problem = told.refused(Code::Forbidden);
        assert_eq!(problem.detail, format!("this needs the role {}", route.role), "{}", route.path);
        if route.role == "writer" {
            let reader = person(&world.contoso, Role::Reader);
            let told =
                Told::of(world.send(Some(&reader), route.call([&tenant, &container, &object])).await).await;
            told.refused(Code::Forbidden);
        }
        roles.insert(route.role);
    }
    assert_eq!(roles, ["reader", "writer"].map(String::from).into());
}

#[tokio::test]
async fn a_reader_reads() {
    let (world, [tenant, container, object]) = inhabited().await;
    let reader = person(&world.contoso, Role::Reader);
    for route in routes(&world).iter().filter(|route| route.role == "reader" && route.method == Method::GET) {
        let path = route.path.replace("{tenant}", &tenant).replace("{container}", &container);
        let told = Told::of(world.send(Some(&reader), get(&path.replace("{object}", &object))).await).await;
        assert_eq!(told.status, StatusCode::OK, "{path}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_no_id_is_not_there_and_what_is_no_page_is_refused() {
    let (world, [tenant, container, object]) = inhabited().await;
    for path in [
        format!("/v1/tenants/contoso/containers/{container}"),
        format!("/v1/tenants/{tenant}/containers/alice"),
        format!("/v1/tenants/{tenant}/containers/{container}/objects/1"),
        format!("/v1/tenants/{tenant}/containers/{object}"),
        format!("/v1/tenants/{tenant}/containers/{container}/objects/{container}"),
        format!("/v1/tenants/{tenant}/containers/{object}/objects/{object}/content"),
    ] {
        world.ask(get(&path)).await.refused(Code::NotFound);
    }
    for query in ["after=alice", "limit=-1", "limit=many", "first=1"] {
        let refused =
            world.ask(get(&format!("{}?{query}", world.containers()))).await.refused(Code::BadRequest);
        let field = query.split('=').next().expect("a field");
        assert!(refused.detail.contains(field) || query.starts_with("limit"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_body_of_json_is_read_strictly_and_within_its_bound() {
    let (world, _) = inhabited().await;
    let path = world.containers();
    let post = |body: String| json(Method::POST, &path, body);
    let unknown = r#"{"kind":"mailbox","name":"bob@contoso.com","policy":"x"}"#;
    let refused = world.ask(post(unknown.into())).await.refused(Code::BadRequest);
    assert!(refused.detail.contains("policy"), "{refused:?}");
    for body in ["", "{", "[]", r#"{"kind":"mailbox"}"#, r#"{"kind":"vault","name":"x"}"#] {
        world.ask(post(body.into())).await.refused(Code::BadRequest);
    }
    let long = format!(r#"{{"kind":"mailbox","name":"{}"}}"#, "a".repeat(64 << 10));
    world.ask(post(long.clone())).await.refused(Code::TooLarge);
    world.ask(json(Method::POST, &format!("{path}/find"), long)).await.refused(Code::TooLarge);
    let mut typeless = post(r#"{"kind":"mailbox","name":"bob@contoso.com"}"#.into());
    typeless.headers_mut().remove(header::CONTENT_TYPE);
    world.ask(typeless).await.refused(Code::BadRequest);
}

#[tokio::test]
async fn the_document_names_what_it_uses_and_every_operation_once() {
    let world = World::new().await;
    let document = document(&world);
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.contains("#/components/schemas/Problem"), "{references:?}");
    for reference in &references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert_eq!(operation["tags"], serde_json::json!(["mailboxes and sites"]), "{id}");
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert!(problem.is_object(), "{id}");
            let parameters = operation["parameters"].as_array().expect("parameters");
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let found =
                    parameters.iter().any(|parameter| parameter["name"] == part && parameter["in"] == "path");
                assert!(found, "{id} {part}");
            }
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.insert(reference.clone());
            }
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
