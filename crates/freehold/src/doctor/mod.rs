//! `freehold doctor`: examines this machine, its data folder and the way to the vaults, and says what to do.
//!
//! Owns what a finding is and how findings are shown. What is looked at is in `checks`, `credentials` and `disk`, which
//! change nothing; `connections` opens a folder that has nothing to mend, as every command on it does, and its calls to
//! vaults are recorded. What cannot be told is "not checked" and never "ok".

mod checks;
mod connections;
mod credentials;
mod disk;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use model::time::Clock;
use serde::Serialize;

use crate::config::Config;
use crate::exit::{Answer, Exit};

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it should be.
    Ok,
    /// It works, and something about it should be known.
    Warning,
    /// It must be mended.
    Failed,
    /// It cannot be told from here.
    NotChecked,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at; stable.
    pub check: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// A finding that asks for nothing.
    pub fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), advice: None }
    }

    /// A finding with a verdict and what to do.
    pub fn new(
        check: &'static str,
        verdict: Verdict,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into()).filter(|advice: &String| !advice.is_empty());
        Self { check, verdict, detail: detail.into(), advice }
    }
}

/// Runs every check and shows what came of it; status 1 if something must be mended.
pub fn answer(config: &Config, clock: &dyn Clock, json: bool) -> Answer {
    let mut findings = checks::all(config, clock);
    let failed = |findings: &[Finding]| findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    findings.extend(connections::all(config, !failed(&findings)));
    let failed = failed(&findings);
    let text = if json {
        format!("{:#}\n", serde_json::json!({ "ok": !failed, "checks": findings }))
    } else {
        show(&findings)
    };
    Answer { text, exit: if failed { Exit::Refused } else { Exit::Ok } }
}

fn show(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { check, verdict, detail, advice } in findings {
        let (colour, word) = match verdict {
            Verdict::Ok => (AnsiColor::Green, "ok"),
            Verdict::Warning => (AnsiColor::Yellow, "warning"),
            Verdict::Failed => (AnsiColor::Red, "failed"),
            Verdict::NotChecked => (AnsiColor::Blue, "not checked"),
        };
        let style = Style::new().fg_color(Some(colour.into()));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{style}{word:11}{style:#}  {check:width$}  {detail}");
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:11}  {:width$}  -> {advice}", "", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_under_what_it_is_about() {
        let shown = show(&[
            Finding::ok("clock", "it goes"),
            Finding::new("port", Verdict::Failed, "in use", "choose another"),
        ]);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].contains("ok") && lines[0].ends_with("clock  it goes"), "{shown}");
        assert!(lines[2].ends_with("-> choose another"), "{shown}");
    }

    #[test]
    fn a_verdict_in_json_is_one_word() {
        let finding = Finding::new("disk", Verdict::NotChecked, "no sysfs", "");
        let json = serde_json::to_value(finding).expect("JSON");
        assert_eq!(json["verdict"], "not-checked");
        assert!(json.get("advice").is_none());
    }
}
