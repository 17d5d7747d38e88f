//! What an answer of a vault, or the lack of one, means: denied, unreachable, lying or ours.
//!
//! Owns [`Answer`], [`Fault`] and the one table that maps the first to the second; spec/unwrap-order.md
//! shows the same table and a test compares the two. What follows from a fault is decided in `unwrap`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest code of another party that is kept; what is longer is cut.
pub const MAX_CODE: usize = 64;

/// What a call to a root key gave, as custody saw it.
///
/// Texts of other parties are kept as codes only, never as messages: a message may hold the names of
/// somebody's objects. [`Answer::vault`] and [`Answer::token`] cut and clean the codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// The vault unwrapped, and the bytes match the policy's commitment.
    Unwrapped,
    /// The vault answered with an error status.
    Vault {
        /// The HTTP status.
        status: u16,
        /// `error.code` of the body, where there is one.
        code: Option<String>,
        /// `error.innererror.code` of the body, where there is one.
        inner: Option<String>,
    },
    /// The token service answered with an error status.
    Token {
        /// The HTTP status.
        status: u16,
        /// `error` of the body, where there is one.
        oauth: Option<String>,
        /// `error_codes` of the body: the AADSTS numbers.
        aadsts: Vec<i64>,
    },
    /// The host of the vault or of the token service did not resolve.
    Dns,
    /// No connection came about, or it broke: refused, reset, closed, TLS ended by the other side.
    Refused,
    /// No answer within the bound on one request.
    Timeout,
    /// No result within the bound on the whole call (challenge, token and request).
    OperationTimedOut,
    /// A certificate that does not verify. Any other end of a TLS handshake is [`Answer::Refused`].
    Tls,
    /// The vault asked for a token that is meant for somebody else; none was sent.
    Challenge,
    /// The host resolved to an address that the operator does not allow; nothing was dialled.
    Address,
    /// An answer larger than the bound on bodies.
    TooLarge,
    /// A success that cannot be read.
    Malformed,
    /// The vault unwrapped, but to bytes that do not match the policy's commitment, or of another length.
    Mismatch,
    /// The stored wrap itself is damaged: the set's MAC says so, or it cannot be read.
    Damaged,
    /// Something of ours failed before the call went out: no credential, no durable intent, a bound reached.
    Internal,
}

impl Answer {
    /// The vault's error answer, its codes cut and cleaned.
    pub fn vault(status: u16, code: Option<&str>, inner: Option<&str>) -> Self {
        Self::Vault { status, code: code.map(clean), inner: inner.map(clean) }
    }

    /// The token service's error answer, its code cut and cleaned and its numbers bounded.
    pub fn token(status: u16, oauth: Option<&str>, aadsts: &[i64]) -> Self {
        Self::Token { status, oauth: oauth.map(clean), aadsts: aadsts.iter().copied().take(8).collect() }
    }

    /// What the answer means; `None` when the vault unwrapped.
    ///
    /// The first matching row of [`TABLE`] counts; what no row matches is ours, so that an answer that
    /// nobody thought of opens nothing and is looked at.
    pub fn judge(&self, owner: CredentialOwner) -> Option<Finding> {
        if *self == Self::Unwrapped {
            return None;
        }
        let known = TABLE.iter().find(|row| row.matches(self, owner));
        Some(known.map_or(UNKNOWN, |row| Finding { fault: row.fault, reason: row.reason }))
    }

    /// Whether the answer may be judged only after one more try with a fresh token.
    ///
    /// A vault also says 401 to a token that has been withdrawn or has just run out, and Microsoft's client
    /// sends the same cached token again.
    pub fn needs_fresh_token(&self) -> bool {
        matches!(self, Self::Vault { status: 401, .. })
    }

    /// Which of two answers counts, where the second is the one with a fresh token after a 401.
    ///
    /// If the second try ends in silence, the 401 stands: the vault did speak. Otherwise whoever can cut
    /// the way to the token service could turn a no that was heard into an outage.
    pub fn after_fresh_token(self, second: Self, owner: CredentialOwner) -> Self {
        match second.judge(owner) {
            Some(Finding { fault: Fault::Unreachable, .. }) if self.needs_fresh_token() => self,
            _ => second,
        }
    }

    fn source(&self) -> Source {
        match self {
            Self::Unwrapped | Self::Mismatch => Source::Content,
            Self::Vault { .. } => Source::Vault,
            Self::Token { .. } => Source::Token,
            Self::Damaged | Self::Internal => Source::Own,
            Self::Dns
            | Self::Refused
            | Self::Timeout
            | Self::OperationTimedOut
            | Self::Tls
            | Self::Challenge
            | Self::Address
            | Self::TooLarge
            | Self::Malformed => Source::Connection,
        }
    }

    /// The word of an answer without status, as it stands in the table.
    fn word(&self) -> &str {
        match self {
            Self::Unwrapped => "unwrapped",
            Self::Vault { code, .. } => code.as_deref().unwrap_or_default(),
            Self::Token { oauth, .. } => oauth.as_deref().unwrap_or_default(),
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::OperationTimedOut => "operation-timed-out",
            Self::Tls => "tls",
            Self::Challenge => "challenge",
            Self::Address => "address",
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::Damaged => "damaged",
            Self::Internal => "internal",
        }
    }
}

fn clean(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(MAX_CODE).collect()
}

/// What an answer that opened nothing means. The four are never folded into one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// An act of the customer.
    Denied,
    /// Nobody said anything.
    Unreachable,
    /// Somebody who is not to be trusted said something.
    Lying,
    /// Something of the operator's is broken, or nobody knows.
    Ours,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Lying => "lying",
            Self::Ours => "ours",
        })
    }
}

/// A fault with the reason that its row of the table gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The class.
    pub fault: Fault,
    /// The reason in words with dashes; part of the format of audit records, so it never changes meaning.
    pub reason: &'static str,
}

/// The finding for every answer that is in no row.
pub const UNKNOWN: Finding = Finding { fault: Fault::Ours, reason: "not-in-the-table" };

/// Whose credential a vault connection uses: an invalid secret is the act of whoever owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialOwner {
    /// An application that the customer registered; its secret is the customer's to withdraw.
    Customer,
    /// The provider's own application.
    Operator,
}

impl fmt::Display for CredentialOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
        })
    }
}

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
    fn matches(&self, answer: &Answer, owner: CredentialOwner) -> bool {
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

use CredentialOwner::{Customer, Operator};
use Fault::{Denied, Lying, Ours, Unreachable};

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
