//! `freehold people`: who is enrolled in a tenant, who is invited, who is taken out. At a server alone.

use std::fmt::Write;

use api::{NewInvitation, Role};
use clap::Subcommand;
use model::id::TenantId;
use serde_json::json;

use super::server::Server;
use super::{run, shown};
use crate::config::Config;
use crate::exit::{Answer, Exit, Failure};

/// What to do with the people of a tenant.
#[derive(Debug, Clone, Subcommand)]
pub enum PeopleAction {
    /// List who is enrolled, with their roles.
    #[command(after_help = "\
Examples:
  freehold people list --server https://localhost:8440 --token-file token --tenant ID")]
    List(Of),
    /// Invite somebody: prints a one-time credential.
    ///
    /// The credential is told once, and good for seven days, for somebody with a token of the tenant's directory. With
    /// --first the operator invites the first administrator again, as long as nobody is enrolled.
    #[command(after_help = "\
Examples:
  freehold people invite --server https://localhost:8440 --token-file token --tenant ID --role auditor
  freehold people invite --server https://localhost:8440 --token-file operator.token --tenant ID --first")]
    Invite {
        #[command(flatten)]
        #[allow(missing_docs, reason = "clap would print it as help")]
        of: Of,
        /// What the person may do: administrator, reader, writer or auditor; may be repeated
        #[arg(long = "role", value_name = "ROLE", required_unless_present = "first", value_parser = role)]
        roles: Vec<Role>,
        /// Invite the first administrator, as the operator
        #[arg(long, conflicts_with = "roles")]
        first: bool,
    },
    /// Take somebody out: the next call is refused.
    #[command(after_help = "\
Examples:
  freehold people remove --server https://localhost:8440 --token-file token --tenant ID --person ID")]
    Remove {
        #[command(flatten)]
        #[allow(missing_docs, reason = "clap would print it as help")]
        of: Of,
        /// The person's id, as `people list` shows it
        #[arg(long, value_name = "ID")]
        person: String,
    },
}

/// Of which tenant, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Of {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub server: Server,
    /// The tenant's id
    #[arg(long, value_name = "TENANT")]
    pub tenant: TenantId,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

fn role(text: &str) -> Result<Role, String> {
    let all = [Role::Administrator, Role::Reader, Role::Writer, Role::Auditor];
    let words = all.map(Role::word).join(", ");
    all.into_iter().find(|role| role.word() == text).ok_or_else(|| format!("expected one of {words}"))
}

/// Runs one action.
pub fn answer(config: &Config, action: &PeopleAction) -> Result<Answer, Failure> {
    match action {
        PeopleAction::List(of) => list(config, of),
        PeopleAction::Invite { of, roles, first } => invite(config, of, roles, *first),
        PeopleAction::Remove { of, person } => remove(config, of, person),
    }
}

fn list(config: &Config, of: &Of) -> Result<Answer, Failure> {
    let client = of.server.needed(config)?;
    run(async |_| {
        let people = client.people(of.tenant).await?;
        if of.json {
            return Ok(Answer::ok(format!("{:#}\n", json!(people))));
        }
        let mut text = String::new();
        for person in &people.people {
            let roles: Vec<_> = person.roles.iter().map(|role| role.word()).collect();
            let (id, subject) = (shown(&person.id), shown(&person.subject));
            let _ = writeln!(text, "{id}  {}  {subject}", roles.join(", "));
        }
        Ok(Answer::ok(text))
    })
}

fn invite(config: &Config, of: &Of, roles: &[Role], first: bool) -> Result<Answer, Failure> {
    let client = of.server.needed(config)?;
    run(async |_| {
        let invited = if first {
            client.invite_first(of.tenant).await?
        } else {
            client.invite(of.tenant, &NewInvitation { roles: roles.to_vec() }).await?
        };
        if of.json {
            return Ok(Answer::ok(format!("{:#}\n", json!(invited))));
        }
        Ok(Answer::ok(format!("{}\n", shown(&invited.credential))))
    })
}

fn remove(config: &Config, of: &Of, person: &str) -> Result<Answer, Failure> {
    let hexadecimal = person.len() == 64 && person.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal {
        let why = "--person: expected the 64 hexadecimal digits that `freehold people list` shows";
        return Err(Failure::new(Exit::Usage, why));
    }
    let client = of.server.needed(config)?;
    run(async |_| {
        client.remove_person(of.tenant, person).await?;
        let said = if of.json {
            format!("{:#}\n", json!({ "removed": person }))
        } else {
            format!("{person} is out\n")
        };
        Ok(Answer::ok(said))
    })
}
