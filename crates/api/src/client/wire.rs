//! The wire under the client: what it dials, whom it believes, and how long it waits.
//!
//! TLS always, but for this machine; no proxy of the environment and no redirect, so that a token goes to the service
//! that was named and to nobody else. A stream may take as long as it likes, but not be silent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Url};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::error::NoClient;

/// How long a connection may take to come about, DNS and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the other side may be silent; the slowest call asks two vaults several times.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a connection without work is asked whether it lives, and kept.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How much of an address that is none is told.
const MAX_SHOWN: usize = 100;

/// The address of a service.
pub(super) fn server(text: &str) -> Result<Url, NoClient> {
    let shown = || text.chars().take(MAX_SHOWN).collect::<String>();
    let url = Url::parse(text).map_err(|_| NoClient::Server(shown()))?;
    let plain = url.username().is_empty() && url.password().is_none();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" if plain && bare => Ok(url),
        "http" if plain && bare && is_here(&url) => Ok(url),
        "http" if plain && bare => Err(NoClient::Plain(shown())),
        // What was typed may hold a password.
        _ if !plain => Err(NoClient::Server("an address with a name or a password in it".into())),
        _ => Err(NoClient::Server(shown())),
    }
}

/// Whether an address is on this machine, by what it says.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    is_local(host) || literal.is_ok_and(|address| address.is_loopback())
}

/// Whether a name is one of this machine (RFC 6761); no DNS is asked for it.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// The client's side of TLS: these authorities alone, or else those of this machine.
pub(super) fn tls(roots: Option<Arc<RootCertStore>>) -> Result<ClientConfig, NoClient> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let mut tls = match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None => {
            let verifier = Verifier::new(provider).map_err(NoClient::Platform)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
    };
    // With h2 an early refusal of a long content is heard; on a connection that is closed under it, it may be lost.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// For calls and for reading: whoever is silent for too long is given up.
pub(super) fn http(server: &Url, tls: ClientConfig) -> Result<reqwest::Client, NoClient> {
    Ok(builder(server, tls).read_timeout(IDLE_TIMEOUT).build()?)
}

/// For sending: the service says nothing while a long content comes in, but its connection must live.
pub(super) fn uploads(server: &Url, tls: ClientConfig) -> Result<reqwest::Client, NoClient> {
    Ok(builder(server, tls)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
        .tcp_user_timeout(IDLE_TIMEOUT)
        .build()?)
}

/// An HTTP client by the same rules for another address, for whoever must get a token there first.
pub fn connection(address: &str, roots: Option<Arc<RootCertStore>>) -> Result<reqwest::Client, NoClient> {
    http(&server(address)?, tls(roots)?)
}

fn builder(server: &Url, tls: ClientConfig) -> ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Names))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(server.scheme() == "https")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(KEEP_ALIVE)
}

/// The names of this machine, and for all others the system's resolver.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        if is_local(name.as_str()) {
            let here = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
            let here = here.map(|address| SocketAddr::new(address, 0));
            return Box::pin(async move { Ok(Box::new(here.into_iter()) as Addrs) });
        }
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_machine() {
        for fine in [
            "https://freehold.example",
            "https://freehold.example:8443/",
            "http://localhost:1",
            "http://service.localhost",
            "http://127.0.0.1:80",
            "http://[::1]:80",
        ] {
            assert!(server(fine).is_ok(), "{fine}");
        }
        for plain in
            ["http://freehold.example", "http://10.0.0.1", "http://localhost.example", "http://xlocalhost"]
        {
            assert!(matches!(server(plain), Err(NoClient::Plain(_))), "{plain}");
        }
        for wrong in ["", "freehold.example", "ftp://localhost", "https://a/b", "https://a?b", "https://a#b"]
        {
            assert!(matches!(server(wrong), Err(NoClient::Server(_))), "{wrong}");
        }
        let secret = server("https://me:secret@freehold.example").expect_err("refused");
        assert!(!secret.to_string().contains("secret"), "{secret}");
    }
}
