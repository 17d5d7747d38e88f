//! A container key in use: asked of custody once, and its lease asked again for every item and blob.
//!
//! Owns the rule of spec/objects.md, 8: a lease that has ended is renewed under today's policy, and what custody
//! then refuses cuts the stream. What a lease is and when it ends is custody's business.

use std::sync::Arc;

use crypto::{Container, Key};
use custody::service::{Keys, Opened};
use model::caller::Caller;
use model::id::{ContainerId, Generation};
use model::refusal::{Code, Refusal};

use crate::engine::blocking;
use crate::fault::bug;

/// One generation of one container's key, for one caller.
#[derive(Clone)]
pub(crate) struct KeyInUse {
    keys: Arc<dyn Keys>,
    caller: Caller,
    container: ContainerId,
    purpose: Purpose,
    opened: Arc<Opened>,
}

#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Seal,
    Open,
}

impl KeyInUse {
    /// Asks for the key of new content.
    pub(crate) async fn to_seal(
        keys: &Arc<dyn Keys>,
        caller: &Caller,
        container: ContainerId,
    ) -> Result<Self, Refusal> {
        let opened = Arc::new(keys.seal(caller, container).await?);
        Ok(Self { keys: keys.clone(), caller: caller.clone(), container, purpose: Purpose::Seal, opened })
    }

    /// Asks for the key of content of one generation.
    pub(crate) async fn to_open(
        keys: &Arc<dyn Keys>,
        caller: &Caller,
        container: ContainerId,
        generation: Generation,
    ) -> Result<Self, Refusal> {
        let opened = Arc::new(keys.open(caller, container, generation).await?);
        if opened.generation != generation {
            return Err(bug("custody opened another generation than it was asked for"));
        }
        Ok(Self { keys: keys.clone(), caller: caller.clone(), container, purpose: Purpose::Open, opened })
    }

    /// The generation that the key belongs to.
    pub(crate) fn generation(&self) -> Generation {
        self.opened.generation
    }

    /// A lease that holds at this moment, for work that asks it again for every item.
    pub(crate) async fn fresh(&mut self) -> Result<Arc<Opened>, Refusal> {
        if self.opened.key().is_err() {
            self.renew().await?;
        }
        Ok(self.opened.clone())
    }

    /// Uses the key now, under a lease that holds now.
    pub(crate) async fn with<T>(&mut self, using: impl Fn(&Key<Container>) -> T) -> Result<T, Refusal> {
        let mut renewals = 0;
        loop {
            match self.opened.key() {
                Ok(key) => return Ok(using(key)),
                Err(refusal) if renewals == RENEWALS => return Err(refusal),
                Err(_) => renewals += 1,
            }
            self.renew().await?;
        }
    }

    /// The same for long work, on a thread that may block; the lease is asked there, when the work begins.
    pub(crate) async fn with_blocking<T: Send + 'static>(
        &mut self,
        using: impl Fn(&Key<Container>) -> T + Send + Sync + 'static,
    ) -> Result<T, Refusal> {
        let (using, mut renewals) = (Arc::new(using), 0);
        loop {
            let (opened, using) = (self.opened.clone(), using.clone());
            match blocking(move || opened.key().map(|key| using(key))).await? {
                Ok(done) => return Ok(done),
                Err(refusal) if renewals == RENEWALS => return Err(refusal),
                Err(_) => renewals += 1,
            }
            self.renew().await?;
        }
    }

    /// Asks custody again, under today's policy.
    async fn renew(&mut self) -> Result<(), Refusal> {
        let generation = self.generation();
        let again = match self.purpose {
            Purpose::Seal => self.keys.seal(&self.caller, self.container).await?,
            Purpose::Open => self.keys.open(&self.caller, self.container, generation).await?,
        };
        if again.generation != generation {
            let container = self.container;
            return Err(Refusal::new(
                Code::Conflict,
                format!("the key of {container} was replaced meanwhile"),
            ));
        }
        self.opened = Arc::new(again);
        Ok(())
    }
}

/// How often a lease is renewed for one item or blob; what ends sooner than it can be used is refused.
const RENEWALS: u32 = 2;

/// The keys of one container by generation, each asked for when the first record of it is met.
pub(crate) struct Keyring {
    keys: Arc<dyn Keys>,
    caller: Caller,
    container: ContainerId,
    in_use: Vec<KeyInUse>,
}

impl Keyring {
    pub(crate) fn new(keys: &Arc<dyn Keys>, caller: &Caller, container: ContainerId) -> Self {
        Self { keys: keys.clone(), caller: caller.clone(), container, in_use: Vec::new() }
    }

    /// Uses the key of this generation now, under a lease that holds now.
    pub(crate) async fn with<T>(
        &mut self,
        generation: Generation,
        using: impl Fn(&Key<Container>) -> T,
    ) -> Result<T, Refusal> {
        let at = match self.in_use.iter().position(|key| key.generation() == generation) {
            Some(at) => at,
            None => {
                let key = KeyInUse::to_open(&self.keys, &self.caller, self.container, generation).await?;
                self.in_use.push(key);
                self.in_use.len() - 1
            }
        };
        self.in_use[at].with(using).await
    }
}
