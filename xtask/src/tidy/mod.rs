//! The house rules, as functions from text to complaints; `tests/house.rs` runs them over the repository.
//!
//! Owns the list of files that the rules look at. Each rule sits in a file of its own and is shown to be
//! able to fail by a test on a small text.

pub mod edges;
pub mod effects;
pub mod files;
pub mod limits;
pub mod links;
pub mod spec;

use std::fs;

/// A file of the repository: its path from the root, with `/`, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path from the root.
    pub path: String,
    /// The content.
    pub text: String,
}

impl File {
    /// A file made of a path and a text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The name's extension; empty if it has none.
    pub fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// Every text file that git tracks or would add; a file that is not UTF-8 is left out.
pub fn files() -> Result<Vec<File>, String> {
    let mut git = crate::step::program("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = git.output().map_err(|error| format!("git ls-files did not start: {error}"))?;
    if !listing.status.success() {
        return Err("git ls-files failed; the house rules are checked in a git checkout".into());
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listing.stdout).split('\0').filter(|path| !path.is_empty()) {
        // A file that was just deleted is still in git's index.
        let Ok(bytes) = fs::read(crate::root().join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup();
    Ok(files)
}

/// The file at a path.
pub fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    files.iter().find(|file| file.path == path)
}

/// Whether `word` stands in `text` with no letter, digit or underscore on either side.
pub fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let open =
            |edge: Option<char>, own: Option<char>| !(edge.is_some_and(joins) && own.is_some_and(joins));
        open(before, word.chars().next()) && open(after, word.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_only_where_it_stands_alone() {
        assert!(has_word("let x = rand::rng();", "rand::"));
        assert!(!has_word("let x = operand::rng();", "rand::"));
        assert!(has_word("use std::time::{Duration, Instant};", "Instant"));
        assert!(!has_word("InstantMessage", "Instant"));
    }

    #[test]
    fn an_extension_is_what_follows_the_last_point_of_the_name() {
        assert_eq!(File::new("a.b/c.rs", "").extension(), "rs");
        assert_eq!(File::new("a.b/c", "").extension(), "");
    }

    #[test]
    fn the_repository_is_listed() {
        let files = files().expect("a git checkout");
        assert!(find(&files, "xtask/src/tidy/mod.rs").is_some());
        assert!(find(&files, "no/such/file").is_none());
    }
}
