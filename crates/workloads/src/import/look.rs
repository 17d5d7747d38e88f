//! What a batch reads: the items that fit, each with the tag that says whether it was here before.
//!
//! Owns the reading of a batch, which blocks, and the making of import tags (spec/objects.md, 6).

use std::collections::VecDeque;

use bytes::Bytes;
use crypto::LookupKey;
use model::id::Generation;
use model::refusal::Refusal;

use super::inlet::{BATCH_BYTES, BATCH_ITEMS, LargeContent, Taken, Waiting};
use crate::name::Name;
use crate::object::Kind;
use crate::tag::{ContentDigest, Filed, Tag};

/// A small item that was read.
pub(crate) struct Read {
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    pub(crate) content: Bytes,
    pub(crate) digest: ContentDigest,
    /// Its tag under every generation in use, the present one first.
    pub(crate) filed: Vec<Filed>,
}

/// An item that is too large for a batch.
pub(crate) struct Large {
    pub(crate) index: u64,
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    pub(crate) content: LargeContent,
}

/// What became of the items of a batch when they were read.
pub(crate) struct Looked {
    pub(crate) items: Vec<(u64, Result<Read, Refusal>)>,
    /// The item that ended the batch because it is too large for one.
    pub(crate) large: Option<Large>,
    /// What did not fit.
    pub(crate) rest: VecDeque<Waiting>,
}

/// Makes the import tags of one container under every generation in use, the present one first.
pub(crate) struct Tagger(pub(crate) Vec<(Generation, LookupKey)>);

impl Tagger {
    pub(crate) fn tags(&self, name: &Name, size: u64, digest: &ContentDigest) -> Vec<Filed> {
        let filed = |(generation, key): &(Generation, LookupKey)| Filed {
            generation: *generation,
            tag: Tag::of_import(key, name, size, digest),
        };
        self.0.iter().map(filed).collect()
    }
}

/// Reads items until a batch is full; files are opened here, so this may block.
pub(crate) fn look(mut waiting: VecDeque<Waiting>, tagger: &Tagger) -> Looked {
    let (mut items, mut large, mut bytes) = (Vec::with_capacity(waiting.len()), None, 0);
    while items.len() < BATCH_ITEMS && bytes < BATCH_BYTES && large.is_none() {
        let Some(item) = waiting.pop_front() else { break };
        let (index, kind) = (item.index, item.kind);
        let named = Name::from_bytes(&item.path);
        let read = match named.and_then(|name| Ok((name, item.content()?))) {
            Err(refusal) => Err(refusal),
            Ok((name, Taken::Large(content))) => {
                large = Some(Large { index, name, kind, content });
                continue;
            }
            Ok((name, Taken::Small(content))) => {
                bytes += content.len();
                let digest = ContentDigest::of(&content);
                let filed = tagger.tags(&name, content.len() as u64, &digest);
                Ok(Read { name, kind, content, digest, filed })
            }
        };
        items.push((index, read));
    }
    Looked { items, large, rest: waiting }
}
