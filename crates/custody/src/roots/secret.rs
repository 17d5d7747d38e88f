//! What the service's application proves itself with, as it lies in files that nobody else can read.
//!
//! Owns [`ClientSecret`], [`Assertion`] and the checks of their files. The bytes are zeroed on drop here; Microsoft's client keeps copies of its own that
//! are not (SECURITY.md says so).

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The longest secret, in bytes; Entra's have 40 characters.
pub const MAX_SECRET: usize = 1024;
/// The longest assertion, in bytes; a token of an issuer with many claims has a few thousand.
pub const MAX_ASSERTION: usize = 16 * 1024;

/// A client secret. Debug shows nothing; zeroed on drop.
pub struct ClientSecret(Zeroizing<String>);

/// A file that no secret is taken from.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The file could not be read.
    #[error("the credential file {path} cannot be read: {reason}. Name a file that the service's user owns")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "the credential file {path} has mode {mode:04o}, so that others can read it. Run: chmod 600 {path}, and renew the credential if others use this machine"
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A pipe, a folder, a device.
    #[error(
        "the credential file {path} is not a regular file. Put the credential into a file with mode 0600"
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Empty, too long, or not what a secret looks like.
    #[error(
        "the credential file {path} holds no secret: expected one line of 1 to {MAX_SECRET} printable characters without spaces"
    )]
    NotASecret {
        /// The file.
        path: PathBuf,
    },
    /// Others may put another token into the file.
    #[error(
        "the credential file {path} has mode {mode:04o}, so that others can change it. Run: chmod go-w {path}"
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Empty, too long, or not what a signed token looks like.
    #[error(
        "the credential file {path} holds no assertion: expected one line with a signed token, three parts with dots between, at most {MAX_ASSERTION} bytes"
    )]
    NotAnAssertion {
        /// The file.
        path: PathBuf,
    },
    /// Not a key and its certificate.
    #[error(
        "the credential file {path} cannot be signed in with: {why}. Put an RSA key in PKCS#8 and its certificate into it, both as PEM"
    )]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ClientSecret {
    /// Reads the secret; one line, its end of line is dropped.
    pub fn read(path: &Path) -> Result<Self, NoSecret> {
        let not_a_secret = || NoSecret::NotASecret { path: path.to_owned() };
        let bytes = content(path, MAX_SECRET, Rights::OwnersAlone)?;
        let text = std::str::from_utf8(line(&bytes)).map_err(|_| not_a_secret())?;
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

/// A signed token that somebody else made for the application and renews in its file. Debug shows nothing.
pub struct Assertion(Zeroizing<String>);

impl Assertion {
    /// Reads a file that its owner alone reads, as an agent of the operator's writes it.
    pub fn read(path: &Path) -> Result<Self, NoSecret> {
        Self::of(path, Rights::OwnersAlone)
    }

    /// Reads a token that a platform projects: such files may be read by whoever shares the container, never written.
    pub fn read_federated(path: &Path) -> Result<Self, NoSecret> {
        Self::of(path, Rights::OthersMayRead)
    }

    /// The token, only to be given to the token service.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    fn of(path: &Path, rights: Rights) -> Result<Self, NoSecret> {
        let bytes = content(path, MAX_ASSERTION, rights)?;
        let line = line(&bytes);
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(byte);
        let parts = line.split(|byte| *byte == b'.');
        let sound = line.len() <= MAX_ASSERTION && line.iter().all(plain) && parts.clone().count() == 3;
        match std::str::from_utf8(line) {
            Ok(text) if sound && parts.clone().all(|part| !part.is_empty()) => {
                Ok(Self(Zeroizing::new(text.to_owned())))
            }
            _ => Err(NoSecret::NotAnAssertion { path: path.to_owned() }),
        }
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion(..)")
    }
}

/// What others than the owner may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// Nothing.
    OwnersAlone,
    /// Read it.
    OthersMayRead,
}

/// Reads a file of at most `most` bytes and a little more, so that what is longer is seen to be.
///
/// The mode is asked of the opened file and not of its name, so that nobody can change one for the other.
pub(super) fn content(path: &Path, most: usize, rights: Rights) -> Result<Zeroizing<Vec<u8>>, NoSecret> {
    let unreadable = |reason| NoSecret::Unreadable { path: path.to_owned(), reason };
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
    match rights {
        Rights::OwnersAlone if mode & 0o077 != 0 => {
            return Err(NoSecret::Readable { path: path.to_owned(), mode });
        }
        Rights::OthersMayRead if mode & 0o022 != 0 => {
            return Err(NoSecret::Writable { path: path.to_owned(), mode });
        }
        _ => {}
    }
    // As large as it may become: a buffer that grows leaves what it held behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 4));
    file.take(most as u64 + 3).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The bytes without one end of line.
fn line(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
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
    fn an_assertion_is_a_signed_token_and_one_that_a_platform_projects_may_be_read_by_others() {
        let (_folder, own) = written(b"aGVhZA.Ym9keQ.c2ln\n", 0o600);
        assert_eq!(Assertion::read(&own).expect("a token").expose(), "aGVhZA.Ym9keQ.c2ln");
        let (_folder, projected) = written(b"aGVhZA.Ym9keQ.c2ln", 0o644);
        assert!(matches!(Assertion::read(&projected), Err(NoSecret::Readable { .. })));
        assert_eq!(format!("{:?}", Assertion::read_federated(&projected).expect("a token")), "Assertion(..)");
        let (_folder, shared) = written(b"aGVhZA.Ym9keQ.c2ln", 0o664);
        assert!(matches!(Assertion::read_federated(&shared), Err(NoSecret::Writable { .. })));
        let long = [&b"a.b."[..], &[b'c'; MAX_ASSERTION]].concat();
        for bad in [&b""[..], b"one", b"a.b", b"a..c", b"a.b.c.d", b"a.b.c d", b"a.b.\xff", &long] {
            let (_folder, path) = written(bad, 0o600);
            assert!(matches!(Assertion::read(&path), Err(NoSecret::NotAnAssertion { .. })), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = ClientSecret::new(Zeroizing::new("hunter2".to_owned())).expect("printable");
        assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
    }
}
