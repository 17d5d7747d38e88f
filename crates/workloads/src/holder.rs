//! A holder: one mailbox or one site, the thing that has a container key and holds objects.
//!
//! Owns the holder's row, its directory name and how it comes into being in three steps (spec/objects.md, 7).
//! Which policy covers it is custody's business.

use crypto::digest::sha256;
use custody::service::{Family, Standing};
use model::caller::Caller;
use model::id::{ContainerId, Generation, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Batch, Cause, CommitError, Scan};

use crate::engine::{Engine, HOLDER_NAMES, HOLDERS};
use crate::fault::{bug, lost, no_holder, trouble};
use crate::name::DirectoryName;
use crate::tag::hex;

/// Holders on one page of a list.
pub const MAX_HOLDERS: u32 = 500;
/// How often a change is decided again after somebody else's came first.
pub(crate) const MAX_RETRIES: u32 = 8;

/// What a holder is; it decides which kind of policy covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// A person's mail, found by its address.
    Mailbox,
    /// A place for files, found by its path.
    Site,
}

impl HolderKind {
    /// Takes a directory name of this kind; refused with the field and the rule.
    pub fn name(self, text: &str) -> Result<DirectoryName, Refusal> {
        match self {
            Self::Mailbox => DirectoryName::mailbox(text),
            Self::Site => DirectoryName::site(text),
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Mailbox => Family::Exchange,
            Self::Site => Family::SharePoint,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Site => "site",
        }
    }
}

/// A mailbox or a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The container that holds its key and its objects.
    pub id: ContainerId,
    /// What it is.
    pub kind: HolderKind,
    /// What it is called in the tenant's directory; visible at rest.
    pub name: DirectoryName,
    /// When it was created.
    pub created: Timestamp,
}

/// One page of holders, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderPage {
    /// The holders.
    pub holders: Vec<Holder>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<ContainerId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HolderRow {
    v: u8,
    id: ContainerId,
    kind: HolderKind,
    name: String,
    state: State,
    /// Every key generation that something may have been sealed under.
    pub(crate) generations: Vec<Generation>,
    created: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Its name is taken and its container key may not exist yet.
    Coming,
    /// It has a container key.
    Ready,
}

#[derive(Serialize, Deserialize)]
struct NameRow {
    container: ContainerId,
}

const ROW_VERSION: u8 = 1;

impl Engine {
    /// Creates a mailbox or a site, with a container key under the policy that covers it now.
    ///
    /// `Conflict` when the tenant has one of that name already. A creation that was interrupted is finished by
    /// the next one of the same name.
    pub async fn create_holder(
        &self,
        caller: &Caller,
        kind: HolderKind,
        name: &DirectoryName,
    ) -> Result<Holder, Refusal> {
        for _ in 0..MAX_RETRIES {
            let Some((mut row, version)) = self.reserve(caller, kind, name).await? else { continue };
            if row.state == State::Ready {
                let text = kind.text();
                return Err(Refusal::new(Code::Conflict, format!("{text}: the tenant has one of that name")));
            }
            let standing = self.take_in(caller, &row).await?;
            row.state = State::Ready;
            // An earlier attempt that broke off may have spelled it otherwise.
            row.name = name.as_str().to_owned();
            row.created = self.clock.now();
            row.generations = vec![standing.generation];
            let key = holder_key(caller.tenant, row.id);
            let batch = Batch::new().expect_version(HOLDERS, &key, version).put(HOLDERS, &key, &row);
            let cause = self.audited(caller, row.id, "Create holder", json!({ "kind": kind }));
            match self.store.commit(batch, cause).await {
                Ok(()) => return row.shown(),
                Err(CommitError::Conflict { .. }) => continue,
                Err(error) => return Err(lost(error)),
            }
        }
        Err(Refusal::new(Code::Busy, "the same name was being created and removed all the time"))
    }

    /// The holder of this id.
    pub async fn holder(&self, caller: &Caller, id: ContainerId) -> Result<Holder, Refusal> {
        self.ready_holder(caller, id).await?.shown()
    }

    /// The holder of this name, without regard to case.
    pub async fn holder_by_name(
        &self,
        caller: &Caller,
        kind: HolderKind,
        name: &DirectoryName,
    ) -> Result<Holder, Refusal> {
        let key = name_key(caller.tenant, kind, name);
        let unknown =
            || Refusal::new(Code::NotFound, format!("{}: the tenant has none of that name", kind.text()));
        let row = self.store.read(HOLDER_NAMES, &key).await.map_err(trouble)?.ok_or_else(unknown)?;
        let id = row.parse::<NameRow>().map_err(trouble)?.container;
        self.holder(caller, id).await.map_err(|refusal| match refusal.code {
            Code::NotFound => unknown(),
            _ => refusal,
        })
    }

    /// A page of the tenant's mailboxes and sites in the order of their ids; at most [`MAX_HOLDERS`].
    pub async fn holders(
        &self,
        caller: &Caller,
        after: Option<ContainerId>,
        limit: u32,
    ) -> Result<HolderPage, Refusal> {
        let limit = limit.clamp(1, MAX_HOLDERS);
        let (prefix, mut after) =
            (format!("{}/", caller.tenant), after.map(|after| holder_key(caller.tenant, after)));
        let mut holders = Vec::new();
        // The one beyond the page says that another page follows; one that is still coming is not shown.
        while holders.len() <= limit as usize {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: limit + 1 };
            let rows = self.store.scan(HOLDERS, scan).await.map_err(trouble)?;
            for row in &rows {
                let row = row.parse::<HolderRow>().map_err(trouble)?;
                if row.state == State::Ready {
                    holders.push(row.shown()?);
                }
            }
            match rows.last() {
                Some(last) if rows.len() > limit as usize => after = Some(last.key.clone()),
                _ => break,
            }
        }
        let more = holders.len() > limit as usize;
        holders.truncate(limit as usize);
        let next = holders.last().filter(|_| more).map(|holder| holder.id);
        Ok(HolderPage { holders, next })
    }

    /// The row of a holder that exists for this caller.
    pub(crate) async fn ready_holder(&self, caller: &Caller, id: ContainerId) -> Result<HolderRow, Refusal> {
        let row = self.store.read(HOLDERS, &holder_key(caller.tenant, id)).await.map_err(trouble)?;
        let row = row.ok_or_else(|| no_holder(id))?.parse::<HolderRow>().map_err(trouble)?;
        if row.state == State::Ready { Ok(row) } else { Err(no_holder(id)) }
    }

    /// Makes sure, before anything is sealed under a generation, that lookups will try it.
    pub(crate) async fn note_generation(
        &self,
        caller: &Caller,
        holder: &mut HolderRow,
        generation: Generation,
    ) -> Result<(), Refusal> {
        let key = holder_key(caller.tenant, holder.id);
        for _ in 0..MAX_RETRIES {
            if holder.generations.contains(&generation) {
                return Ok(());
            }
            let stored = self.store.read(HOLDERS, &key).await.map_err(trouble)?;
            let stored = stored.ok_or_else(|| no_holder(holder.id))?;
            let mut row = stored.parse::<HolderRow>().map_err(trouble)?;
            if !row.generations.contains(&generation) {
                row.generations.push(generation);
                let batch =
                    Batch::new().expect_version(HOLDERS, &key, stored.version).put(HOLDERS, &key, &row);
                let cause = Cause::Housekeeping("a holder has a new key generation");
                match self.store.commit(batch, cause).await {
                    Ok(()) => {}
                    Err(CommitError::Conflict { .. }) => continue,
                    Err(error) => return Err(lost(error)),
                }
            }
            *holder = row;
        }
        Err(Refusal::new(Code::Busy, "the row of the mailbox or site changed all the time"))
    }

    /// Takes the name, or finds who has it; `None` when somebody else came first.
    async fn reserve(
        &self,
        caller: &Caller,
        kind: HolderKind,
        name: &DirectoryName,
    ) -> Result<Option<(HolderRow, u64)>, Refusal> {
        let tenant = caller.tenant;
        let name_key = name_key(tenant, kind, name);
        if let Some(taken) = self.store.read(HOLDER_NAMES, &name_key).await.map_err(trouble)? {
            let id = taken.parse::<NameRow>().map_err(trouble)?.container;
            let row = self.store.read(HOLDERS, &holder_key(tenant, id)).await.map_err(trouble)?;
            let row = row.ok_or_else(|| bug("a directory name leads to a row that is not there"))?;
            return Ok(Some((row.parse().map_err(trouble)?, row.version)));
        }
        let mut id = [0; 16];
        self.random.fill(&mut id);
        let row = HolderRow {
            v: ROW_VERSION,
            id: ContainerId::from_random(id),
            kind,
            name: name.as_str().to_owned(),
            state: State::Coming,
            generations: Vec::new(),
            created: self.clock.now(),
        };
        let key = holder_key(tenant, row.id);
        let batch = Batch::new()
            .expect_absent(HOLDER_NAMES, &name_key)
            .expect_absent(HOLDERS, &key)
            .put(HOLDER_NAMES, &name_key, &NameRow { container: row.id })
            .put(HOLDERS, &key, &row);
        match self.store.commit(batch, Cause::Housekeeping("a holder is coming")).await {
            Ok(()) => Ok(Some((row, FIRST))),
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(error) => Err(lost(error)),
        }
    }

    /// Gives the holder a container key, or finds the one that an earlier attempt made.
    async fn take_in(&self, caller: &Caller, row: &HolderRow) -> Result<Standing, Refusal> {
        match self.keys.create(caller, row.id, row.kind.family()).await {
            Err(refusal) if refusal.code == Code::Conflict => self.keys.standing(caller, row.id).await,
            created => created,
        }
    }
}

impl HolderRow {
    fn shown(&self) -> Result<Holder, Refusal> {
        let name = self.kind.name(&self.name).map_err(|_| bug("a stored directory name breaks its rule"))?;
        Ok(Holder { id: self.id, kind: self.kind, name, created: self.created })
    }
}

/// The version that a store gives a new row.
const FIRST: u64 = 1;

fn holder_key(tenant: TenantId, id: ContainerId) -> String {
    format!("{tenant}/{id}")
}

/// The name is hashed to bound the key, not to hide it: it stands in the holder's row.
fn name_key(tenant: TenantId, kind: HolderKind, name: &DirectoryName) -> String {
    format!("{tenant}/{}/{}", kind.text(), hex(&sha256(name.folded().as_bytes())))
}
