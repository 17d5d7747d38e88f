//! Secrets that a command is given or gives: read from a file of their owner alone or from standard input, and written so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::draft::{PREFIX, folder_of};
use crate::exit::{Exit, Failure};
use crate::key_file;

/// The longest secret that is read, in bytes; tokens have this bound everywhere.
pub(super) const MAX_SECRET: usize = 16 << 10;
/// What stands for standard input in the place of a file.
const STANDARD_INPUT: &str = "-";

/// Reads a secret of one line; `-` is standard input. A file that others could read is refused.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new(STANDARD_INPUT) {
        return line(io::stdin().lock(), "standard input".as_ref());
    }
    let file = File::open(path).map_err(|error| Failure::of_file(path, &error))?;
    key_file::rights(&file, path).map_err(|error| Failure::new(Exit::Refused, error))?;
    line(file, path)
}

fn line(from: impl Read, path: &Path) -> Result<Zeroizing<String>, Failure> {
    // Room for all of it: a buffer that grows leaves what it held behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    let read = from.take(MAX_SECRET as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::of_file(path, &error))?;
    let text = str::from_utf8(&bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
    match text.filter(|text| bytes.len() <= MAX_SECRET && !text.is_empty() && !text.contains(['\r', '\n'])) {
        Some(text) => Ok(Zeroizing::new(text.to_owned())),
        None => {
            let why = format!("expected one line of text, at most {MAX_SECRET} bytes");
            Err(Failure::new(Exit::Refused, format!("{}: {why}", path.display())))
        }
    }
}

/// Writes a secret to a file of its owner alone, in the place of the one before: a token is asked for again and again.
pub(super) fn write(path: &Path, secret: &str) -> Result<(), Failure> {
    let written = || {
        // The mode of a draft is 0600.
        let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder_of(path))?;
        file.write_all(secret.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder_of(path))?.sync_all()
    };
    written().map_err(|error: io::Error| Failure::of_file(path, &error))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_secret_is_written_for_its_owner_alone_and_read_back() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("token");
        for secret in ["first", "second"] {
            write(&path, secret).expect("written");
            assert_eq!(read(&path).expect("read").as_str(), secret);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("rights");
        let refused = read(&path).expect_err("others may read it");
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.message.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_secret_is_one_line_within_its_bound() {
        for wrong in ["", "\n", "two\nlines\n", &"x".repeat(MAX_SECRET + 1)] {
            let refused = line(wrong.as_bytes(), "it".as_ref()).expect_err("refused");
            assert!(refused.message.starts_with("it: expected one line"), "{refused}");
        }
        assert_eq!(
            line("with blanks \r\n".as_bytes(), "it".as_ref()).expect("read").as_str(),
            "with blanks "
        );
        assert_eq!(line("x".repeat(MAX_SECRET).as_bytes(), "it".as_ref()).expect("read").len(), MAX_SECRET);
    }
}
