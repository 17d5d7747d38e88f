//! The keys that sign tokens: made here, sealed at rest under the master key, rolled by [`due`].
//!
//! Owns [`SigningKeys`]. A key signs for `Limits::signing_key_life`; then, at the next token, a new one takes over and
//! the old private half is destroyed. Its public half stays published until the last token it signed has expired.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{Key, Master, PrivateKey, RsaPrivate, RsaSize, VaultKeyPlace};
use jsonwebtoken::DecodingKey;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AuditEntry, Batch, Cause, Scan, Store, StoreError};
use tokio::sync::Mutex;

use crate::core::{Core, Found};
use crate::error::Stop;
use crate::id::KeyVersion;
use crate::schema::SIGNING_KEYS;
use crate::settings::Limits;

/// The stream of the audit log for what the token service does of itself.
pub(crate) const STREAM: &str = "token-service";

/// More keys than can be published at one time.
const MOST_KEYS: u32 = 64;

/// The public side of a signing key, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SigningRow {
    kid: KeyVersion,
    /// Modulus and exponent in base64url.
    n: String,
    e: String,
    created: Timestamp,
    signs_until: Timestamp,
    published_until: Timestamp,
}

#[derive(Debug, Clone)]
struct SigningKey {
    row: SigningRow,
    /// The private half; `None` once another key has taken over.
    pair: Option<Arc<KeyPair>>,
}

/// All keys that sign or are still published, oldest first. One process owns the store, so this is the truth.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    keys: RwLock<Vec<SigningKey>>,
    /// One roll at a time.
    rolling: Mutex<()>,
}

/// Stored signing keys could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Store(StoreError),
    /// They do not open: another master key, or damage.
    Sealed,
}

/// Which key signs now: the newest, while its time lasts; `None` means that a new one is due.
fn due(keys: &[SigningRow], now: Timestamp) -> Option<usize> {
    let newest = keys.len().checked_sub(1)?;
    (now < keys[newest].signs_until).then_some(newest)
}

impl SigningKeys {
    /// Reads what is stored; whoever holds the wrong master key fails here, before anything is served.
    pub(crate) async fn load(store: &Store, master: &Key<Master>) -> Result<Self, Unreadable> {
        let scan = Scan { prefix: "", after: None, limit: MOST_KEYS };
        let mut keys = Vec::new();
        for row in store.scan(SIGNING_KEYS, scan).await.map_err(Unreadable::Store)? {
            let found: Found<SigningRow> = Found::parse(SIGNING_KEYS, row).map_err(Unreadable::Store)?;
            let pair = match &found.payload {
                Some(sealed) => {
                    // The place is where the row was found, whatever the row says of itself.
                    let kid = found.key.parse().map_err(|_| Unreadable::Sealed)?;
                    let private =
                        master.unwrap_private(sealed, &place(kid)).map_err(|_| Unreadable::Sealed)?;
                    Some(Arc::new(private.rsa().and_then(pair).ok_or(Unreadable::Sealed)?))
                }
                None => None,
            };
            keys.push(SigningKey { row: found.value, pair });
        }
        keys.sort_by_key(|key| key.row.created);
        Ok(Self { keys: RwLock::new(keys), rolling: Mutex::new(()) })
    }

    /// The key that a token names, if it is still published.
    pub(crate) fn verifying(&self, kid: &str, now: Timestamp) -> Option<DecodingKey> {
        let kid: KeyVersion = kid.parse().ok()?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().find(|key| key.row.kid == kid && now < key.row.published_until)?;
        DecodingKey::from_rsa_components(&key.row.n, &key.row.e).ok()
    }

    /// The published keys as a JSON Web Key set.
    pub(crate) fn published(&self, now: Timestamp) -> Value {
        let keys: Vec<Value> = self
            .rows()
            .iter()
            .filter(|row| now < row.published_until)
            .map(|row| json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": row.kid, "n": row.n, "e": row.e}))
            .collect();
        json!({ "keys": keys })
    }

    fn rows(&self) -> Vec<SigningRow> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| key.row.clone()).collect()
    }

    fn signer(&self, now: Timestamp) -> Option<(KeyVersion, Arc<KeyPair>)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<SigningRow> = keys.iter().map(|key| key.row.clone()).collect();
        let key = &keys[due(&rows, now)?];
        Some((key.row.kid, key.pair.clone()?))
    }
}

/// Signs a token with the key whose turn it is, rolling first if that is due.
pub(crate) async fn mint(core: &Core, claims: &impl Serialize) -> Result<String, Stop> {
    let (kid, pair) = signer(core).await?;
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({"typ": "JWT", "alg": "RS256", "kid": kid}));
    let claims =
        part(&serde_json::to_value(claims).map_err(|_| Stop::Damaged("claims that cannot be written"))?);
    let message = format!("{header}.{claims}");
    let digest = digest::digest(&digest::SHA256, message.as_bytes());
    let signed = core.operations.run(move || {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature).map(|()| signature)
    });
    let signature = signed.await?.map_err(|_| Stop::Damaged("a signing key that does not sign"))?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Makes sure that there is a key; called when the vault opens, so that the master key is proved from then on.
pub(crate) async fn signer(core: &Core) -> Result<(KeyVersion, Arc<KeyPair>), Stop> {
    if let Some(signer) = core.signing.signer(core.now()) {
        return Ok(signer);
    }
    let _rolling = core.signing.rolling.lock().await;
    if let Some(signer) = core.signing.signer(core.now()) {
        return Ok(signer);
    }
    roll(core).await
}

async fn roll(core: &Core) -> Result<(KeyVersion, Arc<KeyPair>), Stop> {
    let made = core.generations.run(|| RsaPrivate::generate(RsaSize::Rsa2048)).await?;
    let private = made.map_err(|_| Stop::Damaged("no RSA key can be generated"))?;
    let pair = Arc::new(pair(&private).ok_or(Stop::Damaged("a new key that does not parse"))?);
    let (now, kid) = (core.now(), KeyVersion::from_random(core.id()));
    let row = row(&private, kid, now, &core.settings.limits);
    let sealed = core.master.wrap_private(&PrivateKey::from(private), &place(kid), &*core.random);
    let mut batch = Batch::new().expect_absent(SIGNING_KEYS, kid.to_string());
    let mut kept = Vec::new();
    for old in core.signing.rows() {
        // Either way the old private half is gone from the store in this transaction.
        let key = old.kid.to_string();
        if now < old.published_until {
            batch = batch.put(SIGNING_KEYS, key, &old);
            kept.push(SigningKey { row: old, pair: None });
        } else {
            batch = batch.delete(SIGNING_KEYS, key);
        }
    }
    batch = batch.put_with_payload(SIGNING_KEYS, kid.to_string(), &row, sealed);
    let entry = AuditEntry {
        stream: STREAM.into(),
        at: now,
        operation: "RollSigningKey".into(),
        body: json!({ "kid": kid }),
    };
    core.store.commit(batch, Cause::Audited(vec![entry])).await?;
    kept.push(SigningKey { row, pair: Some(pair.clone()) });
    *core.signing.keys.write().unwrap_or_else(PoisonError::into_inner) = kept;
    Ok((kid, pair))
}

fn row(private: &RsaPrivate, kid: KeyVersion, now: Timestamp, limits: &Limits) -> SigningRow {
    let signs_until = now + limits.signing_key_life;
    SigningRow {
        kid,
        n: URL_SAFE_NO_PAD.encode(private.modulus()),
        e: URL_SAFE_NO_PAD.encode(private.exponent()),
        created: now,
        signs_until,
        published_until: signs_until + limits.token_life,
    }
}

/// `login` is no name that a vault can have, so no customer's key can stand in this place.
/// Where the private half of a signing key is sealed.
pub(crate) fn place(kid: KeyVersion) -> VaultKeyPlace {
    VaultKeyPlace { vault: "login".into(), name: "signing-key".into(), version: *kid.as_bytes() }
}

fn pair(private: &RsaPrivate) -> Option<KeyPair> {
    KeyPair::from_pkcs8(&private.to_pkcs8()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(created: i64, signs_until: i64) -> SigningRow {
        SigningRow {
            kid: KeyVersion::from_random([1; 16]),
            n: String::new(),
            e: String::new(),
            created: Timestamp(created),
            signs_until: Timestamp(signs_until),
            published_until: Timestamp(signs_until + 10),
        }
    }

    #[test]
    fn the_newest_key_signs_until_its_time_is_over() {
        let keys = [row(0, 100), row(100, 200)];
        assert_eq!(due(&keys, Timestamp(50)), Some(1));
        assert_eq!(due(&keys, Timestamp(199)), Some(1));
        assert_eq!(due(&keys, Timestamp(200)), None);
        assert_eq!(due(&[], Timestamp(0)), None);
    }
}
