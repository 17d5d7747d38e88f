//! The writer thread: it takes the batches that wait and commits them together.
//!
//! Owns group commit. One transaction holds a group of batches; whoever waits is answered after the fsync. A
//! batch's expectations are looked at before it writes anything, so a conflict leaves nothing to take back and
//! does not touch the others (which is why no savepoints are needed). If the transaction itself fails, all of
//! it is undone and every batch of the group is tried alone, so that only the culprit hears of the fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::batch::{Change, Expectation, Prepared};
use crate::error::{CommitError, StoreError};
use crate::limits::{MAX_GROUP, QUEUE, QUEUE_BYTES};
use crate::sqlite::fault::Translate;
use crate::sqlite::reader::head;
use crate::sqlite::statements::{INSERT_RECORD, Statements};

pub(crate) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Job>>,
    /// One permit for each byte that may wait.
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Commit(Waiting),
    Scrub(oneshot::Sender<Result<(), StoreError>>),
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
    ) -> Result<Self, StoreError> {
        let failed = |fault: rusqlite::Error| fault.at(&path);
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
        connection.pragma_update(None, "cache_size", WRITE_CACHE_KIB).map_err(failed)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = Thread { connection, path: path.clone(), statements, unsaved: 0, stopped: None };
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

    pub(crate) async fn scrub(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Scrub(answer)).await?;
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
    /// Changes since the last checkpoint.
    unsaved: usize,
    /// Why nothing is written any more.
    stopped: Option<StoreError>,
}

/// Why a transaction failed as a whole.
struct Failed(rusqlite::Error);

impl From<rusqlite::Error> for Failed {
    fn from(fault: rusqlite::Error) -> Self {
        Self(fault)
    }
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            match job {
                Job::Scrub(answer) => {
                    let _ = answer.send(self.scrub());
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
            // which batch is to blame is found by trying each one alone
            Err(failed) => {
                self.give_up(failed);
                batches.iter().map(|batch| self.alone(batch)).collect()
            }
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
    fn transaction(&mut self, batches: &[&Prepared]) -> Result<Vec<Result<(), CommitError>>, Failed> {
        if let Some(stopped) = &self.stopped {
            return Ok(batches.iter().map(|_| Err(stopped.clone().into())).collect());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
    fn give_up(&mut self, Failed(fault): Failed) -> StoreError {
        let lost = fault.lost_sync();
        let fault = fault.at(&self.path);
        if lost || matches!(fault, StoreError::Corrupt(_)) {
            tracing::error!(%fault, "the store stops: it must be opened again");
            self.stopped = Some(StoreError::Down(fault.to_string()));
        }
        fault
    }

    /// Moves what the WAL holds into the database file, as far as no reader needs it.
    fn checkpoint(&mut self) {
        self.unsaved = 0;
        let moved = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(fault) = moved {
            // nothing is lost: it stays in the WAL, and the next checkpoint tries again
            let fault = self.give_up(Failed(fault));
            tracing::warn!(%fault, "checkpoint failed");
        }
    }

    fn scrub(&mut self) -> Result<(), StoreError> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        self.truncate_wal()?;
        self.connection.execute_batch("VACUUM").map_err(|fault| self.give_up(Failed(fault)))?;
        self.truncate_wal()
    }

    fn truncate_wal(&mut self) -> Result<(), StoreError> {
        let busy =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        match busy {
            Ok(false) => {
                self.unsaved = 0;
                Ok(())
            }
            Ok(true) => Err(StoreError::Locked(format!("a reader holds the WAL of {}", self.path.display()))),
            Err(fault) => Err(self.give_up(Failed(fault))),
        }
    }
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
const CHECKPOINT_IDLE: usize = 512;

/// The writer's page cache, as SQLite writes a size in KiB.
const WRITE_CACHE_KIB: i64 = -64 << 10;
