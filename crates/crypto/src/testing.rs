//! Randomness that repeats, for tests and recorded runs. Never outside tests: whoever knows the seed knows every key.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest;
use crate::random::Random;

/// A [`Random`] that gives the same bytes for the same seed; for tests only, it protects nothing.
///
/// The n-th call after `new` is answered from SHA-256 over (seed, n, block), so that the answer depends on
/// the order of the calls and on nothing else.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    calls: AtomicU64,
}

impl SeededRandom {
    /// A source that starts at the beginning of the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, calls: AtomicU64::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        for (block, piece) in (0u64..).zip(out.chunks_mut(32)) {
            let mut input = [0; 24];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..16].copy_from_slice(&call.to_be_bytes());
            input[16..].copy_from_slice(&block.to_be_bytes());
            piece.copy_from_slice(&digest::sha256(&input)[..piece.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(random: &SeededRandom, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        random.fill(&mut out);
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_another_seed_another() {
        let (a, b, c) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        assert_eq!(take(&a, 100), take(&b, 100));
        assert_eq!(take(&a, 5), take(&b, 5));
        assert_ne!(take(&a, 32), take(&c, 32));
    }

    #[test]
    fn two_calls_never_give_the_same_block() {
        let random = SeededRandom::new(3);
        let (first, second) = (take(&random, 64), take(&random, 64));
        assert_ne!(first, second);
        assert_ne!(first[..32], first[32..]);
    }
}
