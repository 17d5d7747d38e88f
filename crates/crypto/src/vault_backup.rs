//! Backups of a vault's keys under the vault's master key, and the move of a private key to another place.
//!
//! Both are messages of the sealed format; a backup is bound to the subscription and the geography that it may return to.

use zeroize::Zeroizing;

use crate::context::Context;
use crate::key::Key;
use crate::level::Master;
use crate::place::{BackupPlace, VaultKeyPlace};
use crate::random::Random;
use crate::sealed::{self, OpenError};
use crate::vault_key::MAX_PKCS8;

impl Key<Master> {
    /// Seals a backup for where it may be restored.
    pub fn seal_backup(&self, content: &[u8], place: &BackupPlace, random: &dyn Random) -> Vec<u8> {
        sealed::seal(self.secret(), Context::vault_backup(place).as_bytes(), content, random)
    }

    /// Opens a backup; `place` is that of the vault it comes back to. Its length is the caller's to bound.
    pub fn open_backup(&self, sealed: &[u8], place: &BackupPlace) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut content = Zeroizing::new(Vec::new());
        sealed::open(self.secret(), Context::vault_backup(place).as_bytes(), sealed, &mut content)?;
        Ok(content)
    }

    /// Seals a wrapped private key again under a master key, its own or another, for a place, its own or another. It is not
    /// parsed, so the type of the key does not matter.
    pub fn move_private(
        &self,
        wrapped: &[u8],
        from: &VaultKeyPlace,
        under: &Self,
        to: &VaultKeyPlace,
        random: &dyn Random,
    ) -> Result<Vec<u8>, OpenError> {
        if wrapped.len() as u64 > sealed::sealed_len(MAX_PKCS8) {
            return Err(OpenError::Length);
        }
        let mut private = Zeroizing::new(Vec::new());
        sealed::open(self.secret(), Context::vault_key(from).as_bytes(), wrapped, &mut private)?;
        Ok(sealed::seal(under.secret(), Context::vault_key(to).as_bytes(), &private, random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec::{Curve, EcPrivate};
    use crate::private::PrivateKey;
    use crate::rsa::{RsaPrivate, RsaSize};
    use crate::testing::SeededRandom;

    fn place(subscription: &str, geography: &str) -> BackupPlace {
        BackupPlace { subscription: subscription.to_owned(), geography: geography.to_owned() }
    }

    #[test]
    fn a_backup_opens_in_its_subscription_and_geography_under_its_master_key_alone() {
        let random = SeededRandom::new(1);
        let (master, other) = (Key::<Master>::generate(&random), Key::<Master>::generate(&random));
        let here = place("s1", "europe");
        let sealed = master.seal_backup(b"a key", &here, &random);
        assert_eq!(**master.open_backup(&sealed, &here).expect("the same place"), *b"a key");
        assert_eq!(other.open_backup(&sealed, &here).err(), Some(OpenError::Header));
        for elsewhere in [place("s2", "europe"), place("s1", "france"), place("s1e", "urope")] {
            assert_eq!(master.open_backup(&sealed, &elsewhere).err(), Some(OpenError::Header));
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(master.open_backup(&changed, &here).is_err(), "byte {at}");
            assert!(master.open_backup(&sealed[..at], &here).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_moved_private_key_opens_in_its_new_place() {
        let random = SeededRandom::new(2);
        let (master, other) = (Key::<Master>::generate(&random), Key::<Master>::generate(&random));
        let place = |vault: &str| VaultKeyPlace { vault: vault.into(), name: "k".into(), version: [4; 16] };
        let rsa = RsaPrivate::generate(RsaSize::Rsa2048).map(PrivateKey::from).expect("a key");
        let ec = EcPrivate::generate(Curve::P521).map(PrivateKey::from).expect("a key");
        for key in [rsa, ec] {
            let wrapped = master.wrap_private(&key, &place("a"), &random);
            let moved =
                master.move_private(&wrapped, &place("a"), &master, &place("b"), &random).expect("its place");
            let opened = master.unwrap_private(&moved, &place("b")).expect("its new place");
            assert_eq!(opened.to_pkcs8(), key.to_pkcs8());
            assert!(master.unwrap_private(&moved, &place("a")).is_err());
            let wrong = master.move_private(&wrapped, &place("b"), &master, &place("c"), &random);
            assert_eq!(wrong.err(), Some(OpenError::Header));
            let renewed = master.move_private(&wrapped, &place("a"), &other, &place("a"), &random);
            let renewed = renewed.expect("its place");
            assert_eq!(
                other.unwrap_private(&renewed, &place("a")).expect("a key").to_pkcs8(),
                key.to_pkcs8()
            );
            assert!(master.unwrap_private(&renewed, &place("a")).is_err());
        }
        let long = master.move_private(&vec![0; 100_000], &place("a"), &master, &place("b"), &random);
        assert_eq!(long.err(), Some(OpenError::Length));
    }
}
