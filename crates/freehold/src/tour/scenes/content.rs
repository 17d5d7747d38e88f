//! Mail and files: one message before any policy, the import, and whether everything is green.

use std::collections::BTreeSet;

use custody::service::Keys;
use futures::stream;
use model::caller::Caller;
use workloads::{Acknowledged, HolderKind, Kind, Outcome};

use crate::tour::input::Given;
use crate::tour::play::{Imported, Places, Play};
use crate::tour::story::{Broken, Evidence};
use crate::tour::words::{self, Search};

/// How many known words the disk is searched for at most.
const WORDS: usize = 400;
/// Evidence lists at most this many refused items.
const SHOWN: usize = 5;

pub(super) async fn before(play: &mut Play) -> Result<Evidence, Broken> {
    let admin = play.person("admin@contoso.com")?;
    let engine = &play.stage.service().engine;
    let make = async |kind: HolderKind, name: &str| {
        let name = kind.name(name).map_err(Broken::because)?;
        engine.create_holder(&admin, kind, &name).await.map_err(Broken::because)
    };
    let alice = make(HolderKind::Mailbox, "alice@contoso.com").await?;
    let bob = make(HolderKind::Mailbox, "bob@contoso.com").await?;
    let site = make(HolderKind::Site, "sites/operations").await?;
    play.places = Some(Places { alice: alice.clone(), bob, site });
    let first = play.mail.first().cloned().ok_or_else(|| Broken::because("no mail was given"))?;
    let (imported, _) = bring(play, &admin, alice.id, Kind::Message, vec![first]).await?;
    play.imported.extend(imported);
    let layers = play.stage.service().custody.layers(&admin, alice.id).await.map_err(Broken::because)?;
    let standing = play.stage.service().custody.standing(&admin, alice.id).await.map_err(Broken::because)?;
    if !standing.provider_managed {
        return Err(Broken::because("a new mailbox is not under the provider's keys"));
    }
    let mut lines = vec![
        play.standing(&alice).await?,
        "the message: AES-256-GCM under a key of its own, which is wrapped by the mailbox key".into(),
        format!("the mailbox key: {} bytes, wrapped by the policy's key", layers.container_wrap),
        "the policy's key comes from a seed that three root keys wrap, each enough to open it:".into(),
    ];
    for (root, (key, bytes)) in ["first", "second", "availability"].into_iter().zip(layers.roots) {
        lines.push(format!("  {root:<12} {bytes} bytes by {key}"));
    }
    Ok(lines)
}

pub(super) async fn import(play: &mut Play) -> Result<Evidence, Broken> {
    let admin = play.person("admin@contoso.com")?;
    let Places { alice, bob, site } = play.places()?.clone();
    play.words = unknown_words(play)?;
    // The first message is in alice's mailbox already; the rest is spread over both.
    let rest = play.mail.get(1..).unwrap_or_default().to_vec();
    let (to_bob, to_alice): (Vec<_>, Vec<_>) = rest.into_iter().enumerate().partition(|(at, _)| at % 3 == 0);
    let strip = |given: Vec<(usize, Given)>| given.into_iter().map(|(_, given)| given).collect();
    let mut lines = Vec::new();
    for (holder, kind, given) in [
        (&alice, Kind::Message, strip(to_alice)),
        (&bob, Kind::Message, strip(to_bob)),
        (&site, Kind::File, play.files.clone()),
    ] {
        let (imported, told) = bring(play, &admin, holder.id, kind, given).await?;
        play.imported.extend(imported);
        lines.push(format!("{}: {told}", holder.name.as_str()));
    }
    for holder in [&alice, &bob, &site] {
        let read = play.read_back(holder.id).await?;
        lines.push(format!(
            "{}: {} objects read back, {} bytes, each equal to its source",
            holder.name.as_str(),
            read.equal,
            read.bytes
        ));
    }
    Ok(lines)
}

pub(super) async fn green(play: &mut Play) -> Result<Evidence, Broken> {
    let Places { alice, bob, site } = play.places()?.clone();
    let policies = play.policies()?;
    let admin = play.person("admin@contoso.com")?;
    let mut lines = Vec::new();
    for (holder, policy) in
        [(&alice, &policies.mailbox), (&bob, &policies.multi_workload), (&site, &policies.share_point)]
    {
        let standing =
            play.stage.service().custody.standing(&admin, holder.id).await.map_err(Broken::because)?;
        if standing.pending || standing.effective != Some(policy.id) {
            return Err(Broken(format!("not green: {}", play.standing(holder).await?)));
        }
        lines.push(play.standing(holder).await?);
    }
    Ok(lines)
}

/// Imports into one container; what became of each item, and the summary in words.
async fn bring(
    play: &Play,
    caller: &Caller,
    container: model::id::ContainerId,
    kind: Kind,
    given: Vec<Given>,
) -> Result<(Vec<Imported>, String), Broken> {
    let items: Vec<_> = given.iter().map(|given| given.item(kind)).collect();
    let mut imported = Vec::with_capacity(given.len());
    let told = |acknowledged: &Acknowledged| {
        let given = usize::try_from(acknowledged.index).ok().and_then(|index| given.get(index));
        if let (Some(given), Outcome::Imported { object, .. } | Outcome::AlreadyThere { object }) =
            (given, &acknowledged.outcome)
        {
            imported.push(Imported { container, object: *object, given: given.clone() });
        }
    };
    let summary = play.stage.service().engine.import(caller, container, stream::iter(items), told).await;
    let summary = summary.map_err(|stopped| Broken::because(stopped.refusal))?;
    let mut words = format!(
        "{} imported, {} already there, {} marked, {} refused",
        summary.imported, summary.already_there, summary.marked, summary.refused
    );
    for (index, refusal) in summary.refusals.iter().take(SHOWN) {
        words.push_str(&format!("; item {index}: {refusal}"));
    }
    Ok((imported, words))
}

/// Words of the input that can be found in it and that are on no disk of ours yet.
fn unknown_words(play: &Play) -> Result<Vec<String>, Broken> {
    let mut chosen = BTreeSet::new();
    for given in play.mail.iter().skip(1).chain(&play.files) {
        let text = String::from_utf8_lossy(&given.bytes().map_err(Broken::because)?).into_owned();
        chosen.extend(words::pick(&text, WORDS));
        if chosen.len() >= WORDS {
            break;
        }
        // A file's name is content too.
        chosen.extend(words::pick(&given.name, WORDS));
    }
    let chosen: Vec<String> = chosen.into_iter().take(WORDS).collect();
    // A word that stands there before the import proves nothing when it stands there afterwards.
    let (known, _) = Search::of(&chosen).under(play.stage.layout().root()).map_err(Broken::because)?;
    let known: BTreeSet<&str> = known.iter().map(|found| found.word.as_str()).collect();
    Ok(chosen.iter().filter(|word| !known.contains(word.as_str())).cloned().collect())
}
