//! What a command ends with: an answer or a failure, and the exit status that tells a script who must act.

use std::fmt;
use std::process::ExitCode;

use model::refusal::{Actor, Refusal};

/// The exit statuses of every command; their meaning is part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Refused by the customer, or the caller asked for something that cannot be: asking again is useless.
    Refused = 1,
    /// The command line or the configuration is wrong. Clap uses the same number.
    Usage = 2,
    /// An outage, or a bound that is reached now: try again later.
    Outage = 3,
    /// Something of ours is broken, or a part was skipped: the operator must look.
    Ours = 4,
}

/// The statuses as `--help` explains them.
pub const EXIT_HELP: &str = "\
Exit status:
  0  done
  1  refused by the customer, or something asked for cannot be: asking again is useless
  2  the command line or the configuration is wrong
  3  an outage: try again later
  4  our fault, or a part was skipped: the operator must look";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Actor> for Exit {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Customer | Actor::Caller => Self::Refused,
            Actor::Time => Self::Outage,
            Actor::Operator => Self::Ours,
        }
    }
}

/// What a command prints on standard output, and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The whole output; colours in it are taken out when nobody watches.
    pub text: String,
    /// The exit status.
    pub exit: Exit,
}

impl Answer {
    /// An answer of a command that did what it was asked.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Ok }
    }
}

/// Why a command did nothing: printed on standard error after the program's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What happened and what to do; ids and rules, never content or keys.
    pub message: String,
}

impl Failure {
    /// A failure with a status and a message.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code.actor().into(), refusal)
    }
}

#[cfg(test)]
mod tests {
    use model::refusal::Code;

    use super::*;

    #[test]
    fn a_refusal_of_the_customer_and_an_outage_are_two_statuses() {
        let refused = Failure::from(Refusal::new(Code::RefusedByCustomer, "vault a said no"));
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.to_string().starts_with("FH1001: vault a said no"), "{refused}");
        assert_eq!(Failure::from(Refusal::new(Code::Outage, "")).exit, Exit::Outage);
        assert_eq!(Failure::from(Refusal::new(Code::Ours, "")).exit, Exit::Ours);
        assert_eq!(Failure::from(Refusal::new(Code::BadRequest, "")).exit, Exit::Refused);
    }

    #[test]
    fn help_explains_every_status() {
        for exit in [Exit::Ok, Exit::Refused, Exit::Usage, Exit::Outage, Exit::Ours] {
            assert!(EXIT_HELP.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }
}
