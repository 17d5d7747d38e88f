//! The keys wire: one pipeline for every call on a vault's host.
//!
//! Owns that pipeline. Vault, token, api-version, path, right, and only then the body; then the operation, which commits
//! its record together with what it changes and with the rows it rests on. If those changed meanwhile, all of it is
//! decided again. A reply leaves after its record is durable.

pub(crate) mod backup;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod deleted;
pub(crate) mod destroy;
pub(crate) mod due;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod operation;
pub(crate) mod period;
pub(crate) mod policy;
pub(crate) mod private;
pub(crate) mod purge;
pub(crate) mod read;
pub(crate) mod recovery;
pub(crate) mod release;
pub(crate) mod rotate;
pub(crate) mod shape;
pub(crate) mod update;
pub(crate) mod usage;
pub(crate) mod wire;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{AuditEntry, Batch, Cause};

use crate::access::{self, Plane, Scope};
use crate::core::{Basis, Core, Found};
use crate::directory::{self, Standing};
use crate::error::{Refused, Stop, keys as texts};
use crate::id::{AssignmentId, KeyVersion};
use crate::keys::key::KeyOp;
use crate::keys::operation::{Operation, Target};
use crate::keys::wire::Wire;
use crate::log::{Event, Outcome};
use crate::reply::{Reply, Response};
use crate::request::{self, Asked, BodyFault};
use crate::resource::network::Shut;
use crate::resource::vault::VaultRow;
use crate::resource::{self, assignment, feature, vault};
use crate::token::check::{self, TokenFault, Who};
use crate::token::claims;

/// How often a call is decided anew when other changes come first.
const MOST_TRIES: usize = 4;

/// The stream of the audit log that belongs to a vault.
pub(crate) fn stream(vault: &str) -> String {
    format!("vault/{}", vault.to_ascii_lowercase())
}

/// A call that may be carried out.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Core,
    pub(crate) asked: &'a Asked,
    pub(crate) who: &'a Who,
    pub(crate) target: &'a Target,
    pub(crate) vault: &'a VaultRow,
    pub(crate) wire: Wire<'a>,
    basis: Basis,
    assignment: Option<AssignmentId>,
}

impl Call<'_> {
    /// The identifier of a key, or of one of its versions.
    pub(crate) fn kid(&self, name: &str, version: Option<KeyVersion>) -> String {
        let vault = self.core.settings.vault(&self.vault.name);
        match version {
            Some(version) => format!("{vault}/keys/{name}/{version}"),
            None => format!("{vault}/keys/{name}"),
        }
    }

    /// The name that the path has in this operation's place.
    pub(crate) fn name(&self) -> Result<&key::KeyName, Stop> {
        self.target.name.as_ref().ok_or(Stop::Damaged("an operation on a key without a name"))
    }

    /// The version that is asked for, or the newest.
    pub(crate) async fn version(&self) -> Result<key::FoundVersion, Stop> {
        let name = self.name()?;
        let found = key::find(self.core, &self.vault.name, name, self.target.version).await?;
        let asked = || match self.target.version {
            Some(version) => format!("{name}/{version}"),
            None => name.to_string(),
        };
        Ok(found.ok_or_else(|| texts::key_not_found(&asked()))?)
    }

    /// Whether the subscription is under the mandatory retention period.
    pub(crate) async fn protected(&self) -> Result<bool, Stop> {
        Ok(feature::registered(self.core, self.vault.subscription).await?)
    }

    /// A batch that holds only while the caller's right and these rows stand.
    pub(crate) fn batch_on(&self, rows: Basis) -> Batch {
        self.basis.clone().join(rows).batch()
    }

    /// Commits what was done, a change or a use, with its record; `target` is the key identifier.
    pub(crate) async fn commit(&self, batch: Batch, target: Option<String>) -> Result<(), Stop> {
        let done = Outcome { status: self.target.operation.status(), refusal: None };
        let entry = self.context().entry(self.assignment, target, done);
        Ok(self.core.store.commit(batch, Cause::Audited(vec![entry])).await?)
    }

    fn context(&self) -> Context<'_> {
        Context {
            core: self.core,
            asked: self.asked,
            who: self.who,
            target: self.target,
            vault: self.vault,
            wire: self.wire,
        }
    }
}

/// What a handler answers: JSON of its own shape, or bytes that must be zeroed after use.
#[derive(Debug)]
pub(crate) struct Done {
    body: Bytes,
}

impl Done {
    pub(crate) fn json(shape: &impl Serialize) -> Self {
        Self { body: serde_json::to_vec(shape).expect("our own shapes have only text keys").into() }
    }

    /// Nothing but the status.
    pub(crate) fn empty() -> Self {
        Self { body: Bytes::new() }
    }

    pub(crate) fn secret(body: zeroize::Zeroizing<Vec<u8>>) -> Self {
        Self { body: Bytes::from_owner(body) }
    }
}

/// What the body of a call was read as, once, before the operation is tried.
enum Input {
    None,
    Make(Box<create::Made>),
    Restore(Box<backup::Restore>),
    Update(update::Input),
    Use(KeyOp, usage::Input),
    Rotate(Box<rotate::Rotation>),
    Policy(Box<policy::RotationPolicy>),
}

pub(crate) async fn serve(core: &Core, asked: &Asked, name: &str, body: Body) -> Response {
    let vault = match vault::find(core, name).await {
        Ok(Some(vault)) => vault,
        Ok(None) => return refuse(asked, None, None, texts::vault_not_found()),
        Err(fault) => return refuse(asked, None, None, Stop::Store(fault).refusal()),
    };
    match answer(core, asked, vault.clone(), body).await {
        Ok((done, assignment)) => {
            let status = if done.body.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
            let mut reply = reply(asked, status, Some(&vault.value.location));
            if let Some(assignment) = assignment {
                let id = assignment.to_string().replace('-', "");
                reply = reply.header("x-ms-keyvault-rbac-assignment-id", &id);
            }
            if done.body.is_empty() { reply.empty() } else { reply.bytes(done.body) }
        }
        Err(stop) => {
            let settings = &core.settings;
            let challenge = format!(
                "Bearer authorization=\"{}/{}\", resource=\"{}\"",
                settings.login(),
                vault.value.directory,
                settings.keys_audience()
            );
            refuse(asked, Some(&vault.value.location), Some(&challenge), stop.refusal())
        }
    }
}

fn reply(asked: &Asked, status: StatusCode, location: Option<&str>) -> Reply {
    let reply = Reply::new(status, asked)
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("x-ms-keyvault-service-version", env!("CARGO_PKG_VERSION"));
    let reply = match asked.peer {
        Some(address) => {
            let (kind, family) =
                if address.is_ipv4() { ("Ipv4", "InterNetwork") } else { ("Ipv6", "InterNetworkV6") };
            let network = format!("conn_type={kind};addr={address};act_addr_fam={family};");
            reply.header("x-ms-keyvault-network-info", &network)
        }
        None => reply,
    };
    match location {
        Some(location) => reply.header("x-ms-keyvault-region", location),
        None => reply,
    }
}

fn refuse(asked: &Asked, location: Option<&str>, challenge: Option<&str>, refused: Refused) -> Response {
    let mut reply = reply(asked, refused.status, location);
    if let (StatusCode::UNAUTHORIZED, Some(challenge)) = (refused.status, challenge) {
        reply = reply.header("www-authenticate", challenge);
    }
    if let Some(seconds) = refused.retry_after {
        reply = reply.header("retry-after", &seconds.to_string());
    }
    reply.json(&refused.body())
}

async fn answer(
    core: &Core,
    asked: &Asked,
    mut vault: Found<VaultRow>,
    body: Body,
) -> Result<(Done, Option<AssignmentId>), Stop> {
    let directory = vault.value.directory;
    let audience = core.settings.keys_audience();
    let who = check::check(core, asked.authorization.as_ref(), &audience, Some(directory))
        .map_err(|fault| texts::unauthorized(&fault))?;
    let wire = asked.query("api-version").and_then(Wire::parse).ok_or_else(texts::api_version)?;
    let path = asked.path.as_deref().ok_or_else(|| texts::not_allowed(&asked.method, ""))?;
    let target = Target::parse(&asked.method, path, wire)?;
    let mut unread = Some(body);
    let mut input = Input::None;
    for _ in 0..MOST_TRIES {
        let context = Context { core, asked, who: &who, target: &target, vault: &vault.value, wire };
        let (basis, assignment) = match authorise(&context, &vault).await {
            Ok(allowed) => allowed,
            Err(stop) => return Err(context.recorded(stop).await),
        };
        let call =
            Call { core, asked, who: &who, target: &target, vault: &vault.value, wire, basis, assignment };
        if let Some(body) = unread.take() {
            input = match read(&call, body).await {
                Ok(input) => input,
                Err(stop) => return Err(context.recorded(stop).await),
            };
        }
        match carry_out(&call, &input).await {
            Ok(done) => return Ok((done, assignment)),
            Err(Stop::Conflict) => {}
            Err(stop) => return Err(context.recorded(stop).await),
        }
        // The vault itself may be what changed.
        vault = vault::find(core, &vault.value.name).await?.ok_or_else(texts::vault_not_found)?;
    }
    Err(Stop::Conflict)
}

/// Whoever may not use a key may not make this program read and parse bodies, either: authorise comes first.
async fn read(call: &Call<'_>, body: Body) -> Result<Input, Stop> {
    let limit = match call.target.operation {
        Operation::Restore => backup::MAX_BODY,
        _ => call.core.settings.limits.body,
    };
    let bytes = request::body(body, limit).await.map_err(|fault| match fault {
        BodyFault::TooLarge => texts::too_large(limit),
        BodyFault::Broken => texts::bad_parameter("The request body was not received."),
    })?;
    Ok(match call.target.operation {
        Operation::Create => Input::Make(Box::new(create::prepare(call, parse(&bytes)?).await?)),
        Operation::Import => Input::Make(Box::new(import::prepare(call, parse(&bytes)?).await?)),
        Operation::Restore => Input::Restore(Box::new(backup::Restore::prepare(call, &parse(&bytes)?)?)),
        Operation::Release => {
            parse::<release::Input>(&bytes)?.check()?;
            Input::None
        }
        Operation::Rotate => Input::Rotate(Box::new(rotate::prepare(call).await?)),
        Operation::SetRotationPolicy => Input::Policy(Box::new(parse::<policy::Input>(&bytes)?.check()?)),
        Operation::Update => Input::Update(update::Input::check(parse(&bytes)?)?),
        Operation::Use(op) => Input::Use(op, usage::Input::check(op, parse(&bytes)?)?),
        _ => Input::None,
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    // The parser's own words name a field and a place, never a value of another field.
    serde_json::from_slice(bytes)
        .map_err(|fault| texts::bad_parameter(format!("The request body is not valid: {}.", kind(&fault))))
}

fn kind(fault: &serde_json::Error) -> String {
    let what = match fault.classify() {
        serde_json::error::Category::Data => "a property is missing, is sent twice, or has another type",
        _ => "it is not JSON",
    };
    format!("{what} (line {}, column {})", fault.line(), fault.column())
}

async fn carry_out(call: &Call<'_>, input: &Input) -> Result<Done, Stop> {
    match (call.target.operation, input) {
        (Operation::Create | Operation::Import, Input::Make(made)) => made.carry_out(call).await,
        (Operation::Update, Input::Update(input)) => update::update(call, input).await,
        (Operation::Use(_), Input::Use(op, input)) => usage::carry_out(call, *op, input).await,
        (Operation::Rotate, Input::Rotate(rotation)) => rotation.carry_out(call).await,
        (Operation::SetRotationPolicy, Input::Policy(policy)) => policy::set(call, policy).await,
        (Operation::Release, _) => release::release(call).await,
        (Operation::RotationPolicy, _) => policy::show(call).await,
        (Operation::Restore, Input::Restore(restore)) => restore.carry_out(call).await,
        (Operation::Backup, _) => backup::backup(call).await,
        (Operation::Get, _) => read::show(call).await,
        (Operation::List, _) => read::list(call).await,
        (Operation::Versions, _) => read::versions(call).await,
        (Operation::Delete, _) => delete::delete(call).await,
        (Operation::GetDeleted, _) => deleted::show(call).await,
        (Operation::ListDeleted, _) => deleted::list(call).await,
        (Operation::Recover, _) => deleted::recover(call).await,
        (Operation::Purge, _) => purge::purge(call).await,
        _ => Err(Stop::Damaged("an operation that is served and has no handler")),
    }
}

/// Everything that is known of a call before it is decided whether it may be.
#[derive(Clone, Copy)]
struct Context<'a> {
    core: &'a Core,
    asked: &'a Asked,
    who: &'a Who,
    target: &'a Target,
    vault: &'a VaultRow,
    wire: Wire<'a>,
}

impl Context<'_> {
    fn scope(&self) -> Scope {
        let vault = self.vault.scope();
        match &self.target.name {
            Some(name) => vault.key(name.as_str()),
            None => vault,
        }
    }

    fn entry(
        &self,
        assignment: Option<AssignmentId>,
        target: Option<String>,
        outcome: Outcome<'_>,
    ) -> AuditEntry {
        let event = Event {
            stream: stream(&self.vault.name),
            category: "AuditEvent",
            operation: self.target.operation.log_name(),
            api_version: self.wire.text,
            resource: self.vault.scope().to_string(),
            who: self.who,
            assignment,
            target,
            outcome,
        };
        event.entry(self.core, self.asked)
    }

    /// Puts a refusal into the vault's log. It goes out whether or not that could be written: a full disk must not turn a
    /// no into an outage.
    async fn recorded(&self, stop: Stop) -> Stop {
        let Stop::Refused(refused) = &stop else { return stop };
        if refused.status == StatusCode::UNAUTHORIZED {
            return stop;
        }
        let outcome = Outcome { status: refused.status, refusal: Some((refused.code, refused.inner)) };
        let target = self.target.name.as_ref().map(|name| {
            let vault = self.core.settings.vault(&self.vault.name);
            match self.target.version {
                Some(version) => format!("{vault}/keys/{name}/{version}"),
                None => format!("{vault}/keys/{name}"),
            }
        });
        let entry = self.entry(None, target, outcome);
        if let Err(fault) = self.core.store.commit(Batch::new(), Cause::Audited(vec![entry])).await {
            tracing::error!(%fault, request = %self.asked.id, "a refusal is not in the log");
        }
        stop
    }
}

/// Whether the caller may do this here: deny by default, from the rows as they are now.
async fn authorise(
    context: &Context<'_>,
    vault: &Found<VaultRow>,
) -> Result<(Basis, Option<AssignmentId>), Stop> {
    let Context { core, who, target, .. } = *context;
    let issuer = claims::issuer(&core.settings, who.directory);
    let (name, location) = (&vault.value.name, &vault.value.location);
    let standing = directory::standing(core, who).await?;
    if matches!(standing, Standing::Disabled) {
        return Err(texts::unauthorized(&TokenFault::Disabled).into());
    }
    vault.value.network.check(context.asked.peer, who.application).map_err(|shut| match shut {
        Shut::Firewall => {
            let address = context.asked.peer.map_or_else(|| "unknown".into(), |peer| peer.to_string());
            texts::forbidden_by_firewall(who, &issuer, &address, name, location)
        }
        Shut::Connection => texts::forbidden_by_connection(who, &issuer, name, location),
    })?;
    if !vault.value.by_roles {
        let permission = target.operation.permission();
        let forbidden = || texts::forbidden_by_policy(who, &issuer, permission, name, location);
        let Standing::Here { basis, identities } = standing else { return Err(forbidden().into()) };
        let found = resource::policy::allowing(core, name, &identities, who.application, permission).await?;
        return Ok((basis.and(vault).and(&found.ok_or_else(forbidden)?), None));
    }
    let scope = context.scope();
    let actions = target.operation.actions();
    let forbidden = || {
        let action = actions.first().copied().unwrap_or_default();
        texts::forbidden_by_rbac(who, &issuer, action, &scope.to_string(), name, location)
    };
    let Standing::Here { basis, identities } = standing else { return Err(forbidden().into()) };
    let grants = assignment::held(core, &identities, vault.value.subscription).await?;
    let grant =
        access::decide_for(&grants, &identities, &scope, Plane::Data, actions).ok_or_else(forbidden)?;
    Ok((basis.and(vault).and(grant), Some(grant.value.id)))
}

/// A JSON value of a request that is only asked whether it is there.
type Given = Option<Value>;
