//! The stage hands: who stands beside the stage before and after each scene.
//!
//! Owns the seam by which a test breaks what the tour promises and sees that the tour notices. What stage hands can
//! do is what a hostile outsider of custody can do: reach files and databases, and call with a token that is somebody
//! else's. Nothing that ships has any other hands than [`NoHands`].

use std::fmt;

use crate::node::Lab;

/// What is done around the scenes; by default nothing.
pub trait StageHands: fmt::Debug + Send + Sync {
    /// Called before the scene of this name.
    fn before(&self, scene: &str, lab: &Lab) {
        let _ = (scene, lab);
    }

    /// Called after it, whether it held or not, and before a failed scene's stage is put back.
    fn after(&self, scene: &str, lab: &Lab) {
        let _ = (scene, lab);
    }

    /// Which token the calls of this scene carry in the place of somebody's own; `None` for his own.
    fn badge(&self, scene: &str, token: &str) -> Option<String> {
        let _ = (scene, token);
        None
    }
}

/// Nobody stands beside the stage: what the shipped binary passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHands;

impl StageHands for NoHands {}
