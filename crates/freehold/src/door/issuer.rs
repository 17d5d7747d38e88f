//! The issuer of people's tokens: its name for each directory, and the keys that it publishes.
//!
//! Owns the cache of those keys (spec/http-api.md). A key is asked for only for a directory that a tenant has, so that
//! nobody can send the service to an issuer of his choice.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
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

/// Where tokens come from.
pub struct Issuer {
    template: String,
    audience: String,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<DirectoryId, Arc<Mutex<Kept>>>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("template", &self.template).finish_non_exhaustive()
    }
}

/// The keys of one directory's issuer.
#[derive(Default)]
struct Kept {
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Moment>,
    asked: Option<Moment>,
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
        if !plain || !url.username().is_empty() || host.is_empty() || !template.contains(&format!("/{PLACE}"))
        {
            return Err(fault());
        }
        let (template, audience) = (template.to_owned(), audience.to_owned());
        Ok(Self { template, audience, http, clock, kept: Mutex::default() })
    }

    /// What a token must be for.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The issuer of a directory's tokens.
    pub fn of(&self, directory: DirectoryId) -> String {
        self.template.replacen(PLACE, &directory.to_string(), 1)
    }

    /// The published key of this name; none when the issuer has no such key.
    ///
    /// `Outage` when the issuer does not answer and no key of before may still be used.
    pub async fn key(&self, directory: DirectoryId, kid: &str) -> Result<Option<Arc<DecodingKey>>, Refusal> {
        let kept = {
            let mut all = self.kept.lock().await;
            if all.len() >= MAX_ISSUERS && !all.contains_key(&directory) {
                all.clear();
            }
            all.entry(directory).or_default().clone()
        };
        // One call at a time for each directory; whoever waits finds what it brought.
        let mut kept = kept.lock().await;
        let now = self.clock.moment();
        let older = |at: Option<Moment>, age| at.is_none_or(|at| at + age <= now);
        let wanted = older(kept.fetched, KEYS_LIFE) || !kept.keys.contains_key(kid);
        if wanted && older(kept.asked, KEYS_AGAIN) {
            kept.asked = Some(now);
            match self.fetch(directory).await {
                Ok(keys) => (kept.keys, kept.fetched) = (keys, Some(now)),
                Err(why) => {
                    tracing::warn!(%directory, why, "the issuer of a directory gives no keys");
                    // The next caller may try again at once where there is nothing to live on meanwhile.
                    if kept.keys.is_empty() {
                        kept.asked = None;
                    }
                }
            }
        }
        if older(kept.fetched, KEYS_STALE) {
            let why = format!("the issuer of directory {directory} does not tell the keys of its tokens");
            return Err(Refusal::new(Code::Outage, why));
        }
        Ok(kept.keys.get(kid).cloned())
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
        let mut answer = self.http.get(url).send().await.map_err(|error| error.without_url().to_string())?;
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
