//! What the program is told once: under which suffix it serves, whether deleted keys can come back, its bounds.
//!
//! Owns [`Settings`], [`Suffix`] and [`Limits`], and the URLs that follow from a suffix. Listen addresses and
//! certificates belong to the binary.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The settings of one instance of the vault program.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The domain that every name of this instance ends in.
    pub suffix: Suffix,
    /// Whether a deleted key stays recoverable. The provider's availability vault is built without: what it
    /// destroys must be gone.
    pub soft_delete: bool,
    /// Bounds on bodies, tokens and work in flight.
    pub limits: Limits,
}

/// Bounds of one instance; the defaults are the ones in spec/vault.md.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest request body in bytes.
    pub body: usize,
    /// How long a token is good for.
    pub token_life: Duration,
    /// How long one key signs tokens before the next one takes over.
    pub signing_key_life: Duration,
    /// How many parsed private keys stay in memory.
    pub parsed_keys: usize,
    /// How many RSA keys are generated at the same time.
    pub generations: usize,
    /// How many private-key operations run at the same time.
    pub operations: usize,
    /// How many callers may wait for one of those; the next is told to come back later.
    pub waiting: usize,
}

/// The largest request body in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// How long a token is good for.
pub const TOKEN_LIFE: Duration = Duration::from_secs(3599);
/// How long one key signs tokens.
pub const SIGNING_KEY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Parsed private keys in memory.
pub const PARSED_KEYS: usize = 256;
/// RSA keys that are generated at the same time.
pub const GENERATIONS: usize = 2;
/// Operations with a private key at the same time.
pub const OPERATIONS: usize = 8;
/// Callers that wait for one of those.
pub const WAITING: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: MAX_BODY,
            token_life: TOKEN_LIFE,
            signing_key_life: SIGNING_KEY_LIFE,
            parsed_keys: PARSED_KEYS,
            generations: GENERATIONS,
            operations: OPERATIONS,
            waiting: WAITING,
        }
    }
}

/// The domain that all hosts of an instance end in, with a port where the listener's is part of every URL.
///
/// `vault.localhost` or `vault.localhost:8443`.
#[derive(Clone, PartialEq, Eq)]
pub struct Suffix {
    domain: String,
    port: Option<u16>,
}

impl Suffix {
    /// The longest domain that leaves room for a vault name in a host name.
    const LONGEST: usize = 200;

    /// The domain without the port.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The audience of tokens for keys: `https://SUFFIX`.
    pub(crate) fn keys_audience(&self) -> String {
        format!("https://{self}")
    }

    /// The audience of tokens for the resource manager: `https://management.SUFFIX`.
    pub(crate) fn management_audience(&self) -> String {
        format!("https://management.{self}")
    }

    /// The token service: `https://login.SUFFIX`.
    pub(crate) fn login(&self) -> String {
        format!("https://login.{self}")
    }

    /// A vault: `https://NAME.SUFFIX`, the name in lower case.
    pub(crate) fn vault(&self, name: &str) -> String {
        format!("https://{}.{self}", name.to_ascii_lowercase())
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.domain)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no suffix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a suffix: expected a domain of at least two labels, and a port if it is not 443")]
pub struct NotASuffix(String);

impl FromStr for Suffix {
    type Err = NotASuffix;

    fn from_str(text: &str) -> Result<Self, NotASuffix> {
        let refused = || NotASuffix(text.chars().take(Self::LONGEST).collect());
        let (domain, port) = match text.split_once(':') {
            Some((domain, port)) => (domain, Some(port.parse::<u16>().map_err(|_| refused())?)),
            None => (text, None),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let labels = domain.split('.').count();
        if labels < 2 || domain.len() > Self::LONGEST || !domain.split('.').all(label) {
            return Err(refused());
        }
        // 443 is what a URL means without a port; two spellings of one audience would never compare equal.
        Ok(Self { domain: domain.to_ascii_lowercase(), port: port.filter(|port| *port != 443) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_keeps_its_port_and_loses_its_case() {
        let suffix: Suffix = "Vault.Localhost:8443".parse().expect("a suffix");
        assert_eq!(suffix.to_string(), "vault.localhost:8443");
        assert_eq!(suffix.domain(), "vault.localhost");
        assert_eq!(suffix.vault("Contoso-A"), "https://contoso-a.vault.localhost:8443");
        assert_eq!("a.b:443".parse::<Suffix>().expect("a suffix").to_string(), "a.b");
    }

    #[test]
    fn what_is_no_domain_is_no_suffix() {
        for text in
            ["", "localhost", ".localhost", "a..b", "a.b:", "a.b:99999", "a b.c", "-a.b", "https://a.b"]
        {
            assert!(text.parse::<Suffix>().is_err(), "{text}");
        }
    }
}
