//! Thefts and losses that shaped the unwrap order, played against slot memories and the machine together.
//!
//! Each test is a story with a small store: what the machine wants remembered is kept, as custody keeps it.

mod situation;

use std::time::Duration;

use freehold_model::caller::Initiator;
use freehold_model::evidence::{Gap, Memories};
use freehold_model::fault::{Answer, CredentialOwner, Fault};
use freehold_model::lease::{EpochRead, Grant, Lease, Origin, Use};
use freehold_model::outcome::{AvailabilityUse, Closed, NoHelp, Opener, Outcome, Why};
use freehold_model::settings::{Bound, Hold, OutageBudget, Preset};
use freehold_model::slot::{ConnectionVersion, Slot, SlotMemory};
use freehold_model::time::{Moment, Timestamp};
use freehold_model::unwrap::{By, Purpose, Question, Reply, Step, Unwrap};
use situation::{BEGIN, Situation, Who};

fn denied() -> Answer {
    Answer::vault(403, Some("Forbidden"), Some("ForbiddenByRbac"))
}

/// A service with a clock, and a store for the memories of one policy.
struct Service {
    now: Timestamp,
    memories: Memories,
    question: Question,
}

impl Service {
    /// Both keys have just been proved.
    fn healthy() -> Self {
        let mut service =
            Self { now: BEGIN, memories: Memories::default(), question: Situation::plain().question() };
        service.prove([Answer::Unwrapped, Answer::Unwrapped]);
        service
    }

    fn wait(&mut self, hours: u64) {
        self.now = self.now + Duration::from_hours(hours);
    }

    /// What a restart leaves: the memories as they come back from their stored form.
    fn restart(&mut self) {
        let back = |memory: &SlotMemory| {
            serde_json::from_value(serde_json::to_value(memory).expect("plain")).expect("what was stored")
        };
        self.memories = Memories { first: back(&self.memories.first), second: back(&self.memories.second) };
    }

    fn keep(&mut self, slot: Slot, event: &freehold_model::slot::SlotEvent) {
        let memory = match slot {
            Slot::First => &mut self.memories.first,
            Slot::Second => &mut self.memories.second,
        };
        *memory = memory.after(event).memory;
    }

    /// Each slot proves itself, or does not.
    fn prove(&mut self, answers: [Answer; 2]) {
        for (slot, answer) in Slot::BOTH.into_iter().zip(answers) {
            let heard = freehold_model::slot::Heard {
                answer,
                seen: self.memories.of(slot).seen(),
                sent: self.now,
                heard: self.now,
                connection: self.question.connection,
            };
            if let Some(event) = heard.event(self.question.owner, self.question.denial_rule) {
                self.keep(slot, &event);
            }
        }
    }

    fn reply(&self, slot: Slot, answer: Answer) -> Reply {
        Reply { slot, answer, sent: self.now, heard: self.now }
    }

    fn unwrap(&mut self, answers: [Answer; 2]) -> Step {
        let (mut unwrap, mut step) = Unwrap::begin(self.question.clone(), true, &self.memories, self.now);
        loop {
            let slot = match step {
                Step::Try(slot) | Step::Await(slot) | Step::Race { first: slot, .. } => slot,
                end => return end,
            };
            let answer = answers[if slot == Slot::First { 0 } else { 1 }].clone();
            let turn = unwrap.answered(self.reply(slot, answer), &self.memories, self.now);
            if let Some((slot, event)) = &turn.remember {
                self.keep(*slot, event);
            }
            step = turn.step;
        }
    }

    fn cut_off(&mut self) -> Step {
        self.unwrap([Answer::Timeout, Answer::Dns])
    }
}

fn outcome(step: Step) -> Outcome {
    match step {
        Step::Finish(finish) => finish.outcome,
        other => panic!("{other:?} is no end"),
    }
}

const HELP: Step = Step::TryAvailability(AvailabilityUse::Outage);

#[test]
fn an_honest_outage_does_not_lock_a_customer_out_also_after_an_idle_night() {
    let mut service = Service::healthy();
    service.wait(6);
    assert_eq!(service.cut_off(), HELP);
    service.restart();
    service.wait(66);
    assert_eq!(service.cut_off(), HELP, "72 hours after the last proof");
}

#[test]
fn network_cut_before_the_no_the_availability_key_does_not_serve_for_ever() {
    let mut service = Service::healthy();
    service.wait(72);
    assert_eq!(service.cut_off(), HELP);
    service.now = service.now + Duration::from_millis(1);
    assert_eq!(outcome(service.cut_off()), Outcome::Outage(NoHelp::NoEvidence(Gap::TooOld)));
}

#[test]
fn network_cut_after_the_no_opens_nothing_and_a_restart_does_not_forget_it() {
    let mut service = Service::healthy();
    assert_eq!(
        outcome(service.unwrap([denied(), Answer::Timeout])),
        Outcome::Refused(Why::Denied(vec![Slot::First]))
    );
    service.restart();
    assert_eq!(outcome(service.cut_off()), Outcome::Refused(Why::Denied(vec![Slot::First])));
}

#[test]
fn a_no_of_one_key_counts_even_while_the_other_still_opens() {
    let mut service = Service::healthy();
    let opened = outcome(service.unwrap([denied(), Answer::Unwrapped]));
    assert_eq!(opened, Outcome::Opened(Opener::Root(Slot::Second)));
    assert_eq!(outcome(service.cut_off()), Outcome::Refused(Why::Denied(vec![Slot::First])));
    service.wait(1);
    assert_eq!(
        outcome(service.unwrap([Answer::Unwrapped, Answer::Timeout])),
        Outcome::Opened(Opener::Root(Slot::First)),
        "the key holder gave the right back"
    );
    assert_eq!(service.cut_off(), HELP, "and that ends the denial");
}

#[test]
fn a_snapshot_from_before_the_denial_booted_offline_opens_only_within_the_budget() {
    let mut snapshot = Service::healthy();
    snapshot.wait(24 * 30);
    assert_eq!(outcome(snapshot.cut_off()), Outcome::Outage(NoHelp::NoEvidence(Gap::TooOld)));
}

#[test]
fn a_clock_that_is_set_back_keeps_no_evidence_young() {
    let mut service = Service::healthy();
    service.wait(24 * 30);
    service.prove([Answer::Unwrapped, Answer::Unwrapped]);
    service.now = BEGIN;
    assert_eq!(outcome(service.cut_off()), Outcome::Outage(NoHelp::NoEvidence(Gap::Clock(Slot::First))));
    service.now = BEGIN + Duration::from_hours(24 * 30) - Duration::from_mins(4);
    assert_eq!(service.cut_off(), HELP, "a correction of a few minutes locks nobody out");
}

#[test]
fn a_yes_that_was_held_back_until_after_the_no_is_no_evidence() {
    let mut service = Service::healthy();
    // One unwrap begins, and the network keeps the answer of its first key back.
    let (mut held, step) = Unwrap::begin(service.question.clone(), true, &service.memories, service.now);
    assert_eq!(step, Step::Try(Slot::First));
    let yes = service.reply(Slot::First, Answer::Unwrapped);
    // Meanwhile another hears a no from the same key.
    let _ = service.unwrap([denied(), Answer::Timeout]);
    // Now the network lets the yes through.
    let turn = held.answered(yes, &service.memories, service.now);
    let (slot, event) = turn.remember.expect("a success is handed out");
    service.keep(slot, &event);
    assert_eq!(outcome(service.cut_off()), Outcome::Refused(Why::Denied(vec![Slot::First])));
}

#[test]
fn a_no_that_another_call_hears_meanwhile_stops_the_availability_key() {
    let mut service = Service::healthy();
    let (mut slow, _) = Unwrap::begin(service.question.clone(), true, &service.memories, service.now);
    let first = service.reply(Slot::First, Answer::Timeout);
    let turn = slow.answered(first, &service.memories, service.now);
    assert_eq!(turn.step, Step::Try(Slot::Second));
    let _ = service.unwrap([denied(), Answer::Timeout]);
    let turn = slow.answered(service.reply(Slot::Second, Answer::Timeout), &service.memories, service.now);
    assert_eq!(outcome(turn.step), Outcome::Refused(Why::Denied(vec![Slot::First])));
}

#[test]
fn a_401_whose_fresh_token_cannot_be_had_is_a_no_that_was_heard() {
    let withdrawn = Answer::vault(401, Some("Unauthorized"), None);
    assert!(withdrawn.needs_fresh_token());
    for silence in [Answer::Timeout, Answer::Dns, Answer::token(503, None, &[])] {
        let counts = withdrawn.clone().after_fresh_token(silence, CredentialOwner::Operator);
        assert_eq!(counts.judge(CredentialOwner::Operator).map(|finding| finding.fault), Some(Fault::Denied));
    }
    for second in [Answer::Unwrapped, denied(), Answer::Internal] {
        let counts = withdrawn.clone().after_fresh_token(second.clone(), CredentialOwner::Operator);
        assert_eq!(counts, second);
    }
}

#[test]
fn a_new_connection_brings_no_evidence_along() {
    let mut service = Service::healthy();
    service.question.connection = ConnectionVersion(service.question.connection.0 + 1);
    let gap = Gap::NoSuccess(Slot::First);
    assert_eq!(outcome(service.cut_off()), Outcome::Outage(NoHelp::NoEvidence(gap)));
    service.prove([Answer::Unwrapped, Answer::Timeout]);
    let gap = Gap::NoSuccess(Slot::Second);
    assert_eq!(outcome(service.cut_off()), Outcome::Outage(NoHelp::NoEvidence(gap)), "each key, not one");
}

#[test]
fn a_new_connection_does_not_end_a_denial() {
    let mut service = Service::healthy();
    let _ = service.unwrap([denied(), denied()]);
    service.question.connection = ConnectionVersion(service.question.connection.0 + 1);
    let both = Outcome::Refused(Why::Denied(vec![Slot::First, Slot::Second]));
    assert_eq!(outcome(service.cut_off()), both);
}

#[test]
fn an_operator_whose_own_credential_ran_out_gets_no_outage_from_it() {
    let mut service = Service::healthy();
    let expired = Answer::token(401, Some("invalid_client"), &[7_000_222]);
    let ours = outcome(service.unwrap([expired.clone(), Answer::Timeout]));
    assert_eq!(ours, Outcome::Ours("credential-expired"));
    assert_eq!(service.cut_off(), HELP, "and it is no denial by the customer either");
    service.question.owner = CredentialOwner::Customer;
    let theirs = outcome(service.unwrap([expired, Answer::Timeout]));
    assert_eq!(theirs, Outcome::Refused(Why::Denied(vec![Slot::First])));
}

#[test]
fn an_administrator_cannot_carry_off_what_the_key_holders_closed() {
    for who in [Who::Person, Who::Service] {
        for preset in [Preset::OutageOnly, Preset::OutageAndSystem] {
            let plain = Situation { who, preset, purpose: Purpose::PolicyChange, ..Situation::plain() };
            let mut service = Service::healthy();
            service.question = plain.question();
            assert_eq!(outcome(service.cut_off()), Outcome::Outage(NoHelp::PolicyChange));
            let refused = outcome(service.unwrap([denied(), denied()]));
            assert_eq!(refused, Outcome::Refused(Why::Denied(vec![Slot::First, Slot::Second])));
        }
    }
}

#[test]
fn a_denied_user_gains_nothing_from_a_request_that_claims_to_be_the_system() {
    // The class is the principal's; an order does not make a user of another class either.
    let order = match (Situation { who: Who::Officers, ..Situation::plain() }).question().by {
        By::Recovery(order) => *order,
        other => panic!("{other:?}"),
    };
    assert!(By::of(Initiator::User, Some(order.clone())).is_err());
    assert!(By::of(Initiator::System, Some(order.clone())).is_err());
    assert!(By::of(Initiator::Recovery, None).is_err());
    assert!(By::of(Initiator::Recovery, Some(order)).is_ok());
}

#[test]
fn an_order_serves_its_own_policy_and_key_until_it_runs_out_and_nothing_else() {
    let officers = Situation { who: Who::Officers, ..Situation::plain() };
    let mut service = Service::healthy();
    service.question = officers.question();
    let recovery = Step::TryAvailability(AvailabilityUse::Recovery);
    assert_eq!(service.cut_off(), recovery);
    let other = freehold_model::id::DepId::from_random([9; 16]);
    let foreign = Question { policy: other, ..officers.question() };
    let former = Question { generation: officers.question().generation.next(), ..officers.question() };
    for question in [foreign, former] {
        service.question = question;
        assert_eq!(outcome(service.cut_off()), Outcome::Refused(Why::OrderDoesNotCover));
    }
    service.question = officers.question();
    service.wait(2);
    assert_eq!(outcome(service.cut_off()), Outcome::Refused(Why::OrderDoesNotCover), "it has run out");
}

#[test]
fn a_revoke_order_stands_against_vaults_that_still_say_yes() {
    let mut service = Service::healthy();
    service.question.closed = Some(Closed::Revoked);
    let refused = outcome(service.unwrap([Answer::Unwrapped, Answer::Unwrapped]));
    assert_eq!(refused, Outcome::Refused(Why::Revoked));
}

#[test]
fn a_machine_that_was_suspended_between_its_questions_has_no_outage() {
    let mut service = Service::healthy();
    let (mut unwrap, _) = Unwrap::begin(service.question.clone(), true, &service.memories, service.now);
    let first = service.reply(Slot::First, Answer::Timeout);
    let _ = unwrap.answered(first, &service.memories, service.now);
    service.wait(1);
    let turn = unwrap.answered(service.reply(Slot::Second, Answer::Timeout), &service.memories, service.now);
    assert_eq!(outcome(turn.step), Outcome::Outage(NoHelp::NoEvidence(Gap::NotNow)));
}

#[test]
fn a_question_that_the_clock_puts_into_the_future_says_nothing_about_now() {
    for (minutes, helps) in [(4, true), (6, false)] {
        let mut service = Service::healthy();
        service.wait(1);
        let (mut unwrap, _) = Unwrap::begin(service.question.clone(), true, &service.memories, service.now);
        let replies = Slot::BOTH.map(|slot| service.reply(slot, Answer::Timeout));
        service.now = service.now - Duration::from_mins(minutes);
        let mut last = None;
        for reply in replies {
            last = Some(unwrap.answered(reply, &service.memories, service.now).step);
        }
        let last = last.expect("two answers");
        if helps {
            assert_eq!(last, HELP);
        } else {
            assert_eq!(outcome(last), Outcome::Outage(NoHelp::NoEvidence(Gap::NotNow)));
        }
    }
}

#[test]
fn a_lying_vault_or_a_fault_of_ours_keeps_the_availability_key_shut_and_harms_nobody_later() {
    for bad in
        [Answer::Mismatch, Answer::Tls, Answer::Challenge, Answer::Malformed, Answer::vault(418, None, None)]
    {
        let mut service = Service::healthy();
        let end = service.unwrap([bad.clone(), Answer::Timeout]);
        assert!(matches!(outcome(end), Outcome::Lying(_) | Outcome::Ours(_)), "{bad:?}");
        assert_eq!(service.cut_off(), HELP, "{bad:?} says nothing about the customer's will");
    }
}

#[test]
fn a_download_of_two_gigabytes_does_not_outlive_the_bound() {
    let second = |n: u64| Moment(n * 1_000_000_000);
    let read = |n| EpochRead { epoch: freehold_model::id::RevocationEpoch(1), at: second(n) };
    let lease = Lease::grant(Grant {
        origin: Origin::Root,
        epoch: read(0),
        sent: second(0),
        bound: Bound::default(),
        hold: Hold::NONE,
    })
    .expect("read before it was sent");
    let reading = Use { initiator: Initiator::User, purpose: Purpose::Content, preset: Preset::OutageOnly };
    let blobs = (0..).take_while(|n| lease.check(second(*n), read(*n), reading).is_ok()).count();
    assert_eq!(blobs, 60, "a blob a second, each asking the lease");
}

#[test]
fn an_idle_policy_has_its_evidence_under_every_budget_that_can_be_chosen() {
    let mut service = Service::healthy();
    service.question.outage_budget = OutageBudget::from_secs(OutageBudget::LEAST).expect("the least");
    // the proof that was due came an hour late, and the outage began right before the next one
    service.wait(7);
    assert_eq!(service.cut_off(), HELP);
    service.wait(4);
    assert_eq!(service.cut_off(), HELP);
}
