//! The issuer of people's tokens: its name for each directory, and the keys that it publishes.
//!
//! Owns the cache of those keys (spec/http-api.md). A key is asked for only for a directory that a tenant has, so that
//! nobody can send the service to an issuer of his choice.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use model::id::DirectoryId;
use model::refusal::{Code, Refusal};
use model::time::{Clock, Moment};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

/// How long published keys are used before they are asked for again.
const KEYS_LIFE: Duration = Duration::from_secs(3600);
/// How long they are used at most while the issuer does not answer.
const KEYS_STALE: Duration = Duration::from_secs(24 * 3600);
/// How often an issuer is asked at most.
const KEYS_AGAIN: Duration = Duration::from_secs(60);
/// The same after a call that brought nothing.
const KEYS_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Directories whose keys are held; beyond that the cache begins anew.
const MAX_ISSUERS: usize = 10_000;
/// Keys of one issuer that are looked at.
const MAX_KEYS: usize = 64;
/// The longest document of an issuer.
const MAX_DOCUMENT: usize = 256 << 10;
/// Where the directory stands in the issuer's name.
const PLACE: &str = "{directory}";

/// An issuer that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error(
    "service.issuer is {text}: expected an https URL with {PLACE} in its path and no query, such as https://login.vault.localhost/{PLACE}/"
)]
pub struct IssuerFault {
    text: String,
}

/// Where tokens come from; clones share what is kept.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    template: String,
    audience: String,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    kept: StdMutex<HashMap<DirectoryId, Arc<Kept>>>,
}

impl Kept {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("template", &self.0.template).finish_non_exhaustive()
    }
}

/// The keys of one directory's issuer.
#[derive(Default)]
struct Kept {
    state: StdMutex<State>,
    /// Held while the issuer is asked: one call at a time for each directory.
    asking: Mutex<()>,
}

#[derive(Default, Clone)]
struct State {
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Moment>,
    asked: Option<Moment>,
    /// The newest call brought nothing.
    failed: bool,
}

impl State {
    /// What the kept keys say: an issuer that could not be asked is an outage, and no wrong token.
    fn answer(
        &self,
        directory: DirectoryId,
        kid: &str,
        now: Moment,
    ) -> Result<Option<Arc<DecodingKey>>, Refusal> {
        let usable = self.fetched.is_some_and(|fetched| fetched + KEYS_STALE > now);
        match self.keys.get(kid).filter(|_| usable) {
            Some(key) => Ok(Some(key.clone())),
            None if self.failed || !usable => {
                let why = format!("the issuer of directory {directory} does not tell the keys of its tokens");
                Err(Refusal::new(Code::Outage, why))
            }
            None => Ok(None),
        }
    }

    /// Whether the issuer may be asked now for this key.
    fn is_due(&self, kid: &str, now: Moment) -> bool {
        let older = |at: Option<Moment>, age| at.is_none_or(|at| at + age <= now);
        let rest = if self.failed { KEYS_AFTER_FAILURE } else { KEYS_AGAIN };
        (older(self.fetched, KEYS_LIFE) || !self.keys.contains_key(kid)) && older(self.asked, rest)
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// An issuer whose name for a directory is the template; its client decides whom it believes and where it dials.
    pub fn new(
        template: &str,
        audience: &str,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerFault> {
        let fault = || IssuerFault { text: template.to_owned() };
        let url = Url::parse(&template.replacen(PLACE, "x", 1)).map_err(|_| fault())?;
        let plain = url.scheme() == "https" && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().unwrap_or_default();
        let once = template.matches(PLACE).count() == 1;
        if !plain || !once || !url.username().is_empty() || host.is_empty() || host == "x" {
            return Err(fault());
        }
        let (template, audience) = (template.to_owned(), audience.to_owned());
        Ok(Self(Arc::new(Inner { template, audience, http, clock, kept: StdMutex::default() })))
    }

    /// What a token must be for.
    pub fn audience(&self) -> &str {
        &self.0.audience
    }

    /// The issuer of a directory's tokens.
    pub fn of(&self, directory: DirectoryId) -> String {
        self.0.template.replacen(PLACE, &directory.to_string(), 1)
    }

    /// The published key of this name; none when the issuer has no such key.
    ///
    /// A key that is kept is answered at once, also while the issuer is being asked for newer ones: whoever sends a
    /// wrong token holds up nobody. `Outage` when the issuer does not answer and no kept key may be used.
    pub async fn key(&self, directory: DirectoryId, kid: &str) -> Result<Option<Arc<DecodingKey>>, Refusal> {
        let kept = self.kept_of(directory);
        let state = kept.state();
        let now = self.0.clock.moment();
        if !state.is_due(kid, now) {
            return state.answer(directory, kid, now);
        }
        let (issuer, asking) = (self.clone(), kept.clone());
        let wanted = kid.to_owned();
        // A task of its own: it goes on also if this caller leaves, and the next one finds what it brought.
        let asked = tokio::spawn(async move { issuer.ask(directory, &wanted, &asking).await });
        match state.answer(directory, kid, now) {
            Ok(Some(key)) => Ok(Some(key)),
            _ => {
                let _ = asked.await;
                kept.state().answer(directory, kid, self.0.clock.moment())
            }
        }
    }

    fn kept_of(&self, directory: DirectoryId) -> Arc<Kept> {
        let mut all = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ISSUERS && !all.contains_key(&directory) {
            all.clear();
        }
        all.entry(directory).or_default().clone()
    }

    /// Asks the issuer, unless somebody did while this one waited for his turn.
    async fn ask(&self, directory: DirectoryId, kid: &str, kept: &Kept) {
        let _turn = kept.asking.lock().await;
        let now = self.0.clock.moment();
        if !kept.state().is_due(kid, now) {
            return;
        }
        let fetched = self.fetch(directory).await;
        let mut state = kept.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked = Some(self.0.clock.moment());
        state.failed = fetched.is_err();
        match fetched {
            Ok(keys) => (state.keys, state.fetched) = (keys, Some(now)),
            Err(why) => tracing::warn!(%directory, why, "the issuer of a directory gives no keys"),
        }
    }

    async fn fetch(&self, directory: DirectoryId) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let issuer = self.of(directory);
        let well_known = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Discovered = self.document(&well_known).await?;
        if found.issuer != issuer {
            return Err("its discovery document names another issuer".into());
        }
        let (at, keys) = (Url::parse(&issuer), Url::parse(&found.jwks_uri));
        let origin = |url: Result<Url, _>| url.ok().map(|url: Url| url.origin());
        if origin(at).is_none_or(|at| origin(keys).is_none_or(|keys| keys != at)) {
            return Err("its keys lie on another host".into());
        }
        let set: JwkSet = self.document(&found.jwks_uri).await?;
        let usable = set.keys.iter().take(MAX_KEYS).filter(|key| is_rs256(key));
        let named = usable
            .filter_map(|key| Some((key.common.key_id.clone()?, Arc::new(DecodingKey::from_jwk(key).ok()?))));
        Ok(named.collect())
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let mut answer =
            self.0.http.get(url).send().await.map_err(|error| error.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + piece.len() > MAX_DOCUMENT {
                return Err(format!("its document is longer than {MAX_DOCUMENT} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
        serde_json::from_slice(&bytes).map_err(|_| "its document is not what is expected".into())
    }
}

fn is_rs256(key: &Jwk) -> bool {
    let rsa = matches!(key.algorithm, jsonwebtoken::jwk::AlgorithmParameters::RSA(_));
    rsa && key.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use model::time::{ManualClock, Timestamp};
    use serde_json::json;
    use tempfile::TempDir;
    use tokio::sync::Notify;

    use super::*;
    use crate::authority::lab_names;
    use crate::certificates::Certificate;
    use crate::clock::SystemClock;
    use crate::listener::{Listener, Transport};
    use crate::wire::{self, Names};

    /// An issuer that answers as it is told, or not at all until it is let go.
    #[derive(Clone, Default)]
    struct Script(Arc<Scripted>);

    #[derive(Default)]
    struct Scripted {
        answer: StdMutex<Answer>,
        asked: AtomicUsize,
        go: Notify,
    }

    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    enum Answer {
        #[default]
        One,
        Two,
        Broken,
        Silent,
        Elsewhere,
    }

    impl Script {
        fn say(&self, answer: Answer) {
            *self.0.answer.lock().expect("held by nobody") = answer;
        }

        fn asked(&self) -> usize {
            self.0.asked.load(Ordering::Relaxed)
        }

        async fn discovery(self, base: String) -> axum::response::Response {
            self.0.asked.fetch_add(1, Ordering::Relaxed);
            let answer = *self.0.answer.lock().expect("held by nobody");
            match answer {
                Answer::Broken => return StatusCode::BAD_GATEWAY.into_response(),
                Answer::Silent => self.0.go.notified().await,
                _ => {}
            }
            let keys = if answer == Answer::Elsewhere {
                "https://127.0.0.1:1/keys".into()
            } else {
                format!("{base}/keys")
            };
            axum::Json(json!({ "issuer": format!("{base}/{}/", directory()), "jwks_uri": keys }))
                .into_response()
        }

        async fn keys(self) -> axum::response::Response {
            let two = *self.0.answer.lock().expect("held by nobody") == Answer::Two;
            let key = |kid: &str| json!({ "kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB" });
            let keys = if two { vec![key("first"), key("second")] } else { vec![key("first")] };
            axum::Json(json!({ "keys": keys })).into_response()
        }
    }

    fn directory() -> DirectoryId {
        DirectoryId::from_random([3; 16])
    }

    struct World {
        issuer: Issuer,
        script: Script,
        clock: ManualClock,
        _listener: Listener,
        _folder: TempDir,
    }

    impl World {
        async fn new() -> Self {
            let folder = TempDir::new().expect("a folder");
            let certificate = Certificate::lab(folder.path(), &lab_names(&[]), &SystemClock).expect("made");
            let script = Script::default();
            let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address: SocketAddr = socket.local_addr().expect("an address");
            drop(socket);
            let base = format!("https://localhost:{}", address.port());
            let (one, two, shown) = (script.clone(), script.clone(), base.clone());
            let path = format!("/{}/.well-known/openid-configuration", directory());
            let router = Router::new()
                .route(&path, get(move || one.clone().discovery(shown.clone())))
                .route("/keys", get(move || two.clone().keys()));
            let tls = Transport::Tls(certificate.server_config());
            let listener = Listener::start("the issuer", address, tls, router).expect("listening");
            let names = Names::new(vec![("localhost".into(), address)]);
            let http = wire::client(certificate.trust(), names).expect("a client");
            let clock = ManualClock::at(Timestamp(0));
            let template = format!("{base}/{{directory}}/");
            let issuer = Issuer::new(&template, "api://x", http, Arc::new(clock.clone())).expect("an issuer");
            Self { issuer, script, clock, _listener: listener, _folder: folder }
        }

        async fn key(&self, kid: &str) -> Result<bool, Code> {
            let found = self.issuer.key(directory(), kid).await;
            found.map(|key| key.is_some()).map_err(|refusal| refusal.code)
        }
    }

    #[tokio::test]
    async fn keys_are_asked_for_once_and_again_for_an_unknown_name_but_not_all_the_time() {
        let world = World::new().await;
        assert_eq!(world.key("first").await, Ok(true));
        assert_eq!(world.key("first").await, Ok(true));
        assert_eq!(world.key("second").await, Ok(false));
        assert_eq!(world.script.asked(), 1);
        world.script.say(Answer::Two);
        world.clock.advance(KEYS_AGAIN);
        assert_eq!(world.key("second").await, Ok(true), "the issuer has rolled its keys");
        assert_eq!(world.script.asked(), 2);
    }

    #[tokio::test]
    async fn an_issuer_that_does_not_answer_is_an_outage_and_no_wrong_token() {
        let world = World::new().await;
        world.script.say(Answer::Broken);
        assert_eq!(world.key("first").await, Err(Code::Outage));
        world.script.say(Answer::One);
        world.clock.advance(KEYS_AFTER_FAILURE);
        assert_eq!(world.key("first").await, Ok(true));
        world.script.say(Answer::Broken);
        world.clock.advance(KEYS_LIFE);
        assert_eq!(world.key("second").await, Err(Code::Outage), "a key that it may have rolled to");
        assert_eq!(world.key("first").await, Ok(true), "a kept key serves on");
        world.clock.advance(KEYS_STALE);
        assert_eq!(world.key("first").await, Err(Code::Outage));
    }

    #[tokio::test]
    async fn a_wrong_token_holds_nobody_up_while_the_issuer_is_silent() {
        let world = World::new().await;
        assert_eq!(world.key("first").await, Ok(true));
        world.script.say(Answer::Silent);
        world.clock.advance(KEYS_AGAIN);
        let issuer = world.issuer.clone();
        let forged = tokio::spawn(async move { issuer.key(directory(), "forged").await.is_ok() });
        while world.script.asked() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.key("first").await, Ok(true), "while the other still waits");
        assert!(!forged.is_finished());
        world.script.0.go.notify_one();
        assert!(forged.await.expect("a task"));
        assert_eq!(world.script.asked(), 2);
    }

    #[tokio::test]
    async fn keys_on_another_host_are_not_taken() {
        let world = World::new().await;
        world.script.say(Answer::Elsewhere);
        assert_eq!(world.key("first").await, Err(Code::Outage));
    }

    #[test]
    fn only_an_https_name_with_one_place_for_the_directory_in_its_path_is_an_issuer() {
        let http = reqwest_none();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(0)));
        let made = |text: &str| Issuer::new(text, "api://x", http.clone(), clock.clone()).is_ok();
        assert!(made("https://login.example.com/{directory}/v2.0"));
        for bad in [
            "",
            "https://login.example.com/",
            "http://login.example.com/{directory}/",
            "https://{directory}/",
            "https://login.example.com/{directory}/{directory}",
            "https://login.example.com/x?y={directory}",
            "https://user@login.example.com/{directory}",
        ] {
            assert!(!made(bad), "{bad}");
        }
    }

    fn reqwest_none() -> reqwest::Client {
        let folder = TempDir::new().expect("a folder");
        let certificate = Certificate::lab(folder.path(), &lab_names(&[]), &SystemClock).expect("made");
        wire::client(certificate.trust(), Names::default()).expect("a client")
    }
}
