//! A key and its versions as they are stored, and the rules for their names, attributes and tags.
//!
//! Owns [`KeyName`], [`KeyOp`], the two rows, and what a client may say about a key. The private half is in the row's
//! payload, sealed; `private` opens it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use store::{Batch, StoreError};

use crate::core::{Basis, Core, Found};
use crate::error::{Refused, Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::kind::{Kind, Public};
use crate::keys::policy::RotationPolicy;
use crate::schema::{self, KEY_VERSIONS, KEYS};

/// The longest name of a key.
const LONGEST_NAME: usize = 127;
/// The most tags of a key, and the longest name and value of one.
const MOST_TAGS: usize = 15;
const LONGEST_TAG: usize = 256;
/// The last second of the year 9999.
pub(crate) const LATEST: i64 = 253_402_300_799;

/// The name of a key: 1 to 127 letters, digits and dashes; two that differ in case alone are the same key.
#[derive(Debug, Clone)]
pub(crate) struct KeyName(String);

impl KeyName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<Self, NotAKeyName> {
        let good = (1..=LONGEST_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(NotAKeyName) }
    }
}

/// Text that is no name of a key.
#[derive(Debug)]
pub(crate) struct NotAKeyName;

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeyOp {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    WrapKey,
    UnwrapKey,
}

impl KeyOp {
    /// Every use, in the order in which they are shown.
    pub(crate) const ALL: &'static [Self] =
        &[Self::Encrypt, Self::Decrypt, Self::Sign, Self::Verify, Self::WrapKey, Self::UnwrapKey];

    /// Whether it needs a key that is valid now. What opens old things goes on after the key's time.
    pub(crate) fn makes_new(self) -> bool {
        matches!(self, Self::Encrypt | Self::Sign | Self::WrapKey)
    }
}

/// A key: which version is the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// As it was first written.
    pub(crate) name: String,
    pub(crate) current: KeyVersion,
    pub(crate) versions: u32,
    /// Absent until one is set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) policy: Option<RotationPolicy>,
    /// The version of whose end its owner was told last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) notified: Option<KeyVersion>,
}

/// One version of a key; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) kty: Kind,
    #[serde(flatten)]
    pub(crate) public: Public,
    pub(crate) key_ops: Vec<KeyOp>,
    pub(crate) enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) exp: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A version with where it stands.
#[derive(Debug)]
pub(crate) struct FoundVersion {
    pub(crate) head: Found<KeyRow>,
    pub(crate) version: KeyVersion,
    pub(crate) row: Found<VersionRow>,
}

impl FoundVersion {
    /// The version and its key: a deletion takes the key away and leaves the versions for recovery.
    pub(crate) fn basis(&self) -> Basis {
        self.head.basis().and(&self.row)
    }

    /// The key's name as it was first written.
    pub(crate) fn name(&self) -> &str {
        &self.head.value.name
    }

    /// Whether no version is newer.
    pub(crate) fn is_newest(&self) -> bool {
        self.version == self.head.value.current
    }
}

/// Finds the version that is asked for, or the newest.
pub(crate) async fn find(
    core: &Core,
    vault: &str,
    name: &KeyName,
    version: Option<KeyVersion>,
) -> Result<Option<FoundVersion>, StoreError> {
    let Some(head) = head(core, vault, name).await? else { return Ok(None) };
    let version = version.unwrap_or(head.value.current);
    let place = schema::key_version(vault, name.as_str(), version);
    let row = core.find(KEY_VERSIONS, &place).await?;
    Ok(row.map(|row| FoundVersion { head, version, row }))
}

/// Writes a version's row as it is, so that it gets a new number: what was decided on the old one no longer holds.
///
/// Whoever takes a version's place as the newest does this to it, and so does a recovery: the row of a key that was deleted
/// and recovered has the numbers of before again, and these rows tell the difference.
pub(crate) fn renumber(batch: Batch, version: &Found<VersionRow>) -> Result<Batch, Stop> {
    let sealed = version.payload.clone().ok_or(Stop::Damaged("a version without private half"))?;
    Ok(batch.put_with_payload(KEY_VERSIONS, version.key.clone(), &version.value, sealed))
}

/// The newest version of a key that was just read.
pub(crate) async fn newest(core: &Core, vault: &str, key: &KeyRow) -> Result<Found<VersionRow>, Stop> {
    let place = schema::key_version(vault, &key.name, key.current);
    // A key that changed between the two reads is decided anew.
    core.find(KEY_VERSIONS, &place).await?.ok_or(Stop::Conflict)
}

/// The key itself.
pub(crate) async fn head(
    core: &Core,
    vault: &str,
    name: &KeyName,
) -> Result<Option<Found<KeyRow>>, StoreError> {
    core.find(KEYS, &schema::key(vault, name.as_str())).await
}

/// What a client says of a key's attributes; what it does not say is `None`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct AttributesInput {
    pub(crate) enabled: Option<bool>,
    pub(crate) nbf: Option<i64>,
    pub(crate) exp: Option<i64>,
    pub(crate) exportable: Option<bool>,
}

impl AttributesInput {
    /// Checks each time alone.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        for (name, time) in [("nbf", self.nbf), ("exp", self.exp)] {
            if time.is_some_and(|time| !(0..=LATEST).contains(&time)) {
                return Err(texts::bad_parameter(format!(
                    "Property attributes.{name} has an invalid value."
                )));
            }
        }
        Ok(())
    }
}

/// A key that is never valid helps nobody: the end must lie after the beginning.
pub(crate) fn check_window(nbf: Option<i64>, exp: Option<i64>) -> Result<(), Refused> {
    match (nbf, exp) {
        (Some(nbf), Some(exp)) if exp <= nbf => {
            Err(texts::bad_parameter("Property attributes.exp must be later than attributes.nbf."))
        }
        _ => Ok(()),
    }
}

/// Reads operations, each one once, in the order in which they are shown.
pub(crate) fn key_ops(asked: &[String]) -> Result<Vec<KeyOp>, Refused> {
    for word in asked {
        if !KeyOp::ALL.iter().any(|op| word == word_of(*op)) {
            let word: String = word.chars().take(64).collect();
            return Err(texts::operation_of_another_type(&word));
        }
    }
    Ok(KeyOp::ALL.iter().copied().filter(|op| asked.iter().any(|word| word == word_of(*op))).collect())
}

/// Reads tags, if there are any. A name that is sent twice is refused: nobody can tell which value was meant.
pub(crate) fn tags<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    Ok(Option::<Tags>::deserialize(from)?.map(|Tags(tags)| tags))
}

struct Tags(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
        let mut tags = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if tags.insert(name, value).is_some() {
                return Err(A::Error::custom("a tag is sent twice"));
            }
        }
        Ok(Tags(tags))
    }
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refused> {
    let long = |text: &String| text.chars().count() > LONGEST_TAG;
    if tags.len() > MOST_TAGS || tags.iter().any(|(name, value)| name.is_empty() || long(name) || long(value))
    {
        let message = format!("A key has at most {MOST_TAGS} tags of at most {LONGEST_TAG} characters.");
        return Err(texts::bad_parameter(message));
    }
    Ok(())
}

pub(crate) fn word_of(op: KeyOp) -> &'static str {
    match op {
        KeyOp::Encrypt => "encrypt",
        KeyOp::Decrypt => "decrypt",
        KeyOp::Sign => "sign",
        KeyOp::Verify => "verify",
        KeyOp::WrapKey => "wrapKey",
        KeyOp::UnwrapKey => "unwrapKey",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_once_each_and_in_order() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let ops = key_ops(&words(&["unwrapKey", "wrapKey", "unwrapKey"])).expect("known");
        assert_eq!(ops, [KeyOp::WrapKey, KeyOp::UnwrapKey]);
        assert_eq!(key_ops(&[]).expect("none"), []);
        for wrong in ["wrapkey", "export", "import", ""] {
            assert!(key_ops(&words(&["encrypt", wrong])).is_err(), "{wrong}");
        }
        for op in KeyOp::ALL {
            assert_eq!(serde_json::to_value(op).expect("a word"), word_of(*op));
        }
    }

    #[test]
    fn an_end_lies_after_its_beginning() {
        assert!(check_window(Some(5), Some(6)).is_ok());
        assert!(check_window(Some(5), Some(5)).is_err());
        assert!(check_window(None, Some(0)).is_ok());
    }

    #[test]
    fn attributes_and_tags_have_bounds() {
        let with = |json: &str| serde_json::from_str::<AttributesInput>(json).expect("attributes").check();
        assert!(with(r#"{"exp": 253402300799, "exportable": false}"#).is_ok());
        for json in [r#"{"exp": 253402300800}"#, r#"{"nbf": -1}"#] {
            assert!(with(json).is_err(), "{json}");
        }
        let tags = |n: usize, len: usize| (0..n).map(|i| (format!("t{i}"), "v".repeat(len))).collect();
        assert!(check_tags(&tags(15, 256)).is_ok());
        assert!(check_tags(&tags(16, 1)).is_err());
        assert!(check_tags(&tags(1, 257)).is_err());
    }
}
