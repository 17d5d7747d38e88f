//! The slice of Microsoft Graph that command lines ask about directories: who there is, and consent.
//!
//! Owns the host `graph.SUFFIX` and its pipeline: token, standing, path, answer. Every principal of a directory reads
//! there; only its administrators change it, and a change is in the directory's log in the same transaction.

mod filter;
mod list;
mod object;
mod refusal;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use model::id::DirectoryId;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{AuditEntry, Cause};

use self::object::Kind;
use self::refusal::No;
use crate::core::{Basis, Core, Found};
use crate::directory::principal::{self, NameRow, PrincipalRow, Subject};
use crate::directory::{self, Standing, application};
use crate::id::{ApplicationId, PrincipalId};
use crate::log::time_text;
use crate::reply::{Reply, Response};
use crate::request::{self, Asked};
use crate::schema;
use crate::token::check::{self, TokenFault, Who};

/// Ids in one question for objects.
const MOST_IDS: usize = 1000;

/// A question of somebody who may ask.
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Core,
    pub(crate) asked: &'a Asked,
    pub(crate) who: &'a Who,
    basis: Basis,
}

impl Call<'_> {
    fn directory(&self) -> DirectoryId {
        self.who.directory
    }

    /// The address of a document's description.
    fn context(&self, of: &str) -> String {
        format!("https://{}/v1.0/$metadata#{of}", self.core.settings.hosts.graph())
    }
}

pub(crate) async fn serve(core: &Core, asked: &Asked, body: Body) -> Response {
    let reply =
        |status| Reply::new(status, asked).header("cache-control", "no-cache").header("odata-version", "4.0");
    match answer(core, asked, body).await {
        Ok((status, json)) => reply(status).json(&json),
        Err(no) => {
            let mut reply = reply(no.status);
            if no.status == StatusCode::UNAUTHORIZED {
                let login = core.settings.login();
                let challenge =
                    format!("Bearer realm=\"\", authorization_uri=\"{login}/common/oauth2/authorize\"");
                reply = reply.header("www-authenticate", &challenge);
            }
            reply.json(&no.body(core, asked))
        }
    }
}

async fn answer(core: &Core, asked: &Asked, body: Body) -> Result<(StatusCode, Value), No> {
    let audience = format!("https://{}", core.settings.hosts.graph());
    let who = check::check(core, asked.authorization.as_ref(), &audience, None).map_err(|fault| {
        No::token(match fault {
            TokenFault::Missing => "Access token is empty.",
            TokenFault::Expired => "Lifetime validation failed, the token is expired.",
            TokenFault::Audience { .. } => "Access token validation failure. Invalid audience.",
            TokenFault::Issuer { .. } | TokenFault::Invalid | TokenFault::Disabled => {
                "Access token validation failure."
            }
        })
    })?;
    let basis = match directory::standing(core, &who).await? {
        Standing::Here { basis, .. } => basis,
        Standing::Gone => return Err(No::nobody()),
        Standing::Disabled => return Err(No::token("Access token validation failure.")),
    };
    let call = Call { core, asked, who: &who, basis };
    let path = asked.path.as_deref().unwrap_or_default();
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let Some(words) = words.split_first().filter(|(first, _)| ["v1.0", "beta"].contains(*first)) else {
        return Err(No::no_path());
    };
    match asked.method {
        Method::GET => Ok((StatusCode::OK, read(&call, words.1).await?)),
        Method::POST => {
            let bytes = request::body(body, core.settings.limits.body).await;
            let bytes = bytes.map_err(|_| No::bad("The request body is too large or broken."))?;
            write(&call, words.1, &bytes).await
        }
        _ => Err(No::no_path()),
    }
}

async fn read(call: &Call<'_>, words: &[&str]) -> Result<Value, No> {
    let words: Vec<(String, &str)> = words.iter().map(|word| (word.to_ascii_lowercase(), *word)).collect();
    let words: Vec<(&str, &str)> = words.iter().map(|(lower, word)| (lower.as_str(), *word)).collect();
    match words.as_slice() {
        [("me", _)] => me(call).await,
        [("organization", _)] => organization(call).await,
        [("users", _)] => list::principals(call, Kind::User, None).await,
        [("groups", _)] => list::principals(call, Kind::Group, None).await,
        [("serviceprincipals", _)] => list::principals(call, Kind::Service, None).await,
        [("applications", _)] => list::applications(call).await,
        [("users", _), (_, id)] => one(call, Kind::User, id).await,
        [("groups", _), (_, id)] => one(call, Kind::Group, id).await,
        [("groups", _), (_, id), ("members", _)] => {
            let (id, _) = find(call, Kind::Group, id).await?;
            list::principals(call, Kind::Group, Some(id)).await
        }
        [("serviceprincipals", _), (_, id)] => one(call, Kind::Service, id).await,
        [("applications", _), (_, id)] => own_application(call, id).await,
        [(word, _)] => match keyed(word) {
            Some(("serviceprincipals", client)) => {
                one(call, Kind::Service, &by_client(call, client).await?).await
            }
            Some(("applications", client)) => own_application(call, client).await,
            _ => Err(No::no_path()),
        },
        _ => Err(No::no_path()),
    }
}

async fn write(call: &Call<'_>, words: &[&str], body: &Bytes) -> Result<(StatusCode, Value), No> {
    let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["directoryobjects", "getbyids"] => Ok((StatusCode::OK, by_ids(call, body).await?)),
        ["serviceprincipals"] => Ok((StatusCode::CREATED, consent(call, body).await?)),
        _ => Err(No::no_path()),
    }
}

/// `NAME(appId='ID')`, in lower case.
fn keyed(word: &str) -> Option<(&str, &str)> {
    let (name, rest) = word.split_once("(appid='")?;
    Some((name, rest.strip_suffix("')")?))
}

async fn by_client(call: &Call<'_>, client: &str) -> Result<String, No> {
    let missing = || No::no_object(client);
    let id: ApplicationId = client.parse().map_err(|_| missing())?;
    let named = principal::of_application(call.core, call.directory(), id).await?.ok_or_else(missing)?;
    Ok(named.value.principal.to_string())
}

async fn me(call: &Call<'_>) -> Result<Value, No> {
    if call.who.sign_in_name.is_none() {
        return Err(No::bad("/me request is only valid with delegated authentication flow."));
    }
    one(call, Kind::User, &call.who.principal.to_string()).await
}

async fn organization(call: &Call<'_>) -> Result<Value, No> {
    let id = call.directory();
    let found = directory::find(call.core, id).await?.ok_or_else(No::nobody)?;
    let shown =
        object::select(object::organization(&id.to_string(), &found.value), call.asked.query("$select"));
    Ok(json!({"@odata.context": call.context("organization"), "value": [shown]}))
}

/// One principal of a kind: by object id, a user also by his sign-in name.
async fn find(call: &Call<'_>, kind: Kind, named: &str) -> Result<(PrincipalId, Found<PrincipalRow>), No> {
    let missing = || No::no_object(named);
    let id = match named.parse() {
        Ok(id) => id,
        Err(_) if kind == Kind::User && named.len() <= crate::admin::LONGEST_NAME => {
            let found: Option<Found<NameRow>> =
                principal::of_user(call.core, call.directory(), named).await?;
            found.ok_or_else(missing)?.value.principal
        }
        Err(_) => return Err(missing()),
    };
    let found = principal::find(call.core, call.directory(), id).await?.ok_or_else(missing)?;
    if Kind::of(&found.value) != kind {
        return Err(missing());
    }
    Ok((id, found))
}

async fn one(call: &Call<'_>, kind: Kind, named: &str) -> Result<Value, No> {
    let (id, found) = find(call, kind, named).await?;
    let shown = object::principal(call.core, &id.to_string(), &found.value).await?;
    let mut shown = object::select(shown, call.asked.query("$select"));
    shown["@odata.context"] = json!(call.context(&format!("{}/$entity", kind.collection())));
    Ok(shown)
}

async fn own_application(call: &Call<'_>, named: &str) -> Result<Value, No> {
    let missing = || No::no_object(named);
    let id: ApplicationId = named.parse().map_err(|_| missing())?;
    let found = application::find(call.core, id).await?.ok_or_else(missing)?;
    if found.value.home != call.directory() {
        return Err(missing());
    }
    let shown = object::application(&id.to_string(), &found.value);
    let mut shown = object::select(shown, call.asked.query("$select"));
    shown["@odata.context"] = json!(call.context("applications/$entity"));
    Ok(shown)
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
    #[serde(default)]
    types: Option<Vec<String>>,
}

/// Objects by their ids; what is not in the directory is left out.
async fn by_ids(call: &Call<'_>, body: &Bytes) -> Result<Value, No> {
    let asked: Ids =
        serde_json::from_slice(body).map_err(|_| No::bad("The body must hold a list of ids."))?;
    if asked.ids.len() > MOST_IDS {
        return Err(No::bad(format!("The list holds more than {MOST_IDS} ids.")));
    }
    let mut shown = Vec::new();
    for id in asked.ids.iter().filter_map(|id| id.parse::<PrincipalId>().ok()) {
        let Some(found) = principal::find(call.core, call.directory(), id).await? else { continue };
        let kind = Kind::of(&found.value);
        let wanted = asked.types.as_ref().is_none_or(|types| {
            let is = |one: &String| {
                one.eq_ignore_ascii_case(kind.word()) || one.eq_ignore_ascii_case("directoryObject")
            };
            types.is_empty() || types.iter().any(is)
        });
        if wanted {
            shown.push(list::typed(kind, object::principal(call.core, &id.to_string(), &found.value).await?));
        }
    }
    Ok(json!({"@odata.context": call.context("directoryObjects"), "value": shown}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewService {
    app_id: String,
}

/// Consents to an application: of this directory, or of one that offers it to all.
async fn consent(call: &Call<'_>, body: &Bytes) -> Result<Value, No> {
    let new: NewService =
        serde_json::from_slice(body).map_err(|_| No::bad("The body must hold an appId."))?;
    let (core, directory) = (call.core, call.directory());
    let caller = principal::find(core, directory, call.who.principal).await?.ok_or_else(No::nobody)?;
    if !caller.value.administrator {
        return Err(No::denied());
    }
    let id: ApplicationId = new.app_id.parse().map_err(|_| No::no_application(&new.app_id))?;
    let found = application::find(core, id).await?;
    let found = found.filter(|found| found.value.shared || found.value.home == directory);
    let found = found.ok_or_else(|| No::no_application(&new.app_id))?;
    if principal::of_application(core, directory, id).await?.is_some() {
        return Err(No::there_already(&new.app_id));
    }
    let principal = PrincipalId::from_random(core.id());
    let row =
        PrincipalRow::new(&found.value.display_name, core.now(), Subject::Application { application: id });
    let name = schema::application_in(directory, id);
    let batch = call.basis.clone().and(&caller).and(&found).batch();
    let batch = batch
        .expect_absent(schema::PRINCIPAL_NAMES, &name)
        .put(schema::PRINCIPAL_NAMES, name, &NameRow { principal })
        .put(schema::PRINCIPALS, schema::principal(directory, principal), &row);
    core.store.commit(batch, Cause::Audited(vec![entry(call, principal, id)])).await?;
    let mut shown = object::principal(core, &principal.to_string(), &row).await?;
    shown["@odata.context"] = json!(call.context("servicePrincipals/$entity"));
    Ok(shown)
}

fn entry(call: &Call<'_>, principal: PrincipalId, application: ApplicationId) -> AuditEntry {
    let now = call.core.now();
    AuditEntry {
        stream: directory::stream(call.directory()),
        at: now,
        operation: "AddServicePrincipal".into(),
        body: json!({
            "category": "AuditLogs",
            "time": time_text(now),
            "identity": { "principal": call.who.principal, "application": call.who.application },
            "properties": { "principal": principal, "application": application },
            "correlationId": call.asked.id,
            "clientRequestId": call.asked.client_id,
            "callerIpAddress": call.asked.peer,
        }),
    }
}
