//! A tag: what a name or an import is found by without being stored.
//!
//! Owns the text form of tags in row keys and bodies, and what an import tag is made of (spec/objects.md, 5
//! and 6). Tags are made under a lookup key of the container, so nobody without the container key can
//! confirm a guess.

use std::fmt;
use std::str::FromStr;

use crypto::LookupKey;
use crypto::digest::sha256;
use model::id::Generation;
use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::object::BLOB;

/// HMAC-SHA-256 under a lookup key; 64 hexadecimal digits in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Tag(Digits<32>);

impl Tag {
    /// The tag of a name, under a lookup key made for `Lookup::Name`.
    pub(crate) fn of_name(key: &LookupKey, name: &Name) -> Self {
        Self(Digits(key.tag(name.as_str().as_bytes())))
    }

    /// The tag of a file that is brought in, under a lookup key made for `Lookup::Import`.
    pub(crate) fn of_import(key: &LookupKey, path: &Name, size: u64, digest: &ContentDigest) -> Self {
        let path = path.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(4 + path.len() + 8 + 32);
        bytes.extend_from_slice(&(path.len() as u32).to_be_bytes());
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&digest.0.0);
        Self(Digits(key.tag(&bytes)))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = NotDigits;

    fn try_from(text: String) -> Result<Self, NotDigits> {
        text.parse().map(Self)
    }
}

/// A tag and the generation of the key that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filed {
    pub(crate) generation: Generation,
    pub(crate) tag: Tag,
}

/// What an import knows a content by: SHA-256 in pieces of 8 MiB, so that it can be made of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentDigest(Digits<32>);

impl ContentDigest {
    /// The digest of content that is at hand in full.
    pub fn of(content: &[u8]) -> Self {
        let mut digester = Digester::new();
        content.chunks(BLOB).for_each(|piece| digester.add(sha256(piece)));
        digester.finish()
    }
}

impl fmt::Debug for ContentDigest {
    /// A digest confirms a guess of the content, so it is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentDigest(..)")
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> Self {
        digest.0.to_string()
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = NotDigits;

    fn try_from(text: String) -> Result<Self, NotDigits> {
        text.parse().map(Self)
    }
}

/// Makes a [`ContentDigest`] piece by piece: every piece of 8 MiB, the last one shorter or equal.
#[derive(Debug, Default)]
pub(crate) struct Digester {
    pieces: Vec<[u8; 32]>,
}

impl Digester {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the SHA-256 of the next piece.
    pub(crate) fn add(&mut self, digest: [u8; 32]) {
        self.pieces.push(digest);
    }

    pub(crate) fn finish(self) -> ContentDigest {
        ContentDigest(Digits(match self.pieces.as_slice() {
            [] => sha256(&[]),
            [one] => *one,
            many => sha256(many.as_flattened()),
        }))
    }
}

/// What marks everything that one write sealed: 48 bits, drawn anew for each write.
///
/// It stands in the row, in the sealed details, in the place of each blob and in its name, so that parts of two
/// writes never fit together, whoever moves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Attempt(Digits<6>);

impl Attempt {
    pub(crate) fn draw(random: &dyn crypto::Random) -> Self {
        let mut bytes = [0; 6];
        random.fill(&mut bytes);
        Self(Digits(bytes))
    }

    /// The 48 bits as a number.
    pub(crate) fn bits(self) -> u64 {
        self.0.0.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Attempt> for String {
    fn from(attempt: Attempt) -> Self {
        attempt.to_string()
    }
}

impl TryFrom<String> for Attempt {
    type Error = NotDigits;

    fn try_from(text: String) -> Result<Self, NotDigits> {
        text.parse().map(Self)
    }
}

impl FromStr for Attempt {
    type Err = NotDigits;

    fn from_str(text: &str) -> Result<Self, NotDigits> {
        text.parse().map(Self)
    }
}

/// Bytes whose text is lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digits<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Text that is not the hexadecimal digits that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the expected number of lower-case hexadecimal digits")]
pub struct NotDigits;

impl<const N: usize> FromStr for Digits<N> {
    type Err = NotDigits;

    fn from_str(text: &str) -> Result<Self, NotDigits> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != N || !rest.is_empty() {
            return Err(NotDigits);
        }
        let mut bytes = [0; N];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Capitals are refused: one tag has one text.
fn digit(text: u8) -> Result<u8, NotDigits> {
    match text {
        b'0'..=b'9' => Ok(text - b'0'),
        b'a'..=b'f' => Ok(text - b'a' + 10),
        _ => Err(NotDigits),
    }
}

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;
    use crypto::{Container, Key, Lookup};

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn a_tag_survives_its_text_and_nothing_else_is_one() {
        let tag = Tag(Digits([0xa7; 32]));
        let json = serde_json::to_string(&tag).expect("a tag is a string");
        assert_eq!(serde_json::from_str::<Tag>(&json).expect("what was written"), tag);
        for bad in ["", "a7", &"A7".repeat(32), &"g7".repeat(32), &"a7".repeat(33)] {
            assert_eq!(bad.parse::<Digits<32>>(), Err(NotDigits), "{bad}");
        }
    }

    #[test]
    fn an_import_tag_depends_on_path_size_and_content_and_on_where_one_ends() {
        let key = Key::<Container>::generate(&SeededRandom::new(1)).lookup_key(Lookup::Import);
        let (one, two) = (ContentDigest::of(b"one"), ContentDigest::of(b"two"));
        let tag = Tag::of_import(&key, &name("a/b"), 3, &one);
        assert_eq!(tag, Tag::of_import(&key, &name("a/b"), 3, &one));
        assert_ne!(tag, Tag::of_import(&key, &name("a/b"), 3, &two));
        assert_ne!(tag, Tag::of_import(&key, &name("a/c"), 3, &one));
        // The digest of two pieces is the digest of a short content too; the size tells them apart.
        assert_ne!(tag, Tag::of_import(&key, &name("a/b"), 4, &one));
    }

    #[test]
    fn a_digest_of_a_large_content_is_the_digest_of_its_pieces() {
        let content = vec![7; BLOB + 1];
        let pieces = [sha256(&content[..BLOB]), sha256(&content[BLOB..])].concat();
        assert_eq!(ContentDigest::of(&content), ContentDigest(Digits(sha256(&pieces))));
        assert_eq!(ContentDigest::of(&content[..BLOB]), ContentDigest(Digits(sha256(&content[..BLOB]))));
        assert_eq!(ContentDigest::of(b""), ContentDigest(Digits(sha256(b""))));
    }
}
