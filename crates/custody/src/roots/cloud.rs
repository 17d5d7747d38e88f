//! Which token service belongs to which vaults.
//!
//! Owns [`Cloud`]. The operator picks a vault suffix; the authority follows from it by a table, because whoever
//! could name an authority freely, in a setting or in a tenant's row, would be sent the provider's credential.

use model::key_identifier::KeyIdentifier;
use model::suffix::Suffix;

/// A vault suffix and the authority that issues tokens for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cloud {
    suffix: Suffix,
    authority: String,
}

/// An authority, or a suffix, that is in no row of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACloud {
    /// A part of somebody else's domain.
    #[error("{0} lies in Microsoft's domain, but is no vault suffix of a cloud that is known here")]
    Suffix(Suffix),
    /// An authority that does not issue tokens for the suffix.
    #[error("{authority:?} is no authority for {suffix}: use {known}")]
    Authority {
        /// The suffix.
        suffix: Suffix,
        /// What was named.
        authority: String,
        /// What may be named.
        known: String,
    },
}

impl Cloud {
    /// The cloud of a suffix: one of Azure's with its authority, or one's own with `login.SUFFIX`.
    pub fn of(suffix: Suffix) -> Result<Self, NotACloud> {
        let own = || format!("login.{suffix}");
        let authority = match authorities(&suffix) {
            Some(known) => known[0].to_owned(),
            None if is_microsofts(suffix.host()) => return Err(NotACloud::Suffix(suffix)),
            None => own(),
        };
        Ok(Self { suffix, authority })
    }

    /// The same cloud with the authority named, where it has more than one; any other is refused.
    pub fn with_authority(self, authority: &str) -> Result<Self, NotACloud> {
        let known =
            authorities(&self.suffix).map_or_else(|| self.authority.clone(), |known| known.join(" or "));
        match known.split(" or ").any(|known| known == authority) {
            true => Ok(Self { authority: authority.to_owned(), ..self }),
            false => Err(NotACloud::Authority {
                suffix: self.suffix,
                authority: authority.chars().take(64).collect(),
                known,
            }),
        }
    }

    /// The suffix that the vaults' hosts lie under.
    pub fn suffix(&self) -> &Suffix {
        &self.suffix
    }

    /// The authority's host, with its port if that is not 443.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The only scope that a token is asked for.
    pub fn scope(&self) -> String {
        format!("https://{}/.default", self.suffix)
    }

    /// Whether the key lies in a vault of this cloud; a vault cannot have the authority's name.
    pub fn holds(&self, key: &KeyIdentifier) -> bool {
        *key.suffix() == self.suffix && format!("{}.{}", key.vault(), self.suffix) != self.authority
    }
}

/// Azure's clouds: vault suffix, then the authorities that may be named, the usual one first.
const AZURE: &[(&str, &[&str])] = &[
    ("vault.azure.net", &["login.microsoftonline.com"]),
    ("vault.usgovcloudapi.net", &["login.microsoftonline.us"]),
    ("vault.azure.cn", &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"]),
];

/// Domains in which no suffix of one's own can lie.
const MICROSOFTS: &[&str] = &[
    "azure.net",
    "azure.cn",
    "azure.com",
    "usgovcloudapi.net",
    "chinacloudapi.cn",
    "microsoftonline.com",
    "microsoftonline.us",
    "microsoftonline.cn",
    "microsoft.com",
    "windows.net",
];

fn authorities(suffix: &Suffix) -> Option<&'static [&'static str]> {
    let text = suffix.to_string();
    AZURE.iter().find(|(known, _)| *known == text).map(|(_, authorities)| *authorities)
}

fn is_microsofts(host: &str) -> bool {
    MICROSOFTS.iter().any(|domain| host == *domain || super::resolver::is_under(host, domain))
}

#[cfg(test)]
mod tests {
    use model::suffix::AZURE_SUFFIXES;

    use super::*;

    fn suffix(text: &str) -> Suffix {
        text.parse().expect(text)
    }

    #[test]
    fn every_azure_suffix_has_its_authority_and_scope() {
        for (text, authority) in [
            ("vault.azure.net", "login.microsoftonline.com"),
            ("vault.usgovcloudapi.net", "login.microsoftonline.us"),
            ("vault.azure.cn", "login.partner.microsoftonline.cn"),
        ] {
            let cloud = Cloud::of(suffix(text)).expect(text);
            assert_eq!(cloud.authority(), authority);
            assert_eq!(cloud.scope(), format!("https://{text}/.default"));
        }
        for text in AZURE_SUFFIXES {
            assert!(authorities(&suffix(text)).is_some(), "{text}");
        }
    }

    #[test]
    fn a_cloud_of_ones_own_issues_its_own_tokens() {
        let cloud = Cloud::of(suffix("vault.localhost:8443")).expect("our own");
        assert_eq!(cloud.authority(), "login.vault.localhost:8443");
        assert_eq!(cloud.scope(), "https://vault.localhost:8443/.default");
    }

    #[test]
    fn an_authority_that_is_in_no_row_is_refused() {
        let china = Cloud::of(suffix("vault.azure.cn")).expect("known");
        let other = china.clone().with_authority("login.chinacloudapi.cn").expect("its second");
        assert_eq!(other.authority(), "login.chinacloudapi.cn");
        let own = Cloud::of(suffix("vault.localhost")).expect("our own");
        for (cloud, authority) in [
            (&china, "login.microsoftonline.com"),
            (&own, "login.microsoftonline.com"),
            (&own, "login.vault.localhost:8443"),
            (&own, "login.evil.example"),
            (&own, ""),
        ] {
            let refused = cloud.clone().with_authority(authority);
            assert!(matches!(refused, Err(NotACloud::Authority { .. })), "{authority}");
        }
        assert!(own.with_authority("login.vault.localhost").is_ok());
    }

    #[test]
    fn a_suffix_inside_microsofts_domains_is_not_ones_own() {
        for text in ["azure.net", "evil.vault.azure.net", "vault.azure.net:8443", "login.microsoftonline.com"]
        {
            assert!(matches!(Cloud::of(suffix(text)), Err(NotACloud::Suffix(_))), "{text}");
        }
        assert!(Cloud::of(suffix("vault.notazure.net")).is_ok());
    }
}
