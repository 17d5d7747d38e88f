//! Logs on standard error, as text or as JSON, one event a line.
//!
//! Owns where logs go and which are let through. They carry ids, never content, names or keys: libraries are
//! held to warnings, because what they say at lower levels may hold a URL or a piece of a body.

use std::fmt::Write as _;
use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::settings::Kind;

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl Kind for LogFormat {
    const EXPECTS: &'static str = "`text` or `json`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The least important level of our own events that is still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(LevelFilter);

impl Kind for LogLevel {
    const EXPECTS: &'static str = "`error`, `warn`, `info`, `debug`, `trace` or `off`";

    fn parse(text: &str) -> Option<Self> {
        // Numbers and capitals are allowed by the library and by nothing else of ours.
        let plain = text.chars().all(|c| c.is_ascii_lowercase());
        LevelFilter::from_str(text).ok().filter(|_| plain && !text.is_empty()).map(Self)
    }
}

/// Our own crates, the binary's included; all of them begin so.
const OURS: &str = "freehold";

/// Starts to write logs to standard error; the first call in a process counts.
pub fn start(format: LogFormat, level: LogLevel) {
    let filter = filter(level);
    let writer = fmt::layer().with_writer(std::io::stderr).with_ansi(coloured());
    let layer = match format {
        LogFormat::Text => writer.boxed(),
        LogFormat::Json => writer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    if tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok() {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(at = place, message = said(info), "a task of ours panicked");
        }));
    }
}

fn filter(LogLevel(level): LogLevel) -> Targets {
    let others = level.min(LevelFilter::WARN);
    Targets::new().with_default(others).with_target(OURS, level)
}

/// What a panic may say in the log: a text that stands in the program, and nothing that was made at run time.
///
/// A slice of a text at a wrong place, for one, panics with a piece of that text: a subject, say.
fn said(info: &PanicHookInfo<'_>) -> String {
    let mut said = String::new();
    match info.payload().downcast_ref::<&'static str>() {
        Some(text) => said.push_str(text),
        None => {
            let _ = write!(said, "(withheld: it was made at run time and could hold content)");
        }
    }
    said
}

/// Whether colours help: on a terminal, unless the person said no.
fn coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_library_is_held_to_warnings_whatever_we_say() {
        let filter = filter(LogLevel::parse("trace").expect("a level"));
        assert!(filter.would_enable("freehold_custody::lease", &Level::TRACE));
        assert!(filter.would_enable("hyper::client", &Level::WARN));
        assert!(!filter.would_enable("hyper::client", &Level::INFO));
        assert!(!filter.would_enable("azure_core::http", &Level::DEBUG));
    }

    #[test]
    fn a_library_is_quieter_than_we_are_when_we_are_quiet() {
        let filter = filter(LogLevel::parse("error").expect("a level"));
        assert!(!filter.would_enable("hyper::client", &Level::WARN));
        assert!(!filter.would_enable("freehold::serve", &Level::WARN));
        assert!(filter.would_enable("freehold::serve", &Level::ERROR));
    }

    #[test]
    fn only_the_named_levels_are_levels() {
        for level in ["error", "warn", "info", "debug", "trace", "off"] {
            assert!(LogLevel::parse(level).is_some(), "{level}");
        }
        for other in ["", "INFO", "3", "warning", "freehold=trace"] {
            assert!(LogLevel::parse(other).is_none(), "{other}");
        }
    }
}
