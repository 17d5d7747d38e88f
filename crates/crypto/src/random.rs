//! Randomness as an argument.

/// A source of bytes that nobody can predict; the binary hands down the operating system's.
///
/// The one exception is RSA: aws-lc-rs draws its own randomness for key generation and OAEP and takes
/// no source.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Fills the whole slice.
    fn fill(&self, out: &mut [u8]);
}
