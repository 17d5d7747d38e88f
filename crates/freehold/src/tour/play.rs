//! What the scenes share: the people, the policies, what was imported, and how a scene reads and waits.

use std::collections::BTreeSet;
use std::time::Instant;

use api::client::{Client, ClientError};
use api::{Container, ContainerKind, ObjectKind, Policy};
use model::id::{ContainerId, DirectoryId, ObjectId, TenantId};
use zeroize::Zeroizing;

use super::hands::StageHands;
use super::input::Given;
use super::reception::Voice;
use super::stage::{Stage, Which};
use super::story::Broken;
use crate::wire::Person;

/// The bound of the tour's policies, in seconds: a "no" takes effect within it. The default is 60.
pub(super) const BOUND: u64 = 2;
/// How long the tour's sites live on while both vaults are out of reach, in seconds. The default is 4 hours.
pub(super) const HOLD: u64 = 2;
/// Characters of a version that are shown.
const SHORT: usize = 8;

/// The story's state. Scenes come in order; what a scene made is there for those after it.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) stage: Stage,
    hands: Box<dyn StageHands>,
    /// The scene that is being played.
    scene: &'static str,
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
    pub(super) known: Known,
    /// Since when neither vault listens.
    pub(super) dark: Option<Instant>,
    /// The customer has taken the right on the mailbox policy's keys away, and the service has heard the "no".
    pub(super) denied: bool,
}

/// What a person typed and what was on no disk of ours before it was brought in.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Empty where the input has none that are long enough; `None` until the import has looked.
    pub(super) words: Option<BTreeSet<String>>,
    pub(super) subjects: BTreeSet<String>,
    pub(super) names: BTreeSet<String>,
}

/// How a scene found the stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    alive: [bool; 2],
    dark: Option<Instant>,
    denied: bool,
}

/// The customer: its people and its subscriptions.
#[derive(Debug)]
pub(super) struct Contoso {
    pub(super) tenant: TenantId,
    pub(super) directory: DirectoryId,
    pub(super) admin: Person,
    /// The same administrator at the service's API.
    pub(super) administrator: Voice,
    /// Alice at the service's API, who may read.
    pub(super) reader: Voice,
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
    pub(super) alice: Container,
    pub(super) bob: Container,
    pub(super) site: Container,
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
    pub(super) fn new(stage: Stage, hands: Box<dyn StageHands>, mail: Vec<Given>, files: Vec<Given>) -> Self {
        Self {
            stage,
            hands,
            scene: "",
            mail,
            files,
            contoso: None,
            key_holder_rights: Vec::new(),
            made: Vec::new(),
            policies: None,
            places: None,
            imported: Vec::new(),
            known: Known::default(),
            dark: None,
            denied: false,
        }
    }

    /// Begins a scene; how it finds the stage.
    pub(super) fn enter(&mut self, scene: &'static str) -> Found {
        self.scene = scene;
        self.hands.before(scene, self.stage.lab());
        Found { alive: self.stage.alive(), dark: self.dark, denied: self.denied }
    }

    /// Ends a scene; one that failed leaves the stage as it found it, so that later scenes stand on their own.
    pub(super) async fn leave<T>(&mut self, found: Found, outcome: Result<T, Broken>) -> Result<T, Broken> {
        self.hands.after(self.scene, self.stage.lab());
        let Err(broken) = outcome else { return outcome };
        match self.put_back(found).await {
            Ok(()) => Err(broken),
            Err(also) => Err(Broken(format!("{broken}\nthe stage could not be put back: {also}"))),
        }
    }

    async fn put_back(&mut self, found: Found) -> Result<(), Broken> {
        for (which, alive) in Which::BOTH.into_iter().zip(found.alive) {
            if alive { self.stage.revive(which)? } else { self.stage.kill(which).await }
        }
        self.dark = found.dark;
        if self.contoso.is_some() && self.places.is_some() && self.denied != found.denied {
            if found.denied {
                super::scenes::take_right(self).await?;
            } else {
                super::scenes::give_right(self).await?;
            }
        }
        self.denied = found.denied;
        Ok(())
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

    /// The API as the tenant's administrator calls it.
    pub(super) fn administrator(&self) -> Result<Client, Broken> {
        self.calls_of(&self.contoso()?.administrator)
    }

    /// The API as the tenant's reader calls it.
    pub(super) fn reader(&self) -> Result<Client, Broken> {
        self.calls_of(&self.contoso()?.reader)
    }

    /// The API as somebody calls it in this scene.
    pub(super) fn calls_of(&self, voice: &Voice) -> Result<Client, Broken> {
        match self.hands.badge(self.scene, &voice.token) {
            None => Ok(voice.client.clone()),
            Some(token) => self.stage.reception().client(Zeroizing::new(token)),
        }
    }

    /// What a call was answered; a refusal breaks the step.
    pub(super) fn answered<T>(&self, answer: Result<T, ClientError>) -> Result<T, Broken> {
        answer.map_err(|error| self.because(&error))
    }

    /// All of the input.
    pub(super) fn given(&self) -> impl Iterator<Item = (&Given, ObjectKind)> {
        let mail = self.mail.iter().map(|given| (given, ObjectKind::Message));
        mail.chain(self.files.iter().map(|given| (given, ObjectKind::File)))
    }

    /// So many messages of a mailbox, or files of a site, in words.
    pub(super) fn things(&self, container: &Container, count: u64) -> String {
        let thing = if container.kind == ContainerKind::Site { "file" } else { "message" };
        format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
    }

    /// The first thing that was imported into a container.
    pub(super) fn first(&self, container: ContainerId) -> Result<&Imported, Broken> {
        let mut all = self.imported.iter().filter(|imported| imported.container == container);
        all.next().ok_or_else(|| Broken::because("nothing was imported there: an earlier step failed"))
    }

    /// Why a step did not hold: a refusal that was not to be, in the words that a person sees.
    pub(super) fn because(&self, error: &ClientError) -> Broken {
        Broken(self.told(error))
    }

    /// A refusal with its status and code, and the name of its policy in the place of the id.
    pub(super) fn told(&self, error: &ClientError) -> String {
        let made = self
            .policies
            .iter()
            .flat_map(|policies| [&policies.mailbox, &policies.share_point, &policies.multi_workload]);
        made.fold(refused(error), |text, policy| text.replace(&policy.id.to_string(), &policy.name))
    }

    /// Which policy a container is assigned to and which one holds its key now, in words.
    pub(super) async fn standing(&self, container: &Container) -> Result<String, Broken> {
        let (client, tenant) = (self.administrator()?, self.contoso()?.tenant);
        let standing = self.answered(client.standing(tenant, container.id).await)?;
        let name = async |policy| Ok::<_, Broken>(self.answered(client.policy(tenant, policy).await)?.name);
        let covering = name(standing.covering_policy_id).await?;
        let container = container.name.as_str();
        let effective = match standing.effective_policy_id {
            Some(policy) => name(policy).await?,
            None => "the volume layer alone".to_owned(),
        };
        Ok(match standing.pending {
            false => format!("{container:<18} {effective:?} covers it and holds its key: green"),
            true => {
                format!("{container:<18} {covering:?} covers it, {effective:?} still holds its key")
            }
        })
    }
}

/// What a call was answered, as a platform engineer sees it; the id of the call is left out.
fn refused(error: &ClientError) -> String {
    let ClientError::Refused(refusal) = error else { return error.to_string() };
    let code = refusal.code;
    let detail = refusal.detail.split(" [request ").next().unwrap_or_default();
    let policy = refusal.policy.map(|policy| format!(" (policy {policy})")).unwrap_or_default();
    format!("{} {code} {}: {detail}{policy}. {}", code.status(), code.slug(), code.advice())
}

/// As much of a version as a person compares.
pub(super) fn short(version: &str) -> String {
    version.chars().take(SHORT).chain(['…']).collect()
}
