//! The search for bytes that must be gone, over all files of a folder: the last step of a purge.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The files below `folder` that hold one of the needles anywhere, free pages and WAL included.
///
/// Names are sorted. An empty needle is in no file. What a device or a file system keeps besides its files is
/// out of reach.
pub async fn traces(folder: &Path, needles: Vec<Vec<u8>>) -> Result<Vec<PathBuf>, StoreError> {
    let folder = folder.to_owned();
    let searching = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let failed = |fault: io::Error| StoreError::io("cannot search", &folder, &fault);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() && holds(&entry.path(), &needles)? {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        Ok(found)
    });
    searching.await.map_err(|_| StoreError::Down("the search was interrupted".into()))?
}

fn holds(path: &Path, needles: &[Vec<u8>]) -> Result<bool, StoreError> {
    let failed = |fault: io::Error| StoreError::io("cannot search", path, &fault);
    let mut file = match File::open(path) {
        // removed since it was listed
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

fn contains(window: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let starts = window.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts.into_iter().any(|(at, _)| window[at..].starts_with(needle))
}

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
        let found = traces(folder.path(), vec![b"needle".to_vec(), b"".to_vec(), b"x".to_vec()]).await;
        let found: Vec<_> = found
            .expect("readable")
            .into_iter()
            .map(|path| path.file_name().map(ToOwned::to_owned))
            .collect();
        assert_eq!(found, [Some("across".into()), Some("start".into())]);
    }
}
