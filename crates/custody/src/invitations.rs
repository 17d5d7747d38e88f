//! Invitations: one-time credentials that bring people into a tenant.
//!
//! Owns the `invitations` table and what redeems it (spec/http-api.md). Of a credential only its hash is kept. Who is
//! enrolled, and how many, is in `people`.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::digest::sha256;
use model::caller::{Caller, Initiator, Principal, Role, Subject};
use model::id::{RequestId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Batch, Cause, CommitError, Scan};
use zeroize::Zeroizing;

use crate::custody::Custody;
use crate::hex;
use crate::people::{Person, RACES, id_of, key, no_tenant};
use crate::rows::{INVITATIONS, Kept, PEOPLE, load, lost, trouble};
use crate::tenants::PAGE;

/// How long an invitation can be redeemed.
pub const INVITATION_LIFE: Duration = Duration::from_hours(7 * 24);
/// How many invitations of a tenant may be open.
pub const MAX_INVITATIONS: u32 = 100;
/// What every invitation's credential begins with, so that a leaked one is recognised.
pub const INVITATION_PREFIX: &str = "fhin_";

/// A one-time credential as it is handed out, once.
#[derive(Debug)]
pub struct Invited {
    /// The invitation's id, for a list; it opens nothing.
    pub id: String,
    /// The credential.
    pub credential: Zeroizing<String>,
    /// What whoever redeems it may do.
    pub roles: BTreeSet<Role>,
    /// Until when.
    pub expires: Timestamp,
}

/// An invitation that nobody has redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    v: u8,
    /// Its id: the hash of the credential begins with it.
    pub id: String,
    /// Who made it; the operator where it is a first administrator's.
    pub by: Inviter,
    /// What whoever redeems it may do.
    pub roles: BTreeSet<Role>,
    /// Until when.
    pub expires: Timestamp,
}

/// Who makes an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inviter {
    /// The operator, for the first administrator: it is of no use once somebody is enrolled.
    Operator,
    /// An administrator, by the person's id: it goes when the person goes.
    Person(String),
}

const ROW_VERSION: u8 = 1;

impl Custody {
    /// Invites somebody into the caller's tenant, in the name of an administrator who is still one.
    pub async fn invite(
        &self,
        caller: &Caller,
        by: &Subject,
        roles: BTreeSet<Role>,
    ) -> Result<Invited, Refusal> {
        if roles.is_empty() {
            return Err(Refusal::new(Code::BadRequest, "roles: at least one"));
        }
        let place = key(caller.tenant, &id_of(by));
        let inviter: Option<Kept<Person>> = load(self.store(), PEOPLE, &place).await?;
        let inviter = inviter.ok_or_else(|| no_tenant(caller.tenant))?;
        let batch = Batch::new().expect_version(PEOPLE, &place, inviter.version);
        self.invite_in(caller, Inviter::Person(id_of(by)), roles, batch).await
    }

    /// Invites the first administrator of a tenant; refused once somebody is enrolled there, and of no use then.
    pub async fn invite_first(
        &self,
        operator: &Principal,
        request: RequestId,
        tenant: TenantId,
    ) -> Result<Invited, Refusal> {
        self.tenant(tenant).await?;
        if self.roster(tenant).await?.people() > 0 {
            let rule = "the tenant has people of its own; one of its administrators invites others";
            return Err(Refusal::new(Code::Conflict, rule));
        }
        let caller = Caller { tenant, principal: operator.clone(), initiator: Initiator::User, request };
        let roles = BTreeSet::from([Role::Administrator]);
        self.invite_in(&caller, Inviter::Operator, roles, Batch::new()).await
    }

    async fn invite_in(
        &self,
        caller: &Caller,
        by: Inviter,
        roles: BTreeSet<Role>,
        batch: Batch,
    ) -> Result<Invited, Refusal> {
        if self.invitations(caller).await?.len() >= MAX_INVITATIONS as usize {
            let rule = format!("a tenant has at most {MAX_INVITATIONS} open invitations: withdraw one first");
            return Err(Refusal::new(Code::TooLarge, rule));
        }
        let mut secret = Zeroizing::new([0; SECRET]);
        secret[..16].copy_from_slice(caller.tenant.as_bytes());
        self.random().fill(&mut secret[16..]);
        let credential =
            Zeroizing::new(format!("{INVITATION_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret.as_slice())));
        let expires = self.clock().now() + INVITATION_LIFE;
        let place = key(caller.tenant, &hashed(&credential));
        let id = invitation_id(&place);
        let row = Invitation { v: ROW_VERSION, id: id.clone(), by, roles: roles.clone(), expires };
        let batch = batch.expect_absent(INVITATIONS, &place).put(INVITATIONS, &place, &row);
        let body = json!({ "invitation": id, "by": row.by, "roles": roles, "expires": expires });
        let record = self.record(caller, "Person invited", body);
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)?;
        Ok(Invited { id, credential, roles, expires })
    }

    /// The open invitations of the caller's tenant.
    pub async fn invitations(&self, caller: &Caller) -> Result<Vec<Invitation>, Refusal> {
        let now = self.clock().now();
        let rows = self.invitation_rows(caller.tenant).await?;
        Ok(rows.into_iter().map(|(_, kept)| kept.value).filter(|open| now < open.expires).collect())
    }

    pub(crate) async fn invitation_rows(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<(String, Kept<Invitation>)>, Refusal> {
        let prefix = format!("{tenant}/");
        // Expired ones stay until upkeep takes them, so there may be more rows than open invitations.
        let scan = Scan { prefix: &prefix, after: None, limit: PAGE };
        let rows = self.store().scan(INVITATIONS, scan).await.map_err(trouble)?;
        let kept = |row: &store::Row| {
            Ok((row.key.clone(), Kept { value: row.parse().map_err(trouble)?, version: row.version }))
        };
        rows.iter().map(kept).collect()
    }

    /// Takes an invitation back.
    pub async fn withdraw(&self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let rows = self.invitation_rows(caller.tenant).await?;
        let found = rows.into_iter().find(|(_, kept)| kept.value.id == id);
        let unknown = || Refusal::new(Code::NotFound, "the tenant has no open invitation of that id");
        let (place, kept) = found.ok_or_else(unknown)?;
        let batch =
            Batch::new().expect_version(INVITATIONS, &place, kept.version).delete(INVITATIONS, &place);
        let record = self.record(caller, "Invitation withdrawn", json!({ "invitation": id }));
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)
    }

    /// Redeems a credential: it is gone, and the subject is enrolled in its tenant, in one transaction.
    ///
    /// A credential that is wrong, used, expired, or of the tenant of another directory is refused in the same words.
    pub async fn redeem(
        &self,
        subject: &Subject,
        request: RequestId,
        credential: &str,
    ) -> Result<(TenantId, Person), Refusal> {
        let tenant = tenant_in(credential).ok_or_else(no_good)?;
        let place = key(tenant, &hashed(credential));
        for _ in 0..RACES {
            let invitation: Option<Kept<Invitation>> = load(self.store(), INVITATIONS, &place).await?;
            let invitation = invitation.filter(|kept| self.clock().now() < kept.value.expires);
            let Some(Kept { value: invitation, version }) = invitation else { return Err(no_good()) };
            if self.tenant(tenant).await?.value.directory != subject.directory {
                return Err(no_good());
            }
            let batch = Batch::new().expect_version(INVITATIONS, &place, version).delete(INVITATIONS, &place);
            let (batch, person) = self.enter_person(tenant, subject, &invitation, batch).await?;
            let principal = subject.principal();
            let caller = Caller { tenant, principal, initiator: Initiator::User, request };
            let body = json!({
                "person": person.id(), "issuer": subject.issuer, "roles": person.roles,
                "invitation": invitation.id, "by": invitation.by,
            });
            let record = self.record(&caller, "Person enrolled", body);
            match self.store().commit(batch, Cause::Audited(vec![record])).await {
                Ok(()) => return Ok((tenant, person)),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(lost(error)),
            }
        }
        Err(Refusal::new(Code::Busy, "the people of the tenant are being changed by others"))
    }

    /// Removes invitations that nobody can redeem any more.
    pub(crate) async fn forget_invitations(&self) -> Result<(), Refusal> {
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let page = self.store().scan(INVITATIONS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let mut batch = Batch::new();
            let mut expired = 0;
            for row in &page {
                // One damaged row does not keep the others.
                let Ok(invitation) = row.parse::<Invitation>() else { continue };
                if self.clock().now() >= invitation.expires {
                    batch = batch.delete(INVITATIONS, &row.key);
                    expired += 1;
                }
            }
            if expired > 0 {
                let reason = Cause::Housekeeping("expired invitations are removed");
                self.store().commit(batch, reason).await.map_err(lost)?;
            }
        }
    }
}

/// Bytes of a credential: the tenant's id, and 256 random bits.
const SECRET: usize = 16 + 32;

/// The tenant that a credential names; what it names proves nothing.
fn tenant_in(credential: &str) -> Option<TenantId> {
    let text = credential.strip_prefix(INVITATION_PREFIX)?;
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    let tenant: [u8; 16] = bytes.first_chunk().copied()?;
    (bytes.len() == SECRET).then(|| TenantId::from_random(tenant))
}

/// The id of an invitation, from the key of its row.
fn invitation_id(place: &str) -> String {
    place.rsplit('/').next().unwrap_or_default().chars().take(ID_DIGITS).collect()
}

/// Digits of the hash that make an invitation's id: enough to tell, too few to be it.
const ID_DIGITS: usize = 16;

/// Where an invitation lies. The lookup by hash tells nothing of the credential by its time.
fn hashed(credential: &str) -> String {
    hex::encode(&sha256(credential.as_bytes()))
}

pub(crate) fn no_good() -> Refusal {
    Refusal::new(
        Code::Forbidden,
        "the credential is wrong, used or expired, or is for people of another directory",
    )
}
