//! Tools that the checks need and that a fresh machine does not have: found, or installed below target/.
//!
//! Owns cargo-deny's version. A tool that cannot be installed makes a skip, never a pass.

use std::path::{Path, PathBuf};

use crate::report::Outcome;
use crate::step;

/// The version of cargo-deny that deny.toml is written for.
pub const CARGO_DENY: &str = "0.20.2";

/// Checks licences, bans and sources with cargo-deny, which is installed first where it is missing.
///
/// Advisories are not checked here: their database is no package and is often out of reach.
pub fn deny() -> Outcome {
    let program = match cargo_deny() {
        Ok(program) => program,
        Err(outcome) => return outcome,
    };
    let mut command = step::program(&program.to_string_lossy());
    step::run(command.args(["--locked", "check", "licenses", "bans", "sources"]))
}

fn cargo_deny() -> Result<PathBuf, Outcome> {
    let folder = crate::target().join("tools");
    for candidate in [PathBuf::from("cargo-deny"), folder.join("bin/cargo-deny")] {
        if is_cargo_deny(&candidate) {
            return Ok(candidate);
        }
    }
    let place = folder.to_string_lossy().into_owned();
    let build = folder.join("build").to_string_lossy().into_owned();
    let mut install = step::cargo(&["install", "--locked", "--debug", "cargo-deny", "--version", CARGO_DENY]);
    install.args(["--root", &place, "--target-dir", &build, "--quiet"]);
    match step::run(&mut install) {
        Outcome::Passed => Ok(folder.join("bin/cargo-deny")),
        _ => Err(Outcome::Skipped(format!(
            "cargo-deny {CARGO_DENY} could not be installed (the lines above say why)"
        ))),
    }
}

fn is_cargo_deny(program: &Path) -> bool {
    let output = step::program(&program.to_string_lossy()).arg("--version").output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).trim() == format!("cargo-deny {CARGO_DENY}")
    })
}
