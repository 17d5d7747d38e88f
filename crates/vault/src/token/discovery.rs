//! What clients ask before they ask for a token: the endpoints of a directory, whether this host may be trusted, and
//! how a user signs in.
//!
//! Owns these three documents. All are public: none says whether a user exists.

use serde_json::{Value, json};

use crate::core::Core;
use crate::directory::domain;
use crate::request::Asked;
use crate::token::No;
use crate::token::authority::Authority;
use crate::token::claims;
use crate::token::refusal::TokenRefused;

/// `openid-configuration`; `second` for the endpoints of the second version.
pub(crate) fn configuration(core: &Core, authority: Authority, asked: &str, second: bool) -> Value {
    let login = core.settings.login();
    let version = if second { "v2.0/" } else { "" };
    let (at, issuer) = match authority {
        Authority::One(directory) => (directory.to_string(), claims::issuer(&core.settings, directory)),
        // The service's own place-holder: the issuer of a token names its directory.
        Authority::Any => (asked.to_owned(), format!("{login}/{{tenantid}}/")),
    };
    let oauth = format!("{login}/{at}/oauth2/{version}");
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{oauth}authorize"),
        "token_endpoint": format!("{oauth}token"),
        "device_authorization_endpoint": format!("{oauth}devicecode"),
        "end_session_endpoint": format!("{oauth}logout"),
        "jwks_uri": format!("{login}/{at}/discovery/{version}keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token", "token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nbf", "name", "preferred_username", "oid", "tid", "ver",
        ],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": false,
        "tenant_region_scope": "WW",
        "cloud_instance_name": core.settings.hosts.login(),
        "cloud_graph_host_name": core.settings.hosts.graph(),
        "msgraph_host": core.settings.hosts.graph(),
    })
}

/// `discovery/instance`: whether an authorization endpoint is one of this token service, and where its directory is.
pub(crate) async fn instance(core: &Core, asked: &Asked) -> Result<Value, No> {
    let endpoint = asked
        .query("authorization_endpoint")
        .ok_or_else(|| TokenRefused::missing("authorization_endpoint"))?;
    let login = core.settings.login();
    let foreign = || TokenRefused::foreign_instance(endpoint);
    let url = url::Url::parse(endpoint).map_err(|_| foreign())?;
    let host = url.host_str().unwrap_or_default();
    let ours = core.settings.hosts.service(host) == Some(crate::service_hosts::Service::Login);
    if url.scheme() != "https" || !ours {
        return Err(foreign().into());
    }
    let at = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    let at = at.to_ascii_lowercase();
    Authority::find(core, &at).await?;
    let names = [core.settings.hosts.login()];
    Ok(json!({
        "tenant_discovery_endpoint": format!("{login}/{at}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": names[0], "preferred_cache": names[0], "aliases": names }],
    }))
}

/// `userrealm`: that a user of a domain signs in here and nowhere else.
pub(crate) async fn realm(core: &Core, sign_in_name: &str) -> Result<Value, No> {
    let domain = sign_in_name.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
    let cloud = core.settings.hosts.login();
    if domain::directory(core, &domain).await?.is_none() {
        return Ok(json!({ "ver": "1.0", "account_type": "Unknown", "cloud_instance_name": cloud }));
    }
    Ok(json!({
        "ver": "1.0",
        "account_type": "Managed",
        "domain_name": domain,
        "cloud_instance_name": cloud,
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    }))
}
