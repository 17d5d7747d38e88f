//! The randomness of the operating system, handed down to every room as `crypto::Random`.

use aws_lc_rs::rand;
use crypto::Random;

/// Bytes from aws-lc-rs, which draws on the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        // To go on without randomness would be to make keys that can be guessed.
        rand::fill(out).expect("the operating system gives random bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_slice_is_filled_and_never_twice_the_same() {
        let mut keys = [[0_u8; 32]; 8];
        keys.iter_mut().for_each(|key| SystemRandom.fill(key));
        for (i, key) in keys.iter().enumerate() {
            // Eight zero bytes at the end happen once in 2^64 fills.
            assert_ne!(key[24..], [0; 8]);
            assert!(keys[i + 1..].iter().all(|other| other != key));
        }
    }
}
