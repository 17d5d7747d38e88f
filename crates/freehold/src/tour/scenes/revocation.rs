//! The customer takes a right away: at the vault, over the wire, and nowhere else.

use std::time::Duration;

use model::refusal::Code;
use reqwest::Method;

use super::customer::{key_name, right, right_body};
use crate::node::APPLICATIONS;
use crate::tour::play::{BOUND, Play};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};

const FALLBACK: &str = "Fallback to Availability Key";
/// The application that opens mailbox policies.
const EXCHANGE: usize = 0;

pub(super) async fn taken(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let mail = play.first(places.alice.id)?.clone();
    play.read(&mail).await.map_err(Broken::because)?;
    let (_, credential, client_id) = APPLICATIONS[EXCHANGE];
    let contoso = play.contoso()?;
    for which in Which::BOTH {
        let right = right(contoso, which, &key_name(credential), client_id);
        contoso.admin.manage(Method::DELETE, &right, None).await.map_err(Broken::because)?;
    }
    let bound = Duration::from_secs(BOUND);
    let (after, refusal) = play.until_refused(&mail, bound + Duration::from_secs(5)).await?;
    if refusal.code != Code::RefusedByCustomer {
        return Err(Broken(format!("not a denial: {refusal}")));
    }
    if after > bound {
        return Err(Broken(format!(
            "refused only after {:.2} s; the bound is {BOUND} s",
            after.as_secs_f64()
        )));
    }
    let mut lines = vec![
        "two role assignments were deleted at the vaults; the service was told nothing".into(),
        format!("reads are refused after {:.2} s; the bound is {BOUND} s:", after.as_secs_f64()),
        format!("  {refusal}"),
    ];
    for holder in [&places.bob, &places.site] {
        let read = play.read_back(holder.id).await?;
        let name = holder.name.as_str();
        lines.push(format!("{name}: {} objects read; its policy has another principal", read.equal));
    }
    Ok(lines)
}

pub(super) async fn silent(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let mail = play.first(places.alice.id)?.clone();
    let before = uses(play).await?;
    for which in Which::BOTH {
        play.stage.kill(which).await;
    }
    play.outlive_leases().await;
    let read = play.read(&mail).await;
    let after = uses(play).await?;
    for which in Which::BOTH {
        play.stage.revive(which)?;
    }
    let refusal = match read {
        Ok(_) => return Err(Broken::because("silence after a denial opened the mailbox")),
        Err(refusal) => refusal,
    };
    if refusal.code != Code::RefusedByCustomer {
        return Err(Broken(format!("a denial became something else: {refusal}")));
    }
    if after != before {
        return Err(Broken::because("the availability key was used after a denial"));
    }
    Ok(vec!["neither vault listens any more, and yet:".into(), format!("  {refusal}")])
}

/// How often the availability key of the mailbox policy was used.
async fn uses(play: &Play) -> Result<usize, Broken> {
    let policy = play.policies()?.mailbox.id.to_string();
    Ok(play.audit(FALLBACK).await?.iter().filter(|used| used["policyId"] == policy.as_str()).count())
}

pub(super) async fn given_back(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let mail = play.first(places.alice.id)?.clone();
    let (_, credential, client_id) = APPLICATIONS[EXCHANGE];
    let body = right_body(play, client_id).await?;
    let contoso = play.contoso()?;
    for which in Which::BOTH {
        let right = right(contoso, which, &key_name(credential), client_id);
        let given = contoso.admin.manage(Method::PUT, &right, Some(body.clone())).await;
        given.map_err(Broken::because)?;
    }
    let after = play.until_read(&mail, Duration::from_secs(8)).await?;
    let read = play.read_back(places.alice.id).await?;
    Ok(vec![format!(
        "{} messages read, {:.1} s after the right was given back",
        read.equal,
        after.as_secs_f64()
    )])
}
