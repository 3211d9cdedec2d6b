//! Requests that are answered later.
//!
//! They are kept in this process: a restart loses them, and a second process does not know of
//! them. What takes their place later keeps the interface of [`Jobs`].

mod deferrable;
mod follow;
mod id;
mod job;
mod outcome;
mod prefer;
mod store;
mod view;
mod webhook;
mod work;

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use alula::{ApiError as _, HttpError, Result, Shutdown};
use alula_jobs::webhook::{ClientError, WebhookUrl};
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

pub(crate) use self::{
    deferrable::{Deferrable, deferrable},
    follow::follow,
    id::JobId,
    job::{Job, NewJob, Status as JobStatus},
    outcome::Outcome,
    prefer::{Prefer, wants_job, wrong_callback},
    view::JobView,
    webhook::{JobEnded, WebhookSettings},
    work::Work,
};
use self::{
    job::{State, Status, Told},
    store::{Full, Store},
    webhook::{End, Webhooks},
};
use super::{admission::Caller, keys::Keys};
use crate::{config::Config, logging::REQUEST};

/// How many jobs there may be, and what of them is kept.
#[derive(Debug, Clone)]
pub(crate) struct JobLimits {
    /// How many run at once.
    pub(crate) running_max: usize,
    /// How many wait for their turn.
    pub(crate) queued_max: usize,
    /// How many of one key have not ended.
    pub(crate) per_key_max: usize,
    /// How many are kept that have ended.
    pub(crate) kept_max: usize,
    /// For how long they are kept.
    pub(crate) kept: Duration,
    /// How many bytes requests and answers have together. An answer that comes may go beyond, until
    /// the next job comes or ends.
    pub(crate) bytes_max: usize,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            running_max: 16,
            queued_max: 1_000,
            per_key_max: 250,
            kept_max: 10_000,
            kept: Duration::from_secs(24 * 3600),
            bytes_max: 256 << 20,
        }
    }
}

/// How often it is looked whether a job has become too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Seconds until there may be a place for a job again.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The jobs of this process. Clones are the same.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Inner>);

struct Inner {
    limits: JobLimits,
    keys: Keys,
    shutdown: Shutdown,
    /// Whether all requests come to this process.
    is_alone: bool,
    store: Mutex<Store>,
    /// Places for those that wait for their turn.
    waiting: Arc<Semaphore>,
    running: Semaphore,
    /// Nothing without a secret to sign with.
    webhooks: Option<Webhooks>,
    jobs_lost: AtomicUsize,
    webhooks_lost: AtomicUsize,
}

impl Jobs {
    /// No jobs yet. `is_alone` says whether all requests come to this process.
    ///
    /// # Errors
    ///
    /// If webhooks cannot be sent.
    pub(crate) fn new(
        config: &Config,
        keys: Keys,
        shutdown: Shutdown,
        is_alone: bool,
    ) -> Result<Self, ClientError> {
        let places = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        let limits = config.jobs.clone();
        Ok(Self(Arc::new(Inner {
            waiting: Arc::new(places(limits.queued_max)),
            running: places(limits.running_max),
            webhooks: Webhooks::new(&config.webhooks)?,
            limits,
            keys,
            shutdown,
            is_alone,
            store: Mutex::default(),
            jobs_lost: AtomicUsize::new(0),
            webhooks_lost: AtomicUsize::new(0),
        })))
    }

    /// Forgets jobs when they are old enough, until the server stops.
    pub(crate) fn start(&self) {
        tracing::info!("jobs are kept in this process: they do not survive a restart");
        let jobs = self.clone();
        self.0.shutdown.spawn(async move {
            let stopping = jobs.0.shutdown.stopping();
            tokio::pin!(stopping);
            loop {
                tokio::select! {
                    () = &mut stopping => return,
                    () = tokio::time::sleep(SWEEP_INTERVAL) => jobs.store().sweep(&jobs.0.limits),
                }
            }
        });
    }

    /// Says what the end of the server has lost.
    pub(crate) fn close(&self) {
        let jobs = self.0.jobs_lost.load(Relaxed) + self.store().unfinished();
        let webhooks = self.0.webhooks_lost.load(Relaxed);
        if jobs > 0 || webhooks > 0 {
            tracing::warn!(jobs, webhooks, "lost by the stop: jobs are kept in one process only");
        }
    }

    /// Takes a job and begins with it when its turn has come.
    ///
    /// # Errors
    ///
    /// What is wrong with its request; 501 where a job would be found by some requests only, 429
    /// where its key has enough of them, and 503 where there is no place for another one.
    pub(crate) async fn submit(&self, new: NewJob) -> Result<Arc<Job>> {
        self.check_alone()?;
        new.work.check(&new.caller, &new.conversations).await?;
        let place = self.place()?;
        let caller = new.caller.clone();
        let job = Arc::new(Job::new(new));
        let inserted = self.store().insert(job.clone(), &self.0.limits);
        inserted.map_err(no_room)?;
        self.carry_out(job.clone(), 1, caller, place);
        Ok(job)
    }

    /// How many there are of each status.
    pub(crate) fn counts(&self) -> [(&'static str, usize); 5] {
        let mut counts = Status::ALL.map(|status| (status.as_str(), 0));
        for job in self.store().before(None) {
            if let Some((_, count)) = counts.get_mut(job.status() as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// A caller's own job.
    pub(crate) fn get(&self, caller: &Caller, id: &str) -> Result<Arc<Job>> {
        let id: Option<JobId> = id.parse().ok();
        let mut store = self.store();
        store.sweep(&self.0.limits);
        let found = id.and_then(|id| store.get(id)).filter(|job| job.owner == caller.owner());
        found.cloned().ok_or_else(no_such_job)
    }

    /// A caller's own jobs, the last first: at most so many, of those before `before`. Also, whether
    /// there are more.
    pub(crate) fn list(
        &self,
        caller: &Caller,
        status: Option<Status>,
        before: Option<JobId>,
        limit: usize,
    ) -> (Vec<Arc<Job>>, bool) {
        let mut store = self.store();
        store.sweep(&self.0.limits);
        let is_asked_for = |job: &&Arc<Job>| {
            job.owner == caller.owner() && status.is_none_or(|status| job.status() == status)
        };
        let mut found: Vec<_> =
            store.before(before).filter(is_asked_for).take(limit + 1).cloned().collect();
        let has_more = found.len() > limit;
        found.truncate(limit);
        (found, has_more)
    }

    /// Stops a job that has not ended. Its provider is asked no longer.
    ///
    /// # Errors
    ///
    /// 409 for one that has ended otherwise.
    pub(crate) fn cancel(&self, job: &Arc<Job>) -> Result<()> {
        let ended = {
            let mut store = self.store();
            store.end(job, job.state().run, Status::Cancelled, None, &self.0.limits)
        };
        match (ended, job.status()) {
            (Some(ended), _) => self.announce(job, &ended),
            (None, Status::Cancelled) => {}
            (None, status) => {
                return Err(HttpError::conflict(format!("The job has {}", status.as_str())));
            }
        }
        Ok(())
    }

    /// Does a job once more that has failed or was cancelled, for whoever asks for that now.
    ///
    /// # Errors
    ///
    /// 409 for another one; else as [`submit`](Self::submit).
    pub(crate) fn retry(&self, caller: &Caller, job: &Arc<Job>) -> Result<()> {
        let place = self.place()?;
        let run = {
            let mut store = self.store();
            store.check_key(job, &self.0.limits).map_err(no_room)?;
            store.queue_again(job)
        };
        let run = run.ok_or_else(|| match job.status() {
            Status::Failed | Status::Cancelled => no_such_job(),
            status => HttpError::conflict(format!(
                "The job is {}, and not failed or cancelled",
                status.as_str()
            )),
        })?;
        self.carry_out(job.clone(), run, caller.clone(), place);
        Ok(())
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

    fn check_alone(&self) -> Result<()> {
        match self.0.is_alone {
            true => Ok(()),
            false => Err(HttpError::new(
                501,
                "Jobs are kept in one process, and this server has several: serve with one worker",
            )),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit> {
        if self.0.shutdown.is_stopping() {
            return Err(no_place("The server is shutting down"));
        }
        let place = self.0.waiting.clone().try_acquire_owned();
        place.map_err(|_| no_place("Too many jobs wait for their turn"))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a job when its turn has come, beside the request that asked for it.
    fn carry_out(&self, job: Arc<Job>, run: u32, caller: Caller, place: OwnedSemaphorePermit) {
        let jobs = self.clone();
        // What is logged of it has the id of the request that asked for it.
        let request_id = caller.request_id();
        let span =
            tracing::info_span!(target: REQUEST, parent: None, "job", request_id, job_id = %job.id);
        let work = async move {
            let work = Box::pin(jobs.work(&job, run, &caller, place));
            let outcome = tokio::select! {
                biased;
                () = job.left(run) => return,
                () = jobs.0.shutdown.streams_must_end() => {
                    if jobs.end(&job, run, Status::Cancelled, None) {
                        jobs.0.jobs_lost.fetch_add(1, Relaxed);
                    }
                    return;
                }
                outcome = work => outcome,
            };
            let Some(outcome) = outcome else { return };
            let status = if outcome.is_success() { Status::Succeeded } else { Status::Failed };
            jobs.end(&job, run, status, Some(Arc::new(outcome)));
        };
        self.0.shutdown.spawn(work.instrument(span));
    }

    /// Waits for the turn of a job, and does it. Nothing if it was cancelled before.
    async fn work(
        &self,
        job: &Job,
        run: u32,
        caller: &Caller,
        place: OwnedSemaphorePermit,
    ) -> Option<Outcome> {
        // It is never closed.
        let _running = self.0.running.acquire().await.ok()?;
        drop(place);
        // It may have waited for long.
        let caller = match caller.again(&self.0.keys) {
            Ok(caller) => caller,
            Err(refusal) => return Some(job.work.failed(&refusal.into_http(), caller)),
        };
        if !job.begin(run) {
            return None;
        }
        let step = |done| job.step(run, done);
        let work = job.work.run(&caller, &job.conversations, step);
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        Some(
            outcome.unwrap_or_else(|_| {
                job.work.failed(&HttpError::internal("the job panicked"), &caller)
            }),
        )
    }

    /// Notes the end of a run, unless it is no news, and tells it.
    fn end(&self, job: &Job, run: u32, status: Status, outcome: Option<Arc<Outcome>>) -> bool {
        let ended = self.store().end(job, run, status, outcome, &self.0.limits);
        if let Some(ended) = &ended {
            self.announce(job, ended);
        }
        ended.is_some()
    }

    /// Tells the end of a job, if somebody wants to be told.
    fn announce(&self, job: &Job, ended: &State) {
        if let Some(end) = End::of(job, ended) {
            self.tell(end);
        }
    }

    /// Tells the end of a job until its receiver takes it, while this process lives.
    fn tell(&self, end: End) {
        let jobs = self.clone();
        self.0.shutdown.spawn(async move {
            let (id, run) = (end.id, end.run);
            let (shutdown, outdated) = (&jobs.0.shutdown, end.outdated());
            let Some(webhooks) = &jobs.0.webhooks else { return };
            let told = tokio::select! {
                biased;
                () = outdated => {
                    tracing::info!(job_id = %id, "the end of a job is told no more: it began again, or is forgotten");
                    return;
                }
                told = webhooks.tell(end, shutdown.stopping()) => told,
                () = shutdown.streams_must_end() => Told::Failed,
            };
            if told == Told::Failed && shutdown.is_stopping() {
                jobs.0.webhooks_lost.fetch_add(1, Relaxed);
            }
            if let Some(job) = jobs.store().get(id) {
                job.note(run, told);
            }
        });
    }
}

fn no_such_job() -> HttpError {
    HttpError::not_found("There is no such job")
}

fn no_room(full: Full) -> HttpError {
    match full {
        Full::Bytes => no_place("Too much is held for jobs that have not ended"),
        Full::Key => HttpError::new(429, "This key has as many jobs that have not ended as it may")
            .retry_after(RETRY_AFTER_SECONDS),
    }
}

fn no_place(detail: &str) -> HttpError {
    HttpError::unavailable(detail).retry_after(RETRY_AFTER_SECONDS)
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfinished = self.store().unfinished();
        f.debug_struct("Jobs").field("unfinished", &unfinished).finish_non_exhaustive()
    }
}
