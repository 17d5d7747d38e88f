//! People: invitations that are good once, roles that are the tenant's own, and tenants that see nothing of each other.

use std::collections::BTreeSet;
use std::time::Duration;

use model::caller::{Caller, Identity, Principal, Role, Subject};
use model::id::{DirectoryId, RequestId, TenantId};
use model::refusal::{Code, Refusal};
use store::{Scan, Table};

use super::world::World;
use crate::{Custody, INVITATION_LIFE, Inviter, Tenant};

const REQUEST: [u8; 16] = [9; 16];

fn request() -> RequestId {
    RequestId::from_random(REQUEST)
}

fn somebody(directory: DirectoryId, name: &str) -> Subject {
    let issuer = format!("https://login.vault.localhost/{directory}/");
    Subject { issuer, directory, subject: name.into() }
}

async fn may(
    custody: &Custody,
    subject: &Subject,
    tenant: TenantId,
    needed: Role,
) -> Result<Caller, Refusal> {
    custody.caller(&Identity::Person(subject.clone()), request(), tenant, needed).await
}

/// A tenant with its first administrator.
async fn founded(world: &World, directory: u8) -> (Tenant, Subject, Caller) {
    let tenant = world.tenant(directory).await;
    let invited = world.custody.invite_first(&Principal("operator".into()), request(), tenant.id).await;
    let admin = somebody(tenant.directory, "admin");
    let credential = invited.expect("invited").credential;
    let (where_to, _) = world.custody.redeem(&admin, request(), &credential).await.expect("enrolled");
    assert_eq!(where_to, tenant.id);
    let caller = may(&world.custody, &admin, tenant.id, Role::Administrator).await.expect("an administrator");
    (tenant, admin, caller)
}

async fn invite(world: &World, by: &Subject, caller: &Caller, role: Role) -> String {
    let invited = world.custody.invite(caller, by, BTreeSet::from([role])).await.expect("invited");
    invited.credential.to_string()
}

#[tokio::test]
async fn nobody_reads_as_the_operator_in_the_log_whatever_his_directory_calls_him() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    for name in ["operator", "local:0", "sweeper"] {
        let credential = invite(&world, &admin, &caller, Role::Reader).await;
        let somebody = somebody(tenant.directory, name);
        world.custody.redeem(&somebody, request(), &credential).await.expect("enrolled");
        let person = may(&world.custody, &somebody, tenant.id, Role::Reader).await.expect("a reader");
        assert_eq!(person.principal, Principal(format!("person:{name}")));
    }
    let enrolled = world.audit(&caller, "Person enrolled").await;
    let who: Vec<&str> = enrolled.iter().filter_map(|record| record["userId"].as_str()).collect();
    assert_eq!(who, ["person:admin", "person:operator", "person:local:0", "person:sweeper"]);
}

#[tokio::test]
async fn a_credential_is_good_once() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let credential = invite(&world, &admin, &caller, Role::Reader).await;
    let (first, second) = (somebody(tenant.directory, "first"), somebody(tenant.directory, "second"));
    world.custody.redeem(&first, request(), &credential).await.expect("enrolled");
    let refused = world.custody.redeem(&second, request(), &credential).await.expect_err("used");
    assert_eq!(refused.code, Code::Forbidden);
    assert!(may(&world.custody, &first, tenant.id, Role::Reader).await.is_ok());
    let unknown = may(&world.custody, &second, tenant.id, Role::Reader).await.expect_err("not enrolled");
    assert_eq!(unknown.code, Code::NotFound);
}

#[tokio::test]
async fn wrong_used_expired_and_foreign_credentials_are_refused_in_the_same_words() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let (fabrikam, _, _) = founded(&world, 2).await;
    let person = somebody(tenant.directory, "person");
    let used = invite(&world, &admin, &caller, Role::Reader).await;
    world.custody.redeem(&person, request(), &used).await.expect("enrolled");
    let foreign = invite(&world, &admin, &caller, Role::Reader).await;
    let stranger = somebody(fabrikam.directory, "stranger");
    let of_another = world.custody.redeem(&stranger, request(), &foreign).await.expect_err("foreign");
    let of_used = world.custody.redeem(&person, request(), &used).await.expect_err("used");
    let of_wrong = world.custody.redeem(&person, request(), "fhin_wrong").await.expect_err("wrong");
    world.clock.advance(INVITATION_LIFE);
    let of_expired = world.custody.redeem(&person, request(), &foreign).await.expect_err("expired");
    for refused in [&of_used, &of_wrong, &of_expired] {
        assert_eq!(*refused, of_another);
    }
}

#[tokio::test]
async fn who_is_not_enrolled_hears_what_he_would_hear_of_no_tenant() {
    let world = World::new().await;
    let (tenant, admin, _) = founded(&world, 1).await;
    let (fabrikam, stranger, _) = founded(&world, 2).await;
    let nowhere = TenantId::from_random([77; 16]);
    for (who, at) in [(&stranger, tenant.id), (&admin, fabrikam.id), (&admin, nowhere)] {
        let refused = may(&world.custody, who, at, Role::Reader).await.expect_err("not enrolled");
        assert_eq!(refused, Refusal::new(Code::NotFound, format!("there is no tenant {at}")));
    }
    let operator = world.custody.caller(&Identity::Operator, request(), tenant.id, Role::Reader).await;
    assert_eq!(operator.expect_err("the operator opens nothing").code, Code::NotFound);
    // The same name at another issuer is somebody else.
    let mut twin = admin.clone();
    twin.issuer.push('x');
    assert_eq!(
        may(&world.custody, &twin, tenant.id, Role::Reader).await.expect_err("a twin").code,
        Code::NotFound
    );
}

#[tokio::test]
async fn a_role_is_needed_and_comes_from_the_invitation_alone() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let person = somebody(tenant.directory, "person");
    let credential = invite(&world, &admin, &caller, Role::Reader).await;
    world.custody.redeem(&person, request(), &credential).await.expect("enrolled");
    let refused = may(&world.custody, &person, tenant.id, Role::Writer).await.expect_err("a reader");
    assert_eq!(refused.code, Code::Forbidden);
    let more = invite(&world, &admin, &caller, Role::Writer).await;
    let (_, person_now) = world.custody.redeem(&person, request(), &more).await.expect("enrolled again");
    assert_eq!(person_now.roles, BTreeSet::from([Role::Reader, Role::Writer]));
    assert!(may(&world.custody, &person, tenant.id, Role::Writer).await.is_ok());
    assert_eq!(
        may(&world.custody, &person, tenant.id, Role::Auditor).await.expect_err("no").code,
        Code::Forbidden
    );
}

#[tokio::test]
async fn the_operator_invites_the_first_administrator_and_nobody_after() {
    let world = World::new().await;
    let (tenant, _, _) = founded(&world, 1).await;
    let operator = Principal("operator".into());
    let refused =
        world.custody.invite_first(&operator, request(), tenant.id).await.expect_err("somebody is there");
    assert_eq!(refused.code, Code::Conflict);
    let nowhere = TenantId::from_random([77; 16]);
    let refused = world.custody.invite_first(&operator, request(), nowhere).await.expect_err("no tenant");
    assert_eq!(refused.code, Code::NotFound);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let reader = somebody(tenant.directory, "reader");
    let credential = invite(&world, &admin, &caller, Role::Reader).await;
    world.custody.redeem(&reader, request(), &credential).await.expect("enrolled");
    let id = |people: &[crate::Person], who: &Subject| {
        people.iter().find(|person| person.subject == *who).expect("enrolled").id()
    };
    let people = world.custody.people(&caller).await.expect("people");
    let refused =
        world.custody.remove_person(&caller, &admin, &id(&people, &admin)).await.expect_err("the last one");
    assert_eq!(refused.code, Code::Conflict);
    let second = somebody(tenant.directory, "second");
    let credential = invite(&world, &admin, &caller, Role::Administrator).await;
    world.custody.redeem(&second, request(), &credential).await.expect("enrolled");
    world.custody.remove_person(&caller, &admin, &id(&people, &admin)).await.expect("another one is there");
    world.custody.remove_person(&caller, &second, &id(&people, &reader)).await.expect("no administrator");
    assert_eq!(
        may(&world.custody, &admin, tenant.id, Role::Reader).await.expect_err("gone").code,
        Code::NotFound
    );
    let left = world.custody.people(&caller).await.expect("people");
    assert_eq!(left.iter().map(|person| &person.subject).collect::<Vec<_>>(), [&second]);
}

#[tokio::test]
async fn two_administrators_who_remove_each_other_leave_one() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let second = somebody(tenant.directory, "second");
    let credential = invite(&world, &admin, &caller, Role::Administrator).await;
    let (_, entered) = world.custody.redeem(&second, request(), &credential).await.expect("enrolled");
    let people = world.custody.people(&caller).await.expect("people");
    let first = people.iter().find(|person| person.subject == admin).expect("enrolled").id();
    let (other_one, second) = (second, entered.id());
    let (one, other) = futures::join!(
        world.custody.remove_person(&caller, &other_one, &first),
        world.custody.remove_person(&caller, &admin, &second),
    );
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    assert_eq!(world.custody.people(&caller).await.expect("people").len(), 1);
}

#[tokio::test]
async fn expired_invitations_are_removed_and_no_credential_is_stored() {
    let world = World::new().await;
    let (_, admin, caller) = founded(&world, 1).await;
    let credential = invite(&world, &admin, &caller, Role::Reader).await;
    let rows = async || {
        let scan = Scan { prefix: "", after: None, limit: 10 };
        world.service.0.scan(Table("invitations"), scan).await.expect("rows")
    };
    let [row] = &rows().await[..] else { panic!("one invitation is open") };
    assert!(!row.key.contains(&credential) && !String::from_utf8_lossy(&row.body).contains(&credential));
    world.custody.forget_invitations().await.expect("nothing to forget");
    assert_eq!(rows().await.len(), 1);
    world.clock.advance(INVITATION_LIFE + Duration::from_secs(1));
    world.custody.forget_invitations().await.expect("forgotten");
    assert!(rows().await.is_empty());
}

#[tokio::test]
async fn what_an_administrator_invited_goes_with_him_and_is_withdrawn_by_another() {
    let world = World::new().await;
    let (tenant, admin, caller) = founded(&world, 1).await;
    let second = somebody(tenant.directory, "second");
    let credential = invite(&world, &admin, &caller, Role::Administrator).await;
    let (_, entered) = world.custody.redeem(&second, request(), &credential).await.expect("enrolled");
    let seconds =
        may(&world.custody, &second, tenant.id, Role::Administrator).await.expect("an administrator");
    let kept = invite(&world, &second, &seconds, Role::Administrator).await;
    let other = invite(&world, &admin, &caller, Role::Reader).await;
    world.custody.remove_person(&caller, &admin, &entered.id()).await.expect("out");
    let back = world.custody.redeem(&second, request(), &kept).await.expect_err("his own way back is shut");
    assert_eq!(back.code, Code::Forbidden);
    let after = world.custody.invite(&seconds, &second, BTreeSet::from([Role::Reader])).await;
    assert_eq!(after.expect_err("he invites nobody any more").code, Code::NotFound);
    let open = world.custody.invitations(&caller).await.expect("a list");
    let [left] = &open[..] else { panic!("{open:?}") };
    assert!(matches!(left.by, Inviter::Person(_)));
    world.custody.withdraw(&caller, &left.id).await.expect("withdrawn");
    let person = somebody(tenant.directory, "person");
    assert_eq!(
        world.custody.redeem(&person, request(), &other).await.expect_err("withdrawn").code,
        Code::Forbidden
    );
    let again = world.custody.withdraw(&caller, &left.id).await.expect_err("gone");
    assert_eq!(again.code, Code::NotFound);
}

#[tokio::test]
async fn a_second_invitation_of_the_operator_is_of_no_use_once_somebody_is_in() {
    let world = World::new().await;
    let tenant = world.tenant(1).await;
    let operator = Principal("operator".into());
    let mut credentials = Vec::new();
    for _ in 0..2 {
        let invited = world.custody.invite_first(&operator, request(), tenant.id).await.expect("invited");
        credentials.push(invited.credential);
    }
    let (admin, eve) = (somebody(tenant.directory, "admin"), somebody(tenant.directory, "eve"));
    let (one, other) = futures::join!(
        world.custody.redeem(&admin, request(), &credentials[0]),
        world.custody.redeem(&eve, request(), &credentials[1]),
    );
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    let refused = one.err().or(other.err()).expect("one of them");
    assert_eq!(refused.code, Code::Forbidden);
}

#[tokio::test]
async fn invitations_of_a_tenant_are_bounded() {
    let world = World::new().await;
    let (_, admin, caller) = founded(&world, 1).await;
    for _ in 0..crate::MAX_INVITATIONS {
        invite(&world, &admin, &caller, Role::Reader).await;
    }
    let refused = world.custody.invite(&caller, &admin, BTreeSet::from([Role::Reader])).await;
    assert_eq!(refused.expect_err("one too many").code, Code::TooLarge);
}
