//! What every engine must do. Each case runs over each engine; an engine passes all of it or is none.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{ITEMS, JOBS, Rig, SCHEMA, entry, house, put};
use freehold_store as store;
use serde_json::{Value, json};
use store::{
    Batch, Cause, ChainFault, CommitError, Head, MAX_BATCH, MAX_BODY, MAX_KEY, MAX_PAGE, MAX_PAYLOAD,
    Migration, Scan, Schema, Step, Store, StoreError, Table, Verdict, verify,
};

macro_rules! contract {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::Rig::sqlite()).await; })*
        }
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::Rig::memory()).await; })*
        }
    };
}

contract! {
    what_was_put_is_read
    versions_count_puts
    a_put_replaces_the_whole_row
    keys_are_ordered_by_bytes
    a_prefix_bounds_a_scan_exactly
    pages_meet_without_gap_or_double
    read_many_answers_in_order
    expectations_hold_or_nothing_happens
    expectations_look_at_the_state_before_the_batch
    an_expectation_may_name_a_row_that_is_not_written
    one_of_many_that_race_wins
    a_conflict_leaves_its_neighbours_alone
    records_count_up_without_gap_in_each_stream
    records_are_written_with_their_batch_or_not_at_all
    a_whole_stream_verifies
    a_changed_record_is_named
    a_missing_record_is_named
    a_witness_finds_what_the_chain_cannot
    streams_are_listed
    there_is_no_commit_without_a_cause
    bounds_are_refused_by_name
    what_is_at_the_bound_is_taken
    unknown_tables_are_refused
    a_reader_sees_committed_states_only
    acknowledged_survives_a_crash
    another_owner_is_refused
    a_newer_version_is_refused
    migrations_run_once_and_in_order
    a_failing_migration_changes_nothing
    scrubbing_loses_nothing
}

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let scan = Scan { prefix, after: None, limit: MAX_PAGE };
    store.scan(ITEMS, scan).await.unwrap().into_iter().map(|row| row.key).collect()
}

fn conflict(key: &str) -> Result<(), CommitError> {
    Err(CommitError::Conflict { table: ITEMS, key: key.into() })
}

async fn what_was_put_is_read(mut rig: Rig) {
    let store = rig.fresh().await;
    let body = json!({ "text": "Grüße\n\u{1F980}\u{0}", "n": [1, -2.5, null, true], "empty": {} });
    let payload = Bytes::from_static(&[0, 255, 0, 1]);
    let batch = Batch::new()
        .put_with_payload(ITEMS, "t/c/1", &body, payload.clone())
        .put_with_payload(ITEMS, "t/c/2", &Value::Null, Bytes::new())
        .put(ITEMS, "t/c/3", &"");
    store.commit(batch, house()).await.unwrap();

    let first = store.read(ITEMS, "t/c/1").await.unwrap().unwrap();
    assert_eq!((first.key.as_str(), first.version), ("t/c/1", 1));
    assert_eq!(first.parse::<Value>().unwrap(), body);
    assert_eq!(first.payload, Some(payload));
    let second = store.read(ITEMS, "t/c/2").await.unwrap().unwrap();
    assert_eq!(second.body, b"null");
    assert_eq!(second.payload, Some(Bytes::new()), "an empty payload is not the same as none");
    let third = store.read(ITEMS, "t/c/3").await.unwrap().unwrap();
    assert_eq!((third.parse::<String>().unwrap().as_str(), third.payload), ("", None));
    assert_eq!(store.read(ITEMS, "t/c/4").await.unwrap(), None);
    assert_eq!(store.read(JOBS, "t/c/1").await.unwrap(), None, "tables are apart");
}

async fn versions_count_puts(mut rig: Rig) {
    let store = rig.fresh().await;
    for expected in 1..=3 {
        put(&store, ITEMS, "a", &expected).await;
        assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().version, expected);
    }
    let twice = Batch::new().put(ITEMS, "a", &4).put(ITEMS, "a", &5);
    store.commit(twice, house()).await.unwrap();
    assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().version, 5);
    store.commit(Batch::new().delete(ITEMS, "a").put(ITEMS, "a", &6), house()).await.unwrap();
    let row = store.read(ITEMS, "a").await.unwrap().unwrap();
    assert_eq!((row.version, row.parse::<u64>().unwrap()), (1, 6), "a row made again starts at 1");
}

async fn a_put_replaces_the_whole_row(mut rig: Rig) {
    let store = rig.fresh().await;
    store.commit(Batch::new().put_with_payload(ITEMS, "a", &1, &b"sealed"[..]), house()).await.unwrap();
    put(&store, ITEMS, "a", &2).await;
    assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().payload, None);
    store.commit(Batch::new().delete(ITEMS, "a").delete(ITEMS, "never there"), house()).await.unwrap();
    assert_eq!(store.read(ITEMS, "a").await.unwrap(), None);
}

/// Already in the order of their bytes.
const ODD: &[&str] = &[
    "\u{1}",
    " ",
    "!",
    "%",
    "' OR 1=1 --",
    "*",
    "/",
    "//",
    "A",
    "A/\u{10FFFF}",
    "A0",
    "Z",
    "\\",
    "_",
    "a",
    "a ",
    "a/b",
    "a/b/c",
    "a/\u{7F}",
    "a0",
    "aa",
    "\u{7F}",
    "\u{80}",
    "é",
    "\u{7FF}",
    "\u{D7FF}",
    "\u{E000}",
    "\u{FFFF}",
    "\u{10000}",
    "\u{1F980}",
    "\u{10FFFF}",
];

async fn keys_are_ordered_by_bytes(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = ODD.iter().rev().fold(Batch::new(), |batch, key| batch.put(ITEMS, *key, key));
    store.commit(batch, house()).await.unwrap();
    assert_eq!(keys(&store, "").await, ODD);
    for key in ODD {
        let row = store.read(ITEMS, key).await.unwrap().unwrap();
        assert_eq!(row.parse::<String>().unwrap(), *key);
    }
}

async fn a_prefix_bounds_a_scan_exactly(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = ODD.iter().fold(Batch::new(), |batch, key| batch.put(ITEMS, *key, key));
    store.commit(batch, house()).await.unwrap();
    for prefix in ODD.iter().copied().chain(["", "a/", "absent", "A/\u{10FFFF}\u{10FFFF}"]) {
        let expected: Vec<_> = ODD.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(&store, prefix).await.iter().collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

async fn pages_meet_without_gap_or_double(mut rig: Rig) {
    let store = rig.fresh().await;
    let all: Vec<String> = (0..100).map(|i| format!("t/{i:03}")).collect();
    let batch = all.iter().fold(Batch::new().put(ITEMS, "s/z", &0).put(ITEMS, "u/a", &0), |batch, key| {
        batch.put(ITEMS, key, key)
    });
    store.commit(batch, house()).await.unwrap();
    for limit in [1, 7, 50, 100, 101] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let scan = Scan { prefix: "t/", after: seen.last().map(String::as_str), limit };
            let page = store.scan(ITEMS, scan).await.unwrap();
            let end = page.len() < limit as usize;
            seen.extend(page.into_iter().map(|row| row.key));
            if end {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    let page = |after, limit| store.scan(ITEMS, Scan { prefix: "t/", after: Some(after), limit });
    assert_eq!(page("a", 1).await.unwrap()[0].key, "t/000", "a start before the prefix");
    assert_eq!(page("t/0005", 1).await.unwrap()[0].key, "t/001", "a start that is no key");
    assert!(page("u", 9).await.unwrap().is_empty(), "a start behind the prefix");
    assert!(page("t/000", 0).await.unwrap().is_empty());
}

async fn read_many_answers_in_order(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, ITEMS, "a", &1).await;
    put(&store, ITEMS, "b", &2).await;
    let wanted = ["b", "nobody", "a", "b"].map(String::from);
    let rows = store.read_many(ITEMS, &wanted).await.unwrap();
    let bodies: Vec<_> = rows.into_iter().map(|row| row.map(|row| row.parse::<u64>().unwrap())).collect();
    assert_eq!(bodies, [Some(2), None, Some(1), Some(2)]);
    assert!(store.read_many(ITEMS, &[]).await.unwrap().is_empty());
}

async fn expectations_hold_or_nothing_happens(mut rig: Rig) {
    let store = rig.fresh().await;
    let make = || Batch::new().put(ITEMS, "other", &1).expect_absent(ITEMS, "a").put(ITEMS, "a", &1);
    store.commit(make(), house()).await.unwrap();
    assert_eq!(store.commit(make(), house()).await, conflict("a"));
    assert_eq!(
        store.read(ITEMS, "other").await.unwrap().unwrap().version,
        1,
        "nothing of the batch happened"
    );

    let change = |version| Batch::new().expect_version(ITEMS, "a", version).put(ITEMS, "a", &2);
    for wrong in [0, 2, u64::MAX >> 1] {
        assert_eq!(store.commit(change(wrong), house()).await, conflict("a"));
    }
    store.commit(change(1), house()).await.unwrap();
    assert_eq!(store.commit(change(1), house()).await, conflict("a"), "the version has moved on");
    let absent = Batch::new().expect_version(ITEMS, "nobody", 1).delete(ITEMS, "a");
    assert_eq!(store.commit(absent, house()).await, conflict("nobody"));
    assert!(store.read(ITEMS, "a").await.unwrap().is_some());
}

async fn expectations_look_at_the_state_before_the_batch(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = Batch::new().put(ITEMS, "a", &1).expect_absent(ITEMS, "a");
    store.commit(batch, house()).await.unwrap();
    let batch = Batch::new().delete(ITEMS, "a").expect_version(ITEMS, "a", 1).put(ITEMS, "b", &1);
    store.commit(batch, house()).await.unwrap();
    assert_eq!(keys(&store, "").await, ["b"]);
}

async fn an_expectation_may_name_a_row_that_is_not_written(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, JOBS, "lease", &"node 1").await;
    let write = |n: u64| Batch::new().expect_version(JOBS, "lease", 1).put(ITEMS, "a", &n);
    store.commit(write(1), house()).await.unwrap();
    put(&store, JOBS, "lease", &"node 2").await;
    let late = store.commit(write(2), house()).await;
    assert_eq!(late, Err(CommitError::Conflict { table: JOBS, key: "lease".into() }));
    assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().parse::<u64>().unwrap(), 1);
}

async fn one_of_many_that_race_wins(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, ITEMS, "counter", &0u64).await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut won = 0u64;
                while won < 8 {
                    let row = store.read(ITEMS, "counter").await.unwrap().unwrap();
                    let count: u64 = row.parse().unwrap();
                    let batch = Batch::new()
                        .expect_version(ITEMS, "counter", row.version)
                        .put(ITEMS, "counter", &(count + 1))
                        .put(ITEMS, format!("by/{task}/{won}"), &count);
                    match store.commit(batch, Cause::Audited(vec![entry("t", "Count")])).await {
                        Ok(()) => won += 1,
                        Err(CommitError::Conflict { key, .. }) => assert_eq!(key, "counter"),
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let row = store.read(ITEMS, "counter").await.unwrap().unwrap();
    assert_eq!((row.parse::<u64>().unwrap(), row.version), (128, 129));
    assert_eq!(keys(&store, "by/").await.len(), 128);
    let Verdict::Whole(Some(head)) = verify(&store, "t", None).await.unwrap() else {
        panic!("a broken chain")
    };
    assert_eq!(head.seq, 128, "a conflict leaves no record");
}

async fn a_conflict_leaves_its_neighbours_alone(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, ITEMS, "taken", &0).await;
    let tasks: Vec<_> = (0..200)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move {
                let batch = Batch::new().put(ITEMS, format!("n/{i:03}"), &i);
                let batch = if i % 3 == 0 { batch.expect_absent(ITEMS, "taken") } else { batch };
                (i, store.commit(batch, house()).await)
            })
        })
        .collect();
    for task in tasks {
        let (i, result) = task.await.unwrap();
        assert_eq!(result, if i % 3 == 0 { conflict("taken") } else { Ok(()) }, "batch {i}");
    }
    let expected: Vec<_> = (0..200).filter(|i| i % 3 != 0).map(|i| format!("n/{i:03}")).collect();
    assert_eq!(keys(&store, "n/").await, expected);
}

async fn records_count_up_without_gap_in_each_stream(mut rig: Rig) {
    let store = rig.fresh().await;
    let both = vec![entry("t1", "One"), entry("t2", "Two"), entry("t1", "Three")];
    store.commit(Batch::new(), Cause::Audited(both)).await.unwrap();
    store.commit(Batch::new(), Cause::Audited(vec![entry("t1", "Four")])).await.unwrap();

    let rows = store.audit("t1", 0, 10).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.seq, row.operation.as_str())).collect();
    assert_eq!(told, [(1, "One"), (2, "Three"), (3, "Four")]);
    assert_eq!(rows[0].previous, [0; 32]);
    assert_eq!(rows[1].previous, rows[0].hash);
    assert_eq!(rows[2].previous, rows[1].hash);
    assert_eq!(rows[0].parse::<Value>().unwrap()["policy"], "11111111-1111-4111-8111-111111111111");
    assert_eq!(store.audit("t1", 1, 1).await.unwrap(), rows[1..2]);
    assert_eq!(store.audit("t1", 3, 10).await.unwrap(), []);
    assert_eq!(store.audit("t1", u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.audit("t2", 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.audit("t", 0, 10).await.unwrap(), [], "a stream is not a prefix");
    assert_eq!(store.audit_head("t1").await.unwrap(), Some(Head { seq: 3, hash: rows[2].hash }));
    assert_eq!(store.audit_head("t").await.unwrap(), None);
}

async fn records_are_written_with_their_batch_or_not_at_all(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, ITEMS, "a", &1).await;
    let refused = Batch::new().expect_absent(ITEMS, "a").put(ITEMS, "b", &1);
    let result = store.commit(refused, Cause::Audited(vec![entry("t", "Refused")])).await;
    assert_eq!(result, conflict("a"));
    assert_eq!(store.audit_head("t").await.unwrap(), None);
    let done = Batch::new().put(ITEMS, "b", &1);
    store.commit(done, Cause::Audited(vec![entry("t", "Done")])).await.unwrap();
    assert_eq!(store.audit_head("t").await.unwrap().unwrap().seq, 1);
    assert_eq!(keys(&store, "").await, ["a", "b"]);
}

async fn log(store: &Store, stream: &str, count: usize) {
    let entries = (0..count).map(|_| entry(stream, "Read policy")).collect();
    store.commit(Batch::new(), Cause::Audited(entries)).await.unwrap();
}

async fn a_whole_stream_verifies(mut rig: Rig) {
    let store = rig.fresh().await;
    assert_eq!(verify(&store, "t", None).await.unwrap(), Verdict::Whole(None));
    log(&store, "t", MAX_PAGE as usize + 1).await;
    let head = store.audit_head("t").await.unwrap().unwrap();
    assert_eq!(head.seq, u64::from(MAX_PAGE) + 1);
    assert_eq!(verify(&store, "t", Some(&head)).await.unwrap(), Verdict::Whole(Some(head)));
    log(&store, "t", 1).await;
    let Verdict::Whole(Some(later)) = verify(&store, "t", Some(&head)).await.unwrap() else {
        panic!("broken")
    };
    assert_eq!(later.seq, head.seq + 1, "an older head is a witness too");
}

async fn a_changed_record_is_named(mut rig: Rig) {
    let store = rig.fresh().await;
    log(&store, "t", 5).await;
    log(&store, "other", 2).await;
    rig.edit_record("t", 3, "{}");
    let broken = Verdict::Broken { seq: 3, fault: ChainFault::Changed };
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken);
    assert!(matches!(verify(&store, "other", None).await.unwrap(), Verdict::Whole(Some(_))));
    rig.edit_record("t", 5, "{}");
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken, "the first one is named");
}

async fn a_missing_record_is_named(mut rig: Rig) {
    let store = rig.fresh().await;
    log(&store, "t", 5).await;
    rig.cut_record("t", 2);
    let broken = |seq| Verdict::Broken { seq, fault: ChainFault::Missing };
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken(2));
    rig.cut_record("t", 1);
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken(1));
}

async fn a_witness_finds_what_the_chain_cannot(mut rig: Rig) {
    let store = rig.fresh().await;
    log(&store, "t", 3).await;
    let head = store.audit_head("t").await.unwrap().unwrap();
    let forged = Head { seq: 2, hash: [7; 32] };
    let broken = Verdict::Broken { seq: 2, fault: ChainFault::Rewritten };
    assert_eq!(verify(&store, "t", Some(&forged)).await.unwrap(), broken);
    rig.cut_record("t", 3);
    assert!(matches!(verify(&store, "t", None).await.unwrap(), Verdict::Whole(Some(Head { seq: 2, .. }))));
    let broken = Verdict::Broken { seq: 3, fault: ChainFault::Missing };
    assert_eq!(verify(&store, "t", Some(&head)).await.unwrap(), broken);
}

async fn streams_are_listed(mut rig: Rig) {
    let store = rig.fresh().await;
    assert!(store.audit_streams(None, 10).await.unwrap().is_empty());
    for stream in ["b", "a", "a/1", "c", "a"] {
        log(&store, stream, 3).await;
    }
    assert_eq!(store.audit_streams(None, 10).await.unwrap(), ["a", "a/1", "b", "c"]);
    assert_eq!(store.audit_streams(None, 2).await.unwrap(), ["a", "a/1"]);
    assert_eq!(store.audit_streams(Some("a/1"), 2).await.unwrap(), ["b", "c"]);
}

async fn there_is_no_commit_without_a_cause(mut rig: Rig) {
    let store = rig.fresh().await;
    for cause in [Cause::Audited(Vec::new()), Cause::Housekeeping(""), Cause::Housekeeping(" ")] {
        let refused = store.commit(Batch::new().put(ITEMS, "a", &1), cause).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Misuse(_)))), "{refused:?}");
    }
    assert_eq!(store.read(ITEMS, "a").await.unwrap(), None);
}

async fn bounds_are_refused_by_name(mut rig: Rig) {
    let store = rig.fresh().await;
    let long_key = "k".repeat(MAX_KEY + 1);
    let many = (0..=MAX_BATCH).fold(Batch::new(), |batch, i| batch.delete(ITEMS, i.to_string()));
    let heavy = (0..200).fold(Batch::new(), |batch, i| {
        batch.put_with_payload(ITEMS, i.to_string(), &0, vec![0; MAX_PAYLOAD])
    });
    let big = |n| "x".repeat(n);
    for (what, batch) in [
        ("key", Batch::new().put(ITEMS, "", &0)),
        ("key", Batch::new().put(ITEMS, "a\0b", &0)),
        ("key", Batch::new().delete(ITEMS, &long_key)),
        ("key", Batch::new().expect_absent(ITEMS, &long_key)),
        ("body", Batch::new().put(ITEMS, "a", &big(MAX_BODY - 1))),
        ("payload", Batch::new().put_with_payload(ITEMS, "a", &0, vec![0; MAX_PAYLOAD + 1])),
        ("batch", many),
        ("bytes of a batch", heavy),
    ] {
        let Err(CommitError::Store(StoreError::Misuse(text))) = store.commit(batch, house()).await else {
            panic!("{what} over its bound was taken");
        };
        assert!(text.contains(what), "{text}");
    }
    let mut long = entry("t", "Too long");
    long.body = json!(big(MAX_BODY));
    for wrong in [long, entry("", "No stream"), entry("t", ""), entry(&long_key, "Long")] {
        let refused = store.commit(Batch::new(), Cause::Audited(vec![wrong])).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Misuse(_)))), "{refused:?}");
    }
    let page = Scan { prefix: "", after: None, limit: MAX_PAGE + 1 };
    assert!(matches!(store.scan(ITEMS, page).await, Err(StoreError::Misuse(_))));
    assert!(matches!(store.audit("t", 0, MAX_PAGE + 1).await, Err(StoreError::Misuse(_))));
    let wanted = vec!["a".to_owned(); MAX_PAGE as usize + 1];
    assert!(matches!(store.read_many(ITEMS, &wanted).await, Err(StoreError::Misuse(_))));
    assert!(keys(&store, "").await.is_empty());
}

async fn what_is_at_the_bound_is_taken(mut rig: Rig) {
    let store = rig.fresh().await;
    let key = "k".repeat(MAX_KEY);
    let body = "x".repeat(MAX_BODY - 2);
    let batch = Batch::new().put_with_payload(ITEMS, &key, &body, vec![7; MAX_PAYLOAD]);
    store.commit(batch, house()).await.unwrap();
    let row = store.read(ITEMS, &key).await.unwrap().unwrap();
    assert_eq!((row.body.len(), row.payload.unwrap().len()), (MAX_BODY, MAX_PAYLOAD));
    let many = (0..MAX_BATCH).fold(Batch::new(), |batch, i| batch.put(ITEMS, format!("m/{i}"), &i));
    store.commit(many, house()).await.unwrap();
    assert_eq!(keys(&store, "m/").await.len(), MAX_PAGE as usize);
}

async fn unknown_tables_are_refused(mut rig: Rig) {
    let store = rig.fresh().await;
    let unknown = Table("unknown");
    assert!(matches!(store.read(unknown, "a").await, Err(StoreError::Misuse(_))));
    assert!(matches!(store.read(Table("audit"), "a").await, Err(StoreError::Misuse(_))));
    let put = store.commit(Batch::new().put(unknown, "a", &0), house()).await;
    assert!(matches!(put, Err(CommitError::Store(StoreError::Misuse(_)))));
}

async fn a_reader_sees_committed_states_only(mut rig: Rig) {
    let store = rig.fresh().await;
    let many: Vec<String> = (0..60).map(|i| format!("many/{i:02}")).collect();
    let writer = {
        let (store, many) = (store.clone(), many.clone());
        tokio::spawn(async move {
            for n in 0..300u64 {
                let batch = many.iter().fold(Batch::new(), |batch, key| batch.put(ITEMS, key, &n));
                store.commit(batch, house()).await.unwrap();
            }
        })
    };
    let mut last = None;
    while !writer.is_finished() {
        let read = store.read_many(ITEMS, &many).await.unwrap();
        let scan = store.scan(ITEMS, Scan { prefix: "many/", after: None, limit: 99 }).await.unwrap();
        for rows in [read.into_iter().flatten().collect(), scan] {
            let seen: Vec<u64> = rows.iter().map(|row| row.parse().unwrap()).collect();
            assert!(seen.is_empty() || seen.len() == many.len(), "half a batch: {seen:?}");
            assert!(seen.iter().all(|n| *n == seen[0]), "two states in one read: {seen:?}");
            let now = seen.first().copied();
            assert!(now >= last, "a reader went back from {last:?} to {now:?}");
            last = now;
        }
    }
    writer.await.unwrap();
}

async fn acknowledged_survives_a_crash(mut rig: Rig) {
    let mut store = rig.fresh().await;
    for round in 0..4u64 {
        let batch = Batch::new().put_with_payload(ITEMS, format!("r/{round}"), &round, vec![round as u8; 9]);
        store.commit(batch, Cause::Audited(vec![entry("t", "Put")])).await.unwrap();
        store = rig.crash(store).await;
        assert_eq!(keys(&store, "r/").await.len() as u64, round + 1);
        let Verdict::Whole(Some(head)) = verify(&store, "t", None).await.unwrap() else { panic!("broken") };
        assert_eq!(head.seq, round + 1);
    }
}

async fn another_owner_is_refused(mut rig: Rig) {
    drop(rig.fresh().await);
    let vault = Schema { owner: "vault", ..SCHEMA };
    let refused = rig.open(&vault).await.expect_err("it is the service's");
    assert_eq!(refused, StoreError::WrongOwner { found: "service".into(), expected: "vault".into() });
    rig.open(&SCHEMA).await.unwrap();
}

/// Version 2 adds a table and writes a field; version 3 drops what is no longer used.
const SECOND: Migration = Migration {
    to: 2,
    steps: &[
        Step::Create(Table("policies")),
        Step::Rewrite(ITEMS, |key, old| Ok(json!({ "key": key, "was": old, "from": 2 }))),
    ],
};
const THIRD: Migration = Migration {
    to: 3,
    steps: &[
        Step::Drop(JOBS),
        Step::Rewrite(ITEMS, |_, mut old| {
            old["from"] = json!(3);
            Ok(old)
        }),
    ],
};
const NEXT: Schema =
    Schema { version: 2, tables: &[ITEMS, JOBS, Table("policies")], migrations: &[SECOND], ..SCHEMA };
const LATEST: Schema =
    Schema { version: 3, tables: &[ITEMS, Table("policies")], migrations: &[SECOND, THIRD], ..SCHEMA };

async fn a_newer_version_is_refused(mut rig: Rig) {
    drop(rig.fresh().await);
    drop(rig.open(&LATEST).await.unwrap());
    let refused = rig.open(&NEXT).await.expect_err("the program is too old");
    assert_eq!(refused, StoreError::Newer { found: 3, known: 2 });
    rig.open(&LATEST).await.unwrap();
}

async fn migrations_run_once_and_in_order(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch =
        (0..50).fold(Batch::new(), |batch, i| batch.put_with_payload(ITEMS, format!("{i:02}"), &i, vec![i]));
    store.commit(batch, Cause::Audited(vec![entry("t", "Put")])).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let store = rig.open(&LATEST).await.unwrap();
        let rows = store.scan(ITEMS, Scan { prefix: "", after: None, limit: 100 }).await.unwrap();
        assert_eq!(rows.len(), 50);
        let body = json!({ "key": "07", "was": 7, "from": 3 });
        assert_eq!(rows[7].parse::<Value>().unwrap(), body);
        assert_eq!((rows[7].version, rows[7].payload.as_deref()), (1, Some(&[7][..])));
        assert!(store.read(Table("policies"), "a").await.unwrap().is_none());
        assert!(matches!(store.read(JOBS, "a").await, Err(StoreError::Misuse(_))));
        assert!(matches!(verify(&store, "t", None).await.unwrap(), Verdict::Whole(Some(_))));
    }
}

async fn a_failing_migration_changes_nothing(mut rig: Rig) {
    const BAD: Migration = Migration {
        to: 2,
        steps: &[
            Step::Create(Table("policies")),
            Step::Rewrite(
                ITEMS,
                |key, old| if key == "b" { Err("b cannot".into()) } else { Ok(json!([old])) },
            ),
        ],
    };
    let store = rig.fresh().await;
    put(&store, ITEMS, "a", &1).await;
    put(&store, ITEMS, "b", &1).await;
    drop(store);
    let bad = Schema { migrations: &[BAD], ..NEXT };
    assert_eq!(rig.open(&bad).await.expect_err("b cannot"), StoreError::Corrupt("b cannot".into()));
    let store = rig.open(&SCHEMA).await.expect("still version 1");
    assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().body, b"1");
    drop(store);
    rig.open(&NEXT).await.expect("the table of the failed migration is not in the way");
}

async fn scrubbing_loses_nothing(mut rig: Rig) {
    let store = rig.fresh().await;
    for i in 0..20 {
        put(&store, ITEMS, &format!("{i:02}"), &i).await;
    }
    store.commit(Batch::new().delete(ITEMS, "07"), house()).await.unwrap();
    store.scrub().await.unwrap();
    assert!(store.holds(vec![b"none".to_vec(), b"13".to_vec()]).await.unwrap());
    assert!(!store.holds(vec![b"none".to_vec()]).await.unwrap());
    assert_eq!(keys(&store, "").await.len(), 19);
    put(&store, ITEMS, "07", &7).await;
    let store = rig.crash(store).await;
    assert_eq!(keys(&store, "").await.len(), 20);
}
