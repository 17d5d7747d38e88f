//! The connections that a listener holds: how many, of whom, and for how long without a request.
//!
//! Owns the bounds on them. A connection counts until it ends; one whose requests are all answered is closed after a
//! while, because an answered ping costs a client nothing.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum_server::ConnectionShutdown;
use axum_server::accept::Accept;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tower::Service;

/// Connections that one listener holds open at once; the next one is closed on arrival.
pub const MAX_CONNECTIONS: usize = 1024;
/// How many of them come from one address, or from one network of IPv6.
pub const MAX_FROM_PEER: usize = 256;
/// How long a connection may have no open request; longer than our clients keep one that they do not use.
pub(super) const IDLE: Duration = Duration::from_secs(120);
/// The shortest rest between two looks at a connection.
const LOOK: Duration = Duration::from_millis(1);

/// Lets a bounded number of connections in; each is counted until it ends.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    idle: Duration,
    peers: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that is counted.
#[derive(Debug)]
struct Held {
    peer: IpAddr,
    bounded: Bounded,
    requests: Mutex<Requests>,
    watch: OnceLock<AbortHandle>,
}

/// The requests of a connection.
#[derive(Debug)]
struct Requests {
    open: usize,
    /// When the last one began or ended.
    changed: Instant,
}

impl Bounded {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, peers: Arc::default() }
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, peer: IpAddr) -> io::Result<Arc<Held>> {
        let (peer, mut peers) = (network(peer), self.peers());
        let (all, of_peer) = (peers.values().sum::<usize>(), peers.get(&peer).copied().unwrap_or(0));
        if all >= MAX_CONNECTIONS || of_peer >= MAX_FROM_PEER {
            // Waiting here would only move the queue into memory, where it has no bound.
            return Err(io::Error::other("too many connections are open"));
        }
        peers.insert(peer, of_peer + 1);
        let requests = Mutex::new(Requests { open: 0, changed: Instant::now() });
        Ok(Arc::new(Held { peer, bounded: self.clone(), requests, watch: OnceLock::new() }))
    }
}

/// What counts as one peer: an address, of IPv6 the network that one customer of a provider has.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into(),
        peer => peer,
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.get() {
            watch.abort();
        }
        let mut peers = self.bounded.peers();
        match peers.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(peers.remove(&self.peer)),
        }
    }
}

impl Held {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request until what is returned is dropped.
    fn begin(self: &Arc<Self>, connection: Option<&ConnectionShutdown>) -> Open {
        self.count(1);
        if let Some(connection) = connection {
            let watch = || tokio::spawn(watch(Arc::downgrade(self), connection.clone())).abort_handle();
            self.watch.get_or_init(watch);
        }
        Open(self.clone())
    }

    fn count(&self, by: isize) {
        let mut requests = self.requests();
        requests.open = requests.open.saturating_add_signed(by);
        requests.changed = Instant::now();
    }

    /// How long the connection may still be without a request.
    fn rest(&self) -> Duration {
        let requests = self.requests();
        let idle = self.bounded.idle;
        if requests.open > 0 { idle.max(LOOK) } else { idle.saturating_sub(requests.changed.elapsed()) }
    }
}

/// An open request.
struct Open(Arc<Held>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(-1);
    }
}

/// Closes a connection that has had no request for a while: in order, and if the client does not let that end, at once.
async fn watch(held: Weak<Held>, connection: ConnectionShutdown) {
    for cut in [false, true] {
        loop {
            let Some(rest) = held.upgrade().map(|held| held.rest()) else { return };
            if rest.is_zero() {
                break;
            }
            sleep(rest).await;
        }
        if cut {
            return connection.shutdown();
        }
        connection.graceful_shutdown();
        let Some(idle) = held.upgrade().map(|held| held.bounded.idle) else { return };
        sleep(idle.max(LOOK)).await;
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let held = stream.peer_addr().and_then(|peer| self.hold(peer.ip()));
        // The end of an answer would otherwise wait until the client has acknowledged its beginning: 40 ms for each.
        let held = held.and_then(|held| stream.set_nodelay(true).map(|()| held));
        ready(held.map(|held| (stream, Counted { service, held })))
    }
}

/// The service of one connection; it counts its open requests.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    service: S,
    held: Arc<Held>,
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let open = self.held.begin(request.extensions().get::<ConnectionShutdown>());
        let answer = self.service.call(request);
        Box::pin(async move {
            // The request is open until its answer is sent, not until it begins.
            let kept = move |error| (&open, error).1;
            answer.await.map(|answer| answer.map(|body| Body::new(body.map_err(kept))))
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn no_peer_has_more_than_its_connections_and_all_have_no_more_than_there_are() {
        let bounded = Bounded::new(IDLE);
        let peer = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut held = Vec::new();
        for number in 1..=4 {
            held.extend((0..MAX_FROM_PEER).map(|_| bounded.hold(peer(number)).expect("let in")));
            bounded.hold(peer(number)).expect_err("one too many of a peer");
        }
        bounded.hold(peer(5)).expect_err("one too many");
        drop(held.pop());
        let fifth = bounded.hold(peer(5)).expect("let in");
        drop((held, fifth));
        assert!(bounded.peers().is_empty(), "nobody is counted for ever");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:127.0.0.1"), LOOPBACK);
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[tokio::test]
    async fn a_connection_is_counted_until_its_service_ends_and_holds_no_answer_back() {
        let bounded = Bounded::new(IDLE);
        let socket = tokio::net::TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("connected");
        let (stream, service) = bounded.accept(stream, Router::<()>::new()).await.expect("let in");
        assert!(stream.nodelay().expect("a socket"));
        assert_eq!(bounded.peers().get(&LOOPBACK), Some(&1));
        drop(service);
        assert!(bounded.peers().is_empty());
    }
}
