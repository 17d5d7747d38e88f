//! What the scenes share: the people, the policies, what was imported, and how a scene reads and waits.

use std::time::{Duration, Instant};

use custody::Policy;
use custody::service::Keys;
use model::caller::{Caller, Initiator, Principal};
use model::id::{ContainerId, DirectoryId, ObjectId, RequestId, TenantId};
use model::refusal::Refusal;
use serde_json::Value;
use workloads::Holder;

use super::input::Given;
use super::stage::Stage;
use super::story::Broken;
use crate::wire::Person;

/// The bound of the tour's policies, in seconds: a "no" takes effect within it. The default is 60.
pub(super) const BOUND: u64 = 2;
/// How long the tour's sites live on while both vaults are out of reach, in seconds. The default is 4 hours.
pub(super) const HOLD: u64 = 4;
/// How often a scene looks whether something has happened.
const LOOK: Duration = Duration::from_millis(100);

/// The story's state. Scenes come in order; what a scene made is there for those after it.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) stage: Stage,
    pub(super) mail: Vec<Given>,
    pub(super) files: Vec<Given>,
    pub(super) contoso: Option<Contoso>,
    /// Which vault's scope each key holder gets the right at.
    pub(super) key_holder_rights: Vec<(String, String)>,
    /// Policies as they are made; once all three are there they move to `policies`.
    pub(super) made: Vec<Policy>,
    pub(super) policies: Option<Policies>,
    pub(super) places: Option<Places>,
    pub(super) imported: Vec<Imported>,
    /// Known words of the input that were on no disk of ours before the import.
    pub(super) words: Vec<String>,
}

/// The customer: its people and its subscriptions.
#[derive(Debug)]
pub(super) struct Contoso {
    pub(super) tenant: TenantId,
    pub(super) directory: DirectoryId,
    pub(super) admin: Person,
    /// The key holder of each vault.
    pub(super) holders: [Person; 2],
    /// Each vault's path in the resource manager.
    pub(super) vaults: [String; 2],
}

/// The policies of the article.
#[derive(Debug)]
pub(super) struct Policies {
    pub(super) mailbox: Policy,
    pub(super) share_point: Policy,
    pub(super) multi_workload: Policy,
}

/// A mailbox of its own policy, one that the multi-workload policy covers, and a site.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) alice: Holder,
    pub(super) bob: Holder,
    pub(super) site: Holder,
}

/// Something that was brought in and must come out as it was.
#[derive(Debug, Clone)]
pub(super) struct Imported {
    pub(super) container: ContainerId,
    pub(super) object: ObjectId,
    pub(super) given: Given,
}

impl Play {
    /// The beginning: nothing is made yet.
    pub(super) fn new(stage: Stage, mail: Vec<Given>, files: Vec<Given>) -> Self {
        Self {
            stage,
            mail,
            files,
            contoso: None,
            key_holder_rights: Vec::new(),
            made: Vec::new(),
            policies: None,
            places: None,
            imported: Vec::new(),
            words: Vec::new(),
        }
    }

    pub(super) fn contoso(&self) -> Result<&Contoso, Broken> {
        self.contoso.as_ref().ok_or_else(|| Broken::because("there is no tenant: an earlier step failed"))
    }

    pub(super) fn policies(&self) -> Result<&Policies, Broken> {
        self.policies.as_ref().ok_or_else(|| Broken::because("there are no policies: an earlier step failed"))
    }

    pub(super) fn places(&self) -> Result<&Places, Broken> {
        self.places.as_ref().ok_or_else(|| Broken::because("there is no mailbox: an earlier step failed"))
    }

    /// A call by a person of the tenant.
    pub(super) fn person(&self, name: &str) -> Result<Caller, Broken> {
        Ok(self.caller(self.contoso()?.tenant, name, Initiator::User))
    }

    pub(super) fn caller(&self, tenant: TenantId, name: &str, initiator: Initiator) -> Caller {
        let mut bytes = [0; 16];
        self.stage.edge.random.fill(&mut bytes);
        let request = RequestId::from_random(bytes);
        Caller { tenant, principal: Principal(name.into()), initiator, request }
    }

    /// Reads everything that was imported into a container; how many objects equal their source.
    pub(super) async fn read_back(&self, container: ContainerId) -> Result<Read, Broken> {
        let mut read = Read { equal: 0, bytes: 0 };
        for imported in self.imported.iter().filter(|imported| imported.container == container) {
            let bytes = self.read(imported).await.map_err(Broken::because)?;
            let source = imported.given.bytes().map_err(Broken::because)?;
            if bytes != source {
                let length = source.len();
                return Err(Broken(format!(
                    "object {} differs from its source of {length} bytes",
                    imported.object
                )));
            }
            read.equal += 1;
            read.bytes += source.len() as u64;
        }
        Ok(read)
    }

    /// Reads one object as its owner does.
    pub(super) async fn read(&self, imported: &Imported) -> Result<Vec<u8>, Refusal> {
        let caller = self.person("alice@contoso.com").map_err(|broken| bug(&broken))?;
        let engine = &self.stage.service().engine;
        let download = engine.read(&caller, imported.container, imported.object, None).await?;
        Ok(download.bytes().await?.to_vec())
    }

    /// The first thing that was imported into a container.
    pub(super) fn first(&self, container: ContainerId) -> Result<&Imported, Broken> {
        let mut all = self.imported.iter().filter(|imported| imported.container == container);
        all.next().ok_or_else(|| Broken::because("nothing was imported there: an earlier step failed"))
    }

    /// Reads again and again until it is refused; how long that took, and the refusal.
    pub(super) async fn until_refused(
        &self,
        imported: &Imported,
        at_most: Duration,
    ) -> Result<(Duration, Refusal), Broken> {
        let began = Instant::now();
        loop {
            if let Err(refusal) = self.read(imported).await {
                return Ok((began.elapsed(), refusal));
            }
            if began.elapsed() > at_most {
                return Err(Broken(format!("still readable after {:.1} s", began.elapsed().as_secs_f64())));
            }
            self.stage.clock().sleep(LOOK).await;
        }
    }

    /// Reads again and again until it works; how long that took.
    pub(super) async fn until_read(
        &self,
        imported: &Imported,
        at_most: Duration,
    ) -> Result<Duration, Broken> {
        let began = Instant::now();
        loop {
            match self.read(imported).await {
                Ok(_) => return Ok(began.elapsed()),
                Err(refusal) if began.elapsed() > at_most => return Err(Broken::because(refusal)),
                Err(_) => self.stage.clock().sleep(LOOK).await,
            }
        }
    }

    /// Waits until every lease of before has run out.
    pub(super) async fn outlive_leases(&self) {
        self.stage.clock().sleep(Duration::from_millis(BOUND * 1000 + 200)).await;
    }

    /// Every audit record of the tenant with this operation.
    pub(super) async fn audit(&self, operation: &str) -> Result<Vec<Value>, Broken> {
        let caller = self.person("auditor@contoso.com")?;
        let mut after = 0;
        let mut found = Vec::new();
        loop {
            let page = self.stage.service().custody.audit(&caller, after, custody::PAGE).await;
            let page = page.map_err(Broken::because)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.seq;
            for row in page.iter().filter(|row| row.operation == operation) {
                found.push(row.parse().map_err(Broken::because)?);
            }
        }
    }

    /// Which policy a container is assigned to and which one holds its key now, in words.
    pub(super) async fn standing(&self, holder: &Holder) -> Result<String, Broken> {
        let caller = self.person("admin@contoso.com")?;
        let custody = &self.stage.service().custody;
        let standing = custody.standing(&caller, holder.id).await.map_err(Broken::because)?;
        let covering = custody.policy(&caller, standing.covering).await.map_err(Broken::because)?;
        let effective = match standing.effective {
            Some(policy) => custody.policy(&caller, policy).await.map_err(Broken::because)?.name.to_string(),
            None => "the volume layer alone".to_owned(),
        };
        let state = if standing.pending { "a rewrap is to come" } else { "green" };
        Ok(format!(
            "{}: covered by {:?}, key held by {:?}, {state}",
            holder.name.as_str(),
            covering.name.as_str(),
            effective
        ))
    }
}

/// What was read back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) equal: u64,
    pub(super) bytes: u64,
}

fn bug(broken: &Broken) -> Refusal {
    Refusal::new(model::refusal::Code::Ours, broken.to_string())
}
