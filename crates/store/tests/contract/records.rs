//! The log: numbers, the chain, and how tampering is found.

use freehold_store as store;
use serde_json::Value;
use store::{Batch, Cause, ChainFault, Head, MAX_PAGE, Store, Verdict, verify};

use crate::common::{ITEMS, Rig, entry, put};
use crate::{conflict, keys};

pub async fn records_count_up_without_gap_in_each_stream(mut rig: Rig) {
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

pub async fn records_are_written_with_their_batch_or_not_at_all(mut rig: Rig) {
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

pub async fn a_whole_stream_verifies(mut rig: Rig) {
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

pub async fn a_changed_record_is_named(mut rig: Rig) {
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

pub async fn a_missing_record_is_named(mut rig: Rig) {
    let store = rig.fresh().await;
    log(&store, "t", 5).await;
    rig.cut_record("t", 2);
    let broken = |seq| Verdict::Broken { seq, fault: ChainFault::Missing };
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken(2));
    rig.cut_record("t", 1);
    assert_eq!(verify(&store, "t", None).await.unwrap(), broken(1));
}

pub async fn a_witness_finds_what_the_chain_cannot(mut rig: Rig) {
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

pub async fn streams_are_listed(mut rig: Rig) {
    let store = rig.fresh().await;
    assert!(store.audit_streams(None, 10).await.unwrap().is_empty());
    for stream in ["b", "a", "a/1", "c", "a"] {
        log(&store, stream, 3).await;
    }
    assert_eq!(store.audit_streams(None, 10).await.unwrap(), ["a", "a/1", "b", "c"]);
    assert_eq!(store.audit_streams(None, 2).await.unwrap(), ["a", "a/1"]);
    assert_eq!(store.audit_streams(Some("a/1"), 2).await.unwrap(), ["b", "c"]);
}
