//! Who asks: what a token proves, the principal of one call, and the class of initiator it puts the call into.
//!
//! Owns `Identity`, `Role`, `Caller` and `Initiator`. A token proves an identity and nothing more; roles are the
//! tenant's, kept by custody. The class comes from the principal and the kind of job, never from a
//! field of a request; a job inherits the class of whoever started it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{DirectoryId, RequestId, TenantId};
use crate::refusal::{Code, Refusal};

/// The class of whoever started an action; it decides whether the availability key may help.
///
/// Whatever returns data to a person is [`Initiator::User`], whoever runs the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// A person, or a job that a person started, or anything whose result reaches a person.
    User,
    /// The service itself: index, move, scan, rewrap by the sweeper.
    System,
    /// An order of the tenant's officers.
    Recovery,
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::System => "system",
            Self::Recovery => "recovery",
        })
    }
}

/// The authenticated subject behind a call, as it appears in audit records: an id, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who somebody is, by the token that came with the call; it says nothing of what he may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Whoever runs the service: makes and lists tenants, and opens nothing of theirs.
    Operator,
    /// Somebody whom a directory vouches for.
    Person(Subject),
}

impl Identity {
    /// The person; the operator's token is nobody's of a tenant.
    pub fn person(&self) -> Result<&Subject, Refusal> {
        match self {
            Self::Person(subject) => Ok(subject),
            Self::Operator => {
                let rule = "the operator's token is of no tenant: use a token of the tenant's directory";
                Err(Refusal::new(Code::Forbidden, rule))
            }
        }
    }
}

/// Somebody, as a directory names him.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Who vouches: the issuer of the token.
    pub issuer: String,
    /// The directory that the token is of.
    pub directory: DirectoryId,
    /// The issuer's own name for the person; it never changes and is given to nobody else.
    pub subject: String,
}

impl Subject {
    /// The person as records name him: in a form that neither the operator nor a part of the service has, whatever
    /// the directory calls him.
    pub fn principal(&self) -> Principal {
        Principal(format!("person:{}", self.subject))
    }
}

/// What somebody who is enrolled in a tenant may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything in the tenant.
    Administrator,
    /// Find, list and read mailboxes, sites and objects.
    Reader,
    /// What a reader may, and create, write, import, overwrite and delete.
    Writer,
    /// Read policies, standings and the audit log.
    Auditor,
}

impl Role {
    /// Whether somebody with this role may do what the other one is needed for.
    pub fn includes(self, needed: Self) -> bool {
        self == Self::Administrator || self == needed || (self == Self::Writer && needed == Self::Reader)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Administrator => "administrator",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Auditor => "auditor",
        })
    }
}

/// The first argument of every operation on a tenant's data or policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the principal is enrolled in.
    pub tenant: TenantId,
    /// Who it is.
    pub principal: Principal,
    /// Which class the call falls into.
    pub initiator: Initiator,
    /// The id that this call carries through all three parties.
    pub request: RequestId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_what_the_table_says_and_nothing_else() {
        use Role::{Administrator, Auditor, Reader, Writer};
        let all = [Administrator, Reader, Writer, Auditor];
        let may = |role: Role| all.into_iter().filter(|needed| role.includes(*needed)).collect::<Vec<_>>();
        assert_eq!(may(Administrator), all);
        assert_eq!(may(Reader), [Reader]);
        assert_eq!(may(Writer), [Reader, Writer]);
        assert_eq!(may(Auditor), [Auditor]);
    }
}
