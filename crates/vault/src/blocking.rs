//! Work that would hold up the runtime: private keys are generated and used on the blocking pool, within bounds.
//!
//! Owns the two bounds, how many run and how many may wait, and the refusal of the one too many.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A place for blocking work with a bounded queue before it.
#[derive(Debug)]
pub(crate) struct Blocking {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Too many callers wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Blocking {
    /// Room for `running` at a time, and for `waiting` callers behind them.
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(running + waiting)),
        }
    }

    /// Runs the work on the blocking pool, or refuses at once if the queue is full.
    ///
    /// Work that has begun keeps its place until it is done, also when nobody waits for it any more: otherwise a caller
    /// who hangs up again and again would fill the pool.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Busy)?;
        let running = self.running.clone().acquire_owned().await.expect("the semaphore is never closed");
        let places = (running, admitted);
        let done = spawn_blocking(move || {
            let done = work();
            drop(places);
            done
        });
        match done.await {
            Ok(done) => Ok(done),
            Err(died) if died.is_panic() => std::panic::resume_unwind(died.into_panic()),
            // The runtime is shutting down: nobody is left to tell.
            Err(_) => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn a_caller_who_hangs_up_frees_no_place_before_the_work_is_done() {
        let place = Arc::new(Blocking::new(1, 0));
        let (release, wait) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let place = place.clone();
            async move {
                let work = move || begun.send(()).and_then(|()| wait.recv().map_err(|_| mpsc::SendError(())));
                place.run(work).await.is_ok()
            }
        });
        tokio::task::spawn_blocking(move || begin.recv()).await.expect("it ran").expect("the work has begun");
        first.abort();
        assert!(first.await.is_err());
        assert_eq!(place.run(|| ()).await, Err(Busy));
        release.send(()).expect("the work waits");
        while place.run(|| ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
