//! Directories: the issuers that vaults trust, with their users and the applications consented in them.
//!
//! Owns the directory's row and the question whether a principal still stands. Secrets, applications and principals
//! have a file each; changes come through the administration alone.

pub(crate) mod application;
pub(crate) mod certificate;
pub(crate) mod domain;
pub(crate) mod federation;
pub(crate) mod principal;
pub(crate) mod secret;

use model::id::DirectoryId;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::core::{Basis, Core, Found};
use crate::directory::principal::Subject;
use crate::id::PrincipalId;
use crate::schema;
use crate::token::check::Who;

/// One directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DirectoryRow {
    pub(crate) display_name: String,
    pub(crate) created: Timestamp,
    /// Its verified domains in lower case; the first is its default.
    #[serde(default)]
    pub(crate) domains: Vec<String>,
}

/// The stream of the audit log that belongs to a directory.
pub(crate) fn stream(directory: DirectoryId) -> String {
    format!("directory/{directory}")
}

pub(crate) async fn find(
    core: &Core,
    directory: DirectoryId,
) -> Result<Option<Found<DirectoryRow>>, StoreError> {
    core.find(schema::DIRECTORIES, &directory.to_string()).await
}

/// Whether the bearer of a token is still who the token says; asked at every call, for a token outlives changes.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Known and enabled: the rows that say so, and by which identities it holds rights: its own first, then its groups'.
    Here { basis: Basis, identities: Vec<PrincipalId> },
    /// Deleted from the directory: no right is left.
    Gone,
    /// Disabled, here or in the application's home: the token is no longer accepted.
    Disabled,
}

pub(crate) async fn standing(core: &Core, who: &Who) -> Result<Standing, StoreError> {
    let Some(principal) = principal::find(core, who.directory, who.principal).await? else {
        return Ok(Standing::Gone);
    };
    if principal.value.disabled {
        return Ok(Standing::Disabled);
    }
    let basis = principal.basis();
    let identities = std::iter::once(who.principal).chain(principal.value.groups.iter().copied()).collect();
    match principal.value.subject {
        Subject::User { .. } => Ok(Standing::Here { basis, identities }),
        // A group signs in nowhere.
        Subject::Group {} => Ok(Standing::Gone),
        Subject::Application { application } => match application::find(core, application).await? {
            Some(application) if !application.value.disabled => {
                Ok(Standing::Here { basis: basis.and(&application), identities })
            }
            _ => Ok(Standing::Disabled),
        },
    }
}
