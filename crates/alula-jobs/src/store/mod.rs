//! Where jobs are kept.
//!
//! [`Store`] is what a queue and its workers need of a database. [`Sqlite`] and [`Postgres`] are the
//! two there are; one suite of tests holds for both.

mod error;
mod sql;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;

pub use self::{
    error::{StoreError, is_temporary},
    sql::{Postgres, Sqlite},
};
use crate::{
    Counts, Job, JobId, JobState, JobSummary, NewBatch, NewJob, Progress, Step, Timestamp,
};

/// A database of jobs.
///
/// Each call is one transaction: it is made whole or not at all. A call that failed may have been
/// made nevertheless, as an answer can be lost on its way; so each can be made again, and does no
/// harm then. Who calls says what time it is.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Enqueues all of these, or none.
    ///
    /// The answers are in the order of the jobs. A job that is there already is not enqueued again.
    async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<Enqueued>, StoreError>;

    /// Enqueues a job that waits for children, and its children, unless it is there already. If it
    /// has nothing to wait for, it goes on at once.
    async fn enqueue_batch(&self, batch: &NewBatch, now: Timestamp) -> Result<(), StoreError>;

    /// What there is to do, for who has these queues and handlers. It takes no lock.
    async fn look(
        &self,
        queues: &[&str],
        names: &[&str],
        now: Timestamp,
    ) -> Result<Due, StoreError>;

    /// Takes jobs that are queued, those of the highest priority first, and of these the oldest.
    /// Each gets a token that is another one for each time it is taken, and an attempt is counted.
    async fn claim(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Renews the leases of what a worker has, and notes the progress of its jobs.
    ///
    /// It returns what the worker still has of it. Another worker, or nobody, has the rest. What
    /// was taken for a worker that had no answer is not in its list, and so not kept from others.
    async fn renew(
        &self,
        held: &[Held],
        until: Timestamp,
        progress: &[(Held, Progress)],
    ) -> Result<Vec<Held>, StoreError>;

    /// Notes how steps have ended, and enqueues what follows from it in the same transaction.
    ///
    /// It says of each whether it was still the worker's to end: one whose lease was lost changes
    /// nothing.
    async fn finish(&self, ends: &[End], now: Timestamp) -> Result<Vec<bool>, StoreError>;

    /// Queues what was scheduled, and whose time has come: at most so many. Returns how many.
    async fn promote(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError>;

    /// Takes from workers what they do not renew: it is queued again, or given up if its attempts
    /// are spent. Returns how many.
    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Stops a job with its children and theirs. Nothing if there is none.
    async fn cancel(&self, id: JobId, now: Timestamp) -> Result<Option<Cancelled>, StoreError>;

    /// Queues a job again that has failed or was cancelled, at the step where it was, with all its
    /// attempts, and with those of its children and theirs that have; of a batch, these. A child
    /// whose unique key another job has stays as it is. Returns the state of the job before.
    async fn retry(&self, id: JobId, now: Timestamp) -> Result<Option<JobState>, StoreError>;

    /// A job.
    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// A job without its contents, which are not read.
    async fn summary(&self, id: JobId) -> Result<Option<JobSummary>, StoreError>;

    /// Jobs, the last first, without their contents, which are not read.
    async fn list(&self, filter: &Filter<'_>) -> Result<Vec<JobSummary>, StoreError>;

    /// Jobs with their contents, the last first.
    async fn list_whole(&self, filter: &Filter<'_>) -> Result<Vec<Job>, StoreError>;

    /// How many jobs there are of each state. The `after` and `limit` of the filter do not matter.
    async fn count(&self, filter: &Filter<'_>) -> Result<Counts, StoreError>;

    /// How each queue is doing.
    async fn stats(&self, now: Timestamp) -> Result<Vec<QueueStats>, StoreError>;

    /// Notes when the schedule of this name is due next, unless it is known by the same
    /// specification already. Returns when it is due.
    async fn schedule(
        &self,
        name: &str,
        spec: &str,
        next: Timestamp,
    ) -> Result<Timestamp, StoreError>;

    /// Enqueues the job of a schedule that was due at `was`, and notes that it is due next at
    /// `next`; once, whoever asks for it. Returns whether it was this call.
    async fn fire(
        &self,
        name: &str,
        was: Timestamp,
        next: Timestamp,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Forgets jobs that ended long ago, and children whose parent is forgotten: at most so many.
    /// Returns how many; there may be more until it is none.
    async fn sweep(
        &self,
        retention: &Retention,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Waits until another process may have enqueued something. It may be ready for nothing, and
    /// may never be ready: who waits looks now and then all the same.
    async fn changed(&self);

    /// The same store for another runtime, so that a lease can be renewed while this one is
    /// blocked. When it is closed, this one stays open.
    fn detached(&self) -> Arc<dyn Store>;

    /// Waits for what is being done and closes the connections.
    async fn close(&self);
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The job; that of the same unique key if there is one on its way.
    pub id: JobId,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// What a worker has room for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The incarnation of the worker.
    pub worker: &'a str,
    /// Until when it has what it takes, unless it renews it.
    pub until: Timestamp,
    /// The queues.
    pub queues: &'a [AskQueue<'a>],
    /// The handlers it has. Jobs of others are left to others.
    pub names: &'a [&'a str],
}

/// What a worker has room for in a queue.
#[derive(Debug, Clone, Copy)]
pub struct AskQueue<'a> {
    /// The name of the queue.
    pub name: &'a str,
    /// How many it can begin at once.
    pub count: u32,
    /// What all workers together hold to.
    pub limits: QueueLimits,
}

/// What holds for a queue over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLimits {
    /// How many of its jobs run at once; nothing for any number.
    pub running_max: Option<u32>,
    /// How many begin within a time; nothing for any number.
    pub rate: Option<Rate>,
}

/// So many within a time. As many may begin at once; after that they are spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Within which time.
    pub per: Duration,
}

/// A job that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// Which job.
    pub id: JobId,
    /// The token of the claim: whoever has an older one has lost the job.
    pub token: i64,
}

/// What was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The state of the job before.
    pub before: JobState,
    /// What has been stopped, if it had not ended: the job, its children and theirs. The token is
    /// greater than that of every claim that was stopped, and less than that of every later one.
    pub stopped: Vec<Held>,
}

/// A step to do.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which job, by which claim.
    pub held: Held,
    /// What to do.
    pub step: Step,
    /// What is done after it.
    pub rest: Vec<Step>,
    /// With what.
    pub args: Box<RawValue>,
    /// The number of the step, from 0.
    pub number: u32,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Whose the job is.
    pub owner: Option<String>,
    /// The job whose child it is.
    pub parent: Option<JobId>,
    /// Its priority.
    pub priority: i16,
    /// When it could have begun.
    pub run_at: Timestamp,
    /// When the job was enqueued.
    pub created_at: Timestamp,
    /// What enqueued it, as a `traceparent`.
    pub trace: Option<String>,
}

impl Claim {
    /// The first attempt at a job of one step that nobody has enqueued.
    pub(crate) fn of_no_job(held: Held, step: Step, now: Timestamp) -> Self {
        Self {
            held,
            step,
            rest: Vec::new(),
            args: RawValue::NULL.to_owned(),
            number: 0,
            attempt: 1,
            owner: None,
            parent: None,
            priority: 0,
            run_at: now,
            created_at: now,
            trace: None,
        }
    }
}

/// How an attempt has ended.
#[derive(Debug, Clone)]
pub struct End {
    /// What was claimed.
    pub claim: Arc<Claim>,
    /// What follows.
    pub next: Next,
}

/// What follows an attempt.
#[derive(Debug, Clone)]
pub enum Next {
    /// The step has succeeded with this: the next one is queued with it, or the job has succeeded.
    Done(Box<RawValue>),
    /// The step has succeeded, and the next one follows when these have ended.
    Children {
        /// What the next step is called with; the result of the job if there is none.
        result: Box<RawValue>,
        /// The jobs to wait for.
        children: Vec<NewJob>,
    },
    /// It failed, and is tried again at this time, if there are attempts left.
    Retry {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It failed, and another attempt would be in vain.
    Fail {
        /// Why.
        error: String,
        /// What the failure gave nevertheless, as the result of the job.
        result: Option<Box<RawValue>>,
    },
    /// It was no attempt: it begins anew at this time.
    Release {
        /// When.
        at: Timestamp,
    },
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// Something is queued that was asked for.
    pub queued: bool,
    /// Something was scheduled, and its time has come.
    pub scheduled: bool,
    /// A lease was not renewed.
    pub expired: bool,
}

/// Which jobs. By default all that are nobody's children, a hundred of them.
#[derive(Debug, Clone, Copy)]
pub struct Filter<'a> {
    /// Only this owner's.
    pub owner: Option<&'a str>,
    /// Only of this queue.
    pub queue: Option<&'a str>,
    /// Only with a handler of this name.
    pub name: Option<&'a str>,
    /// Only in one of these states; in any if there are none.
    pub states: &'a [JobState],
    /// Only the children of this job. Without it, only jobs that are nobody's children.
    pub parent: Option<JobId>,
    /// Also children, whosever they are. Only where there is no `parent`.
    pub with_children: bool,
    /// Only those behind this one in the list.
    pub after: Option<JobId>,
    /// The first ones first.
    pub oldest_first: bool,
    /// How many, at most.
    pub limit: u32,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Self {
            owner: None,
            queue: None,
            name: None,
            states: &[],
            parent: None,
            with_children: false,
            after: None,
            oldest_first: false,
            limit: 100,
        }
    }
}

/// How a queue is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Its name.
    pub queue: String,
    /// How many jobs it has of each state.
    pub counts: Counts,
    /// How long the oldest that is queued has waited.
    pub oldest: Option<Duration>,
}

/// How long jobs are kept that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Those that succeeded or were cancelled. A day by default.
    pub done: Duration,
    /// Those that failed. A week by default.
    pub failed: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { done: DAY, failed: DAY.saturating_mul(7) }
    }
}
