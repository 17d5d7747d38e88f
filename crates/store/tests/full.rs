//! A disk that is really full: told as `Full`, nothing half-written, and all is well once there is space.
//!
//! The test runs itself again inside a user namespace with a tiny file system of its own. Where the machine
//! does not allow that, it says so; the engines' own bounds are tested elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use freehold_store as store;
use model::time::Timestamp;
use store::{
    Batch, BlobName, Blobs, Cause, CommitError, DataLock, Replica, Scan, Schema, Store, StoreError, Table,
};

const ITEMS: Table = Table("items");
const SCHEMA: Schema = Schema { owner: "service", version: 1, tables: &[ITEMS], migrations: &[] };
const FOLDER: &str = "FREEHOLD_SMALL_DISK";
const MOUNT: &str = r#"mount -t tmpfs -o size=4m tmpfs "$1" || exit 77; exec "$2" child --exact --nocapture"#;

/// What the shell ends with if it may not mount.
const NO_MOUNT: i32 = 77;

#[test]
fn a_full_disk_is_told_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--mount", "--map-root-user", "sh", "-c", MOUNT, "sh"])
        .args([folder.path(), &std::env::current_exe().unwrap()])
        .env(FOLDER, folder.path())
        .output();
    let Ok(output) = output else { return eprintln!("not checked: no `unshare` on this machine") };
    let (told, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NO_MOUNT) || faults.starts_with("unshare:") {
        return eprintln!("not checked: this machine allows no file system of our own: {faults}");
    }
    assert!(told.contains("small disk: done"), "{}\n{told}\n{faults}", output.status);
}

/// Not a test by itself: what runs on the small disk.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fill_and_free(Path::new(&folder)));
    println!("\nsmall disk: done");
}

/// Takes all the space that is left, to the last block.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut ballast = std::fs::File::create(&path).unwrap();
    while std::io::Write::write(&mut ballast, &[0; 4096]).is_ok() {}
    path
}

async fn fill_and_free(folder: &Path) {
    let _lock = DataLock::take(folder).unwrap();
    let store = Store::sqlite(&folder.join("service.db"), &SCHEMA).await.unwrap();
    let blobs = Blobs::folder(&folder.join("blobs")).await.unwrap();
    let replica = Replica::open(&folder.join("replica")).await.unwrap();
    let name: BlobName = "a/1".parse().unwrap();
    let large = |n: u64| {
        (0..20).fold(Batch::new(), |batch, i| {
            batch.put_with_payload(ITEMS, format!("{n}/{i}"), &n, vec![n as u8; 8 << 10])
        })
    };
    let house = || Cause::Housekeeping("test");
    store.commit(large(0), house()).await.unwrap();
    blobs.put_many(vec![(name.clone(), Bytes::from_static(b"first"))]).await.unwrap();
    replica.put("dep", b"first", Timestamp(1)).await.unwrap();

    for round in 1..4 {
        let ballast = fill(folder);
        // the WAL may still have room from before; then it is used up first
        let mut told = Ok(());
        for n in 0..50 {
            told = store.commit(large(round * 100 + n), house()).await;
            if told.is_err() {
                break;
            }
        }
        assert_eq!(told, Err(CommitError::Store(StoreError::Full)));
        let many =
            vec![(name.clone(), Bytes::from(vec![1; 100_000])), ("a/2".parse().unwrap(), Bytes::new())];
        assert_eq!(blobs.put_many(many).await, Err(StoreError::Full));
        let mut put = blobs.start(&name).await.unwrap();
        let mut pushed = Ok(());
        for _ in 0..20 {
            pushed = pushed.and(put.push(&[2; 100_000]).await);
        }
        assert_eq!(pushed, Err(StoreError::Full));
        assert!(put.finish().await.is_err(), "a blob with a hole is never named");
        assert_eq!(replica.put("dep", &[round as u8; 9_000], Timestamp(9)).await, Err(StoreError::Full));

        let other = Store::sqlite(&folder.join("other.db"), &SCHEMA).await;
        assert_eq!(other.map(drop), Err(StoreError::Full), "a database cannot be made either");
        // reads go on, and what was there before is untouched
        assert_eq!(
            blobs.read(&name).await.unwrap().unwrap(),
            if round == 1 { &b"first"[..] } else { b"later" }
        );
        assert!(replica.read("dep").await.unwrap().is_some());
        assert_eq!(
            std::fs::read_dir(folder.join("blobs/staging")).unwrap().count(),
            0,
            "no partial file is left"
        );
        let rows = store.scan(ITEMS, Scan { prefix: "0/", after: None, limit: 100 }).await.unwrap();
        assert_eq!(rows.len(), 20);
        let whole = store.scan(ITEMS, Scan { prefix: "", after: None, limit: 1_000 }).await.unwrap();
        assert_eq!(whole.len() % 20, 0, "no batch is there in part");

        std::fs::remove_file(ballast).unwrap();
        let gone = whole.iter().filter(|row| !row.key.starts_with("0/"));
        let gone = gone.fold(Batch::new(), |batch, row| batch.delete(ITEMS, &row.key));
        store.commit(gone, house()).await.unwrap();
        store.scrub().await.unwrap();
        store.commit(large(round), house()).await.unwrap();
        blobs.put_many(vec![(name.clone(), Bytes::from_static(b"later"))]).await.unwrap();
        replica.put("dep", &[round as u8; 100], Timestamp(round as i64)).await.unwrap();
    }
    assert_eq!(replica.history("dep").await.unwrap().len(), 3, "a refused put adds nothing to the history");
}
