//! Secrets of applications and users: made here, handed out once, kept as a hash.
//!
//! Owns [`Secret`] and its check. A secret has 256 random bits, so one SHA-256 is enough: there is no dictionary to
//! slow down. The hash names its owner, so that a row copied to another owner opens nothing.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{Random, digest};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How many secrets one owner may have, so that one can be rolled while the other still serves.
pub(crate) const MOST_SECRETS: usize = 4;

/// One secret as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    /// SHA-256 in base64url.
    hash: String,
    created: Timestamp,
    expires: Timestamp,
}

/// What a presented secret comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented {
    Right,
    Wrong,
    /// It is one of the owner's, and its time is over.
    Expired,
}

/// Makes a secret for an owner; the text leaves this program once.
pub(crate) fn generate(
    random: &dyn Random,
    owner: &str,
    now: Timestamp,
    life: Duration,
) -> (Secret, Zeroizing<String>) {
    let mut bytes = Zeroizing::new([0; 32]);
    let text = loop {
        random.fill(&mut *bytes);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        // A command line takes a dash in front for a flag.
        if !text.starts_with('-') {
            break text;
        }
    };
    (Secret { hash: hash(owner, &text), created: now, expires: now + life }, text)
}

/// Compares with every secret of the owner, each in constant time.
pub(crate) fn check(secrets: &[Secret], owner: &str, presented: &str, now: Timestamp) -> Presented {
    match find(secrets, owner, presented) {
        None => Presented::Wrong,
        Some(secret) if secret.expired(now) => Presented::Expired,
        Some(_) => Presented::Right,
    }
}

/// The owner's secret that was presented; each is compared, in constant time.
pub(crate) fn find<'a>(secrets: &'a [Secret], owner: &str, presented: &str) -> Option<&'a Secret> {
    let hash = hash(owner, presented);
    secrets.iter().fold(None, |found, secret| secret.has(&hash).then_some(secret).or(found))
}

impl Secret {
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// When it was handed out.
    pub(crate) fn created(&self) -> Timestamp {
        self.created
    }

    /// When it stops being accepted.
    pub(crate) fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether the owner's presented text is this secret.
    pub(crate) fn is(&self, owner: &str, presented: &str) -> bool {
        self.has(&hash(owner, presented))
    }

    fn has(&self, hash: &str) -> bool {
        digest::same(self.hash.as_bytes(), hash.as_bytes())
    }
}

fn hash(owner: &str, text: &str) -> String {
    let mut input = Zeroizing::new(Vec::with_capacity(DOMAIN.len() + 8 + owner.len() + text.len()));
    input.extend_from_slice(DOMAIN);
    input.extend_from_slice(&(owner.len() as u64).to_be_bytes());
    input.extend_from_slice(owner.as_bytes());
    input.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest::sha256(&input))
}

/// Sets this hash apart from every other one of the project.
const DOMAIN: &[u8] = b"freehold vault secret v1\0";

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;

    use super::*;

    const LIFE: Duration = Duration::from_secs(100);

    #[test]
    fn a_secret_is_right_for_its_owner_until_it_expires() {
        let now = Timestamp(1_000_000);
        let (secret, text) = generate(&SeededRandom::new(1), "app", now, LIFE);
        let secrets = [secret];
        assert_eq!(text.len(), 43);
        assert_eq!(check(&secrets, "app", &text, now), Presented::Right);
        assert_eq!(check(&secrets, "app", &text, now + LIFE), Presented::Expired);
        assert_eq!(check(&secrets, "apq", &text, now), Presented::Wrong);
        assert_eq!(check(&secrets, "app", "", now), Presented::Wrong);
        assert_eq!(check(&[], "app", &text, now), Presented::Wrong);
    }

    #[test]
    fn no_secret_looks_like_a_flag() {
        let random = SeededRandom::new(3);
        let began = |_| generate(&random, "app", Timestamp(0), LIFE).1.as_bytes()[0];
        let first: Vec<u8> = (0..1000).map(began).collect();
        assert!(!first.contains(&b'-') && first.contains(&b'_'));
    }

    #[test]
    fn what_is_stored_does_not_hold_the_secret() {
        let (secret, text) = generate(&SeededRandom::new(2), "app", Timestamp(0), LIFE);
        let stored = serde_json::to_string(&secret).expect("a row");
        assert!(!stored.contains(text.as_str()));
        assert!(!format!("{secret:?}").contains(text.as_str()));
    }
}
