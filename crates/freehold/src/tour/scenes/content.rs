//! Mail and files: one message before any policy, the import, and whether everything is green.

use std::collections::BTreeSet;

use custody::service::Keys;
use futures::stream;
use model::caller::Caller;
use model::key_identifier::KeyIdentifier;
use workloads::{Acknowledged, HolderKind, Kind, Outcome};

use crate::tour::input::Given;
use crate::tour::play::{Imported, Known, Places, Play};
use crate::tour::story::{Broken, Evidence};
use crate::tour::words::{self, Search};

/// How many known words the disk is searched for, if the input has as many.
const ENOUGH: usize = 50;
/// How many at most, and how many subjects and names.
const WORDS: usize = 400;
/// Subjects and names of fewer bytes are not looked for: they occur by chance.
const SHORTEST: usize = 6;
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
    play.known = subjects_and_names(play)?;
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
        "the message      sealed with AES-256-GCM under a key of its own, which the mailbox key wraps".into(),
        format!("the mailbox key  {} bytes, wrapped by the policy's key", layers.container_wrap),
        "the policy's key from a seed that three root keys wrap; each alone can open it:".into(),
    ];
    let roots = ["the provider's first", "the provider's second", "the availability key"];
    for (root, (key, bytes)) in roots.into_iter().zip(layers.roots) {
        let vault = KeyIdentifier::from_stored(&key).map_err(Broken::because)?.vault().to_owned();
        lines.push(format!("  {root:<21}  {bytes} bytes, in vault {vault}"));
    }
    Ok(lines)
}

pub(super) async fn import(play: &mut Play) -> Result<Evidence, Broken> {
    let admin = play.person("admin@contoso.com")?;
    let Places { alice, bob, site } = play.places()?.clone();
    play.known.words = Some(words_to_find(play)?);
    // The first message is in alice's mailbox already; the rest is spread over both. One alone goes to both.
    let rest = match play.mail.as_slice() {
        [_, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        one => one.to_vec(),
    };
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
        let read = play.read_back(holder.id).await?;
        lines.push(format!(
            "{:<18} {told}; {} read back, {} bytes, all equal",
            holder.name.as_str(),
            play.things(holder, read.equal),
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
    let mut words = format!("{} imported", summary.imported);
    for (count, what) in
        [(summary.already_there, "already there"), (summary.marked, "marked"), (summary.refused, "refused")]
    {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    for (index, refusal) in summary.refusals.iter().take(SHOWN) {
        words.push_str(&format!("; item {index}: {refusal}"));
    }
    Ok((imported, words))
}

/// Subjects and names of the input that are on no disk of ours yet.
fn subjects_and_names(play: &Play) -> Result<Known, Broken> {
    let mut known = Known::default();
    for (given, kind) in play.given() {
        known.names.insert(given.name.clone());
        if known.subjects.len() < WORDS && kind == Kind::Message {
            known.subjects.extend(given.decoded(kind).map_err(Broken::because)?.subject);
        }
    }
    for set in [&mut known.subjects, &mut known.names] {
        *set = unknown(play, std::mem::take(set))?;
    }
    Ok(known)
}

/// Words of the input, or pieces of its lines where it has none, that are on no disk of ours yet, though the first message is.
fn words_to_find(play: &Play) -> Result<BTreeSet<String>, Broken> {
    let texts = play.given().skip(1).map(|(given, kind)| Ok(given.decoded(kind)?.text));
    let texts = texts.collect::<std::io::Result<Vec<String>>>().map_err(Broken::because)?;
    let words = unknown(play, words::pick(&texts, ENOUGH, WORDS))?;
    if words.is_empty() { unknown(play, words::runs(&texts, WORDS)) } else { Ok(words) }
}

/// What of it lies nowhere yet: what stands there before the import proves nothing when it stands there afterwards.
fn unknown(play: &Play, mut chosen: BTreeSet<String>) -> Result<BTreeSet<String>, Broken> {
    chosen.retain(|text| text.len() >= SHORTEST);
    let chosen: BTreeSet<String> = chosen.into_iter().take(WORDS).collect();
    let (known, _) = Search::of(&chosen).under(play.stage.layout().root()).map_err(Broken::because)?;
    let known: BTreeSet<&str> = known.iter().map(|found| found.word.as_str()).collect();
    Ok(chosen.iter().filter(|word| !known.contains(word.as_str())).cloned().collect())
}
