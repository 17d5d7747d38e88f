//! A vault's private keys under the vault's master key: the sealed format again, bound to vault, name, version.

use zeroize::Zeroizing;

use crate::context::Context;
use crate::key::Key;
use crate::level::Master;
use crate::place::VaultKeyPlace;
use crate::private::PrivateKey;
use crate::random::Random;
use crate::sealed::{self, OpenError};

impl Key<Master> {
    /// Wraps a private key for its place in the vault.
    pub fn wrap_private(&self, key: &PrivateKey, place: &VaultKeyPlace, random: &dyn Random) -> Vec<u8> {
        sealed::seal(self.secret(), Context::vault_key(place).as_bytes(), &key.to_pkcs8(), random)
    }

    /// Opens a private key; `place` is where it was found. It is parsed here, once: keep it.
    pub fn unwrap_private(&self, wrapped: &[u8], place: &VaultKeyPlace) -> Result<PrivateKey, OpenError> {
        if wrapped.len() as u64 > sealed::sealed_len(MAX_PKCS8) {
            return Err(OpenError::Length);
        }
        let mut pkcs8 = Zeroizing::new(Vec::new());
        sealed::open(self.secret(), Context::vault_key(place).as_bytes(), wrapped, &mut pkcs8)?;
        PrivateKey::from_pkcs8(&pkcs8).ok_or(OpenError::NotAKey)
    }
}

/// The longest PKCS#8 that is opened; RSA-4096 has about 2,400 bytes.
pub(crate) const MAX_PKCS8: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec::{Curve, EcPrivate};
    use crate::rsa::{RsaPrivate, RsaSize};
    use crate::testing::SeededRandom;

    fn place(vault: &str, name: &str) -> VaultKeyPlace {
        VaultKeyPlace { vault: vault.to_owned(), name: name.to_owned(), version: [4; 16] }
    }

    #[test]
    fn a_private_key_opens_in_its_place_under_its_master_key_alone() {
        let random = SeededRandom::new(1);
        let (master, other) = (Key::<Master>::generate(&random), Key::<Master>::generate(&random));
        let rsa = RsaPrivate::generate(RsaSize::Rsa2048).expect("a key");
        let ec = EcPrivate::generate(Curve::P521).expect("a key");
        let here = place("contoso", "mailbox");
        for key in [PrivateKey::from(rsa), PrivateKey::from(ec)] {
            let wrapped = master.wrap_private(&key, &here, &random);
            let opened = master.unwrap_private(&wrapped, &here).expect("same place, same key");
            assert_eq!(opened.to_pkcs8(), key.to_pkcs8());

            assert_eq!(other.unwrap_private(&wrapped, &here).err(), Some(OpenError::Header));
            for elsewhere in [
                place("fabrikam", "mailbox"),
                place("contoso", "sites"),
                VaultKeyPlace { version: [5; 16], ..here.clone() },
            ] {
                assert_eq!(master.unwrap_private(&wrapped, &elsewhere).err(), Some(OpenError::Header));
            }
        }
    }

    #[test]
    fn what_was_sealed_but_is_no_private_key_is_refused() {
        let random = SeededRandom::new(2);
        let master = Key::<Master>::generate(&random);
        let here = place("contoso", "mailbox");
        let context = Context::vault_key(&here);
        let forged = sealed::seal(master.secret(), context.as_bytes(), b"not PKCS#8", &random);
        assert_eq!(master.unwrap_private(&forged, &here).err(), Some(OpenError::NotAKey));
        assert_eq!(master.unwrap_private(&vec![0; 100_000], &here).err(), Some(OpenError::Length));
    }
}
