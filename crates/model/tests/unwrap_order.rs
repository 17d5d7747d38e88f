//! Every cell of the unwrap order: all combinations of what can come back, against the sentences of the page.
//!
//! The oracle below is written from spec/unwrap-order.md and shares no code with the machine. It knows nothing
//! of steps: it looks at a finished situation and says what must have come of it.

mod situation;

use freehold_model::outcome::{AvailabilityUse, Closed, NoHelp, Opener, Outcome, Party, Why};
use freehold_model::settings::Preset;
use freehold_model::slot::Slot;
use freehold_model::unwrap::{Family, Purpose, Step};
use situation::{Back, Past, Situation, Who, every};

/// What the page says must come of a situation whose roots have both been asked as the order demands.
fn oracle(situation: &Situation) -> Verdict {
    let Situation { family, who, purpose, preset, backs, pasts, .. } = *situation;
    let [one, two] = backs;

    // "A policy that the officers revoked opens for nobody but a recovery order; one that is being purged for
    // nobody at all."
    match situation.closed {
        Some(Closed::Purging) => return Verdict::Refused,
        Some(Closed::Revoked) if who != Who::Officers => return Verdict::Refused,
        _ => {}
    }
    // "recovery | any | none | only by an order"
    if who == Who::Officers {
        return Verdict::AsksAvailability(AvailabilityUse::Recovery);
    }
    // "one at random, then the other"; "the first success wins"
    let (sooner, later) = if situation.coin { (0, 1) } else { (1, 0) };
    for slot in [sooner, later] {
        if backs[slot] == Back::Opened {
            return Verdict::OpenedBy(slot);
        }
    }
    // "the silence of a slot whose last conclusive answer was a denial is that denial"
    let denies = |slot: usize| {
        backs[slot] == Back::No || (backs[slot] == Back::Silence && pasts[slot] == Past::Denied)
    };
    let any = |back: Back| one == back || two == back;
    let bad = any(Back::Lie) || any(Back::OurFault);
    if denies(0) || denies(1) {
        // "with the preset outage-and-system also after a denial"; "With a lie or a fault of ours in a slot, the
        // availability key opens for nobody"; "A change of policy never uses the availability key";
        // "SharePoint … never"
        let system_may = who == Who::Service
            && preset == Preset::OutageAndSystem
            && family == Family::Exchange
            && purpose == Purpose::Content;
        return if system_may && !bad {
            Verdict::AsksAvailability(AvailabilityUse::System)
        } else {
            Verdict::Refused
        };
    }
    if any(Back::Lie) {
        return Verdict::Lying([one == Back::Lie, two == Back::Lie]);
    }
    if any(Back::OurFault) {
        return Verdict::Ours;
    }
    // Both are unreachable. "all of these hold"
    let evidence = pasts.iter().all(|past| matches!(past, Past::FreshSuccess | Past::OldSuccess))
        && pasts.contains(&Past::FreshSuccess)
        && !situation.slow;
    let may =
        evidence && family == Family::Exchange && preset != Preset::Never && purpose == Purpose::Content;
    if may { Verdict::AsksAvailability(AvailabilityUse::Outage) } else { Verdict::Outage }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    OpenedBy(usize),
    AsksAvailability(AvailabilityUse),
    Refused,
    Outage,
    Lying([bool; 2]),
    Ours,
}

fn verdict(step: &Step) -> Verdict {
    match step {
        Step::TryAvailability(why) => Verdict::AsksAvailability(*why),
        Step::Finish(finish) => match &finish.outcome {
            Outcome::Opened(Opener::Root(slot)) => {
                Verdict::OpenedBy(if *slot == Slot::First { 0 } else { 1 })
            }
            Outcome::Opened(Opener::Availability(_)) => panic!("nobody has asked the availability key yet"),
            Outcome::Refused(_) => Verdict::Refused,
            Outcome::Outage(_) => Verdict::Outage,
            Outcome::Lying(parties) => {
                Verdict::Lying(Slot::BOTH.map(|slot| parties.contains(&Party::Root(slot))))
            }
            Outcome::Ours(_) => Verdict::Ours,
        },
        Step::Try(_) | Step::Race { .. } | Step::Await(_) => panic!("both slots have answered"),
    }
}

#[test]
fn every_combination_comes_to_what_the_page_says() {
    let mut seen = 0_u32;
    let mut helped = 0_u32;
    for situation in every() {
        let end = situation.run();
        assert_eq!(verdict(&end), oracle(&situation), "{situation:?}");
        seen += 1;
        helped += u32::from(matches!(end, Step::TryAvailability(_)));
    }
    // 2 families, 3 initiators, 2 purposes, 3 presets, 2 coins, 5 answers twice, 6 pasts twice, 3 states, slow or not
    assert_eq!(seen, 2 * 3 * 2 * 3 * 2 * 25 * 36 * 3 * 2);
    assert!(helped > 0);
}

#[test]
fn every_answer_that_is_lying_or_ours_raises_an_alarm_also_when_the_other_key_opened() {
    for situation in every().filter(|situation| situation.closed.is_none() && situation.who != Who::Officers)
    {
        let asked = situation.asked();
        let bad = |slot: usize| asked[slot] && matches!(situation.backs[slot], Back::Lie | Back::OurFault);
        let Step::Finish(finish) = situation.run() else {
            assert!(!bad(0) && !bad(1), "{situation:?}");
            continue;
        };
        let alarmed =
            Slot::BOTH.map(|slot| finish.alarms.iter().any(|alarm| alarm.party == Party::Root(slot)));
        assert_eq!(alarmed, [bad(0), bad(1)], "{situation:?}");
    }
}

#[test]
fn a_coin_chooses_which_key_is_asked_first_and_one_bad_key_changes_nothing() {
    let plain = Situation::plain();
    assert_eq!(plain.begin().1, Step::Try(Slot::First));
    assert_eq!(Situation { coin: false, ..plain }.begin().1, Step::Try(Slot::Second));
    for bad in [Back::No, Back::Silence, Back::Lie, Back::OurFault] {
        let end = Situation { backs: [bad, Back::Opened], ..plain }.run();
        assert_eq!(verdict(&end), Verdict::OpenedBy(1), "{bad:?}");
    }
}

#[test]
fn sharepoint_races_both_and_a_quick_no_does_not_end_the_race() {
    let sites = Situation { family: Family::SharePoint, preset: Preset::Never, ..Situation::plain() };
    let (mut unwrap, step) = sites.begin();
    assert!(matches!(step, Step::Race { first: Slot::First, second: Slot::Second, .. }));
    let turn = unwrap.answered(sites.reply(Slot::Second, Back::No), &sites.memories(), sites.now());
    assert_eq!(turn.step, Step::Await(Slot::First));
    let turn = unwrap.answered(sites.reply(Slot::First, Back::Opened), &sites.memories(), sites.now());
    assert_eq!(verdict(&turn.step), Verdict::OpenedBy(0));
}

#[test]
fn a_cancelled_request_is_no_answer() {
    let sites = Situation { family: Family::SharePoint, preset: Preset::Never, ..Situation::plain() };
    let (mut unwrap, _) = sites.begin();
    let turn = unwrap.answered(sites.reply(Slot::Second, Back::Opened), &sites.memories(), sites.now());
    let remembered = turn.remember.expect("the success of the second").0;
    assert_eq!(remembered, Slot::Second, "nothing is remembered of the first");
}

#[test]
fn a_denial_is_handed_out_to_be_stored_before_the_next_key_is_asked() {
    let mail = Situation::plain();
    let (mut unwrap, _) = mail.begin();
    let turn = unwrap.answered(mail.reply(Slot::First, Back::No), &mail.memories(), mail.now());
    let (slot, event) = turn.remember.expect("a denial is remembered");
    assert_eq!((slot, turn.step), (Slot::First, Step::Try(Slot::Second)));
    assert!(mail.memories().first.after(&event).newly_denied);
}

#[test]
fn an_answer_that_nobody_asked_for_opens_nothing() {
    let mail = Situation::plain();
    let (mut unwrap, _) = mail.begin();
    let turn = unwrap.answered(mail.reply(Slot::Second, Back::Opened), &mail.memories(), mail.now());
    assert_eq!(verdict(&turn.step), Verdict::Ours);
    assert_eq!(turn.remember, None);
    let after_the_end = unwrap.answered(mail.reply(Slot::First, Back::Opened), &mail.memories(), mail.now());
    assert_eq!(verdict(&after_the_end.step), Verdict::Ours);
    let mut fresh = mail.begin().0;
    let early = fresh.availability_answered(&freehold_model::fault::Answer::Unwrapped);
    assert_eq!(verdict(&early), Verdict::Ours, "the availability key was not to be asked");
}

#[test]
fn what_the_availability_vault_says_is_the_end() {
    use freehold_model::fault::Answer;
    let outage = Situation { backs: [Back::Silence; 2], ..Situation::plain() };
    for (answer, expected) in [
        (Answer::Unwrapped, Outcome::Opened(Opener::Availability(AvailabilityUse::Outage))),
        (
            Answer::vault(403, Some("Forbidden"), Some("KeyDisabled")),
            Outcome::Refused(Why::AvailabilityClosed),
        ),
        (Answer::vault(404, Some("KeyNotFound"), None), Outcome::Refused(Why::AvailabilityClosed)),
        (Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac")), Outcome::Ours("role-missing")),
        (Answer::Timeout, Outcome::Outage(NoHelp::Unreachable)),
        (Answer::Mismatch, Outcome::Lying(vec![Party::Availability])),
        (Answer::Internal, Outcome::Ours("not-asked")),
    ] {
        let (mut unwrap, last) = outage.play();
        assert_eq!(last, Step::TryAvailability(AvailabilityUse::Outage));
        let Step::Finish(finish) = unwrap.availability_answered(&answer) else {
            panic!("{answer:?} is the end")
        };
        let alarm = matches!(expected, Outcome::Lying(_) | Outcome::Ours(_));
        assert_eq!(finish.alarms.iter().any(|alarm| alarm.party == Party::Availability), alarm, "{answer:?}");
        assert_eq!(finish.outcome, expected);
    }
}
