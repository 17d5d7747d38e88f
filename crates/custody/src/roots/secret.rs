//! The client secret of the service's application: read from a file that nobody else can read.
//!
//! Owns [`ClientSecret`]. The bytes are zeroed on drop here; Microsoft's client keeps copies of its own that
//! are not (SECURITY.md says so).

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The longest secret, in bytes; Entra's have 40 characters.
pub const MAX_SECRET: usize = 1024;

/// A client secret. Debug shows nothing; zeroed on drop.
pub struct ClientSecret(Zeroizing<String>);

/// A file that no secret is taken from.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The file could not be read.
    #[error(
        "the client secret file {path} cannot be read: {reason}. Name a file that the service's user owns"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "the client secret file {path} has mode {mode:04o}, so that others can read it. Run: chmod 600 {path}, and renew the secret if others use this machine"
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A pipe, a folder, a device.
    #[error("the client secret file {path} is not a regular file. Put the secret into a file with mode 0600")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Empty, too long, or not what a secret looks like.
    #[error(
        "the client secret file {path} holds no secret: expected one line of 1 to {MAX_SECRET} printable characters without spaces"
    )]
    NotASecret {
        /// The file.
        path: PathBuf,
    },
}

impl ClientSecret {
    /// Reads the secret; one line, its end of line is dropped.
    ///
    /// The mode is asked of the opened file and not of its name, so that nobody can change one for the other.
    pub fn read(path: &Path) -> Result<Self, NoSecret> {
        let unreadable = |reason| NoSecret::Unreadable { path: path.to_owned(), reason };
        let not_a_secret = || NoSecret::NotASecret { path: path.to_owned() };
        let not_a_file = || NoSecret::NotAFile { path: path.to_owned() };
        // Asked first by name as well: opening a pipe would wait for whoever writes into it.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(not_a_file());
        }
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(NoSecret::Readable { path: path.to_owned(), mode });
        }
        // As large as it may become: a buffer that grows leaves what it held behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 4));
        file.take(MAX_SECRET as u64 + 3).read_to_end(&mut bytes).map_err(unreadable)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| not_a_secret())?;
        Self::new(Zeroizing::new(text.to_owned())).ok_or_else(not_a_secret)
    }

    /// A secret from memory, as the lab makes them; `None` if it is empty, too long or not printable.
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        (printable && (1..=MAX_SECRET).contains(&text.len())).then_some(Self(text))
    }

    /// The secret, only to be given to the token service.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the owner may");
        (folder, path)
    }

    #[test]
    fn a_secret_is_one_line_of_a_file_that_only_its_owner_reads() {
        for text in ["s3cr~t.Q", "s3cr~t.Q\n", "s3cr~t.Q\r\n"] {
            for mode in [0o600, 0o400] {
                let (_folder, path) = written(text.as_bytes(), mode);
                assert_eq!(ClientSecret::read(&path).expect("a secret").expose(), "s3cr~t.Q");
            }
        }
        let (_folder, longest) = written(&[b'x'; MAX_SECRET], 0o600);
        assert_eq!(ClientSecret::read(&longest).expect("a secret").expose().len(), MAX_SECRET);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_to_do() {
        for mode in [0o640, 0o604, 0o644, 0o620, 0o601] {
            let (_folder, path) = written(b"hunter2", mode);
            let refused = ClientSecret::read(&path).expect_err("others may").to_string();
            assert!(refused.contains(&format!("{mode:04o}")), "{refused}");
            assert!(refused.contains("chmod 600"), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let long = [b'x'; MAX_SECRET + 1];
        for bad in [&b""[..], b"\n", b"two\nlines", b"a space", b"\xff\xfe", b"tail \n", &long] {
            let (_folder, path) = written(bad, 0o600);
            assert!(matches!(ClientSecret::read(&path), Err(NoSecret::NotASecret { .. })), "{bad:?}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(ClientSecret::read(folder.path()), Err(NoSecret::NotAFile { .. })));
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success());
        assert!(
            matches!(ClientSecret::read(&pipe), Err(NoSecret::NotAFile { .. })),
            "and nobody waits for a pipe"
        );
        let absent = ClientSecret::read(&folder.path().join("absent"));
        assert!(matches!(absent, Err(NoSecret::Unreadable { .. })));
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = ClientSecret::new(Zeroizing::new("hunter2".to_owned())).expect("printable");
        assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
    }
}
