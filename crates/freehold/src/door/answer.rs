//! The body of an answer on its way out: a client that takes nothing of it for long is cut.
//!
//! Owns that bound. What waits to be taken holds memory and a share of what the node may have in flight, and a client
//! that is still connected is no reason to hold either for ever.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::body::BODY_PAUSE;

/// Cuts an answer that streams when nothing of it is taken for long; one that is at hand as a whole is small.
pub(super) async fn taken(answer: Response) -> Response {
    let streams = answer.body().size_hint().exact().is_none();
    if streams { answer.map(|body| Body::from_stream(Leaving::new(body, BODY_PAUSE))) } else { answer }
}

/// A body that is being sent.
struct Leaving {
    waiting: Arc<Mutex<Waiting>>,
    watch: AbortHandle,
}

struct Waiting {
    /// Gone once the client was cut.
    body: Option<Body>,
    /// Since when the client is waited for; nothing while it waits for us.
    since: Option<Instant>,
}

impl Leaving {
    fn new(body: Body, pause: Duration) -> Self {
        let waiting = Arc::new(Mutex::new(Waiting { body: Some(body), since: Some(Instant::now()) }));
        let watch = tokio::spawn(watch(Arc::downgrade(&waiting), pause)).abort_handle();
        Self { waiting, watch }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees what a client was offered and did not take.
async fn watch(waiting: Weak<Mutex<Waiting>>, pause: Duration) {
    loop {
        let Some(since) = waiting.upgrade().map(|waiting| lock(&waiting).since) else { return };
        sleep_until(since.unwrap_or_else(Instant::now) + pause).await;
        let Some(waiting) = waiting.upgrade() else { return };
        let mut waiting = lock(&waiting);
        if since.is_some() && waiting.since == since {
            waiting.body = None;
            tracing::warn!(seconds = pause.as_secs(), "a client took nothing of its answer and was cut");
            return;
        }
    }
}

impl Stream for Leaving {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut waiting = lock(&self.waiting);
        loop {
            let Some(body) = &mut waiting.body else {
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            };
            let frame = Pin::new(body).poll_frame(cx);
            waiting.since = frame.is_ready().then(Instant::now);
            let Some(frame) = ready!(frame) else { return Poll::Ready(None) };
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                // Trailers, which no answer of ours has.
                Ok(Err(_)) => {}
                Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream};
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// A bound that a test can wait for.
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_is_not_taken_is_freed_and_its_client_cut() {
        let (held, freed) = oneshot::channel::<()>();
        let body = stream::iter([Ok::<_, io::Error>("a"), Ok("b")]).map(move |piece| (&held, piece).1);
        let mut leaving = Leaving::new(Body::from_stream(body), SHORT);
        assert_eq!(leaving.next().await.expect("a piece").expect("in time"), "a");
        freed.await.expect_err("it is dropped while nobody asks");
        assert_eq!(leaving.next().await.expect("an end").expect_err("cut").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_waits_for_us_is_not_cut() {
        let (tell, told) = mpsc::unbounded_channel();
        let body = stream::unfold(told, async |mut told| told.recv().await.map(|piece| (piece, told)));
        let mut leaving = Leaving::new(Body::from_stream(body), SHORT);
        assert!(leaving.next().now_or_never().is_none());
        tokio::time::sleep(5 * SHORT).await;
        tell.send(Ok::<_, io::Error>("late")).expect("it listens");
        assert_eq!(leaving.next().await.expect("a piece").expect("not cut"), "late");
    }
}
