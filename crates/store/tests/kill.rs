//! A process that is killed while it writes: what it acknowledged is there, and the rest is whole or absent.
//!
//! The test starts this program again as a child that writes and tells, kills it, and looks at what is left.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use freehold_store as store;
use futures::TryStreamExt;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{
    AuditEntry, Batch, BlobName, Blobs, Cause, DataLock, Replica, Scan, Schema, Store, StoreError, Table,
};
use store::{Verdict, verify};

const ITEMS: Table = Table("items");
const SCHEMA: Schema = Schema { owner: "service", version: 1, tables: &[ITEMS], migrations: &[] };
const FOLDER: &str = "FREEHOLD_STORE_CHILD";
const WRITERS: u64 = 6;
const ROUNDS: u64 = 10;

#[derive(Serialize, Deserialize)]
struct Item {
    blob: String,
    n: u64,
}

struct House {
    store: Store,
    blobs: Blobs,
    replica: Replica,
    _lock: DataLock,
}

impl House {
    async fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            _lock: DataLock::take(folder)?,
            store: Store::sqlite(&folder.join("service.db"), &SCHEMA).await?,
            blobs: Blobs::folder(&folder.join("blobs")).await?,
            replica: Replica::open(&folder.join("replica")).await?,
        })
    }
}

fn content(writer: u64, n: u64) -> Bytes {
    Bytes::from(vec![(writer * 31 + n) as u8; 1 + (n as usize * 977) % 20_000])
}

fn blob(writer: u64, n: u64) -> BlobName {
    format!("{writer:02x}/{:x}/{n:08x}", n % 5).parse().unwrap()
}

/// Not a test by itself: what the child does until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let house = House::open(Path::new(&folder)).await.unwrap();
        let writing = (0..WRITERS).map(|writer| write(&house, writer));
        futures::future::join_all(writing).await;
    });
}

async fn write(house: &House, writer: u64) {
    let prefix = format!("{writer}/");
    let done = house.store.scan(ITEMS, Scan { prefix: &prefix, after: None, limit: 1_000 }).await.unwrap();
    for n in done.len() as u64.. {
        let name = blob(writer, n);
        if n % 2 == 0 {
            house.blobs.put_many(vec![(name.clone(), content(writer, n))]).await.unwrap();
        } else {
            let mut put = house.blobs.start(&name).await.unwrap();
            put.push(&content(writer, n)).await.unwrap();
            put.finish().await.unwrap();
        }
        let file = json!({ "n": n }).to_string();
        house.replica.put(&format!("w{writer}"), file.as_bytes(), Timestamp(n as i64)).await.unwrap();
        let record = AuditEntry {
            stream: format!("s{}", writer % 2),
            at: Timestamp(n as i64),
            operation: "Put".into(),
            body: json!({ "writer": writer, "n": n }),
        };
        let key = format!("{prefix}{n:06}");
        let batch = Batch::new()
            .expect_absent(ITEMS, &key)
            .put(ITEMS, &key, &Item { blob: name.to_string(), n })
            .put(ITEMS, format!("last/{writer}"), &n);
        house.store.commit(batch, Cause::Audited(vec![record])).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nack {writer} {n}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child until it has told `acks` times, kills it, and says what it told last for each writer.
fn kill_after(folder: &Path, acks: usize) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = BTreeMap::new();
    let mut left = acks;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(told) = line.strip_prefix("ack ") else { continue };
        let (writer, n) = told.split_once(' ').unwrap();
        last.insert(writer.parse().unwrap(), n.parse().unwrap());
        // it goes on writing meanwhile; what it still tells until it is dead counts too
        left = left.saturating_sub(1);
        if left == 0 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(!last.is_empty(), "the child wrote something");
    last
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_after(folder.path(), 1 + (round as usize * 37) % 90));
        runtime.block_on(look(folder.path(), &acknowledged));
    }
}

async fn look(folder: &Path, acknowledged: &BTreeMap<u64, u64>) {
    let house = House::open(folder).await.expect("the lock of a dead process is free, and everything opens");
    let left = std::fs::read_dir(folder.join("blobs/staging")).unwrap().count();
    assert_eq!(left, 0, "unfinished blobs are collected");

    let mut rows = 0;
    let mut named = Vec::new();
    for writer in 0..WRITERS {
        let prefix = format!("{writer}/");
        let found =
            house.store.scan(ITEMS, Scan { prefix: &prefix, after: None, limit: 1_000 }).await.unwrap();
        let told = acknowledged.get(&writer).map_or(0, |n| n + 1);
        let count = found.len() as u64;
        assert!(count == told || count == told + 1, "writer {writer}: told {told}, found {count}");
        for (n, row) in found.iter().enumerate() {
            let item: Item = row.parse().unwrap();
            assert_eq!((item.n, row.version), (n as u64, 1));
            let name: BlobName = item.blob.parse().unwrap();
            let bytes = house.blobs.read(&name).await.unwrap().expect("a row's blob is there");
            assert_eq!(bytes, content(writer, n as u64), "{name}");
            named.push(name);
        }
        if let Some(last) = count.checked_sub(1) {
            let row = house.store.read(ITEMS, &format!("last/{writer}")).await.unwrap().unwrap();
            assert_eq!(
                (row.parse::<u64>().unwrap(), row.version),
                (last, count),
                "both rows of a batch or none"
            );
            let file = house.replica.read(&format!("w{writer}")).await.unwrap().unwrap();
            let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
            assert!(file["n"].as_u64() >= Some(last), "{file}");
        }
        rows += count;
    }
    let mut records = 0;
    for stream in ["s0", "s1"] {
        match verify(&house.store, stream, None).await.unwrap() {
            Verdict::Whole(head) => records += head.map_or(0, |head| head.seq),
            broken => panic!("{stream}: {broken:?}"),
        }
    }
    assert_eq!(records, rows, "each batch with its record");

    let all: Vec<BlobName> = house.blobs.list_older(Timestamp(i64::MAX)).try_collect().await.unwrap();
    let orphans = all.iter().filter(|name| !named.contains(name)).count() as u64;
    assert!(orphans <= WRITERS, "at most what was under way: {orphans}");
}
