//! `freehold tenant`: take a customer in, and list who is there.

use std::fmt::Write;
use std::time::Duration;

use api::client::Client;
use clap::Subcommand;
use custody::{Custody, INVITATION_LIFE, NewTenant, Tenant};
use model::caller::Principal;
use model::id::{DirectoryId, TenantId};
use model::refusal::Code;
use serde_json::json;
use vault::{AdminFault, Administration};
use zeroize::Zeroizing;

use super::list::Document;
use super::server::Server;
use super::{local, run, shown, with_lab, with_new_lab};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure, tell};
use crate::node::{API_APPLICATION, APPLICATIONS, Edge, there};

/// How long the first administrator's sign-in is good for.
const SIGN_IN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What to do with tenants.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantAction {
    /// Take a customer in: its directory, its provider-managed policy, its vault connections.
    ///
    /// On a data folder and without --directory the lab makes a directory with an administrator, whose password is
    /// printed once, and consents to the service's applications there. The credential that it prints is the first
    /// administrator's for the API, good once: `freehold enrol` redeems it. If it is interrupted, the same command goes on
    /// from there. At a server it wants the operator's token and a directory.
    #[command(after_help = "\
Examples:
  freehold tenant create Contoso --domain contoso.com --data my-data
  freehold tenant create Contoso --directory 11111111-1111-4111-8111-111111111111 --json
  freehold tenant create Contoso --directory ID --server URL --token-file operator.token")]
    Create {
        #[command(flatten)]
        #[allow(missing_docs, reason = "clap would print it as help")]
        server: Server,
        /// The name that people see
        name: String,
        /// The customer's directory, where it exists already
        #[arg(long, value_name = "ID")]
        directory: Option<DirectoryId>,
        /// A verified domain; may be repeated
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
        /// A geo where the tenant's data may live; may be repeated, the first is its home
        #[arg(long = "geo", value_name = "GEO")]
        geos: Vec<String>,
        /// What the tenant is entitled to
        #[arg(long, default_value = "E5")]
        entitlement: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// List the tenants.
    #[command(after_help = "\
Examples:
  freehold tenant list --data my-data
  freehold tenant list --server https://localhost:8440 --token-file operator.token")]
    List {
        #[command(flatten)]
        #[allow(missing_docs, reason = "clap would print it as help")]
        server: Server,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Runs one action.
pub fn answer(config: &Config, action: &TenantAction) -> Result<Answer, Failure> {
    match action {
        TenantAction::Create { server, name, directory, domains, geos, entitlement, json } => {
            let new = |directory| NewTenant {
                name: name.clone(),
                directory,
                domains: domains.iter().map(|domain| domain.to_lowercase()).collect(),
                geos: geos.clone(),
                entitlement: entitlement.clone(),
            };
            // What cannot be is refused before any folder is made for it.
            new(directory.unwrap_or(DirectoryId::from_random([0; 16]))).check()?;
            match (server.client(config)?, directory) {
                (None, _) => create(config, *directory, new, *json),
                (Some(client), Some(directory)) => create_there(&client, new(*directory), *json),
                (Some(_), None) => {
                    let why = "a server makes no directory: name the customer's with --directory";
                    Err(Failure::new(Exit::Usage, why))
                }
            }
        }
        TenantAction::List { server, json } => match server.client(config)? {
            None => with_lab(config, async |lab, _| {
                list(*json, async |after| Ok(lab.service.custody.tenants(after, custody::PAGE).await?)).await
            }),
            Some(client) => run(async |_| {
                let page = async |after| {
                    let page = client.tenants(after).await?;
                    Ok(page.tenants.into_iter().map(from_wire).collect())
                };
                list(*json, page).await
            }),
        },
    }
}

/// Takes a tenant in at a server; its directory is there already.
fn create_there(client: &Client, new: NewTenant, json: bool) -> Result<Answer, Failure> {
    run(async |_| {
        let NewTenant { name, directory, domains, geos, entitlement } = new;
        let new = api::NewTenant { name, directory_id: directory, domains, geos, entitlement };
        let made = client.create_tenant(&new).await?;
        let credential = Zeroizing::new(made.first_administrator.credential);
        Ok(Answer::ok(told(&from_wire(made.tenant), None, Some(credential), json)))
    })
}

/// A tenant as a data folder shows it.
fn from_wire(tenant: api::Tenant) -> Tenant {
    Tenant {
        v: 1,
        id: tenant.id,
        name: tenant.name,
        directory: tenant.directory_id,
        domains: tenant.domains,
        geos: tenant.geos,
        entitlement: tenant.entitlement,
        provider_policy: tenant.provider_policy_id,
        multi_workload: tenant.multi_workload_policy_id,
        share_point: tenant.share_point_policy_id,
        created: tenant.created.0,
    }
}

/// Takes a tenant in, step by step; the same command again after a kill goes on from there.
fn create(
    config: &Config,
    directory: Option<DirectoryId>,
    new: impl FnOnce(DirectoryId) -> NewTenant,
    json: bool,
) -> Result<Answer, Failure> {
    with_new_lab(config, async |lab, edge| {
        let custody = &lab.service.custody;
        let mut proposed = [0; 16];
        edge.random.fill(&mut proposed);
        let proposed = directory.unwrap_or(DirectoryId::from_random(proposed));
        let new = custody.begin_intake(new(proposed), directory.is_none()).await?;
        let administrator = match directory {
            Some(_) => None,
            None => Some(make_directory(&lab.customers.vault.administration(), &new).await?),
        };
        let tenant = custody.take_tenant_in(&Principal("operator".into()), &new).await?;
        let invited = invite(custody, edge, &tenant).await?;
        // Only what was told is ended: until then the same command tells another password and credential.
        tell(&told(&tenant, administrator, invited, json)).map_err(|failure| {
            let why = "the tenant is made, but nobody heard of it: run the same command again";
            Failure::new(Exit::Ours, format!("{failure}\n{why}").trim_start())
        })?;
        custody.end_intake(new.directory).await?;
        Ok(Answer::ok(""))
    })
}

/// A one-time credential, told once.
type Credential = Zeroizing<String>;

/// The first administrator's credential for the API, unless somebody has come in already.
async fn invite(custody: &Custody, edge: &Edge, tenant: &Tenant) -> Result<Option<Credential>, Failure> {
    let caller = local(tenant.id, edge);
    match custody.invite_first(&caller.principal, caller.request, tenant.id).await {
        Ok(invited) => Ok(Some(invited.credential)),
        Err(refusal) if refusal.code == Code::Conflict => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Makes the lab's directory of a tenant, whatever of it is missing; a new password of its administrator.
async fn make_directory(
    admin: &Administration,
    new: &NewTenant,
) -> Result<(String, Zeroizing<String>), Failure> {
    let directory = new.directory;
    there(admin.create_directory(Some(directory), &new.name).await.map(|_| ()))?;
    for client_id in APPLICATIONS.map(|(_, _, id)| id).into_iter().chain([API_APPLICATION]) {
        let id = client_id.parse().map_err(|error| Failure::new(Exit::Ours, error))?;
        there(admin.consent(id, directory).await.map(|_| ()))?;
    }
    let sign_in = format!("admin@{directory}.localhost");
    let password = match admin.create_user(directory, &sign_in, "Administrator", SIGN_IN_LIFE).await {
        Ok((_, password)) => password,
        // Nobody heard the one of the run that made the user.
        Err(AdminFault::Exists(_)) => admin.renew_user_secret(directory, &sign_in, SIGN_IN_LIFE).await?,
        Err(fault) => return Err(fault.into()),
    };
    Ok((sign_in, password))
}

fn told(
    tenant: &Tenant,
    administrator: Option<(String, Zeroizing<String>)>,
    credential: Option<Credential>,
    json: bool,
) -> String {
    if json {
        let administrator = administrator
            .map(|(name, password)| json!({ "signInName": name, "password": password.as_str() }));
        let credential = credential.as_ref().map(|credential| credential.as_str());
        let document = json!({ "tenant": tenant, "administrator": administrator, "credential": credential });
        return format!("{document:#}\n");
    }
    let mut text = format!("tenant     {}\ndirectory  {}\n", tenant.id, tenant.directory);
    if let Some((name, password)) = administrator {
        let _ = writeln!(text, "administrator of the lab's directory, told once:\n  {name}\n  {}", *password);
    }
    if let Some(credential) = credential {
        let days = INVITATION_LIFE.as_secs() / 86_400;
        let _ = writeln!(
            text,
            "first administrator's credential for the API, told once, good once and for {days} days:"
        );
        let _ = writeln!(text, "  {}", shown(&credential));
    }
    text
}

/// Lists the tenants page by page; no more than a page is held.
async fn list(
    json: bool,
    mut page_after: impl AsyncFnMut(Option<TenantId>) -> Result<Vec<Tenant>, Failure>,
) -> Result<Answer, Failure> {
    let (mut after, mut document) = (None, Document::new("tenants"));
    loop {
        let page = page_after(after).await?;
        let last = page.last().map(|tenant| tenant.id);
        // A list that does not go on would never end.
        if last <= after {
            return Ok(Answer::ok(if json { document.end() } else { "".into() }));
        }
        after = last;
        let mut text = String::new();
        for tenant in &page {
            if json {
                text.push_str(&document.next(&json!(tenant)));
            } else {
                let domains = shown(&tenant.domains.join(", "));
                let _ = writeln!(text, "{}  {}  {domains}", tenant.id, shown(&tenant.name));
            }
        }
        tell(&text)?;
    }
}
