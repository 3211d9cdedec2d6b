//! What does the jobs.
//!
//! A worker is a few loops around one [`Registry`] of what it has. The dispatcher takes jobs as
//! there are slots for them and starts their attempts; the ends of these go through a channel to a
//! task that writes many of them at once. On a thread of its own the leases are renewed. Another
//! task looks what is due, and wakes the dispatcher.

mod attempt;
mod builder;
mod cron;
mod dispatch;
mod ends;
mod event;
mod mistakes;
mod outage;
mod registry;
mod renew;
mod running;
mod schedule;
mod upkeep;

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub(crate) use self::registry::Registry;
pub use self::{
    builder::WorkerBuilder,
    event::{Event, Outcome},
    mistakes::WorkerError,
    running::{Running, Stopped},
};
use self::{dispatch::Lane, event::Observer, schedule::Schedule};
use crate::{Handler, Queue, store::Retention};

/// The longest pause between two tries of what the store does not do.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What does the jobs of a queue: handlers, and how many of them work at once.
///
/// Any number of workers, in any number of processes, share the jobs of a store. A job is the
/// worker's that took it as long as that renews its lease; of a worker that was killed it is taken
/// away then, and tried again.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::{Failure, Handler, JobContext, JobState, NewJob, Queue, Sqlite, Worker};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = Handler::new("double.v1", |n: u64, _: JobContext| async move {
///     Ok::<_, Failure>(n * 2)
/// });
/// let queue = Queue::new(Sqlite::in_memory().await?);
/// let job = NewJob::new(double.step(), &3)?.then(double.step());
/// let worker = Worker::builder(&queue).handler(double).concurrency("default", 4).build()?.start()?;
///
/// let id = queue.enqueue(job).await?.id;
/// let job = queue.wait(id).await?.unwrap();
/// assert_eq!((job.state, job.result::<u64>()?), (JobState::Succeeded, Some(12)));
/// worker.stop(Duration::from_secs(20)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    schedules: Vec<Schedule>,
}

/// What all parts of a worker know.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    /// The name of this incarnation: no other one has it, ever.
    id: String,
    handlers: HashMap<String, Handler>,
    lanes: Vec<Lane>,
    lease: Duration,
    poll: Duration,
    flush: Duration,
    retention: Retention,
    observer: Observer,
    registry: Arc<Registry>,
    /// Nothing new is taken.
    stopping: CancellationToken,
}

impl Worker {
    /// A worker of a queue.
    pub fn builder(queue: &Queue) -> WorkerBuilder {
        WorkerBuilder::new(queue.clone())
    }

    /// Begins to work, in the runtime of tokio in which it is called and on a thread of its own.
    ///
    /// # Errors
    ///
    /// If there is no such runtime, or no thread to be had.
    pub fn start(self) -> io::Result<Running> {
        Running::start(self.shared, self.schedules)
    }
}

impl Shared {
    /// The names of its handlers.
    fn names(&self) -> Vec<&str> {
        self.handlers.keys().map(String::as_str).collect()
    }
}
