//! Secret bytes on the heap: made in place, never copied by a move, zeroed on drop.

use zeroize::Zeroize;

/// The length of every symmetric key here.
pub(crate) const KEY_LEN: usize = 32;

/// 32 secret bytes. No Clone, no Debug, no comparison: what holds one decides what it shows.
pub(crate) struct Secret(Box<[u8; KEY_LEN]>);

impl Secret {
    /// Lets `fill` write the bytes where they will stay.
    pub(crate) fn build(fill: impl FnOnce(&mut [u8; KEY_LEN])) -> Self {
        let mut secret = Self(Box::new([0; KEY_LEN]));
        fill(&mut secret.0);
        secret
    }

    /// The bytes; whoever copies them zeroes the copy.
    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
