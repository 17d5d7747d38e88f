//! Principals: whoever can hold a right in a directory, a user, an application's service principal or a group.
//!
//! Owns the principal's row and its look-up by name. An object id is never used again, so a right of somebody who was
//! deleted can never fall to somebody else.

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::core::{Core, Found};
use crate::directory::secret::Secret;
use crate::id::{ApplicationId, PrincipalId};
use crate::schema;

/// How many groups a principal may be in: every decision looks at the rights of each.
pub(crate) const MOST_GROUPS: usize = 20;

/// One user, service principal or group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrincipalRow {
    pub(crate) display_name: String,
    pub(crate) disabled: bool,
    pub(crate) created: Timestamp,
    pub(crate) subject: Subject,
    /// The groups that it is a member of.
    #[serde(default)]
    pub(crate) groups: Vec<PrincipalId>,
    /// Whether it may change the directory over the wire.
    #[serde(default)]
    pub(crate) administrator: bool,
}

impl PrincipalRow {
    /// A new principal: enabled, in no group.
    pub(crate) fn new(display_name: &str, created: Timestamp, subject: Subject) -> Self {
        let display_name = display_name.into();
        Self { display_name, disabled: false, created, subject, groups: Vec::new(), administrator: false }
    }
}

/// What a principal is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Subject {
    /// A person, with the secret to sign in.
    User { sign_in_name: String, secrets: Vec<Secret> },
    /// An application that was consented in this directory.
    Application { application: ApplicationId },
    /// Principals with a right in common; which ones they are is in their own rows.
    Group {},
}

/// The row that finds a principal by a name that is unique in its directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NameRow {
    pub(crate) principal: PrincipalId,
}

pub(crate) async fn find(
    core: &Core,
    directory: DirectoryId,
    principal: PrincipalId,
) -> Result<Option<Found<PrincipalRow>>, StoreError> {
    core.find(schema::PRINCIPALS, &schema::principal(directory, principal)).await
}

/// The service principal of an application in a directory.
pub(crate) async fn of_application(
    core: &Core,
    directory: DirectoryId,
    application: ApplicationId,
) -> Result<Option<Found<NameRow>>, StoreError> {
    core.find(schema::PRINCIPAL_NAMES, &schema::application_in(directory, application)).await
}

/// A user of a directory by sign-in name.
pub(crate) async fn of_user(
    core: &Core,
    directory: DirectoryId,
    sign_in_name: &str,
) -> Result<Option<Found<NameRow>>, StoreError> {
    core.find(schema::PRINCIPAL_NAMES, &schema::user_in(directory, sign_in_name)).await
}

/// How the hash of a user's secret names its owner.
pub(crate) fn secret_owner(directory: DirectoryId, principal: PrincipalId) -> String {
    format!("user {directory}/{principal}")
}
