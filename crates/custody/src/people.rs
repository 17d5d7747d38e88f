//! Who belongs to a tenant: people with roles.
//!
//! Owns the `people` and `rosters` tables (spec/http-api.md). A token proves who somebody is; what he may do is
//! written here and nowhere else. Of a credential only its hash is kept.

use std::collections::BTreeSet;

use crypto::digest::sha256;
use model::caller::{Caller, Identity, Initiator, Role, Subject};
use model::id::{RequestId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Batch, Cause, CommitError, Scan};

use crate::custody::Custody;
use crate::hex;
use crate::invitations::{Invitation, Inviter, no_good};
use crate::rows::{INVITATIONS, Kept, PEOPLE, ROSTERS, load, lost, trouble};

/// How many people a tenant may have enrolled: administrators and programs, not everybody who has a mailbox.
pub const MAX_PEOPLE: u32 = 500;
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

/// How many people a tenant has: every change of them passes this row, so that two at once see each other.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Roster {
    v: u8,
    people: u32,
}

const ROW_VERSION: u8 = 1;
/// How often an enrolment or a removal is decided again after another change came first.
pub(crate) const RACES: u32 = 8;

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
        let principal = subject.principal();
        Ok((Caller { tenant, principal, initiator: Initiator::User, request }, person.roles))
    }

    /// Adds what an invitation gives to what the subject may do already.
    pub(crate) async fn enter_person(
        &self,
        tenant: TenantId,
        subject: &Subject,
        invitation: &Invitation,
        batch: Batch,
    ) -> Result<(Batch, Person), Refusal> {
        let place = key(tenant, &id_of(subject));
        let known: Option<Kept<Person>> = load(self.store(), PEOPLE, &place).await?;
        let roster = self.roster(tenant).await?;
        if invitation.by == Inviter::Operator && roster.value.people > 0 {
            return Err(no_good());
        }
        let (batch, mut person) = match known {
            Some(Kept { value, version }) => (batch.expect_version(PEOPLE, &place, version), value),
            None => {
                if roster.value.people >= MAX_PEOPLE {
                    let rule = format!("a tenant has at most {MAX_PEOPLE} people enrolled");
                    return Err(Refusal::new(Code::TooLarge, rule));
                }
                let (subject, enrolled) = (subject.clone(), self.clock().now());
                let person = Person { v: ROW_VERSION, subject, roles: BTreeSet::new(), enrolled };
                let batch = roster.changed(batch, tenant, roster.value.people + 1);
                (batch.expect_absent(PEOPLE, &place), person)
            }
        };
        person.roles.extend(&invitation.roles);
        Ok((batch.put(PEOPLE, &place, &person), person))
    }

    pub(crate) async fn roster(&self, tenant: TenantId) -> Result<Counted, Refusal> {
        let kept: Option<Kept<Roster>> = load(self.store(), ROSTERS, &tenant.to_string()).await?;
        Ok(kept
            .map_or_else(Counted::default, |kept| Counted { value: kept.value, version: Some(kept.version) }))
    }

    /// Everybody who is enrolled in the caller's tenant, in the order of their ids.
    pub async fn people(&self, caller: &Caller) -> Result<Vec<Person>, Refusal> {
        let prefix = format!("{}/", caller.tenant);
        let scan = Scan { prefix: &prefix, after: None, limit: MAX_PEOPLE };
        let rows = self.store().scan(PEOPLE, scan).await.map_err(trouble)?;
        rows.iter().map(|row| row.parse().map_err(trouble)).collect()
    }

    /// Takes somebody out of the caller's tenant, with the invitations that he made; the last administrator stays.
    ///
    /// It is done in the name of an administrator who is still one when it is written.
    pub async fn remove_person(&self, caller: &Caller, by: &Subject, id: &str) -> Result<(), Refusal> {
        for _ in 0..RACES {
            let own = key(caller.tenant, &id_of(by));
            let remover: Option<Kept<Person>> = load(self.store(), PEOPLE, &own).await?;
            let remover = remover.ok_or_else(|| no_tenant(caller.tenant))?;
            let place = key(caller.tenant, id);
            let leaving: Option<Kept<Person>> = load(self.store(), PEOPLE, &place).await?;
            let unknown = || Refusal::new(Code::NotFound, "nobody of that id is enrolled in the tenant");
            let leaving = leaving.ok_or_else(unknown)?;
            let roster = self.roster(caller.tenant).await?;
            let mut batch = Batch::new().expect_version(PEOPLE, &place, leaving.version);
            if own != place {
                batch = batch.expect_version(PEOPLE, &own, remover.version);
            }
            let batch = batch.delete(PEOPLE, &place);
            // Every change of the people passes the roster: of two who remove each other, the second looks again.
            let mut batch = roster.changed(batch, caller.tenant, roster.value.people.saturating_sub(1));
            if leaving.value.roles.contains(&Role::Administrator) {
                let people = self.people(caller).await?;
                let others = people.iter().filter(|person| person.id() != id);
                if !others.into_iter().any(|person| person.roles.contains(&Role::Administrator)) {
                    let rule = "the last administrator cannot be removed: invite another one first";
                    return Err(Refusal::new(Code::Conflict, rule));
                }
            }
            for (place, kept) in self.invitation_rows(caller.tenant).await? {
                if kept.value.by == Inviter::Person(id.to_owned()) {
                    batch = batch.delete(INVITATIONS, &place);
                }
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
}

/// A roster with the version of its row; none if the tenant has never had anybody.
#[derive(Default)]
pub(crate) struct Counted {
    value: Roster,
    version: Option<u64>,
}

impl Counted {
    /// How many are enrolled.
    pub(crate) fn people(&self) -> u32 {
        self.value.people
    }

    /// Adds the new count to a change, on the version that was read.
    fn changed(&self, batch: Batch, tenant: TenantId, people: u32) -> Batch {
        let place = tenant.to_string();
        let batch = match self.version {
            Some(version) => batch.expect_version(ROSTERS, &place, version),
            None => batch.expect_absent(ROSTERS, &place),
        };
        batch.put(ROSTERS, &place, &Roster { v: ROW_VERSION, people })
    }
}

pub(crate) fn key(tenant: TenantId, person: &str) -> String {
    format!("{tenant}/{person}")
}

pub(crate) fn id_of(subject: &Subject) -> String {
    // The issuer is a URL and holds no NUL: two pairs never give one text.
    hex::encode(&sha256(format!("{}\0{}", subject.issuer, subject.subject).as_bytes()))
}

pub(crate) fn no_tenant(tenant: TenantId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no tenant {tenant}"))
}
