//! Vaults that die: listeners are killed, and nothing inside custody is told.

use std::time::Duration;

use model::refusal::Code;

use crate::tour::play::{BOUND, HOLD, Play};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};

/// How long the scenes wait for something that should come at once.
const SOON: Duration = Duration::from_secs(8);
const FALLBACK: &str = "Fallback to Availability Key";

pub(super) async fn one_down(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    play.stage.kill(Which::A).await;
    play.outlive_leases().await;
    let before = play.audit(FALLBACK).await?.len();
    let mut lines =
        vec![format!("{} does not listen any more; every lease of before has run out", Which::A.name())];
    for holder in [&places.alice, &places.bob, &places.site] {
        let read = play.read_back(holder.id).await?;
        lines.push(format!("{}: {} objects read", holder.name.as_str(), read.equal));
    }
    match play.audit(FALLBACK).await?.len() - before {
        0 => lines.push("the availability key was not used".into()),
        uses => {
            return Err(Broken(format!("the availability key was used {uses} times with one vault alive")));
        }
    }
    Ok(lines)
}

pub(super) async fn mail_by_availability_key(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    // Somebody works with the files while the vaults die, so that there is something to hold.
    let file = play.first(places.site.id)?.clone();
    play.read(&file).await.map_err(Broken::because)?;
    play.stage.kill(Which::B).await;
    let before = play.audit(FALLBACK).await?.len();
    let mail = play.first(places.alice.id)?.clone();
    let wait = Duration::from_millis(BOUND * 1000 + 200);
    let began = std::time::Instant::now();
    while began.elapsed() < wait {
        play.stage.clock().sleep(Duration::from_millis(250)).await;
        play.read(&file).await.map_err(|refusal| Broken(format!("a file within its hold: {refusal}")))?;
    }
    play.read(&mail).await.map_err(Broken::because)?;
    let uses = play.audit(FALLBACK).await?;
    let Some(used) = uses.get(before..).and_then(<[_]>::last) else {
        return Err(Broken::because("mail was read without either vault, and no record says by which key"));
    };
    Ok(vec![
        "neither vault listens any more; each last answered with success".into(),
        format!("mail is read; the record: {FALLBACK}, policy {}", used["policyId"].as_str().unwrap_or("?")),
        format!("  scope key version {}", used["scopeKeyVersionId"].as_str().unwrap_or("?")),
        format!("  request {}", used["requestId"].as_str().unwrap_or("?")),
        "files are still read, on the lease that was open when the vaults died".into(),
    ])
}

pub(super) async fn files_until_hold_ends(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let file = play.first(places.site.id)?.clone();
    let (after, refusal) = play.until_refused(&file, Duration::from_secs(HOLD) + SOON).await?;
    if refusal.code != Code::Outage {
        return Err(Broken(format!("not an outage: {refusal}")));
    }
    let mail = play.first(places.alice.id)?.clone();
    play.read(&mail).await.map_err(Broken::because)?;
    Ok(vec![
        format!("refused after another {:.1} s (hold {HOLD} s here, 4 h by default):", after.as_secs_f64()),
        format!("  {refusal}"),
        "mail is still read".into(),
    ])
}

pub(super) async fn back(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    for which in Which::BOTH {
        play.stage.revive(which)?;
    }
    let file = play.first(places.site.id)?.clone();
    let mail = play.first(places.alice.id)?.clone();
    let files = play.until_read(&file, SOON).await?;
    play.until_read(&mail, SOON).await?;
    play.outlive_leases().await;
    let before = play.audit(FALLBACK).await?.len();
    play.read(&mail).await.map_err(Broken::because)?;
    match play.audit(FALLBACK).await?.len() - before {
        0 => Ok(vec![
            format!("files are read again {:.1} s after the vaults came back", files.as_secs_f64()),
            "mail is read by the customer's keys again".into(),
        ]),
        _ => Err(Broken::because("the availability key is still used")),
    }
}
