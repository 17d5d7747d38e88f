//! Who belongs to a tenant: people with roles, and the invitations that bring them in.
//!
//! Owns the `people` and `invitations` tables (spec/http-api.md). A token proves who somebody is; what he may do is
//! written here and nowhere else. Of a credential only its hash is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::digest::sha256;
use model::caller::{Caller, Identity, Initiator, Principal, Role, Subject};
use model::id::{RequestId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Batch, Cause, CommitError, Scan};
use zeroize::Zeroizing;

use crate::custody::Custody;
use crate::hex;
use crate::rows::{INVITATIONS, Kept, PEOPLE, load, lost, trouble};

/// How long an invitation can be redeemed.
pub const INVITATION_LIFE: Duration = Duration::from_hours(7 * 24);
/// How many people a tenant may have enrolled: administrators and programs, not everybody who has a mailbox.
pub const MAX_PEOPLE: u32 = 500;
/// What every invitation's credential begins with, so that a leaked one is recognised.
pub const INVITATION_PREFIX: &str = "fhin_";

/// Somebody who is enrolled in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    v: u8,
    /// Who it is.
    pub subject: Subject,
    /// What he may do.
    pub roles: BTreeSet<Role>,
    /// Since when.
    pub enrolled: Timestamp,
}

impl Person {
    /// The person's id in every tenant: the hash of issuer and subject, in hexadecimal.
    pub fn id(&self) -> String {
        id_of(&self.subject)
    }
}

/// A one-time credential as it is handed out, once.
#[derive(Debug)]
pub struct Invited {
    /// The credential.
    pub credential: Zeroizing<String>,
    /// What whoever redeems it may do.
    pub roles: BTreeSet<Role>,
    /// Until when.
    pub expires: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Invitation {
    v: u8,
    tenant: TenantId,
    roles: BTreeSet<Role>,
    expires: Timestamp,
}

const ROW_VERSION: u8 = 1;
/// How often an enrolment or a removal is decided again after another change came first.
const RACES: u32 = 8;

impl Custody {
    /// The caller of a tenant, if the identity is enrolled there with a role that includes the needed one.
    ///
    /// Whoever is not enrolled hears what he would hear of a tenant that does not exist; the operator too.
    pub async fn caller(
        &self,
        identity: &Identity,
        request: RequestId,
        tenant: TenantId,
        needed: Role,
    ) -> Result<Caller, Refusal> {
        let (caller, roles) = self.member(identity, request, tenant).await?;
        if !roles.iter().any(|role| role.includes(needed)) {
            return Err(Refusal::new(Code::Forbidden, format!("this needs the role {needed}")));
        }
        Ok(caller)
    }

    /// The caller of a tenant, whatever his roles are, and which those are.
    pub async fn member(
        &self,
        identity: &Identity,
        request: RequestId,
        tenant: TenantId,
    ) -> Result<(Caller, BTreeSet<Role>), Refusal> {
        let Identity::Person(subject) = identity else { return Err(no_tenant(tenant)) };
        let person: Option<Kept<Person>> = load(self.store(), PEOPLE, &key(tenant, &id_of(subject))).await?;
        let person = person.ok_or_else(|| no_tenant(tenant))?.value;
        let principal = Principal(subject.subject.clone());
        Ok((Caller { tenant, principal, initiator: Initiator::User, request }, person.roles))
    }

    /// Invites somebody into the caller's tenant.
    pub async fn invite(&self, caller: &Caller, roles: BTreeSet<Role>) -> Result<Invited, Refusal> {
        if roles.is_empty() {
            return Err(Refusal::new(Code::BadRequest, "roles: at least one"));
        }
        let mut secret = Zeroizing::new([0; 32]);
        self.random().fill(secret.as_mut_slice());
        let credential =
            Zeroizing::new(format!("{INVITATION_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret.as_slice())));
        let expires = self.clock().now() + INVITATION_LIFE;
        let row = Invitation { v: ROW_VERSION, tenant: caller.tenant, roles: roles.clone(), expires };
        let place = hashed(&credential);
        let batch = Batch::new().expect_absent(INVITATIONS, &place).put(INVITATIONS, &place, &row);
        let record = self.record(caller, "Person invited", json!({ "roles": roles, "expires": expires }));
        self.store().commit(batch, Cause::Audited(vec![record])).await.map_err(lost)?;
        Ok(Invited { credential, roles, expires })
    }

    /// Invites the first administrator of a tenant; refused once somebody is enrolled there.
    pub async fn invite_first(
        &self,
        operator: &Principal,
        request: RequestId,
        tenant: TenantId,
    ) -> Result<Invited, Refusal> {
        self.tenant(tenant).await?;
        let caller = Caller { tenant, principal: operator.clone(), initiator: Initiator::User, request };
        if !self.people(&caller).await?.is_empty() {
            let rule = "the tenant has people of its own; one of its administrators invites others";
            return Err(Refusal::new(Code::Conflict, rule));
        }
        self.invite(&caller, BTreeSet::from([Role::Administrator])).await
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
        let place = hashed(credential);
        for _ in 0..RACES {
            let invitation: Option<Kept<Invitation>> = load(self.store(), INVITATIONS, &place).await?;
            let invitation = invitation.filter(|kept| self.clock().now() < kept.value.expires);
            let Some(Kept { value: invitation, version }) = invitation else { return Err(no_good()) };
            let tenant = self.tenant(invitation.tenant).await?.value;
            if tenant.directory != subject.directory {
                return Err(no_good());
            }
            let batch = Batch::new().expect_version(INVITATIONS, &place, version).delete(INVITATIONS, &place);
            let (batch, person) = self.enter_person(tenant.id, subject, &invitation, batch).await?;
            let principal = Principal(subject.subject.clone());
            let caller = Caller { tenant: tenant.id, principal, initiator: Initiator::User, request };
            let body = json!({ "person": person.id(), "issuer": subject.issuer, "roles": person.roles });
            let record = self.record(&caller, "Person enrolled", body);
            match self.store().commit(batch, Cause::Audited(vec![record])).await {
                Ok(()) => return Ok((tenant.id, person)),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(lost(error)),
            }
        }
        Err(Refusal::new(Code::Busy, "the people of the tenant are being changed by others"))
    }

    /// Adds what an invitation gives to what the subject may do already.
    async fn enter_person(
        &self,
        tenant: TenantId,
        subject: &Subject,
        invitation: &Invitation,
        batch: Batch,
    ) -> Result<(Batch, Person), Refusal> {
        let place = key(tenant, &id_of(subject));
        let known: Option<Kept<Person>> = load(self.store(), PEOPLE, &place).await?;
        let (batch, mut person) = match known {
            Some(Kept { value, version }) => (batch.expect_version(PEOPLE, &place, version), value),
            None => {
                self.check_people(tenant).await?;
                let (subject, enrolled) = (subject.clone(), self.clock().now());
                let person = Person { v: ROW_VERSION, subject, roles: BTreeSet::new(), enrolled };
                (batch.expect_absent(PEOPLE, &place), person)
            }
        };
        person.roles.extend(&invitation.roles);
        Ok((batch.put(PEOPLE, &place, &person), person))
    }

    /// Everybody who is enrolled in the caller's tenant, in the order of their ids.
    pub async fn people(&self, caller: &Caller) -> Result<Vec<Person>, Refusal> {
        let rows = self.people_rows(caller.tenant).await?;
        Ok(rows.into_iter().map(|kept| kept.value).collect())
    }

    async fn people_rows(&self, tenant: TenantId) -> Result<Vec<Kept<Person>>, Refusal> {
        let prefix = format!("{tenant}/");
        let scan = Scan { prefix: &prefix, after: None, limit: MAX_PEOPLE };
        let rows = self.store().scan(PEOPLE, scan).await.map_err(trouble)?;
        let parsed =
            rows.iter().map(|row| Ok(Kept { value: row.parse().map_err(trouble)?, version: row.version }));
        parsed.collect()
    }

    async fn check_people(&self, tenant: TenantId) -> Result<(), Refusal> {
        if self.people_rows(tenant).await?.len() < MAX_PEOPLE as usize {
            return Ok(());
        }
        Err(Refusal::new(Code::TooLarge, format!("a tenant has at most {MAX_PEOPLE} people enrolled")))
    }

    /// Takes somebody out of the caller's tenant; the last administrator stays.
    pub async fn remove_person(&self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        for _ in 0..RACES {
            let people = self.people_rows(caller.tenant).await?;
            let unknown = || Refusal::new(Code::NotFound, "nobody of that id is enrolled in the tenant");
            let leaving = people.iter().find(|kept| kept.value.id() == id).ok_or_else(unknown)?;
            let administers = |kept: &&Kept<Person>| kept.value.roles.contains(&Role::Administrator);
            let stays = people.iter().filter(administers).find(|kept| kept.value.id() != id);
            let place = key(caller.tenant, id);
            let mut batch =
                Batch::new().expect_version(PEOPLE, &place, leaving.version).delete(PEOPLE, &place);
            if administers(&leaving) {
                let stays = stays.ok_or_else(|| {
                    let rule = "the last administrator cannot be removed: invite another one first";
                    Refusal::new(Code::Conflict, rule)
                })?;
                // Two who remove each other at once: the second looks again.
                batch = batch.expect_version(PEOPLE, key(caller.tenant, &stays.value.id()), stays.version);
            }
            let record = self.record(caller, "Person removed", json!({ "person": id }));
            match self.store().commit(batch, Cause::Audited(vec![record])).await {
                Ok(()) => return Ok(()),
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
            let scan = Scan { prefix: "", after: after.as_deref(), limit: MAX_PEOPLE };
            let page = self.store().scan(INVITATIONS, scan).await.map_err(trouble)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let mut batch = Batch::new();
            let mut expired = 0;
            for row in &page {
                let invitation: Invitation = row.parse().map_err(trouble)?;
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

fn key(tenant: TenantId, person: &str) -> String {
    format!("{tenant}/{person}")
}

fn id_of(subject: &Subject) -> String {
    // The issuer is a URL and holds no NUL: two pairs never give one text.
    hex::encode(&sha256(format!("{}\0{}", subject.issuer, subject.subject).as_bytes()))
}

/// Where an invitation lies. The lookup by hash tells nothing of the credential by its time.
fn hashed(credential: &str) -> String {
    hex::encode(&sha256(credential.as_bytes()))
}

fn no_tenant(tenant: TenantId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no tenant {tenant}"))
}

fn no_good() -> Refusal {
    Refusal::new(
        Code::Forbidden,
        "the credential is wrong, used or expired, or is for people of another directory",
    )
}
