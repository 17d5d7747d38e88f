//! What a token says: the claims of an application's and of a user's token.
//!
//! Owns [`Claims`] and the issuer's name. The issuer is this instance's own token service and the directory, so that
//! tokens of two instances never look alike, also where both know a directory of the same id.

use model::id::DirectoryId;
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, CallId, PrincipalId};
use crate::settings::Settings;

/// The issuer of a directory's tokens: `https://login.SUFFIX/DIRECTORY/`.
pub(crate) fn issuer(settings: &Settings, directory: DirectoryId) -> String {
    format!("{}/{directory}/", settings.login())
}

/// The claims of a token; times in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The resource without a final slash.
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    /// The application that asked for the token.
    pub(crate) appid: ApplicationId,
    /// How it proved itself: `0` not at all (a public client of a user), `1` by a secret.
    pub(crate) appidacr: String,
    pub(crate) idp: String,
    /// `app` or `user`.
    pub(crate) idtyp: String,
    pub(crate) oid: PrincipalId,
    pub(crate) sub: PrincipalId,
    pub(crate) tid: DirectoryId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) upn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) scp: Option<String>,
    /// The token's own number.
    pub(crate) uti: CallId,
    pub(crate) ver: String,
}
