use std::{collections::BTreeMap, process, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Shared, Worker,
    cron::Times,
    dispatch::Lane,
    event::{Event, Observer},
    mistakes::{DAY, WorkerError},
    schedule::Schedule,
};
use crate::{
    Handler, NewJob, Queue,
    store::{QueueLimits, Retention},
};

/// How many jobs of a queue a worker does at once by default.
const CONCURRENCY: u32 = 16;
const LEASE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_secs(5);

/// How a worker is to be. Its mistakes are told all at once, when it is built.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::{
///     Failure, Handler, JobContext, NewJob, Queue, QueueLimits, Rate, Sqlite, Step, Worker,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let queue = Queue::new(Sqlite::in_memory().await?);
/// let clean = Handler::new("clean.v1", async |_: (), _: JobContext| Ok::<_, Failure>(()));
/// let mail = Handler::new("mail.v1", async |to: String, _: JobContext| Ok::<_, Failure>(to));
/// let rate = Rate { count: 10, per: Duration::from_secs(1) };
///
/// let worker = Worker::builder(&queue)
///     .schedule("clean", "0 3 * * *", NewJob::new(clean.step(), &())?)
///     .handler(clean)
///     .handler(mail.queue("mail"))
///     .concurrency("mail", 4)
///     .limits("mail", QueueLimits { rate: Some(rate), ..QueueLimits::default() })
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct WorkerBuilder {
    queue: Queue,
    pub(super) handlers: Vec<Handler>,
    pub(super) concurrency: BTreeMap<String, u32>,
    pub(super) limits: BTreeMap<String, QueueLimits>,
    pub(super) lease: Duration,
    pub(super) poll: Duration,
    flush: Duration,
    retention: Retention,
    pub(super) schedules: Vec<(String, String, NewJob)>,
    observer: Observer,
}

impl WorkerBuilder {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            handlers: Vec::new(),
            concurrency: BTreeMap::new(),
            limits: BTreeMap::new(),
            lease: LEASE,
            poll: POLL,
            flush: FLUSH,
            retention: Retention::default(),
            schedules: Vec::new(),
            observer: Observer::default(),
        }
    }

    /// Does the steps of this handler. Those of handlers that it does not have are left to other
    /// workers.
    pub fn handler(self, handler: Handler) -> Self {
        self.handlers([handler])
    }

    /// Does the steps of these handlers.
    pub fn handlers(mut self, handlers: impl IntoIterator<Item = Handler>) -> Self {
        self.handlers.extend(handlers);
        self
    }

    /// Does so many jobs of this queue at once, 16 by default. The queues of its handlers need not
    /// be named.
    pub fn concurrency(mut self, queue: impl Into<String>, count: u32) -> Self {
        self.concurrency.insert(queue.into(), count);
        self
    }

    /// What holds for this queue over all workers of all processes. Each of them should be told the
    /// same.
    pub fn limits(mut self, queue: impl Into<String>, limits: QueueLimits) -> Self {
        self.limits.insert(queue.into(), limits);
        self
    }

    /// For how long a job is the worker's that took it, unless that renews it, which it does in
    /// every third of this: 30 seconds by default, at least 100 ms, at most a day.
    ///
    /// A job of a worker that was killed is tried again after so long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How often the worker looks for jobs of which it has not heard: every second by default, and
    /// at least once a day. It hears at once of those that this process enqueues, and of others as
    /// far as the store tells of them.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// How long a stop waits after its deadline for the store to know of every end: 5 seconds by
    /// default. What it does not know then is done again when the leases have run out.
    pub fn flush(mut self, flush: Duration) -> Self {
        self.flush = flush.min(DAY);
        self
    }

    /// How long jobs are kept that have ended.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Enqueues this job at all times that match a specification of cron, in UTC: five fields, or
    /// six with the seconds first. Of the times that were missed, as nobody worked, one is made up
    /// for.
    ///
    /// Workers of the same schedule enqueue it once together. Give the job a
    /// [unique key](NewJob::unique) if it must not run beside itself.
    pub fn schedule(
        mut self,
        name: impl Into<String>,
        spec: impl Into<String>,
        job: NewJob,
    ) -> Self {
        self.schedules.push((name.into(), spec.into(), job));
        self
    }

    /// Tells what happens, for metrics. It is called from the tasks of the worker, and must not
    /// block.
    pub fn observe(mut self, observe: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// The worker.
    ///
    /// # Errors
    ///
    /// If there is a mistake in it; all of them are named.
    pub fn build(self) -> Result<Worker, WorkerError> {
        let mut mistakes = self.mistakes();
        let lanes = self.lanes();
        let now = self.queue.time().now();
        let mut schedules = Vec::new();
        for (name, spec, job) in self.schedules {
            match Times::parse(&spec, now) {
                Ok(times) => schedules.push(Schedule { name, spec, times, job }),
                Err(error) => {
                    mistakes.push(format!("the times `{spec}` of its schedule `{name}`: {error}"));
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(WorkerError::new(mistakes));
        }
        let handlers = self.handlers.into_iter();
        let handlers = handlers.map(|handler| (handler.name().to_owned(), handler)).collect();
        let shared = Shared {
            queue: self.queue,
            id: format!("{}-{}", process::id(), Uuid::now_v7().simple()),
            handlers,
            lanes,
            lease: self.lease,
            poll: self.poll,
            flush: self.flush,
            retention: self.retention,
            observer: self.observer,
            registry: Arc::default(),
            stopping: CancellationToken::new(),
        };
        Ok(Worker { shared: Arc::new(shared), schedules })
    }

    /// The queues that it takes jobs from.
    fn lanes(&self) -> Vec<Lane> {
        let named = self.concurrency.keys().chain(self.limits.keys()).map(String::as_str);
        let mut names: Vec<&str> =
            self.handlers.iter().map(Handler::queue_name).chain(named).collect();
        names.sort_unstable();
        names.dedup();
        let lane = |name: &str| {
            let count = self.concurrency.get(name).copied().unwrap_or(CONCURRENCY);
            Lane {
                name: name.to_owned(),
                limits: self.limits.get(name).copied().unwrap_or_default(),
                slots: Arc::new(Semaphore::new(count as usize)),
            }
        };
        names.into_iter().map(lane).collect()
    }
}
