//! A tenant: one customer of the service, its directories, and the policies assigned to it as a whole.
//!
//! Owns the tenant's row. What a tenant's people may do is decided at the HTTP door; what its keys may do
//! is decided by its policies.

use model::id::{DepId, DirectoryId, TenantId};
use model::refusal::{Code, Refusal};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest display name of a tenant, in characters.
pub const MAX_TENANT_NAME: usize = 120;
/// The same in bytes: directories name themselves after their tenant, and have this limit.
pub const MAX_TENANT_NAME_BYTES: usize = 256;
/// The longest name of a geo or an entitlement, in characters.
pub const MAX_WORD: usize = 32;
/// How many geos one tenant may have.
pub const MAX_GEOS: usize = 20;
/// The longest domain and the longest label of one, as DNS has them.
const MAX_DOMAIN: (usize, usize) = (253, 63);
/// How many verified domains one tenant may have.
pub const MAX_DOMAINS: usize = 50;

/// One customer of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The version of this row's shape.
    pub v: u8,
    /// The tenant's id.
    pub id: TenantId,
    /// The name that the operator gave it.
    pub name: String,
    /// The directory whose tokens the tenant's vaults trust; it belongs to this tenant alone.
    pub directory: DirectoryId,
    /// Verified domains, lower case.
    pub domains: Vec<String>,
    /// Where the tenant's containers may live; the first is the home geo.
    pub geos: Vec<String>,
    /// What the tenant is entitled to; `E5` is the lab's value.
    pub entitlement: String,
    /// The provider-managed policy that every container starts under.
    pub provider_policy: DepId,
    /// The multi-workload policy assigned to the tenant, if any.
    pub multi_workload: Option<DepId>,
    /// The SharePoint policy of the tenant, if any.
    pub share_point: Option<DepId>,
    /// When the tenant was created.
    pub created: Timestamp,
}

/// What the operator says of a new tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTenant {
    /// The display name.
    pub name: String,
    /// The customer's directory.
    pub directory: DirectoryId,
    /// Its domains.
    pub domains: Vec<String>,
    /// Its geos; empty means one, `default`.
    pub geos: Vec<String>,
    /// Its entitlement.
    pub entitlement: String,
}

impl NewTenant {
    /// Whether everything has its form; nothing is looked up. Refused with what breaks which rule.
    pub fn check(&self) -> Result<(), Refusal> {
        let bad = |text: String| Err(Refusal::new(Code::BadRequest, text));
        let name = &self.name;
        if name.trim().is_empty()
            || name.chars().count() > MAX_TENANT_NAME
            || name.len() > MAX_TENANT_NAME_BYTES
        {
            return bad(format!(
                "name: 1 to {MAX_TENANT_NAME} characters, at most {MAX_TENANT_NAME_BYTES} bytes"
            ));
        }
        if name.chars().any(misleading) {
            return bad("name: no control characters and no marks that change the direction of text".into());
        }
        if self.domains.len() > MAX_DOMAINS {
            return bad(format!("domains: at most {MAX_DOMAINS}"));
        }
        if !self.domains.iter().all(|domain| is_domain(domain)) || !distinct(&self.domains) {
            return bad(
                "domains: each once, such as contoso.com: labels of lower-case letters, digits and inner \
                        hyphens, at least two"
                    .into(),
            );
        }
        if self.geos.len() > MAX_GEOS || !self.geos.iter().all(|geo| is_word(geo)) || !distinct(&self.geos) {
            return bad(format!("geos: at most {MAX_GEOS}, each once, {WORD}"));
        }
        if !is_word(&self.entitlement) {
            return bad(format!("entitlement: {WORD}"));
        }
        Ok(())
    }
}

/// The form of a geo and of an entitlement.
const WORD: &str = "2 to 32 letters, digits, `-` and `_`, a letter first, such as westeurope or E5";

fn is_word(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (2..=MAX_WORD).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(known)
}

/// A name as DNS has it (RFC 1123), lower case, below some top level; no address and no root.
fn is_domain(text: &str) -> bool {
    let (longest, longest_label) = MAX_DOMAIN;
    let label = |label: &str| {
        (1..=longest_label).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = text.rsplit('.').next().unwrap_or_default();
    text.len() <= longest
        && text.contains('.')
        && text.split('.').all(label)
        && !top.bytes().all(|b| b.is_ascii_digit())
}

fn distinct(all: &[String]) -> bool {
    all.iter().enumerate().all(|(at, one)| !all[..at].contains(one))
}

/// Characters that make a name look like another one on an operator's screen.
fn misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut NewTenant)) -> Option<String> {
        let mut new = NewTenant {
            name: "Contoso".into(),
            directory: DirectoryId::from_random([1; 16]),
            domains: vec!["contoso.com".into(), "xn--lchtfeuer-9db.example".into()],
            geos: vec!["EUR".into(), "westeurope-2".into()],
            entitlement: "E5".into(),
        };
        change(&mut new);
        new.check().err().map(|refusal| refusal.detail)
    }

    #[test]
    fn what_has_its_form_passes_and_everything_else_is_refused_by_its_rule() {
        assert_eq!(refused(|_| ()), None);
        for name in ["", "  ", "Con\ntoso", "\u{202e}osotnoC", &"n".repeat(121), &"\u{1f3ef}".repeat(100)] {
            assert!(
                refused(|new| new.name = name.into()).is_some_and(|rule| rule.starts_with("name: ")),
                "{name:?}"
            );
        }
        let long = format!("{}.com", "a".repeat(64));
        for domain in [
            "",
            "contoso",
            "Contoso.com",
            "a_b.com",
            "-a.com",
            "a-.com",
            "a..com",
            "a.com.",
            "1.2.3.4",
            "a b.com",
            "a/b.com",
            &long,
        ] {
            let rule = refused(|new| new.domains = vec![domain.into()]);
            assert!(rule.is_some_and(|rule| rule.starts_with("domains: ")), "{domain:?}");
        }
        assert!(refused(|new| new.domains = vec!["a.com".into(); 2]).is_some());
        for word in ["", "E", "5E", "E 5", "E5\n", "Übersee", &"e".repeat(33)] {
            assert!(
                refused(|new| new.entitlement = word.into())
                    .is_some_and(|rule| rule.starts_with("entitlement: "))
            );
            assert!(
                refused(|new| new.geos = vec![word.into()]).is_some_and(|rule| rule.starts_with("geos: "))
            );
        }
    }
}
