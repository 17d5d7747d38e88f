//! The engine in memory, which fails when it is told to.
//!
//! Owns `Memory` and `Faults`. A commit is applied under one lock, so a reader sees committed states alone. A
//! crash is a commit whose answer never comes: before it became durable, or after.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::time::BoxFuture;

use crate::audit::{AuditRow, Head};
use crate::batch::{Change, Expectation, Prepared};
use crate::engine::Engine;
use crate::error::{CommitError, StoreError};
use crate::row::{From, Row, Stretch, parse};
use crate::schema::{Opening, Schema, Step, Table};
use crate::store::Store;
use crate::traces::contains;

/// Makes a store in memory fail; clones share the store.
#[derive(Debug, Clone)]
pub struct Faults(Memory);

impl Faults {
    pub(crate) fn new(memory: Memory) -> Self {
        Self(memory)
    }

    /// The `nth` commit from now (1 is the next) crashes before it is durable: it is lost, and the store is down.
    pub fn crash_before(&self, nth: u64) {
        let mut state = self.0.state();
        state.crash = Some(Crash { at: state.commits + nth, durable: false });
    }

    /// The `nth` commit from now (1 is the next) crashes after it is durable: it is there, but nobody was told.
    pub fn crash_after(&self, nth: u64) {
        let mut state = self.0.state();
        state.crash = Some(Crash { at: state.commits + nth, durable: true });
    }

    /// Stops the store at once, as a kill between two commits does.
    pub fn crash_now(&self) {
        self.0.state().down = true;
    }

    /// No space is left: commits that write are refused with `Full`, reads go on.
    pub fn fill(&self) {
        self.0.state().full = true;
    }

    /// Space is there again.
    pub fn free(&self) {
        self.0.state().full = false;
    }

    /// Opens the store again after a crash: what was durable is there, and no fault is planned any more.
    ///
    /// Stores that were made from the same call to `memory` work again.
    pub fn restart(&self) {
        let mut state = self.0.state();
        state.down = false;
        state.full = false;
        state.crash = None;
    }

    /// Restarts under a schema, as a newer or older program does.
    pub fn reopen(&self, schema: &Schema) -> Result<Store, StoreError> {
        self.restart();
        self.0.adopt(schema)?;
        Ok(Store::over(schema, &self.0))
    }

    /// How many commits were tried since the store was made.
    pub fn commits(&self) -> u64 {
        self.0.state().commits
    }

    /// Edits a stored audit record behind the store's back, as somebody with SQL could.
    pub fn tamper(&self, stream: &str, seq: u64, edit: impl FnOnce(&mut AuditRow)) {
        let mut state = self.0.state();
        if let Some(row) = state.audit.get_mut(&(stream.to_owned(), seq)) {
            edit(row);
        }
    }

    /// Removes a stored audit record behind the store's back.
    pub fn cut(&self, stream: &str, seq: u64) {
        self.0.state().audit.remove(&(stream.to_owned(), seq));
    }
}

#[derive(Clone)]
pub(crate) struct Memory(Arc<Mutex<State>>);

type Rows = BTreeMap<String, Row>;

#[derive(Default, Clone)]
struct State {
    schema: Option<(String, u32)>,
    tables: BTreeMap<&'static str, Rows>,
    audit: BTreeMap<(String, u64), AuditRow>,
    commits: u64,
    crash: Option<Crash>,
    full: bool,
    down: bool,
}

#[derive(Clone, Copy)]
struct Crash {
    at: u64,
    durable: bool,
}

impl Memory {
    pub(crate) fn open(schema: &Schema) -> Result<Self, StoreError> {
        let memory = Self(Arc::default());
        memory.adopt(schema)?;
        Ok(memory)
    }

    fn adopt(&self, schema: &Schema) -> Result<(), StoreError> {
        let mut state = self.state();
        let found = state.schema.clone();
        match schema.opening(found.as_ref().map(|(owner, version)| (owner.as_str(), *version)))? {
            Opening::Create => {
                state.tables = schema.tables.iter().map(|table| (table.0, Rows::new())).collect();
                state.schema = Some((schema.owner.into(), schema.version));
            }
            Opening::Migrate(migrations) => {
                for migration in migrations {
                    let mut next = state.clone();
                    for step in migration.steps {
                        next.migrate(step)?;
                    }
                    next.schema = Some((schema.owner.into(), migration.to));
                    *state = next;
                }
            }
        }
        if let Some(missing) = schema.tables.iter().find(|table| !state.tables.contains_key(table.0)) {
            return Err(StoreError::Corrupt(format!("table {missing} is missing")));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        let state = self.state();
        state.up()?;
        Ok(look(&state))
    }
}

impl State {
    fn up(&self) -> Result<(), StoreError> {
        if self.down { Err(StoreError::Down("it crashed".into())) } else { Ok(()) }
    }

    fn rows(&self, table: Table) -> Option<&Rows> {
        self.tables.get(table.0)
    }

    fn head(&self, stream: &str) -> Option<Head> {
        let stretch = (stream.to_owned(), 0)..=(stream.to_owned(), u64::MAX);
        self.audit.range(stretch).next_back().map(|(_, row)| row.head())
    }

    fn commit(&mut self, batch: Prepared) -> Result<(), CommitError> {
        self.up()?;
        self.commits += 1;
        let crash = self.crash.filter(|crash| crash.at == self.commits);
        if crash.is_some_and(|crash| !crash.durable) {
            self.down = true;
            self.up()?;
        }
        let result = self.apply(batch);
        if crash.is_some() {
            self.down = true;
            self.up()?;
        }
        result
    }

    fn apply(&mut self, batch: Prepared) -> Result<(), CommitError> {
        for Expectation { table, key, version } in batch.expectations {
            let found = self.rows(table).and_then(|rows| rows.get(&key)).map(|row| row.version);
            if found != version {
                return Err(CommitError::Conflict { table, key });
            }
        }
        if self.full && !(batch.changes.is_empty() && batch.records.is_empty()) {
            return Err(StoreError::Full.into());
        }
        for change in batch.changes {
            match change {
                Change::Put { table, key, body, payload } => {
                    let rows = self.tables.entry(table.0).or_default();
                    let version = rows.get(&key).map_or(1, |row| row.version + 1);
                    rows.insert(key.clone(), Row { key, version, body: body.into_bytes(), payload });
                }
                Change::Delete { table, key } => {
                    self.tables.entry(table.0).or_default().remove(&key);
                }
            }
        }
        for record in batch.records {
            let before = self.head(&record.stream);
            let row = record.seal(before.as_ref());
            self.audit.insert((row.stream.clone(), row.seq), row);
        }
        Ok(())
    }

    fn migrate(&mut self, step: &Step) -> Result<(), StoreError> {
        match step {
            Step::Create(table) => {
                self.tables.insert(table.0, Rows::new());
            }
            Step::Drop(table) => {
                self.tables.remove(table.0);
            }
            Step::Rewrite(table, rewrite) => {
                for row in self.tables.entry(table.0).or_default().values_mut() {
                    let body = rewrite(&row.key, parse("a row's body", &row.body)?);
                    row.body = body.map_err(StoreError::Corrupt)?.to_string().into_bytes();
                }
            }
        }
        Ok(())
    }
}

impl Engine for Memory {
    fn read(&self, table: Table, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(async move {
            self.look(|state| {
                let rows = state.rows(table);
                keys.iter().map(|key| rows.and_then(|rows| rows.get(key)).cloned()).collect()
            })
        })
    }

    fn scan(&self, table: Table, stretch: Stretch) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let from = match &stretch.from {
                From::At(key) => Bound::Included(key.as_str()),
                From::After(key) => Bound::Excluded(key.as_str()),
            };
            let within = |key: &str| stretch.until.as_deref().is_none_or(|until| key < until);
            self.look(|state| {
                let rows = state.rows(table).map(|rows| rows.range::<str, _>((from, Bound::Unbounded)));
                let rows = rows.into_iter().flatten().take_while(|(key, _)| within(key));
                rows.take(stretch.limit as usize).map(|(_, row)| row.clone()).collect()
            })
        })
    }

    fn commit(&self, batch: Prepared) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.state().commit(batch) })
    }

    fn audit(
        &self,
        stream: String,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>> {
        Box::pin(async move {
            let from = Bound::Excluded((stream.clone(), after));
            let until = Bound::Included((stream, u64::MAX));
            self.look(|state| {
                if after == u64::MAX {
                    return Vec::new();
                }
                state.audit.range((from, until)).take(limit as usize).map(|(_, row)| row.clone()).collect()
            })
        })
    }

    fn head(&self, stream: String) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        Box::pin(async move { self.look(|state| state.head(&stream)) })
    }

    fn streams(&self, after: String, limit: u32) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(async move {
            self.look(|state| {
                let mut names: Vec<String> = Vec::new();
                let mut last = after;
                while names.len() < limit as usize {
                    let from = Bound::Excluded((last.clone(), u64::MAX));
                    let Some(((name, _), _)) = state.audit.range((from, Bound::Unbounded)).next() else {
                        break;
                    };
                    names.push(name.clone());
                    last.clone_from(name);
                }
                names
            })
        })
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.look(|_| ()) })
    }

    fn holds(&self, needles: Vec<Vec<u8>>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            self.look(|state| {
                let rows = state.tables.values().flat_map(BTreeMap::values);
                let rows = rows
                    .flat_map(|row| [row.key.as_bytes(), &row.body, row.payload.as_deref().unwrap_or(&[])]);
                let records = state.audit.values().flat_map(|row| [row.operation.as_bytes(), &row.body]);
                rows.chain(records).any(|bytes| needles.iter().any(|needle| contains(bytes, needle)))
            })
        })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}
