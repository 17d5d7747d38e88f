//! Calls about objects: found, listed, written from a stream and read as one.
//!
//! Owns [`Download`]. A content is whole or an error: its length is promised before its first byte, and an answer that
//! ends before that length is asked for its reason.

use std::io;
use std::ops::{Range, RangeInclusive};

use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;
use model::id::{ContainerId, ObjectId, TenantId};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, RANGE};
use reqwest::{Response, StatusCode, Url};

use super::upload::Upload;
use super::{Client, ClientError, request_id};
use crate::object::{FoundObjects, ObjectKind, ObjectName, ObjectPage, StoredObject, WrittenObject};
use crate::text;

impl Client {
    /// A page of the objects of a mailbox or a site.
    pub async fn objects(
        &self,
        tenant: TenantId,
        container: ContainerId,
        after: Option<ObjectId>,
    ) -> Result<ObjectPage, ClientError> {
        self.page(self.in_container(tenant, container, &["objects"]), after).await
    }

    /// The objects that bear a name.
    pub async fn find_objects(
        &self,
        tenant: TenantId,
        container: ContainerId,
        name: &str,
    ) -> Result<FoundObjects, ClientError> {
        let url = self.in_container(tenant, container, &["objects", "find"]);
        self.post(url, &ObjectName { name: name.to_owned() }).await
    }

    /// One object, as a list shows it.
    pub async fn object(
        &self,
        tenant: TenantId,
        container: ContainerId,
        object: ObjectId,
    ) -> Result<StoredObject, ClientError> {
        self.get(self.in_container(tenant, container, &["objects", &object.to_string()])).await
    }

    /// Writes a new object; it is durable when this returns, and nothing of it is there when refused.
    pub async fn put_object(
        &self,
        tenant: TenantId,
        container: ContainerId,
        name: &str,
        kind: ObjectKind,
        content: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<WrittenObject, ClientError> {
        let request = self.uploads.post(self.in_container(tenant, container, &["objects"]));
        let request = request.header(CONTENT_DISPOSITION, text::disposition(name));
        let request = request.header(CONTENT_TYPE, kind.media_type());
        self.upload(request, Upload::new(content)).await
    }

    /// Replaces an object's content, and its name if one is given; with a version, that version alone.
    pub async fn overwrite_object(
        &self,
        tenant: TenantId,
        container: ContainerId,
        object: ObjectId,
        version: Option<u32>,
        name: Option<&str>,
        content: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<WrittenObject, ClientError> {
        let mut request = self.uploads.put(self.content_of(tenant, container, object));
        if let Some(version) = version {
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        if let Some(name) = name {
            request = request.header(CONTENT_DISPOSITION, text::disposition(name));
        }
        self.upload(request, Upload::new(content)).await
    }

    /// Removes an object with all its bytes.
    pub async fn delete_object(
        &self,
        tenant: TenantId,
        container: ContainerId,
        object: ObjectId,
    ) -> Result<(), ClientError> {
        self.delete(self.in_container(tenant, container, &["objects", &object.to_string()])).await
    }

    /// Opens an object to read all of it, or the bytes from the first to the last that are named.
    pub async fn read_object(
        &self,
        tenant: TenantId,
        container: ContainerId,
        object: ObjectId,
        range: Option<RangeInclusive<u64>>,
    ) -> Result<Download, ClientError> {
        let mut request = self.http.get(self.content_of(tenant, container, object));
        if let Some(range) = &range {
            request = request.header(RANGE, format!("bytes={}-{}", range.start(), range.end()));
        }
        let body = self.answer(request).await?;
        let request = request_id(&body);
        let broken = |what: &str| ClientError::Broken { what: what.into(), request: request.clone() };
        let promised = body.content_length().ok_or_else(|| broken("it does not say how long it is"))?;
        let promise = match (range, body.status()) {
            (None, StatusCode::OK) => Some(0..promised),
            (Some(asked), StatusCode::PARTIAL_CONTENT) => part_of(&body)
                .filter(|given| given.start == *asked.start() && given.end - given.start == promised),
            _ => None,
        };
        let range = promise.ok_or_else(|| broken("it is not the range that was asked for"))?;
        let version = header(&body, ETAG).and_then(|tag| tag.trim_matches('"').parse().ok());
        let version = version.ok_or_else(|| broken("its entity tag is no version"))?;
        let name = text::disposed(header(&body, CONTENT_DISPOSITION)).ok();
        let name = name.and_then(|name| String::from_utf8(name).ok());
        let name = name.ok_or_else(|| broken("it does not say what the object is called"))?;
        let place = (tenant, container, object);
        Ok(Download { name, version, range, client: self.clone(), place, body, left: promised })
    }

    fn content_of(&self, tenant: TenantId, container: ContainerId, object: ObjectId) -> Url {
        self.in_container(tenant, container, &["objects", &object.to_string(), "content"])
    }
}

/// An object that is being read.
#[derive(Debug)]
pub struct Download {
    /// What the object is called.
    pub name: String,
    /// Which version comes.
    pub version: u32,
    /// Which bytes of it come; as many are promised.
    pub range: Range<u64>,
    client: Client,
    place: (TenantId, ContainerId, ObjectId),
    body: Response,
    left: u64,
}

impl Download {
    /// The next piece; `None` once every byte that was promised has come.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let request = request_id(&self.body);
        match self.body.chunk().await {
            Ok(Some(piece)) if piece.len() as u64 <= self.left => {
                self.left -= piece.len() as u64;
                Ok(Some(piece))
            }
            Ok(None) if self.left == 0 => Ok(None),
            Ok(_) => Err(ClientError::Broken { what: "it is not as long as it said".into(), request }),
            Err(error) => Err(self.cut(ClientError::cut(&self.client.server, &error, request)).await),
        }
    }

    /// The pieces as a stream; it ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ClientError>> + Send {
        try_unfold(
            self,
            |mut download| async move { Ok(download.next().await?.map(|piece| (piece, download))) },
        )
    }

    /// Why the answer was cut: a service that ended the access says so to whoever asks again.
    async fn cut(&self, cut: ClientError) -> ClientError {
        let (tenant, container, object) = self.place;
        match self.client.object(tenant, container, object).await {
            Err(why @ (ClientError::Refused(_) | ClientError::Unreachable { .. })) => why,
            _ => cut,
        }
    }
}

/// The range that an answer says it is.
fn part_of(answer: &Response) -> Option<Range<u64>> {
    let (range, _) = header(answer, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    (first <= last).then_some(first..last.checked_add(1)?)
}

fn header(answer: &Response, name: HeaderName) -> Option<&str> {
    answer.headers().get(name)?.to_str().ok()
}
