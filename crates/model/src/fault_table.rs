//! The one table of faults: what each answer of a vault, of a token service, or of nobody means.
//!
//! Owns [`TABLE`] and its rows. spec/unwrap-order.md shows the same table, and a test compares the two.

use std::fmt;

use crate::fault::{Answer, CredentialOwner, Fault};

use CredentialOwner::{Customer, Operator};
use Fault::{Denied, Lying, Ours, Unreachable};

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The vault's own error body.
    Vault,
    /// The token service's error body.
    Token,
    /// The way there and back.
    Connection,
    /// What the vault unwrapped.
    Content,
    /// The service itself.
    Own,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "vault",
            Self::Token => "token",
            Self::Connection => "connection",
            Self::Content => "content",
            Self::Own => "own",
        })
    }
}

/// Which statuses a row matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Any, and none.
    Any,
    /// This one.
    Is(u16),
    /// 500 to 599.
    Server,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Is(status) => status.fmt(f),
            Self::Server => f.write_str("5xx"),
        }
    }
}

/// One row of the fault table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where the answer comes from.
    pub source: Source,
    /// The status.
    pub status: Status,
    /// The code, the OAuth error or the word of the answer; `*` is any.
    pub code: &'static str,
    /// The inner code or the AADSTS number; `*` is any, `-` means that none was given.
    pub inner: &'static str,
    /// Whose credential; `None` is anybody's.
    pub owner: Option<CredentialOwner>,
    /// What it means.
    pub fault: Fault,
    /// Why, in words with dashes.
    pub reason: &'static str,
}

impl Row {
    pub(crate) fn matches(&self, answer: &Answer, owner: CredentialOwner) -> bool {
        self.source == answer.source()
            && self.owner.is_none_or(|of_row| of_row == owner)
            && (self.code == "*" || self.code.eq_ignore_ascii_case(answer.word()))
            && match answer {
                Answer::Vault { status, inner, .. } => {
                    self.matches_status(*status) && self.matches_inner(inner.as_deref())
                }
                Answer::Token { status, aadsts, .. } => {
                    self.matches_status(*status)
                        && if aadsts.is_empty() {
                            self.matches_inner(None)
                        } else {
                            aadsts.iter().any(|number| self.matches_inner(Some(&number.to_string())))
                        }
                }
                _ => true,
            }
    }

    fn matches_status(&self, status: u16) -> bool {
        match self.status {
            Status::Any => true,
            Status::Is(of_row) => of_row == status,
            Status::Server => (500..=599).contains(&status),
        }
    }

    fn matches_inner(&self, inner: Option<&str>) -> bool {
        match (self.inner, inner) {
            ("*", _) | ("-", None) => true,
            (of_row, Some(inner)) => of_row.eq_ignore_ascii_case(inner),
            (_, None) => false,
        }
    }
}

const fn row(
    source: Source,
    status: Status,
    code: &'static str,
    inner: &'static str,
    fault: Fault,
    reason: &'static str,
) -> Row {
    Row { source, status, code, inner, owner: None, fault, reason }
}

const fn vault(
    status: u16,
    code: &'static str,
    inner: &'static str,
    fault: Fault,
    reason: &'static str,
) -> Row {
    row(Source::Vault, Status::Is(status), code, inner, fault, reason)
}

const fn token(oauth: &'static str, aadsts: &'static str, fault: Fault, reason: &'static str) -> Row {
    row(Source::Token, Status::Any, oauth, aadsts, fault, reason)
}

const fn connection(word: &'static str, fault: Fault, reason: &'static str) -> Row {
    row(Source::Connection, Status::Any, word, "*", fault, reason)
}

const fn of(owner: CredentialOwner, row: Row) -> Row {
    Row { owner: Some(owner), ..row }
}

/// The fault table, first match counts; rows that say denied come before those that say less.
pub const TABLE: &[Row] = &[
    vault(401, "*", "*", Denied, "unauthorized"),
    vault(403, "*", "ForbiddenByRbac", Denied, "role-missing"),
    vault(403, "*", "ForbiddenByPolicy", Denied, "access-policy"),
    vault(403, "*", "AccessDenied", Denied, "access-policy"),
    vault(403, "*", "ForbiddenByFirewall", Denied, "firewall"),
    vault(403, "*", "ForbiddenByConnection", Denied, "firewall"),
    vault(403, "*", "KeyDisabled", Denied, "key-disabled"),
    vault(403, "*", "KeyOperationForbidden", Denied, "operation-not-allowed"),
    vault(403, "*", "KeyNotYetValid", Denied, "outside-validity"),
    vault(403, "*", "KeyExpired", Denied, "outside-validity"),
    vault(403, "*", "*", Denied, "forbidden"),
    vault(404, "KeyNotFound", "*", Denied, "key-gone"),
    vault(404, "VaultNotFound", "*", Denied, "vault-gone"),
    vault(409, "*", "ObjectIsBeingDeleted", Denied, "key-deleted"),
    vault(409, "*", "ObjectIsDeletedButRecoverable", Denied, "key-deleted"),
    vault(408, "*", "*", Unreachable, "timeout"),
    vault(429, "*", "*", Unreachable, "throttled"),
    row(Source::Vault, Status::Server, "*", "*", Unreachable, "vault-failing"),
    token("*", "700016", Denied, "application-not-in-directory"),
    token("*", "7000229", Denied, "application-not-in-directory"),
    token("*", "7000112", Denied, "application-disabled"),
    token("*", "65001", Denied, "consent-missing"),
    token("*", "50105", Denied, "application-not-assigned"),
    token("*", "501051", Denied, "application-not-assigned"),
    token("*", "53003", Denied, "conditional-access"),
    token("*", "500014", Denied, "vault-service-disabled"),
    token("*", "90002", Denied, "directory-gone"),
    of(Customer, token("*", "7000215", Denied, "credential-invalid")),
    of(Customer, token("*", "7000222", Denied, "credential-expired")),
    of(Customer, token("*", "700027", Denied, "credential-invalid")),
    of(Customer, token("*", "70021", Denied, "credential-invalid")),
    of(Customer, token("*", "700211", Denied, "credential-invalid")),
    of(Customer, token("*", "700212", Denied, "credential-invalid")),
    of(Customer, token("*", "700213", Denied, "credential-invalid")),
    of(Operator, token("*", "7000215", Ours, "credential-invalid")),
    of(Operator, token("*", "7000222", Ours, "credential-expired")),
    of(Operator, token("*", "700027", Ours, "credential-invalid")),
    of(Operator, token("*", "70021", Ours, "credential-invalid")),
    of(Operator, token("*", "700211", Ours, "credential-invalid")),
    of(Operator, token("*", "700212", Ours, "credential-invalid")),
    of(Operator, token("*", "700213", Ours, "credential-invalid")),
    token("*", "7000216", Ours, "credential-missing"),
    token("*", "700024", Ours, "clock-skew"),
    token("unauthorized_client", "-", Denied, "application-not-in-directory"),
    of(Customer, token("invalid_client", "-", Denied, "credential-invalid")),
    of(Operator, token("invalid_client", "-", Ours, "credential-invalid")),
    token("*", "90006", Unreachable, "issuer-failing"),
    token("*", "90024", Unreachable, "issuer-failing"),
    token("*", "90033", Unreachable, "issuer-failing"),
    token("temporarily_unavailable", "*", Unreachable, "issuer-failing"),
    row(Source::Token, Status::Is(408), "*", "*", Unreachable, "timeout"),
    row(Source::Token, Status::Is(429), "*", "*", Unreachable, "throttled"),
    row(Source::Token, Status::Server, "*", "*", Unreachable, "issuer-failing"),
    connection("dns", Unreachable, "dns"),
    connection("refused", Unreachable, "no-connection"),
    connection("timeout", Unreachable, "timeout"),
    connection("operation-timed-out", Unreachable, "timeout"),
    connection("tls", Lying, "certificate"),
    connection("challenge", Lying, "foreign-challenge"),
    connection("address", Ours, "address-not-allowed"),
    connection("too-large", Ours, "answer-too-large"),
    connection("malformed", Ours, "answer-unreadable"),
    row(Source::Content, Status::Any, "mismatch", "*", Lying, "bytes-do-not-match"),
    row(Source::Own, Status::Any, "damaged", "*", Ours, "stored-bytes-damaged"),
    row(Source::Own, Status::Any, "internal", "*", Ours, "not-asked"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Finding;

    /// An answer that the row is made for.
    fn example(row: &Row) -> Option<Answer> {
        let status = match row.status {
            Status::Is(status) => status,
            Status::Server => 503,
            Status::Any => 400,
        };
        let text = |pattern: &'static str| (!matches!(pattern, "*" | "-")).then_some(pattern);
        let numbers: Vec<i64> = row.inner.parse().into_iter().collect();
        Some(match row.source {
            Source::Vault => Answer::vault(status, text(row.code), text(row.inner)),
            Source::Token => Answer::token(status, text(row.code), &numbers),
            Source::Connection | Source::Content | Source::Own => {
                serde_json::from_value(serde_json::json!({ "answer": row.code })).ok()?
            }
        })
    }

    #[test]
    fn every_row_is_reached_by_the_answer_that_it_is_made_for() {
        for row in TABLE {
            let answer = example(row).expect("each word is the name of an answer");
            for owner in [Customer, Operator]
                .into_iter()
                .filter(|owner| row.owner.is_none_or(|of_row| of_row == *owner))
            {
                let expected = Finding { fault: row.fault, reason: row.reason };
                assert_eq!(answer.judge(owner), Some(expected), "{row:?}");
            }
        }
    }
}
