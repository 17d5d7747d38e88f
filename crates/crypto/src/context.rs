//! Canonical bytes of a place and a purpose: what a key derivation or a sealed message is bound to.
//!
//! A context is a list of fields, each preceded by its length as 4 bytes, big-endian; the first field is the
//! purpose with the format's version. Since a list of length-prefixed fields can be read back in one way only
//! and every purpose fixes the fields that follow, two different places never give the same bytes. Byte by
//! byte: `spec/keys.md`.

use std::fmt;

use crate::place::{BackupPlace, ContainerPlace, DepPlace, Part, PartPlace, VaultKeyPlace};

/// The canonical bytes of one purpose at one place. Public, not secret; made by constructors only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Context(Vec<u8>);

impl Context {
    /// The wrap of a container key under a DEP key.
    pub fn container_under_dep(container: &ContainerPlace, dep: &DepPlace) -> Self {
        Self::of(CONTAINER_UNDER_DEP).container(container).dep(dep)
    }

    /// The wrap of a container key that is under no policy, under the node's volume key.
    pub fn container_under_volume(container: &ContainerPlace) -> Self {
        Self::of(CONTAINER_UNDER_VOLUME).container(container)
    }

    /// The wrap of a DEK under its container key.
    pub fn dek(part: &PartPlace) -> Self {
        Self::of(DEK).part(part)
    }

    /// One message of content under its DEK; used by `Key<Container>`'s own methods.
    pub fn content(part: &PartPlace) -> Self {
        Self::of(CONTENT).part(part)
    }

    /// The derivation of a DEP key from the seed.
    pub(crate) fn dep_key(dep: &DepPlace) -> Self {
        Self::of(DEP_KEY).dep(dep)
    }

    /// The derivation of the public commitment to the seed.
    pub(crate) fn dep_commitment(dep: &DepPlace) -> Self {
        Self::of(DEP_COMMITMENT).dep(dep)
    }

    /// The derivation of the key of a wrap set's MAC.
    pub(crate) fn wrap_set_mac(dep: &DepPlace) -> Self {
        Self::of(WRAP_SET_MAC).dep(dep)
    }

    /// The derivation of a lookup key from a container key.
    pub(crate) fn lookup(use_of: &'static str) -> Self {
        Self::of(LOOKUP).field(use_of.as_bytes())
    }

    /// The private key of a vault under the vault's master key.
    pub(crate) fn vault_key(key: &VaultKeyPlace) -> Self {
        Self::of(VAULT_KEY).field(key.vault.as_bytes()).field(key.name.as_bytes()).field(&key.version)
    }

    /// A key that left its vault as a backup, under the vault's master key.
    pub(crate) fn vault_backup(backup: &BackupPlace) -> Self {
        Self::of(VAULT_BACKUP).field(backup.subscription.as_bytes()).field(backup.geography.as_bytes())
    }

    /// A former master key of a vault program under the one that took over; `number` counts renewals.
    pub fn former_master(number: u32) -> Self {
        Self::of(FORMER_MASTER).field(&number.to_be_bytes())
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn of(purpose: &'static str) -> Self {
        Self(Vec::with_capacity(USUAL_LEN)).field(purpose.as_bytes())
    }

    fn dep(self, dep: &DepPlace) -> Self {
        self.field(&dep.tenant).field(&dep.dep).field(&dep.generation.to_be_bytes())
    }

    fn container(self, place: &ContainerPlace) -> Self {
        self.field(&place.tenant).field(&place.container).field(&place.generation.to_be_bytes())
    }

    fn part(self, place: &PartPlace) -> Self {
        let placed = self.container(&place.container).field(&place.object);
        match place.part {
            Part::Metadata => placed.field(&[PART_METADATA]),
            Part::Blob(number) => placed.field(&[PART_BLOB]).field(&number.to_be_bytes()),
        }
    }

    fn field(mut self, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).expect("a field is an id, a number or a name, far below 4 GiB");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} bytes)", self.0.len())
    }
}

const CONTAINER_UNDER_DEP: &str = "freehold/v1/container-under-dep";
const CONTAINER_UNDER_VOLUME: &str = "freehold/v1/container-under-volume";
const DEK: &str = "freehold/v1/dek";
const CONTENT: &str = "freehold/v1/content";
const DEP_KEY: &str = "freehold/v1/dep-key";
const DEP_COMMITMENT: &str = "freehold/v1/dep-commitment";
const WRAP_SET_MAC: &str = "freehold/v1/wrap-set-mac";
const LOOKUP: &str = "freehold/v1/lookup";
const VAULT_KEY: &str = "freehold/v1/vault-key";
const VAULT_BACKUP: &str = "freehold/v1/vault-backup";
const FORMER_MASTER: &str = "freehold/v1/former-master";

const PART_METADATA: u8 = 0;
const PART_BLOB: u8 = 1;

/// Holds the longest context of fixed fields without growing.
const USUAL_LEN: usize = 160;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Every kind of context with everything that names its place; two of them are equal iff the places are.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    enum Spot {
        UnderDep(ContainerPlace, DepPlace),
        UnderVolume(ContainerPlace),
        Dek(PartPlace),
        Content(PartPlace),
        DepKey(DepPlace),
        Commitment(DepPlace),
        Mac(DepPlace),
        VaultKey(VaultKeyPlace),
        Backup(BackupPlace),
        Former(u32),
    }

    impl Spot {
        fn context(&self) -> Context {
            match self {
                Spot::UnderDep(container, dep) => Context::container_under_dep(container, dep),
                Spot::UnderVolume(container) => Context::container_under_volume(container),
                Spot::Dek(part) => Context::dek(part),
                Spot::Content(part) => Context::content(part),
                Spot::DepKey(dep) => Context::dep_key(dep),
                Spot::Commitment(dep) => Context::dep_commitment(dep),
                Spot::Mac(dep) => Context::wrap_set_mac(dep),
                Spot::VaultKey(key) => Context::vault_key(key),
                Spot::Backup(backup) => Context::vault_backup(backup),
                Spot::Former(number) => Context::former_master(*number),
            }
        }
    }

    /// Ids from a tiny range, so that different places often share most of their fields.
    fn id() -> impl Strategy<Value = [u8; 16]> {
        (0u8..3).prop_map(|byte| [byte; 16])
    }

    fn dep() -> impl Strategy<Value = DepPlace> {
        (id(), id(), 0u32..3).prop_map(|(tenant, dep, generation)| DepPlace { tenant, dep, generation })
    }

    fn container() -> impl Strategy<Value = ContainerPlace> {
        (id(), id(), 0u32..3).prop_map(|(tenant, container, generation)| ContainerPlace {
            tenant,
            container,
            generation,
        })
    }

    fn part() -> impl Strategy<Value = PartPlace> {
        let which = prop_oneof![Just(Part::Metadata), (0u64..3).prop_map(Part::Blob)];
        (container(), id(), which).prop_map(|(container, object, part)| PartPlace { container, object, part })
    }

    /// Names that try to look like a length and another field.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a\u{0}\u{1}]{0,6}", Just("a\0\0\0\u{1}b".to_owned()), Just(String::new())]
    }

    fn vault_key() -> impl Strategy<Value = VaultKeyPlace> {
        (name(), name(), id()).prop_map(|(vault, name, version)| VaultKeyPlace { vault, name, version })
    }

    fn backup() -> impl Strategy<Value = BackupPlace> {
        (name(), name()).prop_map(|(subscription, geography)| BackupPlace { subscription, geography })
    }

    fn spot() -> impl Strategy<Value = Spot> {
        prop_oneof![
            (container(), dep()).prop_map(|(container, dep)| Spot::UnderDep(container, dep)),
            container().prop_map(Spot::UnderVolume),
            part().prop_map(Spot::Dek),
            part().prop_map(Spot::Content),
            dep().prop_map(Spot::DepKey),
            dep().prop_map(Spot::Commitment),
            dep().prop_map(Spot::Mac),
            vault_key().prop_map(Spot::VaultKey),
            backup().prop_map(Spot::Backup),
            (0u32..3).prop_map(Spot::Former),
        ]
    }

    proptest! {
        #[test]
        fn two_different_places_never_give_the_same_bytes(spots in proptest::collection::vec(spot(), 2..60)) {
            let mut seen: HashMap<Vec<u8>, Spot> = HashMap::new();
            for spot in spots {
                let bytes = spot.context().as_bytes().to_vec();
                let first = seen.entry(bytes).or_insert_with(|| spot.clone());
                prop_assert_eq!(&*first, &spot);
            }
        }

        #[test]
        fn a_context_reads_back_as_exactly_one_list_of_fields(spot in spot()) {
            let context = spot.context();
            let mut rest = context.as_bytes();
            let mut again = Context(Vec::new());
            while let Some((len, tail)) = rest.split_first_chunk::<4>() {
                let (field, tail) = tail.split_at(u32::from_be_bytes(*len) as usize);
                again = again.field(field);
                rest = tail;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(again, context);
        }
    }

    #[test]
    fn moving_a_byte_from_one_name_to_the_next_changes_the_context() {
        let place = |vault: &str, name: &str| VaultKeyPlace {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: [0; 16],
        };
        assert_ne!(Context::vault_key(&place("ab", "c")), Context::vault_key(&place("a", "bc")));
    }
}
