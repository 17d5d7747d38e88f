//! What lies on the disk, byte by byte.

use std::collections::BTreeSet;

use store::Table;

use crate::tour::play::{Known, Play};
use crate::tour::story::{Broken, Evidence};
use crate::tour::words::{RUN, Search};

/// Where the workloads keep what small objects hold.
const OBJECTS: Table = Table("objects");
/// As many bytes of a message as tell it from any other.
const HEAD: usize = 32;
/// Bytes in one line of a hexdump.
const LINE: usize = 24;
/// Lines of a hexdump.
const LINES: usize = 3;

pub(super) async fn search(play: &mut Play) -> Result<Evidence, Broken> {
    let root = play.stage.layout().root().to_owned();
    let Known { words, subjects, names } = &play.known;
    let words =
        words.as_ref().ok_or_else(|| Broken::because("nothing was imported: an earlier step failed"))?;
    let all: BTreeSet<String> = [words, subjects, names].into_iter().flatten().cloned().collect();
    if all.is_empty() {
        let why = "the input has no word, line, subject or name that is long enough to be looked for";
        return Err(Broken(format!("{why}: give the tour other mail or files")));
    }
    let search = Search::of(&all);
    let mut there = BTreeSet::new();
    for (given, kind) in play.given() {
        there.append(&mut search.within(given.name.as_bytes()));
        there.append(&mut search.within(given.decoded(kind).map_err(Broken::because)?.text.as_bytes()));
    }
    if there.len() < all.len() {
        return Err(Broken(format!("this search finds {} of {} words in the input", there.len(), all.len())));
    }
    let (found, bytes) = search.under(&root).map_err(Broken::because)?;
    // The longest says most about where it came from.
    if let Some(longest) = found.iter().max_by_key(|found| found.word.len()) {
        let file = longest.file.strip_prefix(&root).unwrap_or(&longest.file);
        return Err(Broken(format!("{:?} lies in the clear in {}", longest.word, file.display())));
    }
    let mut lines = vec![format!(
        "{} words, {} subjects and {} names of the input: this search finds each of them in the decoded input, and \
         none in the {bytes} bytes on the disk",
        words.len(),
        subjects.len(),
        names.len()
    )];
    if words.is_empty() {
        lines.push(format!(
            "of its content nothing was looked for: it has no word and no line of {RUN} bytes or more that does not \
             occur by chance"
        ));
    }
    lines.extend(dump(play).await?);
    Ok(lines)
}

/// The same message as it was given and as it lies there.
async fn dump(play: &Play) -> Result<Vec<String>, Broken> {
    let message = play.first(play.places()?.alice.id)?;
    let mut lines = vec!["a message as it was given:".to_owned()];
    lines.extend(hex(&message.given.bytes().map_err(Broken::because)?));
    let key = format!("{}/{}/{}", play.contoso()?.tenant, message.container, message.object);
    let row = play.stage.service().store.read(OBJECTS, &key).await.map_err(Broken::because)?;
    let payload = row.and_then(|row| row.payload).unwrap_or_default();
    let (file, at) = place_of(play, &payload)?;
    lines.push(format!("the same message in {file}, at byte {at}, {} bytes sealed:", payload.len()));
    lines.extend(hex(&payload));
    Ok(lines)
}

/// In which file of the service's database the sealed bytes lie, and where.
fn place_of(play: &Play, payload: &[u8]) -> Result<(String, usize), Broken> {
    let head = payload.get(..HEAD).ok_or_else(|| Broken::because("the message has no sealed bytes"))?;
    let database = play.stage.layout().service_database();
    for path in [database.with_extension("sqlite-wal"), database] {
        let bytes = std::fs::read(&path).unwrap_or_default();
        if let Some(at) = bytes.windows(HEAD).position(|window| window == head) {
            return Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), at));
        }
    }
    Err(Broken::because("the message's sealed bytes lie in no file of the service's database"))
}

fn hex(bytes: &[u8]) -> Vec<String> {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    bytes
        .chunks(LINE)
        .take(LINES)
        .map(|line| {
            let digits: Vec<String> =
                line.chunks(4).map(|four| four.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
            format!("  {:<55}{}", digits.join(" "), line.iter().map(shown).collect::<String>())
        })
        .collect()
}
