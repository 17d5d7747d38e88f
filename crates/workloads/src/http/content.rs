//! The content of an object over HTTP: streamed out, whole or a range of it, and streamed in.
//!
//! Owns the headers that go with content: entity tags, ranges, its kind and its name (RFC 9110). A stream that loses
//! its lease is cut before the promised length; why stands in the log under the id of the call.

use std::fmt::Write as _;
use std::ops::Range;

use api::server::{Refused, answer, broken_by};
use api::{ObjectKind, Problem, WrittenObject, text};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use model::id::RequestId;
use model::refusal::{Code, Refusal};

use super::{Http, InObject, Reader, TAG, Writer};
use crate::name::Name;
use crate::object::Entry;
use crate::read::Download;
use crate::source::Content;
use crate::write::Replacement;

/// Content that is opened at a time; what a client that reads slowly holds.
const PIECE: usize = 1 << 20;

#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/containers/{container}/objects/{object}/content",
    tag = TAG,
    operation_id = "getContent",
    summary = "Read the content of an object, or one range of it",
    params(
        InObject,
        ("range" = Option<String>, Header, description = "One range of bytes; several are answered with the whole."),
        ("if-range" = Option<String>, Header, description = "Only of this version; another one is answered whole."),
    ),
    responses(
        (
            status = 200,
            description = "The whole of it. A connection that ends before the promised length was cut because \
                           access ended.",
            content((inline(api::Bytes) = "message/rfc822"), (inline(api::Bytes) = "application/octet-stream")),
            headers(
                ("etag" = String, description = "The version, in quotes."),
                ("content-disposition" = String, description = "attachment; filename*=UTF-8''PERCENT-ENCODED-NAME"),
            ),
        ),
        (
            status = 206,
            description = "The range.",
            content((inline(api::Bytes) = "message/rfc822"), (inline(api::Bytes) = "application/octet-stream")),
            headers(
                ("etag" = String, description = "The version, in quotes."),
                ("content-range" = String, description = "Which bytes of how many."),
                ("content-disposition" = String, description = "attachment; filename*=UTF-8''PERCENT-ENCODED-NAME"),
            ),
        ),
        (
            status = 416,
            description = "FH3001 bad-request: the range begins beyond the end.",
            body = Problem,
            content_type = "application/problem+json",
            headers(("content-range" = String, description = "How many bytes there are.")),
        ),
        (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn read(
    Reader(caller, at): Reader<InObject>,
    State(http): State<Http>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let mut download = http.engine.read(&caller, at.container, at.object, None).await?.in_pieces_of(PIECE);
    let size = download.entry.size;
    let status = match asked_for(&headers, &download.entry) {
        Wanted::All => StatusCode::OK,
        Wanted::Part(range) => {
            download = download.only(range)?;
            StatusCode::PARTIAL_CONTENT
        }
        Wanted::Beyond => {
            let rule = format!("range: it must begin within the {size} bytes of the object");
            let headers = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            let refused = Refused(Refusal::new(Code::BadRequest, rule));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers, refused).into_response());
        }
    };
    let mut headers = told(&download.entry, &download.range);
    if status == StatusCode::PARTIAL_CONTENT {
        let Range { start, end } = download.range;
        headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes {start}-{}/{size}", end - 1)));
    }
    // The first piece is opened before the answer begins, so that what is wrong at once is told and not cut.
    let first = download.next().await?;
    Ok((status, headers, Body::from_stream(pieces(first, download, caller.request))).into_response())
}

#[utoipa::path(
    put,
    path = "/v1/tenants/{tenant}/containers/{container}/objects/{object}/content",
    tag = TAG,
    operation_id = "replaceContent",
    summary = "Replace the content of an object, and its name if one is given",
    description = "The body is the new content, streamed; its media type changes nothing, an object keeps its kind. \
                   Readers see one version or the other.",
    params(
        InObject,
        ("if-match" = Option<String>, Header, description = "Replaces this version alone: its entity tag, or `*`."),
        (
            "content-disposition" = Option<String>,
            Header,
            description = "attachment; filename*=UTF-8''PERCENT-ENCODED-NAME",
        ),
    ),
    request_body(content((inline(api::Bytes) = "message/rfc822"), (inline(api::Bytes) = "application/octet-stream"))),
    responses(
        (
            status = 200,
            description = "It is durable.",
            body = WrittenObject,
            headers(("etag" = String, description = "The new version, in quotes.")),
        ),
        (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["writer"])),
)]
pub(super) async fn replace(
    Writer(caller, at): Writer<InObject>,
    State(http): State<Http>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    if headers.contains_key(header::CONTENT_RANGE) {
        let rule = "content-range: a content is replaced as a whole";
        return Err(Refusal::new(Code::BadRequest, rule).into());
    }
    let name = match header_text(&headers, &header::CONTENT_DISPOSITION)? {
        Some(header) => Some(Name::from_bytes(&text::disposed(Some(header))?)?),
        None => None,
    };
    let version = expected(&headers)?;
    let replacement = Replacement { name, version, content: streamed(body) };
    let written = http.engine.overwrite(&caller, at.container, at.object, replacement).await?;
    let tag = [(header::ETAG, entity_tag(written.version))];
    Ok((tag, answer(StatusCode::OK, &WrittenObject::from(written))).into_response())
}

/// The body of a request as content.
pub(super) fn streamed(body: Body) -> Content {
    Content::Stream(body.into_data_stream().map_err(|error| broken_by(&error).into()).boxed())
}

/// The entity tag of a version.
pub(super) fn entity_tag(version: u32) -> String {
    format!("\"{version}\"")
}

/// The text of a header that comes once at most.
pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let rule = || Refusal::new(Code::BadRequest, format!("{name}: expected once, as visible ASCII"));
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| rule()),
        (Some(_), Some(_)) => Err(rule()),
    }
}

/// The media type of a request, without its parameters and in lower case.
pub(super) fn essence(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    text.split(';').next().map(|essence| essence.trim().to_ascii_lowercase())
}

/// The version that a change is for; `None` for any. Conditions that are not looked at are refused.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<u32>, Refusal> {
    for other in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        if headers.contains_key(&other) {
            return Err(Refusal::new(Code::BadRequest, format!("{other}: a change takes if-match alone")));
        }
    }
    matched(header_text(headers, &header::IF_MATCH)?)
}

fn matched(if_match: Option<&str>) -> Result<Option<u32>, Refusal> {
    let Some(tag) = if_match.map(str::trim).filter(|tag| *tag != "*") else { return Ok(None) };
    let version =
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    // A number in another spelling is no entity tag of ours.
    let version = version.filter(|version| entity_tag(*version) == tag);
    let rule = "if-match: expected the entity tag of one version, such as \"3\", or *";
    version.map(Some).ok_or_else(|| Refusal::new(Code::BadRequest, rule))
}

/// What a request for content asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Beyond,
}

/// The one range that is asked for; whatever is no single range of this version means the whole (RFC 9110, 14.2).
fn asked_for(headers: &HeaderMap, entry: &Entry) -> Wanted {
    let (Ok(range), Ok(condition)) =
        (header_text(headers, &header::RANGE), header_text(headers, &header::IF_RANGE))
    else {
        return Wanted::All;
    };
    let same = condition.is_none_or(|tag| tag.trim() == entity_tag(entry.version));
    range.filter(|_| same).and_then(|range| one_range(range, entry.size)).unwrap_or(Wanted::All)
}

fn one_range(header: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => size.saturating_sub(number(last)?)..size,
        (false, true) => number(first)?..size,
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..size.min(last.saturating_add(1))
        }
    };
    Some(if range.start >= size { Wanted::Beyond } else { Wanted::Part(range) })
}

/// A position; one that is too large to count lies beyond every end.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The headers of content.
fn told(entry: &Entry, range: &Range<u64>) -> HeaderMap {
    let kind = ObjectKind::from(entry.kind).media_type();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ETAG, ascii(&entity_tag(entry.version)));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(details) = &entry.details {
        headers.insert(header::CONTENT_DISPOSITION, ascii(&text::disposition(details.name.as_str())));
    }
    headers
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers and percent-encoded text are visible ASCII")
}

/// The pieces of a download; the refusal that ends them early is written down.
fn pieces(
    first: Option<Bytes>,
    download: Download,
    request: RequestId,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    let object = download.entry.id;
    let rest = download.into_stream().inspect_err(move |refusal| {
        let mut policy = String::new();
        if let Some(about) = refusal.policy {
            let _ = write!(policy, "{about}");
        }
        tracing::warn!(%request, %object, code = %refusal.code, policy, reason = refusal.detail, "a stream was cut");
    });
    stream::iter(first.map(Ok)).chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_whatever_is_none_means_the_whole() {
        let all = [
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,5-6",
            "lines=1-2",
            "bytes=+1-2",
        ];
        for header in all {
            assert_eq!(one_range(header, 10), None, "{header}");
        }
        let parts = [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("BYTES = 2-4 ", 2..5),
            ("bytes=9-", 9..10),
            ("bytes=5-99", 5..10),
            ("bytes=5-99999999999999999999999", 5..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=0-18446744073709551615", 0..10),
        ];
        for (header, range) in parts {
            assert_eq!(one_range(header, 10), Some(Wanted::Part(range)), "{header}");
        }
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(one_range(header, 10), Some(Wanted::Beyond), "{header}");
        }
        for header in ["bytes=0-", "bytes=-5"] {
            assert_eq!(one_range(header, 0), Some(Wanted::Beyond), "{header} of nothing");
        }
    }

    #[test]
    fn an_entity_tag_is_one_of_ours_or_refused() {
        assert_eq!(matched(None), Ok(None));
        assert_eq!(matched(Some("*")), Ok(None));
        assert_eq!(matched(Some(" \"3\" ")), Ok(Some(3)));
        for other in ["", "3", "W/\"3\"", "\"03\"", "\"+3\"", "\"3\", \"4\"", "\"4294967296\""] {
            assert!(matched(Some(other)).is_err(), "{other}");
        }
    }
}
