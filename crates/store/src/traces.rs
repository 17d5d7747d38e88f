//! The search for bytes that must be gone, over all files of a folder: the last step of a purge.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The files below `folder` that hold one of the needles anywhere; links are followed.
///
/// Names are sorted. An empty needle is in no file. What a device or a file system keeps besides its files is
/// out of reach. Refused where a database is open: that one is asked itself
/// ([`Store::holds`](crate::Store::holds)), because reading its file here would drop its locks.
pub async fn traces(folder: &Path, needles: Vec<Vec<u8>>) -> Result<Vec<PathBuf>, StoreError> {
    let folder = folder.to_owned();
    let searching = tokio::task::spawn_blocking(move || search(folder, &needles));
    searching.await.map_err(|_| StoreError::Down("the search was interrupted".into()))?
}

fn search(folder: PathBuf, needles: &[Vec<u8>]) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let failed = |fault: io::Error| StoreError::io("cannot search", &folder, &fault);
        let about = std::fs::metadata(&folder).map_err(failed)?;
        if !seen.insert((about.dev(), about.ino())) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // a link that leads nowhere and a file that was removed since hold nothing
            let Ok(about) = std::fs::metadata(&path) else { continue };
            if path.extension().is_some_and(|end| end.to_string_lossy().ends_with(OPEN)) {
                return Err(StoreError::Misuse(format!("a database is open in {}", folder.display())));
            }
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && file_holds(&path, needles)? {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file holds one of the needles; a file that is not there holds nothing.
pub(crate) fn file_holds(path: &Path, needles: &[Vec<u8>]) -> Result<bool, StoreError> {
    let failed = |fault: io::Error| StoreError::io("cannot search", path, &fault);
    let mut file = match File::open(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(failed)?,
    };
    let longest = needles.iter().map(Vec::len).max().unwrap_or(0);
    let mut window = Vec::new();
    loop {
        // the end of the last piece stays, so that a needle across the border is found
        let kept = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - kept);
        let read = (&mut file).take(PIECE).read_to_end(&mut window).map_err(failed)?;
        if read == 0 {
            return Ok(false);
        }
        if needles.iter().any(|needle| contains(&window, needle)) {
            return Ok(true);
        }
    }
}

pub(crate) fn contains(window: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let starts = window.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts.into_iter().any(|(at, _)| window[at..].starts_with(needle))
}

/// What the index of a WAL ends with; it is there for as long as a database is open.
const OPEN: &str = "-shm";

/// Bytes that are searched at a time.
const PIECE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_found_wherever_they_lie() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
        std::fs::create_dir(folder.path().join("below")).expect("a folder");
        let mut across = vec![b'n'; PIECE as usize - 3];
        across.extend(b"needle");
        write("across", &across);
        write("below/start", b"needle and hay");
        write("below/none", b"needl needl eneedl");
        write("empty", b"");
        std::os::unix::fs::symlink("..", folder.path().join("below/round")).expect("a link");
        std::os::unix::fs::symlink("nowhere", folder.path().join("below/broken")).expect("a link");
        let found = traces(folder.path(), vec![b"needle".to_vec(), b"".to_vec(), b"x".to_vec()]).await;
        let found: Vec<_> = found
            .expect("readable")
            .into_iter()
            .map(|path| path.file_name().map(ToOwned::to_owned))
            .collect();
        assert_eq!(found, [Some("across".into()), Some("start".into())]);
    }

    #[tokio::test]
    async fn a_folder_with_an_open_database_is_refused() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        std::fs::write(folder.path().join("vault.db-shm"), b"").expect("a file");
        let refused = traces(folder.path(), vec![b"needle".to_vec()]).await;
        assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    }
}
