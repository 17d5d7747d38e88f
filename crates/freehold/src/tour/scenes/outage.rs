//! Vaults that die: listeners are killed, and nothing inside custody is told.

use std::time::{Duration, Instant};

use model::key_identifier::KeyIdentifier;
use model::refusal::Code;

use crate::tour::play::{BOUND, HOLD, Play};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};
use crate::tour::watch::{FALLBACK, LOOK, PATIENCE, code};

pub(super) async fn one_down(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    play.stage.kill(Which::A).await;
    let since = play.newest().await?;
    let policies = play.policies()?;
    let mut lines = vec![format!("{} does not listen any more", Which::A.name())];
    for (holder, policy) in [
        (&places.alice, &policies.mailbox),
        (&places.bob, &policies.multi_workload),
        (&places.site, &policies.share_point),
    ] {
        // What is open may stay open for a while: that reads go on is seen once the key had to be opened anew.
        let call = play.until_opened_anew(play.first(holder.id)?, policy, since).await?;
        if call["slot"] != "second" {
            return Err(Broken(format!("the {} key opened it, whose vault is dead", call["slot"])));
        }
        let read = play.read_back(holder.id).await?;
        let (name, other) = (holder.name.as_str(), Which::B.name());
        lines.push(format!(
            "{name:<18} its key opened anew by {other}; {} read",
            play.things(holder, read.equal)
        ));
    }
    match play.records(FALLBACK, since).await?.len() {
        0 => lines.push("the availability key was not used".into()),
        uses => {
            return Err(Broken(format!("the availability key was used {uses} times with one vault alive")));
        }
    }
    Ok(lines)
}

pub(super) async fn mail_by_availability_key(play: &mut Play) -> Result<Evidence, Broken> {
    let since = play.newest().await?;
    let dark = darken(play).await?;
    let places = play.places()?.clone();
    let (file, mail) = (play.first(places.site.id)?.clone(), play.first(places.alice.id)?.clone());
    let policy = play.policies()?.mailbox.clone();
    let used = loop {
        play.answered(play.read(&mail).await?)?;
        // Somebody works with the files too, so that there is something to hold.
        let held = play.read(&file).await?;
        held.map_err(|refusal| Broken(format!("a held file: {}", play.told(&refusal))))?;
        let uses = play.records(FALLBACK, since).await?;
        if let Some(used) = uses.into_iter().find(|used| used["policyId"] == policy.id.to_string().as_str()) {
            break used;
        }
        if dark.elapsed() > PATIENCE {
            return Err(Broken::because(
                "mail is read without either vault, and no record says by which key",
            ));
        }
        play.stage.clock().sleep(LOOK).await;
    };
    let said = |field: &str| used[field].as_str().unwrap_or("?").to_owned();
    let key = KeyIdentifier::from_stored(&said("scopeKeyVersionId")).map_err(Broken::because)?;
    Ok(vec![
        "neither vault listens any more; the last that each said was yes".into(),
        format!("mail is read; the record of the tenant after {:.1} s:", dark.elapsed().as_secs_f64()),
        format!("  {FALLBACK}: policy {:?}, reason {}", policy.name.as_str(), said("reason")),
        format!("  by {}, with the policy's key in vault {}", said("userId"), key.vault()),
        "files are read too, under the lease that was open when the vaults died".into(),
    ])
}

pub(super) async fn files_until_hold_ends(play: &mut Play) -> Result<Evidence, Broken> {
    let dark = darken(play).await?;
    let places = play.places()?.clone();
    let (file, mail) = (play.first(places.site.id)?.clone(), play.first(places.alice.id)?.clone());
    let before = dark.elapsed();
    let seen = play.until_refused(&file, PATIENCE).await?;
    if code(&seen.refusal) != Some(Code::Outage) {
        return Err(Broken(format!("not an outage: {}", play.told(&seen.refusal))));
    }
    let held = before + seen.last.unwrap_or_default();
    if held < Duration::from_secs(BOUND) {
        return Err(Broken(format!(
            "refused {:.1} s after the vaults died, which is no hold",
            held.as_secs_f64()
        )));
    }
    play.answered(play.read(&mail).await?)?;
    Ok(vec![
        format!(
            "files were read for {:.1} s after the vaults died: {BOUND} s of bound and {HOLD} s of hold, from the last \
             yes on; then:",
            held.as_secs_f64()
        ),
        format!("  {}", play.told(&seen.refusal)),
        "mail is still read".into(),
    ])
}

pub(super) async fn back(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    let since = play.newest().await?;
    for which in Which::BOTH {
        play.stage.revive(which)?;
    }
    play.dark = None;
    let (file, mail) = (play.first(places.site.id)?.clone(), play.first(places.alice.id)?.clone());
    let files = play.until_read(&file).await?;
    let policy = play.policies()?.mailbox.clone();
    let call = play.until_opened_anew(&mail, &policy, since).await?;
    let opened = play.newest().await?;
    play.answered(play.read(&mail).await?)?;
    if !play.records(FALLBACK, opened).await?.is_empty() {
        return Err(Broken::because("the availability key is still used"));
    }
    Ok(vec![
        format!("files are read again after {:.1} s", files.as_secs_f64()),
        format!("mail is read by the customer's {} key again", call["slot"].as_str().unwrap_or("own")),
    ])
}

/// Lets both vaults die while somebody reads files and mail, if they are not dead yet; since when they are.
async fn darken(play: &mut Play) -> Result<Instant, Broken> {
    if let Some(dark) = play.dark {
        return Ok(dark);
    }
    let (places, policies) = (play.places()?, play.policies()?);
    let since = play.newest().await?;
    // A lease that nobody used for a while may be about to end, and what ends before the silence is heard is not held.
    for (holder, policy) in [(&places.site, &policies.share_point), (&places.alice, &policies.mailbox)] {
        play.until_opened_anew(play.first(holder.id)?, policy, since).await?;
    }
    for which in Which::BOTH {
        play.stage.kill(which).await;
    }
    let dark = Instant::now();
    play.dark = Some(dark);
    Ok(dark)
}
