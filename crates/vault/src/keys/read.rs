//! Reading keys: one version's public half, the list of a vault's keys, the versions of a key.
//!
//! Owns these three. A disabled key can be listed and not read. Reading is recorded like everything else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use store::Scan;

use crate::core::{Basis, Found};
use crate::error::{Refused, Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::key::{KeyName, KeyRow, VersionRow};
use crate::keys::shape::{Attributes, Bundle, Item, Page};
use crate::keys::{Call, Done};
use crate::schema::{self, KEY_VERSIONS, KEYS};

/// The most items of a page, and how many there are if the client does not say.
const MOST_ITEMS: usize = 25;

pub(crate) async fn show(call: &Call<'_>) -> Result<Done, Stop> {
    let found = call.version().await?;
    if !found.row.value.enabled {
        return Err(texts::key_disabled("get").into());
    }
    let protected = call.protected().await?;
    let kid = call.kid(found.name(), Some(found.version));
    call.commit(call.batch_on(found.basis()), Some(kid.clone())).await?;
    Ok(Done::json(&Bundle::of(call, kid, &found.row.value, protected)))
}

pub(crate) async fn list(call: &Call<'_>) -> Result<Done, Stop> {
    let (core, vault) = (call.core, call.vault.name.as_str());
    let prefix = format!("{}/", vault.to_ascii_lowercase());
    let limit = page(call)?;
    let after: Option<KeyName> = skip_token(call)?;
    let after = after.map(|name| schema::key(vault, name.as_str()));
    let heads: Vec<Found<KeyRow>> = scan(call, store_scan(&prefix, after.as_deref(), limit), KEYS).await?;
    let (heads, more) = cut(heads, limit);
    let places: Vec<String> =
        heads.iter().map(|head| schema::key_version(vault, &head.value.name, head.value.current)).collect();
    let rows = core.store.read_many(KEY_VERSIONS, &places).await?;
    let protected = call.protected().await?;
    let mut value = Vec::with_capacity(heads.len());
    for (head, row) in heads.iter().zip(rows) {
        // A key that was deleted between the two reads is not listed.
        let Some(row) = row else { continue };
        let row: VersionRow = row.parse()?;
        value.push(item(call, call.kid(&head.value.name, None), row, protected));
    }
    let next = more.then(|| heads.last().map(|head| head.value.name.to_ascii_lowercase())).flatten();
    reply(call, value, next, limit).await
}

pub(crate) async fn versions(call: &Call<'_>) -> Result<Done, Stop> {
    let (core, vault, asked) = (call.core, call.vault.name.as_str(), call.name()?);
    let head = crate::keys::key::head(core, vault, asked).await?;
    let head = head.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
    let name = &head.value.name;
    let prefix = format!("{}/", schema::key(vault, name));
    let limit = page(call)?;
    let after: Option<KeyVersion> = skip_token(call)?;
    let after = after.map(|version| schema::key_version(vault, name, version));
    let rows: Vec<Found<VersionRow>> =
        scan(call, store_scan(&prefix, after.as_deref(), limit), KEY_VERSIONS).await?;
    let (rows, more) = cut(rows, limit);
    let protected = call.protected().await?;
    let mut value = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in rows {
        let version = version_of(&row.key)?;
        last = Some(version.to_string());
        value.push(item(call, call.kid(name, Some(version)), row.value, protected));
    }
    reply(call, value, last.filter(|_| more), limit).await
}

/// The version at the end of a row's key.
pub(crate) fn version_of(key: &str) -> Result<KeyVersion, Stop> {
    let last = key.rsplit('/').next().unwrap_or_default();
    last.parse().map_err(|_| Stop::Damaged("a version's row with another key"))
}

pub(crate) async fn scan<T: serde::de::DeserializeOwned>(
    call: &Call<'_>,
    scan: Scan<'_>,
    table: store::Table,
) -> Result<Vec<Found<T>>, Stop> {
    let rows = call.core.store.scan(table, scan).await?;
    Ok(rows.into_iter().map(|row| Found::parse(table, row)).collect::<Result<_, _>>()?)
}

/// One more than the page holds tells whether there is another page.
pub(crate) fn store_scan<'a>(prefix: &'a str, after: Option<&'a str>, limit: usize) -> Scan<'a> {
    Scan { prefix, after, limit: u32::try_from(limit + 1).expect("a page is small") }
}

pub(crate) fn cut<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

pub(crate) fn item(call: &Call<'_>, kid: String, row: VersionRow, protected: bool) -> Item {
    Item { kid, attributes: Attributes::of(call, &row, protected), tags: row.tags }
}

pub(crate) async fn reply<T: Serialize>(
    call: &Call<'_>,
    value: Vec<T>,
    next: Option<String>,
    limit: usize,
) -> Result<Done, Stop> {
    let next_link = next.map(|last| {
        format!(
            "https://{}{}?api-version={}&$skiptoken={}&maxresults={limit}",
            call.asked.authority,
            call.asked.path_text,
            call.wire.text,
            URL_SAFE_NO_PAD.encode(last)
        )
    });
    let target = call.target.name.as_ref().map(|name| call.kid(name.as_str(), None));
    call.commit(call.batch_on(Basis::default()), target).await?;
    Ok(Done::json(&Page { value, next_link }))
}

pub(crate) fn page(call: &Call<'_>) -> Result<usize, Refused> {
    let Some(asked) = call.asked.query("maxresults") else { return Ok(MOST_ITEMS) };
    let asked: Option<usize> = asked.parse().ok();
    asked.filter(|asked| (1..=MOST_ITEMS).contains(asked)).ok_or_else(|| {
        texts::bad_parameter(format!("The maxresults query parameter must be between 1 and {MOST_ITEMS}."))
    })
}

/// Where the page before ended. What comes back is parsed as what was given out, so it cannot lead out of the list.
pub(crate) fn skip_token<T: std::str::FromStr>(call: &Call<'_>) -> Result<Option<T>, Refused> {
    let Some(token) = call.asked.query("$skiptoken") else { return Ok(None) };
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let last = text.and_then(|text| text.parse().ok());
    last.map(Some).ok_or_else(|| texts::bad_parameter("The $skiptoken query parameter is not valid."))
}
