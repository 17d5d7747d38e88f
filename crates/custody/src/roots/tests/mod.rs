//! Microsoft's client over our transport against a real TLS server: every row of what can come back.
//!
//! `answers` has what a vault and a token service may say, `hostile` what a vault or a DNS may try, `wire` what
//! happens on the way. This file owns the set-up.

mod answers;
mod credentials;
mod domains;
mod hostile;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crypto::Seed;
use crypto::testing::SeededRandom;
use model::fault::{Answer, CredentialOwner};
use model::id::{DirectoryId, RequestId};
use model::key_identifier::KeyIdentifier;
use model::suffix::SuffixList;
use model::time::{ManualClock, Timestamp};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::server::{Authority, Reply, Seen, Server, VERSION};
use super::{
    Application, AzureRootKeys, ClientSecret, Cloud, Connection, Credential, LabMap, Lookup, Ranges,
    RootDescription, RootKeys, Trust,
};

const SECRET: &str = "s3cret";
const BOUND: Duration = Duration::from_secs(30);

/// A scripted vault and the root keys in it.
struct Lab {
    server: Server,
    roots: Arc<AzureRootKeys>,
    clock: ManualClock,
}

impl Lab {
    async fn new(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        let server = Server::start(&authority, "vault.localhost", script).await;
        let application = application(&authority, &server);
        let (roots, clock) = roots(application);
        Self { server, roots, clock }
    }

    async fn sound() -> Self {
        Self::new(|_| Reply::Sound).await
    }

    async fn describe(&self) -> Result<RootDescription, Answer> {
        self.roots.describe(&key(), request()).await
    }

    /// A call that is under way, once so many requests of it have arrived; it must not end before.
    async fn hanging(&self, requests: usize) -> JoinHandle<Result<RootDescription, Answer>> {
        let roots = self.roots.clone();
        let mut call = tokio::spawn(async move { roots.describe(&key(), request()).await });
        for number in 0..requests {
            tokio::select! {
                () = self.server.arrived() => {}
                ended = &mut call => panic!("ended after {number} requests: {ended:?}"),
            }
        }
        call
    }

    async fn wrap(&self) -> Result<Vec<u8>, Answer> {
        self.roots.wrap(&key(), &seed(), request()).await
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Answer> {
        self.roots.unwrap(&key(), wrapped, request()).await
    }
}

/// An application of the lab: its names are mapped to the server, and no DNS is asked.
fn application(authority: &Authority, server: &Server) -> Application {
    let suffix = server.suffix().parse().expect("a suffix");
    let host = server.suffix().split(':').next().expect("a host").to_owned();
    Application {
        cloud: Cloud::of(suffix).expect("our own"),
        client_id: "freehold-exchange".parse().expect("a client id"),
        owner: CredentialOwner::Operator,
        credential: secret(SECRET),
        ranges: Ranges::default(),
        trust: Trust::lab(authority.der()).expect("a root"),
        lab: LabMap::new([(host, server.address)]).expect("a lab name"),
        lookup: Lookup::by(|_| Err(io::Error::other("the lab has no DNS"))),
    }
}

/// A client secret that nobody renews.
fn secret(text: &str) -> Credential {
    Credential::fixed(ClientSecret::new(Zeroizing::new(text.to_owned())).expect("printable"))
}

fn roots(application: Application) -> (Arc<AzureRootKeys>, ManualClock) {
    let clock = ManualClock::at(Timestamp(1_800_000_000_000));
    let directory = DirectoryId::from_random([5; 16]);
    let connection = Connection { application: Arc::new(application), directory, version: 1 };
    let roots = AzureRootKeys::bounded(connection, Arc::new(clock.clone()), BOUND).expect("a wire");
    (Arc::new(roots), clock)
}

fn key_at(text: &str) -> KeyIdentifier {
    let suffix = text.split('/').nth(2).and_then(|host| host.split_once('.')).expect("a host").1;
    KeyIdentifier::parse(text, &SuffixList::new([suffix]).expect("a suffix")).expect(text)
}

/// The lab's key, with its version.
fn key() -> KeyIdentifier {
    key_at(&format!("https://contoso-a.vault.localhost/keys/key001/{VERSION}"))
}

fn request() -> RequestId {
    RequestId::from_random([9; 16])
}

fn seed() -> Seed {
    Seed::generate(&SeededRandom::new(7))
}
