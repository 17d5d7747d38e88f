//! A row, and the stretch of keys that a scan walks.
//!
//! Owns `Row`, `Scan`, and the rules for a key. Keys are ordered by their bytes in every engine.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::limits::{MAX_KEY, MAX_PAGE};

/// One row as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key, hierarchical text such as `tenant/container/object`.
    pub key: String,
    /// 1 for a new row, one more with each put.
    pub version: u64,
    /// JSON text; an operator can query it.
    pub body: Vec<u8>,
    /// Sealed bytes that sit in the row, if any.
    pub payload: Option<Bytes>,
}

impl Row {
    /// Reads the body as a `T`; a body that is no `T` is damage.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        parse("a row's body", &self.body)
    }
}

/// Reads stored JSON; the text of a fault tells the place and never the content.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|fault| {
        let kind = match fault.classify() {
            serde_json::error::Category::Data => "does not have the expected fields",
            _ => "is not JSON",
        };
        StoreError::Corrupt(format!("{what} {kind} (column {})", fault.column()))
    })
}

/// Which rows to read: those whose key starts with `prefix` and lies after `after`, at most `limit`, by key.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// What the keys start with; empty for all rows.
    pub prefix: &'a str,
    /// The last key of the page before; `None` for the first page.
    pub after: Option<&'a str>,
    /// How many rows at most, up to [`MAX_PAGE`]; fewer rows than this mean that the end was reached.
    pub limit: u32,
}

/// The same as bounds on keys, which is all that an engine needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: From,
    /// The first key that no longer belongs; `None`: there is no upper bound.
    pub(crate) until: Option<String>,
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    At(String),
    After(String),
}

impl Scan<'_> {
    pub(crate) fn stretch(&self) -> Result<Stretch, StoreError> {
        if self.limit > MAX_PAGE {
            return Err(StoreError::over("a page", self.limit as usize, MAX_PAGE as usize));
        }
        let from = match self.after {
            Some(after) if after >= self.prefix => From::After(after.into()),
            _ => From::At(self.prefix.into()),
        };
        Ok(Stretch { from, until: successor(self.prefix), limit: self.limit })
    }
}

/// The smallest text that is greater than every text with this prefix; UTF-8 sorts like its characters.
fn successor(prefix: &str) -> Option<String> {
    let mut left = prefix.chars();
    while let Some(last) = left.next_back() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'), // what lies between are no characters
            other => char::from_u32(other as u32 + 1),
        };
        if let Some(next) = next {
            let mut text = left.as_str().to_owned();
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// A key, a stream or an operation: not empty, bounded, and without NUL, which not every SQL engine can hold.
pub(crate) fn check_key(what: &str, key: &str) -> Result<(), StoreError> {
    if key.is_empty() || key.contains('\0') {
        return Err(StoreError::Misuse(format!("{what} is empty or holds a NUL")));
    }
    if key.len() > MAX_KEY {
        return Err(StoreError::over(what, key.len(), MAX_KEY));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_bounds_exactly_the_prefix() {
        assert_eq!(successor("a/").as_deref(), Some("a0"));
        assert_eq!(successor("a\u{D7FF}").as_deref(), Some("a\u{E000}"));
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10FFFF}\u{10FFFF}"), None);
        assert_eq!(successor(""), None);
        assert_eq!(successor("\u{7F}").as_deref(), Some("\u{80}"));
    }

    #[test]
    fn a_page_after_a_key_before_the_prefix_starts_at_the_prefix() {
        let from = |prefix, after| Scan { prefix, after, limit: 1 }.stretch().map(|s| s.from);
        assert_eq!(from("b/", Some("a")), Ok(From::At("b/".into())));
        assert_eq!(from("b/", Some("b/1")), Ok(From::After("b/1".into())));
        assert_eq!(from("b/", None), Ok(From::At("b/".into())));
    }

    #[test]
    fn a_fault_of_a_body_does_not_tell_the_body() {
        let row = Row { key: "k".into(), version: 1, body: br#"{"name":"secret"}"#.to_vec(), payload: None };
        let fault = row.parse::<Vec<u8>>().expect_err("an object is no list");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
}
