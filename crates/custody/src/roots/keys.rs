//! What custody may ask of a root key.
//!
//! Owns the [`RootKeys`] trait and [`RootDescription`]. Which answer is a denial and which an outage is
//! decided by the fault table of `model`; nothing here judges.

use crypto::Seed;
use model::fault::Answer;
use model::id::RequestId;
use model::time::{BoxFuture, Timestamp};
use zeroize::Zeroizing;

use model::key_identifier::KeyIdentifier;

/// The root keys that one vault connection reaches: one tenant, one kind of policy, one principal.
///
/// A call is one question and one answer; it is never repeated by the transport, and it ends within the
/// bound that the implementation was made with. A dropped future is a cancelled call and says nothing.
pub trait RootKeys: Send + Sync + std::fmt::Debug {
    /// What the vault says of the key: of the version named, or of the newest one where none is named.
    fn describe<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>>;

    /// Wraps the seed under the version that `key` names (RSA-OAEP with SHA-256).
    ///
    /// The bytes are as long as the key's modulus. A key without a version is refused before anything is sent.
    fn wrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        seed: &'a Seed,
        request: RequestId,
    ) -> BoxFuture<'a, Result<Vec<u8>, Answer>>;

    /// Unwraps with the version that `key` names; what comes back is whatever the vault says, not yet a seed.
    fn unwrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        wrapped: &'a [u8],
        request: RequestId,
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, Answer>>;
}

/// A root key as its vault describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDescription {
    /// The identifier with its version: the vault and the name that were asked for.
    pub key: KeyIdentifier,
    /// `RSA`, `RSA-HSM`, or what else the vault calls it.
    pub kty: String,
    /// The size of the modulus in bits, counted in its bytes; `None` where the key has no modulus.
    pub size: Option<u32>,
    /// The operations that the key permits, as the vault spells them (`wrapKey`, `unwrapKey`).
    pub key_ops: Vec<String>,
    /// Whether the version may be used; absent on the wire means that it may.
    pub enabled: bool,
    /// When the version expires, if ever.
    pub expires: Option<Timestamp>,
    /// From when on the version may be used, if not from the start.
    pub not_before: Option<Timestamp>,
    /// The recovery level as the vault spells it, such as `Recoverable+ProtectedSubscription`.
    pub recovery_level: Option<String>,
}
