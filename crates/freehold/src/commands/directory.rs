//! `freehold directory …` and `freehold subscription …`: who is known to a vault program, kept on its data folder while
//! it does not run.
//!
//! Owns both groups of commands. A secret is told once, or written to a new file that its owner alone can read.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use model::id::DirectoryId;
use vault::{
    AdminFault, Administration, ApplicationId, NewApplication, NewFederation, NewSubscription, PrincipalId,
    SubscriptionId,
};
use zeroize::Zeroizing;

use super::{run, shown};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};
use crate::folder::DataFolder;
use crate::key_file::KEY_FILE_MODE;
use crate::layout::Layout;
use crate::node::{Edge, open_vault, settings};
use crate::settings::Role;

/// How long a secret is good for unless another time is asked for.
const SECRET_DAYS: u16 = 180;

/// Where a secret goes, and how long it is good for.
#[derive(Debug, Clone, Args)]
pub struct SecretTo {
    /// A new file for the secret, readable by its owner alone, instead of the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long the secret is good for
    #[arg(long, value_name = "DAYS", default_value_t = SECRET_DAYS, value_parser = clap::value_parser!(u16).range(1..=730))]
    days: u16,
}

/// What can be done with directories. A directory is named by its id or by one of its domains.
#[derive(Debug, Clone, Subcommand)]
#[allow(missing_docs, reason = "what clap would print of a name says nothing more")]
pub enum DirectoryAction {
    /// Make a directory.
    #[command(
        after_help = "Examples:\n  freehold directory create Contoso --domain contoso.com --data my-vault"
    )]
    Create {
        /// The name that people see
        name: String,
        /// Its id, where that is given
        #[arg(long)]
        id: Option<DirectoryId>,
        /// A verified domain; may be repeated
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
    },
    /// List the directories with their domains.
    #[command(after_help = "Examples:\n  freehold directory list --data my-vault")]
    List,
    /// Give a directory one more verified domain.
    #[command(
        after_help = "Examples:\n  freehold directory add-domain contoso.com contoso.onmicrosoft.com --data my-vault"
    )]
    AddDomain { directory: String, domain: String },
    /// Make a user with a secret to sign in with.
    #[command(
        after_help = "Examples:\n  freehold directory add-user contoso.com alice@contoso.com --out alice.secret --data my-vault"
    )]
    AddUser {
        directory: String,
        /// The name to sign in with, for example alice@contoso.com
        name: String,
        #[command(flatten)]
        secret: SecretTo,
    },
    /// Give a user another secret; the old one is no longer good.
    #[command(
        after_help = "Examples:\n  freehold directory renew-user contoso.com alice@contoso.com --days 30 --data my-vault"
    )]
    RenewUser {
        directory: String,
        name: String,
        #[command(flatten)]
        secret: SecretTo,
    },
    /// Disable a user: no new token, and those that are out are no longer accepted.
    #[command(
        after_help = "Examples:\n  freehold directory disable-user contoso.com alice@contoso.com --data my-vault"
    )]
    DisableUser { directory: String, name: String },
    /// Take the disabling of a user back.
    #[command(
        after_help = "Examples:\n  freehold directory enable-user contoso.com alice@contoso.com --data my-vault"
    )]
    EnableUser { directory: String, name: String },
    /// Say that a user or service principal administers the directory over the wire.
    #[command(
        after_help = "Examples:\n  freehold directory add-administrator contoso.com alice@contoso.com --data my-vault"
    )]
    AddAdministrator {
        directory: String,
        /// A user's name, a client id or an object id
        principal: String,
    },
    /// Take that back.
    #[command(
        after_help = "Examples:\n  freehold directory remove-administrator contoso.com alice@contoso.com --data my-vault"
    )]
    RemoveAdministrator { directory: String, principal: String },
    /// Make an application at home in a directory, with a secret, and consent to it there.
    #[command(
        after_help = "Examples:\n  freehold directory add-app contoso.com custody --out app.secret --data my-vault"
    )]
    AddApp {
        directory: String,
        /// The name that people see
        name: String,
        /// Its client id, where that is given
        #[arg(long)]
        client_id: Option<ApplicationId>,
        #[command(flatten)]
        secret: SecretTo,
    },
    /// Give an application another secret beside those it has.
    #[command(
        after_help = "Examples:\n  freehold directory add-secret CLIENT-ID --out app.secret --data my-vault"
    )]
    AddSecret {
        application: ApplicationId,
        #[command(flatten)]
        secret: SecretTo,
    },
    /// Give an application a certificate in PEM, whose private half signs its assertions.
    #[command(
        after_help = "Examples:\n  freehold directory add-certificate CLIENT-ID app.pem --data my-vault"
    )]
    AddCertificate { application: ApplicationId, file: PathBuf },
    /// Let an application sign in with the tokens of another issuer.
    #[command(
        after_help = "Examples:\n  freehold directory add-federation CLIENT-ID cluster --issuer URL --subject SUBJECT --keys jwks.json --data my-vault"
    )]
    AddFederation {
        application: ApplicationId,
        /// The credential's name; the same name again replaces it
        name: String,
        /// The `iss` of the tokens
        #[arg(long)]
        issuer: String,
        /// Their `sub`
        #[arg(long)]
        subject: String,
        /// Their `aud`, if it is not api://AzureADTokenExchange
        #[arg(long)]
        audience: Option<String>,
        /// The issuer's JSON Web Key set; a directory of this program needs none
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Let every directory's administrators consent to an application.
    #[command(after_help = "Examples:\n  freehold directory share-app CLIENT-ID --data my-vault")]
    ShareApp { application: ApplicationId },
    /// Consent to an application in a directory.
    #[command(after_help = "Examples:\n  freehold directory consent contoso.com CLIENT-ID --data my-vault")]
    Consent { directory: String, application: ApplicationId },
    /// Make a group without members.
    #[command(
        after_help = "Examples:\n  freehold directory add-group contoso.com 'key officers' --data my-vault"
    )]
    AddGroup { directory: String, name: String },
    /// Make a user or service principal a member of a group.
    #[command(
        after_help = "Examples:\n  freehold directory add-member contoso.com 'key officers' alice@contoso.com --data my-vault"
    )]
    AddMember {
        directory: String,
        /// The group's name
        group: String,
        /// A user's name, a client id or an object id
        member: String,
    },
    /// Take a member from a group.
    #[command(
        after_help = "Examples:\n  freehold directory remove-member contoso.com 'key officers' alice@contoso.com --data my-vault"
    )]
    RemoveMember { directory: String, group: String, member: String },
}

/// What can be done with subscriptions.
#[derive(Debug, Clone, Subcommand)]
#[allow(missing_docs, reason = "what clap would print of a name says nothing more")]
pub enum SubscriptionAction {
    /// Make a subscription in a directory and give its owner the role Owner, which carries no right on keys.
    #[command(
        after_help = "Examples:\n  freehold subscription create contoso.com keys --owner alice@contoso.com --data my-vault"
    )]
    Create {
        directory: String,
        /// The name that people see
        name: String,
        /// A user's name, a client id or an object id
        #[arg(long, value_name = "PRINCIPAL")]
        owner: String,
        /// Its id, where that is given
        #[arg(long)]
        id: Option<SubscriptionId>,
    },
    /// List the subscriptions.
    #[command(after_help = "Examples:\n  freehold subscription list --data my-vault")]
    List,
    /// Complete a subscription's registration for the mandatory retention period, which its owner has asked for.
    #[command(after_help = "Examples:\n  freehold subscription register SUBSCRIPTION --data my-vault")]
    Register { subscription: SubscriptionId },
}

/// Does something with directories.
pub fn answer(config: &Config, action: &DirectoryAction) -> Result<Answer, Failure> {
    with_administration(config, async |admin| directories(admin, action).await)
}

/// Does something with subscriptions.
pub fn subscription(config: &Config, action: &SubscriptionAction) -> Result<Answer, Failure> {
    with_administration(config, async |admin| match action {
        SubscriptionAction::Create { directory, name, owner, id } => {
            let directory = named(admin, directory).await?;
            let owner = principal(admin, directory, owner).await?;
            let new = NewSubscription { id: *id, display_name: name, owner };
            let id = done(admin.create_subscription(directory, new).await)?;
            Ok(format!("subscription  {id}\n"))
        }
        SubscriptionAction::List => {
            let mut text = String::new();
            for (id, directory, name) in admin.subscriptions().await? {
                let _ = writeln!(text, "{id}  {directory}  {}", shown(&name));
            }
            Ok(text)
        }
        SubscriptionAction::Register { subscription } => {
            done(admin.register_mandatory_retention(*subscription).await)?;
            Ok(format!("{subscription} is registered for the mandatory retention period\n"))
        }
    })
}

fn with_administration(
    config: &Config,
    work: impl AsyncFnOnce(&Administration) -> Result<String, Failure>,
) -> Result<Answer, Failure> {
    let layout = Layout::new(config);
    let (database, key) = (layout.vault_database(), layout.vault_master_key());
    if !database.exists() {
        let why = format!("{} is not there: look at --data; `freehold serve` makes it", database.display());
        return Err(Failure::new(Exit::Refused, why));
    }
    run(async |edge: &Edge| {
        let _folder = DataFolder::open(layout, Role::Vault)?;
        let vault = open_vault(&database, &key, settings(&config.vault_suffix, true), edge).await?;
        Ok(Answer::ok(work(&vault.administration()).await?))
    })
}

async fn directories(admin: &Administration, action: &DirectoryAction) -> Result<String, Failure> {
    match action {
        DirectoryAction::Create { name, id, domains } => {
            let id = done(admin.create_directory(*id, name).await)?;
            for domain in domains {
                done(admin.add_domain(id, domain).await)?;
            }
            Ok(format!("directory  {id}\n"))
        }
        DirectoryAction::List => {
            let mut text = String::new();
            for (id, name, domains) in admin.directories().await? {
                let _ = writeln!(text, "{id}  {}  {}", shown(&name), domains.join(", "));
            }
            Ok(text)
        }
        DirectoryAction::AddDomain { directory, domain } => {
            done(admin.add_domain(named(admin, directory).await?, domain).await)?;
            Ok(format!("domain  {}\n", shown(domain)))
        }
        DirectoryAction::AddGroup { directory, name } => {
            let id = done(admin.create_group(named(admin, directory).await?, name).await)?;
            Ok(format!("group  {id}\n"))
        }
        DirectoryAction::AddMember { directory, group, member } => {
            let (directory, group, member) = membership(admin, directory, group, member).await?;
            done(admin.add_member(directory, group, member).await)?;
            Ok(format!("member  {member}\n"))
        }
        DirectoryAction::RemoveMember { directory, group, member } => {
            let (directory, group, member) = membership(admin, directory, group, member).await?;
            done(admin.remove_member(directory, group, member).await)?;
            Ok(format!("no longer a member  {member}\n"))
        }
        DirectoryAction::Consent { directory, application } => {
            let id = done(admin.consent(*application, named(admin, directory).await?).await)?;
            Ok(format!("service principal  {id}\n"))
        }
        DirectoryAction::AddApp { .. }
        | DirectoryAction::AddSecret { .. }
        | DirectoryAction::AddCertificate { .. }
        | DirectoryAction::AddFederation { .. }
        | DirectoryAction::ShareApp { .. } => applications(admin, action).await,
        _ => users(admin, action).await,
    }
}

async fn users(admin: &Administration, action: &DirectoryAction) -> Result<String, Failure> {
    match action {
        DirectoryAction::AddUser { directory, name, secret } => {
            let directory = named(admin, directory).await?;
            secret.check()?;
            let (id, text) = done(admin.create_user(directory, name, name, secret.life()).await)?;
            secret.tell(&format!("user  {id}\n"), &text)
        }
        DirectoryAction::RenewUser { directory, name, secret } => {
            let directory = named(admin, directory).await?;
            secret.check()?;
            let text = done(admin.renew_user_secret(directory, name, secret.life()).await)?;
            secret.tell("", &text)
        }
        DirectoryAction::DisableUser { directory, name } => {
            done(admin.disable_user(named(admin, directory).await?, name).await)?;
            Ok(format!("disabled  {}\n", shown(name)))
        }
        DirectoryAction::EnableUser { directory, name } => {
            done(admin.enable_user(named(admin, directory).await?, name).await)?;
            Ok(format!("enabled  {}\n", shown(name)))
        }
        DirectoryAction::AddAdministrator { directory, principal } => {
            administrator(admin, directory, principal, true).await
        }
        DirectoryAction::RemoveAdministrator { directory, principal } => {
            administrator(admin, directory, principal, false).await
        }
        _ => Err(Failure::new(Exit::Ours, "this is no command about users")),
    }
}

async fn applications(admin: &Administration, action: &DirectoryAction) -> Result<String, Failure> {
    match action {
        DirectoryAction::AddApp { directory, name, client_id, secret } => {
            let directory = named(admin, directory).await?;
            secret.check()?;
            let new =
                NewApplication { client_id: *client_id, display_name: name, secret_life: secret.life() };
            let (id, text) = done(admin.create_application(directory, new).await)?;
            let principal = done(admin.consent(id, directory).await)?;
            secret.tell(&format!("application  {id}\nservice principal  {principal}\n"), &text)
        }
        DirectoryAction::AddSecret { application, secret } => {
            secret.check()?;
            let text = done(admin.add_secret(*application, secret.life()).await)?;
            secret.tell("", &text)
        }
        DirectoryAction::AddCertificate { application, file } => {
            let given = done(admin.add_certificate(*application, &read(file)?).await)?;
            Ok(format!("certificate  {}\n", given.thumbprint))
        }
        DirectoryAction::AddFederation { application, name, issuer, subject, audience, keys } => {
            let keys = keys.as_deref().map(read).transpose()?;
            let new =
                NewFederation { name, issuer, subject, audience: audience.as_deref(), keys: keys.as_deref() };
            done(admin.add_federated_credential(*application, new).await)?;
            Ok(format!("federated credential  {}\n", shown(name)))
        }
        DirectoryAction::ShareApp { application } => {
            done(admin.share_application(*application).await)?;
            Ok(format!("offered to every directory  {application}\n"))
        }
        _ => Err(Failure::new(Exit::Ours, "this is no command about applications")),
    }
}

async fn administrator(
    admin: &Administration,
    directory: &str,
    who: &str,
    on: bool,
) -> Result<String, Failure> {
    let directory = named(admin, directory).await?;
    let id = principal(admin, directory, who).await?;
    done(admin.set_administrator(directory, id, on).await)?;
    Ok(format!("{}  {id}\n", if on { "administrator" } else { "no longer an administrator" }))
}

async fn membership(
    admin: &Administration,
    directory: &str,
    group: &str,
    member: &str,
) -> Result<(DirectoryId, PrincipalId, PrincipalId), Failure> {
    let directory = named(admin, directory).await?;
    let found = admin.group_of(directory, group).await?;
    let group = found.ok_or_else(|| missing(&format!("group {}", shown(group))))?;
    Ok((directory, group, principal(admin, directory, member).await?))
}

/// A directory by id or domain.
async fn named(admin: &Administration, text: &str) -> Result<DirectoryId, Failure> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => {
            let found = admin.directory_of(text).await?;
            found.ok_or_else(|| missing(&format!("directory {}", shown(text))))
        }
    }
}

/// A principal by a user's name, a client id or an object id.
async fn principal(
    admin: &Administration,
    directory: DirectoryId,
    text: &str,
) -> Result<PrincipalId, Failure> {
    let found = admin.principal_of(directory, text).await?;
    found.ok_or_else(|| missing(&format!("principal {}", shown(text))))
}

fn missing(what: &str) -> Failure {
    Failure::new(Exit::Refused, format!("{what} is not there: look at `freehold directory list`"))
}

/// What is there already or missing is the asker's mistake at a command, not ours.
fn done<T>(outcome: Result<T, AdminFault>) -> Result<T, Failure> {
    outcome.map_err(|fault| match fault {
        AdminFault::Exists(_) | AdminFault::Missing(_) => Failure::new(Exit::Refused, fault),
        fault => fault.into(),
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", path.display())))
}

impl SecretTo {
    fn life(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 24 * 3600)
    }

    /// A file that cannot be made is found before a secret is.
    fn check(&self) -> Result<(), Failure> {
        match &self.out {
            Some(path) if path.exists() => {
                let why = format!("{} is there already: name a new file with --out", path.display());
                Err(Failure::new(Exit::Usage, why))
            }
            _ => Ok(()),
        }
    }

    fn tell(&self, before: &str, secret: &Zeroizing<String>) -> Result<String, Failure> {
        let Some(path) = &self.out else {
            return Ok(format!("{before}secret, told once  {}\n", secret.as_str()));
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(KEY_FILE_MODE).open(path);
        let written = file.and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| {
            let why = format!(
                "{before}the secret could not be written to {}: {error}; give another one",
                path.display()
            );
            Failure::new(Exit::Ours, why)
        })?;
        Ok(format!("{before}secret in  {}\n", path.display()))
    }
}
