//! COMMAND: what its environment is made of, how it is started, and how it ends.
//!
//! Owns the list of what COMMAND does not inherit. A variable that would send a client elsewhere, sign it in as somebody
//! else or switch verification off is dropped, whatever it holds.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::signals::Signals;

/// How long COMMAND may take to end after it was asked to.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// What a shell says of a command that is not there.
const NOT_FOUND: u8 = 127;
/// What a shell says of a command that cannot be started.
const NOT_STARTED: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;

/// What names of variables begin with that COMMAND does not inherit.
const DROPPED: &[&str] = &[
    "AZURE_",
    "ARM_",
    "FREEHOLD_",
    "IDENTITY_",
    "MSI_",
    "IMDS_",
    "MSAL_",
    "XDG_",
    "SSL_CERT_",
    "NODE_EXTRA_",
    "CURL_",
    "DBUS_",
    "ACTIONS_",
    "TF_",
    "GIT_SSL_",
];
/// Other variables that COMMAND does not inherit, in upper case; they are compared without case.
const DROPPED_WHOLE: &[&str] = &[
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "PYTHONHTTPSVERIFY",
    "SSLKEYLOGFILE",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PIP_CERT",
    "NIX_SSL_CERT_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "AWS_CA_BUNDLE",
];

/// COMMAND did not start.
#[derive(Debug, thiserror::Error)]
#[error("{command}: {why}")]
pub(super) struct NotStarted {
    command: String,
    why: io::Error,
}

impl NotStarted {
    /// The exit status, as a shell has it.
    pub(super) fn status(&self) -> u8 {
        if self.why.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED }
    }
}

/// What COMMAND inherits of an environment.
pub(super) fn inherited(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    environment.filter(|(name, _)| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        !DROPPED.iter().any(|dropped| name.starts_with(dropped)) && !DROPPED_WHOLE.contains(&name.as_str())
    })
}

/// COMMAND as it runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Whether it has a process group of its own, so that what it started is reached too.
    group: bool,
}

impl Running {
    /// Starts COMMAND with exactly this environment.
    ///
    /// At a terminal it stays in our process group, which Ctrl-C reaches as a whole; elsewhere it gets one of its own.
    pub(super) fn start(
        command: &[OsString],
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, NotStarted> {
        let (program, arguments) =
            command.split_first().expect("the command line asks for one word at least");
        let group = !io::stdin().is_terminal();
        let mut spawned = Command::new(program);
        // The program is looked for on the PATH that it gets itself.
        spawned.args(arguments).env_clear().envs(environment);
        if group {
            spawned.process_group(0);
        }
        let child = spawned.spawn();
        let child =
            child.map_err(|why| NotStarted { command: Path::new(program).display().to_string(), why })?;
        Ok(Self { child, group })
    }

    /// Waits for its end; a signal to us is passed on, and after [`PATIENCE`], or at a second one, it is killed.
    pub(super) async fn end(mut self, signals: &mut Signals) -> io::Result<u8> {
        let pid = Pid::from_child(&self.child);
        let group = self.group;
        let send = move |signal| {
            // Who has ended meanwhile needs no signal.
            let _ = if group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
        };
        let mut waiting = tokio::task::spawn_blocking(move || self.child.wait());
        let signal = loop {
            tokio::select! {
                ended = &mut waiting => return Ok(status(ended.map_err(io::Error::other)??)),
                // At a terminal COMMAND has heard Ctrl-C as we did, and knows best what it means there.
                signal = signals.stop() => if group || signal != "SIGINT" { break signal },
            }
        };
        send(if signal == "SIGINT" { Signal::INT } else { Signal::TERM });
        let ended = tokio::select! {
            ended = &mut waiting => Some(ended),
            _ = signals.stop() => None,
            () = tokio::time::sleep(PATIENCE) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                send(Signal::KILL);
                waiting.await
            }
        };
        Ok(status(ended.map_err(io::Error::other)??))
    }
}

/// The exit status as a shell has it.
fn status(ended: ExitStatus) -> u8 {
    let code = ended.code().or_else(|| Some(SIGNALLED + ended.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_STARTED)
}

/// One variable of COMMAND's environment.
pub(super) fn set(name: &str, value: impl AsRef<OsStr>) -> (OsString, OsString) {
    (name.into(), value.as_ref().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lead_out_of_the_lab_or_switch_verification_off_is_not_inherited() {
        let names = [
            "PATH",
            "LANG",
            "TERM",
            "AZURE_CLIENT_SECRET",
            "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION",
            "FREEHOLD_DATA",
            "https_proxy",
            "ALL_PROXY",
            "HOME",
            "XDG_CACHE_HOME",
            "SSL_CERT_DIR",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "IDENTITY_ENDPOINT",
        ];
        let kept = inherited(names.iter().map(|name| set(name, "x")));
        let kept: Vec<_> = kept.map(|(name, _)| name.into_string().expect("text")).collect();
        assert_eq!(kept, ["PATH", "LANG", "TERM"]);
    }
}
