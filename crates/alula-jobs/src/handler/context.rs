use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;

use super::failure::shortened;
use crate::{
    Clock, JobId, Progress, Queue, Step, Timestamp,
    queue::lock,
    store::{Claim, Held},
};

/// How many bytes the message of a progress may have.
const MESSAGE_BYTES_MAX: usize = 1024;

/// What a handler knows of its job. Clones are of the same attempt.
///
/// ```
/// use alula_jobs::{Failure, Handler, JobContext};
///
/// let count = Handler::new("count.v1", async |to: u64, job: JobContext| {
///     for n in 0..to {
///         job.progress(n, to, "counting");
///     }
///     Ok::<_, Failure>(to)
/// });
/// # assert_eq!(count.step().name, "count.v1");
/// ```
#[derive(Clone)]
pub struct JobContext {
    attempt: Arc<Attempt>,
    queue: Queue,
}

/// One attempt at a step, as the worker and its handler share it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) claim: Arc<Claim>,
    /// The job is no longer this worker's.
    pub(crate) stop: CancellationToken,
    /// What was said since it was last noted.
    progress: Mutex<Option<Progress>>,
}

impl Attempt {
    pub(crate) fn new(claim: Claim) -> Self {
        Self { claim: Arc::new(claim), stop: CancellationToken::new(), progress: Mutex::default() }
    }

    pub(crate) fn take_progress(&self) -> Option<Progress> {
        lock(&self.progress).take()
    }

    /// Gives back what could not be noted, unless there is something newer.
    pub(crate) fn restore_progress(&self, progress: Progress) {
        lock(&self.progress).get_or_insert(progress);
    }
}

impl JobContext {
    pub(crate) fn new(attempt: Arc<Attempt>, queue: Queue) -> Self {
        Self { attempt, queue }
    }

    /// The context of no job, the first attempt at a step of no name: to call a handler in a unit
    /// test. What it says of its progress is not kept.
    ///
    /// ```
    /// use alula_jobs::{JobContext, Queue, Sqlite};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let queue = Queue::new(Sqlite::in_memory().await?);
    /// let job = JobContext::of_no_job(&queue);
    /// assert_eq!((job.attempt(), job.is_cancelled()), (1, false));
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_no_job(queue: &Queue) -> Self {
        let held = Held { id: JobId::new(), token: 1 };
        let claim = Claim::of_no_job(held, Step::new(""), queue.time().now());
        Self::new(Arc::new(Attempt::new(claim)), queue.clone())
    }

    /// The job.
    pub fn id(&self) -> JobId {
        self.attempt.claim.held.id
    }

    /// The step: its name, its queue, and how often it is tried.
    pub fn step(&self) -> &Step {
        &self.attempt.claim.step
    }

    /// The number of the step in its job, from 0.
    pub fn step_number(&self) -> u32 {
        self.attempt.claim.number
    }

    /// The number of this attempt, from 1. From the second on, what the step does outside may have
    /// been done already.
    pub fn attempt(&self) -> u32 {
        self.attempt.claim.attempt
    }

    /// How often the step is tried.
    pub fn max_attempts(&self) -> u32 {
        self.attempt.claim.step.max_attempts
    }

    /// Whose the job is.
    pub fn owner(&self) -> Option<&str> {
        self.attempt.claim.owner.as_deref()
    }

    /// The job whose child it is.
    pub fn parent(&self) -> Option<JobId> {
        self.attempt.claim.parent
    }

    /// What enqueued the job, as a `traceparent` of the W3C's Trace Context, if that
    /// [was said](crate::NewJob::trace).
    pub fn trace(&self) -> Option<&str> {
        self.attempt.claim.trace.as_deref()
    }

    /// When the job was enqueued.
    pub fn created_at(&self) -> Timestamp {
        self.attempt.claim.created_at
    }

    /// Says how far the step is: how much is done, of how much if that is known, and what it is
    /// doing, in at most 1 KiB; an empty message is none.
    ///
    /// It costs next to nothing, and may be called for every item: what was said last is written
    /// down once a second.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, message: &str) {
        let message =
            (!message.is_empty()).then(|| shortened(message.to_owned(), MESSAGE_BYTES_MAX));
        let progress = Progress { done, total: total.into(), message };
        *lock(&self.attempt.progress) = Some(progress);
    }

    /// Whether the job was stopped, or is another worker's now. The handler itself is dropped
    /// then; this is for what it has started, such as code that blocks.
    pub fn is_cancelled(&self) -> bool {
        self.attempt.stop.is_cancelled()
    }

    /// Ready when [`is_cancelled`](Self::is_cancelled) is true.
    pub async fn cancelled(&self) {
        self.attempt.stop.cancelled().await;
    }

    /// What tells the time.
    pub fn clock(&self) -> &Clock {
        self.queue.time()
    }

    /// The queue, to enqueue more. What is enqueued stays so if this attempt fails: give it a
    /// [unique key](crate::NewJob::unique), or return [`Output::children`](crate::Output::children).
    pub fn queue(&self) -> &Queue {
        &self.queue
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = &self.attempt.claim;
        f.debug_struct("JobContext")
            .field("id", &claim.held.id)
            .field("step", &claim.step.name)
            .field("attempt", &claim.attempt)
            .finish_non_exhaustive()
    }
}
