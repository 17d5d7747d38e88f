//! The parties of a data folder as processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::freehold;

/// A party in a process of its own; ended when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) said: Vec<String>,
}

impl Process {
    /// Starts it and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let child = freehold(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut process = Self { child, said: Vec::new() };
        for line in BufReader::new(process.child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            if line == "ready" {
                return process;
            }
            process.said.push(line);
        }
        panic!("{arguments:?} ended before it was ready: {:?}", process.said);
    }

    /// The port that the first line about vaults names.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        self.port_of("vaults ")
    }

    /// The port that the line about the service names.
    #[track_caller]
    pub(crate) fn service_port(&self) -> u16 {
        self.port_of("service ")
    }

    #[track_caller]
    fn port_of(&self, party: &str) -> u16 {
        let line = self.said.iter().find(|line| line.starts_with(party)).expect("a line about the party");
        line.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// Asks it to stop and waits; the exit status.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free ports for every party.
pub(crate) fn free_ports() -> [String; 3] {
    ["vault", "availability-vault", "service"].map(|party| format!("--set={party}.listen=127.0.0.1:0"))
}
