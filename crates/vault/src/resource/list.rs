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
use crate::resource::{Call, Done};

/// The most items on a page.
pub(crate) const MOST_ITEMS: usize = 1000;
/// The longest place to go on from.
const LONGEST_TOKEN: usize = 512;

/// What is on one page, and the link to the next.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) found: Vec<Found<T>>,
    next: Option<String>,
}

impl<T> Page<T> {
    /// The page with these shapes of what is on it.
    pub(crate) fn shown(self, shapes: Vec<Value>) -> Done {
        let mut page = json!({ "value": shapes });
        if let Some(next) = self.next {
            page["nextLink"] = json!(next);
        }
        Done::ok(page)
    }
}

/// The rows under a prefix that are kept, from where the caller's page begins; `most` of them at the most.
pub(crate) async fn page<T: DeserializeOwned>(
    call: &Call<'_>,
    table: Table,
    prefix: &str,
    most: usize,
    keep: impl Fn(&T) -> bool,
) -> Result<Page<T>, Stop> {
    let limit = top(call, most)?;
    let mut after = skip_token(call)?;
    let mut found: Vec<Found<T>> = Vec::new();
    loop {
        let scan = Scan { prefix, after: after.as_deref(), limit: store::MAX_PAGE };
        let rows = call.core.store.scan(table, scan).await?;
        let last = rows.len() < store::MAX_PAGE as usize;
        after = rows.last().map(|row| row.key.clone());
        for row in rows {
            let row: Found<T> = Found::parse(table, row)?;
            if !keep(&row.value) {
                continue;
            }
            if found.len() == limit {
                let next = found.last().map(|last| next_link(call, &last.key, limit));
                return Ok(Page { found, next });
            }
            found.push(row);
        }
        if last {
            return Ok(Page { found, next: None });
        }
    }
}

fn top(call: &Call<'_>, most: usize) -> Result<usize, Refused> {
    let Some(top) = call.asked.query("$top") else { return Ok(most) };
    // More than a page holds is asked for as a matter of course; the rest is behind the link.
    let top: Option<usize> = top.parse().ok().filter(|top| *top > 0);
    top.map(|top| top.min(most)).ok_or_else(|| texts::bad_request("The query parameter '$top' is not valid."))
}

fn skip_token(call: &Call<'_>) -> Result<Option<String>, Refused> {
    let Some(token) = call.asked.query("$skiptoken") else { return Ok(None) };
    let token = Some(token).filter(|token| token.len() <= LONGEST_TOKEN);
    let text = token.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
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
