//! Rows: what is put is read, in the order of the keys' bytes, from one committed state.

use bytes::Bytes;
use freehold_store as store;
use serde_json::{Value, json};
use store::{Batch, Scan};

use crate::common::{ITEMS, JOBS, Rig, house, put};
use crate::keys;

pub async fn what_was_put_is_read(mut rig: Rig) {
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

pub async fn versions_count_puts(mut rig: Rig) {
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

pub async fn a_put_replaces_the_whole_row(mut rig: Rig) {
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

pub async fn keys_are_ordered_by_bytes(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = ODD.iter().rev().fold(Batch::new(), |batch, key| batch.put(ITEMS, *key, key));
    store.commit(batch, house()).await.unwrap();
    assert_eq!(keys(&store, "").await, ODD);
    for key in ODD {
        let row = store.read(ITEMS, key).await.unwrap().unwrap();
        assert_eq!(row.parse::<String>().unwrap(), *key);
    }
}

pub async fn a_prefix_bounds_a_scan_exactly(mut rig: Rig) {
    let store = rig.fresh().await;
    let batch = ODD.iter().fold(Batch::new(), |batch, key| batch.put(ITEMS, *key, key));
    store.commit(batch, house()).await.unwrap();
    for prefix in ODD.iter().copied().chain(["", "a/", "absent", "A/\u{10FFFF}\u{10FFFF}"]) {
        let expected: Vec<_> = ODD.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(&store, prefix).await.iter().collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

pub async fn pages_meet_without_gap_or_double(mut rig: Rig) {
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

pub async fn read_many_answers_in_order(mut rig: Rig) {
    let store = rig.fresh().await;
    put(&store, ITEMS, "a", &1).await;
    put(&store, ITEMS, "b", &2).await;
    let wanted = ["b", "nobody", "a", "b"].map(String::from);
    let rows = store.read_many(ITEMS, &wanted).await.unwrap();
    let bodies: Vec<_> = rows.into_iter().map(|row| row.map(|row| row.parse::<u64>().unwrap())).collect();
    assert_eq!(bodies, [Some(2), None, Some(1), Some(2)]);
    assert!(store.read_many(ITEMS, &[]).await.unwrap().is_empty());
}

pub async fn a_reader_sees_committed_states_only(mut rig: Rig) {
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
