//! What only the SQLite engine promises: its files, other processes, and what is left of deleted rows.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{ITEMS, JOBS, Rig, SCHEMA, entry, house, put};
use freehold_store as store;
use rusqlite::Connection;
use serde_json::json;
use store::{Batch, Cause, CommitError, Migration, Schema, Step, Store, StoreError, Table};

fn database(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join(common::DATABASE)
}

#[tokio::test]
async fn every_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    // also one that was made with a wide mode
    std::fs::write(database(&folder), b"").unwrap();
    std::fs::set_permissions(database(&folder), std::fs::Permissions::from_mode(0o666)).unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    put(&store, ITEMS, "a", &1).await;
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert_eq!(files, 3, "the database, its WAL and the WAL's index; nothing else");
}

#[tokio::test]
async fn an_operator_can_query_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let batch = Batch::new().put(ITEMS, "t/1", &json!({ "state": "sealed", "size": 5 })).put(
        ITEMS,
        "t/2",
        &json!({}),
    );
    store.commit(batch, Cause::Audited(vec![entry("t", "Put")])).await.unwrap();
    let operator = Connection::open(database(&folder)).unwrap();
    let text = |sql: &str| operator.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("SELECT key FROM items WHERE body ->> 'state' = 'sealed'"), "t/1");
    assert_eq!(text("SELECT operation FROM audit WHERE stream = 't'"), "Put");
    assert_eq!(text("SELECT owner FROM schema"), "service");
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"This is a letter, and not a database at all. It is long enough to have a header of its own.";
    let letter = folder.path().join("letter");
    std::fs::write(&letter, text.repeat(20)).unwrap();
    assert!(matches!(Store::sqlite(&letter, &SCHEMA).await, Err(StoreError::Corrupt(_))));
    assert_eq!(std::fs::read(&letter).unwrap(), text.repeat(20));

    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE photos (name TEXT)").unwrap();
    assert!(matches!(Store::sqlite(&other, &SCHEMA).await, Err(StoreError::Corrupt(_))));

    let nowhere = folder.path().join("missing/folder.db");
    assert!(matches!(Store::sqlite(&nowhere, &SCHEMA).await, Err(StoreError::Io(_))));
}

#[tokio::test]
async fn a_table_that_is_gone_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::sqlite(&database(&folder), &SCHEMA).await.unwrap());
    Connection::open(database(&folder)).unwrap().execute_batch("DROP TABLE jobs").unwrap();
    assert!(matches!(Store::sqlite(&database(&folder), &SCHEMA).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_lock_of_another_process_is_told_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let operator = Connection::open(database(&folder)).unwrap();
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.commit(Batch::new().put(ITEMS, "a", &1), house()).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Locked(_)))), "{refused:?}");
    assert_eq!(store.read(ITEMS, "a").await, Ok(None), "reads go on");
    operator.execute_batch("ROLLBACK").unwrap();
    put(&store, ITEMS, "a", &1).await;
}

#[tokio::test]
async fn two_handles_of_one_file_keep_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let one = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let two = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    for i in 0..20 {
        let (store, other) = if i % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let batch = Batch::new().put(ITEMS, "a", &i);
        store.commit(batch, Cause::Audited(vec![entry("t", "Put")])).await.unwrap();
        assert_eq!(other.read(ITEMS, "a").await.unwrap().unwrap().version, i + 1);
    }
    let verdict = store::verify(&one, "t", None).await.unwrap();
    assert!(matches!(verdict, store::Verdict::Whole(Some(store::Head { seq: 20, .. }))), "{verdict:?}");
}

#[tokio::test]
async fn a_process_that_slept_through_a_migration_writes_nothing() {
    const NEXT: Schema = Schema {
        version: 2,
        migrations: &[Migration { to: 2, steps: &[Step::Rewrite(ITEMS, |_, old| Ok(json!([old])))] }],
        ..SCHEMA
    };
    let folder = tempfile::tempdir().unwrap();
    let old = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    put(&old, ITEMS, "a", &1).await;
    let new = Store::sqlite(&database(&folder), &NEXT).await.unwrap();
    for _ in 0..2 {
        let refused = old.commit(Batch::new().put(ITEMS, "a", &2), house()).await;
        assert_eq!(refused, Err(StoreError::Newer { found: 2, known: 1 }.into()));
    }
    assert_eq!(new.read(ITEMS, "a").await.unwrap().unwrap().body, b"[1]");
}

#[tokio::test]
async fn after_scrubbing_no_file_holds_a_deleted_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let secret = "wrapped-seed-of-a-purged-policy";
    let holds = async |needle: &str| store.holds(vec![needle.as_bytes().to_vec()]).await.unwrap();
    for round in 0..50 {
        let batch = Batch::new()
            .put_with_payload(ITEMS, format!("{round}"), &secret, secret.as_bytes().repeat(100))
            .put(JOBS, format!("{secret}/{round}"), &round);
        store.commit(batch, house()).await.unwrap();
        put(&store, ITEMS, &format!("{round}"), &"overwritten").await;
    }
    put(&store, ITEMS, "stays", &"a row that stays").await;
    assert!(holds(secret).await);
    let gone = (0..25).fold(Batch::new(), |batch, round| batch.delete(JOBS, format!("{secret}/{round}")));
    store.commit(gone, house()).await.unwrap();
    // an operator's tool does not overwrite what it deletes
    let operator = Connection::open(database(&folder)).unwrap();
    operator.execute_batch("PRAGMA secure_delete = OFF; DELETE FROM jobs").unwrap();
    drop(operator);
    assert!(holds(secret).await, "without scrubbing it can still be found");
    store.scrub().await.unwrap();
    assert!(!holds(secret).await);
    assert!(holds("a row that stays").await);
    assert_eq!(store.read(ITEMS, "stays").await.unwrap().unwrap().body, br#""a row that stays""#);
    put(&store, ITEMS, "stays", &"and can be written").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrubbing_and_searching_do_not_disturb_who_reads_and_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    put(&store, ITEMS, &format!("{task}"), &n).await;
                    assert_eq!(store.read(ITEMS, &format!("{task}")).await.unwrap().unwrap().version, n + 1);
                }
            })
        })
        .collect();
    for _ in 0..10 {
        store.scrub().await.unwrap();
        // an abandoned search must not leave the file closed, nor let a reader in while it is
        let abandoned = tokio::spawn({
            let store = store.clone();
            async move { store.holds(vec![b"needle".to_vec()]).await }
        });
        tokio::task::yield_now().await;
        abandoned.abort();
        assert!(!store.holds(vec![b"needle".to_vec()]).await.unwrap());
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_wal_does_not_grow_for_ever() {
    let mut rig = Rig::sqlite();
    let store = rig.fresh().await;
    let wal = rig.path().with_extension("db-wal");
    for _ in 0..40 {
        let batch =
            (0..1000).fold(Batch::new(), |batch, i| batch.put(ITEMS, format!("{i:04}"), &"x".repeat(200)));
        store.commit(batch, house()).await.unwrap();
    }
    let size = std::fs::metadata(wal).unwrap().len();
    assert!(size < 4 << 20, "40,000 changes of 250 bytes left a WAL of {size} bytes");
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&database(&folder), &SCHEMA).await.unwrap();
    let waiting = store.clone();
    let commit = waiting.commit(Batch::new().put(ITEMS, "a", &1), house());
    drop(store);
    commit.await.unwrap();
    drop(waiting);
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, [common::DATABASE], "the WAL was moved in and removed");
}

#[tokio::test]
async fn an_unknown_table_never_reaches_sql() {
    let folder = tempfile::tempdir().unwrap();
    let evil = Schema { tables: &[Table("items\"; DROP TABLE audit; --")], ..SCHEMA };
    assert!(matches!(Store::sqlite(&database(&folder), &evil).await, Err(StoreError::Misuse(_))));
}
