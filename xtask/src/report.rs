//! What came of each step, and the exit status that follows.
//!
//! Owns `Outcome` and `Report`. A skip is never quiet: it is shown in the closing lines and it is an exit
//! status of its own.

use std::fmt;
use std::time::{Duration, Instant};

/// Something failed.
pub const STATUS_FAILED: u8 = 1;
/// Nothing failed, but something could not be run here.
pub const STATUS_SKIPPED: u8 = 4;

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold, or could not be started; says why.
    Failed(String),
    /// It needs something that is out of reach here; says what.
    Skipped(String),
}

/// Every step so far with its outcome, and the tests counted on the way.
#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<(String, Outcome, Duration)>,
    /// Tests that passed, over all test programs.
    pub tests_passed: u64,
    /// Tests that failed, over all test programs.
    pub tests_failed: u64,
}

impl Report {
    /// Runs one step and keeps its outcome; says what begins, and on the spot what was skipped or failed.
    pub fn record(&mut self, name: &str, step: impl FnOnce() -> Outcome) {
        eprintln!("== {name}");
        let start = Instant::now();
        let outcome = step();
        match &outcome {
            Outcome::Passed => {}
            Outcome::Failed(why) => eprintln!("== {name}: FAILED: {why}"),
            Outcome::Skipped(why) => eprintln!("== {name}: SKIPPED: {why}"),
        }
        self.steps.push((name.to_owned(), outcome, start.elapsed()));
    }

    /// The exit status: a failure wins over a skip.
    pub fn status(&self, allow_skips: bool) -> u8 {
        let outcomes = || self.steps.iter().map(|(_, outcome, _)| outcome);
        if outcomes().any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            STATUS_FAILED
        } else if !allow_skips && outcomes().any(|outcome| matches!(outcome, Outcome::Skipped(_))) {
            STATUS_SKIPPED
        } else {
            0
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (name, outcome, took) in &self.steps {
            let seconds = took.as_secs_f64();
            match outcome {
                Outcome::Passed => writeln!(f, "ok       {name} ({seconds:.1} s)")?,
                Outcome::Failed(why) => writeln!(f, "FAILED   {name}: {why}")?,
                Outcome::Skipped(why) => writeln!(f, "SKIPPED  {name}: {why}")?,
            }
        }
        if self.tests_passed + self.tests_failed > 0 {
            writeln!(f, "{} passed, {} failed", self.tests_passed, self.tests_failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        let mut report = Report::default();
        for outcome in outcomes {
            report.record("a step", || outcome.clone());
        }
        report
    }

    #[test]
    fn a_skip_is_a_status_of_its_own_unless_allowed() {
        let skipped = report(&[Outcome::Passed, Outcome::Skipped("no registry".into())]);
        assert_eq!(skipped.status(false), STATUS_SKIPPED);
        assert_eq!(skipped.status(true), 0);
        assert!(skipped.to_string().contains("SKIPPED  a step: no registry"));
    }

    #[test]
    fn a_failure_is_never_hidden_by_a_skip() {
        let failed = report(&[Outcome::Skipped("no registry".into()), Outcome::Failed("it broke".into())]);
        assert_eq!(failed.status(false), STATUS_FAILED);
        assert_eq!(failed.status(true), STATUS_FAILED);
    }

    #[test]
    fn all_passed_is_zero() {
        assert_eq!(report(&[Outcome::Passed]).status(false), 0);
    }
}
