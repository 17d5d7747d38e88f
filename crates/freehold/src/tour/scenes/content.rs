//! Mail and files: one message before any policy, the import, and whether everything is green.

use std::collections::BTreeSet;

use api::client::ClientError;
use api::import::{ImportLine, ImportOutcome};
use api::{ContainerKind, NewContainer, ObjectKind};
use futures::stream;
use model::id::ContainerId;
use model::key_identifier::KeyIdentifier;

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
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let make = async |kind, name: &str| {
        play.answered(client.create_container(tenant, &NewContainer { kind, name: name.into() }).await)
    };
    let alice = make(ContainerKind::Mailbox, "alice@contoso.com").await?;
    let bob = make(ContainerKind::Mailbox, "bob@contoso.com").await?;
    let site = make(ContainerKind::Site, "sites/operations").await?;
    play.places = Some(Places { alice: alice.clone(), bob, site });
    play.known = subjects_and_names(play)?;
    let first = play.mail.first().cloned().ok_or_else(|| Broken::because("no mail was given"))?;
    let (imported, _) = bring(play, alice.id, ObjectKind::Message, vec![first]).await?;
    play.imported.extend(imported);
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let layers = play.answered(client.layers(tenant, alice.id).await)?;
    let standing = play.answered(client.standing(tenant, alice.id).await)?;
    if !standing.provider_managed {
        return Err(Broken::because("a new mailbox is not under the provider's keys"));
    }
    let mut lines = vec![
        play.standing(&alice).await?,
        "the message      sealed with AES-256-GCM under a key of its own, which the mailbox key wraps".into(),
        format!("the mailbox key  {} bytes, wrapped by the policy's key", layers.container_wrap_bytes),
        "the policy's key from a seed that three root keys wrap; each alone can open it:".into(),
    ];
    let roots = ["the provider's first", "the provider's second", "the availability key"];
    for (name, root) in roots.into_iter().zip(layers.roots) {
        let key = KeyIdentifier::from_stored(&root.key_identifier).map_err(Broken::because)?;
        lines.push(format!("  {name:<21}  {} bytes, in vault {}", root.wrap_bytes, key.vault()));
    }
    Ok(lines)
}

pub(super) async fn import(play: &mut Play) -> Result<Evidence, Broken> {
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
    for (container, kind, given) in [
        (&alice, ObjectKind::Message, strip(to_alice)),
        (&bob, ObjectKind::Message, strip(to_bob)),
        (&site, ObjectKind::File, play.files.clone()),
    ] {
        let (imported, told) = bring(play, container.id, kind, given).await?;
        play.imported.extend(imported);
        let read = play.read_back(container.id).await?;
        lines.push(format!(
            "{:<18} {told}; {} read back, {} bytes, all equal",
            container.name,
            play.things(container, read.equal),
            read.bytes
        ));
    }
    Ok(lines)
}

pub(super) async fn green(play: &mut Play) -> Result<Evidence, Broken> {
    let Places { alice, bob, site } = play.places()?.clone();
    let policies = play.policies()?;
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let mut lines = Vec::new();
    for (container, policy) in
        [(&alice, &policies.mailbox), (&bob, &policies.multi_workload), (&site, &policies.share_point)]
    {
        let standing = play.answered(client.standing(tenant, container.id).await)?;
        if standing.pending || standing.effective_policy_id != Some(policy.id) {
            return Err(Broken(format!("not green: {}", play.standing(container).await?)));
        }
        lines.push(play.standing(container).await?);
    }
    Ok(lines)
}

/// Imports into one container; what became of each item, and the summary in words.
async fn bring(
    play: &Play,
    container: ContainerId,
    kind: ObjectKind,
    given: Vec<Given>,
) -> Result<(Vec<Imported>, String), Broken> {
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let items: Vec<_> = given.iter().map(|given| given.item(kind)).collect();
    let mut import = play.answered(client.import(tenant, container, stream::iter(items)).await)?;
    let (mut imported, mut refusals, mut end) = (Vec::with_capacity(given.len()), Vec::new(), None);
    while let Some(line) = play.answered(import.next().await)? {
        match line {
            ImportLine::Item(item) => {
                let given = usize::try_from(item.index).ok().and_then(|index| given.get(index));
                if let (Some(given), Some(object)) = (given, item.object_id) {
                    imported.push(Imported { container, object, given: given.clone() });
                }
                if let (ImportOutcome::Refused, Some(problem)) = (item.outcome, item.problem) {
                    refusals.push((item.index, problem.refusal()));
                }
            }
            ImportLine::End(last) => end = Some(last),
        }
    }
    let end = end.ok_or_else(|| Broken::because("the import did not say how it ended"))?;
    if let Some(problem) = end.stopped {
        return Err(play.because(&ClientError::Refused(problem.refusal())));
    }
    let summary = end.summary;
    let mut words = format!("{} imported", summary.imported);
    for (count, what) in
        [(summary.already_there, "already there"), (summary.marked, "marked"), (summary.refused, "refused")]
    {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    for (index, refusal) in refusals.into_iter().take(SHOWN) {
        words.push_str(&format!("; item {index}: {}", play.told(&ClientError::Refused(refusal))));
    }
    Ok((imported, words))
}

/// Subjects and names of the input that are on no disk of ours yet.
fn subjects_and_names(play: &Play) -> Result<Known, Broken> {
    let mut known = Known::default();
    for (given, kind) in play.given() {
        known.names.insert(given.name.clone());
        if known.subjects.len() < WORDS && kind == ObjectKind::Message {
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
