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

use super::play::Play;
use super::story::{Evidence, Scene, Story};

macro_rules! scenes {
    ($play:ident, $story:ident, $($name:literal, $claim:literal, [$(($first:literal, $last:literal)),*], $scene:path;)*) => {$(
        let scene = Scene { name: $name, claim: $claim, article: &[$(($first, $last)),*] };
        let began = Instant::now();
        let outcome: Result<Evidence, _> = $scene($play).await;
        $story.tell(scene, began, outcome);
    )*};
}

/// Plays every scene; one that fails does not keep the later ones from being told.
pub(super) async fn play(play: &mut Play, story: &mut Story) {
    scenes! { play, story,
        "tenant", "A tenant of the service, with a directory of its own and an entitlement", [(41, 41)],
            customer::tenant;
        "vaults", "Two subscriptions with a mandatory retention period, and a vault in each",
            [(42, 42), (53, 56), (63, 69)], customer::vaults;
        "keys", "In each vault a key for each workload, and an application that may wrap, unwrap and get",
            [(70, 85), (89, 90)], customer::keys;
        "before", "Before any policy: a message under the provider's keys, in three layers", [(2, 8), (35, 35)],
            content::before;
        "multi-workload", "A policy for multiple workloads, made and assigned to the tenant",
            [(14, 14), (25, 25), (91, 102)], policies::multi_workload;
        "mailbox", "A policy for a mailbox, assigned; the mailbox is rewrapped when it is touched",
            [(34, 37), (103, 108)], policies::mailbox;
        "sharepoint", "A policy for SharePoint and OneDrive", [(29, 30), (39, 39), (109, 112)],
            policies::share_point;
        "import", "Mail and files are imported, and every one reads back byte for byte", [(107, 107)],
            content::import;
        "green", "Is everything green?", [(113, 117)], content::green;
        "disk", "What lies on the disk: no known word of the mail, no name of a file", [(3, 4), (9, 11)], disk::search;
        "one-down", "One vault dies: reads go on", [], outage::one_down;
        "both-down", "Both vaults die: mail is read by the availability key, and the record says so", [(12, 12)],
            outage::mail_by_availability_key;
        "hold-ends", "Files live on for their hold and are then refused as an outage, never as a denial", [(12, 12)],
            outage::files_until_hold_ends;
        "back", "The vaults come back, and so does everything", [], outage::back;
        "revoked", "The customer takes the right away at the vaults alone: reads are refused within the bound",
            [(10, 12)], revocation::taken;
        "still-revoked", "Then the vaults are cut off too: still a refusal, never an outage, never the availability key",
            [(12, 12)], revocation::silent;
        "given-back", "The right is given back: reads work", [(10, 10)], revocation::given_back;
        "rolled", "A root key is rolled: wraps change, content does not", [(10, 10)], roll::roll;
        "neighbour", "Another tenant sees nothing of all this", [], neighbour::stranger;
    }
}
