//! Keys, wraps, sealed content, and RSA for the vault. No async, no I/O, no clock; randomness is an argument.

mod random;

pub use random::Random;
