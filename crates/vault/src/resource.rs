//! The slice of the resource manager that key vaults need: subscriptions, groups, vaults, features, roles.
//!
//! Owns the host `management.SUFFIX`: one pipeline for every call. Token, then the path, then the right (by the table in
//! `path`), then the handler; what changes something is in the subscription's log, in the same transaction.

pub(crate) mod alias;
pub(crate) mod assignment;
mod endpoints;
pub(crate) mod feature;
pub(crate) mod filter;
pub(crate) mod geography;
pub(crate) mod group;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod provider;
pub(crate) mod role;
pub(crate) mod subscription;
pub(crate) mod vault;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{AuditEntry, Batch, Cause};

use crate::access::{self, Plane, Scope};
use crate::core::{Basis, Core, Found};
use crate::directory::{self, Standing};
use crate::error::{Refused, Stop, resources as texts};
use crate::id::{AssignmentId, PrincipalId, SubscriptionId};
use crate::log::{Event, Outcome};
use crate::reply::{Reply, Response};
use crate::request::{self, Asked, BodyFault};
use crate::resource::filter::Term;
use crate::resource::path::{Need, Target, Verb};
use crate::token::check::{self, Who};

/// How often a call is decided anew when other changes come first.
const MOST_TRIES: usize = 4;

/// The stream of the audit log that belongs to a subscription.
pub(crate) fn stream(subscription: SubscriptionId) -> String {
    format!("subscription/{subscription}")
}

/// A call that may be carried out: who, by which right, and what was sent.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Core,
    pub(crate) asked: &'a Asked,
    pub(crate) who: &'a Who,
    pub(crate) api_version: &'a str,
    need: Option<&'a Need>,
    /// What the right rests on; every commit expects it.
    basis: Basis,
    assignment: Option<AssignmentId>,
    /// By which identities the caller holds rights: his own first, then his groups'.
    pub(crate) identities: Vec<PrincipalId>,
    body: Bytes,
}

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: StatusCode,
    pub(crate) json: Option<Value>,
}

impl Done {
    pub(crate) fn ok(json: Value) -> Self {
        Self { status: StatusCode::OK, json: Some(json) }
    }

    pub(crate) fn created(json: Value) -> Self {
        Self { status: StatusCode::CREATED, json: Some(json) }
    }

    /// Done, and there is nothing to show.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::OK, json: None }
    }

    pub(crate) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, json: None }
    }
}

impl Call<'_> {
    /// Reads the body as what the operation takes.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(&self.body)
            .map_err(|fault| texts::bad_body(format!("The request content was invalid: {fault}.")))
    }

    /// A batch that holds only while the caller's right holds.
    pub(crate) fn batch(&self) -> Batch {
        self.basis.batch()
    }

    /// The same, for a change that also rests on other rows.
    pub(crate) fn batch_on(&self, rows: Basis) -> Batch {
        self.basis.clone().join(rows).batch()
    }

    /// Whether the caller may do this too, besides what the call itself needs; what that rests on.
    pub(crate) async fn also(&self, action: &str, scope: &Scope) -> Result<Basis, Stop> {
        let grants = assignment::held(self.core, &self.identities, scope.subscription).await?;
        access::decide_for(&grants, &self.identities, scope, Plane::Control, &[action])
            .map(Found::basis)
            .ok_or_else(|| texts::forbidden(self.who, action, &scope.to_string()).into())
    }

    /// Commits a change with its record.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), Stop> {
        self.commit_as(self.need.ok_or(Stop::Damaged("a change without an action"))?, batch).await
    }

    /// The same, for a change whose action lies elsewhere than the path says.
    pub(crate) async fn commit_as(&self, need: &Need, batch: Batch) -> Result<(), Stop> {
        let outcome = Outcome::DONE;
        let entry = event(self.core, self.asked, self.who, self.api_version, need, self.assignment, outcome);
        Ok(self.core.store.commit(batch, Cause::Audited(vec![entry])).await?)
    }
}

pub(crate) async fn serve(core: &Core, asked: &Asked, body: Body) -> Response {
    let reply =
        |status| Reply::new(status, asked).header("cache-control", "no-cache").header("pragma", "no-cache");
    match answer(core, asked, body).await {
        Ok(Done { status, json: Some(json) }) => reply(status).json(&json),
        Ok(Done { status, json: None }) => reply(status).empty(),
        Err(stop) => {
            let refused = stop.refusal();
            let mut reply = reply(refused.status).header("x-ms-failure-cause", "gateway");
            if refused.status == StatusCode::UNAUTHORIZED {
                let login = core.settings.login();
                let audience = core.settings.management_audience();
                let challenge = format!("Bearer authorization=\"{login}/common\", resource=\"{audience}\"");
                reply = reply.header("www-authenticate", &challenge);
            }
            if let Some(seconds) = refused.retry_after {
                reply = reply.header("retry-after", &seconds.to_string());
            }
            reply.json(&refused.body())
        }
    }
}

async fn answer(core: &Core, asked: &Asked, body: Body) -> Result<Done, Stop> {
    if let Some(shape) = endpoints::answer(core, asked) {
        return Ok(Done::ok(shape));
    }
    let audience = core.settings.management_audience();
    let who = check::check(core, asked.authorization.as_ref(), &audience, None)
        .map_err(|fault| texts::unauthorized(&fault))?;
    let api_version = asked.query("api-version").filter(|version| !version.is_empty());
    let api_version = api_version.ok_or_else(texts::api_version)?;
    let path = asked.path.as_deref().ok_or_else(texts::no_such_path)?;
    let target = Target::parse(path)?;
    let need = target.need(&asked.method)?;
    let mut unread = Some(body);
    let mut sent = Bytes::new();
    for _ in 0..MOST_TRIES {
        let authorised = authorise(core, &who, need.as_ref()).await;
        let (basis, identities, assignment) = match authorised {
            Ok(allowed) => allowed,
            Err(stop) => return Err(recorded(core, asked, &who, api_version, need.as_ref(), stop).await),
        };
        if let Some(unread) = unread.take() {
            let limit = target.body_limit(core);
            sent = request::body(unread, limit).await.map_err(|fault| match fault {
                BodyFault::TooLarge => texts::too_large(limit),
                BodyFault::Broken => texts::bad_body("The request content was not received."),
            })?;
        }
        let need = need.as_ref();
        let body = sent.clone();
        let call = Call { core, asked, who: &who, api_version, need, basis, assignment, identities, body };
        match target.carry_out(&call).await {
            Err(Stop::Conflict) => continue,
            Err(stop) => return Err(recorded(core, asked, &who, api_version, need, stop).await),
            done => return done,
        }
    }
    Err(Stop::Conflict)
}

impl Target {
    /// A vault's body holds its access policies, and may be larger than all others.
    fn body_limit(&self, core: &Core) -> usize {
        match self {
            Self::Vault(_) | Self::Policies { .. } => core.settings.limits.body.max(vault::MAX_BODY),
            _ => core.settings.limits.body,
        }
    }

    async fn carry_out(&self, call: &Call<'_>) -> Result<Done, Stop> {
        let method = &call.asked.method;
        match self {
            Self::Subscriptions => subscription::list(call).await,
            Self::Subscription(id) => subscription::show(call, *id).await,
            Self::Alias(alias) if method == Method::PUT => alias::put(call, alias).await,
            Self::Alias(alias) => alias::show(call, alias).await,
            Self::Tenants => subscription::tenants(call).await,
            Self::Locations(id) => Ok(geography::list(*id)),
            Self::Groups(id) => group::list(call, *id).await,
            Self::Resources(scope) => vault::lists::short(call, scope).await,
            Self::Vaults(scope) => vault::lists::whole(call, scope).await,
            Self::NameAvailability(_) => vault::lists::check_name_availability(call).await,
            Self::Providers(id) => provider::list(call, *id).await,
            Self::Features { subscription, namespace } => {
                feature::list(call, *subscription, namespace.as_deref()).await
            }
            Self::RoleAssignments(scope) => assignment::list(call, scope).await,
            Self::Group(scope) if method == Method::HEAD => group::exists(call, scope).await,
            Self::Group(scope) if method == Method::DELETE => group::delete(call, scope).await,
            Self::Group(scope) if method == Method::GET => group::show(call, scope).await,
            Self::Group(scope) => group::put(call, scope).await,
            Self::Vault(scope) if method == Method::GET => vault::show(call, scope).await,
            Self::Vault(scope) if method == Method::PATCH => vault::patch(call, scope).await,
            Self::Vault(scope) if method == Method::DELETE => vault::life::delete(call, scope).await,
            Self::DeletedVaults(id) => vault::deleted::list(call, *id).await,
            Self::DeletedVault { subscription, location, name, purge: false } => {
                vault::deleted::show(call, *subscription, location, name).await
            }
            Self::DeletedVault { subscription, location, name, .. } => {
                vault::life::purge(call, *subscription, location, name).await
            }
            Self::Vault(scope) => vault::put(call, scope).await,
            Self::Policies { scope, change } => policy::put(call, scope, *change).await,
            Self::Feature(at) => match at.verb {
                Verb::Show => feature::show(call, at).await,
                Verb::Register => feature::register(call, at).await,
                Verb::Unregister => feature::unregister(call, at).await,
            },
            Self::Provider(at) => match at.verb {
                Verb::Show => provider::show(call, at).await,
                Verb::Register => provider::register(call, at).await,
                Verb::Unregister => provider::unregister(call, at).await,
            },
            Self::RoleDefinitions { scope, id } => definitions(call, scope.as_ref(), id.as_deref()),
            Self::RoleAssignment { scope, id } => match *method {
                Method::GET => assignment::show(call, scope, id).await,
                Method::PUT => assignment::put(call, scope, id).await,
                _ => assignment::delete(call, scope, id).await,
            },
        }
    }
}

/// Whether the caller may do what the target needs; a subscription of another directory does not exist for him.
async fn authorise(
    core: &Core,
    who: &Who,
    need: Option<&Need>,
) -> Result<(Basis, Vec<PrincipalId>, Option<AssignmentId>), Stop> {
    let standing = directory::standing(core, who).await?;
    if matches!(standing, Standing::Disabled) {
        return Err(texts::unauthorized(&check::TokenFault::Disabled).into());
    }
    let Some(need) = need else {
        return match standing {
            Standing::Here { basis, identities } => Ok((basis, identities, None)),
            _ => Err(texts::forbidden(who, "Microsoft.Resources/subscriptions/read", "/").into()),
        };
    };
    let id = need.scope.subscription;
    let subscription = subscription::find(core, id)
        .await?
        .filter(|found| found.value.directory == who.directory)
        .ok_or_else(|| texts::subscription_not_found(&id.to_string()))?;
    let forbidden = || texts::forbidden(who, &need.action, &need.scope.to_string());
    let Standing::Here { basis, identities } = standing else { return Err(forbidden().into()) };
    if need.filtered {
        return Ok((basis.and(&subscription), identities, None));
    }
    let grants = assignment::held(core, &identities, id).await?;
    let grant = access::decide_for(&grants, &identities, &need.scope, Plane::Control, &[&need.action])
        .ok_or_else(forbidden)?;
    let basis = basis.and(&subscription).and(grant);
    let assignment = grant.value.id;
    Ok((basis, identities, Some(assignment)))
}

/// Puts the refusal of a change into the subscription's log, if the caller belongs to its directory. The refusal goes
/// out whether or not that could be written: a full disk must not turn a no into an outage.
async fn recorded(
    core: &Core,
    asked: &Asked,
    who: &Who,
    api_version: &str,
    need: Option<&Need>,
    stop: Stop,
) -> Stop {
    let (Stop::Refused(refused), Some(need)) = (&stop, need) else { return stop };
    // Of whom the token is not taken, nothing is known: he could fill the log of any subscription.
    let nobody = refused.status == StatusCode::UNAUTHORIZED || refused.code == "SubscriptionNotFound";
    if asked.method == Method::GET || asked.method == Method::HEAD || nobody {
        return stop;
    }
    let outcome = Outcome { status: refused.status, refusal: Some((refused.code, refused.inner)) };
    let entry = event(core, asked, who, api_version, need, None, outcome);
    if let Err(fault) = core.store.commit(Batch::new(), Cause::Audited(vec![entry])).await {
        tracing::error!(%fault, request = %asked.id, "a refusal is not in the log");
    }
    stop
}

fn event(
    core: &Core,
    asked: &Asked,
    who: &Who,
    api_version: &str,
    need: &Need,
    assignment: Option<AssignmentId>,
    outcome: Outcome<'_>,
) -> AuditEntry {
    let api_version: String = api_version.chars().take(32).collect();
    let event = Event {
        stream: stream(need.scope.subscription),
        category: "Administrative",
        operation: &need.action,
        api_version: &api_version,
        resource: need.scope.to_string(),
        who,
        assignment,
        target: None,
        outcome,
    };
    event.entry(core, asked)
}

/// The built-in roles, one by id or all, or those that `$filter=roleName eq 'NAME'` names.
fn definitions(call: &Call<'_>, scope: Option<&Scope>, id: Option<&str>) -> Result<Done, Stop> {
    if let Some(id) = id {
        let role = role::by_id(id).ok_or_else(|| texts::role_not_found(id))?;
        return Ok(Done::ok(role.shape(scope)));
    }
    let mut name: Option<String> = None;
    for term in filter::parse(call.asked.query("$filter"))? {
        match term {
            Term::Equals(field, value) if field == "rolename" => name = Some(value),
            // Every role that there is can be given at every scope.
            Term::Call(function, None) if function == "atscopeandbelow" || function == "atscope" => {}
            Term::Equals(field, value) if field == "type" && value.eq_ignore_ascii_case("BuiltInRole") => {}
            _ => return Err(filter::refused().into()),
        }
    }
    let named = |role: &&role::Role| name.as_ref().is_none_or(|name| role.name.eq_ignore_ascii_case(name));
    let roles = role::all().iter().filter(named);
    let shapes: Vec<Value> = roles.map(|role| role.shape(scope)).collect();
    Ok(Done::ok(serde_json::json!({ "value": shapes })))
}
