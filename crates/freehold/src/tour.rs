//! The tour: the article as a story on real mail and files, a real vault on the wire, and a revocation that bites.
//!
//! Owns the command. What its people ask of the service goes through the service's API, with tokens of their own; it
//! kills listeners and takes rights away over the wire, and flips no flag inside custody. Stored bytes alone it looks
//! at from inside.

mod hands;
pub(crate) mod input;
mod play;
mod reception;
mod scenes;
mod stage;
mod story;
mod watch;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clock::SystemClock;
use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::node::Edge;
use crate::random::SystemRandom;
use crate::signals::unless_stopped;
use play::Play;
use stage::Stage;
use story::Story;

pub use self::hands::{NoHands, StageHands};
pub use self::story::{Report, Told};

/// How long what still runs at the end of a tour may take to stop.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the tour is told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Mail to import: files or folders; small samples of our own if empty.
    pub mail: Vec<PathBuf>,
    /// Files to import: files or folders; small samples of our own if empty.
    pub files: Vec<PathBuf>,
    /// Where everything is stored, and kept; a temporary folder if `None`.
    pub data: Option<PathBuf>,
    /// Keeps a temporary folder too.
    pub keep: bool,
    /// One JSON document instead of a story.
    pub json: bool,
}

/// Tells the tour to whoever ran it, on the machine's own clock; `Exit::Ok` only if every step held.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
    let began = Instant::now();
    let mut story = Story::new(!options.json);
    let data = play(options, edge, Box::new(NoHands), &mut story)?;
    let kept = matches!(data, Folder::Kept(_)).then(|| data.path());
    if options.json {
        story.document()
    } else {
        story.end(began.elapsed(), kept)
    }
    Ok(if story.report().held() { Exit::Ok } else { Exit::Refused })
}

/// Plays the tour without telling anybody, by this clock and randomness and with these hands beside the stage.
///
/// The outcome is what `--json` prints. `options.json` means nothing here.
pub fn perform(options: &Options, edge: Edge, hands: Box<dyn StageHands>) -> Result<Report, Failure> {
    let mut story = Story::new(false);
    play(options, edge, hands, &mut story)?;
    Ok(story.into_report())
}

fn play(
    options: &Options,
    edge: Edge,
    hands: Box<dyn StageHands>,
    story: &mut Story,
) -> Result<Folder, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Ours, error))?;
    let mail = input::gather(&options.mail, "mail")?;
    let files = input::gather(&options.files, "files")?;
    // Chosen where a signal no longer ends the process, and removed where nothing of the tour runs any more.
    let mut chosen = None;
    let played = runtime.block_on(unless_stopped(async {
        let data = chosen.insert(Folder::choose(options)?);
        story.begin();
        let stage = Stage::set(data.path(), edge).await?;
        let mut play = Play::new(stage, hands, mail, files);
        scenes::play(&mut play, story).await;
        play.stage.strike().await;
        Ok(())
    }));
    // What still runs must not write into a temporary folder that is being removed.
    runtime.shutdown_timeout(LAST_WORDS);
    played.map(|()| chosen.expect("a tour that was played has a folder"))
}

/// The data folder of one tour: one that is kept, or a temporary one that is gone at the end.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn choose(options: &Options) -> Result<Self, Failure> {
        if let Some(path) = &options.data {
            if Layout::inside(path).service_database().exists() {
                let why = "holds data already, and the tour plays on a new folder: name another with --data";
                return Err(Failure::new(Exit::Refused, format!("{} {why}", path.display())));
            }
            return Ok(Self::Kept(path.clone()));
        }
        let made = tempfile::Builder::new().prefix("freehold-tour-").tempdir();
        let made = made.map_err(|error| Failure::new(Exit::Ours, error))?;
        Ok(if options.keep { Self::Kept(made.keep()) } else { Self::Temporary(made) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
