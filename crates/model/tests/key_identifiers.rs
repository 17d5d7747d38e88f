//! Key identifiers that somebody made to be misread: each is refused with the rule that it breaks.

use freehold_model::key_identifier::{KeyIdentifier, MAX_TEXT, Rule};
use freehold_model::suffix::SuffixList;
use proptest::prelude::*;

fn suffixes() -> SuffixList {
    SuffixList::new(["vault.azure.net", "vault.localhost:8443", "vault.localhost"]).expect("well-formed")
}

fn parse(text: &str) -> Result<KeyIdentifier, Rule> {
    KeyIdentifier::parse(text, &suffixes()).map_err(|refused| refused.rule())
}

#[test]
fn what_breaks_a_rule_is_refused_with_that_rule() {
    let long = format!("https://contoso-a.vault.azure.net/keys/{}", "k".repeat(128));
    let too_long = format!("https://contoso-a.vault.azure.net/keys/{}", "k".repeat(MAX_TEXT));
    for (text, rule) in [
        ("", Rule::Https),
        ("https://", Rule::Host),
        ("http://contoso-a.vault.azure.net/keys/k", Rule::Https),
        ("https:/contoso-a.vault.azure.net/keys/k", Rule::Https),
        ("contoso-a.vault.azure.net/keys/k", Rule::Https),
        ("https://u:p@contoso-a.vault.azure.net/keys/k", Rule::UserInfo),
        ("https://contoso-a.vault.azure.net@evil.example/keys/k", Rule::UserInfo),
        ("https://contoso-a.vault.azure.net/keys/k?x=1", Rule::Query),
        ("https://contoso-a.vault.azure.net/keys/k#x", Rule::Fragment),
        ("https://evil.example#.vault.azure.net/keys/k", Rule::Fragment),
        ("https://evil.example?.vault.azure.net/keys/k", Rule::Query),
        ("https://evil.example/.vault.azure.net/keys/k", Rule::Host),
        ("https://evil.example\\.vault.azure.net/keys/k", Rule::Characters),
        ("https://evil.example%2f.vault.azure.net/keys/k", Rule::Characters),
        ("https://contoso-a.vault.azure.net/keys/k ", Rule::Characters),
        ("https://contoso-a.vault.azure.net/ke\tys/k", Rule::Characters),
        ("https://contoso-\u{430}.vault.azure.net/keys/k", Rule::Characters),
        ("https://contoso-a.vault.azure.net\u{3002}evil.example/keys/k", Rule::Characters),
        ("https://[::1]/keys/k", Rule::Characters),
        ("https://127.0.0.1/keys/k", Rule::Host),
        ("https://vault.azure.net/keys/k", Rule::Host),
        ("https://.vault.azure.net/keys/k", Rule::VaultName),
        ("https://a.b.vault.azure.net/keys/k", Rule::Host),
        ("https://evilvault.azure.net/keys/k", Rule::Host),
        ("https://contoso-a.vault.azure.net./keys/k", Rule::Host),
        ("https://contoso-a.vault.azure.net.evil.example/keys/k", Rule::Host),
        ("https://contoso-a.vault.azure.net:/keys/k", Rule::Port),
        ("https://contoso-a.vault.azure.net:0443/keys/k", Rule::Port),
        ("https://contoso-a.vault.azure.net:+443/keys/k", Rule::Port),
        ("https://contoso-a.vault.azure.net:443:443/keys/k", Rule::Port),
        ("https://contoso-a.vault.azure.net:65979/keys/k", Rule::Port),
        ("https://ab.vault.azure.net/keys/k", Rule::VaultName),
        ("https://1contoso.vault.azure.net/keys/k", Rule::VaultName),
        ("https://contoso--a.vault.azure.net/keys/k", Rule::VaultName),
        ("https://contoso-.vault.azure.net/keys/k", Rule::VaultName),
        ("https://a234567890123456789012345.vault.azure.net/keys/k", Rule::VaultName),
        ("https://contoso-a.vault.azure.net", Rule::Path),
        ("https://contoso-a.vault.azure.net/keys", Rule::Path),
        ("https://contoso-a.vault.azure.net/keys/", Rule::Path),
        ("https://contoso-a.vault.azure.net/secrets/k", Rule::Path),
        ("https://contoso-a.vault.azure.net//keys/k", Rule::Path),
        ("https://contoso-a.vault.azure.net/keys//k", Rule::KeyName),
        ("https://contoso-a.vault.azure.net/keys/k//", Rule::Version),
        ("https://contoso-a.vault.azure.net/keys/..", Rule::KeyName),
        ("https://contoso-a.vault.azure.net/keys/Key_01", Rule::KeyName),
        ("https://contoso-a.vault.azure.net/keys/k/versions", Rule::Version),
        ("https://contoso-a.vault.azure.net/keys/k/6305d779-30cb-45fa-a87c-da44ed8349fe", Rule::Version),
        ("https://contoso-a.vault.azure.net/keys/k/6305d77930cb45faa87cda44ed8349fg", Rule::Version),
        ("https://contoso-a.vault.azure.net/keys/k/6305d77930cb45faa87cda44ed8349fe/wrapkey", Rule::Path),
        (long.as_str(), Rule::KeyName),
        (too_long.as_str(), Rule::Length),
    ] {
        assert_eq!(parse(text), Err(rule), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_accepted_lies_under_the_suffix_for_a_general_parser_too(
        text in prop_oneof![
            "[hH]ttps://[a-zA-Z0-9.:@/?#\\\\%-]{0,24}vault\\.azure\\.net[a-zA-Z0-9.:@/?#\\\\%-]{0,12}/keys/[a-zA-Z0-9_./-]{1,20}",
            "https://[a-z][a-z0-9-]{1,23}\\.vault\\.(azure\\.net|localhost)(:443|:8443)?/keys/[a-zA-Z0-9-]{1,20}(/[0-9a-fA-F]{32})?/?",
            "\\PC{0,80}",
        ]
    ) {
        if let Ok(key) = KeyIdentifier::parse(&text, &suffixes()) {
            let general = url::Url::parse(&text).expect("a legal identifier is a URL");
            let host = key.host();
            prop_assert_eq!(general.host_str(), Some(host.as_str()));
            prop_assert_eq!(general.port_or_known_default(), Some(key.port()));
            prop_assert_eq!(general.username(), "");
            let canonical = key.to_string();
            prop_assert_eq!(&parse(&canonical).expect("canonical"), &key);
            prop_assert_eq!(&KeyIdentifier::from_stored(&canonical).expect("canonical"), &key);
            prop_assert_eq!(url::Url::parse(&canonical).expect("a URL").to_string(), canonical);
        }
    }
}
