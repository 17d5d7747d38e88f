//! Behaviour of the format: round trips over chunk borders, refusal of every change, ranges, streams, bounds.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use proptest::prelude::*;

use super::*;
use crate::secret::Secret;
use crate::testing::SeededRandom;

const KEY: [u8; 32] = [7; 32];
const HERE: &[u8] = b"here";

/// Lengths around the borders of chunks.
const BORDERS: [usize; 12] =
    [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, SEALED_CHUNK, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK + 5];

fn content(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    SeededRandom::new(len as u64).fill(&mut out);
    out
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    seal(&KEY, HERE, plain, &SeededRandom::new(99))
}

fn opened(message: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut plain = vec![0xaa; 9];
    let result = open(&KEY, HERE, message, &mut plain);
    assert!(result.is_ok() || plain.is_empty(), "a failure leaves nothing");
    result.map(|()| plain)
}

fn opener() -> Opener {
    Opener::new(Secret::build(|out| *out = KEY), HERE)
}

/// Opens in pieces; gives what came out, also when it failed.
fn stream_open(message: &[u8], piece: usize) -> (Vec<u8>, Result<(), OpenError>) {
    let (mut opener, mut out) = (opener(), Vec::new());
    for part in message.chunks(piece.max(1)) {
        if let Err(error) = opener.push(part, &mut out) {
            assert_eq!(opener.push(b"", &mut Vec::new()), Err(error), "a failed opener stays failed");
            return (out, Err(error));
        }
    }
    let end = opener.finish(&mut out);
    (out, end)
}

fn range(message: &[u8], range: std::ops::Range<u64>, plain_len: u64) -> Result<Vec<u8>, OpenError> {
    let header = message.first_chunk().ok_or(OpenError::Length)?;
    let plan = RangeOpener::new(&KEY, HERE, header, range, plain_len)?;
    let read = plan.ciphertext();
    let end = (read.end as usize).min(message.len());
    plan.open(&message[(read.start as usize).min(end)..end])
}

#[test]
fn what_was_sealed_opens_at_every_chunk_border() {
    for len in BORDERS {
        let plain = content(len);
        let message = sealed(&plain);
        assert_eq!(message.len() as u64, sealed_len(len as u64), "{len}");
        assert_eq!(plain_len(message.len() as u64), Some(len as u64));
        assert_eq!(opened(&message), Ok(plain), "{len}");
    }
}

#[test]
fn a_full_last_chunk_is_followed_by_an_empty_one() {
    assert_eq!(sealed(&[]).len(), HEADER_LEN + TAG);
    assert_eq!(sealed(&content(CHUNK)).len(), HEADER_LEN + SEALED_CHUNK + TAG);
    assert_eq!(sealed(&content(CHUNK - 1)).len(), HEADER_LEN + SEALED_CHUNK - 1);
}

#[test]
fn the_same_content_never_gives_the_same_message() {
    let random = SeededRandom::new(1);
    assert_ne!(seal(&KEY, HERE, b"twice", &random), seal(&KEY, HERE, b"twice", &random));
}

#[test]
fn another_key_or_place_opens_nothing() {
    let message = sealed(b"content");
    let mut out = Vec::new();
    assert_eq!(open(&[8; 32], HERE, &message, &mut out), Err(OpenError::Header));
    assert_eq!(open(&KEY, b"elsewhere", &message, &mut out), Err(OpenError::Header));
    assert_eq!(open(&KEY, b"", &message, &mut out), Err(OpenError::Header));
}

#[test]
fn every_single_bit_flip_of_a_small_message_is_refused() {
    let good = sealed(b"small item");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut message = good.clone();
            message[at] ^= 1 << bit;
            let expected = if at < HEADER_LEN { OpenError::Header } else { OpenError::Chunk(0) };
            assert_eq!(opened(&message), Err(expected), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_every_appended_byte_is_refused() {
    for len in [0, 10, CHUNK - 1, CHUNK, CHUNK + 3, 2 * CHUNK] {
        let good = sealed(&content(len));
        let cuts = (0..good.len().min(200)).chain(good.len().saturating_sub(200)..good.len());
        for cut in cuts.chain([HEADER_LEN + SEALED_CHUNK, HEADER_LEN + SEALED_CHUNK + TAG]) {
            if cut < good.len() {
                assert!(opened(&good[..cut]).is_err(), "{len} cut at {cut}");
                assert!(stream_open(&good[..cut], 4096).1.is_err(), "{len} streamed, cut at {cut}");
            }
        }
        for more in [1, TAG, SEALED_CHUNK] {
            let longer = [&good[..], &vec![0; more]].concat();
            assert!(opened(&longer).is_err(), "{len} and {more} more");
            assert!(stream_open(&longer, 4096).1.is_err(), "{len} streamed and {more} more");
        }
        let doubled = [&good[..], &good[HEADER_LEN..]].concat();
        assert!(opened(&doubled).is_err(), "{len} and its own chunks again");
    }
}

#[test]
fn chunks_that_are_swapped_doubled_or_dropped_are_refused() {
    let good = sealed(&content(3 * CHUNK + 100));
    let chunk = |n: usize| &good[HEADER_LEN + n * SEALED_CHUNK..][..SEALED_CHUNK];
    let (header, last) = (&good[..HEADER_LEN], &good[HEADER_LEN + 3 * SEALED_CHUNK..]);
    for (order, first_bad) in [([1, 0, 2], 0), ([0, 0, 2], 1), ([0, 2, 1], 1)] {
        let parts = [header, chunk(order[0]), chunk(order[1]), chunk(order[2]), last];
        assert_eq!(opened(&parts.concat()), Err(OpenError::Chunk(first_bad)), "{order:?}");
    }
    assert_eq!(opened(&[header, chunk(0), chunk(2), last].concat()), Err(OpenError::Chunk(1)));
    assert_eq!(opened(&[header, chunk(0), chunk(1), last].concat()), Err(OpenError::Chunk(2)));
}

#[test]
fn a_stream_releases_only_whole_authentic_chunks() {
    let plain = content(2 * CHUNK + 50);
    let mut message = sealed(&plain);
    let last = message.len() - 1;
    message[last] ^= 1;
    assert_eq!(stream_open(&message, 1000), (plain[..2 * CHUNK].to_vec(), Err(OpenError::Chunk(2))));

    message[last] ^= 1;
    message[HEADER_LEN + SEALED_CHUNK] ^= 1;
    assert_eq!(stream_open(&message, 7), (plain[..CHUNK].to_vec(), Err(OpenError::Chunk(1))));

    message[3] ^= 1;
    assert_eq!(stream_open(&message, 10_000), (vec![], Err(OpenError::Header)));
}

#[test]
fn a_stream_that_ends_in_its_header_or_on_a_full_chunk_is_cut() {
    let message = sealed(&content(CHUNK));
    for end in [0, 1, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + SEALED_CHUNK, HEADER_LEN + SEALED_CHUNK + 15] {
        assert_eq!(stream_open(&message[..end], 500).1, Err(OpenError::Length), "{end}");
    }
}

#[test]
fn the_chunk_counter_stops_at_its_bound() {
    let last = MAX_CHUNKS - 1;
    let sealer = || Sealer::new(&KEY, HERE, &SeededRandom::new(5));
    let mut out = Vec::new();
    // The last chunk that exists can be filled up to one byte below full, and not further.
    let mut almost = sealer().after(MAX_PLAIN_LEN - 1);
    assert_eq!(almost.push(&[1, 2], &mut out), Err(TooLong));
    assert_eq!(almost.push(&[1], &mut out), Ok(()));
    assert_eq!(almost.push(&[1], &mut out), Err(TooLong));
    assert_eq!(almost.push(&[], &mut out), Ok(()));

    out.clear();
    let mut at_last = sealer().after(last * CHUNK as u64);
    at_last.push(b"end", &mut out).expect("room for less than a chunk");
    at_last.finish(&mut out);
    let open_at = |index: u64| {
        let (mut opener, mut plain) = (opener().at(index), Vec::new());
        opener.push(&out, &mut plain).and_then(|()| opener.finish(&mut plain)).map(|()| plain)
    };
    assert_eq!(open_at(last), Ok(b"end".to_vec()));
    assert_eq!(open_at(MAX_CHUNKS), Err(OpenError::Chunk(MAX_CHUNKS)));
    assert_eq!(plain_len(sealed_len(MAX_PLAIN_LEN)), Some(MAX_PLAIN_LEN));
    assert_eq!(plain_len(sealed_len(MAX_PLAIN_LEN + 1)), None);
    assert_eq!(sealed_len(u64::MAX), u64::MAX);
}

#[test]
fn an_authentic_chunk_beyond_the_counter_is_refused() {
    let (key, base) = ([9; 32], [0; 12]);
    let raw = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes"));
    let chunk_at = |index: u64| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        let mut chunk = b"end".to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        raw.seal_in_place_append_tag(nonce, Aad::empty(), &mut chunk).expect("short");
        chunk
    };
    let (cipher, mut plain) = (Cipher::of_vector(&key, base), [0; 3]);
    assert_eq!(cipher.open(MAX_CHUNKS - 1, &chunk_at(MAX_CHUNKS - 1), &mut plain), Ok(()));
    assert_eq!(plain, *b"end");
    let beyond = cipher.open(MAX_CHUNKS, &chunk_at(MAX_CHUNKS), &mut plain);
    assert_eq!((beyond, plain), (Err(OpenError::Chunk(MAX_CHUNKS)), [0; 3]));
}

#[test]
fn a_message_that_fails_late_leaves_none_of_its_early_chunks() {
    let plain = content(2 * CHUNK + 50);
    let mut message = sealed(&plain);
    let mut out = vec![0xaa; plain.len()];
    assert_eq!(open_into(&KEY, HERE, &message, &mut out), Ok(()));
    assert_eq!(out, plain);
    *message.last_mut().expect("a tag") ^= 1;
    assert_eq!(open_into(&KEY, HERE, &message, &mut out), Err(OpenError::Chunk(2)));
    assert!(out.iter().all(|byte| *byte == 0));
    assert_eq!(open_into(&KEY, HERE, &message, &mut out[1..]), Err(OpenError::Length));
}

#[test]
fn a_range_is_read_from_as_few_chunks_as_it_touches() {
    let message = sealed(&content(3 * CHUNK));
    let header = message.first_chunk().expect("a header");
    let total = 3 * CHUNK as u64;
    let read = |range| RangeOpener::new(&KEY, HERE, header, range, total).expect("inside").ciphertext();
    let at = |chunk: u64| HEADER_LEN as u64 + chunk * SEALED_CHUNK as u64;
    assert_eq!(read(0..1), at(0)..at(1));
    assert_eq!(read(0..CHUNK as u64), at(0)..at(1));
    assert_eq!(read(CHUNK as u64 - 1..CHUNK as u64 + 1), at(0)..at(2));
    assert_eq!(read(5..5), at(0)..at(0));
    // What ends where the content ends includes the empty last chunk.
    assert_eq!(read(total - 1..total), at(2)..message.len() as u64);
    assert_eq!(read(total..total), at(3)..message.len() as u64);
}

#[test]
fn a_range_that_claims_the_end_of_a_cut_message_is_refused() {
    let message = sealed(&content(2 * CHUNK + 9));
    let cut = &message[..HEADER_LEN + SEALED_CHUNK];
    // A row that was edited to match the cut: everything is authentic, only the end is missing.
    assert_eq!(range(cut, 0..CHUNK as u64, CHUNK as u64), Err(OpenError::Length));
    let with_some_tag = &message[..HEADER_LEN + SEALED_CHUNK + TAG];
    assert_eq!(range(with_some_tag, 0..CHUNK as u64, CHUNK as u64), Err(OpenError::Chunk(1)));
    for claimed in [0, 1, CHUNK as u64 + 8, 2 * CHUNK as u64 + 8, 2 * CHUNK as u64 + 10] {
        let end = range(&message, claimed.saturating_sub(1)..claimed, claimed);
        assert!(end.is_err(), "claimed {claimed}");
    }
}

#[test]
fn a_range_outside_the_content_or_back_to_front_is_refused() {
    let message = sealed(&content(100));
    let back_to_front = std::ops::Range { start: 9, end: 8 };
    for bad in [99..101, 101..101, back_to_front] {
        assert_eq!(range(&message, bad, 100), Err(OpenError::Range));
    }
    assert_eq!(range(&message, 0..1, MAX_PLAIN_LEN + 1), Err(OpenError::Range));
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..200, proptest::sample::select(&BORDERS[..]), 0usize..4 * CHUNK]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn streaming_in_any_pieces_gives_the_one_shot_message(
        len in length(),
        pieces in proptest::collection::vec(0usize..40_000, 0..12),
    ) {
        let plain = content(len);
        let (mut sealer, mut message) = (Sealer::new(&KEY, HERE, &SeededRandom::new(99)), Vec::new());
        let mut rest = &plain[..];
        for piece in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            sealer.push(now, &mut message).expect("short");
            rest = later;
        }
        sealer.push(rest, &mut message).expect("short");
        prop_assert_eq!(&message[..HEADER_LEN], sealer.header());
        sealer.finish(&mut message);
        prop_assert_eq!(message, sealed(&plain));
    }

    #[test]
    fn opening_in_any_pieces_gives_the_content(len in length(), piece in 1usize..40_000) {
        let plain = content(len);
        prop_assert_eq!(stream_open(&sealed(&plain), piece), (plain, Ok(())));
    }

    #[test]
    fn any_range_equals_the_slice(len in length(), a in any::<u64>(), b in any::<u64>()) {
        let plain = content(len);
        let (a, b) = (a % (len as u64 + 1), b % (len as u64 + 1));
        let wanted = a.min(b)..a.max(b);
        let slice = plain[wanted.start as usize..wanted.end as usize].to_vec();
        prop_assert_eq!(range(&sealed(&plain), wanted, len as u64), Ok(slice));
    }

    #[test]
    fn a_flip_anywhere_is_refused_and_only_what_precedes_it_comes_out(
        len in length(), at in any::<proptest::sample::Index>(), bit in 0u8..8, piece in 1usize..40_000,
    ) {
        let plain = content(len);
        let mut message = sealed(&plain);
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        prop_assert!(opened(&message).is_err());
        let (out, end) = stream_open(&message, piece);
        prop_assert!(end.is_err());
        let intact = at.saturating_sub(HEADER_LEN) / SEALED_CHUNK * CHUNK;
        prop_assert_eq!(&out[..], &plain[..intact.min(len)]);
    }
}
