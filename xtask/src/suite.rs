//! `cargo xtask test`: everything that must hold before a change lands, in the order that fails fastest.

use std::process::Command;

use crate::corpus;
use crate::e2e;
use crate::report::{Outcome, Report};
use crate::step;
use crate::tools;

/// The step that may hold no test at all.
const DOCUMENTATION: &str = "documentation tests";

/// Runs the whole suite into the report.
///
/// A failed step does not stop the ones after it: one run shows all that is wrong.
pub fn run(report: &mut Report) {
    report.record("format", || step::run(&mut step::cargo(&["fmt", "--all", "--check"])));
    report.record("lints", || {
        let mut clippy = step::cargo(&["clippy"]);
        step::run(clippy.args(step::SHAPE).args(["--locked", "--", "-D", "warnings"]))
    });
    tests(report, "tests", {
        let mut tests = step::cargo(&["test"]);
        tests.args(step::SHAPE).args(["--locked", "--no-fail-fast"]).env_remove(corpus::TESTS_VARIABLE);
        tests
    });
    tests(report, DOCUMENTATION, step::cargo(&["test", "--workspace", "--doc", "--locked"]));
    report.record("licences, bans, sources", tools::deny);
    report.record("Azure's clients", || e2e::azure(false));
    corpus(report);
}

/// Imports every message of the corpus and reads it back; the test program is the binary's, the messages are ours
/// to bring.
fn corpus(report: &mut Report) {
    let mut messages = None;
    report.record("mail corpus", || match corpus::install() {
        Ok(folder) => {
            messages = Some(folder);
            Outcome::Passed
        }
        Err(outcome) => outcome,
    });
    let Some(messages) = messages else { return };
    if !crate::root().join(CORPUS_TEST).exists() {
        report.record("every message", || Outcome::Skipped(format!("{CORPUS_TEST} is not there yet")));
        return;
    }
    let mut command =
        step::cargo(&["test", "--workspace", "--test", "corpus", "--locked", "--", "--nocapture"]);
    command.env(corpus::TESTS_VARIABLE, messages);
    tests(report, "every message", command);
}

/// The test that takes the corpus through the house; without the variable it says that it was skipped.
const CORPUS_TEST: &str = "crates/freehold/tests/corpus.rs";

fn tests(report: &mut Report, name: &str, mut command: Command) {
    let (mut passed, mut failed) = (0, 0);
    report.record(name, || {
        let (outcome, p, f) = step::run_tests(&mut command, &mut std::io::stdout());
        (passed, failed) = (p, f);
        match outcome {
            Outcome::Passed if p == 0 && name != DOCUMENTATION => Outcome::Failed("no test ran".into()),
            outcome => outcome,
        }
    });
    report.tests_passed += passed;
    report.tests_failed += failed;
}
