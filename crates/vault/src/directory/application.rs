//! Applications: known by their client id in one home directory, and used in every directory that consented.
//!
//! Owns the application's row. Its service principals are in `principal`.

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::core::{Core, Found};
use crate::directory::certificate::Certificate;
use crate::directory::federation::Federation;
use crate::directory::secret::Secret;
use crate::id::ApplicationId;
use crate::schema;

/// One application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApplicationRow {
    pub(crate) home: DirectoryId,
    pub(crate) display_name: String,
    pub(crate) disabled: bool,
    pub(crate) secrets: Vec<Secret>,
    /// Whether every directory may consent to it; else its home alone may, and the operator anywhere.
    #[serde(default)]
    pub(crate) shared: bool,
    #[serde(default)]
    pub(crate) certificates: Vec<Certificate>,
    #[serde(default)]
    pub(crate) federations: Vec<Federation>,
    pub(crate) created: Timestamp,
}

pub(crate) async fn find(
    core: &Core,
    application: ApplicationId,
) -> Result<Option<Found<ApplicationRow>>, StoreError> {
    core.find(schema::APPLICATIONS, &application.to_string()).await
}

/// How the hash of an application's secret names its owner.
pub(crate) fn secret_owner(application: ApplicationId) -> String {
    format!("application {application}")
}
