//! The handle through which jobs are enqueued, read and stopped.

mod signals;
mod watch;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::value::RawValue;

pub(crate) use self::signals::{Signals, lock};
pub use self::watch::Watch;
use crate::{
    Clock, Counts, Job, JobId, JobState, JobSummary, NewBatch, NewJob, Store, StoreError,
    store::{Enqueued, Filter, QueueStats},
};

/// How many bytes the arguments of a job may have by default: 1 MiB.
const ARGS_BYTES_MAX: usize = 1024 * 1024;
/// How often a watched job is looked at by default, for what other processes do to it.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Jobs: what enqueues them, reads them, and stops them. Clones are the same queue.
///
/// Workers of the same process take what is enqueued through it at once. Let a process have one of
/// them, therefore, and clone it; another one of the same store works too, and is heard of later.
///
/// ```
/// use alula_jobs::{JobState, NewJob, Queue, Sqlite, Step};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = Queue::new(Sqlite::in_memory().await?);
/// let job = NewJob::new(Step::new("greet.v1"), "world")?;
/// let id = queue.enqueue(job).await?.id;
/// assert_eq!(queue.get(id).await?.unwrap().state, JobState::Queued);
///
/// queue.cancel(id).await?;
/// assert_eq!(queue.wait(id).await?.unwrap().state, JobState::Cancelled);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Queue {
    store: Arc<dyn Store>,
    clock: Clock,
    args_bytes_max: usize,
    watch_interval: Duration,
    signals: Arc<Signals>,
}

impl Queue {
    /// The queue of a store.
    pub fn new(store: impl Store) -> Self {
        Self::from(Arc::new(store) as Arc<dyn Store>)
    }

    /// Tells the time by this clock. It is [`Clock::system`] by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many bytes the arguments and the result of a job may have: 1 MiB by default. Arguments
    /// name what is large; they do not hold it.
    #[must_use]
    pub fn args_bytes_max(mut self, bytes: usize) -> Self {
        self.args_bytes_max = bytes;
        self
    }

    /// How often a watched job is looked at, for what other processes do to it: every 250 ms by
    /// default. What this process does is known at once.
    #[must_use]
    pub fn watch_interval(mut self, interval: Duration) -> Self {
        self.watch_interval = interval;
        self
    }

    /// Enqueues a job. Once it returns, the job is kept.
    ///
    /// # Errors
    ///
    /// If the arguments are too large, or the store cannot be used. In the second case the job may
    /// be there nevertheless; to enqueue a clone of it again does no harm.
    pub async fn enqueue(&self, job: NewJob) -> Result<Enqueued, StoreError> {
        let id = job.id;
        let enqueued = self.enqueue_all(vec![job]).await?;
        // There is an answer for each.
        Ok(enqueued.first().copied().unwrap_or(Enqueued { id, is_new: true }))
    }

    /// Enqueues all of these jobs, or none. The answers are in their order.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, StoreError> {
        self.check_all(&jobs)?;
        let now = self.clock.now();
        let enqueued = self.store.enqueue(&jobs, now).await?;
        self.announce(&jobs);
        Ok(enqueued)
    }

    /// Enqueues many jobs with one progress, and what follows them. Returns the job that waits for
    /// them all.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub async fn batch(&self, batch: NewBatch) -> Result<JobId, StoreError> {
        self.check_args(&batch.job.args)?;
        self.check_all(&batch.children)?;
        self.store.enqueue_batch(&batch, self.clock.now()).await?;
        self.announce(&batch.children);
        Ok(batch.id())
    }

    /// A job; nothing if there is none of this name.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.store.get(id).await
    }

    /// A job without its contents, which are not read; nothing if there is none of this name.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn summary(&self, id: JobId) -> Result<Option<JobSummary>, StoreError> {
        self.store.summary(id).await
    }

    /// Jobs, the last first, without their contents, which are not read.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn list(&self, filter: &Filter<'_>) -> Result<Vec<JobSummary>, StoreError> {
        self.store.list(filter).await
    }

    /// Jobs with their arguments and results, the last first. All of them are in memory at once:
    /// let the `limit` of the filter be small where they may be large.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn list_whole(&self, filter: &Filter<'_>) -> Result<Vec<Job>, StoreError> {
        self.store.list_whole(filter).await
    }

    /// How many jobs there are of each state.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn count(&self, filter: &Filter<'_>) -> Result<Counts, StoreError> {
        self.store.count(filter).await
    }

    /// Stops a job and its children, whatever they are doing. Returns its state before; nothing if
    /// there is none of this name.
    ///
    /// A handler in this process is dropped at once, one in another when its worker renews its
    /// lease: within a third of it.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn cancel(&self, id: JobId) -> Result<Option<JobState>, StoreError> {
        let Some(cancelled) = self.store.cancel(id, self.clock.now()).await? else {
            return Ok(None);
        };
        if !cancelled.stopped.is_empty() {
            self.signals.cancelled(&cancelled.stopped);
            // Something may follow.
            self.signals.wake();
        }
        Ok(Some(cancelled.before))
    }

    /// Queues a job again that has failed or was cancelled, at the step where it was, with those of
    /// its children and theirs that have; of a batch, these. A child whose unique key another job
    /// has stays as it is. Returns the state before; nothing if there is none of this name.
    ///
    /// # Errors
    ///
    /// If the store cannot be used, or another job has the unique key of this one.
    pub async fn retry(&self, id: JobId) -> Result<Option<JobState>, StoreError> {
        let before = self.store.retry(id, self.clock.now()).await?;
        if before.is_some() {
            self.signals.changed(id);
            self.signals.wake();
        }
        Ok(before)
    }

    /// How each queue is doing.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn stats(&self) -> Result<Vec<QueueStats>, StoreError> {
        self.store.stats(self.clock.now()).await
    }

    /// Waits until a job has ended, and returns it; nothing if there is none of this name.
    ///
    /// # Errors
    ///
    /// If the store cannot be used.
    pub async fn wait(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        loop {
            let mut watch = self.watch(id);
            while watch.next().await?.is_some() {}
            match self.get(id).await? {
                // Somebody has had it begin anew.
                Some(job) if !job.state.is_final() => {}
                ended => return Ok(ended),
            }
        }
    }

    /// A job as it changes, without its contents.
    pub fn watch(&self, id: JobId) -> Watch {
        Watch::new(self.clone(), id)
    }

    /// Waits for what is being written, and closes the store, for all clones.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// What tells the time.
    pub fn time(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// Whether arguments or a result may be kept.
    pub(crate) fn check_args(&self, args: &RawValue) -> Result<(), StoreError> {
        let (bytes, limit) = (args.get().len(), self.args_bytes_max);
        match bytes <= limit {
            true => Ok(()),
            false => Err(StoreError::TooLarge { what: "arguments", bytes, limit }),
        }
    }

    pub(crate) fn check_all(&self, jobs: &[NewJob]) -> Result<(), StoreError> {
        jobs.iter().try_for_each(|job| self.check_args(&job.args))
    }

    /// Tells the workers of this process what was enqueued.
    pub(crate) fn announce(&self, jobs: &[NewJob]) {
        if jobs.iter().any(|job| job.delay.is_zero()) {
            self.signals.wake();
        }
        let now = self.clock.now();
        for delay in jobs.iter().map(|job| job.delay).filter(|delay| !delay.is_zero()) {
            self.signals.alarm(now + delay);
        }
    }
}

impl From<Arc<dyn Store>> for Queue {
    fn from(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            args_bytes_max: ARGS_BYTES_MAX,
            watch_interval: WATCH_INTERVAL,
            signals: Arc::default(),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("store", &self.store)
            .field("clock", &self.clock)
            .field("args_bytes_max", &self.args_bytes_max)
            .finish_non_exhaustive()
    }
}
