//! Content: one DEK, one message. A container key seals parts of objects and opens them again.
//!
//! The DEK is made here, used for one message and handed back wrapped, so that no caller can use it twice.

use std::ops::Range;

use crate::context::Context;
use crate::key::{Key, Wrapped};
use crate::level::{Container, Dek};
use crate::place::PartPlace;
use crate::random::Random;
use crate::sealed::{self, HEADER_LEN, OpenError, Opener, RangeOpener};

pub use crate::sealed::Sealer;

/// One sealed message and its key, wrapped; both may be stored anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// The key of this message alone, under the container key.
    pub dek: Wrapped<Dek>,
    /// The message; [`sealed_len`](crate::sealed_len) bytes.
    pub message: Vec<u8>,
}

impl Key<Container> {
    /// Seals one part of an object under a new DEK.
    pub fn seal(&self, content: &[u8], place: &PartPlace, random: &dyn Random) -> SealedPart {
        let mut message = Vec::new();
        let dek = self.seal_into(content, place, random, &mut message);
        SealedPart { dek, message }
    }

    /// Like [`Key::seal`], into a buffer that may be used again: its content is overwritten, its length set.
    pub fn seal_into(
        &self,
        content: &[u8],
        place: &PartPlace,
        random: &dyn Random,
        message: &mut Vec<u8>,
    ) -> Wrapped<Dek> {
        let (dek, wrapped) = self.new_dek(place, random);
        let context = Context::content(place);
        sealed::seal_into(dek.secret(), context.as_bytes(), content, random, message);
        wrapped
    }

    /// Opens one part; `place` is where it was found.
    pub fn open(&self, dek: &Wrapped<Dek>, message: &[u8], place: &PartPlace) -> Result<Vec<u8>, OpenError> {
        let mut content = Vec::new();
        self.open_into(dek, message, place, &mut content)?;
        Ok(content)
    }

    /// Like [`Key::open`], into a buffer that may be used again; on failure it is left empty.
    pub fn open_into(
        &self,
        dek: &Wrapped<Dek>,
        message: &[u8],
        place: &PartPlace,
        content: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let opened = self
            .unwrap(dek, &Context::dek(place))
            .and_then(|dek| sealed::open(dek.secret(), Context::content(place).as_bytes(), message, content));
        if opened.is_err() {
            content.clear();
        }
        opened
    }

    /// Starts a message whose content arrives in pieces.
    pub fn sealer(&self, place: &PartPlace, random: &dyn Random) -> (Wrapped<Dek>, Sealer) {
        let (dek, wrapped) = self.new_dek(place, random);
        (wrapped, Sealer::new(dek.secret(), Context::content(place).as_bytes(), random))
    }

    /// Starts to open a message that arrives in pieces.
    pub fn opener(&self, dek: &Wrapped<Dek>, place: &PartPlace) -> Result<Opener, OpenError> {
        let dek = self.unwrap(dek, &Context::dek(place))?;
        Ok(Opener::new(dek.into_secret(), Context::content(place).as_bytes()))
    }

    /// Opens a range of a message: what to read is in [`RangeOpener::ciphertext`].
    ///
    /// `header` is the message's first 56 bytes and `plain_len` the length of its content, as the row has it;
    /// neither is believed. A range outside the content is refused.
    pub fn open_range(
        &self,
        dek: &Wrapped<Dek>,
        place: &PartPlace,
        header: &[u8; HEADER_LEN],
        range: Range<u64>,
        plain_len: u64,
    ) -> Result<RangeOpener, OpenError> {
        let dek = self.unwrap(dek, &Context::dek(place))?;
        RangeOpener::new(dek.secret(), Context::content(place).as_bytes(), header, range, plain_len)
    }

    fn new_dek(&self, place: &PartPlace, random: &dyn Random) -> (Key<Dek>, Wrapped<Dek>) {
        let dek = Key::<Dek>::generate(random);
        let wrapped = self.wrap(&dek, &Context::dek(place), random);
        (dek, wrapped)
    }
}
