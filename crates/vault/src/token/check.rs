//! Who is at the door: the check of a bearer token, on every call.
//!
//! Owns [`Who`] and [`TokenFault`]. Order: signature by one of our published keys, expiry, audience, issuer. Nothing in
//! an unsigned token is believed, the algorithm least of all. Whether the bearer still stands is `directory::standing`.

use http::HeaderValue;
use jsonwebtoken::{Algorithm, Validation};
use model::id::DirectoryId;

use crate::core::Core;
use crate::id::{ApplicationId, PrincipalId};
use crate::token::claims::{self, Claims};

/// The longest token that is looked at.
pub(crate) const LONGEST_TOKEN: usize = 16 * 1024;

/// Seconds that the clock may have been set back since a token was made: a small correction is no denial.
pub(crate) const CLOCK_SKEW: i64 = 300;

/// The bearer of a token that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) directory: DirectoryId,
    pub(crate) principal: PrincipalId,
    pub(crate) application: ApplicationId,
    /// The sign-in name, if it is a user.
    pub(crate) sign_in_name: Option<String>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Missing,
    /// Not signed by this token service, or no token at all.
    Invalid,
    Expired,
    Audience {
        expected: String,
        found: String,
    },
    /// A token of another directory than the one this vault trusts.
    Issuer {
        expected: String,
        found: String,
    },
    /// The bearer is disabled.
    Disabled,
}

/// Checks the Authorization header. With a `directory` only its tokens are accepted; without one, those of any
/// directory here, and the caller looks at [`Who::directory`].
pub(crate) fn check(
    core: &Core,
    authorization: Option<&HeaderValue>,
    audience: &str,
    directory: Option<DirectoryId>,
) -> Result<Who, TokenFault> {
    let token = bearer(authorization)?;
    let now = core.now();
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::Invalid)?;
    let kid = header.kid.ok_or(TokenFault::Invalid)?;
    let key = core.signing.verifying(&kid, now).ok_or(TokenFault::Invalid)?;
    // Times and audience are checked below, by our clock and with our texts.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims =
        jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| TokenFault::Invalid)?.claims;
    if now.seconds() >= claims.exp {
        return Err(TokenFault::Expired);
    }
    if now.seconds().saturating_add(CLOCK_SKEW) < claims.nbf {
        return Err(TokenFault::Invalid);
    }
    if claims.aud.trim_end_matches('/') != audience {
        return Err(TokenFault::Audience { expected: audience.into(), found: claims.aud });
    }
    let expected = claims::issuer(&core.settings, directory.unwrap_or(claims.tid));
    if claims.iss != expected || directory.is_some_and(|directory| directory != claims.tid) {
        return Err(TokenFault::Issuer { expected, found: claims.iss });
    }
    Ok(Who {
        directory: claims.tid,
        principal: claims.oid,
        application: claims.appid,
        sign_in_name: claims.upn,
    })
}

fn bearer(authorization: Option<&HeaderValue>) -> Result<&str, TokenFault> {
    let text = authorization.ok_or(TokenFault::Missing)?.to_str().map_err(|_| TokenFault::Invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenFault::Missing)?;
    if !scheme.eq_ignore_ascii_case("Bearer") || token.trim().is_empty() {
        return Err(TokenFault::Missing);
    }
    if token.len() > LONGEST_TOKEN {
        return Err(TokenFault::Invalid);
    }
    Ok(token.trim())
}
