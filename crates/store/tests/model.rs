//! Random histories against a simple model: acknowledged is never lost, nothing is half visible, and batches
//! that are committed together end as if they had come one after the other.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::{ITEMS, JOBS, Rig, entry, house};
use freehold_store as store;
use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use store::{Batch, Cause, CommitError, MAX_PAGE, Scan, Store, StoreError, Table, Verdict, verify};

/// Few keys, so that batches meet; some are prefixes of others.
const KEYS: &[&str] = &["a", "a/", "a/1", "a/10", "a/2", "b", "b/\u{10FFFF}", "é"];
const STREAMS: &[&str] = &["t1", "t2"];

#[derive(Debug, Clone)]
enum Act {
    Put { table: bool, key: usize, payload: Option<u8> },
    Delete { table: bool, key: usize },
}

#[derive(Debug, Clone)]
struct Plan {
    /// Expectations that hold when the batch comes alone; `spoil` makes the first one wrong.
    expect: Vec<(bool, usize)>,
    spoil: bool,
    acts: Vec<Act>,
    records: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Op {
    Commit(Plan),
    Together(Vec<Plan>),
    /// In memory: the commit dies before or after it is durable. In SQLite: a commit, then a crash.
    CrashIn(Plan, bool),
    Crash,
    /// In memory only: no space for one commit.
    Full(Plan),
    Page {
        table: bool,
        prefix: usize,
        after: Option<usize>,
        limit: u32,
    },
}

fn plans() -> impl Strategy<Value = Plan> {
    let key = 0..KEYS.len();
    let put = (any::<bool>(), key.clone(), any::<Option<u8>>());
    let act = prop_oneof![
        3 => put.prop_map(|(table, key, payload)| Act::Put { table, key, payload }),
        1 => (any::<bool>(), key.clone()).prop_map(|(table, key)| Act::Delete { table, key }),
    ];
    let records = vec(0..STREAMS.len(), 0..3);
    (vec((any::<bool>(), key), 0..3), proptest::bool::weighted(0.2), vec(act, 0..5), records)
        .prop_map(|(expect, spoil, acts, records)| Plan { expect, spoil, acts, records })
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => plans().prop_map(Op::Commit),
        3 => vec(plans(), 2..8).prop_map(Op::Together),
        1 => (plans(), any::<bool>()).prop_map(|(plan, durable)| Op::CrashIn(plan, durable)),
        1 => Just(Op::Crash),
        1 => plans().prop_map(Op::Full),
        3 => (any::<bool>(), 0..KEYS.len(), proptest::option::of(0..KEYS.len()), 0..5u32)
            .prop_map(|(table, prefix, after, limit)| Op::Page { table, prefix, after, limit }),
    ]
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<(&'static str, &'static str), (u64, u64, Option<Bytes>)>,
    streams: BTreeMap<&'static str, u64>,
    /// Every put writes another number.
    written: u64,
}

fn table(second: bool) -> Table {
    if second { JOBS } else { ITEMS }
}

impl Model {
    fn version(&self, second: bool, key: usize) -> Option<u64> {
        self.rows.get(&(table(second).0, KEYS[key])).map(|row| row.0)
    }

    /// The batch as a caller builds it who has just read this state; `written` numbers its puts.
    fn batch(&self, plan: &Plan, mut written: u64) -> Batch {
        let mut batch = Batch::new();
        for (i, (second, key)) in plan.expect.iter().enumerate() {
            let (table, key, found) = (table(*second), KEYS[*key], self.version(*second, *key));
            batch = match (found, plan.spoil && i == 0) {
                (None, false) => batch.expect_absent(table, key),
                (None, true) => batch.expect_version(table, key, 1),
                (Some(version), false) => batch.expect_version(table, key, version),
                (Some(version), true) => batch.expect_version(table, key, version + 1),
            };
        }
        for act in &plan.acts {
            batch = match act {
                Act::Put { table: second, key, payload } => {
                    written += 1;
                    let (table, key) = (table(*second), KEYS[*key]);
                    match payload {
                        Some(byte) => batch.put_with_payload(table, key, &written, vec![*byte; 3]),
                        None => batch.put(table, key, &written),
                    }
                }
                Act::Delete { table: second, key } => batch.delete(table(*second), KEYS[*key]),
            };
        }
        batch
    }

    fn apply(&mut self, plan: &Plan) {
        for act in &plan.acts {
            match act {
                Act::Put { table: second, key, payload } => {
                    self.written += 1;
                    let version = self.version(*second, *key).unwrap_or(0) + 1;
                    let payload = payload.map(|byte| Bytes::from(vec![byte; 3]));
                    self.rows.insert((table(*second).0, KEYS[*key]), (version, self.written, payload));
                }
                Act::Delete { table: second, key } => {
                    self.rows.remove(&(table(*second).0, KEYS[*key]));
                }
            }
        }
        for stream in &plan.records {
            *self.streams.entry(STREAMS[*stream]).or_default() += 1;
        }
    }

    /// What the engine must answer to a batch that was built while `seen` was the state.
    fn answer(&self, seen: &Self, plan: &Plan) -> Result<(), CommitError> {
        for (i, (second, key)) in plan.expect.iter().enumerate() {
            let expected = match (seen.version(*second, *key), plan.spoil && i == 0) {
                (found, false) => found,
                (found, true) => Some(found.unwrap_or(0) + 1),
            };
            if self.version(*second, *key) != expected {
                return Err(CommitError::Conflict { table: table(*second), key: KEYS[*key].into() });
            }
        }
        Ok(())
    }

    /// Everything that the store holds, read as a caller reads it.
    async fn read(store: &Store, written: u64) -> Self {
        let mut found = Self { written, ..Self::default() };
        for table in [ITEMS, JOBS] {
            for row in store.scan(table, Scan { prefix: "", after: None, limit: MAX_PAGE }).await.unwrap() {
                let key = KEYS.iter().find(|key| **key == row.key).expect("one of ours");
                found.rows.insert((table.0, key), (row.version, row.parse().unwrap(), row.payload));
            }
        }
        for stream in STREAMS {
            match verify(store, stream, None).await.unwrap() {
                Verdict::Whole(None) => {}
                Verdict::Whole(Some(head)) => {
                    found.streams.insert(stream, head.seq);
                }
                broken => panic!("{stream}: {broken:?}"),
            }
        }
        found
    }
}

fn cause(plan: &Plan) -> Cause {
    if plan.records.is_empty() {
        return house();
    }
    Cause::Audited(plan.records.iter().map(|stream| entry(STREAMS[*stream], "Act")).collect())
}

/// A batch changes what it says, or is refused, as the model has it.
async fn commit(store: &Store, model: &mut Model, plan: &Plan) -> Result<(), CommitError> {
    let answer = store.commit(model.batch(plan, model.written), cause(plan)).await;
    let expected = model.answer(model, plan);
    if expected.is_ok() && answer.is_ok() {
        model.apply(plan);
    }
    if matches!(answer, Ok(()) | Err(CommitError::Conflict { .. })) {
        assert_eq!(answer, expected);
    }
    answer
}

async fn run(mut rig: Rig, history: &[Op]) {
    let mut store = rig.fresh().await;
    let mut model = Model::default();
    for op in history {
        match op {
            Op::Commit(plan) => {
                let answer = commit(&store, &mut model, plan).await;
                assert!(matches!(answer, Ok(()) | Err(CommitError::Conflict { .. })), "{answer:?}");
            }
            Op::Together(plans) => {
                // all are built on the same state, and they reach the engine in this order
                let seen = model.clone();
                let mut written = seen.written;
                let mut calls = Vec::new();
                for plan in plans {
                    calls.push(store.commit(seen.batch(plan, written), cause(plan)));
                    written += plan.acts.len() as u64;
                }
                let answers = join_all(calls).await;
                written = seen.written;
                for (plan, answer) in plans.iter().zip(answers) {
                    assert_eq!(answer, model.answer(&seen, plan));
                    if answer.is_ok() {
                        model.written = written;
                        model.apply(plan);
                    }
                    written += plan.acts.len() as u64;
                }
                model.written = written;
            }
            Op::CrashIn(plan, durable) => {
                if let Rig::Memory(Some(faults)) = &rig {
                    if *durable {
                        faults.crash_after(1)
                    } else {
                        faults.crash_before(1)
                    }
                    let happens = *durable && model.answer(&model, plan).is_ok();
                    let answer = commit(&store, &mut model, plan).await;
                    assert!(matches!(answer, Err(CommitError::Store(StoreError::Down(_)))), "{answer:?}");
                    if happens {
                        model.apply(plan);
                    }
                } else {
                    let _ = commit(&store, &mut model, plan).await;
                }
                store = rig.crash(store).await;
            }
            Op::Crash => store = rig.crash(store).await,
            Op::Full(plan) => {
                if let Rig::Memory(Some(faults)) = &rig {
                    faults.fill();
                    let answer = store.commit(model.batch(plan, model.written), cause(plan)).await;
                    let harmless = plan.acts.is_empty() && plan.records.is_empty();
                    match model.answer(&model, plan) {
                        Ok(()) if !harmless => assert_eq!(answer, Err(StoreError::Full.into())),
                        expected => assert_eq!(answer, expected),
                    }
                    faults.free();
                }
            }
            Op::Page { table: second, prefix, after, limit } => {
                let (prefix, after) = (KEYS[*prefix], after.map(|key| KEYS[key]));
                let page = store.scan(table(*second), Scan { prefix, after, limit: *limit }).await.unwrap();
                let page: Vec<_> = page.into_iter().map(|row| row.key).collect();
                let within = model.rows.keys().filter(|(of, _)| *of == table(*second).0).map(|(_, key)| *key);
                let within =
                    within.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| *key > after));
                assert_eq!(page, within.take(*limit as usize).collect::<Vec<_>>());
            }
        }
        assert_eq!(Model::read(&store, model.written).await, model, "after {op:?}");
    }
}

fn play(rig: Rig, history: &[Op]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(run(rig, history));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_keeps_to_the_model(history in vec(ops(), 1..40)) {
        play(Rig::memory(), &history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_keeps_to_the_model(history in vec(ops(), 1..30)) {
        play(Rig::sqlite(), &history);
    }
}
