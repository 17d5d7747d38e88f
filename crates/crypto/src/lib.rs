//! Keys, wraps, sealed content, RSA and elliptic curves for the vault. No async, no I/O, no clock; randomness is an argument.
//!
//! Formats are written down first: `spec/sealed-format.md`, `spec/keys.md` and `spec/wrap-set.md`. A format
//! is never edited; a new version is a new reader beside the old one.
//!
//! ```text
//! root key ── wraps ── Seed ── derives ──▶ Key<Dep> ── wraps ──▶ Key<Container> ── wraps ──▶ Key<Dek> ── seals ──▶ content
//! ```

mod content;
mod context;
mod der;
mod derive;
pub mod digest;
mod ec;
mod key;
#[cfg(test)]
mod known_answers;
mod level;
mod lookup;
mod mac;
mod place;
mod private;
mod random;
mod rsa;
mod sealed;
mod secret;
mod seed;
mod signature;
pub mod testing;
mod vault_backup;
mod vault_key;
mod wrap_set;

pub use content::{SealedPart, Sealer};
pub use context::Context;
pub use ec::{Curve, EcError, EcPrivate};
pub use key::{Key, Wrapped};
pub use level::{AtRandom, Container, Dek, Dep, Level, Master, Volume, Wraps};
pub use lookup::{Lookup, LookupKey};
pub use place::{BackupPlace, ContainerPlace, DepPlace, Part, PartPlace, VaultKeyPlace};
pub use private::PrivateKey;
pub use random::Random;
pub use rsa::{RsaError, RsaPadding, RsaParts, RsaPrivate, RsaSignature, RsaSize};
pub use sealed::{HEADER_LEN, MAX_PLAIN_LEN, OpenError, Opener, RangeOpener, TooLong, sealed_len};
pub use seed::{Commitment, NotACommitment, NotASeed, Seed};
pub use signature::{SignatureAlgorithm, SignatureError};
pub use wrap_set::{NotAWrapSet, Slot, WrapSet, WrapSetFault};

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_by_threads<T: Send + Sync>() {}

    #[test]
    fn keys_and_streams_may_be_handed_to_other_threads() {
        shared_by_threads::<Key<Container>>();
        shared_by_threads::<Wrapped<Dek>>();
        shared_by_threads::<Seed>();
        shared_by_threads::<Sealer>();
        shared_by_threads::<Opener>();
        shared_by_threads::<RangeOpener>();
        shared_by_threads::<PrivateKey>();
        shared_by_threads::<LookupKey>();
    }
}
