//! `freehold list`: the objects of a mailbox or a site, told page by page.
//!
//! Owns how a page is shown, to people and as JSON. No more than a page is held, however long the list is.

use serde_json::json;
use workloads::{Entry, MAX_OBJECTS, Page};

use super::{Place, shown, with_lab};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure, tell};

/// Which mailbox or site is listed, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub place: Place,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// Lists a mailbox or a site, in the order in which things came.
///
/// A list that is cut by a refusal ends without its last line; the status says so.
pub fn answer(config: &Config, list: &List) -> Result<Answer, Failure> {
    with_lab(config, async |lab, edge| {
        let caller = list.place.caller(edge);
        let holder = list.place.find(&lab.service, &caller, false).await?;
        let mut after = None;
        let mut told = Told { document: list.json.then(|| Document::new("objects")), damaged: false };
        loop {
            let page = lab.service.engine.list(&caller, holder.id, after, MAX_OBJECTS).await?;
            after = page.next;
            tell(&told.page(&page))?;
            if after.is_none() {
                return Ok(told.end());
            }
        }
    })
}

/// What was told of a list so far.
struct Told {
    document: Option<Document>,
    damaged: bool,
}

impl Told {
    fn page(&mut self, page: &Page) -> String {
        let mut text = String::new();
        let damaged = page.damaged.iter().map(|id| (*id, None));
        let mut all: Vec<_> =
            page.entries.iter().map(|entry| (entry.id, Some(entry))).chain(damaged).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        for (id, entry) in all {
            self.damaged |= entry.is_none();
            text.push_str(&match (&mut self.document, entry) {
                (Some(document), Some(entry)) => document.next(&self::document(entry)),
                (Some(document), None) => document.next(&json!({ "id": id, "refused": DAMAGED })),
                (None, Some(entry)) => format!("{}\n", line(entry)),
                (None, None) => format!("{id}  {:>10}  {DAMAGED}\n", "?"),
            });
        }
        text
    }

    fn end(self) -> Answer {
        // A script must notice that something could not be shown.
        let exit = if self.damaged { Exit::Ours } else { Exit::Ok };
        Answer { text: self.document.map(Document::end).unwrap_or_default(), exit }
    }
}

/// One JSON document with one list in it, told as the list comes.
pub(super) struct Document {
    name: &'static str,
    begun: bool,
}

impl Document {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, begun: false }
    }

    /// The next of the list.
    pub(super) fn next(&mut self, value: &serde_json::Value) -> String {
        let begun = std::mem::replace(&mut self.begun, true);
        if begun { format!(",\n  {value}") } else { format!("{{\"{}\": [\n  {value}", self.name) }
    }

    /// The end of the document, whether there was anything or not.
    pub(super) fn end(self) -> String {
        if self.begun { "\n]}\n".into() } else { format!("{{\"{}\": []}}\n", self.name) }
    }
}

const DAMAGED: &str = "its row is damaged: the operator must look";

fn line(entry: &Entry) -> String {
    let (id, size) = (entry.id, entry.size);
    match &entry.details {
        Ok(details) => {
            let subject = shown(details.subject.as_deref().unwrap_or_default());
            format!("{id}  {size:>10}  {}  {subject}", shown(details.name.as_str()))
        }
        Err(refusal) => format!("{id}  {size:>10}  {refusal}"),
    }
}

fn document(entry: &Entry) -> serde_json::Value {
    let details = entry.details.as_ref();
    json!({
        "id": entry.id,
        "size": entry.size,
        "version": entry.version,
        "created": entry.created.0,
        "changed": entry.changed.0,
        "name": details.ok().map(|details| details.name.as_str()),
        "subject": details.ok().and_then(|details| details.subject.clone()),
        "from": details.ok().and_then(|details| details.from.clone()),
        "marked": details.ok().map(|details| details.mark.is_some()),
        "refused": details.err().map(ToString::to_string),
    })
}
