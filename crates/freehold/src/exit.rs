//! What a command ends with: an answer or a failure, and the exit status that tells a script who must act.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use model::refusal::{Actor, Code, Refusal};
use store::StoreError;
use vault::AdminFault;

use crate::certificates::CertificateFault;
use crate::key_file::KeyFileError;
use crate::listener::ListenError;

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
    /// A signal stopped it before it was done; what shells say of a program that Ctrl-C ended.
    Stopped = 130,
}

/// The statuses as `--help` explains them.
pub const EXIT_HELP: &str = "\
Exit status:
  0  done
  1  refused by the customer, or something asked for cannot be: asking again is useless
  2  the command line or the configuration is wrong
  3  an outage: try again later
  4  our fault, or a part was skipped: the operator must look
  130  stopped by a signal before it was done";

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

impl Failure {
    /// What the system says of a file or folder that the caller named.
    pub fn of_file(path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            let advice = "free space there and run the same command again";
            return Self::new(Exit::Outage, format!("{}: {error}: {advice}", path.display()));
        }
        Self::new(Exit::Refused, format!("{}: {error}", path.display()))
    }

    /// What the system says of a file or folder of our own.
    pub fn of_ours(path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            return full(path.display());
        }
        Self::new(Exit::Ours, format!("{}: {error}", path.display()))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// No space is left: one status and one advice, wherever it is noticed.
fn full(place: impl fmt::Display) -> Failure {
    Refusal::new(Code::DiskFull, format!("{place}: no space is left on the disk")).into()
}

/// Writes text to standard output, without colours when nobody watches.
///
/// A reader that closed the pipe has what it wanted: the command ends with status 0 and without a word.
pub fn tell(text: &str) -> Result<(), Failure> {
    write_all(&mut anstream::stdout(), text.as_bytes())
}

/// Writes content to standard output, byte for byte.
pub fn pour(content: &[u8]) -> Result<(), Failure> {
    write_all(&mut io::stdout(), content)
}

fn write_all(out: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Ok, ""),
        _ => Failure::new(Exit::Ours, format!("what there is to tell could not be written: {error}")),
    })
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code.actor().into(), refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => full("the data folder"),
            StoreError::Locked(_) => Self::new(Exit::Outage, error),
            StoreError::Newer { .. } => Self::new(Exit::Refused, error),
            _ => Self::new(Exit::Ours, error),
        }
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let exit = match &error {
            // Somebody has to stop the other program, or to choose another port.
            ListenError::InUse { .. } => Exit::Refused,
            ListenError::Plain { .. } => Exit::Usage,
            ListenError::Io { error, .. } => match error.kind() {
                io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied => Exit::Usage,
                _ => Exit::Ours,
            },
        };
        Self::new(exit, error)
    }
}

impl From<CertificateFault> for Failure {
    fn from(error: CertificateFault) -> Self {
        let exit = match &error {
            CertificateFault::Name(_)
            | CertificateFault::Half
            | CertificateFault::Stranger
            | CertificateFault::Roots(_) => Exit::Usage,
            CertificateFault::File { .. } | CertificateFault::Making(_) | CertificateFault::Unfit(_) => {
                Exit::Ours
            }
        };
        Self::new(exit, error)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        match &error {
            KeyFileError::Io { path, error } => Self::of_ours(path, error),
            _ => Self::new(Exit::Ours, error),
        }
    }
}

impl From<AdminFault> for Failure {
    fn from(error: AdminFault) -> Self {
        match error {
            AdminFault::Store(error) => error.into(),
            AdminFault::Refused(_) => Self::new(Exit::Refused, error),
            AdminFault::Conflict => Self::new(Exit::Outage, format!("{error}: run the same command again")),
            AdminFault::Exists(_) | AdminFault::Missing(_) => Self::new(Exit::Ours, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::FolderError;

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
        for exit in [Exit::Ok, Exit::Refused, Exit::Usage, Exit::Outage, Exit::Ours, Exit::Stopped] {
            assert!(EXIT_HELP.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }

    #[test]
    fn a_full_disk_is_one_status_and_one_advice_wherever_it_is_noticed() {
        let path = std::path::PathBuf::from("keys/volume.key");
        let io = || io::Error::from(io::ErrorKind::StorageFull);
        for failure in [
            Failure::from(StoreError::Full),
            Failure::from(AdminFault::Store(StoreError::Full)),
            Failure::from(KeyFileError::Io { path: path.clone(), error: io() }),
            Failure::from(FolderError::Io { path: path.clone(), error: io() }),
            Failure::from(FolderError::Store { path: path.clone(), error: StoreError::Full }),
            Failure::from(Refusal::new(Code::DiskFull, "no space is left for objects")),
        ] {
            assert_eq!(failure.exit, Exit::Outage, "{failure}");
            assert!(failure.message.starts_with("FH2003: "), "{failure}");
            assert!(failure.message.ends_with(Code::DiskFull.advice()), "{failure}");
        }
    }

    #[test]
    fn a_full_disk_of_the_callers_own_is_the_same_status_with_the_callers_path() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::of_file(Path::new("out/7.eml"), &full);
        assert_eq!(failure.exit, Exit::Outage);
        assert!(failure.message.starts_with("out/7.eml: "), "{failure}");
    }

    #[test]
    fn a_port_in_use_is_for_whoever_chose_it_and_a_damaged_store_for_the_operator() {
        let address = "127.0.0.1:443".parse().expect("an address");
        let in_use = ListenError::InUse { address, setting: "vault.listen" };
        assert_eq!(Failure::from(in_use).exit, Exit::Refused);
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            Failure::from(ListenError::Io { address, setting: "vault.listen", error }).exit,
            Exit::Usage
        );
        assert_eq!(Failure::from(CertificateFault::Half).exit, Exit::Usage);
        assert_eq!(Failure::from(StoreError::Corrupt("x".into())).exit, Exit::Ours);
        assert_eq!(Failure::from(StoreError::Locked("x".into())).exit, Exit::Outage);
    }
}
