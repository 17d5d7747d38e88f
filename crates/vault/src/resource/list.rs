//! Lists of the resource manager, page by page.
//!
//! Owns the page: `$top` bounds it, `$skiptoken` is the row that the page before ended at, and `nextLink` repeats the request
//! with it. What comes back is only a place to go on from, so it leads to nothing that the list would not show.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Scan, Table};

use crate::core::Found;
use crate::error::{Refused, Stop, resources as texts};
use crate::resource::vault::VaultRow;
use crate::resource::{Call, Done};
use crate::schema::VAULTS;

/// The most items on a page.
const MOST_ITEMS: usize = 1000;
/// The longest place to go on from.
const LONGEST_TOKEN: usize = 512;

/// The vaults of which `shape` makes something.
pub(crate) async fn vaults(
    call: &Call<'_>,
    shape: impl Fn(&VaultRow) -> Option<Value>,
) -> Result<Done, Stop> {
    rows(call, VAULTS, "", |found: &Found<VaultRow>| shape(&found.value)).await
}

/// The rows under a prefix of which `shape` makes something.
pub(crate) async fn rows<T: DeserializeOwned>(
    call: &Call<'_>,
    table: Table,
    prefix: &str,
    shape: impl Fn(&Found<T>) -> Option<Value>,
) -> Result<Done, Stop> {
    let limit = top(call)?;
    let mut after = skip_token(call)?;
    let mut value = Vec::new();
    loop {
        let scan = Scan { prefix, after: after.as_deref(), limit: store::MAX_PAGE };
        let page = call.core.store.scan(table, scan).await?;
        let last = page.len() < store::MAX_PAGE as usize;
        for row in page {
            let found = Found::parse(table, row)?;
            if let Some(shape) = shape(&found) {
                if value.len() == limit {
                    let after = after.ok_or(Stop::Damaged("a full page that begins nowhere"))?;
                    return Ok(Done::ok(
                        json!({ "value": value, "nextLink": next_link(call, &after, limit) }),
                    ));
                }
                value.push(shape);
            }
            after = Some(found.key);
        }
        if last {
            return Ok(Done::ok(json!({ "value": value })));
        }
    }
}

fn top(call: &Call<'_>) -> Result<usize, Refused> {
    let Some(top) = call.asked.query("$top") else { return Ok(MOST_ITEMS) };
    // More than a page holds is asked for as a matter of course; the rest is behind the link.
    let top: Option<usize> = top.parse().ok().filter(|top| *top > 0);
    top.map(|top| top.min(MOST_ITEMS))
        .ok_or_else(|| texts::bad_request("The query parameter '$top' is not valid."))
}

fn skip_token(call: &Call<'_>) -> Result<Option<String>, Refused> {
    let Some(token) = call.asked.query("$skiptoken") else { return Ok(None) };
    let bytes = Some(token)
        .filter(|token| token.len() <= LONGEST_TOKEN)
        .and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| texts::bad_request("The query parameter '$skiptoken' is not valid."))
}

fn next_link(call: &Call<'_>, after: &str, limit: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", call.api_version);
    if let Some(filter) = call.asked.query("$filter") {
        query.append_pair("$filter", filter);
    }
    query.append_pair("$top", &limit.to_string());
    query.append_pair("$skiptoken", &URL_SAFE_NO_PAD.encode(after));
    format!("https://{}{}?{}", call.asked.authority, call.asked.path_text, query.finish())
}
