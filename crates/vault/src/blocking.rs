//! Work that would hold up the runtime: RSA keys are generated and used on the blocking pool, within bounds.
//!
//! Owns the two bounds, how many run and how many may wait, and the refusal of the one too many.

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A place for blocking work with a bounded queue before it.
#[derive(Debug)]
pub(crate) struct Blocking {
    running: Semaphore,
    admitted: Semaphore,
}

/// Too many callers wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Blocking {
    /// Room for `running` at a time, and for `waiting` callers behind them.
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        Self { running: Semaphore::new(running), admitted: Semaphore::new(running + waiting) }
    }

    /// Runs the work on the blocking pool, or refuses at once if the queue is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _admitted = self.admitted.try_acquire().map_err(|_| Busy)?;
        let _running = self.running.acquire().await.expect("the semaphore is never closed");
        match spawn_blocking(work).await {
            Ok(done) => Ok(done),
            Err(died) if died.is_panic() => std::panic::resume_unwind(died.into_panic()),
            // The runtime is shutting down: nobody is left to tell.
            Err(_) => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_one_too_many_is_refused_at_once() {
        let place = Arc::new(Blocking::new(1, 1));
        let (release, wait) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let place = place.clone();
            async move { place.run(move || wait.recv()).await.is_ok() }
        });
        let second = tokio::spawn({
            let place = place.clone();
            async move { place.run(|| ()).await }
        });
        while place.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(place.run(|| ()).await, Err(Busy));
        release.send(()).expect("the first one waits");
        assert!(first.await.expect("it ran"));
        assert_eq!(second.await.expect("it ran"), Ok(()));
    }
}
