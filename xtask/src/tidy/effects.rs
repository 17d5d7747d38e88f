//! Clock and randomness stay above floor 3: no file of a lower room names a source of either.
//!
//! Owns the list of names. Comments and tests are searched too: a test takes the manual clock and the seeded
//! randomness, and a word in a comment is cheap to change.

use super::{File, has_word};

/// The one room that may name them; it hands them down.
const TOP: &str = "crates/freehold/";

/// Names of clocks, timers and sources of randomness.
const NAMES: &[&str] = &[
    "SystemTime",
    "Instant",
    "tokio::time",
    "rand::",
    "rand_core",
    "getrandom",
    "aws_lc_rs::rand",
    "thread_rng",
    "OsRng",
];

/// Names that can be imported in a group: the path before the braces, and the word inside.
const GROUPED: &[(&str, &str)] = &[("tokio::{", "time"), ("aws_lc_rs::{", "rand")];

/// One complaint for each name in each file of a lower room.
pub fn complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_below(&file.path)) {
        let mut found: Vec<&str> = NAMES.iter().copied().filter(|name| has_word(&file.text, name)).collect();
        found.extend(
            GROUPED.iter().filter(|(path, word)| is_grouped(&file.text, path, word)).map(|(_, word)| *word),
        );
        for name in found {
            complaints.push(format!("{} names {name}: clock and randomness are handed down", file.path));
        }
    }
    complaints
}

fn is_below(path: &str) -> bool {
    path.starts_with("crates/") && !path.starts_with(TOP) && path.contains("/src/") && path.ends_with(".rs")
}

fn is_grouped(text: &str, path: &str, word: &str) -> bool {
    text.split(path).skip(1).any(|rest| {
        let mut depth = 1_usize;
        let end = rest.find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        has_word(&rest[..end.unwrap_or(rest.len())], word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, text: &str) -> usize {
        complaints(&[File::new(path, text)]).len()
    }

    #[test]
    fn every_name_is_found_in_a_lower_room() {
        for text in [
            "let now = std::time::SystemTime::now();",
            "use std::time::{Duration, Instant};",
            "tokio::time::sleep(by).await",
            "use rand::Rng;",
            "getrandom::fill(&mut key)",
            "use aws_lc_rs::rand;",
            "let rng = thread_rng();",
            "use tokio::{sync::{Mutex}, time};",
            "use aws_lc_rs::{aead, rand};",
        ] {
            assert!(names("crates/custody/src/lease.rs", text) > 0, "{text}");
        }
    }

    #[test]
    fn what_is_handed_down_and_what_only_looks_alike_is_allowed() {
        for text in [
            "use model::time::{Clock, Moment};",
            "crypto::Random",
            "use aws_lc_rs::{aead, digest};\nuse model::time;",
            "operand::left",
            "use tokio::{sync::Mutex};\nlet time = 1;",
        ] {
            assert_eq!(names("crates/custody/src/lease.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn the_top_floor_may_name_them() {
        assert_eq!(names("crates/freehold/src/clock.rs", "std::time::Instant::now()"), 0);
        assert_eq!(names("xtask/src/report.rs", "std::time::Instant::now()"), 0);
    }
}
