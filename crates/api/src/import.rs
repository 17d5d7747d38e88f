//! The framing of an import: many files in one request, and a line of the answer for each.
//!
//! Owns the bytes of spec/http-api.md, both ways. Reading is a machine that is given pieces as they come and holds
//! one frame at most; what is done with an item is the workloads'.

use bytes::{Buf, Bytes, BytesMut};
use model::id::ObjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::ObjectKind;
use crate::problem::Problem;
use crate::text;

/// The media type of the request.
pub const IMPORT: &str = "application/vnd.freehold.import";
/// The media type of the answer.
pub const NDJSON: &str = "application/x-ndjson";
/// The longest head of an item: the longest path, percent-encoded, fits.
pub const MAX_HEAD: usize = 16 << 10;
/// The longest piece of content in one frame.
pub const MAX_PIECE: usize = 1 << 20;

/// The frame that ends a content.
const END: u32 = 0;
/// The frame that says that the sender could not read the rest.
const BROKEN: u32 = u32::MAX;

/// The head of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    /// The path below what is imported: its bytes, percent-encoded.
    path: String,
    /// What it is.
    kind: ObjectKind,
}

/// The bytes that begin an item.
pub fn begin(path: &[u8], kind: ObjectKind) -> Bytes {
    let head = serde_json::to_vec(&Head { path: text::encoded(path), kind }).unwrap_or_default();
    framed(&head)
}

/// The bytes of one piece of content, which must not be empty nor longer than [`MAX_PIECE`].
pub fn piece(content: &[u8]) -> Bytes {
    framed(content)
}

/// The bytes that end an item whose content is whole.
pub fn end() -> Bytes {
    Bytes::copy_from_slice(&END.to_be_bytes())
}

/// The bytes that end an item whose content could not be read to its end.
pub fn broken() -> Bytes {
    Bytes::copy_from_slice(&BROKEN.to_be_bytes())
}

fn framed(bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + bytes.len());
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(BROKEN).to_be_bytes());
    out.extend_from_slice(bytes);
    out.freeze()
}

/// What was read of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An item begins.
    Begin {
        /// The bytes of its path.
        path: Vec<u8>,
        /// What it is.
        kind: ObjectKind,
    },
    /// A piece of the content of the item that was begun.
    Piece(Bytes),
    /// The content is whole.
    End,
    /// The sender could not read the content to its end.
    Broken,
}

/// Why bytes are no import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImport {
    /// The length of a head is zero or above the bound.
    #[error("import: the head of an item is 1 to {MAX_HEAD} bytes long")]
    HeadLength,
    /// A head that is not the JSON that is expected.
    #[error("import: the head of an item is JSON with path and kind")]
    Head,
    /// A piece above the bound.
    #[error("import: a piece of content is at most {MAX_PIECE} bytes long")]
    PieceLength,
    /// The bytes end inside an item, or before the request does.
    #[error("import: the request was cut before its end")]
    Cut,
}

/// Reads an import out of pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    held: BytesMut,
    inside: bool,
}

impl Reader {
    /// Takes the next bytes of the request; ask [`Reader::next`] until it has nothing before giving more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next part; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait, reason = "it is no iterator: after None more may come")]
    pub fn next(&mut self) -> Result<Option<Part>, NotAnImport> {
        let Some((len, _)) = self.held.split_first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*len);
        if self.inside && (len == END || len == BROKEN) {
            self.held.advance(4);
            self.inside = false;
            return Ok(Some(if len == END { Part::End } else { Part::Broken }));
        }
        let len = len as usize;
        if self.inside && len > MAX_PIECE {
            return Err(NotAnImport::PieceLength);
        }
        if !self.inside && (len == 0 || len > MAX_HEAD) {
            return Err(NotAnImport::HeadLength);
        }
        if self.held.len() < 4 + len {
            return Ok(None);
        }
        self.held.advance(4);
        let frame = self.held.split_to(len).freeze();
        if self.inside {
            return Ok(Some(Part::Piece(frame)));
        }
        let head: Head = serde_json::from_slice(&frame).map_err(|_| NotAnImport::Head)?;
        self.inside = true;
        Ok(Some(Part::Begin { path: text::decoded(&head.path), kind: head.kind }))
    }

    /// Whether the request may end here.
    pub fn finish(&self) -> Result<(), NotAnImport> {
        if self.inside || !self.held.is_empty() { Err(NotAnImport::Cut) } else { Ok(()) }
    }
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ImportLine {
    /// How one item ended; it is durable.
    Item(ImportedItem),
    /// The end.
    End(ImportEnd),
}

/// How one item of an import ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportedItem {
    /// Which item: 0 for the first.
    pub index: u64,
    /// How it ended.
    pub outcome: ImportOutcome,
    /// The object that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub object_id: Option<ObjectId>,
    /// Why a message is kept but could not be read as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportOutcome {
    /// It was stored.
    Imported,
    /// The same content had been imported from the same path before.
    AlreadyThere,
    /// It breaks a rule, or could not be read; nothing of it is stored.
    Refused,
}

/// The last line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportEnd {
    /// The counts; what they count is durable.
    pub summary: ImportSummary,
    /// What ended the import before its last item; the same request again goes on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Problem>,
}

/// The counts of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportSummary {
    /// Items that were stored, the marked ones included.
    pub imported: u64,
    /// How many of those are marked.
    pub marked: u64,
    /// Items that had been imported before.
    pub already_there: u64,
    /// Items that were refused.
    pub refused: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&begin(b"inbox/\xff1.eml", ObjectKind::Message));
        out.extend_from_slice(&piece(b"Subject: x\r\n"));
        out.extend_from_slice(&piece(b"\r\nbody"));
        out.extend_from_slice(&end());
        out.extend_from_slice(&begin(b"empty", ObjectKind::File));
        out.extend_from_slice(&end());
        out.extend_from_slice(&begin(b"torn", ObjectKind::File));
        out.extend_from_slice(&piece(b"half"));
        out.extend_from_slice(&broken());
        out
    }

    fn read(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<Part>, NotAnImport> {
        let (mut reader, mut parts) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.push(&piece);
            while let Some(part) = reader.next()? {
                parts.push(part);
            }
        }
        reader.finish()?;
        Ok(parts)
    }

    #[test]
    fn an_import_reads_the_same_however_it_is_cut() {
        let bytes = whole();
        let at_once = read([bytes.clone()]).expect("an import");
        assert_eq!(at_once.len(), 9);
        assert_eq!(at_once[0], Part::Begin { path: b"inbox/\xff1.eml".into(), kind: ObjectKind::Message });
        assert_eq!(at_once[8], Part::Broken);
        for size in 1..bytes.len() {
            let pieces = bytes.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(read(pieces).expect("an import"), at_once, "pieces of {size}");
        }
    }

    #[test]
    fn a_request_that_ends_inside_an_item_is_told_from_a_whole_one() {
        let bytes = whole();
        let whole_at: Vec<usize> =
            (0..=bytes.len()).filter(|at| read([bytes[..*at].to_vec()]).is_ok()).collect();
        assert_eq!(whole_at.len(), 4, "before the first item and after each of three: {whole_at:?}");
        assert_eq!(read([bytes[..7].to_vec()]), Err(NotAnImport::Cut));
    }

    #[test]
    fn hostile_frames_are_refused_before_they_are_held() {
        let head = |len: u32| read([len.to_be_bytes().to_vec()]);
        assert_eq!(head(0), Err(NotAnImport::HeadLength));
        assert_eq!(head(u32::MAX), Err(NotAnImport::HeadLength));
        assert_eq!(head(MAX_HEAD as u32 + 1), Err(NotAnImport::HeadLength));
        assert_eq!(read([framed(b"{}").to_vec()]), Err(NotAnImport::Head));
        assert_eq!(read([framed(br#"{"path":"a","kind":"file","x":1}"#).to_vec()]), Err(NotAnImport::Head));
        let long = [&begin(b"a", ObjectKind::File)[..], &(MAX_PIECE as u32 + 1).to_be_bytes()].concat();
        assert_eq!(read([long]), Err(NotAnImport::PieceLength));
    }

    #[test]
    fn the_longest_path_fits_into_a_head() {
        let begun = begin(&[0xff; 4096], ObjectKind::Message);
        assert!(begun.len() - 4 <= MAX_HEAD);
    }

    #[test]
    fn lines_of_the_answer_are_told_apart() {
        let item = ImportLine::Item(ImportedItem {
            index: 3,
            outcome: ImportOutcome::AlreadyThere,
            object_id: Some(ObjectId::from_random([1; 16])),
            mark: None,
            problem: None,
        });
        let end = ImportLine::End(ImportEnd { summary: ImportSummary::default(), stopped: None });
        for line in [item, end] {
            let text = serde_json::to_string(&line).expect("JSON");
            assert_eq!(serde_json::from_str::<ImportLine>(&text).expect("a line"), line, "{text}");
        }
    }
}
