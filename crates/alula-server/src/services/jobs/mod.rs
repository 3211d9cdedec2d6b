//! Requests that are answered later, by jobs that are kept in the database.
//!
//! A request is kept with who has asked, and answered by a worker: in this process, or in another
//! one of the same database.

mod answer;
mod batches;
mod deferrable;
mod follow;
mod kept;
mod outcome;
mod prefer;
mod room;
mod store;
mod view;
mod webhook;
mod work;
mod worker;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use alula::{Event, HttpError, Result, Shutdown, Stream, http::StatusCode};
use alula_jobs::{
    Ended, JobId, JobState, JobSummary, NewJob, Queue, StoreError,
    store::{Filter, QueueStats},
    webhook::{ClientError, WebhookUrl},
};
use serde::Serialize;

pub(crate) use self::{
    answer::Answering,
    batches::{AcceptedBatch, BatchLimits, BatchLine, BatchStatus, BatchView, LargeBatch},
    deferrable::{Accepted, Deferrable, deferrable},
    outcome::Outcome,
    prefer::{Prefer, wants_job, wrong_callback},
    store::{failed, open_queue},
    view::{JobStatus, JobView},
    webhook::{BatchEnded, JobEnded, WebhookSettings},
    work::Work,
    worker::{Hands, RUNNING_MAX, WorkerSettings},
};
use self::{room::Waiting, store::open, webhook::Webhooks};
use super::{admission::Caller, chat::Sources, documents};
use crate::config::Config;

/// How many jobs there may be, and what becomes of them.
#[derive(Debug, Clone)]
pub(crate) struct JobLimits {
    /// How many wait for their turn.
    pub(crate) queued_max: usize,
    /// How many of one key have not ended.
    pub(crate) per_key_max: usize,
    /// How often one is tried.
    pub(crate) attempts_max: u32,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// After which time without a sign of its worker a job is another worker's.
    pub(crate) lease: Duration,
    /// For how long jobs are kept that have succeeded or were cancelled.
    pub(crate) kept: Duration,
    /// For how long jobs are kept that have failed.
    pub(crate) failed_kept: Duration,
    /// The largest answer that is kept, in bytes.
    pub(crate) bytes_max: usize,
    pub(crate) batches: BatchLimits,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            queued_max: 100_000,
            per_key_max: 25_000,
            attempts_max: 5,
            timeout: Duration::from_secs(3600),
            lease: Duration::from_secs(30),
            kept: Duration::from_secs(24 * 3600),
            failed_kept: Duration::from_secs(7 * 24 * 3600),
            bytes_max: 16 << 20,
            batches: BatchLimits::default(),
        }
    }
}

/// Seconds until there may be a place for a job again.
const RETRY_AFTER_SECONDS: u64 = 5;
/// The states of jobs that have not ended.
const OPEN: &[JobState] =
    &[JobState::Scheduled, JobState::Queued, JobState::Running, JobState::Waiting];

/// The queues of jobs that a caller may ask for; a job is never in one of them after it was in one
/// behind it.
const VISIBLE: &[&str] = &[answer::QUEUE, documents::QUEUES[0], documents::QUEUES[1]];

/// The jobs of the database. Clones are the same.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Inner>);

struct Inner {
    limits: JobLimits,
    queue: Queue,
    /// Whether they survive this process.
    is_durable: bool,
    /// Nothing without a secret to sign with.
    webhooks: Option<Webhooks>,
    waiting: Waiting,
    /// That of the server, once it serves.
    shutdown: OnceLock<Shutdown>,
}

/// Why there can be no jobs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("webhooks cannot be sent: {0}")]
    Webhooks(#[from] ClientError),
}

impl Jobs {
    /// Opens the database of jobs.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or webhooks cannot be sent.
    pub(crate) async fn open(config: &Config) -> Result<Self, JobsError> {
        let limits = config.jobs.clone();
        let webhooks = Webhooks::new(&config.webhooks)?;
        let (store, is_durable) = open(&config.database).await?;
        let queue = Queue::from(store).args_bytes_max(limits.bytes_max.max(config.body_bytes_max));
        Ok(Self(Arc::new(Inner {
            limits,
            queue,
            is_durable,
            webhooks,
            waiting: Waiting::default(),
            shutdown: OnceLock::new(),
        })))
    }

    /// Takes a job, which is kept when this returns.
    ///
    /// # Errors
    ///
    /// What is wrong with its request; 429 where its key has enough of them, and 503 where too many
    /// wait or the database is away.
    pub(crate) async fn submit(
        &self,
        caller: &Caller,
        sources: &Sources,
        work: Work,
        callback: Option<WebhookUrl>,
    ) -> Result<Accepted> {
        work.check(caller, sources).await?;
        self.check_room(caller, 1).await?;
        let job = self.job(caller, work, callback)?;
        let enqueued = self.0.queue.enqueue(job).await.map_err(failed)?;
        let known = if enqueued.is_new { None } else { self.status(enqueued.id).await };
        let status = known.unwrap_or(JobStatus::Queued);
        Ok(Accepted { id: enqueued.id, status, durable: self.0.is_durable })
    }

    /// A request as a job.
    fn job(&self, caller: &Caller, work: Work, callback: Option<WebhookUrl>) -> Result<NewJob> {
        let job = work.into_job(caller, self.0.limits.attempts_max)?;
        let mut job = job.with_id(caller.new_job_id());
        if let Some((webhooks, url)) = self.0.webhooks.as_ref().zip(callback) {
            job = webhooks.announce(job, &url)?;
        }
        Ok(job)
    }

    /// Whether so many more jobs have a place. Each request of a batch is one.
    async fn check_room(&self, caller: &Caller, more: u64) -> Result<()> {
        let Inner { limits, queue, .. } = &*self.0;
        let requests =
            Filter { queue: Some(answer::QUEUE), with_children: true, ..Filter::default() };
        let of_key = Filter { owner: Some(caller.owner()), states: OPEN, ..requests };
        if caller.key().is_some()
            && queue.count(&of_key).await.map_err(failed)?.total().saturating_add(more)
                > limits.per_key_max as u64
        {
            return Err(HttpError::new(
                429,
                format!("This key may have {} jobs that have not ended", limits.per_key_max),
            )
            .retry_after(RETRY_AFTER_SECONDS));
        }
        let max = limits.queued_max as u64;
        if self.0.waiting.admits(more, max) {
            return Ok(());
        }
        let queued = Filter { states: &[JobState::Queued], ..requests };
        let count = queue.count(&queued).await.map_err(failed)?.total();
        if !self.0.waiting.counted(count, more, max) {
            return Err(HttpError::unavailable("Too many jobs wait for their turn")
                .retry_after(RETRY_AFTER_SECONDS));
        }
        Ok(())
    }

    /// A caller's own job.
    async fn find(&self, caller: &Caller, id: &str) -> Result<JobSummary> {
        let found = self.own(caller, id, VISIBLE).await?;
        found.ok_or_else(no_job)
    }

    /// What a caller has of this name in a queue. The requests of a batch are found by it alone.
    async fn own(&self, caller: &Caller, id: &str, queues: &[&str]) -> Result<Option<JobSummary>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let found = self.0.queue.summary(id).await.map_err(failed)?;
        Ok(found.filter(|job| is_own(job, caller, queues)))
    }

    /// Whether a caller has no such job or batch. While the database is away it may.
    pub(crate) async fn is_gone(&self, caller: &Caller, url: &str) -> bool {
        let found = match url.split_once("/batches/") {
            Some(("", id)) => self.find_batch(caller, id).await,
            _ => self.find(caller, url.strip_prefix("/jobs/").unwrap_or_default()).await,
        };
        found.is_err_and(|error| error.status() == StatusCode::NOT_FOUND)
    }

    /// A caller's own job, as clients see it.
    pub(crate) async fn view(&self, caller: &Caller, id: &str) -> Result<JobView> {
        let id = id.parse().map_err(|_| no_job())?;
        let found = self.0.queue.get(id).await.map_err(failed)?;
        let job = found.filter(|job| is_own(job, caller, VISIBLE)).ok_or_else(no_job)?;
        // Of a document the end is told by other means, to whoever wanted that.
        let told = match job.step.queue == answer::QUEUE {
            true => webhook::told(&self.0.queue, &job).await,
            false => None,
        };
        Ok(JobView::whole(&job, told, self.0.is_durable))
    }

    /// A caller's own jobs, the last first: at most so many, of those behind `after`. Also, whether
    /// there are more.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        status: Option<JobStatus>,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<(Vec<JobView>, bool)> {
        let states = status.map_or(&[][..], JobStatus::states);
        let (found, has_more) = self.page(caller, VISIBLE, states, after, limit).await?;
        let brief = |job: &JobSummary| JobView::brief(job, self.0.is_durable);
        Ok((found.iter().map(brief).collect(), has_more))
    }

    /// What a caller has in some queues, the last first: at most so many, of those behind `after`.
    /// Also, whether there are more.
    async fn page(
        &self,
        caller: &Caller,
        queues: &[&str],
        states: &[JobState],
        after: Option<JobId>,
        limit: u32,
    ) -> Result<(Vec<JobSummary>, bool)> {
        let mut found = Vec::new();
        for queue in queues {
            let filter = Filter {
                owner: Some(caller.owner()),
                queue: Some(queue),
                states,
                after,
                limit: limit.saturating_add(1),
                ..Filter::default()
            };
            found.extend(self.0.queue.list(&filter).await.map_err(failed)?);
        }
        // One that has gone on to the next queue meanwhile was found in both.
        found.sort_unstable_by_key(|job| std::cmp::Reverse((job.id, job.started_at)));
        found.dedup_by_key(|job| job.id);
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    /// The changes of a caller's own job that it has not seen, or nothing if it has seen the end.
    pub(crate) async fn follow(
        &self,
        caller: &Caller,
        id: &str,
        last_event_id: Option<&str>,
    ) -> Result<Option<impl Stream<Item = Event<JobView>> + Send + use<>>> {
        let job = self.find(caller, id).await?;
        Ok(follow::follow(&self.0.queue, &job, self.0.is_durable, last_event_id))
    }

    /// Waits until nobody can be kept waiting any more.
    async fn must_stop(&self) {
        match self.0.shutdown.get() {
            Some(shutdown) => shutdown.streams_must_end().await,
            None => std::future::pending().await,
        }
    }

    /// Where a job is by now; nothing while the database is away.
    async fn status(&self, id: JobId) -> Option<JobStatus> {
        Some(kept::status(self.0.queue.summary(id).await.ok()??.state))
    }

    /// Waits for what a job answers; nothing if it was cancelled, or the database is away.
    async fn outcome(&self, id: JobId) -> Option<Outcome> {
        view::outcome(&self.0.queue.wait(id).await.ok()??)
    }

    /// Stops a job that has not ended. Its provider is asked no longer.
    ///
    /// # Errors
    ///
    /// 409 for one that has ended otherwise.
    pub(crate) async fn cancel(&self, caller: &Caller, id: &str) -> Result<JobView> {
        let job = self.find(caller, id).await?;
        match self.0.queue.cancel(job.id).await.map_err(failed)? {
            Some(state @ (JobState::Succeeded | JobState::Failed)) => {
                Err(HttpError::conflict(format!("The job has {}", state.as_str())))
            }
            _ => self.view(caller, id).await,
        }
    }

    /// Does a job once more that has failed or was cancelled.
    ///
    /// # Errors
    ///
    /// 409 for another one, and for that of a document; else as [`submit`](Self::submit).
    pub(crate) async fn retry(&self, caller: &Caller, id: &str) -> Result<JobView> {
        self.check_room(caller, 1).await?;
        let job = self.find(caller, id).await?;
        if documents::QUEUES.contains(&&*job.step.queue) {
            // How many of them a key may have is for the documents to say.
            let instead = "The job is that of a document: retry the document, or put the file into \
                           the vector store again";
            return Err(HttpError::conflict(instead));
        }
        match self.0.queue.retry(job.id).await.map_err(failed)? {
            Some(JobState::Failed | JobState::Cancelled) | None => self.view(caller, id).await,
            Some(state) => Err(HttpError::conflict(format!(
                "The job is {}, and not failed or cancelled",
                kept::status(state).as_str()
            ))),
        }
    }

    /// Waits for what is being written, and closes the database of jobs.
    pub(crate) async fn close(&self) {
        self.0.queue.close().await;
    }

    /// The queue itself, for jobs that are no requests.
    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// How often a job is tried.
    pub(crate) fn attempts_max(&self) -> u32 {
        self.0.limits.attempts_max
    }

    /// Whether somebody can be told of an end.
    pub(crate) fn tells(&self) -> bool {
        self.0.webhooks.is_some()
    }

    /// Has an address told of the end of a job, once for each `id`. Without a secret to sign with,
    /// which somebody has taken away meanwhile, nothing is told.
    pub(crate) async fn tell(
        &self,
        id: &str,
        url: &str,
        ended: &Ended,
        body: &(impl Serialize + Sync),
    ) -> Result<(), StoreError> {
        let Some(webhooks) = &self.0.webhooks else {
            tracing::warn!(job_id = %ended.job, "nobody is told: ALULA_WEBHOOK_SECRET is gone");
            return Ok(());
        };
        match webhooks.message(id, url, ended, body) {
            Ok(job) => self.0.queue.enqueue(job).await.map(drop),
            Err(error) => {
                tracing::error!(%error, "a message cannot be written");
                Ok(())
            }
        }
    }

    /// How each queue is doing.
    pub(crate) async fn stats(&self) -> Result<Vec<QueueStats>, StoreError> {
        self.0.queue.stats().await
    }

    /// Reads the address that shall be told of an end.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or with this server.
    pub(crate) fn callback(&self, url: &str) -> Result<WebhookUrl, String> {
        match &self.0.webhooks {
            Some(webhooks) => webhooks.parse(url),
            None => Err("this server signs no webhooks: set ALULA_WEBHOOK_SECRET".to_owned()),
        }
    }
}

/// Whether a caller may know of a job by its name alone.
fn is_own(job: &JobSummary, caller: &Caller, queues: &[&str]) -> bool {
    job.owner.as_deref() == Some(caller.owner())
        && queues.contains(&job.step.queue.as_str())
        && job.parent.is_none()
}

fn no_job() -> HttpError {
    HttpError::not_found("There is no such job")
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("queue", &self.0.queue).finish_non_exhaustive()
    }
}
