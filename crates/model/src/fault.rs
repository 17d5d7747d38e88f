//! What an answer of a vault, or the lack of one, means: denied, unreachable, lying or ours.
//!
//! Owns [`Answer`] and [`Fault`]; the one table that maps the first to the second is in `fault_table`. What
//! follows from a fault is decided in `unwrap`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault_table::{Source, TABLE};

/// The longest code of another party that is kept; what is longer is cut.
pub const MAX_CODE: usize = 64;

/// How many AADSTS numbers of one answer are kept.
pub const MAX_NUMBERS: usize = 8;

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
        let aadsts = aadsts.iter().copied().take(MAX_NUMBERS).collect();
        Self::Token { status, oauth: oauth.map(clean), aadsts }
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

    pub(crate) fn source(&self) -> Source {
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
    pub(crate) fn word(&self) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;
    use CredentialOwner::{Customer, Operator};
    use Fault::{Denied, Ours};

    const OWNERS: [CredentialOwner; 2] = [Customer, Operator];

    fn fault(answer: &Answer, owner: CredentialOwner) -> Fault {
        answer.judge(owner).expect("no success").fault
    }

    #[test]
    fn what_nobody_thought_of_is_ours() {
        for answer in [
            Answer::vault(200, None, None),
            Answer::vault(302, None, None),
            Answer::vault(400, Some("BadParameter"), None),
            Answer::vault(404, None, None),
            Answer::vault(404, Some("SecretNotFound"), None),
            Answer::vault(409, Some("Conflict"), None),
            Answer::vault(418, None, None),
            Answer::vault(600, None, None),
            Answer::token(400, Some("invalid_request"), &[900_144]),
            Answer::token(400, Some("invalid_scope"), &[]),
            Answer::token(404, None, &[]),
            // a number that is in no row says more than the word beside it
            Answer::token(400, Some("unauthorized_client"), &[123_456]),
            Answer::token(401, Some("invalid_client"), &[123_456]),
        ] {
            for owner in OWNERS {
                assert_eq!(answer.judge(owner), Some(UNKNOWN), "{answer:?}");
            }
        }
        assert_eq!(Answer::Unwrapped.judge(Operator), None);
    }

    #[test]
    fn an_invalid_secret_is_the_act_of_whoever_owns_it() {
        for number in [7_000_215, 7_000_222, 700_027, 700_213] {
            let answer = Answer::token(401, Some("invalid_client"), &[number]);
            assert_eq!(fault(&answer, Customer), Denied);
            assert_eq!(fault(&answer, Operator), Ours);
        }
        let removed = Answer::token(400, Some("unauthorized_client"), &[700_016]);
        assert!(OWNERS.into_iter().all(|owner| fault(&removed, owner) == Denied), "removed by the customer");
    }

    #[test]
    fn a_denial_among_several_numbers_counts_also_when_the_issuer_is_failing() {
        let answer = Answer::token(503, Some("temporarily_unavailable"), &[90_033, 700_016]);
        assert!(OWNERS.into_iter().all(|owner| fault(&answer, owner) == Denied));
    }

    #[test]
    fn codes_of_others_are_cut_and_cleaned() {
        let long = "A\u{1b}[31m \r\n".repeat(40);
        let Answer::Vault { code, inner, .. } = Answer::vault(403, Some(&long), Some("Forbidden By\nRbac"))
        else {
            panic!("a vault's answer")
        };
        assert_eq!(code.map(|code| code.len()), Some(MAX_CODE));
        assert_eq!(inner.as_deref(), Some("ForbiddenByRbac"));
        let Answer::Token { aadsts, .. } = Answer::token(400, None, &[1; 1000]) else {
            panic!("a token service's answer")
        };
        assert_eq!(aadsts.len(), MAX_NUMBERS);
    }
}
