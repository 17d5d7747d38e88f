//! Why something was not done, grouped by who must act: the customer, the caller, time, or us.
//!
//! Owns the stable codes that appear in problem documents, logs and exit messages. A denial is never an
//! outage and an outage never a denial; neither is ever folded into "not found".

use std::fmt;

use crate::id::DepId;

/// Who must act before the same call can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The customer refused: only the holders of the root keys can change that.
    Customer,
    /// The caller asked for something wrong; asking again unchanged is useless.
    Caller,
    /// Nobody: an outage; try later.
    Time,
    /// The operator: something of ours is broken.
    Operator,
}

/// One refused call: a stable code, who must act, what happened and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What happened and why, in one sentence that may be shown to the caller.
    pub detail: String,
    /// The policy that the refusal is about, where there is one.
    pub policy: Option<DepId>,
}

impl Refusal {
    /// A refusal with a detail; `detail` must hold ids and rules, never content, names or keys.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), policy: None }
    }

    /// Names the policy that the refusal is about.
    pub fn about(mut self, policy: DepId) -> Self {
        self.policy = Some(policy);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        if let Some(policy) = self.policy {
            write!(f, " (policy {policy})")?;
        }
        write!(f, ". {}", self.code.advice())
    }
}

impl std::error::Error for Refusal {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $actor:ident, $status:literal, $slug:literal, $advice:literal;)*) => {
        /// A stable code; its text never changes meaning once released (spec/errors.md lists them all).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {$(
            $(#[$doc])*
            $name,
        )*}

        impl Code {
            /// Every code, in the order of the table in spec/errors.md.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is printed: `FH` and four digits.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The code in words, the last segment of a problem type.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// Who must act.
            pub fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor,)* }
            }

            /// The HTTP status that carries it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What to do next, in one sentence.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

codes! {
    /// A customer's vault said no, or a denial of before still stands.
    RefusedByCustomer = "FH1001", Customer, 403, "refused-by-customer",
        "The key holders must give the service's application its right on the key back, or enable the key";
    /// The data was erased by an order of the tenant, and nobody can bring it back.
    Purged = "FH1002", Customer, 410, "purged",
        "Nothing brings this data back; the signed receipt of the purge says what was erased, when and by whose order";
    /// Both root keys are out of reach and nothing may stand in for them.
    Outage = "FH2001", Time, 503, "outage",
        "Try again later; the customer's vaults cannot be reached";
    /// The service is draining or at a bound.
    Busy = "FH2002", Time, 503, "busy",
        "Try again in a moment";
    /// The disk of the data folder is full.
    DiskFull = "FH2003", Time, 507, "disk-full",
        "Free space on the disk of the data folder, if need be with `freehold delete`, and do the same again; what was acknowledged is kept";
    /// A request that breaks a rule; the detail names the field and the rule.
    BadRequest = "FH3001", Caller, 400, "bad-request",
        "Mend what is named and ask again";
    /// No token, or one that is not accepted.
    Unauthenticated = "FH3002", Caller, 401, "unauthenticated",
        "Sign in and send a token with the call";
    /// The principal may not do this.
    Forbidden = "FH3003", Caller, 403, "forbidden",
        "Ask an administrator of the tenant for the role that this needs";
    /// The thing does not exist in this tenant.
    NotFound = "FH3004", Caller, 404, "not-found",
        "List what exists and use one of those ids";
    /// Another change came first, or the name is taken.
    Conflict = "FH3005", Caller, 409, "conflict",
        "Read the current state and decide again";
    /// A bound on a body, a page or a count.
    TooLarge = "FH3006", Caller, 413, "too-large",
        "Send less; spec/limits.md lists every bound";
    /// A root key that a policy may not be built on.
    UnusableKey = "FH3007", Caller, 422, "unusable-key",
        "Choose another key, or mend what the detail names and try again";
    /// Damaged rows, our own credential, or a fault that is in no table.
    Ours = "FH4001", Operator, 500, "our-fault",
        "The operator must look: search the logs for the request id";
    /// A vault answered with bytes that do not match what the policy committed to.
    Lying = "FH4002", Operator, 502, "vault-answers-wrongly",
        "The named vault must not be trusted: the operator and the key holders must look";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_slug_belong_to_one_refusal() {
        for (i, code) in Code::ALL.iter().enumerate() {
            for other in &Code::ALL[i + 1..] {
                assert_ne!(code.text(), other.text());
                assert_ne!(code.slug(), other.slug());
            }
        }
    }

    #[test]
    fn the_first_digit_tells_who_must_act() {
        for code in Code::ALL {
            let digit = match code.actor() {
                Actor::Customer => '1',
                Actor::Time => '2',
                Actor::Caller => '3',
                Actor::Operator => '4',
            };
            assert_eq!(code.text().chars().nth(2), Some(digit), "{code}");
        }
    }

    #[test]
    fn a_refusal_says_what_happened_and_what_to_do() {
        let refusal = Refusal::new(Code::Outage, "both root keys are unreachable");
        let text = refusal.to_string();
        assert!(text.starts_with("FH2001: both root keys are unreachable"), "{text}");
        assert!(text.ends_with("cannot be reached"), "{text}");
    }
}
