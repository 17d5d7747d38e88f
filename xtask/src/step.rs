//! Running another program as one step: from the root, without the variables of the cargo that runs us.
//!
//! Owns the spawning of programs and the counting of test results. What a program means is the caller's.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::report::Outcome;

/// How every build of the house is shaped: one shape everywhere, so that a dependency is compiled with one
/// set of features and therefore once.
pub const SHAPE: [&str; 2] = ["--workspace", "--all-targets"];

/// A cargo command, to be run from the root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args(arguments);
    command
}

/// Another program, to be run from the root.
///
/// `cargo run` leaves the description of *this* package in the environment; a cargo below it must not take
/// it for its own.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(crate::root()).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub fn run(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(format!("{} ended with {status}", name(command))),
        Err(error) => Outcome::Failed(format!("{} did not start: {error}", name(command))),
    }
}

/// Runs a command of cargo's tests to its end, copies what it prints to `shown`, and counts passed and
/// failed tests.
pub fn run_tests(command: &mut Command, shown: &mut dyn Write) -> (Outcome, u64, u64) {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (Outcome::Failed(format!("{} did not start: {error}", name(command))), 0, 0),
    };
    let (mut passed, mut failed) = (0, 0);
    if let Some(output) = child.stdout.take() {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // Bytes, not text: a failing test may print anything, and must not end the count.
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            // An output that nobody reads any more is no reason to stop testing.
            let _ = shown.write_all(&line);
            if let Some((p, f)) = results(&String::from_utf8_lossy(&line)) {
                passed += p;
                failed += f;
            }
            line.clear();
        }
    }
    let outcome = match child.wait() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(format!("{failed} tests failed ({status})")),
        Err(error) => Outcome::Failed(format!("{}: {error}", name(command))),
    };
    (outcome, passed, failed)
}

/// The counts in a closing line of a Rust test program, such as `test result: ok. 3 passed; 0 failed; …`.
fn results(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?;
    let count = |word: &str| {
        let before = counts.split(word).next()?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    Some((count(" passed;")?, count(" failed;")?))
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    // cargo is started by its full path; its name says enough
    let words = words.join(" ");
    words.rsplit_once("/cargo ").map_or(words.clone(), |(_, arguments)| format!("cargo {arguments}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted_and_others_are_not() {
        let ok =
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.1s\n";
        assert_eq!(results(ok), Some((12, 0)));
        let failed = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(results(failed), Some((3, 2)));
        assert_eq!(results("test a::b ... ok\n"), None);
    }

    #[test]
    fn a_program_that_fails_or_is_missing_is_a_failed_step() {
        assert_eq!(run(&mut program("true")), Outcome::Passed);
        assert!(matches!(run(&mut program("false")), Outcome::Failed(_)));
        assert!(matches!(run(&mut program("no-such-program-here")), Outcome::Failed(_)));
    }

    #[test]
    fn a_test_program_is_counted_and_its_status_kept() {
        let mut command = program("sh");
        command.args(["-c", "echo 'test result: FAILED. 3 passed; 1 failed; 0 ignored'; exit 101"]);
        // Not to standard output: whoever counts our own tests would count this line too.
        let mut shown = Vec::new();
        let (outcome, passed, failed) = run_tests(&mut command, &mut shown);
        assert!(shown.starts_with(b"test result: FAILED"));
        assert!(matches!(outcome, Outcome::Failed(_)));
        assert_eq!((passed, failed), (3, 1));
    }
}
