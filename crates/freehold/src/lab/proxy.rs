//! The lab's proxy: a tunnel to the lab's own listeners for the names on its list, and for no other name.
//!
//! Owns the list and the answers to who asks for something else. It opens no connection but to the addresses of the list,
//! looks no name up, and never reads what goes through: TLS is between the client and our listener.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest head of a request to the proxy, in bytes.
pub const PROXY_HEAD: usize = 8 << 10;
/// How long a client may take to send it.
pub const PROXY_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How many tunnels are open at a time; the next client waits.
pub const MAX_TUNNELS: usize = 512;
/// The only port that names are asked for with.
const HTTPS: &str = "443";

/// The names that the proxy reaches.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    exact: HashMap<String, SocketAddr>,
    below: Vec<(String, SocketAddr)>,
}

impl List {
    /// Takes a host onto the list.
    pub(super) fn host(&mut self, name: &str, address: SocketAddr) {
        self.exact.insert(name.to_owned(), address);
    }

    /// Takes every host right below a domain onto the list.
    pub(super) fn below(&mut self, domain: &str, address: SocketAddr) {
        self.below.push((domain.to_owned(), address));
    }

    fn find(&self, authority: &str) -> Option<SocketAddr> {
        let (host, port) = authority.rsplit_once(':')?;
        let host = host.to_ascii_lowercase();
        let label = |domain: &str| host.strip_suffix(domain)?.strip_suffix('.').map(str::to_owned);
        let is_label = |label: String| !label.is_empty() && !label.contains('.');
        let below = || self.below.iter().find(|(domain, _)| label(domain).is_some_and(is_label));
        let found = self.exact.get(&host).copied().or_else(|| below().map(|(_, address)| *address));
        found.filter(|_| port == HTTPS)
    }
}

/// A running proxy; dropping it ends it with its tunnels.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts on a free port of loopback.
    pub(super) async fn start(list: List) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let task = tokio::spawn(serve(socket, Arc::new(list)));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: TcpListener, list: Arc<List>) {
    let places = Arc::new(Semaphore::new(MAX_TUNNELS));
    // Dropped with this future: a tunnel does not outlive the proxy.
    let mut tunnels = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while tunnels.try_join_next().is_some() {}
        match socket.accept().await {
            Ok((client, _)) => {
                let list = list.clone();
                tunnels.spawn(async move {
                    let _place = place;
                    // Who closes early has what it wanted.
                    let _ = tunnel(client, &list).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the lab's proxy took no connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn tunnel(mut client: TcpStream, list: &List) -> io::Result<()> {
    let (head, early) = match timeout(PROXY_HEAD_TIMEOUT, head(&mut client)).await {
        Ok(Ok(Some(read))) => read,
        Ok(Ok(None)) => {
            return refuse(&mut client, "400 Bad Request", "This is no request to a proxy.").await;
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return refuse(&mut client, "408 Request Timeout", "The request took too long.").await,
    };
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, authority) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "CONNECT" {
        let why =
            "The proxy of `freehold lab` opens tunnels (CONNECT) alone: plain http leads out of the lab.";
        return refuse(&mut client, "403 Forbidden", why).await;
    }
    let Some(address) = list.find(authority) else {
        let shown: String = authority.chars().filter(char::is_ascii_graphic).take(260).collect();
        tracing::info!(name = shown, "the lab's proxy refused a name");
        let why = format!(
            "The proxy of `freehold lab` reaches the names of the lab alone, and {shown} is none of them. Nothing was \
             connected."
        );
        return refuse(&mut client, "403 Forbidden", &why).await;
    };
    let Ok(mut server) = TcpStream::connect(address).await else {
        return refuse(&mut client, "502 Bad Gateway", "The lab does not listen any more.").await;
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    server.write_all(&early).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// The head of the request and what came after it; `None` if it is too long, ends early or is no text.
async fn head(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut read = Vec::with_capacity(1024);
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let early = read.split_off(end + 4);
            return Ok(String::from_utf8(read).ok().map(|head| (head, early)));
        }
        let mut rest = (&mut *client).take((PROXY_HEAD - read.len()) as u64);
        if read.len() >= PROXY_HEAD || rest.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
}

async fn refuse(client: &mut TcpStream, status: &str, why: &str) -> io::Result<()> {
    let length = why.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{why}\n"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(address: SocketAddr) -> List {
        let mut list = List::default();
        list.host("login.microsoftonline.com", address);
        list.below("vault.azure.net", address);
        list
    }

    #[test]
    fn only_names_of_the_list_and_only_https_are_found() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7));
        let list = list(address);
        for known in ["login.microsoftonline.com:443", "a.vault.azure.net:443", "A.Vault.Azure.Net:443"] {
            assert_eq!(list.find(known), Some(address), "{known}");
        }
        for foreign in [
            "a.vault.azure.net:80",
            "a.vault.azure.net",
            "vault.azure.net:443",
            "a.b.vault.azure.net:443",
            ".vault.azure.net:443",
            "evilvault.azure.net:443",
            "x.login.microsoftonline.com:443",
            "login.microsoftonline.com.evil.example:443",
            "127.0.0.1:443",
            "[::1]:443",
            "",
        ] {
            assert_eq!(list.find(foreign), None, "{foreign}");
        }
    }

    async fn asked(proxy: &Proxy, request: &[u8]) -> String {
        let mut client = TcpStream::connect(proxy.address()).await.expect("it listens");
        client.write_all(request).await.expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn a_tunnel_carries_what_was_sent_early_and_everything_else_is_refused() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let proxy = Proxy::start(list(server.local_addr().expect("bound"))).await.expect("started");
        let echo = tokio::spawn(async move {
            let (mut peer, _) = server.accept().await.expect("a tunnel");
            let mut heard = [0; 5];
            peer.read_exact(&mut heard).await.expect("five bytes");
            peer.write_all(&heard).await.expect("sent back");
        });
        let answer = asked(&proxy, b"CONNECT a.vault.azure.net:443 HTTP/1.1\r\nhost: x\r\n\r\nhello").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        echo.await.expect("it echoed");
        let foreign = asked(&proxy, b"CONNECT example.com:443 HTTP/1.1\r\n\r\n").await;
        assert!(
            foreign.starts_with("HTTP/1.1 403") && foreign.contains("example.com:443 is none of them"),
            "{foreign}"
        );
        let plain = asked(&proxy, b"GET http://169.254.169.254/ HTTP/1.1\r\n\r\n").await;
        assert!(plain.starts_with("HTTP/1.1 403") && plain.contains("CONNECT"), "{plain}");
        let long = [b"CONNECT ".as_slice(), &vec![b'a'; PROXY_HEAD - 8]].concat();
        assert!(asked(&proxy, &long).await.starts_with("HTTP/1.1 400"));
    }
}
