//! The entrance: reads the command line, runs one command, and turns what came of it into an exit status.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use freehold::cli::{Cli, Command};
use freehold::clock::SystemClock;
use freehold::config::Config;
use freehold::exit::{Answer, Failure};
use freehold::{config, doctor, logs};

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
        Ok(answer) => {
            // A reader that closed the pipe early has what it wanted.
            let _ = anstream::stdout().write_all(answer.text.as_bytes());
            answer.exit.into()
        }
        Err(failure) => {
            let _ = writeln!(anstream::stderr(), "freehold: {failure}");
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<Answer, Failure> {
    let config = Config::load(&cli.flags, std::env::vars_os())?;
    logs::start(*config.log_format, *config.log_level);
    match &cli.command {
        Command::Config { action } => Ok(config::answer(&config, action)),
        Command::Doctor { json } => Ok(doctor::answer(&config, &SystemClock, *json)),
    }
}
