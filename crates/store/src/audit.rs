//! The audit log's records: how each is bound to the one before, and how a stream is checked.
//!
//! Owns `AuditEntry` (before it is written), `AuditRow` (after), `Head`, and the hash of a record as
//! spec/store.md writes it. Who may read a stream and who signs its heads is decided above.

use aws_lc_rs::digest::{Context, SHA256};
use model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::batch::Pending;
use crate::error::StoreError;
use crate::limits::{MAX_BODY, MAX_PAGE};
use crate::row::{check_key, parse};
use crate::store::Store;

/// A record to be written; its place in the stream is assigned in the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The stream that it belongs to, for example a tenant.
    pub stream: String,
    /// When it happened.
    pub at: Timestamp,
    /// What was done, in the words of the audit log.
    pub operation: String,
    /// The rest of the record; ids, never content or keys.
    pub body: Value,
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The stream that it belongs to.
    pub stream: String,
    /// Its place in the stream: 1, 2, 3 … without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What was done.
    pub operation: String,
    /// The rest of the record: JSON text, exactly as it was hashed.
    pub body: Vec<u8>,
    /// The hash of the record before; 32 zero bytes for the first one.
    pub previous: [u8; 32],
    /// The hash of this record.
    pub hash: [u8; 32],
}

/// The newest record of a stream, in short: it commits to all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The place of the newest record.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What [`verify`] found in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is bound to the one before; `None` for a stream without records.
    Whole(Option<Head>),
    /// The first record that does not fit.
    Broken {
        /// Its place in the stream.
        seq: u64,
        /// What does not fit.
        fault: ChainFault,
    },
}

/// Why a record breaks the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// No record stands in this place.
    #[error("the record is missing")]
    Missing,
    /// The record is not the one that was hashed.
    #[error("the record was changed after it was written")]
    Changed,
    /// The record names another one before it than the one that is there.
    #[error("the record does not follow the one before")]
    Unchained,
    /// The whole stream fits together, but a head that was witnessed elsewhere says otherwise.
    #[error("the record is not the one that was witnessed")]
    Rewritten,
}

impl AuditEntry {
    pub(crate) fn prepare(self) -> Result<Pending, StoreError> {
        check_key("the name of a stream", &self.stream)?;
        check_key("the name of an operation", &self.operation)?;
        let body = self.body.to_string();
        if body.len() > MAX_BODY {
            return Err(StoreError::over("an audit record", body.len(), MAX_BODY));
        }
        Ok(Pending { stream: self.stream, at: self.at.0, operation: self.operation, body })
    }
}

impl Pending {
    /// Gives the record its place behind `before`.
    pub(crate) fn seal(&self, before: Option<&Head>) -> AuditRow {
        let mut row = AuditRow {
            stream: self.stream.clone(),
            seq: before.map_or(0, |head| head.seq) + 1,
            at: Timestamp(self.at),
            operation: self.operation.clone(),
            body: self.body.clone().into_bytes(),
            previous: before.map_or([0; 32], |head| head.hash),
            hash: [0; 32],
        };
        row.hash = row.digest();
        row
    }
}

impl AuditRow {
    /// Reads the body as a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        parse("an audit record", &self.body)
    }

    /// The head of the stream as far as this record.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    /// The hash that the record must have: SHA-256 over its length-prefixed fields, the hash before included.
    pub fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        for field in [self.stream.as_bytes(), self.operation.as_bytes(), &self.body] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        context.update(&self.seq.to_be_bytes());
        context.update(&self.at.0.to_be_bytes());
        context.update(&self.previous);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }

    fn fault(&self, before: Option<&Head>) -> Option<(u64, ChainFault)> {
        let expected = before.map_or(0, |head| head.seq) + 1;
        if self.seq != expected {
            return Some((expected, ChainFault::Missing));
        }
        if self.digest() != self.hash {
            return Some((self.seq, ChainFault::Changed));
        }
        (self.previous != before.map_or([0; 32], |head| head.hash))
            .then_some((self.seq, ChainFault::Unchained))
    }
}

/// Walks a stream from its first record and names the first one that does not fit.
///
/// Whoever can write to the database can also hash anew. What they cannot reach is a head that was witnessed
/// elsewhere (a signed head, the customer's own vault log): give it as `witness` and a rewritten or cut
/// stream is found too.
pub async fn verify(store: &Store, stream: &str, witness: Option<&Head>) -> Result<Verdict, StoreError> {
    let mut before: Option<Head> = None;
    loop {
        let page = store.audit(stream, before.map_or(0, |head| head.seq), MAX_PAGE).await?;
        for row in &page {
            if let Some((seq, fault)) = row.fault(before.as_ref()) {
                return Ok(Verdict::Broken { seq, fault });
            }
            if witness.is_some_and(|head| head.seq == row.seq && head.hash != row.hash) {
                return Ok(Verdict::Broken { seq: row.seq, fault: ChainFault::Rewritten });
            }
            before = Some(row.head());
        }
        if page.len() < MAX_PAGE as usize {
            break;
        }
    }
    let reached = before.map_or(0, |head| head.seq);
    if witness.is_some_and(|head| head.seq > reached) {
        return Ok(Verdict::Broken { seq: reached + 1, fault: ChainFault::Missing });
    }
    Ok(Verdict::Whole(before))
}

/// Sets this hash apart from every other one of the project; a new shape of record takes a new text.
const DOMAIN: &[u8] = b"freehold audit record v1\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: &[u8; 32]) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn pending(stream: &str, operation: &str, body: &str, at: i64) -> Pending {
        Pending { stream: stream.into(), at, operation: operation.into(), body: body.into() }
    }

    /// Computed by another program from the text of spec/store.md; never to be edited.
    #[test]
    fn records_of_version_1_hash_as_they_always_did() {
        let first = pending("t1", "Put", r#"{"n":1}"#, 1_700_000_000_000).seal(None);
        assert_eq!(hex(&first.hash), "f95371c00d31213f6f3d5f88a0b3aeb21e6345eff2f56e30882225fd47019bd3");
        let second = pending("t1", "Schlüssel gelesen", "null", -1).seal(Some(&first.head()));
        assert_eq!(hex(&second.hash), "e5d59b6f143efd7cbd914db70e4f4d03f92b94bd1f6eb24fe7bfe743306e7b49");
    }

    #[test]
    fn every_field_is_under_the_hash() {
        let row = pending("ab", "cd", "ef", 1).seal(Some(&Head { seq: 7, hash: [7; 32] }));
        let edits: [fn(&mut AuditRow); 7] = [
            |row| row.stream = "xb".into(),
            |row| row.seq += 1,
            |row| row.at = Timestamp(2),
            |row| row.operation = "xd".into(),
            |row| row.body = b"xf".to_vec(),
            |row| row.previous[31] ^= 1,
            // the same text, cut elsewhere
            |row| (row.stream, row.operation) = ("a".into(), "bcd".into()),
        ];
        for (i, edit) in edits.into_iter().enumerate() {
            let mut edited = row.clone();
            edit(&mut edited);
            assert_ne!(edited.digest(), row.hash, "edit {i}");
        }
    }

    #[test]
    fn a_record_that_was_hashed_anew_does_not_follow_the_one_before() {
        let first = pending("t", "One", "1", 1).seal(None);
        let forged = pending("t", "Two", "2", 2).seal(Some(&Head { seq: 1, hash: [9; 32] }));
        assert_eq!(forged.fault(Some(&first.head())), Some((2, ChainFault::Unchained)));
        assert_eq!(first.fault(None), None);
    }
}
