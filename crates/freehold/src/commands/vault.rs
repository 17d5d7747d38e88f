//! `freehold vault …`: what the operator of a vault program does on its data folder while it does not run.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Subcommand;
use crypto::{Key, Master};
use serde_json::json;
use vault::{Renewal, RenewalFault, Renewed};

use super::run;
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};
use crate::folder::{self, DataFolder};
use crate::key_file::{KeyFile, KeyFileError};
use crate::layout::Layout;
use crate::node::Edge;
use crate::settings::Role;

/// What can be done with a vault program.
#[derive(Debug, Clone, Subcommand)]
pub enum VaultAction {
    /// Replace the master key: seal every private key again under a new one.
    ///
    /// The vault must not run meanwhile. If it is interrupted, the same command goes on from there. Backups of keys that
    /// customers made before can still be restored, because the former master key is kept, sealed under the new one; with
    /// --forget-backups no former one is kept. Copies of the database that you keep elsewhere still open under the former
    /// key alone: destroy them, or keep its file with them.
    #[command(after_help = "\
Examples:
  freehold vault renew-master-key --data my-data
  freehold vault renew-master-key --data my-data --availability
  freehold vault renew-master-key --data my-data --forget-backups --json")]
    RenewMasterKey {
        /// Of the provider's availability vault, and not of the customers' vaults
        #[arg(long)]
        availability: bool,
        /// Give up every backup of a key that was made before: none can be restored any more
        #[arg(long)]
        forget_backups: bool,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// After how many private keys a renewal says how far it is.
const PROGRESS_EVERY: u64 = 1000;

/// Does it.
pub fn answer(config: &Config, action: &VaultAction) -> Result<Answer, Failure> {
    let VaultAction::RenewMasterKey { availability, forget_backups, json } = action;
    let renewed = renew(config, *availability, !forget_backups)?;
    Ok(Answer::ok(told(&renewed, *json)))
}

fn renew(config: &Config, availability: bool, keep_backups: bool) -> Result<Renewed, Failure> {
    let layout = Layout::new(config);
    let (role, database, path) = match availability {
        true => {
            (Role::AvailabilityVault, layout.availability_vault_database(), layout.availability_master_key())
        }
        false => (Role::Vault, layout.vault_database(), layout.vault_master_key()),
    };
    if !database.exists() {
        let why = format!("{} is not there: look at --data and --availability", database.display());
        return Err(Failure::new(Exit::Refused, why));
    }
    run(async |edge: &Edge| {
        let _folder = DataFolder::open(layout, role)?;
        let [former, new] = KeyFile::renew(&path, &database, edge.random.as_ref())?;
        let store = folder::database(&database, &vault::SCHEMA).await?;
        let [before, after] = [&former, &new].map(|file| Key::<Master>::from_file(file.key.clone()));
        let renewal = Renewal {
            store: &store,
            former: &before,
            new: &after,
            keep_backups,
            now: edge.clock.now(),
            random: edge.random.as_ref(),
        };
        let mut shown = 0;
        let progress = |done| {
            if done >= shown + PROGRESS_EVERY {
                shown = done;
                let _ = writeln!(anstream::stderr(), "{done} private keys are under the new master key");
            }
        };
        let renewed = renewal.run(progress).await.map_err(|fault| match fault {
            RenewalFault::Neither { .. } => {
                let why = KeyFileError::Wrong { path: path.clone(), guards: database.clone() };
                Failure::new(Exit::Refused, format!("{fault}; {why}"))
            }
            RenewalFault::Served => Failure::new(Exit::Refused, fault),
            RenewalFault::Store(fault) => fault.into(),
        })?;
        new.take_the_place_of(&former)?;
        Ok(renewed)
    })
}

fn told(renewed: &Renewed, json: bool) -> String {
    let Renewed { resealed, before, formers } = renewed;
    if json {
        let document = json!({ "resealed": resealed, "resealedBefore": before, "formerMasterKeys": formers });
        return format!("{document:#}\n");
    }
    let mut text =
        format!("the master key is a new one; {resealed} private keys were sealed again under it\n");
    if *before > 0 {
        let _ = writeln!(text, "{before} more had been by a run that was stopped");
    }
    let _ = match formers {
        0 => writeln!(text, "no former master key is kept: backups of keys that were made before are void"),
        kept => writeln!(text, "former master keys kept for the backups of their time: {kept}"),
    };
    text.push_str(
        "keep a copy of the keys folder again; the old copy opens old copies of the database alone\n",
    );
    text
}
