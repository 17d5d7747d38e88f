//! `freehold enrol`: whoever has a token of a tenant's directory and a one-time credential comes in.

use std::path::PathBuf;

use api::Enrolment;
use serde_json::json;

use super::server::Server;
use super::{run, secret, shown};
use crate::config::Config;
use crate::exit::{Answer, Failure};

/// Where somebody enrols, and with what.
#[derive(Debug, Clone, clap::Args)]
pub struct Enrol {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub server: Server,
    /// The file of the one-time credential, readable by its owner alone; - for standard input
    #[arg(long, value_name = "FILE")]
    pub credential_file: PathBuf,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// Redeems the credential; it is of no use afterwards.
pub fn answer(config: &Config, enrol: &Enrol) -> Result<Answer, Failure> {
    let client = enrol.server.needed(config)?;
    let credential = secret::read(&enrol.credential_file)?;
    run(async |_| {
        let enrolled = client.enrol(&Enrolment { credential: credential.to_string() }).await?;
        if enrol.json {
            return Ok(Answer::ok(format!("{:#}\n", json!(enrolled))));
        }
        let roles: Vec<_> = enrolled.person.roles.iter().map(|role| role.word()).collect();
        let (tenant, person) = (enrolled.tenant_id, shown(&enrolled.person.id));
        Ok(Answer::ok(format!("tenant  {tenant}\nperson  {person}\nroles   {}\n", roles.join(", "))))
    })
}
