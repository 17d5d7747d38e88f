//! Random sequences at custody's door against a small model that knows only the vaults, the clock and the log.
//!
//! The model never looks at leases or memories. What it holds custody to: a closed policy opens for nobody once the
//! bound is over; an open one always opens; the availability key is asked only while no slot's last word was a no, by
//! no site, and never without a record; every intent has an outcome.

use std::cell::Cell;
use std::time::Duration;

use model::caller::{Caller, Initiator};
use model::fault::Answer;
use model::id::{ContainerId, DepId, RequestId};
use model::policy::PolicyKind;
use model::refusal::{Code, Refusal};
use model::time::{Clock, Moment};
use model::unwrap::Family;
use proptest::prelude::*;

use super::world::*;
use crate::roots::testing::Asked;
use crate::service::Keys;

const BOUND: Duration = Duration::from_secs(2);
const HOLD: Duration = Duration::from_secs(6);
/// Sequences tried, and actions in the longest of them.
const CASES: u32 = 96;
const LONGEST: usize = 28;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vault {
    Opens,
    Denies,
    Silent,
    Lies,
}

#[derive(Debug, Clone)]
enum Action {
    Turn(usize, Vault),
    TurnBoth(Vault),
    Pass(u64),
    Sleep(u64),
    Restart,
    Read(Initiator),
    /// A read when no lease of before can be alive.
    ReadLater(Initiator),
    ReadSite(Initiator),
    /// Two reads at once whose calls are held back, and what the vaults turn to before each of them goes on.
    Cross([Initiator; 2], [Vault; 4]),
    Assign(bool),
    Sweep,
    Refresh,
    Roll(usize),
    Prove,
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let vault = prop_oneof![
        Just(Vault::Opens),
        Just(Vault::Denies),
        Just(Vault::Denies),
        Just(Vault::Silent),
        Just(Vault::Lies)
    ];
    let both = prop_oneof![Just(Vault::Opens), Just(Vault::Denies), Just(Vault::Silent), Just(Vault::Silent)];
    let initiator = prop_oneof![Just(Initiator::User), Just(Initiator::System)];
    let cross = ([initiator.clone(), initiator.clone()], prop::array::uniform4(vault.clone()));
    prop_oneof![
        4 => cross.prop_map(|(by, turns)| Cross(by, turns)),
        6 => (0..2_usize, vault).prop_map(|(slot, vault)| Turn(slot, vault)),
        4 => both.prop_map(TurnBoth),
        4 => prop_oneof![Just(100), Just(700), Just(1_500), Just(2_000), Just(4_500), Just(9_000)].prop_map(Pass),
        1 => prop_oneof![Just(7), Just(80)].prop_map(Sleep),
        1 => Just(Restart),
        4 => initiator.clone().prop_map(Read),
        6 => initiator.clone().prop_map(ReadLater),
        4 => initiator.prop_map(ReadSite),
        1 => Just(Assign(false)),
        1 => Just(Assign(true)),
        2 => Just(Sweep),
        1 => Just(Refresh),
        1 => (0..2_usize).prop_map(Roll),
        1 => Just(Prove),
    ]
}

const VAULTS: [&str; 2] = ["contoso-a", "contoso-b"];
const KEYS: [&str; 2] = ["exo", "spo"];

/// What the model knows of the vaults: what each does, and since when.
struct Truth {
    vaults: [(Vault, Moment); 2],
    /// When a vault last would have opened.
    opened: Moment,
    versions: [u8; 2],
}

impl Truth {
    fn opens(&self) -> bool {
        self.vaults.iter().any(|(vault, _)| *vault == Vault::Opens)
    }

    /// Since when nobody opens and somebody refuses or lies all the time.
    fn shut_since(&self) -> Option<Moment> {
        let bad = self.vaults.iter().filter(|(vault, _)| matches!(vault, Vault::Denies | Vault::Lies));
        let since = bad.map(|(_, since)| *since).min()?;
        (!self.opens()).then(|| since.max(self.opened))
    }

    fn has(&self, wanted: Vault) -> bool {
        self.vaults.iter().any(|(vault, _)| *vault == wanted)
    }
}

struct Play {
    world: World,
    caller: Caller,
    mail: DepId,
    sites: DepId,
    mailbox: (ContainerId, Sealed),
    site: (ContainerId, Sealed),
    truth: Truth,
    requests: Cell<u32>,
}

impl Play {
    async fn begin() -> Self {
        let world = World::new().await;
        let (tenant, mail, mailbox, word) = mailbox(&world).await;
        let caller = user(&tenant);
        let sites = world.policy(&caller, PolicyKind::SharePoint, "Sites").await;
        let assigned = world.custody.assign_tenant(&caller, PolicyKind::SharePoint, Some(sites.id)).await;
        assigned.expect("assigned");
        world.custody.create(&caller, container(2), Family::SharePoint).await.expect("a site");
        let page = seal(&world.custody, &caller, container(2)).await.expect("sealed");
        let now = world.clock.moment();
        let truth = Truth { vaults: [(Vault::Opens, now); 2], opened: now, versions: [1, 1] };
        let (mailbox, site) = ((mailbox, word), (container(2), page));
        Self { world, caller, mail: mail.id, sites: sites.id, mailbox, site, truth, requests: Cell::new(0) }
    }

    /// A caller of the class, with a request id of its own.
    fn by(&self, initiator: Initiator) -> Caller {
        let count = self.requests.get() + 1;
        self.requests.set(count);
        let mut request = [6; 16];
        request[..4].copy_from_slice(&count.to_be_bytes());
        Caller { initiator, request: RequestId::from_random(request), ..self.caller.clone() }
    }

    fn turn(&mut self, slot: usize, to: Vault) {
        let now = self.world.clock.moment();
        self.witness();
        for name in KEYS {
            let key = key(VAULTS[slot], name);
            let vault = &self.world.vaults.customer;
            vault.heal(&key);
            match to {
                Vault::Opens => {}
                Vault::Denies => self.world.denies(VAULTS[slot], name),
                Vault::Silent => vault.answer_all(&key, Answer::Timeout),
                Vault::Lies => vault.lie(&key),
            }
        }
        if self.truth.vaults[slot].0 != to {
            self.truth.vaults[slot] = (to, now);
        }
        self.witness();
    }

    /// Time has passed, or is about to: whoever opens now has opened until now.
    fn witness(&mut self) {
        if self.truth.opens() {
            self.truth.opened = self.world.clock.moment();
        }
    }

    /// Whether the last word of one of the policy's slots in the log was a no.
    async fn last_word_was_a_no(&self, policy: DepId, asked: AskedAt) -> bool {
        let calls = self.world.audit(&self.caller, "RootKeyCall").await;
        no_stands(&calls, policy, calls.len(), asked)
    }

    async fn check_read(&mut self, read: Result<Vec<u8>, Refusal>, policy: DepId) {
        self.witness();
        let now = self.world.clock.moment();
        match read {
            Ok(word) => {
                assert_eq!(word, b"a word");
                if let Some(since) = self.truth.shut_since() {
                    assert!(now < since + BOUND, "a shut policy was opened");
                } else if !self.truth.opens() && policy == self.sites {
                    assert!(now < self.truth.opened + BOUND + HOLD, "a hold without end");
                }
            }
            Err(refusal) => {
                assert!(!self.truth.opens(), "a vault opens, and the answer was: {refusal}");
                let denies = self.truth.has(Vault::Denies);
                let surely = self.last_word_was_a_no(policy, AskedAt::Intent).await;
                let maybe = surely || self.last_word_was_a_no(policy, AskedAt::Attempt).await;
                match refusal.code {
                    Code::RefusedByCustomer => assert!(denies || maybe, "an outage told as a denial"),
                    Code::Outage => assert!(!denies && !surely, "a denial told as an outage"),
                    Code::Lying => assert!(self.truth.has(Vault::Lies), "{refusal}"),
                    _ => panic!("told otherwise: {refusal}"),
                }
            }
        }
    }

    /// Answers that are overtaken by others: whatever a read brings, it brings nothing of a shut policy.
    async fn cross(&mut self, by: [Initiator; 2], turns: [Vault; 4]) {
        if self.standing().await != (Some(self.mail), false) {
            return;
        }
        let mut gates = VAULTS
            .map(|vault| self.world.vaults.customer.hold(&key(vault, KEYS[0]), Asked::Unwrap))
            .into_iter();
        let mut reads = Vec::new();
        for (at, to) in turns.into_iter().enumerate() {
            if let Some(by) = by.get(at) {
                let (custody, caller, clock) =
                    (self.world.custody.clone(), self.by(*by), self.world.clock.clone());
                let id = self.mailbox.0;
                reads.push(tokio::spawn(async move {
                    let opened = custody.seal(&caller, id).await;
                    (opened.and_then(|opened| opened.key().map(|_| ())), clock.moment())
                }));
            } else {
                drop(gates.next());
            }
            self.world.pass(BOUND * 2 / 5).await;
            self.turn(at % 2, to);
        }
        for read in reads {
            let (read, at) = read.await.expect("no panic");
            let shut = self.truth.shut_since().is_some_and(|since| at >= since + BOUND);
            assert!(read.is_err() || !shut, "a shut policy was opened by an answer of before");
        }
    }

    async fn read(&mut self, by: Initiator) {
        let before = self.standing().await;
        let (id, word) = &self.mailbox;
        let read = open_word(&self.world.custody, &self.by(by), *id, word).await;
        if before == (Some(self.mail), false) {
            self.check_read(read, self.mail).await;
        } else if self.standing().await.0 != Some(self.mail) {
            assert_eq!(read.expect("the provider's keys open"), b"a word");
        }
    }

    async fn act(&mut self, action: Action) {
        self.witness();
        match action {
            Action::Turn(slot, to) => self.turn(slot, to),
            Action::TurnBoth(to) => (0..2).for_each(|slot| self.turn(slot, to)),
            Action::Pass(millis) => self.world.pass(Duration::from_millis(millis)).await,
            Action::Sleep(hours) => {
                self.world.clock.advance(Duration::from_secs(3600 * hours));
                self.world.pass(Duration::from_millis(10)).await;
            }
            Action::Restart => self.world.restart().await,
            Action::Read(by) => self.read(by).await,
            Action::ReadLater(by) => {
                self.world.pass(BOUND).await;
                self.read(by).await;
            }
            Action::Cross(by, turns) => self.cross(by, turns).await,
            Action::ReadSite(by) => {
                let (id, word) = &self.site;
                let read = open_word(&self.world.custody, &self.by(by), *id, word).await;
                self.check_read(read, self.sites).await;
            }
            Action::Assign(mail) => {
                let policy = mail.then_some(self.mail);
                self.world.custody.assign(&self.caller, self.mailbox.0, policy).await.expect("assigned");
            }
            Action::Sweep => {
                let before = self.standing().await;
                self.world.custody.sweep().await.expect("swept");
                if self.standing().await.0 != before.0 {
                    self.witness();
                    let now = self.world.clock.moment();
                    assert!(now < self.truth.opened + BOUND, "carried off while no root opened");
                }
            }
            Action::Refresh => {
                let refreshed = self.world.custody.refresh(&self.caller, self.mail).await;
                let both = self.truth.vaults.iter().all(|(vault, _)| *vault == Vault::Opens);
                assert_eq!(refreshed.is_ok(), both, "{refreshed:?}");
            }
            Action::Roll(slot) => {
                self.truth.versions[slot] += 1;
                self.world.vaults.customer.add(&version(VAULTS[slot], "exo", self.truth.versions[slot]));
            }
            Action::Prove => {
                self.world.custody.prove_due().await;
            }
        }
        self.witness();
    }

    async fn standing(&self) -> (Option<DepId>, bool) {
        let standing = self.world.custody.standing(&self.caller, self.mailbox.0).await.expect("standing");
        (standing.effective, standing.pending)
    }

    async fn end(self) {
        let Self { world, caller, mail, sites, .. } = self;
        world.pass(Duration::from_secs(10)).await;
        world.nothing_is_half_there().await;
        world.nothing_is_open(&caller).await;
        let calls = world.audit(&caller, "RootKeyCall").await;
        let uses = world.audit(&caller, "Fallback to Availability Key").await;
        for (at, call) in calls.iter().enumerate() {
            let asked = call["slot"] == "availability" && call["phase"] == "intent";
            if asked && call["policyId"] == mail.to_string() {
                assert!(
                    !no_stands(&calls, mail, at, AskedAt::Intent),
                    "the availability key was asked after a no"
                );
            }
        }
        for policy in [mail, sites] {
            let of_policy = uses.iter().filter(|used| used["policyId"] == policy.to_string()).count();
            let asked = world
                .vaults
                .provider
                .count(&key("availability", &format!("dep-{policy}")), crate::roots::testing::Asked::Unwrap);
            // Once when the policy was made.
            assert_eq!(asked, of_policy + 1, "uses of the availability key, and records of them");
            assert!(policy == mail || of_policy == 0, "a site used the availability key");
        }
    }
}

/// When a yes was asked for: at its own intent, or already when its whole attempt began, as custody may well say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedAt {
    Intent,
    Attempt,
}

/// Whether, at this place of the log, the last word of a slot is a no: a yes counts if it was asked for after it.
fn no_stands(calls: &[serde_json::Value], policy: DepId, before: usize, asked_at: AskedAt) -> bool {
    let calls = &calls[..before];
    let ours =
        |call: &serde_json::Value| call["policyId"] == policy.to_string() && call["operation"] == "unwrapKey";
    ["first", "second"].iter().any(|slot| {
        let mut no: Option<usize> = None;
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| ours(call) && call["slot"] == *slot) {
            let mut intents = calls[..at].iter().enumerate().filter(|(_, intent)| {
                ours(intent)
                    && intent["phase"] == "intent"
                    && intent["requestId"] == call["requestId"]
                    && (asked_at == AskedAt::Attempt || intent["slot"] == *slot)
            });
            let asked = match asked_at {
                AskedAt::Intent => intents.next_back(),
                AskedAt::Attempt => intents.next(),
            };
            match call["outcome"].as_str() {
                Some("role-missing") => no = Some(at),
                Some("unwrapped") => no = no.filter(|no| asked.is_some_and(|(asked, _)| asked < *no)),
                _ => {}
            }
        }
        no.is_some()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_no_is_obeyed_and_an_outage_is_survived(actions in prop::collection::vec(action(), 1..LONGEST)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut play = Play::begin().await;
            for action in actions {
                play.act(action).await;
            }
            play.end().await;
        });
    }
}
