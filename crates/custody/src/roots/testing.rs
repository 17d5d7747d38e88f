//! A double of [`RootKeys`] for tests: keys in memory, answers by script, calls that can be held back.
//!
//! Its wrap is a label, padding and the seed in the clear: it protects nothing, says so in its first bytes, and
//! exists so that custody can be tested without TLS and without RSA.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crypto::Seed;
use model::fault::Answer;
use model::id::RequestId;
use model::key_identifier::KeyIdentifier;
use model::time::BoxFuture;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{RootDescription, RootKeys};

/// The first bytes of every wrap that the double makes.
pub const LABEL: &[u8] = b"TEST DOUBLE, NOT A WRAP; ";
/// The size that its keys are described with, in bits; its wraps are as long as such a modulus.
pub const SIZE: u32 = 2048;

/// Which of the three questions a call asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// [`RootKeys::describe`].
    Describe,
    /// [`RootKeys::wrap`].
    Wrap,
    /// [`RootKeys::unwrap`].
    Unwrap,
}

/// One call that reached the double, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The question.
    pub asked: Asked,
    /// The key as it was named by the caller.
    pub key: KeyIdentifier,
    /// The request id that the call carried.
    pub request: RequestId,
}

/// Root keys in memory, shared by clones; see the module for what its wraps are worth.
#[derive(Debug, Clone, Default)]
pub struct FakeRoots(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    keys: HashMap<KeyIdentifier, Vec<RootDescription>>,
    scripts: HashMap<(KeyIdentifier, Asked), Script>,
    lying: Vec<KeyIdentifier>,
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Script {
    once: VecDeque<Answer>,
    always: Option<Answer>,
    gates: VecDeque<Arc<Doors>>,
}

impl FakeRoots {
    /// A double without any key: every call is answered with 404 until one is added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a version of a key, described as a sound RSA root key; the latest one added is the newest.
    ///
    /// Panics when `key` names no version.
    pub fn add(&self, key: &KeyIdentifier) {
        self.add_described(RootDescription {
            key: key.clone(),
            kty: "RSA-HSM".to_owned(),
            size: Some(SIZE),
            key_ops: vec!["wrapKey".to_owned(), "unwrapKey".to_owned()],
            enabled: true,
            expires: None,
            not_before: None,
            recovery_level: Some("Recoverable+ProtectedSubscription".to_owned()),
        });
    }

    /// Takes in a version of a key as described, or describes a version that is there anew.
    ///
    /// Panics when the description names no version.
    pub fn add_described(&self, description: RootDescription) {
        assert!(description.key.version().is_some(), "{} names no version", description.key);
        let mut state = self.state();
        let versions = state.keys.entry(description.key.versionless()).or_default();
        match versions.iter_mut().find(|version| version.key == description.key) {
            Some(version) => *version = description,
            None => versions.push(description),
        }
    }

    /// Removes every version of the key: it is answered with 404 from now on.
    pub fn remove(&self, key: &KeyIdentifier) {
        self.state().keys.remove(&key.versionless());
    }

    /// Answers every `asked` of the key, whatever the version, with `answer` until [`FakeRoots::heal`].
    pub fn answer(&self, key: &KeyIdentifier, asked: Asked, answer: Answer) {
        self.state().script(key, asked).always = Some(answer);
    }

    /// Answers the next `asked` of the key with `answer`; called again, the one after it, and so on.
    pub fn answer_once(&self, key: &KeyIdentifier, asked: Asked, answer: Answer) {
        self.state().script(key, asked).once.push_back(answer);
    }

    /// Answers wrap, unwrap and describe of the key with `answer` until [`FakeRoots::heal`].
    pub fn answer_all(&self, key: &KeyIdentifier, answer: Answer) {
        for asked in [Asked::Describe, Asked::Wrap, Asked::Unwrap] {
            self.answer(key, asked, answer.clone());
        }
    }

    /// Lets unwraps of the key succeed with other bytes than were wrapped, until [`FakeRoots::heal`].
    pub fn lie(&self, key: &KeyIdentifier) {
        self.state().lying.push(key.versionless());
    }

    /// Takes back every script and lie about the key; held calls stay held.
    pub fn heal(&self, key: &KeyIdentifier) {
        let key = key.versionless();
        let mut state = self.state();
        state.lying.retain(|lying| *lying != key);
        for ((scripted, _), script) in &mut state.scripts {
            if *scripted == key {
                script.once.clear();
                script.always = None;
            }
        }
    }

    /// Holds back the next `asked` of the key; its answer is decided when the gate opens.
    pub fn hold(&self, key: &KeyIdentifier, asked: Asked) -> Gate {
        let doors = Arc::new(Doors { reached: Semaphore::new(0), open: Semaphore::new(0) });
        self.state().script(key, asked).gates.push_back(doors.clone());
        Gate(doors)
    }

    /// Every call so far, also those that were held and those that were cancelled.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls of one kind reached the key, whatever the version.
    pub fn count(&self, key: &KeyIdentifier, asked: Asked) -> usize {
        let key = key.versionless();
        self.state().calls.iter().filter(|call| call.asked == asked && call.key.versionless() == key).count()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the call, waits at its gate, and says what is scripted for it.
    async fn arrive(&self, key: &KeyIdentifier, asked: Asked, request: RequestId) -> Result<(), Answer> {
        let gate = {
            let mut state = self.state();
            state.calls.push(Call { asked, key: key.clone(), request });
            state.script(key, asked).gates.pop_front()
        };
        if let Some(doors) = gate {
            doors.reached.add_permits(1);
            doors.open.acquire().await.expect("a gate is never closed").forget();
        }
        let mut state = self.state();
        let script = state.script(key, asked);
        match script.once.pop_front().or_else(|| script.always.clone()) {
            Some(answer) => Err(answer),
            None => Ok(()),
        }
    }
}

impl State {
    fn script(&mut self, key: &KeyIdentifier, asked: Asked) -> &mut Script {
        self.scripts.entry((key.versionless(), asked)).or_default()
    }

    fn version(&self, key: &KeyIdentifier) -> Result<&RootDescription, Answer> {
        let versions = self.keys.get(&key.versionless()).ok_or_else(not_found)?;
        match key.version() {
            Some(_) => versions.iter().find(|version| version.key == *key),
            None => versions.last(),
        }
        .ok_or_else(not_found)
    }

    /// The version, if the real vault would use it for `asked`.
    fn usable(&self, key: &KeyIdentifier, asked: Asked) -> Result<&RootDescription, Answer> {
        let version = self.version(key)?;
        if !version.enabled {
            return Err(refused("KeyDisabled"));
        }
        let operation = match asked {
            Asked::Describe => return Ok(version),
            Asked::Wrap => "wrapKey",
            Asked::Unwrap => "unwrapKey",
        };
        match version.key_ops.iter().any(|op| op == operation) {
            true => Ok(version),
            false => Err(refused("KeyOperationForbidden")),
        }
    }
}

impl RootKeys for FakeRoots {
    fn describe<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>> {
        Box::pin(async move {
            self.arrive(key, Asked::Describe, request).await?;
            self.state().usable(key, Asked::Describe).cloned()
        })
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        seed: &'a Seed,
        request: RequestId,
    ) -> BoxFuture<'a, Result<Vec<u8>, Answer>> {
        Box::pin(async move {
            self.arrive(key, Asked::Wrap, request).await?;
            let state = self.state();
            let size = state.usable(key, Asked::Wrap)?.size.unwrap_or(SIZE);
            let mut wrapped = LABEL.to_vec();
            wrapped.extend_from_slice(key.to_string().as_bytes());
            wrapped.push(0);
            wrapped.extend_from_slice(seed.expose());
            wrapped.resize(size as usize / 8, 0);
            Ok(wrapped)
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        wrapped: &'a [u8],
        request: RequestId,
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, Answer>> {
        Box::pin(async move {
            self.arrive(key, Asked::Unwrap, request).await?;
            let state = self.state();
            state.usable(key, Asked::Unwrap)?;
            let named = key.to_string();
            let seed = wrapped
                .strip_prefix(LABEL)
                .and_then(|rest| rest.strip_prefix(named.as_bytes()))
                .and_then(|rest| rest.strip_prefix(&[0]))
                .and_then(|rest| rest.get(..SEED))
                .ok_or_else(|| Answer::vault(400, Some("BadParameter"), None))?;
            let mut seed = Zeroizing::new(seed.to_vec());
            if state.lying.contains(&key.versionless()) {
                seed.iter_mut().for_each(|byte| *byte = !*byte);
            }
            Ok(seed)
        })
    }
}

/// Holds one call of a [`FakeRoots`] back; dropped, it lets the call go on.
#[derive(Debug)]
pub struct Gate(Arc<Doors>);

#[derive(Debug)]
struct Doors {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Completes once the held call has arrived.
    pub async fn reached(&self) {
        self.0.reached.acquire().await.expect("a gate is never closed").forget();
    }

    /// Lets the held call go on.
    pub fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.open.add_permits(1);
    }
}

const SEED: usize = 32;

fn not_found() -> Answer {
    Answer::vault(404, Some("KeyNotFound"), None)
}

fn refused(inner: &str) -> Answer {
    Answer::vault(403, Some("Forbidden"), Some(inner))
}

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;
    use futures::FutureExt;
    use model::key_identifier::KeyVersion;

    use super::*;

    const REQUEST: [u8; 16] = [9; 16];

    fn key(version: u8) -> KeyIdentifier {
        let suffix = "vault.localhost".parse().expect("a suffix");
        let version = KeyVersion::from_bytes([version; 16]);
        KeyIdentifier::from_parts("contoso-a", &suffix, "key001", Some(version)).expect("a key")
    }

    fn request() -> RequestId {
        RequestId::from_random(REQUEST)
    }

    fn seed() -> Seed {
        Seed::generate(&SeededRandom::new(7))
    }

    #[tokio::test]
    async fn a_seed_comes_back_from_the_version_that_wrapped_it_and_from_no_other() {
        let roots = FakeRoots::new();
        roots.add(&key(1));
        roots.add(&key(2));
        let wrapped = roots.wrap(&key(1), &seed(), request()).await.expect("a sound key");
        assert_eq!(wrapped.len(), SIZE as usize / 8);
        assert!(wrapped.starts_with(LABEL));
        let opened = roots.unwrap(&key(1), &wrapped, request()).await.expect("its own wrap");
        assert_eq!(opened.as_slice(), seed().expose());
        let other = roots.unwrap(&key(2), &wrapped, request()).await;
        assert_eq!(other, Err(Answer::vault(400, Some("BadParameter"), None)));
    }

    #[tokio::test]
    async fn the_newest_version_is_described_where_none_is_named() {
        let roots = FakeRoots::new();
        let unknown = roots.describe(&key(1).versionless(), request()).await;
        assert_eq!(unknown, Err(Answer::vault(404, Some("KeyNotFound"), None)));
        roots.add(&key(1));
        roots.add(&key(2));
        let newest = roots.describe(&key(1).versionless(), request()).await.expect("two versions");
        assert_eq!(newest.key, key(2));
        assert_eq!(roots.describe(&key(1), request()).await.expect("still there").key, key(1));
    }

    #[tokio::test]
    async fn a_script_is_followed_until_it_is_healed() {
        let roots = FakeRoots::new();
        roots.add(&key(1));
        roots.answer(&key(1), Asked::Describe, Answer::Timeout);
        roots.answer_once(&key(1), Asked::Describe, Answer::Dns);
        assert_eq!(roots.describe(&key(1), request()).await, Err(Answer::Dns));
        assert_eq!(roots.describe(&key(1), request()).await, Err(Answer::Timeout));
        assert!(roots.wrap(&key(1), &seed(), request()).await.is_ok());
        roots.heal(&key(1));
        assert!(roots.describe(&key(1), request()).await.is_ok());
        let call = Call { asked: Asked::Describe, key: key(1), request: request() };
        assert_eq!(roots.calls()[0], call);
        assert_eq!(roots.count(&key(2), Asked::Describe), 3);
    }

    #[tokio::test]
    async fn a_disabled_key_and_a_forbidden_operation_are_refused_as_a_vault_does() {
        let roots = FakeRoots::new();
        roots.add(&key(1));
        let sound = roots.describe(&key(1), request()).await.expect("sound");
        roots.add_described(RootDescription { key_ops: vec!["wrapKey".to_owned()], ..sound.clone() });
        let refused = roots.unwrap(&key(1), LABEL, request()).await;
        assert_eq!(refused, Err(Answer::vault(403, Some("Forbidden"), Some("KeyOperationForbidden"))));
        roots.add_described(RootDescription { enabled: false, ..sound });
        let refused = roots.describe(&key(1), request()).await;
        assert_eq!(refused, Err(Answer::vault(403, Some("Forbidden"), Some("KeyDisabled"))));
    }

    #[tokio::test]
    async fn a_liar_unwraps_to_other_bytes() {
        let roots = FakeRoots::new();
        roots.add(&key(1));
        let wrapped = roots.wrap(&key(1), &seed(), request()).await.expect("sound");
        roots.lie(&key(1));
        let opened = roots.unwrap(&key(1), &wrapped, request()).await.expect("a lie is a success");
        assert_ne!(opened.as_slice(), seed().expose());
        assert_eq!(opened.len(), SEED);
    }

    #[tokio::test]
    async fn a_held_call_is_answered_by_what_holds_when_it_is_let_go() {
        let roots = FakeRoots::new();
        roots.add(&key(1));
        let gate = roots.hold(&key(1), Asked::Describe);
        let key = key(1);
        let mut held = roots.describe(&key, request());
        assert!((&mut held).now_or_never().is_none());
        gate.reached().await;
        roots.answer(&key, Asked::Describe, Answer::Refused);
        gate.open();
        assert_eq!(held.await, Err(Answer::Refused));
    }
}
