//! Places: where a record is found. Contexts are rebuilt from these and never read from the record itself.

/// Where a DEP key belongs: the only variable inputs of its derivation from the seed.
///
/// The revocation epoch is not among them: revoking and restoring changes no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DepPlace {
    /// The tenant that owns the policy.
    pub tenant: [u8; 16],
    /// The policy.
    pub dep: [u8; 16],
    /// Which DEP key of the policy; changes only by re-key.
    pub generation: u32,
}

/// Where a container key belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContainerPlace {
    /// The tenant that owns the container.
    pub tenant: [u8; 16],
    /// The mailbox, site, thread or disk.
    pub container: [u8; 16],
    /// Which key of the container; changes only by a move.
    pub generation: u32,
}

/// Where one sealed message belongs: a part of an object in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartPlace {
    /// The container and the generation of its key.
    pub container: ContainerPlace,
    /// The object in the container.
    pub object: [u8; 16],
    /// Which part of the object.
    pub part: Part,
}

/// A part of an object: its metadata, or one blob of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Names, subjects and what else a person typed.
    Metadata,
    /// The blob of this number, counted from 0.
    Blob(u64),
}

/// Where a private key of a vault belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultKeyPlace {
    /// The vault's name, in its canonical form.
    pub vault: String,
    /// The key's name, in its canonical form.
    pub name: String,
    /// The key's version.
    pub version: [u8; 16],
}

/// Where the backup of a vault's key may be restored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackupPlace {
    /// The subscription of the vault, in its canonical form.
    pub subscription: String,
    /// The geography of the vault, in its canonical form.
    pub geography: String,
}
