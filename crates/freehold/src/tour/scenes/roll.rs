//! A root key gets a new version, and the policy takes it up.

use crypto::digest::sha256;
use reqwest::Method;
use serde_json::json;
use store::{Scan, Store, Table};
use walkdir::WalkDir;

use super::customer::key_name;
use super::revocation::give_right;
use crate::node::APPLICATIONS;
use crate::tour::play::{Play, short};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};

/// Where the workloads keep what small objects hold.
const OBJECTS: Table = Table("objects");
/// Where custody keeps wraps.
const WRAP_SETS: Table = Table("wrap_sets");

pub(super) async fn roll(play: &mut Play) -> Result<Evidence, Broken> {
    let places = play.places()?.clone();
    // Where the scene before did not come so far, the right is given back now.
    if play.denied {
        give_right(play).await?;
        play.denied = false;
    }
    play.until_read(play.first(places.alice.id)?).await?;
    let policy = play.policies()?.mailbox.id;
    let contents = content(play).await?;
    let wraps = payloads(&play.stage.service().wraps, WRAP_SETS).await?;
    let (_, credential, _) = APPLICATIONS[0];
    let body = json!({ "kty": "RSA", "key_size": 2048, "key_ops": ["wrapKey", "unwrapKey"] });
    let path = format!("/keys/{}/create", key_name(credential));
    let holder = &play.contoso()?.holders[0];
    let rolled = holder.vault(Method::POST, Which::A.name(), &path, Some(body)).await;
    rolled.map_err(|error| Broken(format!("{} answers: {error}", Which::A.name())))?;
    let (client, tenant) = (play.administrator()?, play.contoso()?.tenant);
    let refreshed = play.answered(client.refresh_policy(tenant, policy).await)?;
    let after = content(play).await?;
    if contents != after {
        return Err(Broken::because("content changed with a root key"));
    }
    let now = payloads(&play.stage.service().wraps, WRAP_SETS).await?;
    let changed: usize =
        wraps.iter().zip(&now).map(|(a, b)| a.iter().zip(b).filter(|(a, b)| a != b).count()).sum();
    if changed == 0 {
        return Err(Broken::because("the refresh changed no wrap"));
    }
    // With the other vault dead, nothing but the new version can open.
    play.stage.kill(Which::B).await;
    let since = play.newest().await?;
    let opened =
        play.until_opened_anew(play.first(places.alice.id)?, &play.policies()?.mailbox, since).await?;
    let [first, _] = refreshed.policy.key_identifiers;
    if opened["keyIdentifier"] != first.as_str() {
        return Err(Broken(format!("opened by {}, and not by the new version", opened["keyIdentifier"])));
    }
    let read = play.read_back(places.alice.id).await?;
    play.stage.revive(Which::B)?;
    let [was, _] = refreshed.key_identifiers_before;
    Ok(vec![
        format!(
            "{} in {}: version {} → {}; the key in {} stays",
            key_name(credential),
            Which::A.name(),
            short(version(&was)),
            short(version(&first)),
            Which::B.name()
        ),
        format!("{changed} bytes of wraps changed; 0 of {} bytes of sealed content did", after.bytes),
        format!(
            "with {} cut off, {} read under the new version alone",
            Which::B.name(),
            play.things(&places.alice, read.equal)
        ),
    ])
}

/// Every sealed byte of content, as a digest and a count.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    digest: [u8; 32],
    bytes: u64,
}

async fn content(play: &Play) -> Result<Content, Broken> {
    let mut bytes = 0;
    let mut digests = Vec::new();
    for payload in payloads(&play.stage.service().store, OBJECTS).await? {
        bytes += payload.len() as u64;
        digests.extend(sha256(&payload));
    }
    for entry in WalkDir::new(play.stage.layout().blobs()).sort_by_file_name() {
        let entry = entry.map_err(Broken::because)?;
        if entry.file_type().is_file() {
            let blob = std::fs::read(entry.path()).map_err(Broken::because)?;
            bytes += blob.len() as u64;
            digests.extend(sha256(&blob));
        }
    }
    Ok(Content { digest: sha256(&digests), bytes })
}

async fn payloads(store: &Store, table: Table) -> Result<Vec<Vec<u8>>, Broken> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let scan = Scan { prefix: "", after: after.as_deref(), limit: custody::PAGE };
        let page = store.scan(table, scan).await.map_err(Broken::because)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.key.clone());
        found.extend(page.into_iter().filter_map(|row| row.payload.map(|payload| payload.to_vec())));
    }
}

fn version(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}
