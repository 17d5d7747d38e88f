//! A content on its way out: the bytes of a request, and what became of their source.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use model::refusal::{Code, Refusal};
use reqwest::{Body, RequestBuilder};
use serde::de::DeserializeOwned;

use super::{Client, ClientError};

/// A content that is sent once.
pub(super) struct Upload {
    body: Body,
    /// What the source ended with, if it did not end well.
    fault: Arc<OnceLock<io::ErrorKind>>,
}

impl Upload {
    pub(super) fn new(content: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        let fault = Arc::new(OnceLock::new());
        let noted = Arc::clone(&fault);
        let content = content.inspect(move |piece| {
            if let Err(error) = piece {
                let _ = noted.set(error.kind());
            }
        });
        Self { body: Body::wrap_stream(content), fault }
    }
}

impl Client {
    /// Sends a content and reads the answer; a source that failed is the caller's, and nothing is written of it.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        upload: Upload,
    ) -> Result<T, ClientError> {
        let answer = self.json(request.body(upload.body)).await;
        match upload.fault.get() {
            Some(kind) => Err(ClientError::Refused(failed(*kind))),
            None => answer,
        }
    }
}

/// A source that failed; its words may name a file, so its kind alone is told.
fn failed(kind: io::ErrorKind) -> Refusal {
    Refusal::new(Code::BadRequest, format!("content: its source failed ({kind})"))
}
