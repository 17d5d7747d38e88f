//! The story: steps with their claim, evidence, lines of the article and time; told to a person or as JSON.
//!
//! Owns how the tour is printed and what its document looks like. What happens in a step is in the scenes.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::play::{BOUND, HOLD};

/// How many lines the article has; the end of the tour lists those that no step shows.
const ARTICLE_LINES: u16 = 117;
/// The widest line, unless a single word is wider.
const WIDTH: usize = 100;
/// What stands before a line of evidence.
const INDENT: &str = "    ";
/// What stands before the rest of a line of evidence that was too long, after the indent of the line itself.
const HANGING: &str = "  ";

const CLAIM: Style = Style::new().bold();
const HELD: Style = AnsiColor::Green.on_default().bold();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// What one step is called, what it claims, and which lines of the article it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// A short name for scripts, in kebab case.
    pub(super) name: &'static str,
    /// The claim in one sentence.
    pub(super) claim: &'static str,
    /// Lines of the article, first and last of each run.
    pub(super) article: &'static [(u16, u16)],
}

/// What a step saw; each line is evidence that a reader can check.
pub(super) type Evidence = Vec<String>;

/// Why a step did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

impl Broken {
    /// A promise that was not kept, with what was seen instead.
    pub(super) fn because(seen: impl std::fmt::Display) -> Self {
        Self(seen.to_string())
    }
}

/// One step as told.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// A short name for scripts, in kebab case.
    pub name: &'static str,
    /// Whether the step's claim held.
    pub ok: bool,
    /// What was seen, line by line.
    pub detail: String,
    /// Lines of the article that the step shows.
    pub article: Vec<u16>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Every step of a tour: the document of `--json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The steps in their order.
    pub steps: Vec<Told>,
}

impl Report {
    /// Whether every step held.
    pub fn held(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }
}

/// The story so far.
#[derive(Debug)]
pub(super) struct Story {
    report: Report,
    aloud: bool,
}

impl Story {
    /// An untold story; told aloud, each step is printed as soon as it is over.
    pub(super) fn new(aloud: bool) -> Self {
        Self { report: Report::default(), aloud }
    }

    /// Says what is about to be seen.
    pub(super) fn begin(&self) {
        if self.aloud {
            let begin = format!(
                "A customer with two key vaults, the service, and the provider's availability vault, on free ports of \
                 this machine. A customer's \"no\" takes effect within {BOUND} s here (60 s by default); files \
                 outlive an outage of both vaults by {HOLD} s (4 h by default)."
            );
            wrap(&begin, WIDTH).iter().for_each(|piece| say(piece.trim_start()));
        }
    }

    /// Tells one step, with what it saw or why it did not hold.
    pub(super) fn tell(&mut self, scene: Scene, elapsed: Duration, outcome: Result<Evidence, Broken>) {
        let ok = outcome.is_ok();
        let lines = match outcome {
            Ok(evidence) => evidence,
            Err(broken) => vec![broken.to_string()],
        };
        if self.aloud {
            self.print(scene, ok, &lines, elapsed);
        }
        self.report.steps.push(Told {
            name: scene.name,
            ok,
            detail: lines.join("\n"),
            article: scene.article.iter().flat_map(|&(first, last)| first..=last).collect(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// What was told so far.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Prints the document.
    pub(super) fn document(&self) {
        say(&serde_json::to_string_pretty(&self.report).expect("strings and numbers always serialise"));
    }

    /// Ends the story: what held, and which lines of the article were not shown.
    pub(super) fn end(&self, whole: Duration, kept: Option<&Path>) {
        let steps = &self.report.steps;
        let held = steps.iter().filter(|step| step.ok).count();
        let style = if self.report.held() { HELD } else { FAILED };
        say(&format!(
            "\n{style}{held} of {} steps held{style:#} in {:.1} s.",
            steps.len(),
            whole.as_secs_f64()
        ));
        let unshown = format!("Lines of the article that this tour does not show: {}.", self.unshown());
        for piece in wrap(&unshown, WIDTH) {
            say(&format!("{QUIET}{piece}{QUIET:#}"));
        }
        if let Some(folder) = kept {
            say(&format!("Everything is in {}.", folder.display()));
        }
    }

    fn print(&self, scene: Scene, ok: bool, lines: &[String], elapsed: Duration) {
        let (mark, style) = if ok { ("✓", HELD) } else { ("✗", FAILED) };
        let number = self.report.steps.len() + 1;
        let article: Vec<String> = scene.article.iter().map(|&(first, last)| run(first, last)).collect();
        let article =
            if article.is_empty() { article } else { vec![format!("article {}", article.join(", "))] };
        let aside = [article, vec![format!("{:.1} s", elapsed.as_secs_f64())]].concat().join(" · ");
        let claim = format!("{number:>2}. {}", scene.claim);
        let fits = claim.chars().count() + aside.chars().count() + 5 <= WIDTH;
        say(&format!(
            "\n{style}{mark}{style:#} {CLAIM}{claim}{CLAIM:#}{}{QUIET}{aside}{QUIET:#}",
            if fits { "  ".to_owned() } else { format!("\n{INDENT}  ") }
        ));
        for line in lines.iter().flat_map(|line| line.lines()) {
            for piece in wrap(line, WIDTH - INDENT.len() - HANGING.len()) {
                say(&format!("{INDENT}  {piece}"));
            }
        }
    }

    fn unshown(&self) -> String {
        let held = self.report.steps.iter().filter(|step| step.ok);
        let shown: Vec<u16> = held.flat_map(|step| step.article.iter().copied()).collect();
        let missing: Vec<u16> = (1..=ARTICLE_LINES).filter(|line| !shown.contains(line)).collect();
        runs(&missing)
    }
}

/// One line to standard output; colours are dropped when it is no terminal.
fn say(line: &str) {
    let mut out = anstream::stdout();
    // A reader that closed the pipe has seen enough; the exit status still tells.
    let _ = writeln!(out, "{line}");
}

/// Breaks a line at spaces; what follows hangs below its beginning.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = pieces.last_mut().expect("it starts with one");
        let so_far = last.chars().count();
        if !last.trim().is_empty() && so_far + word.trim_end().chars().count() > width {
            pieces.push(format!("{indent}{HANGING}{word}"));
        } else {
            last.push_str(word);
        }
    }
    pieces.iter().map(|piece| piece.trim_end().to_owned()).collect()
}

fn run(first: u16, last: u16) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

fn runs(lines: &[u16]) -> String {
    let mut out: Vec<(u16, u16)> = Vec::new();
    for &line in lines {
        match out.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => out.push((line, line)),
        }
    }
    out.iter().map(|&(first, last)| run(first, last)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_as_runs() {
        assert_eq!(runs(&[1, 2, 3, 5, 8, 9]), "1–3, 5, 8–9");
    }

    #[test]
    fn a_step_that_failed_shows_no_line_of_the_article() {
        let scene = Scene { name: "one", claim: "One", article: &[(1, 2)] };
        let mut story = Story::new(false);
        story.tell(scene, Duration::ZERO, Err(Broken("no".into())));
        assert!(!story.report().held());
        assert!(story.unshown().starts_with("1–117"));
    }

    #[test]
    fn long_evidence_wraps_and_hangs_below_its_beginning() {
        let pieces = wrap(&format!("  {}", "word ".repeat(60)), WIDTH);
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= WIDTH));
        assert!(pieces[1].starts_with("    word"), "{pieces:?}");
    }
}
