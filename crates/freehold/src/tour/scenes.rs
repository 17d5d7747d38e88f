//! The scenes in their order, each with its claim and the lines of the article that it shows.

mod content;
mod customer;
mod disk;
mod neighbour;
mod outage;
mod policies;
mod revocation;
mod roll;

use std::time::Instant;

pub(super) use self::revocation::{give_right, take_right};

use super::play::Play;
use super::story::{Broken, Evidence, Scene, Story};

macro_rules! scenes {
    ($play:ident, $story:ident, $($name:literal, $claim:literal, [$(($first:literal, $last:literal)),*], $scene:path;)*) => {$(
        let scene = Scene { name: $name, claim: $claim, article: &[$(($first, $last)),*] };
        let found = $play.enter(scene.name);
        let began = Instant::now();
        let outcome: Result<Evidence, Broken> = $scene($play).await;
        let elapsed = began.elapsed();
        let outcome = $play.leave(found, outcome).await;
        $story.tell(scene, elapsed, outcome);
    )*};
}

/// Plays every scene.
///
/// One that fails leaves the stage as it found it, and does not keep the later ones from being judged on their own.
pub(super) async fn play(play: &mut Play, story: &mut Story) {
    scenes! { play, story,
        "tenant", "A customer signs up: a directory, an entitlement, three people", [(41, 41)], customer::tenant;
        "vaults", "Two subscriptions with a mandatory retention period, a vault in each",
            [(42, 42), (53, 56), (63, 69)], customer::vaults;
        "keys", "In each vault a key for each workload, which the service may wrap and unwrap with",
            [(10, 10), (70, 85), (89, 90)], customer::keys;
        "before", "Before any policy: a message under the provider's keys, layer by layer", [(6, 8), (35, 35)],
            content::before;
        "multi-workload", "A policy for many workloads, assigned to the whole tenant",
            [(14, 14), (25, 25), (91, 92), (94, 102)], policies::multi_workload;
        "mailbox", "A policy for one mailbox, which is rewrapped when somebody touches it",
            [(9, 9), (34, 36), (103, 103), (105, 108)], policies::mailbox;
        "sharepoint", "A policy for SharePoint and OneDrive, which the one before does not cover",
            [(29, 30), (39, 39), (109, 109), (111, 112)], policies::share_point;
        "import", "Mail and files are imported, and each reads back byte for byte", [(3, 3)], content::import;
        "green", "Is everything green?", [(113, 117)], content::green;
        "disk", "On the disk lies no known word of the mail, no subject, no name of a file", [(11, 11)], disk::search;
        "one-down", "One vault dies: reads go on", [], outage::one_down;
        "both-down", "Both vaults die: mail is read by the availability key, and the record says so", [(12, 12)],
            outage::mail_by_availability_key;
        "hold-ends", "Files are held for a while, then refused: as an outage, never as a denial", [],
            outage::files_until_hold_ends;
        "back", "The vaults come back, and so does everything", [], outage::back;
        "revoked", "The customer takes the right away at the vaults alone: reads end within the bound",
            [(4, 4), (10, 10), (12, 12)], revocation::taken;
        "still-revoked", "Then the vaults fall silent too: still refused, and the availability key stays shut",
            [(12, 12)], revocation::silent;
        "given-back", "The right is given back: reads work", [(10, 10)], revocation::given_back;
        "rolled", "A root key is rolled: wraps change, content does not", [(10, 10)], roll::roll;
        "neighbour", "Another tenant sees nothing of all this", [], neighbour::stranger;
    }
}
