//! The three kinds of policy, made on the customer's keys and assigned.

use custody::service::Family;
use custody::{NewPolicy, Policy};
use model::key_identifier::KeyIdentifier;
use model::policy::PolicyKind;
use model::settings::{Bound, Hold, Preset, Settings};
use workloads::HolderKind;

use super::customer::key_name;
use crate::node::{APPLICATIONS, VAULT_SUFFIX};
use crate::tour::play::{BOUND, HOLD, Places, Play, Policies};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};

pub(super) async fn multi_workload(play: &mut Play) -> Result<Evidence, Broken> {
    let multi_workload = make(play, PolicyKind::MultiWorkload, "Contoso_Global").await?;
    let admin = play.person("admin@contoso.com")?;
    let custody = &play.stage.service().custody;
    let assigned = custody.assign_tenant(&admin, PolicyKind::MultiWorkload, Some(multi_workload.id)).await;
    assigned.map_err(Broken::because)?;
    custody.sweep().await.map_err(Broken::because)?;
    let spaces = make(play, PolicyKind::MultiWorkload, "Contoso Global").await;
    let Err(spaces) = spaces else { return Err(Broken::because("a name with a space was taken")) };
    let Places { alice, bob, site } = play.places()?.clone();
    let mut lines = vec![
        told(&multi_workload),
        "assigned to the tenant; nobody touches anything, the sweeper rewraps:".into(),
    ];
    for holder in [&alice, &bob, &site] {
        lines.push(format!("  {}", play.standing(holder).await?));
    }
    lines.push(format!("\"Contoso Global\" is refused: {spaces}"));
    play.made.push(multi_workload);
    Ok(lines)
}

pub(super) async fn mailbox(play: &mut Play) -> Result<Evidence, Broken> {
    let policy = make(play, PolicyKind::Mailbox, "Contoso executives").await?;
    let admin = play.person("admin@contoso.com")?;
    let alice = play.places()?.alice.clone();
    let custody = &play.stage.service().custody;
    let before = custody.layers(&admin, alice.id).await.map_err(Broken::because)?;
    let assigned = custody.assign(&admin, alice.id, Some(policy.id)).await.map_err(Broken::because)?;
    if assigned.effective == Some(policy.id) {
        return Err(Broken::because("the assignment took effect without a rewrap"));
    }
    let mut lines = vec![told(&policy), format!("assigned:     {}", play.standing(&alice).await?)];
    let first = play.first(alice.id)?.clone();
    play.read(&first).await.map_err(Broken::because)?;
    let after = custody.layers(&admin, alice.id).await.map_err(Broken::because)?;
    if after.policy != Some(policy.id) || before.policy == after.policy {
        return Err(Broken::because("reading a message did not rewrap the mailbox"));
    }
    lines.push(format!("then touched: {}", play.standing(&alice).await?));
    lines.push(format!(
        "the rewrap wrote {} bytes: the same mailbox key under another policy's key",
        after.container_wrap
    ));
    let carol = HolderKind::Mailbox.name("carol@contoso.com").map_err(Broken::because)?;
    let carol = play.stage.service().engine.create_holder(&admin, HolderKind::Mailbox, &carol).await;
    lines.push(format!("a new one:    {}", play.standing(&carol.map_err(Broken::because)?).await?));
    play.made.push(policy);
    Ok(lines)
}

pub(super) async fn share_point(play: &mut Play) -> Result<Evidence, Broken> {
    let policy = make(play, PolicyKind::SharePoint, "Contoso sites").await?;
    let admin = play.person("admin@contoso.com")?;
    let custody = &play.stage.service().custody;
    let assigned = custody.assign_tenant(&admin, PolicyKind::SharePoint, Some(policy.id)).await;
    assigned.map_err(Broken::because)?;
    custody.sweep().await.map_err(Broken::because)?;
    let site = play.places()?.site.clone();
    let lines = vec![told(&policy), play.standing(&site).await?];
    play.made.push(policy);
    let made = <[Policy; 3]>::try_from(std::mem::take(&mut play.made));
    let [multi_workload, mailbox, share_point] =
        made.map_err(|_| Broken::because("not all three policies were made: an earlier step failed"))?;
    play.policies = Some(Policies { mailbox, share_point, multi_workload });
    Ok(lines)
}

async fn make(play: &Play, kind: PolicyKind, name: &str) -> Result<Policy, Broken> {
    let credential = APPLICATIONS.iter().find(|(of, ..)| *of == kind).map(|(_, credential, _)| *credential);
    let key = key_name(credential.ok_or_else(|| Broken::because("no application for this kind"))?);
    let mut settings = Settings::default_of(kind.family());
    settings.bound = Bound::from_secs(BOUND).map_err(Broken::because)?;
    if kind.family() == Family::SharePoint {
        settings.hold = Hold::from_secs(HOLD).map_err(Broken::because)?;
    }
    let suffix = VAULT_SUFFIX.parse().map_err(|_| Broken::because("the lab's suffix is a suffix"))?;
    let mut keys = Vec::new();
    for which in Which::BOTH {
        keys.push(KeyIdentifier::from_parts(which.name(), &suffix, &key, None).map_err(Broken::because)?);
    }
    let keys = <[KeyIdentifier; 2]>::try_from(keys).map_err(|_| Broken::because("two vaults, two keys"))?;
    let new = NewPolicy {
        kind,
        name: name.into(),
        description: "Made by the tour".into(),
        keys,
        settings: Some(settings),
    };
    let admin = play.person("admin@contoso.com")?;
    play.stage.service().custody.create_policy(&admin, new).await.map_err(Broken::because)
}

fn told(policy: &Policy) -> String {
    let [first, second] = &policy.keys;
    let held = match policy.settings.hold.secs() {
        0 => String::new(),
        seconds => format!(", held for {seconds} s"),
    };
    let availability = match policy.settings.preset {
        Preset::Never => "never",
        _ => "in an outage alone",
    };
    format!(
        "{:?}: {} in {} and in {}; availability key {availability}{held}",
        policy.name.as_str(),
        first.name(),
        first.vault(),
        second.vault(),
    )
}
