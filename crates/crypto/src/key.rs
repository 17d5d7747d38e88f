//! A key of a level, and a key wrapped under its parent.
//!
//! Wraps are messages of the one sealed format (`spec/sealed-format.md`) under the context of the place where
//! the wrap is kept. What a key may wrap is decided in `level`; what a container key seals, in `content`.

use std::fmt;
use std::marker::PhantomData;

use zeroize::Zeroizing;

use crate::context::Context;
use crate::level::{AtRandom, Level, Master, Volume, Wraps};
use crate::random::Random;
use crate::sealed::{self, OpenError};
use crate::secret::{KEY_LEN, Secret};

/// A key of level `L`: 32 secret bytes on the heap, zeroed on drop.
///
/// No Clone, no serde, no comparison; Debug prints the level alone.
pub struct Key<L> {
    secret: Secret,
    level: PhantomData<fn() -> L>,
}

impl<L: AtRandom> Key<L> {
    /// Makes a key of fresh random bytes.
    pub fn generate(random: &dyn Random) -> Self {
        Self::of(Secret::build(|out| random.fill(out)))
    }
}

impl<L: Level> Key<L> {
    /// Wraps a key of the level below, for the place that `context` names.
    ///
    /// Wrapping the same key again, under the same or another parent (a rewrap), gives other bytes every time.
    pub fn wrap<C: Level>(&self, key: &Key<C>, context: &Context, random: &dyn Random) -> Wrapped<C>
    where
        L: Wraps<C>,
    {
        let bytes = sealed::seal(self.secret(), context.as_bytes(), key.secret(), random);
        Wrapped { bytes, level: PhantomData }
    }

    /// Opens a wrapped key; `context` is rebuilt from where the wrap was found, never read from beside it.
    ///
    /// Fails when the wrap was made under another key or for another place, and when a byte of it was changed.
    pub fn unwrap<C: Level>(&self, wrapped: &Wrapped<C>, context: &Context) -> Result<Key<C>, OpenError>
    where
        L: Wraps<C>,
    {
        let mut opened = Ok(());
        let secret = Secret::build(|out| {
            opened = sealed::open_into(self.secret(), context.as_bytes(), &wrapped.bytes, out);
        });
        opened.map(|()| Key::of(secret))
    }

    pub(crate) fn of(secret: Secret) -> Self {
        Self { secret, level: PhantomData }
    }

    pub(crate) fn into_secret(self) -> Secret {
        self.secret
    }

    pub(crate) fn secret(&self) -> &[u8; KEY_LEN] {
        self.secret.expose()
    }
}

macro_rules! kept_in_a_file {
    ($($level:ident)*) => {$(
        impl Key<$level> {
            /// Takes the key from the 32 bytes of its file.
            pub fn from_file(bytes: Zeroizing<[u8; 32]>) -> Self {
                Self::of(Secret::build(|out| out.copy_from_slice(bytes.as_ref())))
            }

            /// The 32 bytes for the key's file, which only its owner may read.
            pub fn to_file(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(*self.secret())
            }
        }
    )*};
}

kept_in_a_file! { Volume Master }

impl<L: Level> fmt::Debug for Key<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key<{}>(..)", L::NAME)
    }
}

/// A key of level `C` under its parent: bytes that may be stored anywhere.
pub struct Wrapped<C> {
    bytes: Vec<u8>,
    level: PhantomData<fn() -> C>,
}

/// The length of a wrapped key: header, one chunk of 32 bytes, tag.
const WRAPPED_LEN: usize = sealed::sealed_len(KEY_LEN as u64) as usize;

impl<C: Level> Wrapped<C> {
    /// The bytes to store, [`Wrapped::LEN`] of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes stored bytes back; whether they open is decided by [`Key::unwrap`].
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, level: PhantomData }
    }

    /// The length of every wrapped key: 104 bytes.
    pub const LEN: usize = WRAPPED_LEN;
}

impl<C> Clone for Wrapped<C> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), level: PhantomData }
    }
}

impl<C> PartialEq for Wrapped<C> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<C> Eq for Wrapped<C> {}

impl<C: Level> fmt::Debug for Wrapped<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapped<{}>({} bytes)", C::NAME, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{Container, Dek, Dep};
    use crate::place::{ContainerPlace, DepPlace};
    use crate::seed::Seed;
    use crate::testing::SeededRandom;

    const DEP: DepPlace = DepPlace { tenant: [1; 16], dep: [2; 16], generation: 1 };
    const MAILBOX: ContainerPlace = ContainerPlace { tenant: [1; 16], container: [3; 16], generation: 1 };

    fn dep_key(random: &SeededRandom) -> Key<Dep> {
        Seed::generate(random).dep_key(&DEP)
    }

    #[test]
    fn a_wrapped_key_opens_in_its_place_and_in_no_other() {
        let random = SeededRandom::new(1);
        let (dep, key) = (dep_key(&random), Key::<Container>::generate(&random));
        let here = Context::container_under_dep(&MAILBOX, &DEP);
        let wrapped = dep.wrap(&key, &here, &random);
        let opened = dep.unwrap(&wrapped, &here).expect("same key, same place");
        assert_eq!(opened.secret(), key.secret());

        let other_dep = DepPlace { generation: 2, ..DEP };
        let other_mailbox = ContainerPlace { generation: 2, ..MAILBOX };
        for elsewhere in [
            Context::container_under_dep(&MAILBOX, &other_dep),
            Context::container_under_dep(&other_mailbox, &DEP),
            Context::container_under_volume(&MAILBOX),
        ] {
            assert_eq!(dep.unwrap(&wrapped, &elsewhere).err(), Some(OpenError::Header));
        }
        let stranger = dep_key(&random);
        assert_eq!(stranger.unwrap(&wrapped, &here).err(), Some(OpenError::Header));
    }

    #[test]
    fn every_changed_byte_and_every_other_length_of_a_wrap_is_refused() {
        let random = SeededRandom::new(2);
        let (dep, key) = (dep_key(&random), Key::<Container>::generate(&random));
        let here = Context::container_under_dep(&MAILBOX, &DEP);
        let good = dep.wrap(&key, &here, &random).as_bytes().to_vec();
        assert_eq!(good.len(), Wrapped::<Container>::LEN);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(dep.unwrap(&Wrapped::from_bytes(bytes), &here).is_err(), "byte {at}");
            assert!(dep.unwrap(&Wrapped::from_bytes(good[..at].to_vec()), &here).is_err(), "cut at {at}");
        }
        let longer = [&good[..], &[0]].concat();
        assert!(dep.unwrap(&Wrapped::from_bytes(longer), &here).is_err());
    }

    #[test]
    fn a_rewrap_never_repeats_bytes() {
        let random = SeededRandom::new(3);
        let (volume, key) = (Key::<Volume>::generate(&random), Key::<Container>::generate(&random));
        let here = Context::container_under_volume(&MAILBOX);
        assert_ne!(volume.wrap(&key, &here, &random), volume.wrap(&key, &here, &random));
    }

    #[test]
    fn debug_shows_the_level_and_nothing_else() {
        let random = SeededRandom::new(4);
        assert_eq!(format!("{:?}", Key::<Dek>::generate(&random)), "Key<dek>(..)");
        assert_eq!(format!("{:#?}", Key::<Master>::generate(&random)), "Key<master>(..)");
        let wrapped = Wrapped::<Dek>::from_bytes(vec![9; 104]);
        assert_eq!(format!("{wrapped:?}"), "Wrapped<dek>(104 bytes)");
    }

    #[test]
    fn a_volume_key_survives_its_file() {
        let random = SeededRandom::new(5);
        let key = Key::<Volume>::generate(&random);
        let again = Key::<Volume>::from_file(key.to_file());
        assert_eq!(again.secret(), key.secret());
    }
}
