//! What a token is asked for: one resource, and what a user's client wants beside it.
//!
//! Owns [`Wanted`]. Besides the vaults, the resource manager and the Graph, any application that the directory has
//! consented to is a resource: by its id, or by `api://ID`.

use model::id::DirectoryId;

use crate::core::Core;
use crate::directory::federation::EXCHANGE;
use crate::directory::principal;
use crate::id::ApplicationId;
use crate::token::No;
use crate::token::form::Form;
use crate::token::refusal::TokenRefused;

/// Which endpoint was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// The wishes of a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The resource as it was asked for.
    resource: String,
    /// The scopes of the resource, as they were asked for; clients look for them in the answer.
    pub(crate) scopes: Vec<String>,
    /// `openid`: an ID token beside the access token.
    pub(crate) identity: bool,
    /// `offline_access`: a refresh token beside it.
    pub(crate) offline: bool,
}

impl Wanted {
    /// A resource by its name alone.
    pub(crate) fn resource(resource: &str) -> Self {
        Self::of(resource, Vec::new(), "")
    }

    /// An application's wishes: `scope=RESOURCE/.default`, or `resource=` at the older endpoint.
    pub(crate) fn by_application(form: &Form, version: Version) -> Result<Self, TokenRefused> {
        if let Some(wanted) = Self::by_resource(form, version) {
            return Ok(wanted);
        }
        let scope = form.required(if version == Version::One { "resource" } else { "scope" })?;
        let mut asked = scope.split(' ').filter(|one| !OPEN_ID.contains(one));
        match (asked.next().and_then(|one| one.strip_suffix("/.default")), asked.next()) {
            (Some(resource), None) => Ok(Self::of(resource, Vec::new(), scope)),
            _ => Err(TokenRefused::scope(scope)),
        }
    }

    /// A user's wishes: any scopes of one resource. Scopes without a resource are the Graph's; so are none at all.
    pub(crate) fn by_user(core: &Core, form: &Form, version: Version) -> Result<Self, TokenRefused> {
        if let Some(wanted) = Self::by_resource(form, version) {
            return Ok(wanted);
        }
        let scope = form.required(if version == Version::One { "resource" } else { "scope" })?;
        let graph = format!("https://{}", core.settings.hosts.graph());
        let mut resource: Option<&str> = None;
        let scopes: Vec<&str> = scope.split(' ').filter(|one| !OPEN_ID.contains(one)).collect();
        for one in &scopes {
            let (of, word) = one.rsplit_once('/').unwrap_or((&graph, one));
            let known = resource.get_or_insert(of).trim_end_matches('/');
            if word.is_empty() || of.is_empty() {
                return Err(TokenRefused::scope(scope));
            }
            if !known.eq_ignore_ascii_case(of.trim_end_matches('/')) {
                return Err(TokenRefused::two_resources(scope));
            }
        }
        let scopes = scopes.iter().map(|one| (*one).to_owned()).collect();
        Ok(Self::of(resource.unwrap_or(&graph), scopes, scope))
    }

    /// The older endpoint's way to name a resource.
    fn by_resource(form: &Form, version: Version) -> Option<Self> {
        let resource = form.optional("resource").filter(|_| version == Version::One)?;
        Some(Self::of(resource, Vec::new(), form.optional("scope").unwrap_or_default()))
    }

    fn of(resource: &str, scopes: Vec<String>, scope: &str) -> Self {
        let has = |word| scope.split(' ').any(|one| one == word);
        Self { resource: resource.into(), scopes, identity: has("openid"), offline: has("offline_access") }
    }

    /// The audience that the token gets.
    pub(crate) async fn audience(&self, core: &Core, directory: DirectoryId) -> Result<String, No> {
        let plain = self.resource.trim_end_matches('/');
        if let Some(known) = core.settings.audience(plain) {
            return Ok(known);
        }
        // What an application of one directory shows to another issuer, or to another application here.
        if plain.eq_ignore_ascii_case(EXCHANGE) {
            return Ok(EXCHANGE.into());
        }
        let id = plain.strip_prefix("api://").unwrap_or(plain).parse::<ApplicationId>();
        let consented = match id {
            Ok(id) => principal::of_application(core, directory, id).await?.is_some(),
            Err(_) => false,
        };
        if consented {
            Ok(plain.to_owned())
        } else {
            Err(TokenRefused::resource(&self.resource, directory).into())
        }
    }
}

/// Scopes that belong to no resource.
const OPEN_ID: &[&str] = &["openid", "profile", "offline_access", "email", ""];
