//! Who somebody is, by the token that comes with a call.
//!
//! Owns the order of the checks (spec/http-api.md). Nothing in a token is believed before its signature verifies,
//! except where to look for the key: a directory that a tenant has.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use custody::Custody;
use jsonwebtoken::{Algorithm, Validation};
use model::caller::{Identity, Subject};
use model::id::DirectoryId;
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::Deserialize;

use super::issuer::Issuer;
use super::operator_token::{OPERATOR_PREFIX, OperatorToken};

/// The longest token that is looked at.
const LONGEST_TOKEN: usize = 16 << 10;
/// The longest name of a subject.
const LONGEST_SUBJECT: usize = 256;
/// Seconds that our clock may be behind the issuer's.
const CLOCK_SKEW: i64 = 300;

/// What of a token is looked at.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    tid: DirectoryId,
    exp: i64,
    nbf: i64,
}

/// Who comes with these headers.
pub(super) async fn identify(
    headers: &HeaderMap,
    operator: &OperatorToken,
    issuer: &Issuer,
    custody: &Custody,
    now: Timestamp,
) -> Result<Identity, Refusal> {
    let token = bearer(headers)?;
    if token.starts_with(OPERATOR_PREFIX) {
        return if operator.is(token) { Ok(Identity::Operator) } else { Err(no("it is not the operator's")) };
    }
    let directory = directory_of(token)?;
    if !custody.knows_directory(directory).await? {
        return Err(unsigned("no tenant here has its directory"));
    }
    let head = jsonwebtoken::decode_header(token).map_err(|_| no("it is not a JWT"))?;
    if head.alg != Algorithm::RS256 {
        return Err(no("it is not signed with RS256"));
    }
    if head.crit.is_some() {
        return Err(no("it asks for an extension that is not known here"));
    }
    let kid = head.kid.ok_or_else(|| no("it does not name the key that signed it"))?;
    let key = issuer.key(directory, &kid).await?;
    let key = key.ok_or_else(|| unsigned("its issuer has no key of that name"))?;
    let claims = verified(token, &key)?;
    if claims.iss != issuer.of(directory) || claims.tid != directory {
        return Err(no("it is of another issuer than service.issuer"));
    }
    if claims.aud != issuer.audience() {
        return Err(no(&format!("it is for another service: expected the audience {}", issuer.audience())));
    }
    if now.seconds() >= claims.exp {
        return Err(no("it has expired"));
    }
    if now.seconds().saturating_add(CLOCK_SKEW) < claims.nbf {
        return Err(no("it is not valid yet: look at the clocks"));
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT || claims.sub.chars().any(char::is_control)
    {
        return Err(no("its subject is no name"));
    }
    Ok(Identity::Person(Subject { issuer: claims.iss, directory, subject: claims.sub }))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, second) = (values.next(), values.next());
    let Some(value) = value else {
        return Err(Refusal::new(Code::Unauthenticated, "the call came without a token"));
    };
    if second.is_some() {
        return Err(no("there are two"));
    }
    let text = value.to_str().map_err(|_| no("it is not text"))?;
    let (scheme, token) = text.split_once(' ').ok_or_else(|| no("expected Bearer and the token"))?;
    if !scheme.eq_ignore_ascii_case("Bearer") || token.len() > LONGEST_TOKEN {
        return Err(no("expected Bearer and the token"));
    }
    Ok(token.trim())
}

/// The directory that a token says it is of; nothing more is taken from it here.
fn directory_of(token: &str) -> Result<DirectoryId, Refusal> {
    #[derive(Deserialize)]
    struct Directory {
        tid: DirectoryId,
    }
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let payload = payload.ok_or_else(|| no("it is not a JWT"))?;
    let told: Directory =
        serde_json::from_slice(&payload).map_err(|_| no("it does not name its directory"))?;
    Ok(told.tid)
}

fn verified(token: &str, key: &jsonwebtoken::DecodingKey) -> Result<Claims, Refusal> {
    // Times and audience are judged by our clock and with our words.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
    decoded.map(|decoded| decoded.claims).map_err(|_| unsigned("its signature or its claims are not good"))
}

/// Before a signature verifies the answer is the same for every reason: nobody is told which directories are here.
fn unsigned(why: &str) -> Refusal {
    tracing::info!(why, "a token is not accepted");
    no("it is not signed by a directory of a tenant of this service")
}

fn no(why: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, format!("the token is not accepted: {why}"))
}
