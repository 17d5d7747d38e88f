//! The table of settings: every value that an operator can choose, with its default and what it is for.
//!
//! Owns the list. Where a value comes from and which source wins is `config`'s. A setting is one entry here:
//! its flag, its variable, its place in the file, its help and its check follow from that.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use custody::roots::{ClientId, Range};
use model::suffix::Suffix;

use crate::config::{ConfigError, Layers, Value};
use crate::logs::{LogFormat, LogLevel};
use crate::node::SignsWith;

/// A type that a setting can have.
pub trait Kind: Sized {
    /// What the text must be, after "expected".
    const EXPECTS: &'static str;

    /// Reads the text; `None` if it is not what is expected.
    fn parse(text: &str) -> Option<Self>;

    /// Reads a text that stands in a file of this folder.
    fn parse_in(text: &str, _folder: &Path) -> Option<Self> {
        Self::parse(text)
    }

    /// The value as text, where it is not the text that it was read from.
    fn resolved(&self) -> Option<String> {
        None
    }
}

/// One entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the file and in `--set`.
    pub key: &'static str,
    /// The value that holds where nobody says otherwise.
    pub default: &'static str,
    /// What it is for, in one or two sentences.
    pub about: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $field:ident: $kind:ty = $key:literal, $default:literal;)*) => {
        /// Every setting, with the value in force and where that comes from.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {$(
            $(#[doc = $about])+
            pub $field: Value<$kind>,
        )*}

        /// Every setting, in the order of the sample file.
        pub const SETTINGS: &[Setting] = &[$(
            Setting { key: $key, default: $default, about: concat!($($about),+) },
        )*];

        impl Config {
            /// Takes each setting from the first layer that has it.
            pub(crate) fn resolve(layers: &Layers) -> Result<Self, ConfigError> {
                let mut complaints = Vec::new();
                $(let $field = layers.value($key, $default, &mut complaints);)*
                match ($($field,)*) {
                    ($(Some($field),)*) if complaints.is_empty() => Ok(Self { $($field,)* }),
                    _ => Err(ConfigError::Values(complaints)),
                }
            }

            /// Each setting as its key, its text and its origin, in the order of the table.
            pub fn entries(&self) -> Vec<(&'static str, &str, String)> {
                vec![$(($key, self.$field.text(), self.$field.origin().to_string()),)*]
            }
        }
    };
}

settings! {
    /// The folder that holds everything that is stored: databases, sealed content, wraps, keys of the node.
    data: PathBuf = "data", "freehold-data";
    /// Which of the three parties this process plays: all, service, vault or availability-vault.
    /// All in one process is a rehearsal and no separation of powers.
    role: Role = "role", "all";
    /// The folder of the node's key files. Keep it apart from the data: who has both has everything that is
    /// under no customer's policy. Empty: the folder `keys` in the data folder.
    keys_folder: OptionalPath = "keys.folder", "";
    /// The folder of the replica of the wrap sets, best on another disk: without them nothing opens again.
    /// Empty: the folder `wraps-replica` in the data folder.
    wraps_replica: OptionalPath = "wraps.replica", "";
    /// A certificate chain of your own in PEM, the server's certificate first. Empty: the lab's own authority signs one,
    /// for names below `localhost` alone.
    tls_certificate: OptionalPath = "tls.certificate", "";
    /// The private key of that certificate in PEM, readable by its owner alone.
    tls_key: OptionalPath = "tls.key", "";
    /// The authorities in PEM that this process trusts when it connects to the vaults. Empty: the last certificate of
    /// your own chain, or the lab's own authority where you have none.
    tls_authority: OptionalPath = "tls.authority", "";
    /// Where the service's own API listens.
    service_listen: SocketAddr = "service.listen", "127.0.0.1:8440";
    /// Who signs the tokens of a tenant's people: an https URL with {directory} in it, whose discovery document tells the
    /// keys. Empty: the token service of vault.suffix.
    service_issuer: Template = "service.issuer", "";
    /// What those tokens must be for: the audience that the service is registered by.
    service_audience: String = "service.audience", "api://f4ee401d-0000-4000-8000-000000000005";
    /// A PEM file of the roots that vouch for the issuer. Needed where the issuer is not the token service of vault.suffix.
    service_issuer_authority: OptionalPath = "service.issuer-authority", "";
    /// Where the key vault listens.
    vault_listen: SocketAddr = "vault.listen", "127.0.0.1:8443";
    /// The domain of the vaults: a vault is NAME.SUFFIX. A port in it becomes part of every key identifier.
    vault_suffix: Suffix = "vault.suffix", "vault.localhost";
    /// Address ranges that customers' vaults may lie in besides the public ones, with commas between, such as
    /// `10.20.0.0/16, fd00:1234::/32`. Names below `localhost` are never looked up and need none.
    vault_ranges: List<Range> = "vault.ranges", "";
    /// Further domains of customers' vaults, with commas between, such as `vault.azure.net`. The service signs in there
    /// as the applications below.
    vault_domains: List<Suffix> = "vault.domains", "";
    /// The authorities in PEM that are trusted for `vault.domains`. Empty: those of `tls.authority`.
    vault_authority: OptionalPath = "vault.authority", "";
    /// The client id, in `vault.domains`, of the application for mailbox policies. Empty: no such policy there.
    exchange_id: Optional<ClientId> = "application.exchange.id", "";
    /// What it signs in with: secret, certificate, assertion, federated-token, managed-identity and others of docs/azure.md.
    exchange_credential: SignsWith = "application.exchange.credential", "secret";
    /// The file of that credential, readable by its owner alone. It is read again for each token, so that a renewed one is used.
    exchange_secret: OptionalPath = "application.exchange.secret", "";
    /// The client id, in `vault.domains`, of the application for site policies. Empty: no such policy there.
    sharepoint_id: Optional<ClientId> = "application.sharepoint.id", "";
    /// What it signs in with: secret, certificate, assertion, federated-token, managed-identity and others of docs/azure.md.
    sharepoint_credential: SignsWith = "application.sharepoint.credential", "secret";
    /// The file of that credential, readable by its owner alone. It is read again for each token, so that a renewed one is used.
    sharepoint_secret: OptionalPath = "application.sharepoint.secret", "";
    /// The client id, in `vault.domains`, of the application for policies of all workloads. Empty: no such policy there.
    at_rest_id: Optional<ClientId> = "application.data-at-rest.id", "";
    /// What it signs in with: secret, certificate, assertion, federated-token, managed-identity and others of docs/azure.md.
    at_rest_credential: SignsWith = "application.data-at-rest.credential", "secret";
    /// The file of that credential, readable by its owner alone. It is read again for each token, so that a renewed one is used.
    at_rest_secret: OptionalPath = "application.data-at-rest.secret", "";
    /// Where the provider's availability vault listens.
    availability_listen: SocketAddr = "availability-vault.listen", "127.0.0.1:8444";
    /// The domain of the availability vault.
    availability_suffix: Suffix = "availability-vault.suffix", "availability.localhost";
    /// Address ranges that the availability vault may lie in besides the public ones, with commas between.
    availability_ranges: List<Range> = "availability-vault.ranges", "";
    /// How logs are written to standard error: text or json.
    log_format: LogFormat = "log.format", "text";
    /// The least important events of ours that are logged: error, warn, info, debug, trace or off.
    /// Libraries are held to warnings, because they do not know what is content.
    log_level: LogLevel = "log.level", "info";
}

/// Which party, or parties, a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All three in one process.
    All,
    /// Custody and the workloads.
    Service,
    /// A customer's key vault.
    Vault,
    /// The provider's availability vault.
    AvailabilityVault,
}

impl Role {
    /// Whether the service runs here.
    pub fn has_service(self) -> bool {
        matches!(self, Self::All | Self::Service)
    }

    /// Whether the key vault runs here.
    pub fn has_vault(self) -> bool {
        matches!(self, Self::All | Self::Vault)
    }

    /// Whether the availability vault runs here.
    pub fn has_availability_vault(self) -> bool {
        matches!(self, Self::All | Self::AvailabilityVault)
    }
}

impl Kind for Role {
    const EXPECTS: &'static str = "`all`, `service`, `vault` or `availability-vault`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "service" => Some(Self::Service),
            "vault" => Some(Self::Vault),
            "availability-vault" => Some(Self::AvailabilityVault),
            _ => None,
        }
    }
}

impl Kind for SocketAddr {
    const EXPECTS: &'static str =
        "an address and a port such as 127.0.0.1:8440 or [::1]:8440 (port 0: any free one)";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Kind for PathBuf {
    const EXPECTS: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| Self::from(text))
    }

    // A path in a file is meant from where the file lies, not from where somebody happens to stand.
    fn parse_in(text: &str, folder: &Path) -> Option<Self> {
        Self::parse(text).map(|path| folder.join(path))
    }

    fn resolved(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

/// The name of an issuer with a place for the directory, or an empty text for the lab's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Option<String>);

impl Kind for Template {
    const EXPECTS: &'static str = "an https URL with {directory} in it, such as https://login.example.com/{directory}/v2.0, or an empty text";

    fn parse(text: &str) -> Option<Self> {
        let sound = text.starts_with("https://") && text.contains("/{directory}");
        (text.is_empty() || sound).then(|| Self(Some(text.to_owned()).filter(|text| !text.is_empty())))
    }
}

impl Kind for String {
    const EXPECTS: &'static str = "a text without spaces, 1 to 256 characters";

    fn parse(text: &str) -> Option<Self> {
        let sound = (1..=256).contains(&text.len()) && !text.contains(char::is_whitespace);
        sound.then(|| text.to_owned())
    }
}

/// A path, or an empty text for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalPath(pub Option<PathBuf>);

impl Kind for OptionalPath {
    const EXPECTS: &'static str = "a path, or an empty text for none";

    fn parse(text: &str) -> Option<Self> {
        Self::parse_in(text, Path::new(""))
    }

    fn parse_in(text: &str, folder: &Path) -> Option<Self> {
        match text {
            "" => Some(Self(None)),
            _ => PathBuf::parse_in(text, folder).map(|path| Self(Some(path))),
        }
    }

    fn resolved(&self) -> Option<String> {
        self.0.as_ref().map(|path| path.display().to_string())
    }
}

/// Several values in one text, with commas between; an empty text for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T: Kind> Kind for List<T> {
    const EXPECTS: &'static str = T::EXPECTS;

    fn parse(text: &str) -> Option<Self> {
        let parts = text.split(',').map(str::trim);
        match text.trim() {
            "" => Some(Self(Vec::new())),
            _ => parts.map(T::parse).collect::<Option<_>>().map(Self),
        }
    }
}

/// A value, or an empty text for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl<T: Kind> Kind for Optional<T> {
    const EXPECTS: &'static str = T::EXPECTS;

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self(None)) } else { T::parse(text).map(|value| Self(Some(value))) }
    }
}

impl Kind for Range {
    const EXPECTS: &'static str =
        "address ranges such as 10.20.0.0/16 or fd00:1234::/32, with commas between";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Kind for ClientId {
    const EXPECTS: &'static str = "an application's client id, or an empty text for none";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Kind for Suffix {
    const EXPECTS: &'static str =
        "a domain of two labels or more, such as vault.localhost, with or without a port";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_in_the_form_of_the_file() {
        for (i, setting) in SETTINGS.iter().enumerate() {
            assert!(
                setting.key.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '-')),
                "{}",
                setting.key
            );
            assert!(SETTINGS[i + 1..].iter().all(|other| other.key != setting.key), "{}", setting.key);
            assert!(setting.about.len() > 20, "{}", setting.key);
        }
    }

    #[test]
    fn a_suffix_is_a_domain_with_or_without_a_port() {
        for good in ["vault.localhost", "Vault.localhost", "vault.localhost:8443", "a-b.example"] {
            assert!(Suffix::parse(good).is_some(), "{good}");
        }
        for bad in ["", "localhost", "vault..localhost", "-a.b", "a.b:0", "a.b:x", "https://a.b", "a.b/"] {
            assert!(Suffix::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Suffix::parse("vault.localhost:8443").expect("good").host(), "vault.localhost");
    }

    #[test]
    fn a_list_has_commas_between_and_an_error_in_one_entry_is_an_error() {
        let ranges = |text| List::<Range>::parse(text).map(|list| list.0.len());
        assert_eq!(
            [ranges(""), ranges("10.0.0.0/8"), ranges("10.0.0.0/8, fd00:1234::/32")],
            [Some(0), Some(1), Some(2)]
        );
        for bad in ["10.0.0.1/8", "10.0.0.0/8,", "vault.azure.net"] {
            assert_eq!(ranges(bad), None, "{bad}");
        }
        assert!(Optional::<ClientId>::parse("").is_some_and(|none| none.0.is_none()));
        assert!(Optional::<ClientId>::parse("a b").is_none());
    }

    #[test]
    fn a_role_runs_its_own_party_and_all_runs_three() {
        let parties = |role: Role| [role.has_service(), role.has_vault(), role.has_availability_vault()];
        assert_eq!(parties(Role::All), [true, true, true]);
        assert_eq!(parties(Role::Service), [true, false, false]);
        assert_eq!(parties(Role::Vault), [false, true, false]);
        assert_eq!(parties(Role::AvailabilityVault), [false, false, true]);
    }
}
