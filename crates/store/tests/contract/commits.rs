//! Commits: expectations, conflicts, many at a time, causes, and what survives.

use freehold_store as store;
use store::{Batch, Cause, CommitError, StoreError, Verdict, verify};

use crate::common::{ITEMS, JOBS, Rig, entry, house, put};
use crate::{conflict, keys};

pub async fn expectations_hold_or_nothing_happens(mut rig: Rig) {
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

pub async fn expectations_look_at_the_state_before_the_batch(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = Batch::new().put(ITEMS, "a", &1).expect_absent(ITEMS, "a");
    store.commit(batch, house()).await.unwrap();
    let batch = Batch::new().delete(ITEMS, "a").expect_version(ITEMS, "a", 1).put(ITEMS, "b", &1);
    store.commit(batch, house()).await.unwrap();
    assert_eq!(keys(&store, "").await, ["b"]);
}

pub async fn an_expectation_may_name_a_row_that_is_not_written(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, JOBS, "lease", &"node 1").await;
    let write = |n: u64| Batch::new().expect_version(JOBS, "lease", 1).put(ITEMS, "a", &n);
    store.commit(write(1), house()).await.unwrap();
    put(&store, JOBS, "lease", &"node 2").await;
    let late = store.commit(write(2), house()).await;
    assert_eq!(late, Err(CommitError::Conflict { table: JOBS, key: "lease".into() }));
    assert_eq!(store.read(ITEMS, "a").await.unwrap().unwrap().parse::<u64>().unwrap(), 1);
}

pub async fn one_of_many_that_race_wins(mut rig: Rig) {
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

pub async fn a_conflict_leaves_its_neighbours_alone(mut rig: Rig) {
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

pub async fn there_is_no_commit_without_a_cause(mut rig: Rig) {
    let store = rig.fresh().await;
    for cause in [Cause::Audited(Vec::new()), Cause::Housekeeping(""), Cause::Housekeeping(" ")] {
        let refused = store.commit(Batch::new().put(ITEMS, "a", &1), cause).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Misuse(_)))), "{refused:?}");
    }
    assert_eq!(store.read(ITEMS, "a").await.unwrap(), None);
}

pub async fn acknowledged_survives_a_crash(mut rig: Rig) {
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

pub async fn scrubbing_loses_nothing(mut rig: Rig) {
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
