//! Imports: many items in one request, told one by one while it comes, and the same again without harm.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::import::{ImportEnd, ImportLine, ImportOutcome, ImportedItem, begin, broken, end, piece};
use api::{Container, ObjectKind};
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{Request, Response, StatusCode, header};
use futures::channel::mpsc::unbounded;
use futures::{StreamExt, stream};
use model::caller::Role;
use model::refusal::Code;

use super::world::{World, get, noise, person};

const MIB: usize = 1 << 20;

fn item(path: &[u8], kind: ObjectKind, content: &[u8]) -> Vec<u8> {
    let mut bytes = begin(path, kind).to_vec();
    content.chunks(MIB).for_each(|content| bytes.extend_from_slice(&piece(content)));
    bytes.extend_from_slice(&end());
    bytes
}

fn small(number: usize) -> Vec<u8> {
    let message = format!("From: sender{number}@contoso.com\r\nSubject: message {number}\r\n\r\nhello");
    item(format!("inbox/{number}.eml").as_bytes(), ObjectKind::Message, message.as_bytes())
}

fn torn(path: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = item(path, ObjectKind::File, content);
    bytes.truncate(bytes.len() - 4);
    bytes.extend_from_slice(&broken());
    bytes
}

/// The lines of an answer as they come.
struct Lines {
    body: BodyDataStream,
    held: Vec<u8>,
}

impl Lines {
    fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/x-ndjson");
        Self { body: response.into_body().into_data_stream(), held: Vec::new() }
    }

    async fn next(&mut self) -> Option<ImportLine> {
        loop {
            if let Some(at) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).expect("a line"));
            }
            match self.body.next().await {
                Some(bytes) => self.held.extend_from_slice(&bytes.expect("it is not cut")),
                None => {
                    assert!(self.held.is_empty(), "the answer ends after a line");
                    return None;
                }
            }
        }
    }

    async fn item(&mut self) -> ImportedItem {
        match self.next().await {
            Some(ImportLine::Item(item)) => item,
            other => panic!("an item was expected, not {other:?}"),
        }
    }

    async fn all(mut self) -> (BTreeMap<u64, ImportedItem>, ImportEnd) {
        let mut items = BTreeMap::new();
        loop {
            match self.next().await.expect("a line for the end") {
                ImportLine::Item(item) => assert!(items.insert(item.index, item).is_none()),
                ImportLine::End(end) => {
                    assert_eq!(self.next().await, None);
                    return (items, end);
                }
            }
        }
    }
}

async fn import(world: &World, to: &Container, body: Body) -> Lines {
    let request = Request::post(format!("{}/{}/imports", world.containers(), to.id))
        .header(header::CONTENT_TYPE, "application/vnd.freehold.import");
    let request = request.body(body).expect("a request");
    Lines::of(world.send(Some(&person(&world.contoso, Role::Writer)), request).await)
}

/// A body in frames of an odd length, and a fault at the end if it is to be cut.
fn body(bytes: &[u8], cut: bool) -> Body {
    let frames = bytes.chunks(70_001).map(|frame| Ok(Bytes::copy_from_slice(frame)));
    let fault = cut.then(|| Err(io::Error::other("the connection is gone")));
    Body::from_stream(stream::iter(frames.chain(fault).collect::<Vec<_>>()))
}

#[tokio::test]
async fn a_request_that_is_cut_between_two_items_is_told_from_one_that_ends_there() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let request: Vec<u8> = (0..3).flat_map(small).collect();
    let (items, end) = import(&world, &mailbox, body(&request, true)).await.all().await;
    assert_eq!((items.len(), end.summary.imported), (3, 3), "what came is durable");
    assert_eq!(end.stopped.expect("it was cut").code, "FH3001");
    let (_, end) = import(&world, &mailbox, body(&request, false)).await.all().await;
    assert_eq!((end.summary.already_there, end.stopped), (3, None));
}

#[tokio::test]
async fn an_import_takes_what_it_can_and_the_same_again_goes_on() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let large = noise(1, 10 * MIB);
    let mut request: Vec<u8> = (0..150).flat_map(small).collect();
    request.extend(item(b"large.bin", ObjectKind::File, &large));
    request.extend(torn(b"torn.bin", b"half"));
    request.extend((150..300).flat_map(small));
    request.extend(torn(b"torn-large.bin", &noise(2, 5 * MIB)));
    request.extend(item(b"empty.eml", ObjectKind::Message, b""));
    let whole = request.len();
    request.extend(item(b"last.bin", ObjectKind::File, &noise(3, 6 * MIB)));

    let cut = import(&world, &mailbox, body(&request[..whole + 5 * MIB], true)).await;
    let (items, end) = cut.all().await;
    assert_eq!(items.len(), 305);
    let (torn_items, imported): (Vec<_>, Vec<_>) =
        items.values().partition(|item| item.outcome == ImportOutcome::Refused);
    assert!(imported.iter().all(|item| item.outcome == ImportOutcome::Imported && item.object_id.is_some()));
    let indexes: Vec<u64> = torn_items.iter().map(|item| item.index).collect();
    assert_eq!(indexes, [151, 302, 304], "two that were broken and the one that was cut");
    for item in torn_items {
        let problem = item.problem.as_ref().expect("why");
        assert_eq!((problem.code.as_str(), problem.request_id.is_some()), ("FH3001", true));
    }
    assert_eq!(items[&303].mark.as_deref(), Some("empty"));
    let summary = end.summary;
    assert_eq!((summary.imported, summary.marked, summary.already_there, summary.refused), (302, 1, 0, 3));
    let stopped = end.stopped.expect("the request was cut");
    assert!(stopped.code == "FH3001" && stopped.detail.contains("was cut before its end"), "{stopped:?}");
    let object = items[&150].object_id.expect("an object");
    assert!(world.ask(get(&world.content(&mailbox, object))).await.body == large);

    let (again, end) = import(&world, &mailbox, body(&request, false)).await.all().await;
    assert_eq!(end.stopped, None);
    let summary = end.summary;
    assert_eq!((summary.imported, summary.already_there, summary.refused), (1, 302, 2));
    for (index, item) in &again {
        let same = item.object_id == items[index].object_id;
        match (*index, item.outcome) {
            (151 | 302, ImportOutcome::Refused) | (304, ImportOutcome::Imported) => {}
            (_, ImportOutcome::AlreadyThere) => assert!(same, "{index}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_answer_comes_while_the_request_is_still_open() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let (sender, frames) = unbounded();
    let send = |bytes: Vec<u8>| sender.unbounded_send(Ok::<_, io::Error>(Bytes::from(bytes))).expect("open");
    let mut lines = import(&world, &mailbox, Body::from_stream(frames)).await;
    for number in 0..128 {
        send(small(number));
    }
    for index in 0..128 {
        let item = lines.item().await;
        assert_eq!((item.index, item.outcome), (index, ImportOutcome::Imported));
        let object = item.object_id.expect("an object");
        assert_eq!(world.ask(get(&world.content(&mailbox, object))).await.status, StatusCode::OK);
    }
    send(small(128));
    drop(sender);
    assert_eq!(lines.item().await.index, 128);
    assert!(matches!(lines.next().await, Some(ImportLine::End(_))));
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_running_and_what_it_was_told_is_there() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let (sender, frames) = unbounded();
    let mut lines = import(&world, &mailbox, Body::from_stream(frames)).await;
    for number in 0..140 {
        sender.unbounded_send(Ok::<_, io::Error>(Bytes::from(small(number)))).expect("open");
    }
    let told = lines.item().await;
    drop(lines);
    assert!(sender.is_closed(), "nobody holds the request any more");
    let all: Vec<u8> = (0..140).flat_map(small).collect();
    let (items, end) = import(&world, &mailbox, body(&all, false)).await.all().await;
    assert_eq!(items[&0].outcome, ImportOutcome::AlreadyThere);
    assert_eq!(items[&0].object_id, told.object_id);
    assert_eq!((end.stopped, end.summary.imported + end.summary.already_there), (None, 140));
}

#[tokio::test]
async fn a_slow_reader_holds_the_import_back_and_it_ends_all_the_same() {
    const ITEMS: u64 = 5000;
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let taken = Arc::new(AtomicU64::new(0));
    let counting = taken.clone();
    let frames = (0..ITEMS as usize).map(move |number| {
        counting.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(Bytes::from(small(number)))
    });
    let mut lines = import(&world, &mailbox, Body::from_stream(stream::iter(frames))).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nothing is read for an answer that nobody takes");
    for index in 0..ITEMS {
        assert_eq!(lines.item().await.index, index);
        let ahead = taken.load(Ordering::Relaxed) - index;
        assert!(ahead < 2000, "{ahead} items were taken before the lines of those before were");
    }
    assert!(matches!(lines.next().await, Some(ImportLine::End(end)) if end.summary.imported == ITEMS));
}

#[tokio::test]
async fn an_item_that_breaks_a_rule_is_refused_alone_however_long_it_is() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let long = vec![b'n'; 4097];
    let paths: [&[u8]; 6] = [b"geheim/../x", b"geheim\0", b"geheim\xff", b"/geheim", b"", &long];
    let mut request = Vec::new();
    for (number, path) in paths.into_iter().enumerate() {
        request.extend(item(path, ObjectKind::File, &noise(4, if number % 2 == 0 { 9 } else { 5 * MIB })));
        request.extend(small(number));
    }
    let (items, end) = import(&world, &mailbox, body(&request, false)).await.all().await;
    assert_eq!((end.summary.imported, end.summary.refused, end.stopped), (6, 6, None));
    for (index, item) in items {
        let expected = if index % 2 == 0 { ImportOutcome::Refused } else { ImportOutcome::Imported };
        assert_eq!(item.outcome, expected, "{index}");
        assert!(!format!("{item:?}").contains("geheim"));
    }
}

#[tokio::test]
async fn an_import_that_is_stopped_says_so_and_lets_the_sender_finish() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    world.cover(mailbox.id).await;
    // The first use brings the mailbox under its policy.
    world.put(&mailbox, "first", b"content".to_vec()).await;
    world.deny().await;
    let taken = Arc::new(AtomicU64::new(0));
    let counting = taken.clone();
    let frames = (0..10).map(move |number| {
        counting.fetch_add(1, Ordering::Relaxed);
        let content = noise(number, MIB);
        Ok::<_, io::Error>(Bytes::from(item(format!("{number}").as_bytes(), ObjectKind::File, &content)))
    });
    let lines = import(&world, &mailbox, Body::from_stream(stream::iter(frames))).await;
    let (items, end) = lines.all().await;
    assert_eq!((items.len(), end.summary), (0, api::import::ImportSummary::default()));
    let stopped = end.stopped.expect("the customer refused");
    assert_eq!((stopped.code.as_str(), stopped.policy_id.is_some()), (Code::RefusedByCustomer.text(), true));
    assert_eq!(taken.load(Ordering::Relaxed), 10, "the rest was taken, so that the last line arrives");
}

#[tokio::test]
async fn what_is_no_import_is_refused() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let post = |path: String, content_type| {
        let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        request.body(Body::from(small(1))).expect("a request")
    };
    let path = format!("{}/{}/imports", world.containers(), mailbox.id);
    world.ask(post(path.clone(), "application/octet-stream")).await.refused(Code::BadRequest);
    let nowhere = path.replace(&mailbox.id.to_string(), &world.contoso.id.to_string());
    world.ask(post(nowhere, "application/vnd.freehold.import")).await.refused(Code::NotFound);

    let request = [small(1), vec![0xff; 100]].concat();
    let (items, end) = import(&world, &mailbox, body(&request, false)).await.all().await;
    assert_eq!((items[&0].outcome, end.summary.imported), (ImportOutcome::Imported, 1));
    assert!(end.stopped.expect("it is no import").detail.starts_with("import: the head of an item"));

    let (items, end) = import(&world, &mailbox, Body::empty()).await.all().await;
    assert_eq!((items.len(), end.stopped), (0, None));
}
