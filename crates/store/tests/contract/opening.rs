//! Opening: owner, version, migrations.

use freehold_store as store;
use serde_json::{Value, json};
use store::{Batch, Cause, Migration, Scan, Schema, Step, StoreError, Table, Verdict, verify};

use crate::common::{ITEMS, JOBS, Rig, SCHEMA, entry, put};

pub async fn another_owner_is_refused(mut rig: Rig) {
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

pub async fn a_newer_version_is_refused(mut rig: Rig) {
    drop(rig.fresh().await);
    drop(rig.open(&LATEST).await.unwrap());
    let refused = rig.open(&NEXT).await.expect_err("the program is too old");
    assert_eq!(refused, StoreError::Newer { found: 3, known: 2 });
    rig.open(&LATEST).await.unwrap();
}

pub async fn migrations_run_once_and_in_order(mut rig: Rig) {
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

pub async fn a_failing_migration_changes_nothing(mut rig: Rig) {
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
