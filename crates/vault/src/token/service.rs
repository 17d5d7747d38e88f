//! The token service on the wire: tokens for a proof, discovery, and the public keys.
//!
//! Owns the host `login.SUFFIX` and what a token answer holds. Anonymous by nature: what it says to somebody who proved
//! nothing is the same whether a thing does not exist or belongs to another directory.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use model::id::DirectoryId;
use serde_json::{Value, json};
use store::{AuditEntry, Batch, Cause};

use crate::core::Core;
use crate::directory;
use crate::error::Stop;
use crate::id::ApplicationId;
use crate::reply::{Reply, Response};
use crate::request::Asked;
use crate::token::authority::Authority;
use crate::token::claims::{self, Claims, Identity};
use crate::token::form::Form;
use crate::token::proof::{self, Proved};
use crate::token::refusal::TokenRefused;
use crate::token::wanted::{Version, Wanted};
use crate::token::{No, discovery, refresh, signing};

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
            token(core, asked, Authority::find(core, at).await?, body, Version::Two).await
        }
        (&Method::POST, [at, "oauth2", "token"]) => {
            token(core, asked, Authority::find(core, at).await?, body, Version::One).await
        }
        (
            &Method::GET,
            [at, "v2.0", ".well-known", "openid-configuration"] | [at, ".well-known", "openid-configuration"],
        ) => {
            let authority = Authority::find(core, at).await?;
            Ok(discovery::configuration(core, authority, at, words.len() == 4))
        }
        (&Method::GET, ["common", "discovery", "instance"]) => discovery::instance(core, asked).await,
        (&Method::GET, [_, "userrealm", _]) => discovery::realm(core, &path[2]).await,
        (&Method::GET, [at, "discovery", "keys"] | [at, "discovery", "v2.0", "keys"]) => {
            Authority::find(core, at).await?;
            Ok(core.signing.published(core.now()))
        }
        _ => Err(TokenRefused::not_found().into()),
    }
}

/// How often a request is decided anew when other changes come first.
const MOST_TRIES: usize = 4;

async fn token(
    core: &Core,
    asked: &Asked,
    authority: Authority,
    body: Body,
    version: Version,
) -> Result<Value, No> {
    let form = Form::read(core, body).await?;
    for _ in 0..MOST_TRIES {
        match decided(core, asked, authority, &form, version).await {
            // What it rested on has changed: whoever spent a refresh token twice hears that it is spent, and not "busy".
            Err(No::Fault(Stop::Conflict)) => {}
            answer => return answer,
        }
    }
    Err(Stop::Conflict.into())
}

/// One try of a token request, committed on the rows that it was decided by.
async fn decided(
    core: &Core,
    asked: &Asked,
    authority: Authority,
    form: &Form,
    version: Version,
) -> Result<Value, No> {
    let client = form.required("client_id")?;
    let mut proved = match form.required("grant_type")? {
        "client_credentials" => proof::application(core, authority, client, form).await?,
        "password" => {
            let client = proof::public_client(client, authority)?;
            let (name, secret) = (form.required("username")?, form.required("password")?);
            proof::user(core, authority, client, name, secret).await?
        }
        "refresh_token" => {
            let client = proof::public_client(client, authority)?;
            refresh::redeem(core, authority, client, form.required("refresh_token")?).await?
        }
        other => return Err(TokenRefused::grant_type(other).into()),
    };
    let wanted = match proved.user {
        Some(_) => Wanted::by_user(core, form, version)?,
        None => Wanted::by_application(form, version)?,
    };
    let audience = wanted.audience(core, proved.directory).await?;
    let claims = claims(core, &proved, audience);
    let token = signing::mint(core, &claims).await?;
    let mut answer = access(core, &claims, &token, version);
    let batch = std::mem::take(&mut proved.batch);
    let batch = beside(core, &proved, &wanted, form, &claims, batch, &mut answer).await?;
    record(core, asked, &proved, &claims, batch).await?;
    Ok(answer)
}

/// A token for the managed identity, in the words of its endpoints: numbers are text.
pub(crate) async fn for_identity(
    core: &Core,
    asked: &Asked,
    directory: DirectoryId,
    application: ApplicationId,
    resource: &str,
) -> Result<Value, No> {
    let mut proved = proof::identity(core, directory, application).await?;
    let audience = Wanted::resource(resource).audience(core, directory).await?;
    let claims = claims(core, &proved, audience);
    let token = signing::mint(core, &claims).await?;
    let batch = std::mem::take(&mut proved.batch);
    record(core, asked, &proved, &claims, batch).await?;
    let mut answer = access(core, &claims, &token, Version::One);
    answer["client_id"] = json!(application);
    Ok(answer)
}

/// The answer that holds an access token alone; the older endpoint writes numbers as text and says more.
fn access(core: &Core, claims: &Claims, token: &str, version: Version) -> Value {
    let life = core.settings.limits.token_life.as_secs();
    match version {
        Version::Two => {
            json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})
        }
        Version::One => json!({
            "token_type": "Bearer",
            "expires_in": life.to_string(),
            "ext_expires_in": life.to_string(),
            "expires_on": claims.exp.to_string(),
            "not_before": claims.nbf.to_string(),
            "resource": claims.aud,
            "access_token": token,
        }),
    }
}

/// Adds what a user's client gets beside the access token; the batch holds what of it is stored.
async fn beside(
    core: &Core,
    proved: &Proved,
    wanted: &Wanted,
    form: &Form,
    claims: &Claims,
    mut batch: Batch,
    answer: &mut Value,
) -> Result<Batch, No> {
    let Some(user) = &proved.user else { return Ok(batch) };
    let plain = format!("{}/user_impersonation", claims.aud);
    let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).chain([plain.as_str()]).collect();
    answer["scope"] = json!(scopes.join(" "));
    if form.optional("client_info") == Some("1") {
        let info = json!({"uid": proved.principal, "utid": proved.directory});
        answer["client_info"] = json!(URL_SAFE_NO_PAD.encode(info.to_string()));
    }
    if wanted.identity {
        let identity = Identity::of(claims, user, form.optional("nonce"), core.call_id());
        answer["id_token"] = json!(signing::mint(core, &identity).await?);
    }
    if wanted.offline {
        let (with, text) = refresh::add(core, proved, user.at, batch).await?;
        batch = with;
        answer["refresh_token"] = json!(text.as_str());
    }
    Ok(batch)
}

fn claims(core: &Core, proved: &Proved, audience: String) -> Claims {
    let now = core.now().seconds();
    let issuer = claims::issuer(&core.settings, proved.directory);
    let user = proved.user.as_ref();
    let life = i64::try_from(core.settings.limits.token_life.as_secs()).unwrap_or(0);
    Claims {
        aud: audience,
        iss: issuer.clone(),
        iat: now,
        nbf: now,
        exp: now.saturating_add(life),
        appid: proved.application,
        appidacr: proved.strength.into(),
        idp: issuer,
        idtyp: if user.is_some() { "user" } else { "app" }.into(),
        oid: proved.principal,
        sub: proved.principal,
        tid: proved.directory,
        upn: user.map(|user| user.sign_in_name.clone()),
        scp: user.map(|_| "user_impersonation".into()),
        uti: core.call_id(),
        ver: "1.0".into(),
    }
}

/// A token that was given out is in the directory's log before it leaves; a token that was refused is not, because
/// anybody could fill the log with those.
async fn record(
    core: &Core,
    asked: &Asked,
    proved: &Proved,
    claims: &Claims,
    batch: Batch,
) -> Result<(), Stop> {
    let entry = AuditEntry {
        stream: directory::stream(proved.directory),
        at: core.now(),
        operation: "SignIn".into(),
        body: json!({
            "category": "SignInLogs",
            "principal": proved.principal,
            "application": proved.application,
            "signInName": claims.upn,
            "resource": claims.aud,
            "token": claims.uti,
            "correlationId": asked.id,
            "clientRequestId": asked.client_id,
            "callerIpAddress": asked.peer,
        }),
    };
    Ok(core.store.commit(batch, Cause::Audited(vec![entry])).await?)
}
