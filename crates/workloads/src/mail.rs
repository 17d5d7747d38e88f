//! What is read out of a message when it comes in: subject, sender, date, and whether it could be read at all.
//!
//! Owns the reading of a header and the marks (spec/objects.md, 6). A message is never changed or refused
//! for its shape: what cannot be read is kept as it is and marked. The body is not parsed.

use std::sync::LazyLock;

use mail_parser::{HeaderName, HeaderValue, Message, MessageParser};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::Kind;

/// How much of a subject or a sender is kept beside the content, in bytes.
pub const MAX_FIELD: usize = 1024;
/// How much of the beginning of a streamed message is kept to read its header.
pub(crate) const HEAD: usize = 256 * 1024;
/// How much of the end of a streamed message is kept to find the last boundary of its body.
pub(crate) const TAIL: usize = 4 * 1024;

/// The longest boundary that is looked for, in bytes; a valid one has at most 70 (RFC 2046).
///
/// Without a bound a message made for it would cost a search of its length times the boundary's.
const MAX_BOUNDARY: usize = 200;

/// Why a message is kept but could not be read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It has no byte.
    Empty,
    /// It has no From, no Date and no Subject that could be read.
    Unreadable,
    /// It ends inside its header, or before the last boundary of its multipart body.
    Truncated,
}

/// What a message says of itself in its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The subject, decoded.
    pub(crate) subject: Option<String>,
    /// The first sender, as `Name <address>`.
    pub(crate) from: Option<String>,
    /// The date that the sender wrote.
    pub(crate) sent: Option<Timestamp>,
    /// Why it could not be read, if so.
    pub(crate) mark: Option<Mark>,
}

impl Letter {
    /// What is read out of content of this kind.
    pub(crate) fn of(kind: Kind, content: &[u8]) -> Self {
        match kind {
            Kind::Message => Self::read(content),
            Kind::File => Self::default(),
        }
    }

    /// Reads a message that is at hand in full.
    pub(crate) fn read(message: &[u8]) -> Self {
        Self::read_ends(&message[..message.len().min(HEAD)], message, message.len() as u64)
    }

    /// Reads a message of which only the first and the last bytes are at hand.
    ///
    /// `head` holds the first [`HEAD`] bytes and `tail` the last [`TAIL`] bytes at least, or all there are.
    pub(crate) fn read_ends(head: &[u8], tail: &[u8], size: u64) -> Self {
        if size == 0 {
            return Self { mark: Some(Mark::Empty), ..Self::default() };
        }
        let Some(message) = PARSER.parse_headers(head).filter(|message| !message.parts.is_empty()) else {
            return Self { mark: Some(Mark::Unreadable), ..Self::default() };
        };
        let subject = message.subject().map(shortened).filter(|text| !text.is_empty());
        let from = sender(&message);
        let sent = message
            .date()
            .filter(|date| date.is_valid())
            .and_then(|date| date.to_timestamp().checked_mul(1000))
            .map(Timestamp);
        let mark = if subject.is_none() && from.is_none() && sent.is_none() {
            Some(Mark::Unreadable)
        } else if truncated(&message, head, tail, size) {
            Some(Mark::Truncated)
        } else {
            None
        };
        Self { subject, from, sent, mark }
    }
}

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_text(HeaderName::Subject)
        .header_address(HeaderName::From)
        .header_date(HeaderName::Date)
        .header_content_type(HeaderName::ContentType)
        .default_header_ignore()
});

fn sender(message: &Message<'_>) -> Option<String> {
    let first = message.from()?.first()?;
    let text = match (first.name(), first.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(name), None) => name.to_owned(),
        (None, Some(address)) => address.to_owned(),
        (None, None) => return None,
    };
    Some(shortened(&text)).filter(|text| !text.is_empty())
}

/// At most [`MAX_FIELD`] bytes, cut between two characters.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_FIELD)].to_owned()
}

fn truncated(message: &Message<'_>, head: &[u8], tail: &[u8], size: u64) -> bool {
    if !ends_header(head) {
        // A head that is not the whole message may simply have a longer header than we look at.
        return head.len() as u64 == size;
    }
    let boundary = match message.header(HeaderName::ContentType) {
        Some(HeaderValue::ContentType(kind)) if kind.ctype().eq_ignore_ascii_case("multipart") => {
            kind.attribute("boundary")
        }
        _ => None,
    };
    let Some(boundary) = boundary.filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len())) else {
        return false;
    };
    let last = format!("--{boundary}--");
    !contains(tail, last.as_bytes())
}

/// Whether the empty line that ends a header is there.
fn ends_header(message: &[u8]) -> bool {
    let mut lines = message.split(|byte| *byte == b'\n');
    // What follows the last line end is no line yet, so it cannot be the empty one.
    lines.next_back();
    lines.any(|line| line.is_empty() || line == b"\r")
}

/// Whether `needle` is in `hay`; compares only where its last byte stands.
fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).rev().any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "From: Alice Example <alice@contoso.com>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
                         Subject: =?utf-8?q?Caf=C3=A9?= at noon\r\n\r\nSee you.\r\n";
    const PARTS: &str = "From: a@b.c\nSubject: parts\nContent-Type: multipart/mixed; boundary=\"xyz\"\n\n\
                         --xyz\n\none\n--xyz\n\ntwo\n--xyz--\n";

    #[test]
    fn a_message_says_who_when_and_what() {
        let letter = Letter::read(PLAIN.as_bytes());
        assert_eq!(letter.subject.as_deref(), Some("Café at noon"));
        assert_eq!(letter.from.as_deref(), Some("Alice Example <alice@contoso.com>"));
        assert_eq!(letter.sent, Some(Timestamp(1_795_514_400_000)));
        assert_eq!(letter.mark, None);
    }

    #[test]
    fn what_cannot_be_read_is_marked() {
        assert_eq!(Letter::read(b"").mark, Some(Mark::Empty));
        assert_eq!(Letter::read(&[0; 4000]).mark, Some(Mark::Unreadable));
        assert_eq!(Letter::read(b"\xff\xd8\xff\xe0 no mail at all").mark, Some(Mark::Unreadable));
        assert_eq!(Letter::read(b"X-Only: this\n\nbody").mark, Some(Mark::Unreadable));
    }

    #[test]
    fn a_message_cut_anywhere_before_its_end_is_marked() {
        assert_eq!(Letter::read(PARTS.as_bytes()).mark, None);
        let last = PARTS.find("--xyz--").expect("it is there") + "--xyz-".len();
        for cut in 1..=last {
            assert!(Letter::read(&PARTS.as_bytes()[..cut]).mark.is_some(), "cut after {cut} bytes");
        }
    }

    #[test]
    fn a_streamed_message_is_read_from_its_two_ends() {
        let whole = format!("{}{}{}", &PARTS[..PARTS.len() - 8], "x".repeat(HEAD), "\n--xyz--\n");
        let (head, tail) = (&whole.as_bytes()[..HEAD], &whole.as_bytes()[whole.len() - TAIL..]);
        let letter = Letter::read_ends(head, tail, whole.len() as u64);
        assert_eq!((letter.subject.as_deref(), letter.mark), (Some("parts"), None));
        let cut = Letter::read_ends(head, &tail[..TAIL - 10], whole.len() as u64 - 10);
        assert_eq!(cut.mark, Some(Mark::Truncated));
    }

    #[test]
    fn a_boundary_that_no_message_may_have_is_not_looked_for() {
        let (boundary, body) = ("-".repeat(100_000) + "x", "-".repeat(2_000_000));
        let message = format!("Subject: s\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n{body}");
        assert_eq!(Letter::read(message.as_bytes()).mark, None);
    }

    #[test]
    fn a_long_subject_is_cut_between_two_characters() {
        let letter = Letter::read(format!("Subject: x{}\n\n", "é".repeat(4000)).as_bytes());
        let subject = letter.subject.expect("a subject");
        assert!(subject.len() <= MAX_FIELD && subject.ends_with('é'), "{}", subject.len());
    }
}
