//! `cargo xtask test`: everything that must hold before a change lands, in the order that fails fastest.

use std::process::Command;

use crate::corpus;
use crate::report::{Outcome, Report};
use crate::step;
use crate::tools;

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
    tests(report, "documentation tests", step::cargo(&["test", "--workspace", "--doc", "--locked"]));
    report.record("licences, bans, sources", tools::deny);
}

fn tests(report: &mut Report, name: &str, mut command: Command) {
    let (mut passed, mut failed) = (0, 0);
    report.record(name, || {
        let (outcome, p, f) = step::run_tests(&mut command, &mut std::io::stdout());
        (passed, failed) = (p, f);
        match outcome {
            Outcome::Passed if p == 0 && name == "tests" => Outcome::Failed("no test ran".into()),
            outcome => outcome,
        }
    });
    report.tests_passed += passed;
    report.tests_failed += failed;
}
