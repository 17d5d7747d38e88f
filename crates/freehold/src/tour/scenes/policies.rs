//! The three kinds of policy, made on the customer's keys and assigned.

use api::client::ClientError;
use api::{ContainerKind, NewContainer, NewPolicy, Policy, PolicyKind, PolicySettings, Preset};
use model::key_identifier::KeyIdentifier;
use model::policy;

use super::customer::key_name;
use crate::node::{APPLICATIONS, VAULT_SUFFIX};
use crate::tour::play::{BOUND, HOLD, Places, Play, Policies};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};

pub(super) async fn multi_workload(play: &mut Play) -> Result<Evidence, Broken> {
    let policy = play.answered(make(play, PolicyKind::MultiWorkload, "Contoso_Global").await?)?;
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let assigned = client.assign_to_tenant(tenant, PolicyKind::MultiWorkload, Some(policy.id)).await;
    play.answered(assigned)?;
    let Places { alice, bob, site } = play.places()?.clone();
    let mut lines = vec![
        told(&policy)?,
        "assigned to the tenant; the administrator has each brought under its policy now:".into(),
    ];
    for container in [&alice, &bob, &site] {
        play.answered(client.rewrap(tenant, container.id).await)?;
        lines.push(format!("  {}", play.standing(container).await?));
    }
    let Err(spaces) = make(play, PolicyKind::MultiWorkload, "Contoso Global").await? else {
        return Err(Broken::because("a name with a space was taken"));
    };
    lines.push(format!("\"Contoso Global\" is refused: {}", play.told(&spaces)));
    play.made.push(policy);
    Ok(lines)
}

pub(super) async fn mailbox(play: &mut Play) -> Result<Evidence, Broken> {
    let policy = play.answered(make(play, PolicyKind::Mailbox, "Contoso executives").await?)?;
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let alice = play.places()?.alice.clone();
    let before = play.answered(client.layers(tenant, alice.id).await)?;
    let assigned = play.answered(client.assign_to_container(tenant, alice.id, Some(policy.id)).await)?;
    if assigned.effective_policy_id == Some(policy.id) {
        return Err(Broken::because("the assignment took effect without a rewrap"));
    }
    let mut lines = vec![told(&policy)?, format!("assigned:     {}", play.standing(&alice).await?)];
    play.answered(play.read(play.first(alice.id)?).await?)?;
    let after = play.answered(client.layers(tenant, alice.id).await)?;
    if after.policy_id != Some(policy.id) || before.policy_id == after.policy_id {
        return Err(Broken::because("reading a message did not rewrap the mailbox"));
    }
    lines.push(format!("then touched: {}", play.standing(&alice).await?));
    lines.push(format!(
        "the rewrap wrote {} bytes: the same mailbox key under another policy's key",
        after.container_wrap_bytes
    ));
    let carol = NewContainer { kind: ContainerKind::Mailbox, name: "carol@contoso.com".into() };
    let carol = play.answered(client.create_container(tenant, &carol).await)?;
    lines.push(format!("a new one:    {}", play.standing(&carol).await?));
    play.made.push(policy);
    Ok(lines)
}

pub(super) async fn share_point(play: &mut Play) -> Result<Evidence, Broken> {
    let policy = play.answered(make(play, PolicyKind::SharePoint, "Contoso sites").await?)?;
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let assigned = client.assign_to_tenant(tenant, PolicyKind::SharePoint, Some(policy.id)).await;
    play.answered(assigned)?;
    let site = play.places()?.site.clone();
    play.answered(client.rewrap(tenant, site.id).await)?;
    let lines = vec![told(&policy)?, play.standing(&site).await?];
    play.made.push(policy);
    let made = <[Policy; 3]>::try_from(std::mem::take(&mut play.made));
    let [multi_workload, mailbox, share_point] =
        made.map_err(|_| Broken::because("not all three policies were made: an earlier step failed"))?;
    play.policies = Some(Policies { mailbox, share_point, multi_workload });
    Ok(lines)
}

/// Asks for a policy on the customer's keys for its kind; what was answered.
async fn make(play: &Play, kind: PolicyKind, name: &str) -> Result<Result<Policy, ClientError>, Broken> {
    let application = match kind {
        PolicyKind::Mailbox => policy::PolicyKind::Mailbox,
        PolicyKind::MultiWorkload => policy::PolicyKind::MultiWorkload,
        PolicyKind::SharePoint => policy::PolicyKind::SharePoint,
        PolicyKind::ProviderManaged => return Err(Broken::because("nobody makes the provider's policy")),
    };
    let credential = APPLICATIONS.iter().find(|(of, ..)| *of == application).map(|(_, name, _)| *name);
    let key = key_name(credential.ok_or_else(|| Broken::because("no application for this kind"))?);
    let hold = (kind == PolicyKind::SharePoint).then_some(HOLD);
    let new = NewPolicy {
        kind,
        name: name.into(),
        description: "Made by the tour".into(),
        key_identifiers: Which::BOTH
            .map(|which| format!("https://{}.{VAULT_SUFFIX}/keys/{key}", which.name())),
        settings: PolicySettings {
            bound_seconds: Some(BOUND),
            hold_seconds: hold,
            ..PolicySettings::default()
        },
    };
    Ok(play.administrator()?.create_policy(play.contoso()?.tenant, &new).await)
}

fn told(policy: &Policy) -> Result<String, Broken> {
    let [first, second] = &policy.key_identifiers;
    let first = KeyIdentifier::from_stored(first).map_err(Broken::because)?;
    let second = KeyIdentifier::from_stored(second).map_err(Broken::because)?;
    let held = match policy.settings.hold_seconds {
        None | Some(0) => String::new(),
        Some(seconds) => format!(", held for {seconds} s"),
    };
    let availability = match policy.settings.preset {
        Some(Preset::OutageOnly) => "in an outage alone",
        Some(Preset::Never) | None => "never",
    };
    Ok(format!(
        "{:?}: {} in {} and in {}; availability key {availability}{held}",
        policy.name,
        first.name(),
        first.vault(),
        second.vault(),
    ))
}
