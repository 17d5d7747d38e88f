//! `freehold list`: the objects of a mailbox or a site, told page by page.
//!
//! Owns how a page is shown, to people and as JSON. No more than a page is held, however long the list is.

use api::{ObjectPage, StoredObject};
use serde_json::json;

use super::objects::{Opening, details, with_objects};
use super::{Place, shown};
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
    with_objects(config, &list.place, Opening::Look, async |objects| {
        let mut after = None;
        let mut told = Told { document: list.json.then(|| Document::new("objects")), damaged: false };
        loop {
            let page = objects.list(after).await?;
            tell(&told.page(&page))?;
            // A cursor that does not move would never end.
            if page.next <= after {
                return Ok(told.end());
            }
            after = page.next;
        }
    })
}

/// What was told of a list so far.
struct Told {
    document: Option<Document>,
    damaged: bool,
}

impl Told {
    fn page(&mut self, page: &ObjectPage) -> String {
        let mut text = String::new();
        let damaged = page.damaged.iter().map(|id| (*id, None));
        let mut all: Vec<_> =
            page.objects.iter().map(|object| (object.id, Some(object))).chain(damaged).collect();
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

fn line(object: &StoredObject) -> String {
    let (id, size) = (object.id, object.size);
    match details(object) {
        Ok(details) => {
            let subject = shown(details.subject.as_deref().unwrap_or_default());
            format!("{id}  {size:>10}  {}  {subject}", shown(&details.name))
        }
        Err(refused) => format!("{id}  {size:>10}  {refused}"),
    }
}

fn document(object: &StoredObject) -> serde_json::Value {
    let details = details(object);
    let known = details.as_ref().ok();
    json!({
        "id": object.id,
        "size": object.size,
        "version": object.version,
        "created": object.created.0,
        "changed": object.changed.0,
        "name": known.map(|details| &details.name),
        "subject": known.and_then(|details| details.subject.as_ref()),
        "from": known.and_then(|details| details.from.as_ref()),
        "marked": known.map(|details| details.mark.is_some()),
        "refused": details.as_ref().err().map(ToString::to_string),
    })
}
