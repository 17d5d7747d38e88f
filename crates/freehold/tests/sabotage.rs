//! Each promise of the tour is broken in turn, and exactly the step that makes it fails.
//!
//! Nothing that ships can be told to misbehave. What is broken is broken from outside: rows are rewritten by
//! somebody with SQL access, a clock is set back, a file is left in the data folder, a caller carries
//! another tenant's token, a store is emptied.
//!
//! A store that is gone for good takes every later step with it, which would show nothing. So each store is taken
//! away before one scene and put back after it. Then exactly that step fails, it says whose fault it is, and every
//! later step holds: nothing of the loss was remembered as a denial or as an outage of the customer.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use freehold::clock::SystemClock;
use freehold::node::{Edge, Lab};
use freehold::random::SystemRandom;
use freehold::tour::{self, NoHands, Options, Report, StageHands};
use model::time::{BoxFuture, Clock, Moment, Timestamp};
use rusqlite::Connection;

/// Tours that are played at once: they wait most of the time, but a lease on a machine that is too busy runs out.
const AT_ONCE: usize = 3;
/// How long another writer may hold a database.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// One broken promise.
struct Sabotage {
    name: &'static str,
    clock: Arc<dyn Clock>,
    hands: Box<dyn StageHands>,
    /// The step that fails; none for a tour that nobody disturbs.
    step: Option<&'static str>,
    /// What its detail says, and what it must not say.
    says: &'static [&'static str],
    never_says: &'static [&'static str],
}

fn sabotages() -> Vec<Sabotage> {
    let clock = Arc::new(SystemClock);
    let by = |name, hands, step, says, never_says| Sabotage {
        name,
        clock: clock.clone(),
        hands,
        step: Some(step),
        says,
        never_says,
    };
    // What a denial or an outage of the customer would read like.
    let customers: &[&str] = &["FH1001", "FH2001", "denial", "403", "404"];
    let stopped = Arc::new(StoppableClock::default());
    vec![
        Sabotage {
            name: "nothing",
            clock: clock.clone(),
            hands: Box::new(NoHands),
            step: None,
            says: &[],
            never_says: &[],
        },
        by(
            "the availability key without evidence",
            Box::new(RewrittenMemory),
            "still-revoked",
            &["the availability key"],
            &[],
        ),
        Sabotage {
            name: "a lease that never ends",
            clock: stopped.clone(),
            hands: Box::new(StoppedAt { scene: "revoked", clock: stopped }),
            step: Some("revoked"),
            says: &["still readable"],
            never_says: &[],
        },
        by(
            "a subject unsealed",
            Box::new(LeftInTheClear { file: "index.tmp", text: SUBJECT }),
            "disk",
            &["Gaskets and barometer have arrived", "service/index.tmp"],
            &[],
        ),
        by(
            "a word in a log",
            Box::new(LeftInTheClear { file: "debug.log", text: "parsed part 1: ... harbourmaster ..." }),
            "disk",
            &["harbourmaster", "service/debug.log"],
            &[],
        ),
        by(
            "a wrong tenant let in",
            Box::new(WrongBadge(Mutex::default())),
            "neighbour",
            &["read a message: let in"],
            &[],
        ),
        by(
            "the service's database taken away",
            Box::new(Emptied::at("one-down", |lab| lab.layout.service_database())),
            "one-down",
            &["FH4001", "service.sqlite"],
            customers,
        ),
        by(
            "the wrap sets' database taken away",
            Box::new(Emptied::at("one-down", |lab| lab.layout.wraps_database())),
            "one-down",
            &["FH4001", "wraps.sqlite"],
            customers,
        ),
        by(
            "the vaults' store taken away",
            Box::new(Emptied::at("revoked", |lab| lab.layout.vault_database())),
            "revoked",
            &["the vaults' resource manager answers: 500", "The operator"],
            customers,
        ),
        by(
            "the availability vault's store taken away",
            Box::new(Emptied::at("both-down", |lab| lab.layout.availability_vault_database())),
            "both-down",
            // The customer's vaults are dead in this scene, and the provider's is named beside them.
            &["FH2001", "the availability key cannot be reached either"],
            &["FH1001", "denial"],
        ),
    ]
}

#[test]
fn each_broken_promise_fails_its_own_step_and_no_other() {
    let began = Instant::now();
    let queue = Mutex::new(sabotages());
    let wrong: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(sabotage) = take(&queue) {
                    let (name, step, says, never) =
                        (sabotage.name, sabotage.step, sabotage.says, sabotage.never_says);
                    let edge = Edge { clock: sabotage.clock, random: Arc::new(SystemRandom) };
                    let report = tour::perform(&Options::default(), edge, sabotage.hands).expect("a stage");
                    let faults = judge(&report, step, says, never);
                    println!("{name}: {}", told(&report));
                    lock(&wrong).extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
                }
            });
        }
    });
    println!("{:.1} s in all", began.elapsed().as_secs_f64());
    let wrong = wrong.into_inner().expect("no thread died");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn take(queue: &Mutex<Vec<Sabotage>>) -> Option<Sabotage> {
    lock(queue).pop()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread died")
}

/// What is wrong with a report in which this step, and no other, should have failed.
fn judge(report: &Report, step: Option<&str>, says: &[&str], never: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for told in &report.steps {
        if told.ok != (step != Some(told.name)) {
            let how = if told.ok { "held" } else { "failed" };
            wrong.push(format!("step {} {how}: {}", told.name, told.detail));
        } else if !told.ok {
            let missing = says.iter().filter(|word| !told.detail.contains(**word));
            wrong.extend(missing.map(|word| format!("{} does not say {word:?}: {}", told.name, told.detail)));
            let found = never.iter().filter(|word| told.detail.contains(**word));
            wrong.extend(found.map(|word| format!("{} says {word:?}: {}", told.name, told.detail)));
        }
    }
    if report.held() == step.is_some() {
        wrong.push("the tour as a whole says otherwise".into());
    }
    wrong
}

fn told(report: &Report) -> String {
    let failed = report.steps.iter().filter(|told| !told.ok);
    let failed: Vec<String> = failed.map(|told| format!("✗ {}: {}", told.name, told.detail)).collect();
    if failed.is_empty() { format!("{} steps held", report.steps.len()) } else { failed.join("\n  ") }
}

/// Somebody with SQL access turns the denial that the service remembers into a success, before the vaults fall silent.
#[derive(Debug)]
struct RewrittenMemory;

impl StageHands for RewrittenMemory {
    fn before(&self, scene: &str, lab: &Lab) {
        if scene != "still-revoked" {
            return;
        }
        let database = open(&lab.layout.service_database());
        let denied = "json_extract(body, '$.last.verdict.denial') IS NOT NULL";
        let count = format!("SELECT count(*) FROM slots WHERE {denied}");
        // Both slots are heard one after the other; a denial that comes later would undo the forgery.
        let began = Instant::now();
        while database.query_row::<u32, _, _>(&count, [], |row| row.get(0)).expect("a count") < 2 {
            assert!(began.elapsed() < LOCK_WAIT, "both slots have denied");
            thread::sleep(Duration::from_millis(20));
        }
        let forge =
            format!("UPDATE slots SET body = json_set(body, '$.last.verdict', 'success') WHERE {denied}");
        assert_eq!(database.execute(&forge, []).expect("an update"), 2);
    }
}

/// A clock whose moment can be made to stand still, a little in the past; what it sleeps is real.
#[derive(Debug, Default)]
struct StoppableClock(Mutex<Option<Moment>>);

impl Clock for StoppableClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn moment(&self) -> Moment {
        lock(&self.0).unwrap_or_else(|| SystemClock.moment())
    }

    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(by)
    }
}

/// For one scene, nothing that is measured on the clock comes to its end: no lease, and no time for a renewal.
#[derive(Debug)]
struct StoppedAt {
    scene: &'static str,
    clock: Arc<StoppableClock>,
}

impl StageHands for StoppedAt {
    fn before(&self, scene: &str, _: &Lab) {
        if scene == self.scene {
            let Moment(now) = SystemClock.moment();
            // Before every lease began: a lease that is due for a renewal would be renewed at once, and denied.
            *lock(&self.clock.0) = Some(Moment(now - Duration::from_secs(10).as_nanos() as u64));
        }
    }

    fn after(&self, scene: &str, _: &Lab) {
        if scene == self.scene {
            *lock(&self.clock.0) = None;
        }
    }
}

/// The subject of the fifth sample.
const SUBJECT: &str = "Subject: Gaskets and barometer have arrived (nothing else to say)\n";

/// A part of the service leaves something of the import in the clear, in the service's folder.
#[derive(Debug)]
struct LeftInTheClear {
    file: &'static str,
    text: &'static str,
}

impl StageHands for LeftInTheClear {
    fn before(&self, scene: &str, lab: &Lab) {
        if scene == "disk" {
            fs::write(lab.layout.service().join(self.file), self.text).expect("written");
        }
    }

    fn after(&self, scene: &str, lab: &Lab) {
        if scene == "disk" {
            fs::remove_file(lab.layout.service().join(self.file)).expect("removed");
        }
    }
}

/// The neighbour calls with the token of the first tenant's administrator: the service takes him for that one.
struct WrongBadge(Mutex<Option<String>>);

impl fmt::Debug for WrongBadge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the first token is the neighbour's too")
    }
}

impl StageHands for WrongBadge {
    fn badge(&self, scene: &str, token: &str) -> Option<String> {
        let first = lock(&self.0).get_or_insert_with(|| token.to_owned()).clone();
        (scene == "neighbour").then_some(first)
    }
}

/// For one scene, a store has none of its tables: what a process that runs sees of a store that is gone.
///
/// (Moving or removing the file would take nothing from a process that has it open.)
struct Emptied {
    scene: &'static str,
    database: fn(&Lab) -> PathBuf,
}

impl Emptied {
    fn at(scene: &'static str, database: fn(&Lab) -> PathBuf) -> Self {
        Self { scene, database }
    }

    fn rename_all(&self, lab: &Lab, from: &str, to: &str) {
        let database = open(&(self.database)(lab));
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                   AND name LIKE ?1 || '%'";
        let mut names = database.prepare(sql).expect("a query");
        let names: Vec<String> = names
            .query_map([from], |row| row.get(0))
            .and_then(Iterator::collect)
            .expect("the names of all tables");
        assert!(!names.is_empty(), "there are tables");
        let renames = names.iter().map(|name| {
            let bare = name.strip_prefix(from).expect("as asked for");
            format!("ALTER TABLE \"{name}\" RENAME TO \"{to}{bare}\";")
        });
        let all = format!("BEGIN IMMEDIATE; {} COMMIT;", renames.collect::<String>());
        database.execute_batch(&all).expect("renamed");
    }
}

impl fmt::Debug for Emptied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a store is empty at {}", self.scene)
    }
}

impl StageHands for Emptied {
    fn before(&self, scene: &str, lab: &Lab) {
        if scene == self.scene {
            self.rename_all(lab, "", "gone_");
        }
    }

    fn after(&self, scene: &str, lab: &Lab) {
        if scene == self.scene {
            self.rename_all(lab, "gone_", "");
        }
    }
}

fn open(path: &Path) -> Connection {
    let database = Connection::open(path).expect("the database");
    database.busy_timeout(LOCK_WAIT).expect("a timeout");
    database
}
