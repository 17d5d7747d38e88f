//! Backup and restore: a key with all its versions as one sealed text, for its subscription and geography alone.
//!
//! Owns both operations and the format of the text (spec/vault-store.md). What is in it stays sealed twice: the private
//! halves as in their rows, and the whole under the master key, so that it opens in this instance and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{BackupPlace, Key, Master};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Refused, Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::due::Job;
use crate::keys::key::{self, KeyName, KeyRow, VersionRow};
use crate::keys::policy::RotationPolicy;
use crate::keys::shape::{self, Bundle};
use crate::keys::{Call, Done, delete, deleted, private, read, rotate};
use crate::resource::geography;
use crate::resource::vault::VaultRow;
use crate::schema::{self, DELETED_KEYS, KEY_VERSIONS, KEYS};

/// What every backup of ours begins with, after its length; other services have their own.
const MAGIC: &str = "freehold-vault-key-backup";
/// The version of the format.
const VERSION: u8 = 1;
/// The most versions of a key that is backed up.
const MOST_VERSIONS: usize = 500;
/// The largest backup in bytes; a restore writes all of it in one transaction.
const MAX_BACKUP: usize = 3 << 20;
/// The largest body of a restore: the largest backup in base64url, and the JSON around it.
pub(crate) const MAX_BODY: usize = MAX_BACKUP / 3 * 4 + 1024;

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    /// The vault that it was made in, in lower case: the private halves are bound to it.
    vault: String,
    name: String,
    current: KeyVersion,
    versions: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    policy: Option<RotationPolicy>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: KeyVersion,
    row: VersionRow,
    /// The private half as in its row's payload, in base64url.
    sealed: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    value: String,
}

/// A key that was opened and has no place yet.
#[derive(Debug)]
pub(crate) struct Restore {
    name: KeyName,
    current: KeyVersion,
    versions: Vec<Placed>,
    policy: Option<RotationPolicy>,
}

#[derive(Debug)]
struct Placed {
    version: KeyVersion,
    place: String,
    row: VersionRow,
    sealed: Vec<u8>,
}

pub(crate) async fn backup(call: &Call<'_>) -> Result<Done, Stop> {
    refuse_where_destroyed_is_gone(call, "backup")?;
    let (core, vault, asked) = (call.core, call.vault, call.name()?);
    let head = key::head(core, &vault.name, asked).await?;
    let head = head.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
    let versions = delete::versions(core, &vault.name, asked.as_str()).await?;
    if versions.len() > MOST_VERSIONS {
        return Err(too_large(&format!("{MOST_VERSIONS} versions")).into());
    }
    let mut kept = Vec::with_capacity(versions.len());
    for found in &versions {
        let sealed = found.payload.as_ref().ok_or(Stop::Damaged("a version without private half"))?;
        let (version, sealed) = (read::version_of(&found.key)?, URL_SAFE_NO_PAD.encode(sealed));
        kept.push(Kept { version, row: found.value.clone(), sealed });
    }
    let KeyRow { name, current, policy, .. } = head.value.clone();
    let kid = call.kid(&name, Some(current));
    let from = vault.name.to_ascii_lowercase();
    let contents = Contents { vault: from, name, current, versions: kept, policy };
    let contents = serde_json::to_vec(&contents).expect("our own shapes have only text keys");
    let place = place(vault);
    let blob = frame(&place, &core.master.seal_backup(&contents, &place, &*core.random));
    if blob.len() > MAX_BACKUP {
        return Err(too_large(&format!("{MAX_BACKUP} bytes")).into());
    }
    call.commit(call.batch_on(delete::rests_on(head.basis(), &versions)), Some(kid)).await?;
    Ok(Done::json(&json!({ "value": URL_SAFE_NO_PAD.encode(blob) })))
}

impl Restore {
    /// Opens a backup for this vault, and seals its private halves for their new places.
    pub(crate) fn prepare(call: &Call<'_>, input: &Input) -> Result<Self, Stop> {
        refuse_where_destroyed_is_gone(call, "restore")?;
        let (core, vault) = (call.core, call.vault);
        let masters = std::iter::once(&core.master).chain(&core.formers);
        let (contents, by) = open(masters, &place(vault), &shape::decode("value", &input.value)?)?;
        let damaged = || Stop::Damaged("a backup of ours with something else in it");
        let name: KeyName = contents.name.parse().map_err(|_| damaged())?;
        let mut versions = Vec::with_capacity(contents.versions.len());
        for Kept { version, row, sealed } in contents.versions {
            let from = schema::key_version(&contents.vault, name.as_str(), version);
            let place = schema::key_version(&vault.name, name.as_str(), version);
            let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| damaged())?;
            let sealed = private::move_to(core, &sealed, by, &from, &place)?;
            versions.push(Placed { version, place, row, sealed });
        }
        Ok(Self { name, current: contents.current, versions, policy: contents.policy })
    }

    pub(crate) async fn carry_out(&self, call: &Call<'_>) -> Result<Done, Stop> {
        let (core, vault) = (call.core, call.vault);
        let name = self.name.to_string();
        self.versions.iter().try_for_each(|placed| placed.row.kty.fits(vault))?;
        let kid = call.kid(&name, Some(self.current));
        deleted::refuse(core, &vault.name, &self.name).await?;
        if key::head(core, &vault.name, &self.name).await?.is_some() {
            return Err(texts::restore_conflict(&kid).into());
        }
        let newest = self.versions.iter().find(|placed| placed.version == self.current);
        let newest = newest.ok_or(Stop::Damaged("a backup without its newest version"))?;
        let protected = call.protected().await?;
        let versions = u32::try_from(self.versions.len()).expect("a backup has few versions");
        let policy = self.policy.clone();
        let key = KeyRow { name, current: self.current, versions, policy, notified: None };
        let at = schema::key(&vault.name, self.name.as_str());
        let batch = call.batch_on(Default::default()).expect_absent(KEYS, &*at);
        let batch = batch.expect_absent(DELETED_KEYS, &*at).put(KEYS, &*at, &key);
        let batch = Job::Rotation.moved(batch, &at, None, rotate::next(&key, &newest.row));
        let batch = self.versions.iter().fold(batch, |batch, Placed { place, row, sealed, .. }| {
            let batch = batch.expect_absent(KEY_VERSIONS, place);
            batch.put_with_payload(KEY_VERSIONS, place, row, sealed.clone())
        });
        call.commit(batch, Some(kid.clone())).await?;
        Ok(Done::json(&Bundle::of(call, kid, &newest.row, protected)))
    }
}

/// Without soft delete, what is destroyed must be gone: a backup would bring it back.
fn refuse_where_destroyed_is_gone(call: &Call<'_>, word: &str) -> Result<(), Refused> {
    if call.vault.soft_delete { Ok(()) } else { Err(texts::not_allowed(&call.asked.method, word)) }
}

fn place(vault: &VaultRow) -> BackupPlace {
    BackupPlace {
        subscription: vault.subscription.to_string(),
        geography: geography::of(&vault.location).to_owned(),
    }
}

fn frame(place: &BackupPlace, sealed: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    let mut field = |text: &str| {
        blob.push(u8::try_from(text.len()).expect("ids and locations have at most 64 bytes"));
        blob.extend_from_slice(text.as_bytes());
    };
    field(MAGIC);
    field(&place.subscription);
    field(&place.geography);
    blob.insert(1 + MAGIC.len(), VERSION);
    blob.extend_from_slice(sealed);
    blob
}

/// Reads a text that is preceded by its length.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// What is in a backup, if it may come back here, and the master key that it was made under. The clear part tells why not;
/// the seal proves that it is true.
fn open<'a>(
    mut masters: impl Iterator<Item = &'a Key<Master>>,
    here: &BackupPlace,
    blob: &[u8],
) -> Result<(Contents, &'a Key<Master>), Stop> {
    let foreign = || texts::bad_parameter("Property value is not a backup that was made by this service.");
    if blob.len() > MAX_BACKUP {
        return Err(foreign().into());
    }
    let (magic, rest) = text(blob).ok_or_else(foreign)?;
    let (version, rest) = rest.split_first().ok_or_else(foreign)?;
    if magic != MAGIC || *version != VERSION {
        return Err(foreign().into());
    }
    let (subscription, rest) = text(rest).ok_or_else(foreign)?;
    let (geography, sealed) = text(rest).ok_or_else(foreign)?;
    if subscription != here.subscription {
        return Err(elsewhere("subscription").into());
    }
    if geography != here.geography {
        return Err(elsewhere("geography").into());
    }
    let opened = masters.find_map(|master| Some((master.open_backup(sealed, here).ok()?, master)));
    let (contents, by) = opened.ok_or_else(foreign)?;
    let contents = serde_json::from_slice(&contents);
    Ok((contents.map_err(|_| Stop::Damaged("a backup of ours with something else in it"))?, by))
}

fn elsewhere(what: &str) -> Refused {
    texts::bad_parameter(format!(
        "The backup was made in another {what}: it can be restored only into a vault of the same subscription and \
         geography."
    ))
}

fn too_large(limit: &str) -> Refused {
    texts::bad_parameter(format!("The key is too large for a backup, which has at most {limit}."))
}

#[cfg(test)]
mod tests {
    use crypto::{Random, VaultKeyPlace};
    use serde_json::Value;
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::kind::Public;

    #[derive(Debug)]
    struct Salt(Vec<u8>);

    impl Random for Salt {
        fn fill(&self, out: &mut [u8]) {
            out.copy_from_slice(&self.0);
        }
    }

    /// The frozen answer of another implementation (vectors/verify.py).
    #[test]
    fn known_answer_of_a_backup() {
        let path = format!("{}/../../vectors/key-backup.json", env!("CARGO_MANIFEST_DIR"));
        let file: Value = serde_json::from_slice(&std::fs::read(path).expect("vectors")).expect("JSON");
        let text = |name: &str| file[name].as_str().expect(name);
        let bytes = |name: &str| unhex(text(name));
        let master = bytes("master_key").try_into().expect("32 bytes");
        let master = Key::<Master>::from_file(Zeroizing::new(master));
        let place = |name: &str| file["place"][name].as_str().expect(name).to_owned();
        let place = BackupPlace { subscription: place("subscription"), geography: place("geography") };

        let masters = std::iter::once(&master);
        let (contents, _) = open(masters, &place, &bytes("backup")).expect("its own place");
        assert_eq!(serde_json::to_string(&contents).expect("JSON"), text("contents"));
        let sealed = master.seal_backup(text("contents").as_bytes(), &place, &Salt(bytes("salt")));
        assert_eq!(frame(&place, &sealed), bytes("backup"));

        let kept = &contents.versions[0];
        let name = contents.name.to_lowercase();
        let from = VaultKeyPlace { vault: contents.vault, name, version: *kept.version.as_bytes() };
        let private = URL_SAFE_NO_PAD.decode(&kept.sealed).expect("base64url");
        let key = master.unwrap_private(&private, &from).expect("the place that the backup names");
        assert_eq!(Public::of(&key), kept.row.public);
    }

    fn unhex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
    }
}
