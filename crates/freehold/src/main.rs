//! The entrance: reads the command line, runs one command, and turns what came of it into an exit status.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use freehold::cli::{Cli, Command};
use freehold::clock::SystemClock;
use freehold::commands::object;
use freehold::config::{Config, Origin};
use freehold::exit::{Answer, Exit, Failure, tell};
use freehold::logs::LogLevel;
use freehold::settings::Kind;
use freehold::tour::Options;
use freehold::{commands, config, doctor, lab, logs, serve, tour};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are answers, and clap knows which stream and status is theirs.
        Err(answer) => {
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    match run(&cli) {
        Ok(status) => status,
        Err(failure) => {
            if failure.exit != Exit::Ok {
                let _ = writeln!(anstream::stderr(), "freehold: {failure}");
            }
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let config = Config::load(&cli.settings(), std::env::vars_os())?;
    let level = match (&cli.command, config.log_level.origin()) {
        // A story is not told between log lines, unless somebody asked for them.
        (Command::Config { .. } | Command::Doctor { .. } | Command::Serve { .. }, _) => *config.log_level,
        (_, Origin::Default) => LogLevel::parse("error").unwrap_or(*config.log_level),
        _ => *config.log_level,
    };
    logs::start(*config.log_format, level);
    let ended = match &cli.command {
        Command::Lab { names, register_at_once, command } => {
            let data = cli.flags.data.as_ref().map(Into::into);
            let (names, register_at_once, command) = (*names, *register_at_once, command.clone());
            let options = lab::Options { data, names, register_at_once, command };
            return lab::run(&options, std::env::vars_os()).map(ExitCode::from);
        }
        Command::Config { action } => Ok(config::answer(&config, action)),
        Command::Tour { mail, files, keep, json } => {
            let data = cli.flags.data.as_ref().map(Into::into);
            let options =
                Options { mail: mail.clone(), files: files.clone(), data, keep: *keep, json: *json };
            Ok(Answer { text: String::new(), exit: tour::run(&options)? })
        }
        Command::Serve { .. } => {
            lab::refuse_inside(std::env::vars_os())?;
            serve::run(&config)
        }
        Command::Tenant { action } => commands::tenant::answer(&config, action),
        Command::Token(token) => commands::token::answer(&config, token),
        Command::Enrol(enrol) => commands::enrol::answer(&config, enrol),
        Command::Vault { action } => commands::vault::answer(&config, action),
        Command::Directory { action } => commands::directory::answer(&config, action),
        Command::Subscription { action } => commands::directory::subscription(&config, action),
        Command::People { action } => commands::people::answer(&config, action),
        Command::Import(import) => commands::import::answer(&config, import),
        Command::List(list) => commands::list::answer(&config, list),
        Command::Read(read) => object::read(&config, read),
        Command::Overwrite(overwrite) => object::overwrite(&config, overwrite),
        Command::Delete(delete) => object::delete(&config, delete),
        Command::Doctor { json } => Ok(doctor::answer(&config, &SystemClock, *json)),
    };
    let answer = ended?;
    match tell(&answer.text) {
        Err(failure) if failure.exit != Exit::Ok => Err(failure),
        _ => Ok(answer.exit.into()),
    }
}
