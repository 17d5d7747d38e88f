//! Objects over HTTP: listed, found by name, written, shown and deleted; their content is `content.rs`'s.

use api::server::{Asked, Body, Refused, answer};
use api::{FoundObjects, ObjectDetails, ObjectKind, ObjectName, ObjectPage, Paging, Problem, StoredObject};
use api::{WrittenObject, text};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::id::RequestId;

use super::content::{entity_tag, essence, expected, header_text, streamed};
use super::{Http, InContainer, InObject, Reader, TAG, Writer};
use crate::list::{MAX_OBJECTS, Page};
use crate::mail::Mark;
use crate::name::Name;
use crate::object::{Details, Entry, Kind};
use crate::write::{Put, Written};

#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/containers/{container}/objects",
    tag = TAG,
    operation_id = "listObjects",
    summary = "List the objects of a mailbox or a site, in the order in which they came",
    params(InContainer, Paging),
    responses((status = 200, description = "A page, at most 200 of them.", body = ObjectPage), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn list(
    Reader(caller, at): Reader<InContainer>,
    Asked(paging): Asked<Paging>,
    State(http): State<Http>,
) -> Result<Response, Refused> {
    let limit = paging.limit.unwrap_or(MAX_OBJECTS);
    let Page { entries, damaged, next } =
        http.engine.list(&caller, at.container, paging.start()?, limit).await?;
    Ok(answer(StatusCode::OK, &ObjectPage { objects: all_shown(entries, caller.request), damaged, next }))
}

#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/containers/{container}/objects",
    tag = TAG,
    operation_id = "createObject",
    summary = "Write a message or a file",
    description = "The body is the content, streamed. `content-type: message/rfc822` makes a message, anything else \
                   a file. The object is there whole or not at all.",
    params(
        InContainer,
        ("content-disposition" = String, Header, description = "attachment; filename*=UTF-8''PERCENT-ENCODED-NAME"),
    ),
    request_body(content((inline(api::Bytes) = "message/rfc822"), (inline(api::Bytes) = "application/octet-stream"))),
    responses(
        (
            status = 201,
            description = "It is durable.",
            body = WrittenObject,
            headers(
                ("location" = String, description = "Its path."),
                ("etag" = String, description = "Its version, in quotes."),
            ),
        ),
        (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["writer"])),
)]
pub(super) async fn create(
    Writer(caller, at): Writer<InContainer>,
    State(http): State<Http>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Refused> {
    let name = text::disposed(header_text(&headers, &header::CONTENT_DISPOSITION)?)?;
    let kind = if essence(&headers).is_some_and(|is| is == ObjectKind::Message.media_type()) {
        Kind::Message
    } else {
        Kind::File
    };
    let put = Put { name: Name::from_bytes(&name)?, kind, content: streamed(body) };
    let written = http.engine.put(&caller, at.container, put).await?;
    let location = format!("/v1/tenants/{}/containers/{}/objects/{}", at.tenant, at.container, written.id);
    let headers = [(header::LOCATION, location), (header::ETAG, entity_tag(written.version))];
    Ok((headers, answer(StatusCode::CREATED, &WrittenObject::from(written))).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/containers/{container}/objects/find",
    tag = TAG,
    operation_id = "findObjects",
    summary = "Find the objects that bear a name",
    params(InContainer),
    request_body = ObjectName,
    responses((status = 200, description = "They; at most 200 of them.", body = FoundObjects), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn find(
    Reader(caller, at): Reader<InContainer>,
    State(http): State<Http>,
    Body(wanted): Body<ObjectName>,
) -> Result<Response, Refused> {
    let found = http.engine.find(&caller, at.container, &Name::parse(&wanted.name)?).await?;
    Ok(answer(StatusCode::OK, &FoundObjects { objects: all_shown(found, caller.request) }))
}

#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/containers/{container}/objects/{object}",
    tag = TAG,
    operation_id = "getObject",
    summary = "Show an object without its content",
    params(InObject),
    responses((status = 200, description = "The object.", body = StoredObject), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn show(
    Reader(caller, at): Reader<InObject>,
    State(http): State<Http>,
) -> Result<Response, Refused> {
    let entry = http.engine.object(&caller, at.container, at.object).await?;
    Ok(answer(StatusCode::OK, &shown(entry, caller.request)))
}

#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/containers/{container}/objects/{object}",
    tag = TAG,
    operation_id = "deleteObject",
    summary = "Delete an object with its content; it needs no key",
    params(
        InObject,
        ("if-match" = Option<String>, Header, description = "Deletes this version alone: its entity tag, or `*`."),
    ),
    responses((status = 204, description = "It is gone."), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["writer"])),
)]
pub(super) async fn delete(
    Writer(caller, at): Writer<InObject>,
    State(http): State<Http>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    http.engine.delete(&caller, at.container, at.object, expected(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn all_shown(entries: Vec<Entry>, request: RequestId) -> Vec<StoredObject> {
    entries.into_iter().map(|entry| shown(entry, request)).collect()
}

/// An object as it travels; why its details do not open is told under the id of the call.
fn shown(entry: Entry, request: RequestId) -> StoredObject {
    let Entry { id, kind, version, size, created, changed, details } = entry;
    let (details, problem) = match details {
        Ok(details) => (Some(details.into()), None),
        Err(refusal) => (None, Some(Problem::new(&refusal, Some(request)))),
    };
    let (kind, created, changed) = (kind.into(), created.into(), changed.into());
    StoredObject { id, kind, version, size, created, changed, details, problem }
}

impl From<Details> for ObjectDetails {
    fn from(details: Details) -> Self {
        let Details { name, subject, from, sent, mark } = details;
        let name = name.as_str().to_owned();
        Self { name, subject, from, sent: sent.map(Into::into), mark: mark.map(marked) }
    }
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Message => Self::Message,
            Kind::File => Self::File,
        }
    }
}

impl From<ObjectKind> for Kind {
    fn from(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Message => Self::Message,
            ObjectKind::File => Self::File,
        }
    }
}

impl From<Written> for WrittenObject {
    fn from(written: Written) -> Self {
        let Written { id, version, size, mark } = written;
        Self { id, version, size, mark: mark.map(marked) }
    }
}

/// A mark as it travels.
pub(super) fn marked(mark: Mark) -> String {
    let text = match mark {
        Mark::Empty => "empty",
        Mark::Unreadable => "unreadable",
        Mark::Truncated => "truncated",
    };
    text.to_owned()
}
