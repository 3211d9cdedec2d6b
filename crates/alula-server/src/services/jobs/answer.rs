//! How a worker answers what was asked.

use std::time::Duration;

use alula::{ApiError as _, otel::traced_attempt};
use alula_jobs::{Backoff, Failure, Handler, JobContext, Step};
use tracing::Instrument as _;

use super::{Outcome, kept::Kept};
use crate::{
    logging::REQUEST,
    services::{
        admission::{Caller, Calls},
        chat::Sources,
        keys::{Keys, Refusal},
    },
};

/// The queue of requests, and the name of their handler.
pub(super) const QUEUE: &str = "requests";
const NAME: &str = "request.v1";

/// The first pause before another attempt; each one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long a key may have to wait for its limits without that being an attempt.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long after a job was enqueued it gives up waiting for the limits of its key.
const LIMIT_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long it takes until keys can be judged again, as long as the database is away.
const AWAY: Duration = Duration::from_secs(5);

/// What workers answer with. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Answering {
    pub(crate) calls: Calls,
    pub(crate) keys: Keys,
    pub(crate) sources: Sources,
}

/// What a request is kept as.
pub(super) fn step(attempts_max: u32) -> Step {
    Step::new(NAME).queue(QUEUE).max_attempts(attempts_max)
}

impl Answering {
    /// What does the jobs of requests. The calls have limits of their own.
    pub(super) fn handler(self, timeout: Duration) -> Handler {
        Handler::new(NAME, move |kept: Kept, job: JobContext| {
            let answering = self.clone();
            async move {
                let (request_id, job_id) = (kept.request_id.clone(), job.id());
                // What is logged of it has the id of the request that asked for it.
                let span = tracing::info_span!(target: REQUEST, "job", request_id, %job_id);
                traced_attempt(&job, answering.answer(kept, &job).instrument(span)).await
            }
        })
        .queue(QUEUE)
        .timeout(timeout)
        .backoff(Backoff::new(PAUSE, PAUSE_MAX))
    }

    async fn answer(&self, kept: Kept, job: &JobContext) -> Result<Outcome, Failure> {
        let Kept { key, request_id, work } = kept;
        let caller = Caller::of_job(&self.calls, &self.keys, key.as_deref(), &request_id, job);
        let caller = match caller.await {
            Ok(caller) => caller,
            Err(Refusal::Away) => return Err(Failure::later(AWAY)),
            Err(refusal) => return ended(work.failed(&refusal.into_http(), &request_id), job),
        };
        let calls = work.calls() as u64;
        let done = |done: usize| job.progress(done as u64, calls, "");
        let outcome = work.run(&caller, &self.sources, done).await;
        match limited(&caller, &outcome, job) {
            Some(wait) => Err(Failure::later(wait)),
            None => ended(outcome, job),
        }
    }
}

/// How long a job waits for the limits of its key, which is no attempt of it.
fn limited(caller: &Caller, outcome: &Outcome, job: &JobContext) -> Option<Duration> {
    let age = job.clock().now() - job.created_at();
    let may_wait = caller.was_limited() && outcome.status() == 429 && age < LIMIT_AGE_MAX;
    let wait = outcome.retry_after().filter(|_| may_wait).map(Duration::from_secs);
    wait.filter(|wait| *wait <= LIMIT_WAIT_MAX)
}

/// An answer, or what follows from there being none.
fn ended(outcome: Outcome, job: &JobContext) -> Result<Outcome, Failure> {
    if outcome.is_success() {
        return Ok(outcome);
    }
    let wait = outcome.retry_after().map(Duration::from_secs);
    let status = outcome.status();
    let told = format!("it was answered with {status}");
    let may_pass = matches!(status, 408 | 429 | 500..);
    let failure = match may_pass && job.attempt() < job.max_attempts() {
        true => Failure::new(told).after(wait.unwrap_or_default()),
        false => Failure::terminal(told),
    };
    Err(failure.result(&outcome)?)
}
