//! Where the vault programs are: the domain of each, the address that it listens on, and who vouches for it.

use std::net::{Ipv4Addr, SocketAddr};

use custody::roots::Range;

use super::further::Further;
use crate::config::Config;
use model::suffix::Suffix;

use crate::settings::Kind;
use crate::tls::Tls;

/// The domain of the customers' vaults, where nobody chose another.
pub const VAULT_SUFFIX: &str = "vault.localhost";
/// The domain of the provider's availability vault, where nobody chose another.
pub const AVAILABILITY_SUFFIX: &str = "availability.localhost";
/// A free port of this machine.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The vault programs of one installation, as everybody in it names and finds them.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// The domain of the customers' vaults.
    pub vault: Suffix,
    /// Where they listen.
    pub vault_at: SocketAddr,
    /// The domain of the provider's availability vault.
    pub availability: Suffix,
    /// Where it listens.
    pub availability_at: SocketAddr,
    /// What listeners show, and whom who connects trusts.
    pub tls: Tls,
    /// What customers' vaults may be besides those of the first domain.
    pub further: Further,
    /// Private addresses that the availability vault may have.
    pub availability_ranges: Vec<Range>,
    /// Whether a subscription that asks for the mandatory retention period has it at once; a lab's alone.
    pub retention_at_once: bool,
}

impl Wiring {
    /// What the configuration says, with the addresses that it says.
    pub fn fixed(config: &Config) -> Self {
        Self {
            vault: Suffix::clone(&config.vault_suffix),
            vault_at: *config.vault_listen,
            availability: Suffix::clone(&config.availability_suffix),
            availability_at: *config.availability_listen,
            tls: Tls::of(config),
            further: Further::of(config),
            availability_ranges: config.availability_ranges.0.clone(),
            retention_at_once: false,
        }
    }

    /// What the configuration says, on free ports wherever the domain names none.
    pub fn free(config: &Config) -> Self {
        let fixed = Self::fixed(config);
        let at = |suffix: &Suffix, address| if suffix.has_port() { address } else { FREE };
        Self {
            vault_at: at(&fixed.vault, fixed.vault_at),
            availability_at: at(&fixed.availability, fixed.availability_at),
            ..fixed
        }
    }

    /// The tour's own: the default domains, on free ports.
    pub fn lab() -> Self {
        let suffix = |text| Suffix::parse(text).expect("a suffix");
        Self {
            vault: suffix(VAULT_SUFFIX),
            vault_at: FREE,
            availability: suffix(AVAILABILITY_SUFFIX),
            availability_at: FREE,
            tls: Tls::default(),
            further: Further::default(),
            availability_ranges: Vec::new(),
            retention_at_once: false,
        }
    }
}
