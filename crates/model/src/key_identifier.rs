//! Where a root key is: the key identifier, parsed at the door into one canonical form.
//!
//! Owns the grammar of a key identifier and of a key version; the list of allowed hosts is in `suffix`. Which
//! address a host resolves to, and whether that address may be dialled, is decided where it is dialled.
//!
//! The parser is our own and knows nothing but this grammar. A general URL parser forgives too much here:
//! it decodes percent signs in hosts, turns backslashes into slashes and drops tabs, and whatever it
//! forgives is a way to name a host that the reader of a log does not see.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::suffix::{HTTPS_PORT, Suffix, SuffixList, is_label, parse_port};

/// The longest text that is looked at; the longest legal identifier is far shorter.
pub const MAX_TEXT: usize = 512;

/// The longest key name (Azure's bound).
pub const MAX_KEY_NAME: usize = 127;

/// The shortest and the longest vault name (Azure's bounds).
pub const VAULT_NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=24;

/// The place of a root key: vault, key name and, where one is given, version.
///
/// Host, name and version are held in lower case, because vaults compare them without case: two texts that
/// name the same key are equal here. The canonical form is `https://VAULT.SUFFIX/keys/NAME[/VERSION]`, with
/// the port only where the suffix names one other than 443.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIdentifier {
    vault: String,
    suffix: Suffix,
    name: String,
    version: Option<KeyVersion>,
}

impl KeyIdentifier {
    /// Reads a key identifier in any of the forms that people paste; refused with the rule that it breaks.
    ///
    /// Accepted: with or without version, with the suffix's own port written out, with one trailing slash,
    /// in any case. The text of a refusal never repeats the input, which may hold a password.
    pub fn parse(text: &str, suffixes: &SuffixList) -> Result<Self, NotAKeyIdentifier> {
        let (host, port, path) = split(text)?;
        let (vault, suffix) = suffixes.find(&host, port)?;
        if !is_vault_name(&vault) {
            return Err(Rule::VaultName.into());
        }
        let (name, version) = split_path(path)?;
        Ok(Self { vault, suffix, name, version })
    }

    /// Reads back what was stored; only the exact canonical form is accepted.
    ///
    /// Whoever dials the host asks [`SuffixList::allows`] again: the list may have become shorter since.
    pub fn from_stored(text: &str) -> Result<Self, NotAKeyIdentifier> {
        let (host, port, _) = split(text)?;
        let (_, suffix) = host.split_once('.').ok_or(Rule::Host)?;
        let suffix = Suffix::new(suffix, port).ok_or(Rule::Host)?;
        let key = Self::parse(text, &SuffixList::only(suffix))?;
        if key.to_string() == text { Ok(key) } else { Err(Rule::Canonical.into()) }
    }

    /// Puts an identifier together from parts, as the SharePoint commands give them.
    pub fn from_parts(
        vault: &str,
        suffix: &Suffix,
        name: &str,
        version: Option<KeyVersion>,
    ) -> Result<Self, NotAKeyIdentifier> {
        let (vault, name) = (vault.to_ascii_lowercase(), name.to_ascii_lowercase());
        if !is_vault_name(&vault) {
            return Err(Rule::VaultName.into());
        }
        if !is_key_name(&name) {
            return Err(Rule::KeyName.into());
        }
        Ok(Self { vault, suffix: suffix.clone(), name, version })
    }

    /// The vault's name: the first label of the host.
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// What follows the vault's name in the host, with its port.
    pub fn suffix(&self) -> &Suffix {
        &self.suffix
    }

    /// The host that is dialled, without port.
    pub fn host(&self) -> String {
        format!("{}.{}", self.vault, self.suffix.host())
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.suffix.port()
    }

    /// The vault's address as clients want it: `https://VAULT.SUFFIX`, no trailing slash.
    pub fn vault_url(&self) -> String {
        format!("https://{}.{}", self.vault, self.suffix)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, if the identifier names one.
    pub fn version(&self) -> Option<KeyVersion> {
        self.version
    }

    /// The same key at another version; a refresh pins the newest with this.
    pub fn at(&self, version: KeyVersion) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// The same key, whatever its newest version is.
    pub fn versionless(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    /// Whether both name one key, whatever their versions.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.is_same_vault(other) && self.name == other.name
    }

    /// Whether both lie in one vault: one host, by whatever port it is reached.
    pub fn is_same_vault(&self, other: &Self) -> bool {
        self.vault == other.vault && self.suffix.host() == other.suffix.host()
    }
}

impl fmt::Display for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}.{}/keys/{}", self.vault, self.suffix, self.name)?;
        self.version.map_or(Ok(()), |version| write!(f, "/{version}"))
    }
}

impl Serialize for KeyIdentifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads rows of ours; what a tenant sends goes through [`KeyIdentifier::parse`].
impl<'de> Deserialize<'de> for KeyIdentifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_stored(&text).map_err(D::Error::custom)
    }
}

/// A version of a key: 16 bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyVersion([u8; 16]);

impl KeyVersion {
    /// The version with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, as crypto's places want them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for KeyVersion {
    type Err = NotAKeyIdentifier;

    /// Reads 32 hexadecimal digits, or a GUID with dashes, which is what SharePoint's commands take.
    fn from_str(text: &str) -> Result<Self, NotAKeyIdentifier> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        // `Uuid` would also take braces and `urn:uuid:`; 36 characters leave only the dashed form.
        if !plain && text.len() != 36 {
            return Err(Rule::Version.into());
        }
        uuid::Uuid::try_parse(text).map(|id| Self(*id.as_bytes())).map_err(|_| Rule::Version.into())
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {self}")
    }
}

impl Serialize for KeyVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Text that is not a key identifier, with the rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key identifier: {rule}")]
pub struct NotAKeyIdentifier {
    rule: Rule,
}

impl NotAKeyIdentifier {
    /// The first rule that the text breaks.
    pub fn rule(&self) -> Rule {
        self.rule
    }
}

impl From<Rule> for NotAKeyIdentifier {
    fn from(rule: Rule) -> Self {
        Self { rule }
    }
}

/// The rules of a key identifier, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// At most [`MAX_TEXT`] bytes.
    Length,
    /// Printable ASCII without spaces, quotes, backslashes, percent signs or brackets.
    Characters,
    /// The scheme is https.
    Https,
    /// No fragment.
    Fragment,
    /// No query.
    Query,
    /// No user name or password.
    UserInfo,
    /// The host is one label under an allowed suffix.
    Host,
    /// No port but the one that the suffix names; 443 where it names none.
    Port,
    /// The grammar of a vault's name.
    VaultName,
    /// The path is `/keys/NAME` or `/keys/NAME/VERSION`.
    Path,
    /// The grammar of a key's name.
    KeyName,
    /// The grammar of a version.
    Version,
    /// Stored text is in canonical form.
    Canonical,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "it may have at most 512 characters",
            Self::Characters => "it may hold letters, digits and the punctuation of an address only, and no spaces",
            Self::Https => "it must begin with https://",
            Self::Fragment => "it may have no fragment (#)",
            Self::Query => "it may have no query (?)",
            Self::UserInfo => "it may name no user (@)",
            Self::Host => "its host must be a vault's name directly under one of the suffixes that this service allows",
            Self::Port => "its port must be the one of the vault's suffix, which is 443 unless the suffix names another",
            Self::VaultName => {
                "a vault's name has 3 to 24 letters, digits and dashes, begins with a letter, ends with a letter or \
                 digit and has no two dashes in a row"
            }
            Self::Path => "its path must be /keys/NAME or /keys/NAME/VERSION",
            Self::KeyName => "a key's name has 1 to 127 letters, digits and dashes",
            Self::Version => "a version has 32 hexadecimal digits",
            Self::Canonical => "stored text must be in the canonical form",
        })
    }
}

/// Host in lower case, port, and what follows the first slash.
fn split(text: &str) -> Result<(String, u16, &str), Rule> {
    const SCHEME: &str = "https://";
    if text.len() > MAX_TEXT {
        return Err(Rule::Length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\%\"'<>[]{}|^`".contains(&byte)) {
        return Err(Rule::Characters);
    }
    if !text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) {
        return Err(Rule::Https);
    }
    if text.contains('#') {
        return Err(Rule::Fragment);
    }
    if text.contains('?') {
        return Err(Rule::Query);
    }
    let rest = &text[SCHEME.len()..];
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(Rule::UserInfo);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, parse_port(port).ok_or(Rule::Port)?),
        None => (authority, HTTPS_PORT),
    };
    Ok((host.to_ascii_lowercase(), port, path))
}

fn split_path(path: &str) -> Result<(String, Option<KeyVersion>), Rule> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = path.split('/');
    let collection = segments.next().unwrap_or_default();
    let (Some(name), version, None) = (segments.next(), segments.next(), segments.next()) else {
        return Err(Rule::Path);
    };
    if !collection.eq_ignore_ascii_case("keys") {
        return Err(Rule::Path);
    }
    if !is_key_name(name) {
        return Err(Rule::KeyName);
    }
    let version = match version {
        Some(text) if text.len() == 32 => Some(text.parse().map_err(|_| Rule::Version)?),
        Some(_) => return Err(Rule::Version),
        None => None,
    };
    Ok((name.to_ascii_lowercase(), version))
}

fn is_key_name(text: &str) -> bool {
    (1..=MAX_KEY_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_vault_name(text: &str) -> bool {
    VAULT_NAME_LENGTH.contains(&text.len())
        && is_label(text)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "6305d77930cb45faa87cda44ed8349fe";

    fn suffixes() -> SuffixList {
        SuffixList::new(["vault.azure.net", "vault.localhost:8443", "vault.localhost"]).expect("well-formed")
    }

    fn parse(text: &str) -> Result<KeyIdentifier, Rule> {
        KeyIdentifier::parse(text, &suffixes()).map_err(|refused| refused.rule())
    }

    #[test]
    fn every_form_that_people_paste_has_one_canonical_form() {
        let versionless = "https://contoso-a.vault.azure.net/keys/key001";
        for text in [
            versionless,
            "https://contoso-a.vault.azure.net/keys/key001/",
            "https://contoso-a.vault.azure.net:443/keys/key001",
            "HTTPS://Contoso-A.VAULT.azure.NET:443/Keys/KEY001/",
        ] {
            let key = parse(text).expect(text);
            assert_eq!(key.to_string(), versionless);
            assert_eq!(key.version(), None);
        }
        let versioned = format!("{versionless}/{VERSION}");
        for text in [versioned.clone(), format!("{versioned}/"), versioned.to_uppercase()] {
            let key = parse(&text).expect("with a version");
            assert_eq!(key.to_string(), versioned);
            assert_eq!(key.versionless().to_string(), versionless);
            assert_eq!(key.version().map(|v| v.to_string()).as_deref(), Some(VERSION));
        }
    }

    #[test]
    fn a_suffix_names_the_only_port() {
        let key = parse("https://contoso-a.vault.localhost:8443/keys/k").expect("the suffix has this port");
        assert_eq!((key.host().as_str(), key.port()), ("contoso-a.vault.localhost", 8443));
        assert_eq!(key.vault_url(), "https://contoso-a.vault.localhost:8443");
        assert_eq!(key.to_string(), "https://contoso-a.vault.localhost:8443/keys/k");
        let other = parse("https://contoso-a.vault.localhost/keys/k").expect("the other entry has no port");
        assert!(key != other && key.is_same_vault(&other), "a second port is no second vault");
        assert_eq!(parse("https://contoso-a.vault.azure.net:8443/keys/k"), Err(Rule::Port));
        assert_eq!(parse("https://contoso-a.vault.localhost:8444/keys/k"), Err(Rule::Port));
        let only_8443 = SuffixList::new(["vault.localhost:8443"]).expect("well-formed");
        let refused = KeyIdentifier::parse("https://contoso-a.vault.localhost/keys/k", &only_8443);
        assert_eq!(refused.map_err(|e| e.rule()), Err(Rule::Port));
    }

    #[test]
    fn a_refusal_never_repeats_the_password_in_the_text() {
        let refused = KeyIdentifier::parse("https://u:hunter2@v.vault.azure.net/keys/k", &suffixes());
        let text = refused.expect_err("names a user").to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("no user"), "{text}");
    }

    #[test]
    fn an_empty_list_allows_no_host() {
        let refused =
            KeyIdentifier::parse("https://contoso-a.vault.azure.net/keys/k", &SuffixList::default());
        assert_eq!(refused.map_err(|e| e.rule()), Err(Rule::Host));
    }

    #[test]
    fn stored_text_is_read_back_only_in_canonical_form() {
        let key = parse(&format!("https://contoso-a.vault.localhost:8443/keys/k/{VERSION}")).expect("legal");
        let json = serde_json::to_string(&key).expect("a string");
        assert_eq!(serde_json::from_str::<KeyIdentifier>(&json).expect("what was written"), key);
        for text in
            ["https://Contoso-a.vault.azure.net/keys/k", "https://contoso-a.vault.azure.net:443/keys/k"]
        {
            let refused = KeyIdentifier::from_stored(text).map_err(|e| e.rule());
            assert_eq!(refused, Err(Rule::Canonical), "{text}");
        }
        let foreign =
            KeyIdentifier::from_stored("https://contoso-a.evil.example/keys/k").expect("well-formed");
        assert!(!suffixes().allows(&foreign), "the list is asked again before the host is dialled");
        assert!(suffixes().allows(&key));
    }

    #[test]
    fn sharepoint_gives_parts_and_a_version_with_dashes() {
        let version: KeyVersion = "6305D779-30cb-45fa-a87c-da44ed8349fe".parse().expect("a GUID");
        let suffix: Suffix = "vault.azure.net".parse().expect("well-formed");
        let key =
            KeyIdentifier::from_parts("Contoso-A", &suffix, "Key001", Some(version)).expect("legal parts");
        assert_eq!(
            key,
            parse(&format!("https://contoso-a.vault.azure.net/keys/key001/{VERSION}")).expect("legal")
        );
        assert!(KeyIdentifier::from_parts("evil.example/x", &suffix, "k", None).is_err());
        assert!(KeyIdentifier::from_parts("contoso-a", &suffix, "k/../x", None).is_err());
        for text in
            ["{6305d779-30cb-45fa-a87c-da44ed8349fe}", "urn:uuid:6305d779-30cb-45fa-a87c-da44ed8349fe", ""]
        {
            assert!(text.parse::<KeyVersion>().is_err(), "{text}");
        }
    }
}
