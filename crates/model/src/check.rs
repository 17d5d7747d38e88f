//! A rule that was looked at: passed, failed or not looked at, with what was expected and what was found.
//!
//! Owns the shape alone; the rules stand with the nouns that they are about.

use std::fmt;

use serde::Serialize;

use crate::refusal::{Code, Refusal};

/// One rule and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What it was looked at on: the identifier of a key, the name of a field.
    pub scope: String,
    /// How it went.
    pub result: CheckResult,
    /// What the rule wants.
    pub expected: String,
    /// What was found; a rule that was not looked at says why instead.
    pub actual: String,
}

/// How a rule went. What could not be looked at has not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Nobody could look.
    NotChecked,
}

impl Check {
    /// A rule that could be looked at.
    pub fn of(
        rule: &'static str,
        scope: impl fmt::Display,
        holds: bool,
        expected: impl fmt::Display,
        actual: impl fmt::Display,
    ) -> Self {
        let result = if holds { CheckResult::Passed } else { CheckResult::Failed };
        Self {
            rule,
            scope: scope.to_string(),
            result,
            expected: expected.to_string(),
            actual: actual.to_string(),
        }
    }

    /// A rule that could not be looked at, and why.
    pub fn skipped(
        rule: &'static str,
        scope: impl fmt::Display,
        expected: impl fmt::Display,
        why: impl fmt::Display,
    ) -> Self {
        Self { result: CheckResult::NotChecked, ..Self::of(rule, scope, false, expected, why) }
    }

    /// Whether the rule was looked at and does not hold.
    pub fn failed(&self) -> bool {
        self.result == CheckResult::Failed
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, scope, expected, actual, .. } = self;
        write!(f, "{scope} breaks the rule {rule}: expected {expected}, found {actual}")
    }
}

/// The first broken rule as a refusal; fine if none is broken.
pub fn refuse(code: Code, checks: &[Check]) -> Result<(), Refusal> {
    match checks.iter().find(|check| check.failed()) {
        Some(broken) => Err(Refusal::new(code, broken.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_rule_expectation_and_finding() {
        let checks = [
            Check::of("A", "x", true, "1", "1"),
            Check::skipped("B", "x", "1", "no reader right"),
            Check::of("C", "key k", false, "2048 to 4096 bits", "1024 bits"),
        ];
        let refusal = refuse(Code::UnusableKey, &checks).expect_err("C is broken");
        assert_eq!(refusal.detail, "key k breaks the rule C: expected 2048 to 4096 bits, found 1024 bits");
        assert_eq!(refuse(Code::UnusableKey, &checks[..2]), Ok(()));
    }

    #[test]
    fn what_nobody_could_look_at_has_not_passed() {
        assert_ne!(Check::skipped("B", "x", "1", "no right").result, CheckResult::Passed);
    }
}
