//! What the program is told once: under which suffix it serves, whether deleted keys can come back, its bounds.
//!
//! Owns [`Settings`] and [`Limits`], and the URLs that follow from a suffix. Listen addresses and
//! certificates belong to the binary.

use std::time::Duration;

use model::suffix::Suffix;

use crate::service_hosts::ServiceHosts;

/// The settings of one instance of the vault program.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The domain that every name of this instance ends in, with a port where the listener's is part of every URL.
    pub suffix: Suffix,
    /// The names of token service, resource manager and Graph; [`ServiceHosts::of`] the suffix.
    pub hosts: ServiceHosts,
    /// Whether a deleted key stays recoverable. The provider's availability vault is built without: what it
    /// destroys must be gone.
    pub soft_delete: bool,
    /// Whether a subscription that asks for the mandatory retention period has it at once: in a lab, and there when asked
    /// for. Everywhere else the operator of the directory completes the registration.
    pub retention_at_once: bool,
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
    /// How many private keys are generated at the same time.
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
/// Private keys that are generated at the same time.
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

impl Settings {
    /// The audience of tokens for keys: `https://SUFFIX`.
    pub(crate) fn keys_audience(&self) -> String {
        format!("https://{}", self.suffix)
    }

    /// The audience of tokens for the resource manager: `https://management.SUFFIX`.
    pub(crate) fn management_audience(&self) -> String {
        format!("https://{}", self.hosts.management())
    }

    /// The audience that is meant by a resource without its final slash; `None` if it is none of this instance's.
    pub(crate) fn audience(&self, resource: &str) -> Option<String> {
        let keys = self.keys_audience();
        if keys.eq_ignore_ascii_case(resource) { Some(keys) } else { self.hosts.audience(resource) }
    }

    /// The token service: `https://login.SUFFIX`.
    pub(crate) fn login(&self) -> String {
        format!("https://{}", self.hosts.login())
    }

    /// A vault: `https://NAME.SUFFIX`, the name in lower case.
    pub(crate) fn vault(&self, name: &str) -> String {
        format!("https://{}.{}", name.to_ascii_lowercase(), self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_the_port_of_the_suffix_and_loses_its_case() {
        let vault = |suffix: &str| {
            let suffix: Suffix = suffix.parse().expect("a suffix");
            Settings {
                hosts: ServiceHosts::of(&suffix),
                suffix,
                soft_delete: true,
                retention_at_once: false,
                limits: Limits::default(),
            }
            .vault("Contoso-A")
        };
        assert_eq!(vault("Vault.Localhost:8443"), "https://contoso-a.vault.localhost:8443");
        // Two spellings of one audience would never compare equal.
        assert_eq!(vault("a.b:443"), "https://contoso-a.a.b");
    }
}
