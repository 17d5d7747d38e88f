//! The story: steps with their claim, evidence, lines of the article and time; told to a person or as JSON.
//!
//! Owns how the tour is printed and what its document looks like. What happens in a step is in the scenes.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How many lines the article has; the end of the tour lists those that no step shows.
const ARTICLE_LINES: u16 = 117;
/// The widest line of evidence before it wraps under its claim.
const EVIDENCE_WIDTH: usize = 108;

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
#[derive(Debug, Serialize)]
pub(super) struct Told {
    name: &'static str,
    ok: bool,
    detail: String,
    article: Vec<u16>,
    elapsed_ms: u64,
}

/// The whole document of `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    steps: &'a [Told],
}

/// The story so far.
#[derive(Debug)]
pub(super) struct Story {
    steps: Vec<Told>,
    json: bool,
}

impl Story {
    /// An untold story, for a person or for a script.
    pub(super) fn new(json: bool) -> Self {
        Self { steps: Vec::new(), json }
    }

    /// Tells one step: `began` is when it started, `outcome` what it saw.
    pub(super) fn tell(&mut self, scene: Scene, began: Instant, outcome: Result<Evidence, Broken>) -> bool {
        let elapsed = began.elapsed();
        let ok = outcome.is_ok();
        let lines = match outcome {
            Ok(evidence) => evidence,
            Err(broken) => vec![broken.to_string()],
        };
        if !self.json {
            self.print(scene, ok, &lines, elapsed);
        }
        self.steps.push(Told {
            name: scene.name,
            ok,
            detail: lines.join("\n"),
            article: scene.article.iter().flat_map(|&(first, last)| first..=last).collect(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        ok
    }

    /// Whether every step told so far held.
    pub(super) fn held(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }

    /// Ends the story: the document, or what held and which lines of the article were not shown.
    pub(super) fn end(&self, whole: Duration, kept: Option<&Path>) {
        if self.json {
            let document = Document { steps: &self.steps };
            say(&serde_json::to_string_pretty(&document).expect("strings and numbers always serialise"));
            return;
        }
        let held = self.steps.iter().filter(|step| step.ok).count();
        let style = if self.held() { HELD } else { FAILED };
        say(&format!(
            "\n{style}{held} of {} steps held{style:#}, in {:.1} s.",
            self.steps.len(),
            whole.as_secs_f64()
        ));
        say(&format!(
            "{QUIET}Lines of the article that this tour does not show: {}.{QUIET:#}",
            self.unshown()
        ));
        if let Some(folder) = kept {
            say(&format!("Everything is in {}.", folder.display()));
        }
    }

    fn print(&self, scene: Scene, ok: bool, lines: &[String], elapsed: Duration) {
        let (mark, style) = if ok { ("✓", HELD) } else { ("✗", FAILED) };
        let number = self.steps.len() + 1;
        let article: Vec<String> = scene.article.iter().map(|&(first, last)| run(first, last)).collect();
        say(&format!(
            "\n{style}{mark}{style:#} {CLAIM}{number}. {}{CLAIM:#} {QUIET}(article {}; {:.1} s){QUIET:#}",
            scene.claim,
            if article.is_empty() { "–".to_owned() } else { article.join(", ") },
            elapsed.as_secs_f64()
        ));
        for line in lines.iter().flat_map(|line| line.lines()) {
            for piece in wrap(line) {
                say(&format!("    {piece}"));
            }
        }
    }

    fn unshown(&self) -> String {
        let shown: Vec<u16> =
            self.steps.iter().filter(|s| s.ok).flat_map(|s| s.article.iter().copied()).collect();
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

fn wrap(line: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = pieces.last_mut().expect("it starts with one");
        let (so_far, more) = (last.chars().count(), word.trim_end().chars().count());
        // A long identifier stays where it is: alone on a line it would say no more.
        if so_far > 0 && more < EVIDENCE_WIDTH / 3 && so_far + more > EVIDENCE_WIDTH {
            pieces.push(format!("  {word}"));
        } else {
            last.push_str(word);
        }
    }
    pieces
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
        let mut story = Story::new(true);
        story.tell(scene, Instant::now(), Err(Broken("no".into())));
        assert!(!story.held());
        assert!(story.unshown().starts_with("1–117"));
    }

    #[test]
    fn long_evidence_wraps_under_its_claim() {
        let long = "word ".repeat(60);
        assert!(wrap(&long).len() > 1);
        assert!(wrap(&long).iter().all(|piece| piece.chars().count() <= EVIDENCE_WIDTH + 2));
    }
}
