//! Bounds: what is over one is refused by name, what is at one is taken.

use freehold_store as store;
use serde_json::json;
use store::{
    Batch, Cause, CommitError, MAX_BATCH, MAX_BODY, MAX_KEY, MAX_PAGE, MAX_PAYLOAD, Scan, StoreError, Table,
};

use crate::common::{ITEMS, Rig, entry, house};
use crate::keys;

pub async fn bounds_are_refused_by_name(mut rig: Rig) {
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

pub async fn what_is_at_the_bound_is_taken(mut rig: Rig) {
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

pub async fn unknown_tables_are_refused(mut rig: Rig) {
    let store = rig.fresh().await;
    let unknown = Table("unknown");
    assert!(matches!(store.read(unknown, "a").await, Err(StoreError::Misuse(_))));
    assert!(matches!(store.read(Table("audit"), "a").await, Err(StoreError::Misuse(_))));
    let put = store.commit(Batch::new().put(unknown, "a", &0), house()).await;
    assert!(matches!(put, Err(CommitError::Store(StoreError::Misuse(_)))));
}
