//! Which hosts may be called as vaults: the operator's list of host suffixes.
//!
//! Owns [`Suffix`] and [`SuffixList`]. A tenant names a vault, never a domain; whoever can name a domain could
//! have the provider's token posted to it.

use std::fmt;
use std::str::FromStr;

use crate::key_identifier::{KeyIdentifier, Rule};

/// The host suffixes of Azure's key vaults: the public cloud and the two sovereign ones.
pub const AZURE_SUFFIXES: &[&str] = &["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"];

/// The longest host part of a suffix; with a vault's name in front it stays under the 253 of DNS.
pub const MAX_SUFFIX: usize = 200;

pub(crate) const HTTPS_PORT: u16 = 443;

/// What follows the vault's name in a host that may be called: `vault.azure.net`, `vault.localhost:8443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suffix {
    host: String,
    port: u16,
}

impl Suffix {
    /// The host part, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 443 where the suffix names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether a port is part of it, and so of every key identifier.
    pub fn has_port(&self) -> bool {
        self.port != HTTPS_PORT
    }

    pub(crate) fn new(host: &str, port: u16) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let labels = host.split('.').count();
        // One label alone would allow a whole top-level domain; a last label of digits would be an address.
        let last_is_number =
            host.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
        let well_formed =
            labels >= 2 && !last_is_number && host.len() <= MAX_SUFFIX && host.split('.').all(is_label);
        well_formed.then_some(Self { host, port })
    }
}

impl FromStr for Suffix {
    type Err = NotASuffix;

    fn from_str(text: &str) -> Result<Self, NotASuffix> {
        let refused = || NotASuffix { text: text.chars().take(64).collect() };
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, parse_port(port).ok_or_else(refused)?),
            None => (text, HTTPS_PORT),
        };
        Self::new(host, port).ok_or_else(refused)
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.has_port() { write!(f, ":{}", self.port) } else { Ok(()) }
    }
}

/// A setting of the operator that is no host suffix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a vault suffix: expected a host of two labels or more, such as vault.azure.net or vault.localhost:8443"
)]
pub struct NotASuffix {
    text: String,
}

/// The host suffixes that the operator allows; an empty list allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuffixList(Vec<Suffix>);

impl SuffixList {
    /// Reads the operator's list; every entry is checked, so that a typing error opens no other domain.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, NotASuffix> {
        entries.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The suffixes of [`AZURE_SUFFIXES`].
    pub fn azure() -> Self {
        Self::new(AZURE_SUFFIXES.iter().copied())
            .expect("the constant holds well-formed suffixes; a test reads it")
    }

    /// Whether the vault of this identifier may be called under this list.
    pub fn allows(&self, key: &KeyIdentifier) -> bool {
        self.0.contains(key.suffix())
    }

    /// The entries, in the operator's order.
    pub fn iter(&self) -> impl Iterator<Item = &Suffix> {
        self.0.iter()
    }

    pub(crate) fn only(suffix: Suffix) -> Self {
        Self(vec![suffix])
    }

    /// Splits a host into the vault's name and the suffix of this list that it lies under.
    pub(crate) fn find(&self, host: &str, port: u16) -> Result<(String, Suffix), Rule> {
        let mut wrong_port = false;
        for suffix in &self.0 {
            let vault = host.strip_suffix(&suffix.host).and_then(|rest| rest.strip_suffix('.'));
            match vault {
                // A dot left over means a host deeper than VAULT.SUFFIX: somebody else's, for all we know.
                Some(vault) if !vault.contains('.') && suffix.port == port => {
                    return Ok((vault.to_owned(), suffix.clone()));
                }
                Some(vault) if !vault.contains('.') => wrong_port = true,
                _ => {}
            }
        }
        Err(if wrong_port { Rule::Port } else { Rule::Host })
    }
}

/// A port as people write it: no sign, no leading zero, not 0.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

pub(crate) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_that_would_open_a_whole_domain_is_refused() {
        for text in [
            "",
            "net",
            ".vault.azure.net",
            "vault.azure.net.",
            "10.0.0.1",
            "vault..net",
            "v.net:0",
            "v.net:x",
            "a.b/",
        ] {
            assert!(text.parse::<Suffix>().is_err(), "{text}");
        }
        assert_eq!(
            "Vault.Azure.NET:443".parse::<Suffix>().expect("443 is the default").to_string(),
            "vault.azure.net"
        );
        assert_eq!(SuffixList::azure().iter().count(), AZURE_SUFFIXES.len());
    }
}
