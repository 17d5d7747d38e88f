//! A blob: one sealed message of an object's content, in a file of its own.
//!
//! Owns a blob's name and the bytes of its file (spec/objects.md, 3 and 7), how content that streams in
//! becomes durable blobs, and how the blobs of a version that is gone are removed. Which blobs belong to an
//! object is said by its row alone.

use bytes::Bytes;
use crypto::digest::sha256;
use crypto::{Container, Key, PartPlace, Random};
use futures::future::try_join;
use model::refusal::{Code, Refusal};
use store::BlobName;

use crate::engine::Engine;
use crate::fault::trouble;
use crate::lease::KeyInUse;
use crate::mail::{HEAD, Letter, TAIL};
use crate::object::{BLOB, BLOB_HEAD, Body, INLINE, Kind, MAX_OBJECT, Place, put_wrap};
use crate::source::Source;
use crate::tag::{Attempt, ContentDigest, Digester, hex};

/// Where a blob belongs, as its name tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) place: Place,
    /// Which write made it.
    pub(crate) attempt: Attempt,
    pub(crate) number: u16,
}

impl Address {
    pub(crate) fn name(&self) -> BlobName {
        let Self { place, attempt, number } = self;
        let object = hex(place.object.as_bytes());
        let name = format!("{}/{}/{object}{attempt}{number:04x}", place.tenant, place.container);
        name.parse().expect("two UUIDs and 48 hexadecimal digits are the name of a blob")
    }

    /// Reads a name; `None` when it is not the name of a blob of an object.
    pub(crate) fn parse(name: &BlobName) -> Option<Self> {
        let (tenant, rest) = name.as_str().split_once('/')?;
        let (container, rest) = rest.split_once('/')?;
        let (object, rest) = rest.split_at_checked(32)?;
        let (attempt, number) = rest.split_at_checked(12)?;
        let place = Place {
            tenant: tenant.parse().ok()?,
            container: container.parse().ok()?,
            object: object.parse().ok()?,
        };
        let number = u16::from_str_radix(number, 16).ok()?;
        let address = Self { place, attempt: attempt.parse().ok()?, number };
        // One blob has one spelling.
        (address.name() == *name).then_some(address)
    }
}

/// The bytes of a blob's file.
pub(crate) fn seal_blob(
    key: &Key<Container>,
    content: &[u8],
    place: &PartPlace,
    random: &dyn Random,
) -> Vec<u8> {
    let len = usize::try_from(crypto::sealed_len(content.len() as u64)).unwrap_or(0);
    let mut file = Vec::with_capacity(BLOB_HEAD + len);
    let (dek, mut sealer) = key.sealer(place, random);
    put_wrap(&mut file, &dek);
    sealer.push(content, &mut file).expect("a blob is far below the bound of one message");
    sealer.finish(&mut file);
    file
}

/// What is read out of a stream while it goes by.
#[derive(Default)]
struct Seen {
    size: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Seen {
    fn take(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        if self.head.len() < HEAD {
            self.head.extend_from_slice(&piece[..piece.len().min(HEAD - self.head.len())]);
        }
        let end = &piece[piece.len().saturating_sub(TAIL)..];
        let kept = self.tail.len().min(TAIL - end.len());
        self.tail.drain(..self.tail.len() - kept);
        self.tail.extend_from_slice(end);
    }

    fn letter(&self, kind: Kind) -> Letter {
        match kind {
            Kind::Message => Letter::read_ends(&self.head, &self.tail, self.size),
            Kind::File => Letter::default(),
        }
    }
}

/// One version whose content is being written.
pub(crate) struct Writing<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) key: &'a mut KeyInUse,
    pub(crate) place: &'a Place,
    pub(crate) kind: Kind,
    /// Makes a digest of the content on the way, where one is wanted.
    pub(crate) digester: Option<Digester>,
}

impl Writing<'_> {
    /// Reads content to its end and makes it durable: sealed in memory when it is small, else in blobs.
    ///
    /// What was written of a content that is refused midway is removed again.
    pub(crate) async fn all(mut self, mut source: Source) -> Result<(Body, Option<ContentDigest>), Refusal> {
        let first = source.piece(BLOB).await?;
        let attempt = Attempt::draw(&*self.engine.random);
        if first.len() < INLINE {
            let at = self.place.blob(self.key.generation(), attempt, 0);
            let random = &*self.engine.random;
            let content = self.key.with(|key| key.seal(&first, &at, random)).await?.into();
            let letter = Letter::of(self.kind, &first);
            let body = Body { size: first.len() as u64, attempt, content: Some(content), letter };
            return Ok((body, self.digester.map(|_| ContentDigest::of(&first))));
        }
        let mut begun = 0;
        match self.blobs(first, &mut source, attempt, &mut begun).await {
            Ok(body) => Ok((body, self.digester.map(Digester::finish))),
            Err(refusal) => {
                self.engine.drop_blobs(self.place, attempt, begun).await;
                Err(refusal)
            }
        }
    }

    /// Writes blob after blob; the next piece is read while the one before becomes durable.
    async fn blobs(
        &mut self,
        first: Bytes,
        source: &mut Source,
        attempt: Attempt,
        begun: &mut u16,
    ) -> Result<Body, Refusal> {
        let (mut seen, mut piece) = (Seen::default(), first);
        while !piece.is_empty() {
            seen.take(&piece);
            if seen.size > MAX_OBJECT {
                return Err(Refusal::new(Code::TooLarge, "content: at most 274,877,906,944 bytes"));
            }
            let (number, is_last) = (*begun, piece.len() < BLOB);
            let at = self.place.blob(self.key.generation(), attempt, number);
            let (random, digesting) = (self.engine.random.clone(), self.digester.is_some());
            let seal = move |key: &Key<Container>| {
                (seal_blob(key, &piece, &at, &*random), digesting.then(|| sha256(&piece)))
            };
            let (file, digest) = self.key.with_blocking(seal).await?;
            if let (Some(digester), Some(digest)) = (&mut self.digester, digest) {
                digester.add(digest);
            }
            // Counted before it is written: a write that fails may have left the blob behind.
            *begun += 1;
            let name = Address { place: *self.place, attempt, number }.name();
            let put = self.engine.blobs.put_many(vec![(name, file.into())]);
            // A full disk is told at once, however slowly the source gives; its own fault waits for the blob.
            let more = async { Ok(if is_last { Ok(Bytes::new()) } else { source.piece(BLOB).await }) };
            let ((), more) = try_join(put, more).await.map_err(trouble)?;
            piece = more?;
        }
        Ok(Body { size: seen.size, attempt, content: None, letter: seen.letter(self.kind) })
    }
}

impl Engine {
    /// Removes blobs that no row names any more, or that no row will name; what fails is left to the sweep.
    pub(crate) async fn drop_blobs(&self, place: &Place, attempt: Attempt, count: u16) {
        for number in 0..count {
            let name = Address { place: *place, attempt, number }.name();
            if let Err(error) = self.blobs.delete(&name).await {
                let (container, object) = (place.container, place.object);
                tracing::warn!(%container, %object, number, %error, "a blob is left for the sweep");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::id::{ContainerId, TenantId};

    use super::*;

    #[test]
    fn a_name_tells_where_a_blob_belongs_and_other_names_tell_nothing() {
        let address = Address {
            place: Place {
                tenant: TenantId::from_random([1; 16]),
                container: ContainerId::from_random([2; 16]),
                object: "0199f0a1-c2d3-7004-8005-060708090a0b".parse().expect("an id"),
            },
            attempt: "0011223344ff".parse().expect("12 digits"),
            number: 31,
        };
        let name = address.name();
        assert_eq!(Address::parse(&name), Some(address));
        let text = name.as_str();
        for other in [&text[..text.len() - 1], &text[37..], &text.replacen('/', "", 1), "0/1/2"] {
            if let Ok(other) = other.parse() {
                assert_eq!(Address::parse(&other), None, "{other}");
            }
        }
    }

    #[test]
    fn the_ends_of_a_stream_are_kept_whatever_the_pieces() {
        let content: Vec<u8> = (0..=255).cycle().take(HEAD + 3 * TAIL + 7).collect();
        for piece in [1, 100, TAIL - 1, TAIL, TAIL + 1, HEAD - 1, HEAD + 1, content.len()] {
            let mut seen = Seen::default();
            content.chunks(piece).for_each(|piece| seen.take(piece));
            assert_eq!(seen.size, content.len() as u64);
            assert_eq!(seen.head, content[..HEAD]);
            assert_eq!(seen.tail, content[content.len() - TAIL..], "pieces of {piece}");
        }
    }
}
