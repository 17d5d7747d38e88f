//! What lies on the disk, byte by byte.

use store::Table;

use crate::tour::play::Play;
use crate::tour::story::{Broken, Evidence};
use crate::tour::words::Search;

/// Where the workloads keep what small objects hold.
const OBJECTS: Table = Table("objects");
/// As many bytes of a message as tell it from any other.
const HEAD: usize = 32;
/// Bytes in one line of a hexdump.
const LINE: usize = 32;
/// Lines of a hexdump.
const LINES: usize = 3;

pub(super) async fn search(play: &mut Play) -> Result<Evidence, Broken> {
    let root = play.stage.layout().root().to_owned();
    let search = Search::of(&play.words);
    let mut input = Vec::new();
    for given in play.mail.iter().chain(&play.files) {
        input.extend(given.name.as_bytes());
        input.push(b'\n');
        input.extend(given.bytes().map_err(Broken::because)?);
        input.push(b'\n');
    }
    let there = search.within(&input).len();
    if there < play.words.len() || there == 0 {
        return Err(Broken(format!("the search finds {there} of {} words in the input", play.words.len())));
    }
    let (found, bytes) = search.under(&root).map_err(Broken::because)?;
    if let Some(found) = found.first() {
        return Err(Broken(format!("{:?} lies in the clear in {}", found.word, found.file.display())));
    }
    let mut lines = vec![format!(
        "{there} words of the input, all found in it by this search; in {bytes} bytes on the disk: none of them"
    )];
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
            format!("  {:<72}{}", digits.join(" "), line.iter().map(shown).collect::<String>())
        })
        .collect()
}
