use std::{io, sync::Arc, time::Duration};

use tokio::{
    runtime,
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Shared, attempt,
    dispatch::Dispatcher,
    ends::{self, ENDS_MAX, Ending},
    renew,
    schedule::{self, Schedule},
    upkeep,
};
use crate::handler::Attempt;

/// A worker at work. When it is dropped, its handlers are dropped too, and its jobs wait for their
/// leases to run out: [`stop`](Self::stop) it, therefore.
///
/// ```
/// # use std::time::Duration;
/// # use alula_jobs::{Failure, Handler, JobContext, Queue, Sqlite, Worker};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let queue = Queue::new(Sqlite::in_memory().await?);
/// # let greet = Handler::new("greet.v1", async |_: String, _: JobContext| Ok::<_, Failure>(()));
/// let worker = Worker::builder(&queue).handler(greet).build()?.start()?;
/// let stopped = worker.stop(Duration::from_secs(20)).await;
/// assert_eq!((stopped.released, stopped.unsaved), (0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    loops: TaskTracker,
    attempts: TaskTracker,
    ends: mpsc::Sender<Ending>,
    writer: TaskTracker,
    finish: CancellationToken,
    /// Ends every task at once.
    abort: CancellationToken,
    renewer: Option<oneshot::Receiver<()>>,
}

/// How a worker has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// How many jobs were not done by the deadline, and given back: they count as not tried.
    pub released: usize,
    /// How many ends the store could not be told of. These jobs are tried again when their leases
    /// have run out.
    pub unsaved: usize,
}

impl Running {
    pub(super) fn start(shared: Arc<Shared>, schedules: Vec<Schedule>) -> io::Result<Self> {
        runtime::Handle::try_current().map_err(io::Error::other)?;
        let abort = CancellationToken::new();
        let renewer = renew::start(Arc::clone(&shared), abort.clone())?;
        let (sender, receiver) = mpsc::channel(ENDS_MAX);
        let running = Self {
            loops: TaskTracker::new(),
            attempts: TaskTracker::new(),
            ends: sender,
            writer: TaskTracker::new(),
            finish: CancellationToken::new(),
            abort,
            renewer: Some(renewer),
            shared,
        };
        running.spawn(schedules, receiver);
        Ok(running)
    }

    fn spawn(&self, schedules: Vec<Schedule>, receiver: mpsc::Receiver<Ending>) {
        let shared = || Arc::clone(&self.shared);
        shared().queue.signals().join(&self.shared.registry);
        let write = ends::write(shared(), receiver, self.finish.clone());
        self.writer.spawn(self.abort.clone().run_until_cancelled_owned(write));
        let dispatcher = Dispatcher {
            shared: shared(),
            ends: self.ends.clone(),
            attempts: self.attempts.clone(),
            freed: Arc::new(Notify::new()),
        };
        // It ends by itself, so that it takes nothing without noting it.
        self.loops.spawn(self.abort.clone().run_until_cancelled_owned(dispatcher.run()));
        let stopping = || self.shared.stopping.clone();
        self.loops.spawn(stopping().run_until_cancelled_owned(upkeep::watch(shared())));
        self.loops.spawn(stopping().run_until_cancelled_owned(upkeep::sweep(shared())));
        for schedule in schedules {
            let keep = schedule::keep(shared(), schedule);
            self.loops.spawn(stopping().run_until_cancelled_owned(keep));
        }
    }

    /// The name of this incarnation of the worker, as jobs show it.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Takes nothing new, lets handlers finish for so long, gives the rest back, and returns when
    /// the store knows of every end, or [a while](super::WorkerBuilder::flush) after the deadline.
    /// The store stays open.
    pub async fn stop(mut self, deadline: Duration) -> Stopped {
        self.shared.stopping.cancel();
        self.loops.close();
        self.attempts.close();
        // It is enough that they had the time.
        let _ = timeout(deadline, self.attempts.wait()).await;
        let flush = Instant::now() + self.shared.flush;
        // A claim may just be answered; what it brings is given back.
        let _ = timeout_at(flush, self.loops.wait()).await;
        let released = self.shared.registry.close();
        let flushed = timeout_at(flush, self.give_back(&released)).await;
        let unsaved = self.shared.registry.len();
        if flushed.is_err() {
            tracing::error!("a worker stops without noting how {unsaved} jobs have ended");
        }
        self.abort.cancel();
        if let Some(renewer) = self.renewer.take() {
            let _ = timeout(self.shared.flush, renewer).await;
        }
        Stopped { released: released.len(), unsaved }
    }

    /// Gives jobs back, and waits until every end is written.
    async fn give_back(&self, released: &[Arc<Attempt>]) {
        for attempt in released {
            let claim = &attempt.claim;
            tracing::warn!(
                job_id = %claim.held.id,
                job = claim.step.name,
                "the worker stops: the job is given back",
            );
            let _ = self.ends.send(attempt::released(claim)).await;
        }
        self.finish.cancel();
        self.writer.close();
        self.writer.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.abort.cancel();
        self.shared.registry.close();
    }
}
