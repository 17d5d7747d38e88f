//! `freehold tenant`: take a customer in, and list who is there.

use std::fmt::Write;
use std::time::Duration;

use clap::Subcommand;
use custody::NewTenant;
use model::caller::Principal;
use model::id::DirectoryId;
use serde_json::json;

use super::with_lab;
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};
use crate::node::APPLICATIONS;

/// How long the first administrator's sign-in is good for.
const SIGN_IN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What to do with tenants.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantAction {
    /// Take a customer in: its directory, its provider-managed policy, its vault connections.
    ///
    /// Without --directory the lab makes a directory with an administrator, whose password is printed once, and consents
    /// to the service's applications there.
    #[command(after_help = "\
Examples:
  freehold tenant create Contoso --domain contoso.com --data my-data
  freehold tenant create Contoso --directory 11111111-1111-4111-8111-111111111111 --json")]
    Create {
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
    #[command(after_help = "Example:\n  freehold tenant list --data my-data")]
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Runs one action.
pub fn answer(config: &Config, action: &TenantAction) -> Result<Answer, Failure> {
    match action {
        TenantAction::Create { name, directory, domains, geos, entitlement, json } => {
            let new = |directory| NewTenant {
                name: name.clone(),
                directory,
                domains: domains.iter().map(|domain| domain.to_lowercase()).collect(),
                geos: geos.clone(),
                entitlement: entitlement.clone(),
            };
            create(config, *directory, name, new, *json)
        }
        TenantAction::List { json } => list(config, *json),
    }
}

fn create(
    config: &Config,
    directory: Option<DirectoryId>,
    name: &str,
    new: impl FnOnce(DirectoryId) -> NewTenant,
    json: bool,
) -> Result<Answer, Failure> {
    with_lab(config, async |lab, _| {
        let admin = lab.customers.vault.administration();
        let mut administrator = None;
        let directory = match directory {
            Some(directory) => directory,
            None => {
                let directory = admin.create_directory(None, name).await?;
                for (_, _, client_id) in APPLICATIONS {
                    let id = client_id.parse().map_err(|error| Failure::new(Exit::Ours, error))?;
                    admin.consent(id, directory).await?;
                }
                let sign_in = format!("admin@{directory}.localhost");
                let made = admin.create_user(directory, &sign_in, "Administrator", SIGN_IN_LIFE).await;
                administrator = Some((sign_in, made?.1));
                directory
            }
        };
        let tenant = lab.service.custody.create_tenant(&Principal("operator".into()), new(directory)).await?;
        if json {
            let administrator = administrator
                .map(|(name, password)| json!({ "signInName": name, "password": password.as_str() }));
            let document = json!({ "tenant": tenant, "administrator": administrator });
            return Ok(Answer::ok(format!("{document:#}\n")));
        }
        let mut text = format!("tenant     {}\ndirectory  {}\n", tenant.id, tenant.directory);
        if let Some((name, password)) = administrator {
            let _ =
                writeln!(text, "administrator of the lab's directory, told once:\n  {name}\n  {}", *password);
        }
        Ok(Answer::ok(text))
    })
}

fn list(config: &Config, json: bool) -> Result<Answer, Failure> {
    with_lab(config, async |lab, _| {
        let mut all = Vec::new();
        loop {
            let page =
                lab.service.custody.tenants(all.last().map(|tenant: &custody::Tenant| tenant.id)).await?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        if json {
            return Ok(Answer::ok(format!("{:#}\n", json!({ "tenants": all }))));
        }
        let mut text = String::new();
        for tenant in &all {
            let _ = writeln!(text, "{}  {}  {}", tenant.id, tenant.name, tenant.domains.join(", "));
        }
        Ok(Answer::ok(text))
    })
}
