//! From a host name to the address that is dialled: one lookup, one check, and no second question.
//!
//! Owns [`Resolver`], the [`Lookup`] behind it and the [`LabMap`] of names that no DNS knows. Which
//! addresses are allowed is decided in `range`. A tenant may control the DNS of a vault's name: what the name
//! gives a moment later cannot matter, because the addresses that were checked are the ones handed on.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use model::time::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::range::Ranges;
use super::trust::Trust;

/// How many of a name's allowed addresses are tried.
pub const MAX_ADDRESSES: usize = 4;
/// How many lookups of one connection may be under way; a name whose DNS never answers blocks a thread for
/// as long as the system's resolver waits, and must not block those of other tenants.
pub const MAX_LOOKUPS: usize = 4;
/// The domain that no DNS serves.
pub(super) const LAB_DOMAIN: &str = "localhost";
/// How many suffixes a lab map may hold.
pub const MAX_LAB_NAMES: usize = 16;

/// Why a host was not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDialled {
    /// The name has no address, or DNS gave no answer.
    #[error("{0} does not resolve")]
    Unknown(String),
    /// None of the name's addresses lies in the ranges that this connection may reach.
    #[error("{host} leads to {address}, which is in no address range that this connection may reach")]
    Forbidden {
        /// The name.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
    },
    /// An address in the place of a name: no resolver sees it, so nothing could check it.
    #[error("{0} is an address; only names are dialled")]
    Literal(String),
    /// A host that this transport is not for.
    #[error("{0} is not a host that this transport may reach")]
    Elsewhere(String),
    /// Anything but https.
    #[error("{0} is not reached over https")]
    Plain(String),
}

/// Asks for the addresses of a name: the operating system, or a closure in a test.
#[derive(Clone)]
pub struct Lookup(Arc<Ask>);

type Ask = dyn Fn(String, Place) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// One of the [`MAX_LOOKUPS`] places of a connection, held for as long as the lookup really goes on.
type Place = OwnedSemaphorePermit;

impl Lookup {
    /// The operating system's resolver.
    pub fn system() -> Self {
        Self(Arc::new(|host, place| {
            // The place is given back by the thread: a caller who has gone does not end the system's wait.
            let asked = tokio::task::spawn_blocking(move || {
                let found = (host.as_str(), 0).to_socket_addrs();
                drop(place);
                Ok(found?.map(|address| address.ip()).collect())
            });
            Box::pin(async move { asked.await.map_err(io::Error::other)? })
        }))
    }

    /// Whatever the closure says.
    pub fn by(answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |host, _| {
            let found = answer(&host);
            Box::pin(async move { found })
        }))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

/// Where the lab's names live: a suffix such as `vault.localhost`, and the address of its listener.
///
/// The address carries the port, so that the names need none and a data folder opens again on any free port.
/// Only names under `localhost` are taken, which no DNS serves (RFC 6761), or those that the authority of one run vouches
/// for: a map left over from a lab cannot lead a real vault's name astray.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabMap(Vec<(String, SocketAddr)>);

/// An entry that a lab map does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALabName {
    /// Not under `localhost`, or no name at all.
    #[error("{0:?} is no lab name: only lower-case names under localhost, without a port, can be mapped")]
    Name(String),
    /// An address without a port says nothing.
    #[error("{0:?} is mapped to an address without a port")]
    NoPort(String),
    /// More than [`MAX_LAB_NAMES`].
    #[error("{0} lab names are mapped; at most {MAX_LAB_NAMES} are taken")]
    TooMany(usize),
}

impl LabMap {
    /// Maps each suffix, and every name under it, to an address.
    pub fn new(entries: impl IntoIterator<Item = (String, SocketAddr)>) -> Result<Self, NotALabName> {
        Self::checked(entries.into_iter().collect(), is_lab_name)
    }

    /// The same with names of one run of a lab: those that its authority, and no other, vouches for.
    pub fn run(
        entries: impl IntoIterator<Item = (String, SocketAddr)>,
        trust: &Trust,
    ) -> Result<Self, NotALabName> {
        let plain = |name: &str| has_plain_labels(name) && trust.vouches_for(name);
        Self::checked(entries.into_iter().collect(), |name| is_lab_name(name) || plain(name))
    }

    fn checked(
        entries: Vec<(String, SocketAddr)>,
        allowed: impl Fn(&str) -> bool,
    ) -> Result<Self, NotALabName> {
        if entries.len() > MAX_LAB_NAMES {
            return Err(NotALabName::TooMany(entries.len()));
        }
        for (suffix, address) in &entries {
            if !allowed(suffix) {
                return Err(NotALabName::Name(suffix.chars().take(64).collect()));
            }
            if address.port() == 0 {
                return Err(NotALabName::NoPort(suffix.clone()));
            }
        }
        Ok(Self(entries))
    }

    /// The address of the longest suffix that the host is, or lies under.
    fn address(&self, host: &str) -> Option<SocketAddr> {
        let under = |suffix: &str| host == suffix || is_under(host, suffix);
        let found = self.0.iter().filter(|(suffix, _)| under(suffix));
        found.max_by_key(|(suffix, _)| suffix.len()).map(|(_, address)| *address)
    }
}

/// Whether `host` is a name under `suffix`; both without a port.
pub(super) fn is_under(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.')).is_some_and(|label| !label.is_empty())
}

/// Whether the name is one that only a lab can serve.
fn is_lab_name(name: &str) -> bool {
    is_under(name, LAB_DOMAIN) && has_plain_labels(name)
}

fn has_plain_labels(name: &str) -> bool {
    let labels =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    name.bytes().all(labels) && name.split('.').all(|label| !label.is_empty())
}

/// Resolves a host once and hands on only addresses that the connection may reach.
#[derive(Debug, Clone)]
pub struct Resolver {
    lookup: Lookup,
    ranges: Ranges,
    lab: LabMap,
    /// Not in the lookup, which the connections of many tenants share.
    places: Arc<Semaphore>,
}

impl Resolver {
    /// A resolver of the ranges of one connection.
    pub fn new(lookup: Lookup, ranges: Ranges, lab: LabMap) -> Self {
        Self { lookup, ranges, lab, places: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }

    /// The addresses to dial; port 0 stands for the port of the URL.
    pub async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, NotDialled> {
        if let Some(address) = self.lab.address(host) {
            return Ok(vec![address]);
        }
        let unknown = || NotDialled::Unknown(host.to_owned());
        let place = self.places.clone().acquire_owned().await.map_err(|_| unknown())?;
        let found = (self.lookup.0)(host.to_owned(), place).await.map_err(|_| unknown())?;
        let first = *found.first().ok_or_else(unknown)?;
        let allowed = found.into_iter().filter(|address| self.ranges.allow(*address));
        let dialled: Vec<_> =
            allowed.take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, 0)).collect();
        match dialled.is_empty() {
            true => Err(NotDialled::Forbidden { host: host.to_owned(), address: first }),
            false => Ok(dialled),
        }
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let dialled = Resolver::resolve(&resolver, name.as_str()).await?;
            let dialled: reqwest::dns::Addrs = Box::new(dialled.into_iter());
            Ok(dialled)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn giving(answers: &[&str]) -> Resolver {
        let answers: Vec<_> = answers.iter().map(|text| address(text)).collect();
        Resolver::new(Lookup::by(move |_| Ok(answers.clone())), Ranges::default(), LabMap::default())
    }

    #[tokio::test]
    async fn only_the_allowed_addresses_of_a_name_are_handed_on() {
        let mixed = giving(&["10.0.0.1", "1.1.1.1", "169.254.169.254", "2603:1030::1"]);
        let dialled = mixed.resolve("a.vault.azure.net").await.expect("two are public");
        assert_eq!(dialled, ["1.1.1.1:0".parse().expect("v4"), "[2603:1030::1]:0".parse().expect("v6")]);
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_with_its_address() {
        let inside = giving(&["169.254.169.254", "10.0.0.1"]);
        let refused = inside.resolve("a.vault.azure.net").await.expect_err("metadata");
        let address = address("169.254.169.254");
        assert_eq!(refused, NotDialled::Forbidden { host: "a.vault.azure.net".to_owned(), address });
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_unknown() {
        let nothing = giving(&[]).resolve("a.vault.azure.net").await;
        assert_eq!(nothing, Err(NotDialled::Unknown("a.vault.azure.net".to_owned())));
        let lookup = Lookup::by(|_| Err(io::Error::other("no answer")));
        let silent = Resolver::new(lookup, Ranges::default(), LabMap::default());
        assert!(matches!(silent.resolve("a.vault.azure.net").await, Err(NotDialled::Unknown(_))));
    }

    #[tokio::test]
    async fn a_name_with_many_addresses_is_tried_at_few() {
        let many: Vec<_> = (1..=50).map(|last| format!("1.1.1.{last}")).collect();
        let many = giving(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(many.resolve("a.vault.azure.net").await.expect("public").len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn each_resolution_asks_once() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let lookup = Lookup::by(move |host| {
            log.lock().expect("one thread").push(host.to_owned());
            Ok(vec![address("1.1.1.1")])
        });
        let resolver = Resolver::new(lookup, Ranges::default(), LabMap::default());
        resolver.resolve("a.vault.azure.net").await.expect("public");
        assert_eq!(*asked.lock().expect("one thread"), ["a.vault.azure.net"]);
    }

    #[tokio::test]
    async fn names_that_are_never_answered_take_the_places_of_one_connection_and_of_no_other() {
        // The places go where the thread of a real lookup would keep them, also when the caller has gone.
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = kept.clone();
        let silent = Lookup(Arc::new(move |_, place| {
            keep.lock().expect("one thread").push(place);
            Box::pin(std::future::pending())
        }));
        let resolver = || Resolver::new(silent.clone(), Ranges::default(), LabMap::default());
        let (one, other) = (resolver(), resolver());
        for _ in 0..=MAX_LOOKUPS {
            assert!(one.resolve("slow.vault.azure.net").now_or_never().is_none());
        }
        assert_eq!(kept.lock().expect("one thread").len(), MAX_LOOKUPS, "no more were asked");
        assert!(other.resolve("slow.vault.azure.net").now_or_never().is_none());
        assert_eq!(kept.lock().expect("one thread").len(), MAX_LOOKUPS + 1, "another connection still asks");
    }

    #[tokio::test]
    async fn a_lab_name_is_dialled_where_the_lab_says() {
        let entry = |suffix: &str, address: &str| (suffix.to_owned(), address.parse().expect("an address"));
        let lab = LabMap::new([
            entry("deep.vault.localhost", "127.0.0.1:1"),
            entry("vault.localhost", "127.0.0.1:2"),
            entry("availability.localhost", "127.0.0.1:3"),
        ]);
        let none = Lookup::by(|_| Err(io::Error::other("no DNS in the lab")));
        let resolver = Resolver::new(none, Ranges::default(), lab.expect("lab names"));
        for (host, port) in [
            ("contoso.vault.localhost", 2),
            ("vault.localhost", 2),
            ("login.availability.localhost", 3),
            ("a.deep.vault.localhost", 1),
        ] {
            let dialled = resolver.resolve(host).await.expect(host);
            assert_eq!(dialled, [SocketAddr::from(([127, 0, 0, 1], port))], "{host}");
        }
        assert!(matches!(resolver.resolve("a.vault.azure.net").await, Err(NotDialled::Unknown(_))));
        assert!(matches!(resolver.resolve("evilvault.localhost").await, Err(NotDialled::Unknown(_))));
    }

    #[test]
    fn a_lab_map_takes_no_real_name() {
        let port = SocketAddr::from(([127, 0, 0, 1], 8443));
        for real in [
            "vault.azure.net",
            "com",
            "",
            "localhost",
            ".localhost",
            "a..localhost",
            "A.localhost",
            "x.localhost:1",
        ] {
            let refused = LabMap::new([(real.to_owned(), port)]);
            assert!(matches!(refused, Err(NotALabName::Name(_))), "{real}");
        }
        let authority = crate::roots::server::Authority::new();
        let map = |name: &str, trust: &Trust| LabMap::run([(name.to_owned(), port)], trust).is_ok();
        let run = Trust::run(authority.der(), ["vault.azure.net".to_owned()]).expect("a root");
        assert!(map("vault.azure.net", &run) && !map("azure.net", &run) && !map("vault.azure.cn", &run));
        let operators = Trust::root(authority.der().to_vec().into()).expect("a root");
        assert!(!map("vault.azure.net", &operators), "an authority that is no lab's leads nobody astray");
        let no_port = LabMap::new([("vault.localhost".to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)))]);
        assert!(matches!(no_port, Err(NotALabName::NoPort(_))));
    }

    #[tokio::test]
    async fn the_system_finds_loopback_by_its_name_and_the_ranges_refuse_it() {
        let resolver = Resolver::new(Lookup::system(), Ranges::default(), LabMap::default());
        assert!(matches!(resolver.resolve("localhost").await, Err(NotDialled::Forbidden { .. })));
    }
}
