//! The client against servers that answer well, badly, or not to the end.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::{self, StreamExt};
use model::id::{ContainerId, DepId, ObjectId, RequestId, TenantId};
use model::refusal::{Actor, Code, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::import::{self as framing, ImportEnd, ImportLine, ImportOutcome, ImportedItem, Part};
use crate::text;
use crate::{ContainerKind, ContainerName, ObjectKind};
use crate::{Enrolment, NewContainer, NewInvitation, NewPolicy, NewTenant, PolicyKind, PolicySettings, Role};

fn ids() -> (TenantId, ContainerId, ObjectId, DepId) {
    let bytes = [7; 16];
    (
        TenantId::from_random(bytes),
        ContainerId::from_random(bytes),
        ObjectId::from_random(bytes),
        DepId::from_random(bytes),
    )
}

fn client_of(server: impl Into<String>) -> Client {
    let token = Zeroizing::new("a-token".to_owned());
    Client::new(Settings { server: server.into(), roots: None, token }).expect("a client")
}

/// A client of a server that answers every request in the same way.
async fn answering<F, R>(answer: F) -> Client
where
    F: Fn(Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(move |request: Request| answer(request));
    tokio::spawn(async move { axum::serve(listener, router).await });
    client_of(format!("http://localhost:{}", address.port()))
}

/// A client of a server that says these bytes to one connection after the other, and closes it.
async fn saying(answers: Vec<Vec<u8>>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut asked = Vec::new();
            while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                if connection.read_buf(&mut asked).await.expect("a request") == 0 {
                    return;
                }
            }
            connection.write_all(&answer).await.expect("said");
        }
    });
    client_of(format!("http://{address}"))
}

fn problem(refusal: &Refusal) -> Response {
    let body = serde_json::to_string(&Problem::new(refusal, Some(RequestId::from_random([9; 16]))));
    let status = StatusCode::from_u16(refusal.code.status()).expect("a status");
    (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body.expect("JSON")).into_response()
}

fn once(text: &'static str) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
}

#[tokio::test]
async fn every_call_goes_to_its_path_with_the_token_and_hears_why_it_was_refused() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    let client = answering(move |request: Request| {
        assert_eq!(request.headers()["authorization"], "Bearer a-token");
        let path = request.uri().path_and_query().expect("a path").to_string();
        noted.lock().expect("ours").push(format!("{} {path}", request.method()));
        async { problem(&Refusal::new(Code::Forbidden, "not you")) }
    })
    .await;
    let (t, c, o, p) = ids();
    let name = ContainerName { kind: ContainerKind::Site, name: "s".into() };
    let container = NewContainer { kind: ContainerKind::Site, name: "s".into() };
    let tenant = NewTenant {
        name: "Contoso".into(),
        directory_id: model::id::DirectoryId::from_random([1; 16]),
        domains: Vec::new(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let policy = NewPolicy {
        kind: PolicyKind::Mailbox,
        name: "p".into(),
        description: String::new(),
        key_identifiers: ["a".into(), "b".into()],
        settings: PolicySettings::default(),
    };
    let enrolment = Enrolment { credential: "fhin_x".into() };
    let invitation = NewInvitation { roles: vec![Role::Reader] };
    macro_rules! refused {
        ($($call:expr => $path:literal),* $(,)?) => {$(
            let error = $call.await.err().expect("refused");
            let ClientError::Refused(refusal) = &error else { panic!("{error}") };
            assert_eq!((refusal.code, error.actor()), (Code::Forbidden, Actor::Caller));
            assert!(refusal.detail.starts_with("not you [request "), "{refusal}");
            let path = $path.replace("=T", &format!("={t}")).replace("/T", &format!("/v1/tenants/{t}")).replace("/C", &format!("/containers/{c}"));
            let path = path.replace("/O", &format!("/objects/{o}")).replace("/P", &format!("/policies/{p}"));
            assert_eq!(heard.lock().expect("ours").pop(), Some(path));
        )*};
    }
    refused! {
        client.create_tenant(&tenant) => "POST /v1/tenants",
        client.tenants(Some(t)) => "GET /v1/tenants?after=T",
        client.tenant(t) => "GET /T",
        client.invite_first(t) => "POST /T/first-administrator",
        client.enrol(&enrolment) => "POST /v1/enrolment",
        client.people(t) => "GET /T/people",
        client.invite(t, &invitation) => "POST /T/invitations",
        client.remove_person(t, "../a?b") => "DELETE /T/people/..%2Fa%3Fb",
        client.assign_to_tenant(t, PolicyKind::MultiWorkload, Some(p)) => "PUT /T/assignments/multi-workload",
        client.assign_to_tenant(t, PolicyKind::SharePoint, None) => "PUT /T/assignments/share-point",
        client.audit(t, Some(4), Some(10)) => "GET /T/audit?after=4&limit=10",
        client.tenant_health(t) => "GET /T/health",
        client.policies(t) => "GET /T/policies",
        client.create_policy(t, &policy) => "POST /T/policies",
        client.policy(t, p) => "GET /T/P",
        client.refresh_policy(t, p) => "POST /T/P/refresh",
        client.containers(t, None) => "GET /T/containers",
        client.create_container(t, &container) => "POST /T/containers",
        client.find_container(t, &name) => "POST /T/containers/find",
        client.container(t, c) => "GET /T/C",
        client.standing(t, c) => "GET /T/C/standing",
        client.layers(t, c) => "GET /T/C/layers",
        client.assign_to_container(t, c, None) => "PUT /T/C/policy",
        client.rewrap(t, c) => "POST /T/C/rewrap",
        client.objects(t, c, None) => "GET /T/C/objects",
        client.find_objects(t, c, "n") => "POST /T/C/objects/find",
        client.object(t, c, o) => "GET /T/C/O",
        client.put_object(t, c, "n", ObjectKind::File, once("x")) => "POST /T/C/objects",
        client.overwrite_object(t, c, o, None, None, once("x")) => "PUT /T/C/O/content",
        client.delete_object(t, c, o) => "DELETE /T/C/O",
        client.read_object(t, c, o, None) => "GET /T/C/O/content",
        client.import(t, c, stream::empty()) => "POST /T/C/imports",
        client.ready() => "GET /ready",
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_services_is_broken_and_no_redirect_is_followed() {
    let (t, ..) = ids();
    let client = answering(async |request: Request| match request.uri().path() {
        "/elsewhere" => panic!("the redirect was followed"),
        _ => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere"), ("x-request-id", "17")])
            .into_response(),
    })
    .await;
    let error = client.policies(t).await.expect_err("a redirect");
    assert!(matches!(&error, ClientError::Broken { request: Some(id), .. } if id == "17"), "{error}");
    for answer in ["<html>bad gateway</html>", "{}"] {
        let client = answering(move |_: Request| async move {
            (StatusCode::BAD_GATEWAY, [("x-request-id", "17")], answer).into_response()
        })
        .await;
        let error = client.policies(t).await.expect_err("no reason");
        assert_eq!(error.actor(), Actor::Operator);
        assert!(error.to_string().contains("502") && error.to_string().contains("request 17"), "{error}");
    }
    let client = answering(async |_: Request| "{\"policies\": 1}".into_response()).await;
    assert!(matches!(client.policies(t).await, Err(ClientError::Broken { .. })));
}

#[tokio::test]
async fn who_does_not_answer_is_tried_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = client_of(format!("http://{address}")).ready().await.expect_err("nobody");
    assert_eq!(error.actor(), Actor::Time);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn not_ready_is_an_answer() {
    let body = "{\"status\":\"not-ready\",\"ourFault\":[\"it drains\"],\"policiesRefusedByCustomer\":1,\
                \"policiesInOutage\":2,\"policiesOurFault\":0}";
    let client = answering(move |_: Request| async move {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    })
    .await;
    let ready = client.ready().await.expect("an answer");
    assert_eq!((ready.status, ready.policies_in_outage), (crate::ReadyState::NotReady, 2));
}

#[tokio::test]
async fn a_json_answer_that_is_cut_is_no_answer() {
    let (t, ..) = ids();
    let said = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"policies\": []}".to_vec();
    let error = saying(vec![said]).await.policies(t).await.expect_err("cut");
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
}

const CONTENT: &str = "HTTP/1.1 200 OK\r\netag: \"3\"\r\nx-request-id: 17\r\n\
                       content-disposition: attachment; filename*=UTF-8''a%20b\r\n";

async fn all(mut download: Download) -> Result<Vec<u8>, ClientError> {
    let mut content = Vec::new();
    while let Some(piece) = download.next().await? {
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

#[tokio::test]
async fn a_content_that_is_cut_is_an_error_with_the_reason_that_the_service_has() {
    let (t, c, o, _) = ids();
    let cut = format!("{CONTENT}content-length: 100\r\n\r\nhalf").into_bytes();
    let refusal = serde_json::to_string(&Problem::new(&Refusal::new(Code::RefusedByCustomer, "no"), None));
    let refusal = refusal.expect("JSON");
    let why = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\n\r\n{refusal}",
        refusal.len()
    );
    let client = saying(vec![cut.clone(), why.into_bytes()]).await;
    let download = client.read_object(t, c, o, None).await.expect("it begins");
    assert_eq!((download.name.as_str(), download.version, download.range.clone()), ("a b", 3, 0..100));
    let error = all(download).await.expect_err("cut");
    assert!(matches!(&error, ClientError::Refused(why) if why.code == Code::RefusedByCustomer), "{error}");
    // Where the service has no reason to tell, the cut itself is told, with the id to look for.
    let fine = format!("{CONTENT}content-length: 2\r\n\r\n{{}}").into_bytes();
    let client = saying(vec![cut, fine]).await;
    let error = all(client.read_object(t, c, o, None).await.expect("it begins")).await.expect_err("cut");
    assert!(error.to_string().contains("cut before its end") && error.to_string().contains("17"), "{error}");
}

#[tokio::test]
async fn a_content_without_a_promised_length_is_not_begun() {
    let (t, c, o, _) = ids();
    let client = saying(vec![format!("{CONTENT}\r\nall or half?").into_bytes()]).await;
    let error = client.read_object(t, c, o, None).await.expect_err("no promise");
    assert!(error.to_string().contains("how long"), "{error}");
}

#[tokio::test]
async fn a_range_is_the_one_that_was_asked_for() {
    let (t, c, o, _) = ids();
    let part = |range: &str, body: &str| {
        let head = CONTENT.replace("200 OK", "206 Partial Content");
        let len = body.len();
        format!("{head}content-range: bytes {range}\r\ncontent-length: {len}\r\n\r\n{body}").into_bytes()
    };
    let asked = Some(5..=9);
    let download = saying(vec![part("5-9/20", "56789")]).await.read_object(t, c, o, asked.clone()).await;
    let download = download.expect("the range");
    assert_eq!(download.range, 5..10);
    assert_eq!(all(download).await.expect("whole"), b"56789");
    let whole = format!("{CONTENT}content-length: 5\r\n\r\n01234").into_bytes();
    for other in [part("0-4/20", "01234"), part("5-9/20", "5678"), whole] {
        let error = saying(vec![other]).await.read_object(t, c, o, asked.clone()).await.expect_err("another");
        assert!(error.to_string().contains("range"), "{error}");
    }
}

#[tokio::test]
async fn a_content_goes_out_with_its_name_and_a_source_that_fails_leaves_nothing() {
    let (t, c, o, _) = ids();
    let whole = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&whole);
    let client = answering(move |request: Request| {
        let noted = Arc::clone(&noted);
        async move {
            let (head, body) = request.into_parts();
            let name =
                |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
            let told = (name("content-disposition"), name("content-type"), name("if-match"));
            if let Ok(body) = to_bytes(body, 1000).await {
                noted.lock().expect("ours").push((told, body));
            }
            format!("{{\"id\":\"{o}\",\"version\":1,\"size\":5}}").into_response()
        }
    })
    .await;
    let written =
        client.put_object(t, c, "ü;.eml", ObjectKind::Message, once("hello")).await.expect("written");
    assert_eq!((written.id, written.size), (o, 5));
    client.overwrite_object(t, c, o, Some(3), None, once("other")).await.expect("written");
    let heard = std::mem::take(&mut *whole.lock().expect("ours"));
    let (name, kind, _) = &heard[0].0;
    assert_eq!(text::disposed(name.as_deref()).expect("a name"), "ü;.eml".as_bytes());
    assert_eq!((kind.as_deref(), &heard[0].1[..]), (Some("message/rfc822"), &b"hello"[..]));
    assert_eq!((heard[1].0.2.as_deref(), &heard[1].1[..]), (Some("\"3\""), &b"other"[..]));
    let source =
        once("begin").chain(stream::iter([Err(io::Error::new(io::ErrorKind::NotFound, "secret.txt"))]));
    let error = client.put_object(t, c, "n", ObjectKind::File, source).await.expect_err("no source");
    let ClientError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.detail, "content: its source failed (entity not found)");
    assert!(whole.lock().expect("ours").is_empty(), "nothing whole arrived");
}

/// Reads an import and answers each item as soon as it has it.
async fn importing(request: Request) -> Response {
    let (told, lines) = mpsc::unbounded();
    tokio::spawn(async move {
        let (mut body, mut reader) = (request.into_body().into_data_stream(), framing::Reader::default());
        let (mut index, mut content) = (0, Vec::new());
        let line = |line: &ImportLine| serde_json::to_string(line).expect("JSON") + "\n";
        while let Some(Ok(piece)) = body.next().await {
            reader.push(&piece);
            while let Some(part) = reader.next().expect("an import") {
                let outcome = match part {
                    Part::Begin { path, .. } => {
                        content = path;
                        continue;
                    }
                    Part::Piece(piece) => {
                        content.extend_from_slice(&piece);
                        continue;
                    }
                    Part::End => ImportOutcome::Imported,
                    Part::Broken => ImportOutcome::Refused,
                };
                let mark =
                    Some(format!("{} {}", content.len(), content.iter().map(|b| u64::from(*b)).sum::<u64>()));
                let item = ImportedItem { index, outcome, object_id: None, mark, problem: None };
                let _ = told.unbounded_send(line(&ImportLine::Item(item)));
                index += 1;
            }
        }
        reader.finish().expect("whole");
        let end = ImportEnd { summary: crate::import::ImportSummary::default(), stopped: None };
        let _ = told.unbounded_send(line(&ImportLine::End(end)));
    });
    let lines = lines.map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, framing::NDJSON)], Body::from_stream(lines)).into_response()
}

fn item(path: &[u8], pieces: Vec<io::Result<Bytes>>) -> ImportItem {
    ImportItem { path: path.to_vec(), kind: ObjectKind::File, content: stream::iter(pieces).boxed() }
}

#[tokio::test]
async fn an_item_is_sent_when_the_one_before_was_answered() {
    let (t, c, ..) = ids();
    let client = answering(importing).await;
    let (give, items) = mpsc::unbounded();
    let mut import = client.import(t, c, items).await.expect("it begins");
    for index in 0..5 {
        give.unbounded_send(item(b"p", vec![Ok(Bytes::from_static(b"content"))])).expect("taken");
        // Nothing more is sent before this line has come: both directions are open at once.
        let Some(ImportLine::Item(told)) = import.next().await.expect("a line") else { panic!("no item") };
        assert_eq!((told.index, told.outcome), (index, ImportOutcome::Imported));
    }
    drop(give);
    assert!(matches!(import.next().await, Ok(Some(ImportLine::End(_)))));
    assert_eq!(import.next().await, Ok(None));
}

#[tokio::test]
async fn items_of_any_size_arrive_whole_and_one_that_cannot_be_read_is_refused_alone() {
    let (t, c, ..) = ids();
    let client = answering(importing).await;
    let large = Bytes::from(vec![3; 3 * framing::MAX_PIECE + 5]);
    let torn = io::Error::other("gone");
    let items = [
        item(b"large", vec![Ok(large.clone()), Ok(Bytes::new()), Ok(large.clone())]),
        item(b"torn", vec![Ok(Bytes::from_static(b"x")), Err(torn), Ok(Bytes::from_static(b"y"))]),
        item(&[0xff; 20_000], vec![Ok(large)]),
        item(b"empty", Vec::new()),
    ];
    let mut import = client.import(t, c, stream::iter(items)).await.expect("it begins");
    let mut told = Vec::new();
    while let Some(line) = import.next().await.expect("a line") {
        if let ImportLine::Item(item) = line {
            told.push((item.outcome, item.mark.expect("a sum")));
        }
    }
    let sum = |path: &[u8], content: u64| {
        let sum = path.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 3 * content;
        format!("{} {sum}", path.len() as u64 + content)
    };
    assert_eq!(told[0], (ImportOutcome::Imported, sum(b"large", 2 * (3 * framing::MAX_PIECE as u64 + 5))));
    assert_eq!(told[1].0, ImportOutcome::Refused);
    assert_eq!(told[2], (ImportOutcome::Imported, sum(&[0xff; 5 << 10], 0)), "longer than any service takes");
    assert_eq!((told[3].clone(), told.len()), ((ImportOutcome::Imported, sum(b"empty", 0)), 4));
}

#[tokio::test]
async fn an_import_without_its_last_line_was_cut() {
    let (t, c, ..) = ids();
    let line = "{\"index\":0,\"outcome\":\"refused\"}\n";
    let client = answering(move |_: Request| async move { line.into_response() }).await;
    let mut import = client.import(t, c, stream::empty()).await.expect("it begins");
    assert!(matches!(import.next().await, Ok(Some(ImportLine::Item(_)))));
    let error = import.next().await.expect_err("cut");
    assert!(error.to_string().contains("goes on from there"), "{error}");
    let long = answering(async |_: Request| "x".repeat(2 * super::import::MAX_LINE).into_response()).await;
    let mut import = long.import(t, c, stream::empty()).await.expect("it begins");
    assert!(matches!(import.next().await, Err(ClientError::Broken { .. })));
}

#[test]
fn a_token_is_one_word_and_is_shown_nowhere() {
    let settings = |token: &str| Settings {
        server: "https://freehold.example".into(),
        roots: Some(Arc::new(RootCertStore::empty())),
        token: Zeroizing::new(token.into()),
    };
    for wrong in ["", "two words", "a\nb", "ü\u{0}"] {
        assert!(matches!(Client::new(settings(wrong)), Err(NoClient::Token)), "{wrong:?}");
    }
    let client = Client::new(settings("fhop_secret")).expect("a client");
    let shown = format!("{client:?} {:?} {:?}", settings("fhop_secret"), client.token);
    assert!(!shown.contains("secret"), "{shown}");
}
