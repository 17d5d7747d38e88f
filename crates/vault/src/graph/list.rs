//! Lists of the Graph, page by page, with `$filter`, `$select`, `$top` and `$skiptoken`.
//!
//! Owns the pages. They are in the order of object ids; the token of the next page is the last id, so it leads nowhere
//! else.

use serde_json::{Value, json};
use store::{Scan, Table};

use super::Call;
use super::filter::Filter;
use super::object::{self, Kind};
use super::refusal::No;
use crate::core::Found;
use crate::directory::application::ApplicationRow;
use crate::directory::principal::PrincipalRow;
use crate::id::PrincipalId;
use crate::schema;

/// Objects on one page, unless the client asks for another number.
const USUAL_ITEMS: usize = 100;
/// Objects on one page at most.
const MOST_ITEMS: usize = 999;

/// The principals of a kind, or with a group, its members of every kind.
pub(crate) async fn principals(call: &Call<'_>, kind: Kind, group: Option<PrincipalId>) -> Result<Value, No> {
    let mut page = Page::of(call)?;
    let prefix = format!("{}/", call.who.directory);
    while let Some(rows) = page.more::<PrincipalRow>(call, schema::PRINCIPALS, &prefix).await? {
        for found in rows {
            let shown = match group {
                Some(group) => found.value.groups.contains(&group),
                None => Kind::of(&found.value) == kind,
            };
            let id = &found.key[prefix.len()..];
            if shown {
                let object = object::principal(call.core, id, &found.value).await?;
                let object = if group.is_some() { typed(Kind::of(&found.value), object) } else { object };
                page.take(id, object);
            }
        }
    }
    let (context, path) = match group {
        Some(group) => ("directoryObjects", format!("groups/{group}/members")),
        None => (kind.collection(), kind.collection().to_owned()),
    };
    Ok(page.end(call, context, &path))
}

/// The applications whose home the directory is.
pub(crate) async fn applications(call: &Call<'_>) -> Result<Value, No> {
    let mut page = Page::of(call)?;
    while let Some(rows) = page.more::<ApplicationRow>(call, schema::APPLICATIONS, "").await? {
        for found in rows.into_iter().filter(|found| found.value.home == call.who.directory) {
            page.take(&found.key, object::application(&found.key, &found.value));
        }
    }
    Ok(page.end(call, "applications", "applications"))
}

/// An object in a list of several kinds.
pub(crate) fn typed(kind: Kind, mut object: Value) -> Value {
    object["@odata.type"] = json!(format!("#microsoft.graph.{}", kind.word()));
    object
}

/// A page that fills.
struct Page {
    filter: Option<Filter>,
    select: Option<String>,
    top: usize,
    /// The id that the last row looked at has.
    after: Option<String>,
    shown: Vec<Value>,
    /// The last id on the page, once it is known that there is more.
    next: Option<String>,
    last: String,
    over: bool,
}

impl Page {
    fn of(call: &Call<'_>) -> Result<Self, No> {
        let filter = match call.asked.query("$filter").filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                let unknown = || No::bad("Invalid or unsupported filter clause.");
                Some(Filter::parse(text).ok_or_else(unknown)?)
            }
            None => None,
        };
        let top = match call.asked.query("$top").map(str::parse) {
            None => USUAL_ITEMS,
            Some(Ok(top)) if (1..=MOST_ITEMS).contains(&top) => top,
            Some(_) => {
                return Err(No::bad(format!(
                    "Invalid page size specified. Must be between 1 and {MOST_ITEMS} inclusive."
                )));
            }
        };
        let after = match call.asked.query("$skiptoken").map(str::parse::<PrincipalId>) {
            None => None,
            Some(Ok(id)) => Some(id.to_string()),
            Some(Err(_)) => return Err(No::bad("The value of $skiptoken is not one of this service.")),
        };
        let select = call.asked.query("$select").map(str::to_owned);
        Ok(Self {
            filter,
            select,
            top,
            after,
            shown: Vec::new(),
            next: None,
            last: String::new(),
            over: false,
        })
    }

    /// The next rows to look at; `None` once the page is full or nothing is left.
    async fn more<T: serde::de::DeserializeOwned>(
        &mut self,
        call: &Call<'_>,
        table: Table,
        prefix: &str,
    ) -> Result<Option<Vec<Found<T>>>, No> {
        if self.over || self.next.is_some() {
            return Ok(None);
        }
        let after = self.after.as_ref().map(|after| format!("{prefix}{after}"));
        let scan = Scan { prefix, after: after.as_deref(), limit: store::MAX_PAGE };
        let rows = call.core.store.scan(table, scan).await?;
        self.over = rows.len() < store::MAX_PAGE as usize;
        let rows: Vec<Found<T>> =
            rows.into_iter().map(|row| Found::parse(table, row)).collect::<Result<_, _>>()?;
        if let Some(last) = rows.last() {
            self.after = Some(last.key[prefix.len()..].to_owned());
        }
        Ok(Some(rows))
    }

    fn take(&mut self, id: &str, object: Value) {
        if self.next.is_some() || self.filter.as_ref().is_some_and(|filter| !filter.holds(&object)) {
            return;
        }
        if self.shown.len() >= self.top {
            self.next = Some(self.last.clone());
            return;
        }
        id.clone_into(&mut self.last);
        self.shown.push(object::select(object, self.select.as_deref()));
    }

    fn end(self, call: &Call<'_>, context: &str, path: &str) -> Value {
        let mut page = json!({"@odata.context": call.context(context), "value": self.shown});
        if let Some(next) = self.next {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for name in ["$filter", "$select", "$top"] {
                if let Some(value) = call.asked.query(name) {
                    query.append_pair(name, value);
                }
            }
            let query = query.append_pair("$skiptoken", &next).finish();
            let graph = call.core.settings.hosts.graph();
            page["@odata.nextLink"] = json!(format!("https://{graph}/v1.0/{path}?{query}"));
        }
        page
    }
}
