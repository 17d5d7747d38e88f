//! One listener: a router on an address, with TLS, that can be drained, killed and given a new certificate.
//!
//! Owns the socket and its bounds. What is answered is the router's. Without TLS it listens on loopback alone.

mod held;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use tokio::task::JoinHandle;

use self::held::{Bounded, IDLE};
pub use self::held::{MAX_CONNECTIONS, MAX_FROM_PEER};

/// How long a client may take for its TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest head of a request on HTTP/2: the longest token and the longest name of an object fit into it.
pub const HEAD_BYTES: u32 = 48 << 10;
/// How long a client may take to send the head of a request.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a client on HTTP/2 is asked whether it is still there.
pub const PING_EVERY: Duration = Duration::from_secs(60);
/// How long it may take to answer that before its connection is closed.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests that one connection on HTTP/2 has open at a time.
pub const MAX_STREAMS: u32 = 128;

/// What protects the connections.
#[derive(Debug, Clone)]
pub enum Transport {
    /// TLS with this certificate.
    Tls(Arc<ServerConfig>),
    /// Nothing; on loopback alone.
    Plain,
}

/// Why a listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "port {} on {} is in use: stop the program that listens there, or choose another with \
         `--set {setting}={}:PORT` (port 0: any free one)", address.port(), address.ip(), bracketed(address)
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
    },
    /// An address that others can reach, without TLS.
    #[error(
        "{setting} is {address}, which others can reach: without TLS only loopback is listened on; set \
         tls.certificate and tls.key"
    )]
    Plain {
        /// The address.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
    },
    /// The system says no.
    #[error("{setting} is {address}: {error}")]
    Io {
        /// The address.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// A running listener. Dropping it cuts its connections; drain or kill it to wait for its end.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    certificate: Option<RustlsConfig>,
    task: JoinHandle<io::Result<()>>,
}

impl Listener {
    /// Listens on an address (port 0: any free one) and answers with the router; `setting` is named in errors.
    ///
    /// The peer's address is there for handlers as `ConnectInfo<SocketAddr>`. Needs a running tokio.
    pub fn start(
        setting: &'static str,
        address: SocketAddr,
        transport: Transport,
        router: Router,
    ) -> Result<Self, ListenError> {
        Self::open(setting, address, transport, router, IDLE)
    }

    fn open(
        setting: &'static str,
        address: SocketAddr,
        transport: Transport,
        router: Router,
        idle: Duration,
    ) -> Result<Self, ListenError> {
        if matches!(transport, Transport::Plain) && !address.ip().is_loopback() {
            return Err(ListenError::Plain { address, setting });
        }
        let failed = |error| ListenError::Io { address, setting, error };
        let socket = bind(setting, address)?;
        let address = socket.local_addr().map_err(failed)?;
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(socket).map_err(failed)?.handle(handle.clone());
        server = server.first_request_timeout(HANDSHAKE_TIMEOUT + HEAD_TIMEOUT);
        server.http_builder().http1().header_read_timeout(HEAD_TIMEOUT);
        let mut http2 = server.http_builder().http2();
        http2.keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
        http2.max_concurrent_streams(MAX_STREAMS).max_header_list_size(HEAD_BYTES);
        let bounded = Bounded::new(idle);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let (task, certificate) = match transport {
            Transport::Plain => (tokio::spawn(server.acceptor(bounded).serve(service)), None),
            Transport::Tls(config) => {
                let config = RustlsConfig::from_config(config);
                let tls = RustlsAcceptor::new(config.clone()).handshake_timeout(HANDSHAKE_TIMEOUT);
                (tokio::spawn(server.acceptor(tls.acceptor(bounded)).serve(service)), Some(config))
            }
        };
        Ok(Self { address, handle, certificate, task })
    }

    /// The address that it listens on, with the port that was found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.handle.connection_count()
    }

    /// Shows another certificate to whoever connects from now on; open connections stay as they are.
    pub fn show(&self, config: Arc<ServerConfig>) {
        if let Some(certificate) = &self.certificate {
            certificate.reload_from_config(config);
        }
    }

    /// Takes no new connections, lets open requests end for at most this long, and frees the port.
    pub async fn drain(self, at_most: Duration) {
        self.handle.graceful_shutdown(Some(at_most));
        self.ended().await;
    }

    /// Cuts every connection at once and frees the port: what a client sees of a machine that died.
    pub async fn kill(self) {
        self.handle.shutdown();
        self.ended().await;
    }

    async fn ended(mut self) {
        match (&mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(address = %self.address, %error, "a listener ended badly"),
            Err(error) => tracing::error!(address = %self.address, %error, "a listener's task broke"),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// Takes an address; the error says what to do where another program has it.
pub fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address, setting },
        _ => ListenError::Io { address, setting, error },
    })
}

fn bracketed(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::extract::ConnectInfo;
    use axum::routing::get;
    use model::time::{ManualClock, Timestamp};
    use reqwest::{Client, Error};
    use tempfile::TempDir;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    use super::*;
    use crate::authority::lab_names;
    use crate::certificates::{Certificate, provider};
    use crate::clock::SystemClock;
    use model::suffix::Suffix;

    use crate::settings::Kind;
    use model::time::Clock;

    const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// An idle bound that a test can wait for.
    const SHORT: Duration = Duration::from_millis(100);

    fn router() -> Router {
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
        Router::new().route("/", get(peer))
    }

    fn certificate(folder: &TempDir, clock: &dyn Clock) -> Certificate {
        let suffix = Suffix::parse("vault.localhost").expect("a suffix");
        Certificate::lab(folder.path(), &lab_names(&[&suffix]), clock).expect("a certificate")
    }

    fn folder() -> TempDir {
        TempDir::new().expect("a folder")
    }

    /// A client that trusts one authority and nothing of the machine, and finds every name on loopback.
    fn client(trusted: &Certificate, address: SocketAddr) -> Client {
        let builder = Client::builder().tls_backend_preconfigured(trusted.trust().tls()).no_proxy();
        builder.resolve("contoso-a.vault.localhost", address).build().expect("a client")
    }

    async fn ask(client: &Client, port: u16) -> Result<String, Error> {
        client.get(format!("https://contoso-a.vault.localhost:{port}/")).send().await?.text().await
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_authority_is_answered_and_another_refuses() {
        let (ours, theirs) = (folder(), folder());
        let (ours, theirs) = (certificate(&ours, &SystemClock), certificate(&theirs, &SystemClock));
        let listener = Listener::start("vault.listen", ANY, Transport::Tls(ours.server_config()), router());
        let listener = listener.expect("listening");
        let (address, port) = (listener.address(), listener.address().port());
        assert_eq!(ask(&client(&ours, address), port).await.expect("an answer"), "127.0.0.1");
        let refused = ask(&client(&theirs, address), port).await.expect_err("refused");
        assert!(format!("{refused:?}").contains("UnknownIssuer"), "{refused:?}");
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_killed_listener_cuts_its_connections_and_its_port_is_free_at_once() {
        let keep = folder();
        let certificate = certificate(&keep, &SystemClock);
        let start = |address| {
            Listener::start("vault.listen", address, Transport::Tls(certificate.server_config()), router())
        };
        let listener = start(ANY).expect("listening");
        let address = listener.address();
        let client = client(&certificate, address);
        ask(&client, address.port()).await.expect("an answer, on a connection that is kept");
        listener.kill().await;
        let cut = ask(&client, address.port()).await.expect_err("nobody there");
        assert!(cut.is_connect() || cut.is_request(), "{cut:?}");
        let again = start(address).expect("the same port");
        assert_eq!(again.address(), address);
        ask(&client, address.port()).await.expect("an answer of the new one");
        again.kill().await;
    }

    #[tokio::test]
    async fn a_drained_listener_lets_an_open_request_end() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go) = (begun.clone(), go.clone());
            get(move || async move {
                begun.notify_one();
                go.notified().await;
                "done"
            })
        };
        let router = Router::new().route("/", slow);
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router).expect("listening");
        let address = listener.address();
        let request =
            tokio::spawn(async move { reqwest_plain().get(format!("http://{address}/")).send().await });
        begun.notified().await;
        let drained = tokio::spawn(listener.drain(Duration::from_secs(60)));
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go.notify_one();
        let answer = request.await.expect("a task").expect("an answer").text().await.expect("a text");
        assert_eq!(answer, "done");
        drained.await.expect("drained");
    }

    fn reqwest_plain() -> Client {
        let tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
    }

    #[tokio::test]
    async fn a_new_certificate_is_shown_to_the_next_client() {
        let (old, new) = (folder(), folder());
        let (old, new) = (certificate(&old, &SystemClock), certificate(&new, &SystemClock));
        let listener = Listener::start("vault.listen", ANY, Transport::Tls(old.server_config()), router());
        let listener = listener.expect("listening");
        listener.show(new.server_config());
        let (address, port) = (listener.address(), listener.address().port());
        assert!(ask(&client(&old, address), port).await.is_err());
        ask(&client(&new, address), port).await.expect("an answer");
        listener.kill().await;
    }

    #[tokio::test]
    async fn an_expired_certificate_is_refused_by_the_client() {
        let keep = folder();
        let certificate = certificate(&keep, &ManualClock::at(Timestamp(1_000_000_000_000)));
        let listener =
            Listener::start("vault.listen", ANY, Transport::Tls(certificate.server_config()), router());
        let listener = listener.expect("listening");
        let (address, port) = (listener.address(), listener.address().port());
        let refused = ask(&client(&certificate, address), port).await.expect_err("refused");
        assert!(format!("{refused:?}").contains("Expired"), "{refused:?}");
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do() {
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router()).expect("listening");
        let address = listener.address();
        let refused =
            Listener::start("vault.listen", address, Transport::Plain, router()).expect_err("in use");
        let said = refused.to_string();
        assert!(said.contains(&format!("port {} on 127.0.0.1 is in use", address.port())), "{said}");
        assert!(said.contains("--set vault.listen=127.0.0.1:PORT"), "{said}");
        listener.kill().await;
    }

    #[tokio::test]
    async fn without_tls_only_loopback_is_listened_on() {
        let everywhere = "0.0.0.0:0".parse().expect("an address");
        let refused =
            Listener::start("service.listen", everywhere, Transport::Plain, router()).expect_err("refused");
        assert!(refused.to_string().contains("without TLS only loopback"), "{refused}");
    }

    #[tokio::test]
    async fn a_dropped_listener_cuts_its_connections_and_frees_its_port() {
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router()).expect("listening");
        let address = listener.address();
        let mut stream = TcpStream::connect(address).await.expect("connected");
        drop(listener);
        let _ = stream.read_to_end(&mut Vec::new()).await;
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_client_on_http_2_is_told_how_many_requests_it_may_have_open() {
        const MAX_CONCURRENT_STREAMS: u16 = 3;
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router()).expect("listening");
        let mut stream = TcpStream::connect(listener.address()).await.expect("connected");
        let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        tokio::io::AsyncWriteExt::write_all(&mut stream, hello).await.expect("sent");
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("the head of a frame");
        assert_eq!(head[3], 4, "the first frame is SETTINGS");
        let mut settings = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut settings).await.expect("settings");
        let told = settings.chunks_exact(6).find(|one| one[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
        assert_eq!(told.expect("told")[2..], MAX_STREAMS.to_be_bytes());
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_closed_and_its_client_connects_again() {
        let keep = folder();
        let certificate = certificate(&keep, &SystemClock);
        let tls = Transport::Tls(certificate.server_config());
        let listener = Listener::open("vault.listen", ANY, tls, router(), SHORT).expect("listening");
        let (address, port) = (listener.address(), listener.address().port());
        let client = client(&certificate, address);
        for _ in 0..3 {
            ask(&client, port).await.expect("an answer");
            while listener.connections() > 0 {
                tokio::task::yield_now().await;
            }
        }
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_connection_with_an_open_request_is_not_without_one() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go) = (begun.clone(), go.clone());
            get(move || async move {
                begun.notify_one();
                go.notified().await;
                "done"
            })
        };
        let router = Router::new().route("/", slow);
        let listener = Listener::open("service.listen", ANY, Transport::Plain, router, SHORT);
        let listener = listener.expect("listening");
        let address = listener.address();
        let request = tokio::spawn(async move {
            reqwest_plain().get(format!("http://{address}/")).send().await?.text().await
        });
        begun.notified().await;
        // Many looks at the connection fit into this; one that is taken for idle is cut after two SHORT.
        tokio::time::sleep(4 * SHORT).await;
        go.notify_one();
        assert_eq!(request.await.expect("a task").expect("an answer"), "done");
        listener.kill().await;
    }

    #[tokio::test]
    async fn a_kill_waits_for_no_request() {
        let begun = Arc::new(Notify::new());
        let endless = {
            let begun = begun.clone();
            get(move || async move {
                begun.notify_one();
                std::future::pending::<&str>().await
            })
        };
        let router = Router::new().route("/", endless);
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router).expect("listening");
        let address = listener.address();
        let request =
            tokio::spawn(async move { reqwest_plain().get(format!("http://{address}/")).send().await });
        begun.notified().await;
        // Long enough for any machine; only a kill that waits reaches it.
        tokio::time::timeout(Duration::from_secs(60), listener.kill()).await.expect("killed");
        assert!(request.await.expect("a task").is_err());
    }

    #[tokio::test]
    async fn a_killed_connection_sees_its_end() {
        let listener = Listener::start("service.listen", ANY, Transport::Plain, router()).expect("listening");
        let mut stream = TcpStream::connect(listener.address()).await.expect("connected");
        while listener.connections() == 0 {
            tokio::task::yield_now().await;
        }
        listener.kill().await;
        let mut rest = Vec::new();
        // The end may be orderly or a reset; either way it is the end and nothing was said.
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    }
}
