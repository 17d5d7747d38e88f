//! Domains: other names of a directory, each verified by the operator who gave it.
//!
//! Owns a domain's shape and the row that finds its directory. A domain belongs to one directory at most.

use model::id::DirectoryId;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::core::Core;
use crate::schema;

/// How many domains one directory may have.
pub(crate) const MOST_DOMAINS: usize = 32;
/// The longest name of a domain (RFC 1035).
pub(crate) const LONGEST_DOMAIN: usize = 253;

/// The row that finds a directory by one of its domains.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DomainRow {
    pub(crate) directory: DirectoryId,
}

/// Whether a text in lower case is the name of a domain; one without a dot is none, so no id looks like one.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(known) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= LONGEST_DOMAIN && text.contains('.') && text.split('.').all(label)
}

/// The directory that a domain belongs to.
pub(crate) async fn directory(core: &Core, domain: &str) -> Result<Option<DirectoryId>, StoreError> {
    let domain = domain.to_ascii_lowercase();
    if !is_domain(&domain) {
        return Ok(None);
    }
    let found = core.find::<DomainRow>(schema::PRINCIPAL_NAMES, &schema::domain(&domain)).await?;
    Ok(found.map(|found| found.value.directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_labels_with_dots_between() {
        for text in ["contoso.com", "contoso.onmicrosoft.com", "a-1.b"] {
            assert!(is_domain(text), "{text}");
        }
        for text in ["", "contoso", ".com", "a..b", "-a.b", "a/b.c", "Contoso.com", &"a.".repeat(200)] {
            assert!(!is_domain(text), "{text}");
        }
    }
}
