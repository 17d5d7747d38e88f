//! Refresh tokens: what a user's client keeps so that he need not sign in again.
//!
//! Owns their rows and their text. A refresh token is good once: with its use it is gone, and another takes over. It is
//! kept as a hash, ends after [`REFRESH_LIFE`] without use and [`SIGN_IN_LIFE`] after the sign-in, and is no good any
//! more once its user is disabled or has another secret.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::digest;
use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::Batch;
use zeroize::Zeroizing;

use crate::core::{Core, Found};
use crate::directory::principal::{self, Subject};
use crate::directory::secret::Secret;
use crate::error::Stop;
use crate::id::{ApplicationId, PrincipalId};
use crate::schema;
use crate::token::No;
use crate::token::authority::Authority;
use crate::token::proof::{self, Proved};
use crate::token::refusal::TokenRefused;

/// How long a refresh token waits for its use.
const REFRESH_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long after a sign-in the last refresh token ends.
const SIGN_IN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Refresh tokens of one user; the one that ends first makes room.
const MOST_TOKENS: usize = 32;

/// One refresh token as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RefreshRow {
    application: ApplicationId,
    signed_in: Timestamp,
    expires: Timestamp,
}

/// Makes a refresh token for a user in the batch of his token.
pub(crate) async fn add(
    core: &Core,
    proved: &Proved,
    signed_in: Timestamp,
    batch: Batch,
) -> Result<(Batch, Zeroizing<String>), Stop> {
    let (directory, principal, now) = (proved.directory, proved.principal, core.now());
    let mut secret = Zeroizing::new([0; 32]);
    core.random.fill(&mut *secret);
    let owner = format!("{directory}.{principal}");
    let text = Zeroizing::new(format!("1.{owner}.{}", URL_SAFE_NO_PAD.encode(*secret)));
    let expires = (now + REFRESH_LIFE).min(signed_in + SIGN_IN_LIFE);
    let row = RefreshRow { application: proved.application, signed_in, expires };
    let mut held: Vec<Found<RefreshRow>> =
        core.all(schema::TICKETS, &schema::refresh_tokens(directory, principal)).await?;
    held.sort_by_key(|held| held.value.expires);
    let over = (held.len() + 1).saturating_sub(MOST_TOKENS);
    let gone = held.iter().enumerate().filter(|(i, held)| *i < over || held.value.expires <= now);
    // Somebody else may delete the same row meanwhile: a deletion of what is gone is none.
    let batch = gone.fold(batch, |batch, (_, held)| batch.delete(schema::TICKETS, held.key.clone()));
    Ok((batch.put(schema::TICKETS, row_key(directory, principal, &text), &row), text))
}

/// Takes a refresh token as the proof of its user, and spends it.
pub(crate) async fn redeem(
    core: &Core,
    authority: Authority,
    client: ApplicationId,
    text: &str,
) -> Result<Proved, No> {
    let invalid = TokenRefused::invalid_grant;
    let (directory, principal) = owner(text).ok_or_else(invalid)?;
    if authority != Authority::Any && authority != Authority::One(directory) {
        return Err(invalid().into());
    }
    let key = row_key(directory, principal, text);
    let row: Found<RefreshRow> = core.find(schema::TICKETS, &key).await?.ok_or_else(invalid)?;
    if row.value.application != client {
        return Err(invalid().into());
    }
    if core.now() >= row.value.expires {
        return Err(TokenRefused::expired_refresh_token().into());
    }
    let found = principal::find(core, directory, principal).await?.ok_or_else(invalid)?;
    let Subject::User { secrets, .. } = &found.value.subject else { return Err(invalid().into()) };
    let stands = |secret: &Secret| secret.created() <= row.value.signed_in && !secret.expired(core.now());
    if !secrets.iter().any(stands) {
        return Err(TokenRefused::secret_changed().into());
    }
    let signed_in = row.value.signed_in;
    let mut proved = proof::signed_in(directory, principal, client, &found, row.basis(), signed_in)?;
    proved.batch = proved.batch.delete(schema::TICKETS, key);
    Ok(proved)
}

/// Whose a refresh token says it is; its hash proves it.
fn owner(text: &str) -> Option<(DirectoryId, PrincipalId)> {
    let mut parts = text.split('.');
    let (version, directory, principal) = (parts.next()?, parts.next()?, parts.next()?);
    if version != "1" || parts.next()?.len() != 43 || parts.next().is_some() {
        return None;
    }
    Some((directory.parse().ok()?, principal.parse().ok()?))
}

fn row_key(directory: DirectoryId, principal: PrincipalId, text: &str) -> String {
    let mut input = Zeroizing::new(DOMAIN.to_vec());
    input.extend_from_slice(text.as_bytes());
    let hash = URL_SAFE_NO_PAD.encode(digest::sha256(&input));
    format!("{}{hash}", schema::refresh_tokens(directory, principal))
}

/// Sets this hash apart from every other one of the project.
const DOMAIN: &[u8] = b"freehold vault refresh token v1\0";
