//! Known words: picked from decoded input, then searched for in every byte that lies on the disk.
//!
//! Owns the search behind the promise that nothing a customer typed lies in the clear. The same search is run
//! over the input first: a word that it cannot find there proves nothing when it is not found elsewhere.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Words shorter than this occur by chance in ciphertext and database pages.
const SHORTEST: usize = 9;
/// Words longer than this are rarely words.
const LONGEST: usize = 40;
/// How much of a file is looked at in one go.
const WINDOW: usize = 1 << 20;

/// Where one word was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) word: String,
    pub(super) file: PathBuf,
}

/// Words of the text that are long enough to mean something, each once, at most `limit`, spread over the text.
pub(super) fn pick(text: &str, limit: usize) -> Vec<String> {
    let words: BTreeSet<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| (SHORTEST..=LONGEST).contains(&word.len()))
        // Words of a language, not pieces of an encoding.
        .filter(|word| word.bytes().skip(1).all(|b| b.is_ascii_lowercase()))
        .filter(|word| word.bytes().all(|b| b.is_ascii_alphabetic()))
        .collect();
    let step = words.len().div_ceil(limit.max(1)).max(1);
    words.into_iter().step_by(step).map(str::to_owned).collect()
}

/// A set of words, ready to be looked for in bytes of any length.
#[derive(Debug)]
pub(super) struct Search {
    /// Words by their first four bytes, so that a byte is looked at once whatever the number of words.
    by_head: HashMap<[u8; 4], Vec<Vec<u8>>>,
    longest: usize,
}

impl Search {
    /// Looks for these words, exactly as they are written.
    pub(super) fn of(words: &[String]) -> Self {
        let mut by_head: HashMap<[u8; 4], Vec<Vec<u8>>> = HashMap::new();
        for word in words {
            if let Some(head) = word.as_bytes().first_chunk::<4>() {
                by_head.entry(*head).or_default().push(word.as_bytes().to_vec());
            }
        }
        let longest = words.iter().map(String::len).max().unwrap_or(0);
        Self { by_head, longest }
    }

    /// Which of the words occur in the bytes.
    pub(super) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, head) in bytes.windows(4).enumerate() {
            let head: &[u8; 4] = head.try_into().expect("a window of four");
            for word in self.by_head.get(head).into_iter().flatten() {
                if bytes[at..].starts_with(word) {
                    found.insert(String::from_utf8_lossy(word).into_owned());
                }
            }
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
        let words = pick(text, 5);
        assert!(words.len() >= 3, "{words:?}");
        assert_eq!(Search::of(&words).within(text.as_bytes()).len(), words.len());
    }
}
