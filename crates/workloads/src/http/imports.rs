//! An import over HTTP: many files in one request, and a line of the answer for each once it is durable.
//!
//! The body of the answer drives everything: whoever reads the next line lets the import go on, which reads the next
//! frame of the request. So nothing is left running when the client goes away, and nothing piles up when it reads
//! slowly. How bytes become parts is `api::import`'s; how items become durable, the engine's.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use api::Problem;
use api::import::{
    IMPORT, ImportEnd, ImportLine, ImportOutcome, ImportSummary, ImportedItem, NDJSON, NotAnImport, Part,
    Reader as Parts,
};
use api::server::Refused;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt, poll_fn};
use model::caller::Caller;
use model::id::{ContainerId, RequestId};
use model::refusal::{Code, Refusal};

use super::content::essence;
use super::objects::marked;
use super::{Http, InContainer, TAG, Writer};
use crate::budget::{Share, WAIT};
use crate::engine::Engine;
use crate::import::{Acknowledged, Item, Outcome, Stopped, Summary};
use crate::object::BLOB;
use crate::source::Content;

/// Bytes of lines that wait to be read; above it no further item is begun.
const MAX_UNREAD: usize = 64 << 10;
/// How much of a request is still taken, and dropped, after the import was stopped; whoever sends hears the last line
/// meanwhile and not a broken connection.
const MAX_AFTER_STOP: usize = 64 << 20;

#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/containers/{container}/imports",
    tag = TAG,
    operation_id = "import",
    summary = "Import many messages and files in one request",
    description = "The body is a sequence of items, framed as spec/http-api.md says. The answer begins at once, and \
                   has one line for each item once it is durable. Read it while you send.",
    params(InContainer),
    request_body(content = inline(api::Bytes), content_type = "application/vnd.freehold.import"),
    responses(
        (
            status = 200,
            description = "One line for each item, and one at the end; without that one the import was cut.",
            body = ImportLine,
            content_type = "application/x-ndjson",
        ),
        (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["writer"])),
)]
pub(super) async fn import(
    Writer(caller, at): Writer<InContainer>,
    State(http): State<Http>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    if essence(&headers).is_none_or(|is| is != IMPORT) {
        return Err(Refusal::new(Code::BadRequest, format!("content-type: expected {IMPORT}")).into());
    }
    http.engine.holder(&caller, at.container).await?;
    let share = http.engine.budget.share(caller.tenant, BLOB, WAIT).await?;
    let headers = [
        (header::CONTENT_TYPE, NDJSON),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut answer = Answer::new(http.engine, caller, at.container, body, share);
    let lines = poll_fn(move |cx| answer.poll_lines(cx).map(|lines| lines.map(Ok::<_, io::Error>)));
    Ok((StatusCode::OK, headers, Body::from_stream(lines)).into_response())
}

/// The body of an answer while its import runs.
struct Answer {
    request: RequestId,
    incoming: Shared<Incoming>,
    lines: Shared<BytesMut>,
    stage: Stage,
}

enum Stage {
    Running(BoxFuture<'static, Result<Summary, Stopped>>),
    /// The last line is told; so many bytes of the request are still taken.
    Told(usize),
}

impl Answer {
    fn new(engine: Engine, caller: Caller, container: ContainerId, body: Body, share: Share) -> Self {
        let request = caller.request;
        let (incoming, lines) = (Shared::new(Incoming::new(body)), Shared::new(BytesMut::new()));
        let items = items(incoming.clone(), lines.clone());
        let told = lines.clone();
        let running = async move {
            let tell = |one: &Acknowledged| put_line(&mut told.lock(), &ImportLine::Item(line(one, request)));
            let _share = share;
            engine.import(&caller, container, items, tell).await
        };
        Self { request, incoming, lines, stage: Stage::Running(Box::pin(running)) }
    }

    /// The next lines; runs the import only when all before were taken.
    fn poll_lines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let ready = self.lines.lock().split().freeze();
            if !ready.is_empty() {
                return Poll::Ready(Some(ready));
            }
            match &mut self.stage {
                Stage::Running(running) => match running.as_mut().poll(cx) {
                    Poll::Ready(ended) => self.end(ended),
                    Poll::Pending if self.lines.lock().is_empty() => return Poll::Pending,
                    Poll::Pending => {}
                },
                Stage::Told(left) => {
                    let dropped = ready!(self.incoming.lock().poll_drop(cx));
                    match dropped.and_then(|dropped| left.checked_sub(dropped)) {
                        Some(less) => *left = less,
                        None => return Poll::Ready(None),
                    }
                }
            }
        }
    }

    /// Writes the last line.
    fn end(&mut self, ended: Result<Summary, Stopped>) {
        let (summary, stopped) = match ended {
            Ok(summary) => (summary, self.incoming.lock().wrong()),
            Err(Stopped { summary, refusal }) => (summary, Some(refusal)),
        };
        if let Some(refusal) = &stopped {
            let (request, code, reason) = (self.request, refusal.code, &refusal.detail);
            tracing::warn!(%request, %code, reason, "an import was stopped");
        }
        let stopped = stopped.map(|refusal| Problem::new(&refusal, Some(self.request)));
        let end = ImportLine::End(ImportEnd { summary: summary.into(), stopped });
        put_line(&mut self.lines.lock(), &end);
        self.stage = Stage::Told(MAX_AFTER_STOP);
    }
}

/// A request as it comes: read by whoever needs the next part, the import or the content of its present item.
struct Incoming {
    body: BodyDataStream,
    parts: Parts,
    /// How many items were begun; the last of them is the present one.
    begun: u64,
    /// Whether the present item has not ended.
    inside: bool,
    /// Nothing more is read, and whether that is right.
    ended: Option<Result<(), NotAnImport>>,
}

impl Incoming {
    fn new(body: Body) -> Self {
        let (body, parts) = (body.into_data_stream(), Parts::default());
        Self { body, parts, begun: 0, inside: false, ended: None }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        while self.ended.is_none() {
            match self.parts.next() {
                Ok(Some(part)) => {
                    self.inside = matches!(part, Part::Begin { .. } | Part::Piece(_));
                    return Poll::Ready(Some(part));
                }
                Ok(None) => match ready!(self.body.poll_next_unpin(cx)) {
                    Some(Ok(bytes)) => self.parts.push(&bytes),
                    Some(Err(_)) => self.ended = Some(Err(NotAnImport::Cut)),
                    None => self.ended = Some(self.parts.finish()),
                },
                Err(wrong) => self.ended = Some(Err(wrong)),
            }
        }
        Poll::Ready(None)
    }

    /// The next item; what nobody wanted of the one before is skipped.
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Vec<u8>, api::ObjectKind)>> {
        loop {
            match ready!(self.poll_part(cx)) {
                Some(Part::Begin { path, kind }) => {
                    self.begun += 1;
                    return Poll::Ready(Some((self.begun, path, kind)));
                }
                Some(Part::Piece(_) | Part::End | Part::Broken) => {}
                None => return Poll::Ready(None),
            }
        }
    }

    /// The next piece of the content of an item; never the end unless the whole of it came.
    fn poll_piece(&mut self, item: u64, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.begun != item {
            return Poll::Ready(Some(Err(io::Error::other("the next item was begun already"))));
        }
        if !self.inside {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.poll_part(cx)) {
            Some(Part::Piece(piece)) => Some(Ok(piece)),
            Some(Part::End) => None,
            Some(Part::Broken) => Some(Err(io::Error::other("the sender could not read it to its end"))),
            Some(Part::Begin { .. }) | None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }

    /// Takes and drops what still comes; how much, or nothing at the end.
    fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        if matches!(self.ended, Some(Ok(()) | Err(NotAnImport::Cut))) {
            return Poll::Ready(None);
        }
        let next = ready!(self.body.poll_next_unpin(cx));
        Poll::Ready(next.and_then(Result::ok).map(|bytes| bytes.len()))
    }

    /// Why the request is no whole import.
    fn wrong(&self) -> Option<Refusal> {
        let wrong = self.ended.and_then(Result::err)?;
        Some(Refusal::new(Code::BadRequest, wrong.to_string()))
    }
}

/// The items of a request; the next one is begun only while few lines wait to be read.
///
/// Whoever takes the lines asks the import again afterwards, so nothing has to be woken here.
fn items(incoming: Shared<Incoming>, lines: Shared<BytesMut>) -> impl Stream<Item = Item> + Send {
    poll_fn(move |cx| {
        if lines.lock().len() >= MAX_UNREAD {
            return Poll::Pending;
        }
        let next = ready!(incoming.lock().poll_item(cx));
        Poll::Ready(next.map(|(number, path, kind)| {
            let incoming = incoming.clone();
            let content = poll_fn(move |cx| incoming.lock().poll_piece(number, cx));
            Item { path, kind: kind.into(), content: Content::Stream(content.boxed()) }
        }))
    })
}

fn line(acknowledged: &Acknowledged, request: RequestId) -> ImportedItem {
    let Acknowledged { index, outcome } = acknowledged;
    let (outcome, object_id, mark, problem) = match outcome {
        Outcome::Imported { object, mark } => (ImportOutcome::Imported, Some(*object), *mark, None),
        Outcome::AlreadyThere { object } => (ImportOutcome::AlreadyThere, Some(*object), None, None),
        Outcome::Refused(refusal) => {
            (ImportOutcome::Refused, None, None, Some(Problem::new(refusal, Some(request))))
        }
    };
    ImportedItem { index: *index, outcome, object_id, mark: mark.map(marked), problem }
}

fn put_line(lines: &mut BytesMut, line: &ImportLine) {
    let text = serde_json::to_vec(line).expect("numbers, ids and strings are always JSON");
    lines.extend_from_slice(&text);
    lines.extend_from_slice(b"\n");
}

impl From<Summary> for ImportSummary {
    fn from(summary: Summary) -> Self {
        let Summary { imported, marked, already_there, refused, .. } = summary;
        Self { imported, marked, already_there, refused }
    }
}

/// One thing that the parts of an answer use in turn, never at once: all of them run in one task.
struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    fn new(it: T) -> Self {
        Self(Arc::new(Mutex::new(it)))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn no_item_is_begun_while_too_many_lines_wait() {
        let request = [api::import::begin(b"a", api::ObjectKind::File), api::import::end()].concat();
        let incoming = Shared::new(Incoming::new(Body::from(request)));
        let lines = Shared::new(BytesMut::zeroed(MAX_UNREAD));
        let mut items = items(incoming, lines.clone());
        assert!(items.next().now_or_never().is_none());
        lines.lock().truncate(MAX_UNREAD - 1);
        assert_eq!(items.next().now_or_never().expect("ready").expect("an item").path, b"a");
    }

    #[test]
    fn a_content_that_was_left_behind_is_never_taken_for_a_whole_one() {
        let item =
            |path| [api::import::begin(path, api::ObjectKind::File), api::import::piece(b"xyz")].concat();
        let request = [&item(b"a")[..], &api::import::end(), &item(b"b")].concat();
        let incoming = Shared::new(Incoming::new(Body::from(request)));
        let mut items = items(incoming, Shared::new(BytesMut::new()));
        let mut content = |path: &[u8]| match items.next().now_or_never().expect("ready").expect("an item") {
            Item { path: found, content: Content::Stream(content), .. } if found == path => content,
            _ => panic!("another item"),
        };
        let (mut first, mut second) = (content(b"a"), content(b"b"));
        assert!(first.next().now_or_never().expect("ready").expect("an end").is_err());
        assert_eq!(second.next().now_or_never().expect("ready").expect("a piece").expect("it came"), "xyz");
        // The request ends here, inside the item.
        assert!(second.next().now_or_never().expect("ready").expect("an end").is_err());
    }
}
