//! Custody's nouns in the types of the wire, and what comes over the wire in custody's.

use api::{
    Invitation, NewPolicy, OpenInvitation, Person, Policy, PolicyKind, PolicySettings, PolicyState, Preset,
    Role, Standing, Tenant,
};
use model::caller;
use model::key_identifier::KeyIdentifier;
use model::policy::{self, State};
use model::refusal::{Code, Refusal};
use model::settings::{self, Bound, Hold, NotASetting, OutageBudget, Settings};

use crate::custody::Custody;
use crate::{Invited, Inviter, service};

/// A tenant as the wire has it.
pub(super) fn tenant(tenant: crate::Tenant) -> Tenant {
    Tenant {
        id: tenant.id,
        name: tenant.name,
        directory_id: tenant.directory,
        domains: tenant.domains,
        geos: tenant.geos,
        entitlement: tenant.entitlement,
        provider_policy_id: tenant.provider_policy,
        multi_workload_policy_id: tenant.multi_workload,
        share_point_policy_id: tenant.share_point,
        created: tenant.created.into(),
    }
}

pub(super) fn invited(invited: &Invited) -> Invitation {
    Invitation {
        id: invited.id.clone(),
        credential: invited.credential.to_string(),
        roles: invited.roles.iter().copied().map(role).collect(),
        expires: invited.expires.into(),
    }
}

pub(super) fn invitation(open: crate::Invitation) -> OpenInvitation {
    OpenInvitation {
        id: open.id,
        by: match open.by {
            Inviter::Operator => None,
            Inviter::Person(id) => Some(id),
        },
        roles: open.roles.into_iter().map(role).collect(),
        expires: open.expires.into(),
    }
}

pub(super) fn person(person: crate::Person) -> Person {
    Person {
        id: person.id(),
        roles: person.roles.iter().copied().map(role).collect(),
        enrolled: person.enrolled.into(),
        issuer: person.subject.issuer,
        subject: person.subject.subject,
    }
}

fn role(role: caller::Role) -> Role {
    match role {
        caller::Role::Administrator => Role::Administrator,
        caller::Role::Reader => Role::Reader,
        caller::Role::Writer => Role::Writer,
        caller::Role::Auditor => Role::Auditor,
    }
}

pub(super) fn role_given(role: Role) -> caller::Role {
    match role {
        Role::Administrator => caller::Role::Administrator,
        Role::Reader => caller::Role::Reader,
        Role::Writer => caller::Role::Writer,
        Role::Auditor => caller::Role::Auditor,
    }
}

pub(super) fn kind_given(kind: PolicyKind) -> policy::PolicyKind {
    match kind {
        PolicyKind::Mailbox => policy::PolicyKind::Mailbox,
        PolicyKind::MultiWorkload => policy::PolicyKind::MultiWorkload,
        PolicyKind::SharePoint => policy::PolicyKind::SharePoint,
        PolicyKind::ProviderManaged => policy::PolicyKind::ProviderManaged,
    }
}

fn kind(kind: policy::PolicyKind) -> PolicyKind {
    match kind {
        policy::PolicyKind::Mailbox => PolicyKind::Mailbox,
        policy::PolicyKind::MultiWorkload => PolicyKind::MultiWorkload,
        policy::PolicyKind::SharePoint => PolicyKind::SharePoint,
        policy::PolicyKind::ProviderManaged => PolicyKind::ProviderManaged,
    }
}

/// A new policy as custody takes it; its keys must lie where the operator allows vaults to be.
pub(super) fn policy_given(custody: &Custody, new: NewPolicy) -> Result<crate::NewPolicy, Refusal> {
    let kind = kind_given(new.kind);
    if kind == policy::PolicyKind::ProviderManaged {
        return Err(Refusal::new(Code::BadRequest, "kind: nobody makes a provider-managed policy"));
    }
    let suffixes = custody.reach().suffixes(kind);
    let key = |index: usize| {
        let parsed = KeyIdentifier::parse(&new.key_identifiers[index], &suffixes);
        parsed.map_err(|error| Refusal::new(Code::BadRequest, format!("keyIdentifiers[{index}]: {error}")))
    };
    let keys = [key(0)?, key(1)?];
    let settings = settings_given(new.settings, Settings::default_of(kind.family()));
    let settings = settings.map_err(|error| Refusal::new(Code::BadRequest, format!("settings: {error}")))?;
    let (name, description) = (new.name, new.description);
    Ok(crate::NewPolicy { kind, name, description, keys, settings: Some(settings) })
}

fn settings_given(given: PolicySettings, mut settings: Settings) -> Result<Settings, NotASetting> {
    match given.preset {
        Some(Preset::Never) => settings.preset = settings::Preset::Never,
        Some(Preset::OutageOnly) => settings.preset = settings::Preset::OutageOnly,
        None => {}
    }
    if let Some(seconds) = given.bound_seconds {
        settings.bound = Bound::from_secs(seconds)?;
    }
    if let Some(seconds) = given.hold_seconds {
        settings.hold = Hold::from_secs(seconds)?;
    }
    if let Some(seconds) = given.outage_budget_seconds {
        settings.outage_budget = OutageBudget::from_secs(seconds)?;
    }
    Ok(settings)
}

fn settings(settings: &Settings) -> PolicySettings {
    PolicySettings {
        preset: match settings.preset {
            settings::Preset::Never => Some(Preset::Never),
            settings::Preset::OutageOnly => Some(Preset::OutageOnly),
            // No text is read as this one, so no row can hold it.
            settings::Preset::OutageAndSystem => None,
        },
        bound_seconds: Some(settings.bound.secs()),
        hold_seconds: Some(settings.hold.secs()),
        outage_budget_seconds: Some(settings.outage_budget.secs()),
    }
}

pub(super) fn policy(policy: crate::Policy) -> Policy {
    let state = match policy.condition().shown() {
        State::PendingActivation | State::Active => PolicyState::Active,
        State::Disabled => PolicyState::Disabled,
        State::Revoked => PolicyState::Revoked,
        State::PendingDeletion => PolicyState::PendingDeletion,
    };
    Policy {
        id: policy.id,
        kind: kind(policy.kind),
        name: policy.name.to_string(),
        description: policy.description.to_string(),
        state,
        generation: policy.generation.0,
        revocation_epoch: policy.epoch.0,
        settings: settings(&policy.settings),
        key_identifiers: policy.keys.map(|key| key.to_string()),
        created: policy.created.into(),
        refreshed: policy.refreshed.into(),
    }
}

pub(super) fn standing(standing: service::Standing) -> Standing {
    Standing {
        assigned_policy_id: standing.assigned,
        covering_policy_id: standing.covering,
        effective_policy_id: standing.effective,
        provider_managed: standing.provider_managed,
        generation: standing.generation.0,
        pending: standing.pending,
    }
}
