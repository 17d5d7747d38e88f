//! The command line: every command with its flags, and examples in its help.
//!
//! Owns what can be typed. A flag that stands for a setting is one line of [`Flags::values`]; what the setting
//! means is `settings`'.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::directory::{DirectoryAction, SubscriptionAction};
use crate::commands::enrol::Enrol;
use crate::commands::import::Import;
use crate::commands::list::List;
use crate::commands::object::{Delete, Overwrite, ReadObject};
use crate::commands::people::PeopleAction;
use crate::commands::tenant::TenantAction;
use crate::commands::token::Token;
use crate::commands::vault::VaultAction;
use crate::exit::EXIT_HELP;
use crate::lab::Names;

/// An open, self-hosted Customer Key: data of many tenants under root keys that each tenant keeps in vaults of
/// its own.
#[derive(Debug, Clone, Parser)]
#[command(name = "freehold", version, after_help = EXIT_HELP, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as the help of the program")]
    pub flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The flags, with those that only one command has: they are settings too.
    pub fn settings(&self) -> Flags {
        let mut flags = self.flags.clone();
        if let Command::Serve { role, listen } = &self.command {
            let party = role.as_deref().unwrap_or("all");
            let key = if matches!(party, "vault" | "availability-vault") { party } else { "service" };
            flags.set.extend(role.clone().map(|role| ("role".to_owned(), role)));
            flags.set.extend(listen.clone().map(|listen| (format!("{key}.listen"), listen)));
        }
        flags
    }
}

/// Flags of every command; they win over the environment, which wins over the file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// Read settings from this TOML file (or the one that FREEHOLD_CONFIG names); samples/freehold.toml has all
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that holds everything that is stored
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<String>,
    /// How logs are written to standard error: text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Set any setting, as in `--set vault.listen=127.0.0.1:9443`; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

impl Flags {
    /// Each flag that was given and stands for a setting: the setting, the flag, the value.
    pub fn values(&self) -> Vec<(String, &'static str, String)> {
        let named = [("data", "--data", &self.data), ("log.format", "--log-format", &self.log_format)];
        let named =
            named.into_iter().filter_map(|(key, flag, value)| Some((key.to_owned(), flag, value.clone()?)));
        named.chain(self.set.iter().map(|(key, value)| (key.clone(), "--set", value.clone()))).collect()
    }
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Play the article from end to end on real mail and files, and watch a revocation bite.
    ///
    /// Starts all three parties on free ports of this machine, with a vault on the wire and ciphertext on disk. Its
    /// policies use a bound of two seconds instead of sixty, so that you need not wait. Status 0 only if every step
    /// held.
    #[command(after_help = "\
Examples:
  freehold tour
  freehold tour --mail ~/mail --files ~/Documents/reports --data my-tour
  freehold tour --json > tour.json")]
    Tour {
        /// Import this mail: a file or a folder of .eml files; may be repeated (default: six samples)
        #[arg(long, value_name = "PATH")]
        mail: Vec<PathBuf>,
        /// Import these files: a file or a folder of any files; may be repeated (default: four samples)
        #[arg(long, value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Keep the temporary folder; with --data the folder is kept anyway
        #[arg(long)]
        keep: bool,
        /// One JSON document instead of a story
        #[arg(long)]
        json: bool,
    },
    /// Run one party, or all three, until told to stop.
    ///
    /// The parties are the customer's vault, the service, and the provider's availability vault. All three in one
    /// process, or under one user, are a rehearsal and no separation of powers. Ctrl-C or SIGTERM lets open requests
    /// end and stops; a second one stops at once.
    #[command(after_help = "\
Examples:
  freehold serve --data my-data
  freehold serve --data my-data --role vault
  freehold serve --role service --config /etc/freehold.toml")]
    Serve {
        /// Which party: all, service, vault or availability-vault
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Where the party listens; with --role all, where the service does
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Run a command in a lab: all parties, a tenant, and stock tools that reach the vaults under the real names.
    ///
    /// Starts all three parties over a temporary folder with the lab's tenant, and COMMAND with an environment in which
    /// Azure's tools and libraries reach them: a proxy, an authority that is believed for this run alone, an application
    /// with the role Owner on both subscriptions. Nothing else is reached through the proxy. The exit status is
    /// COMMAND's; 127 if it is not found, 126 if it cannot be started.
    #[command(after_help = "\
Examples:
  freehold lab -- e2e/article.azcli.sh
  freehold lab --register-at-once -- ./rehearsal.sh
  freehold lab --data my-lab --names own -- bash")]
    Lab {
        /// The names of vaults and services: those of Azure's public cloud, or our own below vault.localhost
        #[arg(long, value_name = "NAMES", default_value = "real")]
        names: Names,
        /// The mandatory retention period is registered as soon as a subscription asks for it
        #[arg(long)]
        register_at_once: bool,
        /// The program to run, and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Take customers in, and list them.
    Tenant {
        /// What to do with them.
        #[command(subcommand)]
        action: TenantAction,
    },
    /// Get a token for the service: sign in at a directory with name and password.
    ///
    /// The token alone is printed; it is good for about an hour.
    #[command(after_help = "\
Examples:
  freehold token --login https://login.vault.localhost:8443 --directory ID --user NAME --ca ca.pem
  freehold token --login URL --directory ID --user NAME --password-file password --out token")]
    Token(Token),
    /// Come in: redeem a one-time credential at a server.
    ///
    /// Whoever has a token of the tenant's directory and the credential gets the credential's roles; it is gone then.
    #[command(after_help = "\
Examples:
  freehold enrol --server https://localhost:8440 --token-file token --credential-file credential
  echo fhin_... | freehold enrol --server https://localhost:8440 --token-file token --credential-file -")]
    Enrol(Enrol),
    /// See who is enrolled in a tenant, invite people, and take them out.
    People {
        /// What to do.
        #[command(subcommand)]
        action: PeopleAction,
    },
    /// Bring mail into a mailbox or files into a site.
    ///
    /// Every message and file is durable when it is counted. After an interruption the same command goes on: what is
    /// there already is not stored twice. A message that cannot be read as one is kept as it is, and marked.
    #[command(after_help = "\
Examples:
  freehold import --data my-data --tenant ID --mailbox alice@contoso.com --create ~/mail
  freehold import --data my-data --tenant ID --site sites/operations --create report.pdf drawings/
  freehold import --server URL --token-file token --tenant ID --site S --create drawings/")]
    Import(Import),
    /// List the objects of a mailbox or a site.
    #[command(after_help = "\
Examples:
  freehold list --data my-data --tenant ID --mailbox alice@contoso.com
  freehold list --server URL --token-file token --tenant ID --mailbox alice@contoso.com")]
    List(List),
    /// Read an object, a range of it, or all objects of a mailbox or a site.
    #[command(after_help = "\
Examples:
  freehold read --data my-data --tenant ID --mailbox alice@contoso.com --name inbox/7.eml
  freehold read --data my-data --tenant ID --site sites/operations --id ID --range 0-1023 --out head.bin
  freehold read --data my-data --tenant ID --site sites/operations --all --out copy/
  freehold read --server URL --token-file token --tenant ID --site S --all --out copy/")]
    Read(ReadObject),
    /// Replace an object's content; the old content is gone.
    #[command(after_help = "\
Examples:
  freehold overwrite --data my-data --tenant ID --site S --id ID new.pdf
  freehold overwrite --server URL --token-file token --tenant ID --site S --id ID new.pdf")]
    Overwrite(Overwrite),
    /// Delete an object with all its bytes.
    #[command(after_help = "\
Examples:
  freehold delete --data my-data --tenant ID --site S --id ID
  freehold delete --server URL --token-file token --tenant ID --site S --id ID")]
    Delete(Delete),
    /// Keep the vault program of a data folder: the customers', or the provider's availability vault.
    Vault {
        /// What to do.
        #[command(subcommand)]
        action: VaultAction,
    },
    /// Keep the directories of a vault program: users, applications, groups, and what proves them.
    Directory {
        /// What to do.
        #[command(subcommand)]
        action: DirectoryAction,
    },
    /// Make subscriptions in which vaults are made, and complete their registration.
    Subscription {
        /// What to do.
        #[command(subcommand)]
        action: SubscriptionAction,
    },
    /// Look at the configuration.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Examine this machine and its data folder, and say what to do.
    ///
    /// Looks at rights on files, disk encryption, the clock, ports, certificates and client secrets, and changes nothing
    /// of them. If nothing has failed and no service runs on the folder, it opens the folder as every command does and
    /// asks the vaults for each root key; those calls are recorded. What it cannot tell is "not checked", never "ok".
    /// Status 1 if something must be mended.
    #[command(after_help = "\
Examples:
  freehold doctor
  freehold doctor --data my-data --json")]
    Doctor {
        /// One JSON document instead of a list for people
        #[arg(long)]
        json: bool,
    },
}

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigAction {
    /// Print every setting in force, as TOML.
    ///
    /// Flags win over the environment (FREEHOLD_ and the setting's name: FREEHOLD_VAULT_LISTEN), which wins over the
    /// file, which wins over the default. An unknown name is refused.
    #[command(after_help = "\
Examples:
  freehold config print
  freehold config print --with-origin
  freehold config print --config freehold.toml --set log.level=debug --with-origin
  freehold config print > freehold.toml")]
    Print {
        /// Say of each value where it comes from
        #[arg(long)]
        with_origin: bool,
        /// One JSON document instead of TOML
        #[arg(long)]
        json: bool,
    },
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        let mut open = vec![("freehold".to_owned(), Cli::command())];
        while let Some((path, command)) = open.pop() {
            let inner = command
                .get_subcommands()
                .map(|inner| (format!("{path} {}", inner.get_name()), inner.clone()));
            let before = open.len();
            open.extend(inner);
            if open.len() == before {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&format!("\n  {path}")), "{path}: its help has no example");
            }
        }
    }
}
