//! People of a tenant: their roles, the invitations that bring them in, and enrolment.

use std::fmt;

use model::id::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// What somebody may do in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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
    /// The role as it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Auditor => "auditor",
        }
    }
}

/// An invitation that nobody has redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenInvitation {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// The id of the person who made it; missing where the operator did, for the first administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What whoever redeems it may do.
    pub roles: Vec<Role>,
    /// Until when it can be redeemed.
    pub expires: Time,
}

/// The open invitations of a tenant, at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenInvitations {
    /// The invitations.
    pub invitations: Vec<OpenInvitation>,
}

/// A one-time credential as it is told, once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The invitation's id, to withdraw it by.
    pub id: String,
    /// The credential; it is told here and never again.
    pub credential: String,
    /// What whoever redeems it may do.
    pub roles: Vec<Role>,
    /// Until when it can be redeemed.
    pub expires: Time,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// What an administrator says of a new invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvitation {
    /// What whoever redeems it may do; at least one role.
    pub roles: Vec<Role>,
}

/// How somebody with a token of the tenant's directory comes in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Enrolment {
    /// The one-time credential.
    pub credential: String,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").finish_non_exhaustive()
    }
}

/// Where somebody has come in, and what he may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrolled {
    /// The tenant.
    #[schema(value_type = String, format = Uuid)]
    pub tenant_id: TenantId,
    /// The person.
    pub person: Person,
}

/// Somebody who is enrolled in the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The person's id in this tenant: 64 hexadecimal digits.
    pub id: String,
    /// Who vouches for the person.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// Since when.
    pub enrolled: Time,
}

/// Everybody who is enrolled in the tenant, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct People {
    /// The people.
    pub people: Vec<Person>,
}
