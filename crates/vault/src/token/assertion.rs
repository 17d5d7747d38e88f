//! Assertions: a signed statement in the place of a secret, by the application's own certificate or by another issuer.
//!
//! Owns the check (RFC 7523). Which of the two it is follows from the issuer: the application itself, or a URL. Nothing of
//! an assertion is believed before its signature. One may be sent again until it ends: the clients that people have keep
//! one for ten minutes and ask for several tokens with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use model::id::DirectoryId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::directory::application::ApplicationRow;
use crate::directory::federation::Federation;
use crate::directory::{self, Standing, domain};
use crate::id::ApplicationId;
use crate::service_hosts::Service;
use crate::token::No;
use crate::token::check::{CLOCK_SKEW, LONGEST_TOKEN, Who};
use crate::token::claims::{self, Claims};
use crate::token::form::Form;
use crate::token::refusal::TokenRefused;

/// Seconds that an application's own assertion may have before it; clients make them for ten minutes.
const LONGEST_ASSERTION: i64 = 3600;

/// The only type of assertion (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an assertion says, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
    exp: Option<i64>,
    nbf: Option<i64>,
}

/// One audience or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// An assertion that can be read; nothing in it is proved yet.
pub(crate) struct Assertion<'a> {
    text: &'a str,
    header: Header,
    issuer: String,
}

impl<'a> Assertion<'a> {
    /// Reads the assertion of a request.
    pub(crate) fn read(form: &Form, text: &'a str) -> Result<Self, TokenRefused> {
        if form.required("client_assertion_type")? != JWT_BEARER {
            return Err(TokenRefused::assertion_type());
        }
        let invalid = TokenRefused::invalid_assertion;
        if text.len() > LONGEST_TOKEN {
            return Err(invalid());
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| invalid())?;
        let middle = text.split('.').nth(1).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(middle).map_err(|_| invalid())?;
        let said: Said = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        Ok(Self { text, header, issuer: said.iss })
    }

    /// Whether it proves this application at this directory.
    pub(crate) async fn check(
        &self,
        core: &Core,
        directory: DirectoryId,
        id: ApplicationId,
        row: &ApplicationRow,
    ) -> Result<(), No> {
        if self.issuer.parse::<ApplicationId>().is_ok() {
            self.by_certificate(core, directory, id, row).await
        } else {
            self.by_issuer(core, row).await
        }
    }

    async fn by_certificate(
        &self,
        core: &Core,
        directory: DirectoryId,
        id: ApplicationId,
        row: &ApplicationRow,
    ) -> Result<(), No> {
        let now = core.now();
        let (sha1, sha256) = (self.header.x5t.as_deref(), self.header.x5t_s256.as_deref());
        let named = row.certificates.iter().find(|one| one.is_named(sha1, sha256));
        let known = named.ok_or_else(TokenRefused::unknown_certificate)?;
        if !known.is_valid(now) {
            return Err(TokenRefused::expired_certificate().into());
        }
        let said: Said = match self.header.alg {
            alg @ (Algorithm::RS256 | Algorithm::PS256) => self.verified(alg, known.key())?,
            _ => return Err(TokenRefused::bad_signature().into()),
        };
        if [&said.iss, &said.sub].into_iter().any(|claim| claim.parse() != Ok(id)) {
            return Err(TokenRefused::other_client().into());
        }
        in_time(core, &said)?;
        let end = said.exp.unwrap_or_default();
        if end > now.seconds().saturating_add(LONGEST_ASSERTION + CLOCK_SKEW) {
            return Err(TokenRefused::assertion_time().into());
        }
        for audience in said.aud.all() {
            if is_this_service(core, directory, audience).await? {
                return Ok(());
            }
        }
        Err(TokenRefused::assertion_audience().into())
    }

    async fn by_issuer(&self, core: &Core, row: &ApplicationRow) -> Result<(), No> {
        let known: Vec<&Federation> =
            row.federations.iter().filter(|one| one.issuer == self.issuer).collect();
        if known.is_empty() {
            return Err(TokenRefused::no_federation(700_211, "issuer", &self.issuer).into());
        }
        if self.header.alg != Algorithm::RS256 {
            return Err(TokenRefused::bad_signature().into());
        }
        let kid = self.header.kid.as_deref().unwrap_or_default();
        let key = |one: &Federation| match one.keys.is_empty() {
            true => core.signing.verifying(kid, core.now()),
            false => one.key(kid),
        };
        // Each credential has its own document of keys: what one of them still names signs for no other.
        let said = |one: &Federation| self.verified::<Said>(Algorithm::RS256, key(one)).ok();
        let signed: Vec<_> = known.iter().filter_map(|one| Some((*one, said(one)?))).collect();
        let (_, said) = signed.first().ok_or_else(TokenRefused::bad_signature)?;
        in_time(core, said)?;
        let signers: Vec<_> = signed.iter().map(|(one, _)| *one).collect();
        let one = matching(&signers, said)?;
        if one.keys.is_empty() {
            stands(core, &self.verified(Algorithm::RS256, key(one))?).await?;
        }
        Ok(())
    }

    /// What it says, once its signature is that of the key; times and audience are checked by our clock and rules.
    fn verified<T: DeserializeOwned>(
        &self,
        algorithm: Algorithm,
        key: Option<DecodingKey>,
    ) -> Result<T, TokenRefused> {
        let key = key.ok_or_else(TokenRefused::bad_signature)?;
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let token = jsonwebtoken::decode::<T>(self.text, &key, &validation);
        Ok(token.map_err(|_| TokenRefused::bad_signature())?.claims)
    }
}

/// The one of an issuer's credentials that is for this subject and audience.
fn matching<'a>(known: &[&'a Federation], said: &Said) -> Result<&'a Federation, TokenRefused> {
    let subjects: Vec<_> = known.iter().filter(|one| one.subject == said.sub).collect();
    if subjects.is_empty() {
        return Err(TokenRefused::no_federation(700_213, "subject", &said.sub));
    }
    let named = subjects.into_iter().find(|one| said.aud.all().contains(&one.audience));
    named.copied().ok_or_else(|| TokenRefused::no_federation(700_212, "audience", &said.aud.all().join(" ")))
}

fn in_time(core: &Core, said: &Said) -> Result<(), TokenRefused> {
    let now = core.now().seconds();
    let ended = said.exp.is_none_or(|end| now >= end.saturating_add(CLOCK_SKEW));
    let early = said.nbf.is_some_and(|begin| now.saturating_add(CLOCK_SKEW) < begin);
    if ended || early { Err(TokenRefused::assertion_time()) } else { Ok(()) }
}

/// A token of our own is no word for somebody who left its directory or was disabled there.
async fn stands(core: &Core, claims: &Claims) -> Result<(), No> {
    let who = Who {
        directory: claims.tid,
        principal: claims.oid,
        application: claims.appid,
        sign_in_name: claims.upn.clone(),
    };
    let own = claims.iss == claims::issuer(&core.settings, claims.tid);
    match directory::standing(core, &who).await? {
        Standing::Here { .. } if own => Ok(()),
        _ => Err(TokenRefused::no_federation(700_213, "subject", &claims.sub.to_string()).into()),
    }
}

/// Whether an audience is the token endpoint of the directory, or the directory itself, under any of its names.
async fn is_this_service(core: &Core, directory: DirectoryId, audience: &str) -> Result<bool, No> {
    let Ok(url) = url::Url::parse(audience) else { return Ok(false) };
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" || core.settings.hosts.service(host) != Some(Service::Login) {
        return Ok(false);
    }
    let (at, rest) =
        url.path().trim_matches('/').split_once('/').unwrap_or((url.path().trim_matches('/'), ""));
    if !["oauth2/v2.0/token", "oauth2/token", "v2.0", ""].contains(&rest) {
        return Ok(false);
    }
    let named = match at.parse() {
        Ok(id) => Some(id),
        Err(_) => domain::directory(core, at).await?,
    };
    Ok(named == Some(directory))
}
