//! Signals: what ends the process in good order (SIGTERM, SIGINT) and what makes it read its files again (SIGHUP).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for signals from the moment it is made; from then on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to listen; needs a running tokio.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Completes when the process is asked to stop, and says by which signal.
    ///
    /// Wait for it a second time to hear an impatient second Ctrl-C, and stop without draining.
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Completes when the process is asked to read its certificate again.
    pub async fn reload(&mut self) {
        self.hang_up.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn each_signal_is_heard_and_the_process_lives_on() {
        let mut signals = Signals::listen().expect("signals");
        for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")]
        {
            kill_process(getpid(), signal).expect("a signal to ourselves");
            assert_eq!(signals.stop().await, name);
        }
        kill_process(getpid(), Signal::HUP).expect("a signal to ourselves");
        signals.reload().await;
    }
}
