//! A clock that can hold one call at the moment between its decision and its commit.
//!
//! A call reads the moving clock twice: when it arrives, and when its record is made, which is after everything was decided
//! and done and before the commit. Holding the second reading lets a test change the world in between.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::time::{BoxFuture, Clock, ManualClock, Moment, Timestamp};

#[derive(Debug)]
pub(crate) struct Gate {
    clock: ManualClock,
    planned: Mutex<Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    of: Reading,
    readings: u32,
    reached: Sender<()>,
    released: Receiver<()>,
}

#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Moment,
    Now,
}

/// The other end of a planned hold.
#[derive(Debug)]
pub(crate) struct Hold {
    reached: Receiver<()>,
    release: Sender<()>,
}

impl Gate {
    pub(crate) fn new(clock: ManualClock) -> Arc<Self> {
        Arc::new(Self { clock, planned: Mutex::new(None) })
    }

    /// Holds the next call before its commit.
    pub(crate) fn hold(&self) -> Hold {
        self.plan(Reading::Moment, 2)
    }

    /// Holds a job at its decision: it asks for the time of day to see what is due, and again for each key.
    pub(crate) fn hold_now(&self) -> Hold {
        self.plan(Reading::Now, 2)
    }

    fn plan(&self, of: Reading, readings: u32) -> Hold {
        let (reached, wait) = channel();
        let (release, released) = channel();
        *self.planned.lock().unwrap() = Some(Plan { of, readings, reached, released });
        Hold { reached: wait, release }
    }

    fn read(&self, of: Reading) {
        let mut planned = self.planned.lock().unwrap();
        if let Some(plan) = planned.as_mut().filter(|plan| plan.of == of) {
            plan.readings -= 1;
        }
        if let Some(plan) = planned.take_if(|plan| plan.readings == 0) {
            drop(planned);
            plan.reached.send(()).unwrap();
            plan.released.recv().unwrap();
        }
    }
}

impl Hold {
    /// Waits until the call has come to its commit.
    pub(crate) async fn reached(self) -> Sender<()> {
        let Self { reached, release } = self;
        tokio::task::spawn_blocking(move || reached.recv()).await.unwrap().unwrap();
        release
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        self.read(Reading::Now);
        self.clock.now()
    }

    fn moment(&self) -> Moment {
        self.read(Reading::Moment);
        self.clock.moment()
    }

    fn sleep(&self, by: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(by)
    }
}
