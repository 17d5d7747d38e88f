//! The operator's token: made at the first start, kept in a file that its owner alone reads, compared by its hash.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::Random;
use crypto::digest::{same, sha256};
use zeroize::Zeroizing;

use crate::key_file::{self, KeyFileError};

/// What the token begins with, so that it is told from a person's, and a leaked one is recognised.
pub const OPERATOR_PREFIX: &str = "fhop_";
/// Room for the token as it is read: a buffer that grows leaves what it held behind.
const ROOM: usize = 256;
/// Characters of the token after its beginning: 256 bits in base64url.
const LENGTH: usize = 43;

/// The hash of the operator's token; the token itself is not held.
pub struct OperatorToken([u8; 32]);

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(..)")
    }
}

impl OperatorToken {
    /// Reads the token, or makes one; whether it was made.
    pub fn open(path: &Path, random: &dyn Random) -> Result<(Self, bool), KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        let mut made = false;
        if !path.exists() {
            let mut bytes = Zeroizing::new([0; 32]);
            random.fill(bytes.as_mut_slice());
            let text =
                Zeroizing::new(format!("{OPERATOR_PREFIX}{}\n", URL_SAFE_NO_PAD.encode(bytes.as_slice())));
            made = match key_file::create(path, text.as_bytes()) {
                Ok(()) => true,
                // Another start was quicker; its token counts.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(io(error)),
            };
        }
        let file = File::open(path).map_err(io)?;
        key_file::rights(&file, path)?;
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        file.take(ROOM as u64).read_to_string(&mut text).map_err(io)?;
        let token = text.trim_end();
        if token.strip_prefix(OPERATOR_PREFIX).is_none_or(|rest| rest.len() != LENGTH) {
            return Err(KeyFileError::NoToken { path: path.to_owned() });
        }
        Ok((Self(sha256(token.as_bytes())), made))
    }

    /// Whether this is the token; the time tells nothing of how much of it is right.
    pub fn is(&self, presented: &str) -> bool {
        same(&sha256(presented.as_bytes()), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn the_token_is_made_once_and_read_ever_after() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("operator.token");
        let (_, made) = OperatorToken::open(&path, &SystemRandom).expect("made");
        assert!(made);
        let text = fs::read_to_string(&path).expect("text");
        let (token, made) = OperatorToken::open(&path, &SystemRandom).expect("read");
        assert!(!made);
        assert!(token.is(text.trim_end()));
        assert!(!token.is("fhop_") && !token.is("") && !token.is(&text));
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_cut_short_is_refused() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("operator.token");
        OperatorToken::open(&path, &SystemRandom).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("rights");
        assert!(matches!(OperatorToken::open(&path, &SystemRandom), Err(KeyFileError::Open { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("rights");
        for text in ["", "fhop_", "fhop_short", "hunter2"] {
            fs::write(&path, text).expect("written");
            assert!(
                matches!(OperatorToken::open(&path, &SystemRandom), Err(KeyFileError::NoToken { .. })),
                "{text}"
            );
        }
    }
}
