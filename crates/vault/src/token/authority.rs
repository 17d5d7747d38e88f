//! Whom a request to the token service is addressed to: the first word of its path.
//!
//! Owns [`Authority`]. A directory is named by its id or by one of its verified domains; `common` and `organizations`
//! leave it to the user's name.

use model::id::DirectoryId;

use crate::core::Core;
use crate::directory::{self, domain};
use crate::token::No;
use crate::token::refusal::TokenRefused;

/// The directory of a request, or whichever the user belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    One(DirectoryId),
    Any,
}

impl Authority {
    pub(crate) async fn find(core: &Core, asked: &str) -> Result<Self, No> {
        if asked == "common" || asked == "organizations" {
            return Ok(Self::Any);
        }
        let unknown = || TokenRefused::unknown_directory(asked);
        let id = match asked.parse::<DirectoryId>() {
            Ok(id) => id,
            Err(_) => domain::directory(core, asked).await?.ok_or_else(unknown)?,
        };
        directory::find(core, id).await?.ok_or_else(unknown)?;
        Ok(Self::One(id))
    }

    /// The directory, where a user's name cannot tell it.
    pub(crate) fn one(self) -> Result<DirectoryId, No> {
        match self {
            Self::One(directory) => Ok(directory),
            Self::Any => Err(TokenRefused::no_directory().into()),
        }
    }

    /// The directory that a user signs in to: this one, or that of the domain in his name.
    pub(crate) async fn of_user(self, core: &Core, sign_in_name: &str) -> Result<DirectoryId, No> {
        let Self::Any = self else { return self.one() };
        let domain = sign_in_name.rsplit_once('@').map_or("", |(_, domain)| domain);
        let found = domain::directory(core, domain).await?;
        Ok(found.ok_or_else(TokenRefused::no_directory)?)
    }
}
