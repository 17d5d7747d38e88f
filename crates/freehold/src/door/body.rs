//! The body of a request on its way in: it comes whole and without long pauses, or it is an error.
//!
//! Owns what "whole" means at the door. A client on HTTP/2 may cut its own request with a reset that hyper takes for
//! an orderly end, so an end counts only when the stream has ended and the announced length has come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{Version, header};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

/// How long a client may pause in the middle of a body.
pub(super) const BODY_PAUSE: Duration = Duration::from_secs(60);

/// How much of a body on HTTP/1.1 that nobody wants is still taken, so that its client hears why.
const MAX_UNWANTED: usize = 1 << 20;
/// How long.
const UNWANTED_TIME: Duration = Duration::from_secs(2);

/// Lets the body of a request end only as a whole; the first layer of the door.
pub(super) async fn whole(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let streams = request.version() >= Version::HTTP_2;
    let held_back = request.headers().contains_key(header::EXPECT);
    request.map(|body| Body::from_stream(Arriving::new(body, streams, held_back)))
}

/// A body that has not come to its end.
struct Arriving {
    body: Body,
    /// Whether it comes on a stream that says where it ends.
    streams: bool,
    announced: Option<u64>,
    came: u64,
    pause: Option<Pin<Box<Sleep>>>,
    /// The client sends nothing before it is asked to.
    held_back: bool,
    over: bool,
}

impl Arriving {
    fn new(body: Body, streams: bool, held_back: bool) -> Self {
        let announced = body.size_hint().exact();
        Self { body, streams, announced, came: 0, pause: None, held_back, over: false }
    }

    /// Whether the end that was just seen is one.
    fn end(&self) -> Option<io::Result<Bytes>> {
        let short = self.announced.is_some_and(|announced| announced != self.came);
        let cut = self.streams && !self.body.is_end_stream();
        let said = "the client cut its request before the end";
        (short || cut).then(|| Err(io::Error::new(io::ErrorKind::UnexpectedEof, said)))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(BODY_PAUSE)));
                ready!(pause.as_mut().poll(cx));
                let said = format!("nothing of the body came for {} s", BODY_PAUSE.as_secs());
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, said))));
            };
            self.pause = None;
            match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(bytes))) => {
                    self.came += bytes.len() as u64;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                // Trailers, which nobody asks for.
                Some(Ok(Err(_))) => {}
                Some(Err(_)) => {
                    let said = "the connection broke before the end of the body";
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, said))));
                }
                None => return Poll::Ready(self.end()),
            }
        }
    }
}

impl Stream for Arriving {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.held_back = false;
        let next = ready!(self.poll_bytes(cx));
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl Drop for Arriving {
    /// Takes a little more of what nobody wants: a connection that is closed on a client that sends is reset, and the
    /// answer is lost with it.
    fn drop(&mut self) {
        if self.over || self.streams || self.held_back {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let mut rest = std::mem::take(&mut self.body).into_data_stream();
            runtime.spawn(timeout(UNWANTED_TIME, async move {
                let mut left = MAX_UNWANTED;
                while let Some(Ok(bytes)) = rest.next().await {
                    let Some(less) = left.checked_sub(bytes.len()) else { return };
                    left = less;
                }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use api::server::broken_by;
    use axum::http::{Request, StatusCode};
    use axum::routing::post;
    use axum::{Router, middleware};
    use h2::{Reason, SendStream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;

    use super::*;
    use crate::listener::{Listener, Transport};

    /// What a handler sees of a body: bytes that came, its whole length, or why it is not whole.
    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Came(usize),
        Whole,
        Broken(io::ErrorKind),
    }

    /// A listener that tells what it sees of each body.
    fn listener() -> (Listener, mpsc::UnboundedReceiver<Seen>) {
        let (tell, told) = mpsc::unbounded_channel();
        let take = move |body: Body| async move {
            let mut body = body.into_data_stream();
            while let Some(next) = body.next().await {
                let seen = next
                    .map_or_else(|error| Seen::Broken(broken_by(&error)), |bytes| Seen::Came(bytes.len()));
                if seen != Seen::Came(0) {
                    let _ = tell.send(seen);
                }
            }
            let _ = tell.send(Seen::Whole);
        };
        let router = Router::new().route("/", post(take)).layer(middleware::map_request(whole));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (Listener::start("service.listen", any, Transport::Plain, router).expect("listening"), told)
    }

    /// What a handler sees after the first five bytes of a request on HTTP/2, which `end` then ends.
    async fn after(announced: Option<usize>, end: impl FnOnce(&mut SendStream<Bytes>)) -> Seen {
        let (listener, mut told) = listener();
        let stream = TcpStream::connect(listener.address()).await.expect("connected");
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut request = Request::post(format!("http://{}/", listener.address()));
        if let Some(announced) = announced {
            request = request.header("content-length", announced);
        }
        let mut client = client.ready().await.expect("ready");
        let request = request.body(()).expect("a request");
        let (_answer, mut body) = client.send_request(request, false).expect("sent");
        body.send_data(Bytes::from_static(b"12345"), false).expect("sent");
        assert_eq!(told.recv().await, Some(Seen::Came(5)));
        end(&mut body);
        let seen = told.recv().await.expect("told");
        connection.abort();
        listener.kill().await;
        seen
    }

    #[tokio::test]
    async fn a_request_that_is_cut_with_no_error_is_not_whole() {
        let cut = |body: &mut SendStream<Bytes>| body.send_reset(Reason::NO_ERROR);
        for announced in [Some(12), Some(5), None] {
            assert_eq!(
                after(announced, cut).await,
                Seen::Broken(io::ErrorKind::UnexpectedEof),
                "{announced:?}"
            );
        }
        let cancel = |body: &mut SendStream<Bytes>| body.send_reset(Reason::CANCEL);
        assert_eq!(after(None, cancel).await, Seen::Broken(io::ErrorKind::ConnectionAborted));
    }

    #[tokio::test]
    async fn a_request_that_ends_is_whole_with_trailers_or_without() {
        let end = |body: &mut SendStream<Bytes>| body.send_data(Bytes::new(), true).expect("sent");
        assert_eq!(after(Some(5), end).await, Seen::Whole);
        assert_eq!(after(None, end).await, Seen::Whole);
        let trailers = |body: &mut SendStream<Bytes>| {
            let all = [("x".parse().expect("a name"), "y".parse().expect("a value"))];
            body.send_trailers(all.into_iter().collect()).expect("sent");
        };
        assert_eq!(after(None, trailers).await, Seen::Whole);
    }

    /// What a client on HTTP/1.1 hears that sends a head and a body before it reads.
    async fn heard(address: SocketAddr, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(body).await.expect("sent");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.expect("an answer and an orderly end");
        heard
    }

    #[tokio::test]
    async fn a_client_whose_body_is_not_wanted_hears_why() {
        let refuse = || async { (StatusCode::FORBIDDEN, "why") };
        let router = Router::new().route("/", post(refuse)).layer(middleware::map_request(whole));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::start("service.listen", any, Transport::Plain, router).expect("listening");
        let mut stream = TcpStream::connect(listener.address()).await.expect("connected");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {MAX_UNWANTED}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut told = Vec::new();
        // The refusal is there, and the client, which reads later, sends on.
        while !told.ends_with(b"why") {
            assert_ne!(stream.read_buf(&mut told).await.expect("an answer"), 0);
        }
        for _ in 0..4 {
            stream.write_all(&vec![0; MAX_UNWANTED / 4]).await.expect("it is still taken");
        }
        assert_eq!(stream.read_buf(&mut told).await.expect("an orderly end"), 0);
        assert!(told.starts_with(b"HTTP/1.1 403"));
        let large = "content-length: 99999999\r\nexpect: 100-continue";
        let told = heard(listener.address(), large, b"").await;
        assert!(told.starts_with("HTTP/1.1 403") && told.ends_with("why"), "{told}");
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
        let (listener, mut told) = listener();
        let heard = heard(listener.address(), "content-length: 5\r\nexpect: 100-continue", b"12345").await;
        assert!(heard.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "{heard}");
        assert_eq!((told.recv().await, told.recv().await), (Some(Seen::Came(5)), Some(Seen::Whole)));
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_was_announced_is_not_whole() {
        for announced in [4, 6] {
            let mut body = Arriving::new(Body::from("12345"), false, false);
            body.announced = Some(announced);
            let all: Vec<_> = body.collect().await;
            assert_eq!(
                all.last().expect("an end").as_ref().expect_err("cut").kind(),
                io::ErrorKind::UnexpectedEof
            );
        }
    }
}
