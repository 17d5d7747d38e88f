//! Who may open what: the unwrap machine, step by step, without a single call of its own.
//!
//! Owns [`Unwrap`], its steps and its outcomes. It is handed what came back and says what to do next; custody
//! does it. The tables of spec/unwrap-order.md are the sentences that this file obeys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Initiator;
use crate::evidence::{self, Gap, Memories};
use crate::fault::{Answer, CredentialOwner, Fault, Finding};
use crate::id::{DepId, Generation, TenantId};
use crate::order::RecoveryOrder;
use crate::outcome::{Alarm, AvailabilityUse, Closed, Finish, NoHelp, Opener, Outcome, Party, Why};
use crate::refusal::{Code, Refusal};
use crate::settings::{DenialRule, OutageBudget, Preset};
use crate::slot::{ConnectionVersion, Heard, Seen, Slot, SlotEvent};
use crate::time::Timestamp;

/// How much later the second of two raced requests starts, unless the first has failed before.
pub const STAGGER: Duration = Duration::from_millis(150);

/// Which rules of the unwrap order a policy and its containers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Mailboxes and all of multi-workload: one key, then the other, then the availability key where there is
    /// evidence of an outage.
    Exchange,
    /// Sites: both keys raced, a hold while the roots are out of reach, never the availability key.
    SharePoint,
}

/// What the opened key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To open or seal content.
    Content,
    /// To assign, unassign, roll back, replace, refresh or re-key, and every rewrap that follows from one of
    /// these, whoever runs it. Never with the availability key: an administrator could otherwise carry off
    /// what the key holders have just closed.
    PolicyChange,
}

/// Who asks, in the sense of the unwrap order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A person, or whatever returns data to one.
    User,
    /// The service itself.
    System,
    /// The officers, by an order whose signatures have been checked.
    Recovery(Box<RecoveryOrder>),
}

impl By {
    /// The class with the order that it needs; recovery without an order is refused.
    pub fn of(initiator: Initiator, order: Option<RecoveryOrder>) -> Result<Self, Refusal> {
        match (initiator, order) {
            (Initiator::User, None) => Ok(Self::User),
            (Initiator::System, None) => Ok(Self::System),
            (Initiator::Recovery, Some(order)) => Ok(Self::Recovery(Box::new(order))),
            (Initiator::Recovery, None) => {
                Err(Refusal::new(Code::Forbidden, "a recovery needs an order of the tenant's officers"))
            }
            (Initiator::User | Initiator::System, Some(_)) => Err(Refusal::new(
                Code::Forbidden,
                "an order of the officers serves a recovery and nothing else",
            )),
        }
    }
}

/// Everything about one unwrap that does not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whose policy.
    pub tenant: TenantId,
    /// Which policy.
    pub policy: DepId,
    /// Which of its keys.
    pub generation: Generation,
    /// Which rules.
    pub family: Family,
    /// Who asks.
    pub by: By,
    /// What for.
    pub purpose: Purpose,
    /// The policy's availability preset, as its wrap set names it; the set's MAC is checked once the seed is open.
    pub preset: Preset,
    /// The policy's outage budget.
    pub outage_budget: OutageBudget,
    /// When a denial becomes conclusive.
    pub denial_rule: DenialRule,
    /// Whose credential the vault connection uses.
    pub owner: CredentialOwner,
    /// The present vault connection.
    pub connection: ConnectionVersion,
    /// An order of the tenant that shuts the policy, whatever the vaults say.
    pub closed: Option<Closed>,
}

/// What came back from one slot, after the one retry that a 401 asks for ([`Answer::after_fresh_token`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Who answered.
    pub slot: Slot,
    /// What came back, or that nothing did.
    pub answer: Answer,
    /// When the request was sent.
    pub sent: Timestamp,
    /// When the answer came, or silence was declared.
    pub heard: Timestamp,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask this slot.
    Try(Slot),
    /// Ask the first, and the second a little later or as soon as the first has failed. The first *success*
    /// wins; the other request is then cancelled, and what is cancelled is no answer.
    Race {
        /// Asked at once.
        first: Slot,
        /// Asked after the stagger.
        second: Slot,
        /// The delay of the second.
        stagger: Duration,
    },
    /// Of two raced slots one has failed: wait for this one, and start it now if it has not started.
    Await(Slot),
    /// Ask the availability key; the reason goes into the audit record.
    TryAvailability(AvailabilityUse),
    /// Nothing more is to be asked.
    Finish(Finish),
}

/// What to store, and then what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a denial that is not stored before the next step can be forgotten by a kill"]
pub struct Turn {
    /// To be stored durably, with the raised epoch of a new denial, *before* the step is taken.
    pub remember: Option<(Slot, SlotEvent)>,
    /// What to do next.
    pub step: Step,
}

/// One unwrap of one policy's key, from the first question to the outcome.
///
/// A copy is for one purpose: an answer is taken in on a copy, which is kept once what it taught has been stored.
#[derive(Debug, Clone)]
pub struct Unwrap {
    question: Question,
    order: [Slot; 2],
    seen: [Seen; 2],
    faults: [Option<HeardFault>; 2],
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
struct HeardFault {
    finding: Finding,
    sent: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Roots,
    Availability(AvailabilityUse),
    Done,
}

impl Unwrap {
    /// Begins an unwrap: `coin` chooses the slot that is asked first, `memories` are the stored ones of now.
    pub fn begin(question: Question, coin: bool, memories: &Memories, now: Timestamp) -> (Self, Step) {
        let order = if coin { Slot::BOTH } else { [Slot::Second, Slot::First] };
        let seen = Slot::BOTH.map(|slot| memories.of(slot).seen());
        let mut unwrap = Self { question, order, seen, faults: [None; 2], stage: Stage::Roots };
        let step = unwrap.open(now);
        (unwrap, step)
    }

    /// Takes one slot's answer in. `memories` are read anew from the store: another call may have heard a denial.
    pub fn answered(&mut self, reply: Reply, memories: &Memories, now: Timestamp) -> Turn {
        let Reply { slot, answer, sent, heard } = reply;
        if self.stage != Stage::Roots || self.faults[slot.index()].is_some() || !self.was_asked(slot) {
            // An answer to nothing: custody and this machine disagree about where they are.
            return Turn { remember: None, step: self.finish(Outcome::Ours("out-of-step")) };
        }
        let finding = answer.judge(self.question.owner);
        let told = Heard {
            answer,
            seen: self.seen[slot.index()],
            sent,
            heard,
            connection: self.question.connection,
        };
        let remember = told.event(self.question.owner, self.question.denial_rule).map(|event| (slot, event));
        let step = match finding {
            None => self.finish(Outcome::Opened(Opener::Root(slot))),
            Some(finding) => {
                self.faults[slot.index()] = Some(HeardFault { finding, sent });
                self.after_fault(slot, memories, now)
            }
        };
        Turn { remember, step }
    }

    /// Takes the availability key's answer in; it is the last step.
    pub fn availability_answered(&mut self, answer: &Answer) -> Step {
        let Stage::Availability(why) = self.stage else {
            return self.finish(Outcome::Ours("out-of-step"));
        };
        // The provider's own vault and credential: what is nobody's outage and no closed key is ours.
        let Some(finding) = answer.judge(CredentialOwner::Operator) else {
            return self.finish(Outcome::Opened(Opener::Availability(why)));
        };
        let outcome = match finding.fault {
            Fault::Denied if CLOSED_AVAILABILITY.contains(&finding.reason) => {
                Outcome::Refused(Why::AvailabilityClosed)
            }
            Fault::Unreachable => Outcome::Outage(NoHelp::Unreachable),
            Fault::Lying => Outcome::Lying(vec![Party::Availability]),
            Fault::Denied | Fault::Ours => Outcome::Ours(finding.reason),
        };
        let alarm = matches!(outcome, Outcome::Lying(_) | Outcome::Ours(_));
        let alarm = alarm.then_some(Alarm { party: Party::Availability, finding });
        self.finish_with(outcome, alarm)
    }

    fn open(&mut self, now: Timestamp) -> Step {
        let Question { tenant, policy, generation, ref by, closed, .. } = self.question;
        match (closed, by) {
            (Some(Closed::Purging), _) | (Some(Closed::Revoked), By::User | By::System) => {
                let why = if closed == Some(Closed::Purging) { Why::Purging } else { Why::Revoked };
                self.finish(Outcome::Refused(why))
            }
            (_, By::Recovery(order)) => {
                if order.covers(tenant, policy, generation, now) {
                    self.ask_availability(AvailabilityUse::Recovery)
                } else {
                    self.finish(Outcome::Refused(Why::OrderDoesNotCover))
                }
            }
            (None, By::User | By::System) => match self.question.family {
                Family::Exchange => Step::Try(self.order[0]),
                Family::SharePoint => {
                    Step::Race { first: self.order[0], second: self.order[1], stagger: STAGGER }
                }
            },
        }
    }

    fn was_asked(&self, slot: Slot) -> bool {
        match self.question.family {
            Family::SharePoint => true,
            Family::Exchange => slot == self.order[0] || self.faults[self.order[0].index()].is_some(),
        }
    }

    fn after_fault(&mut self, slot: Slot, memories: &Memories, now: Timestamp) -> Step {
        // What one bad key means is decided when both have spoken; until then it changes nothing.
        let (Some(first), Some(second)) = (self.faults[0], self.faults[1]) else {
            return match self.question.family {
                Family::Exchange => Step::Try(slot.other()),
                Family::SharePoint => Step::Await(slot.other()),
            };
        };
        let faults = [
            (Slot::First, effective(first.finding.fault, Slot::First, memories)),
            (Slot::Second, effective(second.finding.fault, Slot::Second, memories)),
        ];
        let slots_with =
            |fault: Fault| faults.iter().filter(move |(_, is)| *is == fault).map(|(slot, _)| *slot);
        let denied: Vec<Slot> = slots_with(Fault::Denied).collect();
        let lying: Vec<Party> = slots_with(Fault::Lying).map(Party::Root).collect();
        let ours = slots_with(Fault::Ours).next();
        let trusted = lying.is_empty() && ours.is_none();

        if !denied.is_empty() {
            return if trusted && self.system_may_pass_a_denial() {
                self.ask_availability(AvailabilityUse::System)
            } else {
                self.finish(Outcome::Refused(Why::Denied(denied)))
            };
        }
        if !lying.is_empty() {
            return self.finish(Outcome::Lying(lying));
        }
        if let Some(slot) = ours {
            let reason = if slot == Slot::First { first.finding.reason } else { second.finding.reason };
            return self.finish(Outcome::Ours(reason));
        }
        match self.help_in_an_outage(first.sent.min(second.sent), memories, now) {
            Ok(()) => self.ask_availability(AvailabilityUse::Outage),
            Err(why) => self.finish(Outcome::Outage(why)),
        }
    }

    /// Whether the availability key may open while both roots are unreachable; if not, why.
    fn help_in_an_outage(
        &self,
        earliest: Timestamp,
        memories: &Memories,
        now: Timestamp,
    ) -> Result<(), NoHelp> {
        let question = &self.question;
        if question.family == Family::SharePoint {
            return Err(NoHelp::SharePoint);
        }
        if question.purpose == Purpose::PolicyChange {
            return Err(NoHelp::PolicyChange);
        }
        match question.preset {
            Preset::Never => return Err(NoHelp::Preset),
            Preset::OutageOnly | Preset::OutageAndSystem => {}
        }
        if !evidence::is_of_now(earliest, now) {
            return Err(NoHelp::NoEvidence(Gap::NotNow));
        }
        evidence::of_outage(memories, question.connection, question.outage_budget, now)
            .map_err(NoHelp::NoEvidence)
    }

    fn system_may_pass_a_denial(&self) -> bool {
        let question = &self.question;
        question.by == By::System
            && question.preset == Preset::OutageAndSystem
            && question.family == Family::Exchange
            && question.purpose == Purpose::Content
    }

    fn ask_availability(&mut self, why: AvailabilityUse) -> Step {
        self.stage = Stage::Availability(why);
        Step::TryAvailability(why)
    }

    fn finish(&mut self, outcome: Outcome) -> Step {
        self.finish_with(outcome, None)
    }

    fn finish_with(&mut self, outcome: Outcome, of_availability: Option<Alarm>) -> Step {
        self.stage = Stage::Done;
        let of_roots = Slot::BOTH
            .into_iter()
            .filter_map(|slot| Some((slot, self.faults[slot.index()]?.finding)))
            .filter(|(_, finding)| matches!(finding.fault, Fault::Lying | Fault::Ours))
            .map(|(slot, finding)| Alarm { party: Party::Root(slot), finding });
        Step::Finish(Finish { outcome, alarms: of_roots.chain(of_availability).collect() })
    }
}

/// Reasons of the fault table that mean: this policy's availability key was shut, and not by an accident.
const CLOSED_AVAILABILITY: [&str; 3] = ["key-disabled", "key-gone", "key-deleted"];

/// While a slot's last conclusive answer was a denial, its silence counts as that denial.
fn effective(fault: Fault, slot: Slot, memories: &Memories) -> Fault {
    if fault == Fault::Unreachable && memories.of(slot).denied().is_some() { Fault::Denied } else { fault }
}
