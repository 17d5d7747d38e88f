//! The token service on the wire: tokens for a secret, discovery, and the public keys.
//!
//! Owns the host `login.SUFFIX`. Anonymous by nature: what it says to somebody who proved nothing is the same whether a
//! thing does not exist or belongs to another directory.

use axum::body::Body;
use http::{Method, StatusCode};
use model::id::DirectoryId;
use serde_json::{Value, json};
use store::{AuditEntry, Cause, StoreError};
use zeroize::Zeroizing;

use crate::core::{Basis, Core};
use crate::directory::principal::{self, Subject};
use crate::directory::secret::{self, Presented};
use crate::directory::{self, application};
use crate::error::Stop;
use crate::id::{ApplicationId, PrincipalId};
use crate::reply::{Reply, Response};
use crate::request::{self, Asked, BodyFault};
use crate::token::claims::{self, Claims};
use crate::token::refusal::TokenRefused;
use crate::token::signing;

/// Public clients that may sign a user in: the two command lines that people have. They prove nothing about themselves.
const PUBLIC_CLIENTS: &[&str] =
    &["04b07795-8ddb-461a-bbee-02f9e1bf7b46", "1950a258-227b-4e31-a9cf-717495945fc2"];

/// More form fields than any client sends.
const MOST_FIELDS: usize = 64;

/// Why there is no token.
enum No {
    Refused(TokenRefused),
    Fault(Stop),
}

impl From<TokenRefused> for No {
    fn from(refused: TokenRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Stop> for No {
    fn from(fault: Stop) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for No {
    fn from(fault: StoreError) -> Self {
        Self::Fault(fault.into())
    }
}

pub(crate) async fn serve(core: &Core, asked: &Asked, body: Body) -> Response {
    match answer(core, asked, body).await {
        Ok(json) => reply(asked, StatusCode::OK).json(&json),
        Err(no) => {
            let refused = match no {
                No::Refused(refused) => refused,
                No::Fault(stop) => {
                    // The fault goes to the log; the client hears the same for each.
                    let _ = stop.refusal();
                    TokenRefused::busy()
                }
            };
            let correlation = asked.client_id.clone().unwrap_or_else(|| asked.id.to_string());
            let login = core.settings.login();
            tracing::info!(request = %asked.id, number = refused.number, "no token");
            reply(asked, refused.status).json(&refused.body(&login, core.now(), asked.id, &correlation))
        }
    }
}

fn reply(asked: &Asked, status: StatusCode) -> Reply {
    Reply::new(status, asked).header("cache-control", "no-store, no-cache").header("pragma", "no-cache")
}

async fn answer(core: &Core, asked: &Asked, body: Body) -> Result<Value, No> {
    let path = asked.path.as_deref().unwrap_or_default();
    let words: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (&asked.method, words.as_slice()) {
        (&Method::POST, [at, "oauth2", "v2.0", "token"]) => {
            token(core, asked, known(core, at).await?, body, Version::Two).await
        }
        (&Method::POST, [at, "oauth2", "token"]) => {
            token(core, asked, known(core, at).await?, body, Version::One).await
        }
        (
            &Method::GET,
            [at, "v2.0", ".well-known", "openid-configuration"] | [at, ".well-known", "openid-configuration"],
        ) => Ok(configuration(core, known(core, at).await?, words.len() == 4)),
        (&Method::GET, [at, "discovery", "keys"] | [at, "discovery", "v2.0", "keys"]) => {
            if *at != "common" {
                known(core, at).await?;
            }
            Ok(core.signing.published(core.now()))
        }
        _ => Err(TokenRefused::not_found().into()),
    }
}

async fn known(core: &Core, asked: &str) -> Result<DirectoryId, No> {
    let unknown = || TokenRefused::unknown_directory(asked);
    let id: DirectoryId = asked.parse().map_err(|_| unknown())?;
    directory::find(core, id).await?.ok_or_else(unknown)?;
    Ok(id)
}

fn configuration(core: &Core, directory: DirectoryId, second: bool) -> Value {
    let login = core.settings.login();
    let version = if second { "v2.0/" } else { "" };
    json!({
        "issuer": claims::issuer(&core.settings, directory),
        "authorization_endpoint": format!("{login}/{directory}/oauth2/{version}authorize"),
        "token_endpoint": format!("{login}/{directory}/oauth2/{version}token"),
        "jwks_uri": format!("{login}/{directory}/discovery/{version}keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A token request's form. Values are secrets until shown otherwise.
struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    fn parse(bytes: &[u8]) -> Result<Self, TokenRefused> {
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes).take(MOST_FIELDS) {
            // Two values for one name would let two readers see two requests.
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(TokenRefused::duplicated(&name));
            }
            fields.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(fields))
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, TokenRefused> {
        self.optional(name).filter(|value| !value.is_empty()).ok_or_else(|| TokenRefused::missing(name))
    }
}

/// Who asks, as far as he proved it.
struct Proved {
    principal: PrincipalId,
    application: ApplicationId,
    sign_in_name: Option<String>,
    basis: Basis,
}

async fn token(
    core: &Core,
    asked: &Asked,
    directory: DirectoryId,
    body: Body,
    version: Version,
) -> Result<Value, No> {
    let bytes = request::body(body, core.settings.limits.body).await.map_err(|fault| match fault {
        BodyFault::TooLarge => TokenRefused::too_large(),
        BodyFault::Broken => TokenRefused::missing("grant_type"),
    })?;
    let form = Form::parse(&bytes)?;
    let client = form.required("client_id")?;
    let proved = match form.required("grant_type")? {
        "client_credentials" => application(core, directory, client, &form).await?,
        "password" => user(core, directory, client, &form).await?,
        other => return Err(TokenRefused::grant_type(other).into()),
    };
    let audience = audience(core, directory, &form, version).await?;
    let claims = claims(core, directory, &proved, audience);
    let token = signing::mint(core, &claims).await?;
    record(core, asked, directory, &proved, &claims).await?;
    let life = core.settings.limits.token_life.as_secs();
    Ok(json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}))
}

async fn application(core: &Core, directory: DirectoryId, client: &str, form: &Form) -> Result<Proved, No> {
    let unknown = || TokenRefused::unknown_application(client, directory);
    let id: ApplicationId = client.parse().map_err(|_| unknown())?;
    let presented = match (form.optional("client_secret"), form.optional("client_assertion")) {
        (Some(secret), _) if !secret.is_empty() => secret,
        (_, Some(_)) => return Err(TokenRefused::assertion().into()),
        _ => return Err(TokenRefused::no_secret().into()),
    };
    let found = application::find(core, id).await?.ok_or_else(unknown)?;
    let named = principal::of_application(core, directory, id).await?;
    let owner = application::secret_owner(id);
    match (secret::check(&found.value.secrets, &owner, presented, core.now()), &named) {
        (Presented::Right, _) => {}
        // Only who proves to own an application learns that it exists outside this directory.
        (_, None) => return Err(unknown().into()),
        (Presented::Wrong, Some(_)) => return Err(TokenRefused::wrong_secret(id).into()),
        (Presented::Expired, Some(_)) => return Err(TokenRefused::expired_secret(id).into()),
    }
    let Some(named) = named else { return Err(TokenRefused::not_consented(id, directory).into()) };
    let principal = principal::find(core, directory, named.value.principal)
        .await?
        .ok_or(Stop::Damaged("a name without its principal"))?;
    if found.value.disabled || principal.value.disabled {
        return Err(TokenRefused::application_disabled(id, &found.value.display_name).into());
    }
    Ok(Proved {
        principal: named.value.principal,
        application: id,
        sign_in_name: None,
        basis: found.basis().and(&named).and(&principal),
    })
}

async fn user(core: &Core, directory: DirectoryId, client: &str, form: &Form) -> Result<Proved, No> {
    if !PUBLIC_CLIENTS.iter().any(|known| known.eq_ignore_ascii_case(client)) {
        return Err(TokenRefused::unknown_application(client, directory).into());
    }
    let application: ApplicationId = client.parse().map_err(|_| Stop::Damaged("a public client's id"))?;
    let (name, presented) = (form.required("username")?, form.required("password")?);
    let wrong = TokenRefused::wrong_password;
    if name.len() > crate::admin::LONGEST_NAME {
        return Err(wrong().into());
    }
    let named = principal::of_user(core, directory, name).await?.ok_or_else(wrong)?;
    let found = principal::find(core, directory, named.value.principal)
        .await?
        .ok_or(Stop::Damaged("a name without its principal"))?;
    let Subject::User { sign_in_name, secrets } = &found.value.subject else { return Err(wrong().into()) };
    let owner = principal::secret_owner(directory, named.value.principal);
    if secret::check(secrets, &owner, presented, core.now()) != Presented::Right {
        return Err(wrong().into());
    }
    if found.value.disabled {
        return Err(TokenRefused::user_disabled().into());
    }
    Ok(Proved {
        principal: named.value.principal,
        application,
        sign_in_name: Some(sign_in_name.clone()),
        basis: named.basis().and(&found),
    })
}

/// The one resource that the token is for: `scope=RESOURCE/.default`, or `resource=` at the older endpoint.
///
/// Besides the vaults and the resource manager, any application that the directory has consented to is a resource: by its
/// id, or by `api://ID`. The audience is the text that was asked for.
async fn audience(core: &Core, directory: DirectoryId, form: &Form, version: Version) -> Result<String, No> {
    let settings = &core.settings;
    let asked = match (form.optional("resource"), version) {
        (Some(resource), Version::One) => resource,
        _ => {
            let scope = form.required(if version == Version::One { "resource" } else { "scope" })?;
            // A person's client also asks for these; they give nothing here.
            let mut asked =
                scope.split(' ').filter(|one| !["openid", "profile", "offline_access", ""].contains(one));
            match (asked.next().and_then(|one| one.strip_suffix("/.default")), asked.next()) {
                (Some(resource), None) => resource,
                _ => return Err(TokenRefused::scope(scope).into()),
            }
        }
    };
    let plain = asked.trim_end_matches('/');
    if let Some(known) = settings.audience(plain) {
        return Ok(known);
    }
    let id = plain.strip_prefix("api://").unwrap_or(plain).parse::<ApplicationId>();
    let consented = match id {
        Ok(id) => principal::of_application(core, directory, id).await?.is_some(),
        Err(_) => false,
    };
    if consented { Ok(plain.to_owned()) } else { Err(TokenRefused::resource(asked, directory).into()) }
}

fn claims(core: &Core, directory: DirectoryId, proved: &Proved, audience: String) -> Claims {
    let now = core.now().seconds();
    let issuer = claims::issuer(&core.settings, directory);
    let user = proved.sign_in_name.is_some();
    let life = i64::try_from(core.settings.limits.token_life.as_secs()).unwrap_or(0);
    Claims {
        aud: audience,
        iss: issuer.clone(),
        iat: now,
        nbf: now,
        exp: now.saturating_add(life),
        appid: proved.application,
        appidacr: if user { "0" } else { "1" }.into(),
        idp: issuer,
        idtyp: if user { "user" } else { "app" }.into(),
        oid: proved.principal,
        sub: proved.principal,
        tid: directory,
        upn: proved.sign_in_name.clone(),
        scp: user.then(|| "user_impersonation".into()),
        uti: core.call_id(),
        ver: "1.0".into(),
    }
}

/// A token that was given out is in the directory's log before it leaves; a token that was refused is not, because
/// anybody could fill the log with those.
async fn record(
    core: &Core,
    asked: &Asked,
    directory: DirectoryId,
    proved: &Proved,
    claims: &Claims,
) -> Result<(), Stop> {
    let entry = AuditEntry {
        stream: directory::stream(directory),
        at: core.now(),
        operation: "SignIn".into(),
        body: json!({
            "category": "SignInLogs",
            "principal": proved.principal,
            "application": proved.application,
            "signInName": proved.sign_in_name,
            "resource": claims.aud,
            "token": claims.uti,
            "correlationId": asked.id,
            "clientRequestId": asked.client_id,
            "callerIpAddress": asked.peer,
        }),
    };
    Ok(core.store.commit(proved.basis.batch(), Cause::Audited(vec![entry])).await?)
}
