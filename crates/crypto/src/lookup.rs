//! Keyed tags for finding things without storing what they are called: per container, never across tenants.

use std::fmt;

use crate::context::Context;
use crate::derive;
use crate::key::Key;
use crate::level::Container;
use crate::mac::Mac;
use crate::secret::Secret;

/// What a lookup key is for; tags of one use tell nothing about the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// Finding an object by a name that a person typed.
    Name,
    /// Knowing what has already been imported: dedupe and resume.
    Import,
}

impl Lookup {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Lookup::Name => "name",
            Lookup::Import => "import",
        }
    }
}

/// Makes tags: HMAC-SHA-256 under a key derived from one generation of one container key.
pub struct LookupKey(Mac);

impl Key<Container> {
    /// Derives the lookup key of one use.
    pub fn lookup_key(&self, lookup: Lookup) -> LookupKey {
        let context = Context::lookup(lookup.text());
        let key = Secret::build(|out| derive::expand(self.secret(), &[context.as_bytes()], out));
        LookupKey(Mac::new(key.expose()))
    }
}

impl LookupKey {
    /// The tag of these bytes; equal bytes have equal tags in one container and unrelated ones elsewhere.
    pub fn tag(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.tag(bytes)
    }
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    #[test]
    fn tags_repeat_in_one_container_and_use_and_differ_everywhere_else() {
        let random = SeededRandom::new(1);
        let (one, two) = (Key::<Container>::generate(&random), Key::<Container>::generate(&random));
        let names = one.lookup_key(Lookup::Name);
        assert_eq!(names.tag(b"<a@b>"), one.lookup_key(Lookup::Name).tag(b"<a@b>"));
        assert_ne!(names.tag(b"<a@b>"), names.tag(b"<a@c>"));
        assert_ne!(names.tag(b"<a@b>"), one.lookup_key(Lookup::Import).tag(b"<a@b>"));
        assert_ne!(names.tag(b"<a@b>"), two.lookup_key(Lookup::Name).tag(b"<a@b>"));
        assert_eq!(format!("{names:?}"), "LookupKey(..)");
    }
}
