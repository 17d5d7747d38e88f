//! `freehold token`: a person of a directory signs in with name and password and gets a token for the service.

use std::path::{Path, PathBuf};

use api::client::connection;
use model::id::DirectoryId;

use super::server::Authority;
use super::{run, secret, shown};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};
use crate::wire::{Grant, Unanswered, sign_in};

/// Who signs in where, and for what.
#[derive(Debug, Clone, clap::Args)]
pub struct Token {
    /// The token service: https://HOST or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub login: String,
    /// The directory that the person is of
    #[arg(long, value_name = "ID")]
    pub directory: DirectoryId,
    /// The name that the person signs in with
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// The file of the password, readable by its owner alone; without it the password is read from standard input
    #[arg(long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub password_file: PathBuf,
    /// What the token is for; without it the service's audience, which is the setting service.audience
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// Write the token to this file, readable by its owner alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub authority: Authority,
}

/// Gets a token, and tells it alone.
pub fn answer(config: &Config, token: &Token) -> Result<Answer, Failure> {
    let http = connection(&token.login, token.authority.roots()?)?;
    let (directory, audience) = (token.directory.to_string(), token.audience.as_ref());
    let audience = audience.unwrap_or(&config.service_audience);
    let password = secret::read(&token.password_file)?;
    let grant = Grant::Password { user: &token.user, password: &password };
    let given = run(async |_| {
        let given = sign_in(&http, &token.login, &directory, &grant, audience).await;
        given.map_err(|why| refused(&why))
    })?;
    match &token.out {
        Some(path) => written(path, &given),
        None => Ok(Answer::ok(format!("{}\n", given.as_str()))),
    }
}

fn written(path: &Path, token: &str) -> Result<Answer, Failure> {
    secret::write(path, token)?;
    Ok(Answer::ok(""))
}

fn refused(why: &Unanswered) -> Failure {
    let exit = match why {
        Unanswered::Unreachable { .. } => Exit::Outage,
        Unanswered::Refused { status, .. } if *status >= 500 => Exit::Outage,
        Unanswered::Refused { .. } => Exit::Refused,
    };
    Failure::new(exit, shown(&why.to_string()))
}
