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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{ContainerPlace, Part};
    use crate::sealed::{TooLong, sealed_len};
    use crate::testing::SeededRandom;

    const MAILBOX: ContainerPlace = ContainerPlace { tenant: [1; 16], container: [2; 16], generation: 1 };
    const PLACE: PartPlace = PartPlace { container: MAILBOX, object: [3; 16], part: Part::Blob(0) };

    fn container() -> (Key<Container>, SeededRandom) {
        let random = SeededRandom::new(1);
        (Key::generate(&random), random)
    }

    #[test]
    fn a_part_opens_in_its_place_and_in_no_other() {
        let (key, random) = container();
        let part = key.seal(b"content", &PLACE, &random);
        assert_eq!(key.open(&part.dek, &part.message, &PLACE), Ok(b"content".to_vec()));
        for elsewhere in [
            PartPlace { part: Part::Blob(1), ..PLACE },
            PartPlace { part: Part::Metadata, ..PLACE },
            PartPlace { object: [9; 16], ..PLACE },
            PartPlace { container: ContainerPlace { generation: 2, ..MAILBOX }, ..PLACE },
            PartPlace { container: ContainerPlace { container: [9; 16], ..MAILBOX }, ..PLACE },
            PartPlace { container: ContainerPlace { tenant: [9; 16], ..MAILBOX }, ..PLACE },
        ] {
            assert_eq!(
                key.open(&part.dek, &part.message, &elsewhere),
                Err(OpenError::Header),
                "{elsewhere:?}"
            );
            assert_eq!(key.opener(&part.dek, &elsewhere).err(), Some(OpenError::Header), "{elsewhere:?}");
        }
        let other = Key::<Container>::generate(&random);
        assert_eq!(other.open(&part.dek, &part.message, &PLACE), Err(OpenError::Header));
    }

    #[test]
    fn a_message_does_not_open_with_the_dek_of_another() {
        let (key, random) = container();
        let (one, two) = (key.seal(b"one", &PLACE, &random), key.seal(b"two", &PLACE, &random));
        assert_eq!(key.open(&one.dek, &two.message, &PLACE), Err(OpenError::Header));
        // An old message with its own old DEK does open: rows are versioned and audited for that.
        assert_eq!(key.open(&one.dek, &one.message, &PLACE), Ok(b"one".to_vec()));
    }

    #[test]
    fn one_content_sealed_twice_shares_no_header_no_dek_and_no_ciphertext() {
        let (key, random) = container();
        let (one, two) = (key.seal(&[0; 64], &PLACE, &random), key.seal(&[0; 64], &PLACE, &random));
        assert_ne!(one.dek, two.dek);
        assert!(one.message.windows(16).all(|piece| !two.message.windows(16).any(|other| other == piece)));
    }

    #[test]
    fn buffers_are_used_again_and_left_empty_by_a_failure() {
        let (key, random) = container();
        let (mut message, mut content) = (vec![0xaa; 100_000], vec![0xbb; 5]);
        for len in [40_000, 10, 0, 16_384, 70_000] {
            let plain = vec![len as u8; len];
            let dek = key.seal_into(&plain, &PLACE, &random, &mut message);
            assert_eq!(message.len() as u64, sealed_len(len as u64));
            assert_eq!(key.open_into(&dek, &message, &PLACE, &mut content), Ok(()));
            assert_eq!(content, plain);
            message[60] ^= 1;
            assert!(key.open_into(&dek, &message, &PLACE, &mut content).is_err());
            assert!(content.is_empty());
            content.extend_from_slice(b"old");
            assert!(key.open_into(&dek, &message[..9], &PLACE, &mut content).is_err());
            assert!(content.is_empty());
        }
        content.extend_from_slice(b"old");
        let stranger = Wrapped::from_bytes(vec![0; Wrapped::<Dek>::LEN]);
        assert!(key.open_into(&stranger, &message, &PLACE, &mut content).is_err());
        assert!(content.is_empty());
    }

    #[test]
    fn streams_and_ranges_meet_the_one_shot_form() {
        let (key, random) = container();
        let plain: Vec<u8> = (0..50_000).map(|at| at as u8).collect();
        let (dek, mut sealer) = key.sealer(&PLACE, &random);
        let header = *sealer.header();
        let mut message = Vec::new();
        for piece in plain.chunks(777) {
            assert_eq!(sealer.push(piece, &mut message), Ok::<(), TooLong>(()));
        }
        sealer.finish(&mut message);
        assert_eq!(message[..HEADER_LEN], header);
        assert_eq!(key.open(&dek, &message, &PLACE), Ok(plain.clone()));

        let (mut opener, mut out) = (key.opener(&dek, &PLACE).expect("its own place"), Vec::new());
        message.chunks(1000).try_for_each(|piece| opener.push(piece, &mut out)).expect("authentic");
        opener.finish(&mut out).expect("whole");
        assert_eq!(out, plain);

        let range = key.open_range(&dek, &PLACE, &header, 16_000..33_000, 50_000).expect("inside");
        let read = range.ciphertext();
        let opened = range.open(&message[read.start as usize..read.end as usize]);
        assert_eq!(opened.as_deref(), Ok(&plain[16_000..33_000]));
    }
}
