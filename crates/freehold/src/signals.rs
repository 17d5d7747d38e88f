//! Signals: what ends the process in good order (SIGTERM, SIGINT).
//!
//! SIGHUP is left alone: it ends the process as it always does, unless whoever started it said otherwise (`nohup`).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Listens for signals from the moment it is made; from then on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen; needs a running tokio.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
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
}

/// Runs to the end or until the process is asked to stop; what the work holds is then dropped, and tidied up by that.
///
/// A second signal ends the process at once: the first is not heard while the work waits for a reader or a disk.
pub async fn unless_stopped<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::new(Exit::Ours, error))?;
    let (told, stopped) = tokio::sync::oneshot::channel();
    let watch = tokio::spawn(async move {
        let _ = told.send(signals.stop().await);
        signals.stop().await;
        #[allow(
            clippy::disallowed_methods,
            reason = "no status can be returned while a write hangs, and a kill is next"
        )]
        std::process::exit(Exit::Stopped as i32);
    });
    let outcome = tokio::select! {
        outcome = work => outcome,
        Ok(signal) = stopped => Err(Failure::new(Exit::Stopped, format!("stopped by {signal} before it was done"))),
    };
    watch.abort();
    outcome
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
        // In the same test: a signal is heard by everybody in the process.
        let (tidied, heard) = tokio::sync::oneshot::channel::<()>();
        let work = async {
            let _tidied_when_dropped = tidied;
            kill_process(getpid(), Signal::INT).expect("a signal to ourselves");
            std::future::pending::<Result<(), Failure>>().await
        };
        let stopped = unless_stopped(work).await.expect_err("stopped");
        assert_eq!(stopped.exit, Exit::Stopped);
        assert!(stopped.message.contains("SIGINT"), "{stopped}");
        heard.await.expect_err("dropped");
        assert_eq!(unless_stopped(async { Ok(7) }).await, Ok(7));
    }
}
