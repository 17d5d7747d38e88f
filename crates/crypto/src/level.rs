//! The levels of keys as types: which key may wrap which, decided by the compiler.

/// A level of the key hierarchy; sealed, so that the list below is the whole list.
pub trait Level: private::Sealed + 'static {
    /// The level's name in Debug output.
    const NAME: &'static str;
}

/// "A key of this level may wrap a key of level `C`." What is not listed in this file does not compile.
///
/// A DEP key wraps container keys:
/// ```
/// # use freehold_crypto::{Key, Dep, Container, Context, Random, Wrapped};
/// fn nest(dep: &Key<Dep>, key: &Key<Container>, at: &Context, random: &dyn Random) -> Wrapped<Container> {
///     dep.wrap(key, at, random)
/// }
/// ```
/// and nothing else, least of all a DEK:
/// ```compile_fail,E0308
/// # use freehold_crypto::{Key, Dep, Dek, Context, Random, Wrapped};
/// fn nest(dep: &Key<Dep>, key: &Key<Dek>, at: &Context, random: &dyn Random) -> Wrapped<Dek> {
///     dep.wrap(key, at, random)
/// }
/// ```
/// A container key does not wrap its own kind:
/// ```compile_fail,E0308
/// # use freehold_crypto::{Key, Container, Context, Random, Wrapped};
/// fn nest(parent: &Key<Container>, key: &Key<Container>, at: &Context, random: &dyn Random) -> Wrapped<Container> {
///     parent.wrap(key, at, random)
/// }
/// ```
/// A wrapped container key is not opened by a container key:
/// ```compile_fail,E0308
/// # use freehold_crypto::{Key, Container, Context, OpenError, Wrapped};
/// fn open(parent: &Key<Container>, w: &Wrapped<Container>, at: &Context) -> Result<Key<Container>, OpenError> {
///     parent.unwrap(w, at)
/// }
/// ```
/// Content is sealed under a container key, never under a DEP key:
/// ```compile_fail,E0599
/// # use freehold_crypto::{Key, Dep, PartPlace, Random, SealedPart};
/// fn seal(dep: &Key<Dep>, at: &PartPlace, random: &dyn Random) -> SealedPart {
///     dep.seal(b"content", at, random)
/// }
/// ```
/// A key is not cloned:
/// ```compile_fail,E0277
/// # use freehold_crypto::{Key, Container};
/// fn twice(key: &Key<Container>) -> Key<Container> {
///     Key::clone(key)
/// }
/// ```
/// and nobody adds a level or a nesting of their own:
/// ```compile_fail,E0277
/// # use freehold_crypto::Level;
/// enum Mine {}
/// impl Level for Mine { const NAME: &'static str = "mine"; }
/// ```
pub trait Wraps<C: Level>: Level {}

/// Levels whose keys are born at random. A DEP key is not: it is derived from a seed, or nobody could open it again.
///
/// ```compile_fail,E0599
/// # use freehold_crypto::{Dep, Key, Random};
/// fn lost(random: &dyn Random) -> Key<Dep> {
///     Key::<Dep>::generate(random)
/// }
/// ```
pub trait AtRandom: Level {}

macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}

        impl private::Sealed for $name {}

        impl Level for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

levels! {
    /// The DEP key, level 2: derived from the seed that every root key of a policy wraps.
    Dep = "dep";
    /// The key of a mailbox, a site, a disk: level 3.
    Container = "container";
    /// The key of one message of content: level 4.
    Dek = "dek";
    /// The node's volume key: holds the container keys that are under no policy.
    Volume = "volume";
    /// The vault's master key: holds the private keys of a vault.
    Master = "master";
}

impl Wraps<Container> for Dep {}
impl Wraps<Container> for Volume {}
impl Wraps<Dek> for Container {}
// A former master key, which still opens the backups of its time, under the one that took over.
impl Wraps<Master> for Master {}

impl AtRandom for Container {}
impl AtRandom for Dek {}
impl AtRandom for Volume {}
impl AtRandom for Master {}

mod private {
    pub trait Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_wrap<P: Wraps<C>, C: Level>() {}

    /// Compiles only if `$parent` may *not* wrap any of the children: were it to, `Other` would be ambiguous.
    macro_rules! may_not_wrap {
        ($parent:ty: $($child:ty)*) => {$({
            trait Other<A> {
                fn exists() {}
            }
            struct Wrapping;
            impl<T> Other<()> for T {}
            impl<T: Wraps<$child>> Other<Wrapping> for T {}
            <$parent as Other<_>>::exists();
        })*};
    }

    #[test]
    fn four_nestings_compile_and_the_other_twenty_one_do_not() {
        may_wrap::<Dep, Container>();
        may_wrap::<Volume, Container>();
        may_wrap::<Container, Dek>();
        may_wrap::<Master, Master>();
        may_not_wrap!(Dep: Dep Dek Volume Master);
        may_not_wrap!(Volume: Dep Dek Volume Master);
        may_not_wrap!(Container: Dep Container Volume Master);
        may_not_wrap!(Dek: Dep Container Dek Volume Master);
        may_not_wrap!(Master: Dep Container Dek Volume);
    }
}
