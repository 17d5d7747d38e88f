//! The customer takes a right away: at the vault, over the wire, and nowhere else.

use std::time::Duration;

use model::refusal::Code;
use reqwest::Method;

use super::customer::{key_name, right, right_body};
use crate::node::APPLICATIONS;
use crate::tour::play::{BOUND, Play};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};
use crate::tour::watch::{FALLBACK, LOOK, Refused, code};
use crate::wire::Unanswered;

/// The application that opens mailbox policies.
const EXCHANGE: usize = 0;

pub(super) async fn taken(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let seen = deny(play).await?;
    let mut lines = vec![
        "at each vault the administrator deletes a role assignment; the service is told nothing".into(),
        format!("reads are refused after {:.1} s; the bound is {BOUND} s:", seen.after.as_secs_f64()),
        format!("  {}", play.told(&seen.refusal)),
    ];
    for holder in [&places.bob, &places.site] {
        let read = play.read_back(holder.id).await?;
        let name = holder.name.as_str();
        lines.push(format!(
            "{name:<18} {} read: another policy, another application",
            play.things(holder, read.equal)
        ));
    }
    Ok(lines)
}

pub(super) async fn silent(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let mail = play.first(places.alice.id)?.clone();
    // Where the scene before did not come so far, the "no" is heard now.
    if !play.denied {
        deny(play).await?;
    }
    let since = play.newest().await?;
    for which in Which::BOTH {
        play.stage.kill(which).await;
    }
    let read = play.read(&mail).await?;
    let uses = uses(play, since).await?;
    for which in Which::BOTH {
        play.stage.revive(which)?;
    }
    let refusal = match read {
        Ok(_) if uses > 0 => {
            return Err(Broken::because(
                "silence after a denial let the availability key open the mailbox: no evidence of an outage",
            ));
        }
        Ok(_) => return Err(Broken::because("silence after a denial opened the mailbox")),
        Err(refusal) => refusal,
    };
    if code(&refusal) != Some(Code::RefusedByCustomer) {
        return Err(Broken(format!("a denial became something else: {}", play.told(&refusal))));
    }
    if uses > 0 {
        return Err(Broken::because("the availability key was used after a denial"));
    }
    Ok(vec!["neither vault listens any more, and yet:".into(), format!("  {}", play.told(&refusal))])
}

pub(super) async fn given_back(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let mail = play.first(places.alice.id)?.clone();
    give_right(play).await?;
    play.denied = false;
    let after = play.until_read(&mail).await?;
    let read = play.read_back(places.alice.id).await?;
    Ok(vec![format!(
        "{} read, {:.1} s after the right was given back",
        play.things(&places.alice, read.equal),
        after.as_secs_f64()
    )])
}

/// Takes the right away and reads until the "no" has been heard.
async fn deny(play: &mut Play) -> Result<Refused, Broken> {
    let mail = play.first(play.places()?.alice.id)?.clone();
    play.answered(play.read(&mail).await?)?;
    play.denied = true;
    take_right(play).await?;
    let bound = Duration::from_secs(BOUND);
    let seen = play.until_refused(&mail, bound + LOOK).await?;
    if code(&seen.refusal) != Some(Code::RefusedByCustomer) {
        return Err(Broken(format!("not a denial: {}", play.told(&seen.refusal))));
    }
    match seen.last {
        Some(last) if last > bound => Err(Broken(format!(
            "a read was answered {:.2} s after the right was taken away; the bound is {BOUND} s",
            last.as_secs_f64()
        ))),
        _ => Ok(seen),
    }
}

/// Deletes the role assignments of the mailbox application, at both vaults.
pub(in crate::tour) async fn take_right(play: &Play) -> Result<(), Broken> {
    let (_, credential, client_id) = APPLICATIONS[EXCHANGE];
    let contoso = play.contoso()?;
    for which in Which::BOTH {
        let right = right(contoso, which, &key_name(credential), client_id);
        let taken = contoso.admin.manage(Method::DELETE, &right, None).await;
        taken.map_err(manager)?;
    }
    Ok(())
}

/// Makes them again.
pub(in crate::tour) async fn give_right(play: &Play) -> Result<(), Broken> {
    let (_, credential, client_id) = APPLICATIONS[EXCHANGE];
    let body = right_body(play, client_id).await?;
    let contoso = play.contoso()?;
    for which in Which::BOTH {
        let right = right(contoso, which, &key_name(credential), client_id);
        let given = contoso.admin.manage(Method::PUT, &right, Some(body.clone())).await;
        given.map_err(manager)?;
    }
    Ok(())
}

fn manager(error: Unanswered) -> Broken {
    Broken(format!("the vaults' resource manager answers: {error}"))
}

/// How often the availability key of the mailbox policy was used.
async fn uses(play: &Play, since: u64) -> Result<usize, Broken> {
    let policy = play.policies()?.mailbox.id.to_string();
    Ok(play.records(FALLBACK, since).await?.iter().filter(|used| used["policyId"] == policy.as_str()).count())
}
