//! What a person typed: words, subjects and names of the decoded input, then searched for in every byte on the disk.
//!
//! Owns the search behind the promise that nothing a customer typed lies in the clear. The same search is run
//! over the input first: a word that it cannot find there proves nothing when it is not found elsewhere.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mail_parser::{MessageParser, MimeHeaders};
use model::fault_table;

/// Words of fewer bytes occur by chance in ciphertext and database pages.
const SHORTEST: usize = 6;
/// Words of this many bytes are the most telling; shorter ones are picked where these are too few.
const TELLING: usize = 9;
/// Words that our own records may come to use at any time, beside the reasons of the fault table.
const OURS: &[&str] = &[
    "audited",
    "auditor",
    "availability",
    "cancelled",
    "content",
    "customer",
    "denied",
    "fallback",
    "initiator",
    "intent",
    "keeper",
    "operation",
    "operator",
    "outage",
    "outcome",
    "policy",
    "principal",
    "prover",
    "reason",
    "refreshed",
    "request",
    "rewrapped",
    "second",
    "sweeper",
    "system",
    "unwrapped",
    "version",
    "without",
];
/// Words of more bytes are rarely words.
const LONGEST: usize = 40;
/// Bytes of a piece of a line: many enough that numbers do not occur by chance either.
pub(super) const RUN: usize = 12;
/// How much of a file is looked at in one go.
const WINDOW: usize = 1 << 20;

/// Where one word was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) word: String,
    pub(super) file: PathBuf,
}

/// What a person reads of a message: its subject, the text of its parts, the names of its attachments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) subject: Option<String>,
    pub(super) text: String,
}

/// Decodes a message; one that cannot be read as a message is its bytes as text.
pub(super) fn decode(message: &[u8]) -> Decoded {
    let Some(parsed) = MessageParser::default().parse(message) else {
        return Decoded { subject: None, text: String::from_utf8_lossy(message).into_owned() };
    };
    let subject = parsed.subject().map(str::to_owned);
    let mut text = subject.clone().unwrap_or_default();
    for at in 0..parsed.text_body_count() {
        text.push('\n');
        text.push_str(&parsed.body_text(at).unwrap_or_default());
    }
    for attachment in parsed.attachments() {
        text.push('\n');
        text.push_str(attachment.attachment_name().unwrap_or_default());
    }
    Decoded { subject, text }
}

/// Words to look for: `enough` of them if the texts have as many, at most `limit`, spread over all texts.
pub(super) fn pick(texts: &[String], enough: usize, limit: usize) -> BTreeSet<String> {
    let share = limit.div_ceil(texts.len().max(1));
    let stride = texts.len().div_ceil(limit.max(1)).max(1);
    let mut picked = BTreeSet::new();
    let rounds = (SHORTEST..=TELLING).rev().flat_map(|least| [(least, share, stride), (least, limit, 1)]);
    for (shortest, share, stride) in rounds {
        for text in texts.iter().step_by(stride) {
            let words: BTreeSet<&str> = words(text, shortest).collect();
            // Where a text has more than its share, they are taken from all over the alphabet.
            let every = words.len().div_ceil(share).max(1);
            picked.extend(words.into_iter().step_by(every).map(str::to_owned));
            if picked.len() >= limit {
                return picked.into_iter().take(limit).collect();
            }
        }
        if picked.len() >= enough {
            break;
        }
    }
    picked
}

/// Pieces of lines to look for where there are no words: of scripts without spaces, or of tables of numbers.
pub(super) fn runs(texts: &[String], limit: usize) -> BTreeSet<String> {
    let share = limit.div_ceil(texts.len().max(1));
    let of = |line: &str| {
        let end = line.char_indices().map(|(at, c)| at + c.len_utf8()).find(|end| *end >= RUN)?;
        Some(line[..end].to_owned())
    };
    // What was no text has no such place in the bytes that were given.
    let sound = |run: &String| !run.contains([char::REPLACEMENT_CHARACTER, '\0']) && !is_ours(run);
    let pick = |text: &String| {
        text.lines().map(str::trim).filter_map(of).filter(sound).take(share).collect::<Vec<_>>()
    };
    texts.iter().flat_map(pick).take(limit).collect()
}

/// Words of a language, not pieces of an encoding: no digits, and capitals at the front alone.
fn words(text: &str, shortest: usize) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(move |word| (shortest..=LONGEST).contains(&word.len()))
        .filter(|word| word.chars().all(char::is_alphabetic))
        .filter(|word| !word.chars().skip(1).any(char::is_uppercase))
        .filter(|word| !is_ours(word))
}

/// A word that a record of ours may hold proves nothing, whoever typed it.
fn is_ours(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    OURS.iter().any(|own| own.contains(&word))
        || fault_table::TABLE.iter().any(|row| row.reason.contains(&word))
}

/// A set of words, ready to be looked for in bytes of any length.
#[derive(Debug)]
pub(super) struct Search {
    /// Words by their first four bytes, so that a byte is looked at once whatever the number of words.
    by_head: HashMap<[u8; 4], Vec<Vec<u8>>>,
    /// Whether some word begins with these two bytes: most places are passed over without a look at the map.
    begins: Vec<bool>,
    longest: usize,
}

impl Search {
    /// Looks for these words, exactly as they are written; a word of fewer than four bytes is not looked for.
    pub(super) fn of<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        let mut search = Self { by_head: HashMap::new(), begins: vec![false; 1 << 16], longest: 0 };
        for word in words {
            if let Some(head) = word.as_bytes().first_chunk::<4>() {
                search.by_head.entry(*head).or_default().push(word.as_bytes().to_vec());
                search.begins[two(head[0], head[1])] = true;
                search.longest = search.longest.max(word.len());
            }
        }
        search
    }

    /// Which of the words occur in the bytes.
    pub(super) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut at = 0;
        while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
            if self.begins[two(head[0], head[1])] {
                for word in self.by_head.get(head).into_iter().flatten() {
                    if bytes[at..].starts_with(word) {
                        found.insert(String::from_utf8_lossy(word).into_owned());
                    }
                }
            }
            at += 1;
        }
        found
    }

    /// Which of the words occur in the file, read in windows that overlap by the longest word.
    fn within_file(&self, path: &Path) -> io::Result<BTreeSet<String>> {
        let mut file = File::open(path)?;
        let mut found = BTreeSet::new();
        let mut window: Vec<u8> = Vec::with_capacity(WINDOW + self.longest);
        loop {
            let read = Read::by_ref(&mut file).take(WINDOW as u64).read_to_end(&mut window)?;
            found.append(&mut self.within(&window));
            if read == 0 {
                return Ok(found);
            }
            let keep = window.len().saturating_sub(self.longest);
            window.drain(..keep);
        }
    }

    /// Looks through every file under the folder; the second value is how many bytes were looked at.
    pub(super) fn under(&self, folder: &Path) -> io::Result<(Vec<Found>, u64)> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for entry in walkdir::WalkDir::new(folder) {
            let entry = entry.map_err(io::Error::other)?;
            if entry.file_type().is_file() {
                bytes += entry.metadata().map_err(io::Error::other)?.len();
                let file = entry.path().to_owned();
                let words = self.within_file(&file)?;
                found.extend(words.into_iter().map(|word| Found { word, file: file.clone() }));
            }
        }
        Ok((found, bytes))
    }
}

fn two(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_across_two_windows_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut bytes = vec![b'.'; WINDOW - 4];
        bytes.extend_from_slice(b"quarterly-forecast");
        std::fs::write(folder.path().join("page"), bytes).expect("written");
        let search = Search::of(&["quarterly-forecast".to_owned(), "elsewhere".to_owned()]);
        let (found, _) = search.under(folder.path()).expect("readable");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].word, "quarterly-forecast");
    }

    #[test]
    fn picked_words_are_found_in_what_they_were_picked_from() {
        let text =
            "Dear colleagues, the refrigeration warehouse in Trondheim reports a temperature excursion.";
        let words = pick(&[text.to_owned()], 3, 5);
        assert!(words.len() >= 3, "{words:?}");
        assert_eq!(Search::of(&words).within(text.as_bytes()), words);
    }

    #[test]
    fn where_there_are_no_words_pieces_of_lines_are_picked() {
        let texts = ["灯台守の日誌、三月の記録\n短い".to_owned(), "17;4;2026;0.731;12\nno".to_owned()];
        let picked = runs(&texts, 400);
        assert_eq!(picked.len(), 2, "{picked:?}");
        for run in &picked {
            assert!(run.len() >= RUN && texts.iter().any(|text| text.contains(run)), "{run}");
        }
        assert!(runs(&["\u{fffd}PNG\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}".to_owned()], 9).is_empty());
    }

    #[test]
    fn words_of_our_own_records_are_not_picked() {
        let text = "The keeper of the strongbox cancelled nothing, was unauthorized, and wrote to the harbourmaster.";
        let picked = pick(&[text.to_owned()], 10, 10);
        assert_eq!(
            picked.iter().map(String::as_str).collect::<Vec<_>>(),
            ["harbourmaster", "nothing", "strongbox"]
        );
    }

    #[test]
    fn enough_words_are_picked_wherever_they_are() {
        let long: Vec<String> =
            ('a'..='z').map(|c| format!("w{}zeppelin", String::from(c).repeat(3))).collect();
        let short: Vec<String> = ('a'..='z').map(|c| format!("x{}kelp", String::from(c).repeat(2))).collect();
        let mut texts = vec![long.join(" "), short.join(" ")];
        texts.extend((0..98).map(|_| "no".to_owned()));
        assert_eq!(pick(&texts, 50, 400).len(), 52);
        assert_eq!(pick(&texts, 20, 20).len(), 20);
    }

    #[test]
    fn a_message_is_searched_for_as_a_person_reads_it() {
        let message = b"Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nTGV1Y2h0ZmV1ZXI=\r\n";
        let decoded = decode(message);
        assert_eq!(decoded.subject.as_deref(), Some("Grüße"));
        assert!(decoded.text.contains("Leuchtfeuer"), "{decoded:?}");
    }
}
