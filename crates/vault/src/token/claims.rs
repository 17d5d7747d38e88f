//! What a token says: the claims of an application's and of a user's token, and of a user's ID token.
//!
//! Owns [`Claims`], [`Identity`] and the issuer's name. The issuer is this instance's own token service and the directory, so that
//! tokens of two instances never look alike, also where both know a directory of the same id.

use model::id::DirectoryId;
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, CallId, PrincipalId};
use crate::settings::Settings;
use crate::token::proof::SignedIn;

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
    /// How it proved itself: `0` not at all (a public client of a user), `1` by a secret,
    /// `2` by a certificate or another issuer's word.
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

/// The claims of an ID token, which tells a client who signed in and opens no door.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Identity {
    aud: ApplicationId,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    name: String,
    preferred_username: String,
    oid: PrincipalId,
    sub: PrincipalId,
    tid: DirectoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    uti: CallId,
    ver: &'static str,
}

impl Identity {
    /// The ID token that goes with an access token of a user.
    pub(crate) fn of(access: &Claims, user: &SignedIn, nonce: Option<&str>, uti: CallId) -> Self {
        Self {
            aud: access.appid,
            iss: access.iss.clone(),
            iat: access.iat,
            nbf: access.nbf,
            exp: access.exp,
            name: user.display_name.clone(),
            preferred_username: user.sign_in_name.clone(),
            oid: access.oid,
            sub: access.sub,
            tid: access.tid,
            nonce: nonce.map(str::to_owned),
            uti,
            ver: "2.0",
        }
    }
}
