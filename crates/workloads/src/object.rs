//! An object: one message or one file, as a row with a sealed payload.
//!
//! Owns the shape of an object's row, of its payload and of a blob's file (spec/objects.md, 2 to 4), how its
//! details are sealed and opened, and what of it is shown to a caller. Who writes and reads rows is in
//! `write.rs`, `read.rs`, `list.rs` and `import.rs`.

use bytes::{Buf, Bytes};
use crypto::{Container, ContainerPlace, Dek, Key, LookupKey, Part, PartPlace, Random, SealedPart, Wrapped};
use model::id::{ContainerId, Generation, ObjectId, TenantId};
use model::refusal::Refusal;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fault::damaged;
use crate::mail::{Letter, Mark};
use crate::name::Name;
use crate::tag::{Attempt, ContentDigest, Filed, Tag};

/// Content of one blob: 8 MiB, the last one of an object shorter or equal.
pub const BLOB: usize = 8 << 20;
/// Content of fewer bytes than this is one chunk and sits in the row.
pub const INLINE: usize = 16 << 10;
/// The largest object, in bytes: 32,768 blobs, whose numbers fit into 16 bits.
pub const MAX_OBJECT: u64 = 32_768 * BLOB as u64;

/// What an object is; it decides what is read out of it when it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A message as it went over the wire (RFC 5322): subject, sender and date are read out of its header.
    Message,
    /// Any bytes.
    File,
}

/// One object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: ObjectId,
    /// What it is.
    pub kind: Kind,
    /// Which state of it this is; 1 for the first.
    pub version: u32,
    /// The length of its content in bytes.
    pub size: u64,
    /// When its first version was acknowledged.
    pub created: Timestamp,
    /// When this version was acknowledged.
    pub changed: Timestamp,
    /// What was sealed beside the content, or why it does not open (one damaged row does not hide the others).
    pub details: Result<Details, Refusal>,
}

/// What a customer typed or a message says of itself; sealed at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The path of the object below its holder, as it was given.
    pub name: Name,
    /// The subject of a message, at most [`MAX_FIELD`](crate::mail::MAX_FIELD) bytes of it.
    pub subject: Option<String>,
    /// The first sender of a message, as `Name <address>`.
    pub from: Option<String>,
    /// The date that the sender wrote.
    pub sent: Option<Timestamp>,
    /// Why a message is kept but could not be read as one.
    pub mark: Option<Mark>,
}

/// The visible half of an object's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectRow {
    pub(crate) v: u8,
    pub(crate) kind: Kind,
    pub(crate) generation: Generation,
    pub(crate) version: u32,
    pub(crate) size: u64,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) name_tag: Tag,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) import: Option<Filed>,
    pub(crate) attempt: Attempt,
    /// How many files the content has; 0 when it sits in the row.
    pub(crate) blobs: u16,
}

/// The version of the row's shape.
pub(crate) const ROW_VERSION: u8 = 1;

/// Where an object is; everything that is sealed of it is bound to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) container: ContainerId,
    pub(crate) object: ObjectId,
}

impl Place {
    /// The key of the object's row, and the beginning of the names of its blobs.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.container, self.object)
    }

    fn part(&self, generation: Generation, part: Part) -> PartPlace {
        let (tenant, container) = (*self.tenant.as_bytes(), *self.container.as_bytes());
        let container = ContainerPlace { tenant, container, generation: generation.0 };
        PartPlace { container, object: *self.object.as_bytes(), part }
    }

    /// Where the details are sealed for.
    pub(crate) fn details(&self, generation: Generation) -> PartPlace {
        self.part(generation, Part::Metadata)
    }

    /// Where one blob of one write is sealed for; content in the row is blob 0.
    pub(crate) fn blob(&self, generation: Generation, attempt: Attempt, number: u16) -> PartPlace {
        self.part(generation, Part::Blob(attempt.bits() << 16 | u64::from(number)))
    }
}

/// How many files a content of this size has; none when it sits in the row.
pub(crate) fn blobs_of(size: u64) -> u16 {
    let blobs = if size < INLINE as u64 { 0 } else { size.div_ceil(BLOB as u64) };
    u16::try_from(blobs).unwrap_or(u16::MAX)
}

impl ObjectRow {
    /// How many bytes of content blob `number` has.
    pub(crate) fn blob_len(&self, number: u16) -> u64 {
        self.size.saturating_sub(u64::from(number) * BLOB as u64).min(BLOB as u64)
    }

    /// Whether the row says the same as itself: a cheap look before anything is opened.
    pub(crate) fn is_whole(&self) -> bool {
        self.v == ROW_VERSION
            && self.version > 0
            && self.size <= MAX_OBJECT
            && self.blobs == blobs_of(self.size)
    }

    /// What is shown of it, once the details were opened or refused.
    pub(crate) fn entry(&self, id: ObjectId, details: Result<Details, Refusal>) -> Entry {
        let Self { kind, version, size, created, changed, .. } = *self;
        Entry { id, kind, version, size, created, changed, details }
    }
}

/// The sealed half of an object's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) details: Stored,
    /// The content, where it sits in the row.
    pub(crate) content: Option<Stored>,
}

/// A sealed message and its wrapped key, as they lie in a row or a blob's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) dek: Wrapped<Dek>,
    pub(crate) message: Bytes,
}

impl Stored {
    /// Opens it for its place.
    pub(crate) fn open(&self, key: &Key<Container>, place: &PartPlace) -> Result<Vec<u8>, crypto::OpenError> {
        key.open(&self.dek, &self.message, place)
    }
}

impl From<SealedPart> for Stored {
    fn from(part: SealedPart) -> Self {
        Self { dek: part.dek, message: part.message.into() }
    }
}

const IN_ROW: u8 = 1;
const IN_BLOBS: u8 = 2;

impl Payload {
    /// The bytes of the row's payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let parts = std::iter::once(&self.details).chain(&self.content);
        let len = parts.clone().map(|part| 6 + part.dek.as_bytes().len() + part.message.len()).sum::<usize>();
        let mut out = Vec::with_capacity(1 + len);
        out.push(if self.content.is_some() { IN_ROW } else { IN_BLOBS });
        for part in parts {
            put_wrap(&mut out, &part.dek);
            out.extend_from_slice(&(part.message.len() as u32).to_be_bytes());
            out.extend_from_slice(&part.message);
        }
        out
    }

    /// Reads the payload of a row; `None` when the bytes are not what was written.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        let layout = bytes.try_get_u8().ok()?;
        let details = take_part(&mut bytes)?;
        let content = match layout {
            IN_ROW => Some(take_part(&mut bytes)?),
            IN_BLOBS => None,
            _ => return None,
        };
        bytes.is_empty().then_some(Self { details, content })
    }
}

/// How many bytes lie before the sealed message in a blob's file.
pub(crate) const BLOB_HEAD: usize = 2 + Wrapped::<Dek>::LEN;

/// Begins a blob's file, in which the message follows.
pub(crate) fn put_wrap(out: &mut Vec<u8>, dek: &Wrapped<Dek>) {
    let dek = dek.as_bytes();
    out.extend_from_slice(&(dek.len() as u16).to_be_bytes());
    out.extend_from_slice(dek);
}

/// Takes the wrapped key off the front; what is left is the sealed message.
pub(crate) fn take_wrap(bytes: &mut Bytes) -> Option<Wrapped<Dek>> {
    let len = usize::from(bytes.try_get_u16().ok()?);
    (bytes.len() >= len).then(|| Wrapped::from_bytes(bytes.split_to(len).to_vec()))
}

fn take_part(bytes: &mut Bytes) -> Option<Stored> {
    let dek = take_wrap(bytes)?;
    let len = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    (bytes.len() >= len).then(|| Stored { dek, message: bytes.split_to(len) })
}

/// The details as they are sealed; everything above `name` repeats the row that they were sealed for.
#[derive(Serialize, Deserialize)]
struct SealedDetails {
    v: u8,
    kind: Kind,
    version: u32,
    size: u64,
    created: Timestamp,
    changed: Timestamp,
    attempt: Attempt,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<ContentDigest>,
}

/// The version of the sealed details.
const DETAILS_VERSION: u8 = 1;

/// A version of an object on its way into its row: its content is durable, its details are not sealed yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) version: u32,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) name: Name,
    pub(crate) import: Option<Filed>,
    pub(crate) digest: Option<ContentDigest>,
    pub(crate) body: Body,
}

/// The content of one version, sealed and durable but not visible.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) size: u64,
    pub(crate) attempt: Attempt,
    /// The content itself, where it sits in the row.
    pub(crate) content: Option<Stored>,
    /// What was read out of it on the way.
    pub(crate) letter: Letter,
}

impl Draft {
    /// Makes the row and its payload; `names` makes the tags of names of the same key.
    pub(crate) fn seal(
        self,
        key: &Key<Container>,
        names: &LookupKey,
        generation: Generation,
        place: &Place,
        random: &dyn Random,
    ) -> (ObjectRow, Bytes) {
        let Self { kind, version, created, changed, name, import, digest, body } = self;
        let Body { size, attempt, content, letter } = body;
        let name_tag = Tag::of_name(names, &name);
        let blobs = blobs_of(size);
        let row = ObjectRow {
            v: ROW_VERSION,
            kind,
            generation,
            version,
            size,
            created,
            changed,
            name_tag,
            import,
            attempt,
            blobs,
        };
        let Letter { subject, from, sent, mark } = letter;
        let name = name.as_str().to_owned();
        let sealed = SealedDetails {
            v: DETAILS_VERSION,
            kind,
            version,
            size,
            created,
            changed,
            attempt,
            name,
            subject,
            from,
            sent,
            mark,
            digest,
        };
        let text = serde_json::to_vec(&sealed).expect("strings and numbers are always JSON");
        let details = key.seal(&text, &place.details(generation), random).into();
        (row, Payload { details, content }.encode().into())
    }
}

/// Opens the details of a row and holds them against it; anything that does not fit is damage.
pub(crate) fn open_details(
    key: &Key<Container>,
    place: &Place,
    row: &ObjectRow,
    details: &Stored,
) -> Result<(Details, Option<ContentDigest>), Refusal> {
    let damaged = |what| damaged(place, what);
    let text =
        details.open(key, &place.details(row.generation)).map_err(|_| damaged("details do not open"))?;
    let sealed: SealedDetails =
        serde_json::from_slice(&text).map_err(|_| damaged("details are not what was sealed"))?;
    let SealedDetails { kind, version, size, created, changed, attempt, .. } = sealed;
    let visible = (row.kind, row.version, row.size, row.created, row.changed, row.attempt);
    if sealed.v != DETAILS_VERSION || (kind, version, size, created, changed, attempt) != visible {
        return Err(damaged("row is not the one that its details were sealed for"));
    }
    let name = Name::parse(&sealed.name).map_err(|_| damaged("details are not what was sealed"))?;
    let SealedDetails { subject, from, sent, mark, digest, .. } = sealed;
    Ok((Details { name, subject, from, sent, mark }, digest))
}

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;

    use super::*;

    fn stored(byte: u8, len: usize) -> Stored {
        Stored { dek: Wrapped::from_bytes(vec![byte; 104]), message: vec![byte; len].into() }
    }

    #[test]
    fn a_payload_survives_and_every_cut_or_addition_is_seen() {
        for content in [None, Some(stored(2, 90))] {
            let payload = Payload { details: stored(1, 72), content };
            let bytes = payload.encode();
            assert_eq!(Payload::decode(bytes.clone().into()), Some(payload));
            for cut in 0..bytes.len() {
                assert_eq!(Payload::decode(Bytes::copy_from_slice(&bytes[..cut])), None, "cut at {cut}");
            }
            assert_eq!(Payload::decode([&bytes[..], &[0]].concat().into()), None);
        }
    }

    #[test]
    fn the_number_of_blobs_follows_from_the_size() {
        let blob = BLOB as u64;
        let inline = INLINE as u64;
        let sizes = [(0, 0), (inline - 1, 0), (inline, 1), (blob, 1), (blob + 1, 2), (MAX_OBJECT, 32_768)];
        for (size, blobs) in sizes {
            assert_eq!(blobs_of(size), blobs, "{size}");
        }
    }

    #[test]
    fn details_open_for_their_own_row_alone() {
        let random = SeededRandom::new(1);
        let key = Key::<Container>::generate(&random);
        let ids = crate::ids::Ids::default();
        let place = Place {
            tenant: TenantId::from_random([1; 16]),
            container: ContainerId::from_random([2; 16]),
            object: ids.next(Timestamp(1), &random),
        };
        let names = key.lookup_key(crypto::Lookup::Name);
        let name = Name::parse("a/b").expect("a name");
        let attempt = Attempt::draw(&random);
        let content = key.seal(b"12345", &place.blob(Generation::FIRST, attempt, 0), &random).into();
        let body = Body { size: 5, attempt, content: Some(content), letter: Letter::default() };
        let draft = Draft {
            kind: Kind::File,
            version: 1,
            created: Timestamp(1),
            changed: Timestamp(1),
            name: name.clone(),
            import: None,
            digest: None,
            body,
        };
        let (row, payload) = draft.seal(&key, &names, Generation::FIRST, &place, &random);
        let sealed = Payload::decode(payload).expect("what was written").details;
        let (details, _) = open_details(&key, &place, &row, &sealed).expect("its own row");
        assert_eq!(details.name, name);

        for other in [
            ObjectRow { size: 6, ..row.clone() },
            ObjectRow { version: 2, ..row.clone() },
            ObjectRow { kind: Kind::Message, ..row.clone() },
            ObjectRow { created: Timestamp(2), ..row.clone() },
            ObjectRow { changed: Timestamp(2), ..row.clone() },
            ObjectRow { attempt: Attempt::draw(&random), ..row.clone() },
        ] {
            assert!(open_details(&key, &place, &other, &sealed).is_err(), "{other:?}");
        }
        let moved = Place { object: ids.next(Timestamp(2), &random), ..place };
        let refused = open_details(&key, &moved, &row, &sealed).expect_err("another place");
        assert_eq!(refused.code, model::refusal::Code::Ours);
        assert!(refused.detail.contains(&moved.object.to_string()), "{}", refused.detail);
    }
}
