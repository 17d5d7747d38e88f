//! The writer thread: it takes the batches that wait and commits them together.
//!
//! Owns group commit. One transaction holds a group of batches; whoever waits is answered after the fsync. A
//! batch's expectations are looked at before it writes anything, so a conflict leaves nothing to take back and
//! does not touch the others (which is why no savepoints are needed). If the transaction itself fails, all of
//! it is undone and every batch of the group is tried alone, so that only the culprit hears of the fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::batch::{Change, Expectation, Prepared};
use crate::error::{CommitError, StoreError};
use crate::limits::{LOCK_WAIT, MAX_GROUP, QUEUE, QUEUE_BYTES};
use crate::sqlite::fault::{Fault, Translate};
use crate::sqlite::reader::head;
use crate::sqlite::statements::{INSERT_RECORD, Statements, VERSION};
use crate::sqlite::{connect, scrub};

pub(crate) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Job>>,
    /// One permit for each byte that may wait.
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Commit(Waiting),
    // both hold off the readers for as long as they run, also when nobody waits for the answer any more
    Scrub(oneshot::Sender<Result<(), StoreError>>, OwnedSemaphorePermit),
    Search(Vec<Vec<u8>>, oneshot::Sender<Result<bool, StoreError>>, OwnedSemaphorePermit),
}

struct Waiting {
    batch: Prepared,
    answer: oneshot::Sender<Result<(), CommitError>>,
    _room: OwnedSemaphorePermit,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        path: PathBuf,
        statements: Arc<Statements>,
        version: u32,
    ) -> Result<Self, StoreError> {
        prepare(&connection).map_err(|fault| fault.at(&path))?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread =
            Thread { connection, path: path.clone(), statements, version, unsaved: 0, stopped: None };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || thread.run(jobs));
        let thread = thread.map_err(|fault| StoreError::Io(format!("cannot start the writer: {fault}")))?;
        Ok(Self { queue: Some(queue), room: Arc::new(Semaphore::new(QUEUE_BYTES)), thread: Some(thread) })
    }

    pub(crate) async fn commit(&self, batch: Prepared) -> Result<(), CommitError> {
        // a batch is at most MAX_BATCH_BYTES, which fits into 32 bits
        let bytes = batch.bytes as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        self.send(Job::Commit(Waiting { batch, answer, _room: room })).await?;
        answered.await.map_err(|_| gone())?
    }

    pub(crate) async fn scrub(&self, alone: OwnedSemaphorePermit) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Scrub(answer, alone)).await?;
        answered.await.map_err(|_| gone())?
    }

    pub(crate) async fn search(
        &self,
        needles: Vec<Vec<u8>>,
        alone: OwnedSemaphorePermit,
    ) -> Result<bool, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Search(needles, answer, alone)).await?;
        answered.await.map_err(|_| gone())?
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(job).await.map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // the thread ends when the queue is closed and empty; the lock of the folder must not go before it
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Down("the writer has stopped".into())
}

struct Thread {
    connection: Connection,
    path: PathBuf,
    statements: Arc<Statements>,
    /// The version of the schema that this program writes.
    version: u32,
    /// Changes since the last checkpoint.
    unsaved: usize,
    /// Why nothing is written any more.
    stopped: Option<StoreError>,
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            match job {
                Job::Scrub(answer, _alone) => {
                    let _ = answer.send(self.scrub());
                }
                Job::Search(needles, answer, _alone) => {
                    let _ = answer.send(self.search(&needles));
                }
                Job::Commit(first) => {
                    let mut group = vec![first];
                    while group.len() < MAX_GROUP {
                        match jobs.try_recv() {
                            Ok(Job::Commit(waiting)) => group.push(waiting),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
            }
            if self.unsaved >= CHECKPOINT_AT || (self.unsaved >= CHECKPOINT_IDLE && jobs.is_empty()) {
                self.checkpoint();
            }
        }
    }

    fn commit(&mut self, group: Vec<Waiting>) {
        let batches: Vec<&Prepared> = group.iter().map(|waiting| &waiting.batch).collect();
        let results = match self.transaction(&batches) {
            Ok(results) => results,
            Err(failed) if batches.len() == 1 => vec![Err(self.give_up(failed).into())],
            Err(failed) => match self.give_up(failed) {
                // nobody of the group is to blame, and each would wait again
                locked @ StoreError::Locked(_) => {
                    batches.iter().map(|_| Err(locked.clone().into())).collect()
                }
                // which batch is to blame is found by trying each one alone
                _ => batches.iter().map(|batch| self.alone(batch)).collect(),
            },
        };
        for (waiting, result) in group.into_iter().zip(results) {
            // whoever stopped waiting does not hear that it happened
            let _ = waiting.answer.send(result);
        }
    }

    fn alone(&mut self, batch: &Prepared) -> Result<(), CommitError> {
        match self.transaction(&[batch]) {
            Ok(mut results) => results.pop().unwrap_or(Ok(())),
            Err(failed) => Err(self.give_up(failed).into()),
        }
    }

    /// Commits the batches in one transaction; an answer for each, or a fault that undid all of them.
    fn transaction(&mut self, batches: &[&Prepared]) -> Result<Vec<Result<(), CommitError>>, Fault> {
        if let Some(stopped) = &self.stopped {
            return Ok(batches.iter().map(|_| Err(stopped.clone().into())).collect());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // a process that slept while a newer one migrated the file must not write the old shape into it
        let found: u32 = transaction.prepare_cached(VERSION)?.query_row([], |row| row.get(0))?;
        if found != self.version {
            drop(transaction);
            self.stop(StoreError::Newer { found, known: self.version });
            return self.transaction(batches);
        }
        let mut results = Vec::with_capacity(batches.len());
        let mut changed = 0;
        for batch in batches {
            results.push(match conflict(&transaction, &self.statements, batch)? {
                Some(conflict) => Err(conflict),
                None => {
                    apply(&transaction, &self.statements, batch)?;
                    changed += batch.changes.len() + batch.records.len();
                    Ok(())
                }
            });
        }
        transaction.commit()?;
        self.unsaved += changed;
        Ok(results)
    }

    /// Translates a fault, and stops the writer when nothing that it writes can be trusted any more.
    fn give_up(&mut self, fault: Fault) -> StoreError {
        let fatal = fault.is_fatal();
        let fault = fault.at(&self.path);
        if fatal {
            self.stop(StoreError::Down(fault.to_string()));
        }
        fault
    }

    fn stop(&mut self, why: StoreError) {
        tracing::error!(%why, "the store writes nothing more until it is opened again");
        self.stopped = Some(why);
    }

    /// Moves what the WAL holds into the database file, so that the next transaction starts the WAL over.
    ///
    /// While somebody reads from the WAL it can only grow. Where reads follow each other without a gap, the
    /// writer therefore waits for a moment without a reader, once the WAL is large.
    fn checkpoint(&mut self) {
        self.unsaved = 0;
        let result = self.move_wal("PASSIVE").and_then(|frames| {
            if frames < WAL_FRAMES {
                return Ok(());
            }
            self.connection.busy_timeout(GAP_WAIT)?;
            let moved = self.move_wal("RESTART");
            self.connection.busy_timeout(LOCK_WAIT)?;
            moved.map(drop)
        });
        if let Err(fault) = result {
            // nothing is lost: it stays in the WAL, and the next checkpoint tries again
            let fault = self.give_up(fault.into());
            tracing::warn!(%fault, "checkpoint failed");
        }
    }

    /// Runs a checkpoint as far as it can; says how many frames the WAL holds.
    fn move_wal(&self, mode: &str) -> rusqlite::Result<i64> {
        self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1))
    }

    fn scrub(&mut self) -> Result<(), StoreError> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        scrub::scrub(&self.connection, &self.path).map_err(|fault| self.give_up(fault))?;
        self.unsaved = 0;
        Ok(())
    }

    /// Searches the files with every connection closed, and opens the writer's again.
    fn search(&mut self, needles: &[Vec<u8>]) -> Result<bool, StoreError> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        let nothing = Connection::open_in_memory().map_err(|fault| self.give_up(fault.into()))?;
        drop(std::mem::replace(&mut self.connection, nothing));
        let found = scrub::search(&self.path, needles);
        let opened = connect(&self.path).and_then(|connection| {
            prepare(&connection).map(|()| connection).map_err(|fault| fault.at(&self.path))
        });
        match opened {
            Ok(connection) => self.connection = connection,
            Err(fault) => self.stop(StoreError::Down(fault.to_string())),
        }
        found
    }
}

/// What a connection needs to be the writer's.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", WRITE_CACHE_KIB)
}

/// The first expectation of a batch that does not hold.
fn conflict(
    connection: &Connection,
    statements: &Statements,
    batch: &Prepared,
) -> rusqlite::Result<Option<CommitError>> {
    for Expectation { table, key, version } in &batch.expectations {
        let mut statement = connection.prepare_cached(&statements.of(*table).version)?;
        let found: Option<u64> = statement.query_row([key], |row| row.get(0)).optional()?;
        if found != *version {
            return Ok(Some(CommitError::Conflict { table: *table, key: key.clone() }));
        }
    }
    Ok(None)
}

/// Writes the rows and records of a batch whose expectations hold.
fn apply(connection: &Connection, statements: &Statements, batch: &Prepared) -> rusqlite::Result<()> {
    for change in &batch.changes {
        match change {
            Change::Put { table, key, body, payload } => {
                let mut statement = connection.prepare_cached(&statements.of(*table).put)?;
                statement.execute(params![key, body, payload.as_deref()])?;
            }
            Change::Delete { table, key } => {
                connection.prepare_cached(&statements.of(*table).delete)?.execute([key])?;
            }
        }
    }
    for record in &batch.records {
        let row = record.seal(head(connection, &record.stream)?.as_ref());
        let mut statement = connection.prepare_cached(INSERT_RECORD)?;
        statement.execute(params![
            row.stream,
            row.seq,
            row.at.0,
            row.operation,
            std::str::from_utf8(&row.body)?,
            row.previous,
            row.hash
        ])?;
    }
    Ok(())
}

/// Changes after which the WAL is written back even under load; each touches a page or two of 4 KiB.
const CHECKPOINT_AT: usize = 8_192;

/// Changes after which the WAL is written back once nobody waits.
const CHECKPOINT_IDLE: usize = 2_048;

/// Frames of the WAL, a page of 4 KiB each, above which the writer waits for a gap between readers.
const WAL_FRAMES: i64 = 8_192;

/// How long it waits for such a gap.
const GAP_WAIT: Duration = Duration::from_millis(100);

/// The writer's page cache, as SQLite writes a size in KiB.
const WRITE_CACHE_KIB: i64 = -64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Cause};
    use crate::schema::{Schema, Table};

    thread_local! {
        /// How often a lock was asked for again.
        static TRIES: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }

    const ITEMS: Table = Table("items");
    const SCHEMA: Schema = Schema { owner: "test", version: 1, tables: &[ITEMS], migrations: &[] };

    fn thread(folder: &tempfile::TempDir) -> Thread {
        let path = folder.path().join("test.db");
        crate::sqlite::make_private(&path).expect("a new file");
        let mut connection = crate::sqlite::connect(&path).expect("a new connection");
        assert!(crate::sqlite::bring_up(&mut connection, &SCHEMA).is_ok());
        let statements = Arc::new(Statements::new(SCHEMA.tables));
        Thread { connection, path, statements, version: 1, unsaved: 0, stopped: None }
    }

    fn waiting(batch: Batch, room: &Arc<Semaphore>) -> (Waiting, oneshot::Receiver<Result<(), CommitError>>) {
        let batch = batch.prepare(Cause::Housekeeping("test"), &SCHEMA).expect("within the bounds");
        let (answer, answered) = oneshot::channel();
        let room = Arc::clone(room).try_acquire_owned().expect("room for the test");
        (Waiting { batch, answer, _room: room }, answered)
    }

    fn commit(thread: &mut Thread, batches: Vec<Batch>) -> Vec<Result<(), CommitError>> {
        let room = Arc::new(Semaphore::new(batches.len()));
        let (group, mut answers): (Vec<_>, Vec<_>) =
            batches.into_iter().map(|batch| waiting(batch, &room)).unzip();
        thread.commit(group);
        answers.iter_mut().map(|answer| answer.try_recv().expect("an answer for each")).collect()
    }

    fn keys(thread: &Thread) -> Vec<String> {
        let mut statement =
            thread.connection.prepare("SELECT key FROM items ORDER BY key").expect("plain SQL");
        let keys = statement.query_map([], |row| row.get(0)).expect("plain SQL");
        keys.collect::<rusqlite::Result<_>>().expect("text")
    }

    fn large(key: &str) -> Batch {
        (0..30).fold(Batch::new(), |batch, i| {
            batch.put_with_payload(ITEMS, format!("{key}/{i}"), &0, vec![7; 60 << 10])
        })
    }

    #[test]
    fn a_full_disk_is_told_to_the_batch_that_does_not_fit_and_to_no_other() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut thread = thread(&folder);
        thread.connection.pragma_update(None, "max_page_count", 100).expect("a bound on the file");
        let small = |key: &str| Batch::new().put(ITEMS, key, &0);
        let taken = small("d").expect_version(ITEMS, "a", 7);
        let answers = commit(&mut thread, vec![small("a"), large("b"), small("c"), taken]);
        let conflict = CommitError::Conflict { table: ITEMS, key: "a".into() };
        assert_eq!(answers, [Ok(()), Err(StoreError::Full.into()), Ok(()), Err(conflict)]);
        assert_eq!(keys(&thread), ["a", "c"], "nothing of the large one is left");

        thread.connection.pragma_update(None, "max_page_count", 10_000).expect("room again");
        assert_eq!(commit(&mut thread, vec![large("b")]), [Ok(())], "the same call succeeds later");
    }

    #[test]
    fn a_conflict_writes_nothing_and_the_group_is_one_transaction() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut thread = thread(&folder);
        let first =
            |key: &str| Batch::new().put(ITEMS, key, &0).expect_absent(ITEMS, "lock").put(ITEMS, "lock", &0);
        let answers = commit(&mut thread, vec![first("a"), first("b"), Batch::new().put(ITEMS, "c", &0)]);
        let conflict = CommitError::Conflict { table: ITEMS, key: "lock".into() };
        assert_eq!(answers, [Ok(()), Err(conflict), Ok(())], "the second sees what the first wrote");
        assert_eq!(keys(&thread), ["a", "c", "lock"]);
    }

    #[test]
    fn a_lock_is_waited_for_once_and_not_by_each_batch() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut thread = thread(&folder);
        let other = rusqlite::Connection::open(&thread.path).expect("another process");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        // counts in place of waiting
        let counting = |_| {
            TRIES.set(TRIES.get() + 1);
            false
        };
        thread.connection.busy_handler(Some(counting)).expect("a handler");
        let answers = commit(&mut thread, (0..9).map(|_| Batch::new()).collect());
        assert!(
            answers.iter().all(|answer| matches!(answer, Err(CommitError::Store(StoreError::Locked(_)))))
        );
        assert_eq!(TRIES.get(), 1);
    }

    #[test]
    fn after_a_fatal_fault_nothing_is_written_any_more() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut thread = thread(&folder);
        let lost = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        let told = thread.give_up(rusqlite::Error::SqliteFailure(lost, None).into());
        assert!(matches!(told, StoreError::Io(_)), "{told:?}");
        let answers = commit(&mut thread, vec![Batch::new().put(ITEMS, "a", &0), Batch::new()]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(CommitError::Store(StoreError::Down(_))))));
        assert!(matches!(thread.scrub(), Err(StoreError::Down(_))));
        assert!(keys(&thread).is_empty());
    }
}
