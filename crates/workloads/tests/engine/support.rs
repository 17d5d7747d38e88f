//! What the tests stand on: a double of custody with real keys, and a world of engine, store and blobs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crypto::testing::SeededRandom;
use crypto::{Container, Key};
use custody::service::{Family, Keys, Lease, Opened, Standing};
use freehold_workloads::{
    Acknowledged, Content, Engine, Entry, Holder, HolderKind, Item, Kind, Name, Put, Stopped, Summary,
    Written,
};
use futures::{StreamExt, stream};
use model::caller::{Caller, Initiator, Principal};
use model::id::{ContainerId, DepId, Generation, ObjectId, RequestId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::{BoxFuture, Clock, ManualClock, Moment, Timestamp};
use store::{Blobs, Faults, Schema, Store};

/// A moment later than every blob that a test can write.
pub(crate) const YEAR_2100: Timestamp = Timestamp(4_102_444_800_000);

/// The database that an engine needs.
pub(crate) const SCHEMA: Schema =
    Schema { owner: "service", version: 1, tables: freehold_workloads::TABLES, migrations: &[] };

/// Custody as a workload sees it, with switches.
#[derive(Debug)]
pub(crate) struct TestKeys(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: SeededRandom,
    containers: HashMap<(TenantId, ContainerId), Vec<Arc<Key<Container>>>>,
    refused: Option<Code>,
    /// Leases of an older epoch have ended.
    epoch: u64,
    /// After so many uses of leases all of them end, and what custody says from then on.
    ending: Option<(u64, Option<Code>)>,
    asked: u64,
}

impl TestKeys {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: SeededRandom::new(seed),
            containers: HashMap::new(),
            refused: None,
            epoch: 0,
            ending: None,
            asked: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the keys")
    }

    /// Every call is refused from now on, and every lease has ended.
    pub(crate) fn refuse(&self, code: Code) {
        let mut state = self.state();
        state.refused = Some(code);
        state.epoch += 1;
    }

    /// Every call is answered again.
    pub(crate) fn restore(&self) {
        let mut state = self.state();
        (state.refused, state.ending) = (None, None);
    }

    /// All leases end after `uses` more uses of a key; `then` is what custody says to whoever asks again.
    pub(crate) fn end_leases_after(&self, uses: u64, then: Option<Code>) {
        self.state().ending = Some((uses, then));
    }

    /// New content is sealed under a new generation from now on.
    pub(crate) fn next_generation(&self, caller: &Caller, container: ContainerId) {
        let mut state = self.state();
        let key = Arc::new(Key::generate(&state.random));
        state.containers.get_mut(&(caller.tenant, container)).expect("it was created").push(key);
    }

    /// How often custody was asked for a key.
    pub(crate) fn asked(&self) -> u64 {
        self.state().asked
    }

    fn opened(
        &self,
        caller: &Caller,
        container: ContainerId,
        generation: Option<u32>,
    ) -> Result<Opened, Refusal> {
        let mut state = self.state();
        state.asked += 1;
        state.check()?;
        let keys = state.containers.get(&(caller.tenant, container));
        let keys = keys.ok_or_else(|| Refusal::new(Code::NotFound, "no such container"))?;
        let number = generation.unwrap_or(keys.len() as u32);
        let key = keys.get(number as usize - 1).ok_or_else(|| Refusal::new(Code::NotFound, "no such key"))?;
        let lease = TestLease { key: key.clone(), epoch: state.epoch, state: self.0.clone() };
        Ok(Opened::new(Generation(number), Box::new(lease)))
    }
}

impl State {
    fn check(&self) -> Result<(), Refusal> {
        self.refused.map_or(Ok(()), |code| Err(Refusal::new(code, "custody says no")))
    }

    fn standing(&self, keys: usize) -> Standing {
        let generation = Generation(keys as u32);
        let covering = DepId::from_random([3; 16]);
        Standing {
            assigned: None,
            covering,
            effective: None,
            provider_managed: true,
            generation,
            pending: false,
        }
    }
}

impl Keys for TestKeys {
    fn create<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        _family: Family,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        Box::pin(async move {
            let mut state = self.state();
            state.check()?;
            if state.containers.contains_key(&(caller.tenant, container)) {
                return Err(Refusal::new(Code::Conflict, "it exists"));
            }
            let key = Arc::new(Key::generate(&state.random));
            state.containers.insert((caller.tenant, container), vec![key]);
            Ok(state.standing(1))
        })
    }

    fn seal<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Opened, Refusal>> {
        Box::pin(async move { self.opened(caller, container, None) })
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
        generation: Generation,
    ) -> BoxFuture<'a, Result<Opened, Refusal>> {
        Box::pin(async move { self.opened(caller, container, Some(generation.0)) })
    }

    fn rewrap<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        self.standing(caller, container)
    }

    fn standing<'a>(
        &'a self,
        caller: &'a Caller,
        container: ContainerId,
    ) -> BoxFuture<'a, Result<Standing, Refusal>> {
        Box::pin(async move {
            let state = self.state();
            let keys = state.containers.get(&(caller.tenant, container));
            let keys = keys.ok_or_else(|| Refusal::new(Code::NotFound, "no such container"))?;
            Ok(state.standing(keys.len()))
        })
    }
}

#[derive(Debug)]
struct TestLease {
    key: Arc<Key<Container>>,
    epoch: u64,
    state: Arc<Mutex<State>>,
}

impl Lease for TestLease {
    fn key(&self) -> Result<&Key<Container>, Refusal> {
        let mut state = self.state.lock().expect("no test panics while it holds the keys");
        match state.ending {
            Some((0, then)) => {
                state.epoch += 1;
                (state.ending, state.refused) = (None, then);
            }
            Some((uses, then)) => state.ending = Some((uses - 1, then)),
            None => {}
        }
        if self.epoch < state.epoch {
            return Err(Refusal::new(Code::RefusedByCustomer, "the lease has ended"));
        }
        Ok(&self.key)
    }

    fn not_after(&self) -> Moment {
        Moment(u64::MAX)
    }
}

/// An engine on a store, with everything that it was given.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) keys: Arc<TestKeys>,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: ManualClock,
}

impl World {
    /// In memory, with a store that can be told to fail.
    pub(crate) fn memory(seed: u64) -> (Self, Faults) {
        let (store, faults) = Store::memory(&SCHEMA);
        (Self::over(seed, store, Blobs::memory()), faults)
    }

    /// SQLite and a folder of blobs.
    pub(crate) async fn disk(seed: u64, folder: &Path) -> Self {
        let store = Store::sqlite(&folder.join("service.db"), &SCHEMA).await.expect("a database");
        let blobs = Blobs::folder(&folder.join("blobs")).await.expect("a folder of blobs");
        Self::over(seed, store, blobs)
    }

    fn over(seed: u64, store: Store, blobs: Blobs) -> Self {
        let clock = ManualClock::at(YEAR_2100);
        let keys = Arc::new(TestKeys::new(seed));
        let random = Arc::new(SeededRandom::new(seed + 1));
        let engine =
            Engine::open(store.clone(), blobs.clone(), keys.clone(), Arc::new(clock.clone()), random);
        Self { engine, keys, store, blobs, clock }
    }

    /// The engine of a process that was started again on the same data; ids go on from another randomness.
    pub(crate) fn restarted(self, seed: u64) -> Self {
        let Self { keys, store, blobs, clock, .. } = self;
        let random = Arc::new(SeededRandom::new(seed));
        clock.advance(std::time::Duration::from_secs(60));
        let engine =
            Engine::open(store.clone(), blobs.clone(), keys.clone(), Arc::new(clock.clone()), random);
        Self { engine, keys, store, blobs, clock }
    }

    /// A mailbox of this address.
    pub(crate) async fn mailbox(&self, caller: &Caller, address: &str) -> Holder {
        let name = HolderKind::Mailbox.name(address).expect("an address");
        self.engine.create_holder(caller, HolderKind::Mailbox, &name).await.expect("a new mailbox")
    }

    /// The blobs that are there, and those that a sweep leaves when all are old enough.
    pub(crate) async fn blob_names(&self) -> Vec<String> {
        let names = self.blobs.list_older(Timestamp(self.clock.now().0 * 2));
        names.map(|name| name.expect("a name").to_string()).collect().await
    }

    pub(crate) async fn put(&self, caller: &Caller, to: &Holder, name: &str, content: &[u8]) -> Written {
        let put = Put { name: self::name(name), kind: Kind::File, content: content.to_vec().into() };
        self.engine.put(caller, to.id, put).await.expect("it is stored")
    }

    pub(crate) async fn content(
        &self,
        caller: &Caller,
        of: &Holder,
        object: ObjectId,
    ) -> Result<Vec<u8>, Refusal> {
        Ok(self.engine.read(caller, of.id, object, None).await?.bytes().await?.to_vec())
    }

    /// Every object of a holder, by pages of seven.
    pub(crate) async fn all(&self, caller: &Caller, of: &Holder) -> Vec<Entry> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.engine.list(caller, of.id, after, 7).await.expect("a page");
            all.extend(page.entries);
            match page.next {
                Some(_) => after = page.next,
                None => return all,
            }
        }
    }

    pub(crate) async fn import(
        &self,
        caller: &Caller,
        to: &Holder,
        items: Vec<Item>,
    ) -> Result<Summary, Stopped> {
        self.import_told(caller, to, items).await.0
    }

    pub(crate) async fn import_told(
        &self,
        caller: &Caller,
        to: &Holder,
        items: Vec<Item>,
    ) -> (Result<Summary, Stopped>, Vec<Acknowledged>) {
        let mut told = Vec::new();
        let ended =
            self.engine.import(caller, to.id, stream::iter(items), |one| told.push(one.clone())).await;
        (ended, told)
    }
}

/// A user of tenant number `tenant`.
pub(crate) fn caller(tenant: u8) -> Caller {
    Caller {
        tenant: TenantId::from_random([tenant; 16]),
        principal: Principal(format!("user of {tenant}")),
        initiator: Initiator::User,
        request: RequestId::from_random([9; 16]),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// An item to be imported.
pub(crate) fn item(path: &str, kind: Kind, content: impl Into<Content>) -> Item {
    Item { path: path.as_bytes().to_vec(), kind, content: content.into() }
}

/// Bytes that look like nothing and are the same each time.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A message of about `len` bytes that can be read.
pub(crate) fn message(number: usize, len: usize) -> Vec<u8> {
    let mut text = format!(
        "From: Sender {number} <sender{number}@contoso.com>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
         Subject: message number {number}\r\n\r\n"
    )
    .into_bytes();
    while text.len() < len {
        text.extend_from_slice(format!("line {} of message {number}\r\n", text.len()).as_bytes());
    }
    text
}
