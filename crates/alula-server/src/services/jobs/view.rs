//! What clients see of a job.

use alula::Validate;
use alula_jobs::{Job, JobId, JobState, JobSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    Outcome,
    kept::{Outline, status},
};
use crate::time::Timestamp;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobStatus {
    /// It waits for its turn, or for another try.
    Queued,
    /// A provider is asked.
    Running,
    /// There is an answer.
    Succeeded,
    /// There is an error.
    Failed,
    /// Somebody has stopped it.
    Cancelled,
}

impl JobStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What is kept of it.
    pub(crate) fn states(self) -> &'static [JobState] {
        match self {
            Self::Queued => &[JobState::Scheduled, JobState::Queued],
            Self::Running => &[JobState::Running, JobState::Waiting],
            Self::Succeeded => &[JobState::Succeeded],
            Self::Failed => &[JobState::Failed],
            Self::Cancelled => &[JobState::Cancelled],
        }
    }
}

/// How the end of a job is told to its callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Told {
    /// It will be told, or told again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// The receiver did not take it, and is not told again.
    Failed,
}

/// A request that is answered later.
#[derive(Serialize, JsonSchema)]
pub(crate) struct JobView {
    /// Its name.
    #[schemars(with = "String", regex(pattern = r"^job_[0-9a-f]{32}$"))]
    pub(crate) job_id: JobId,
    /// Where it is found.
    url: String,
    /// The endpoint that was asked.
    endpoint: String,
    /// Where it is.
    status: JobStatus,
    /// How often it has begun.
    attempts: u32,
    /// How far it is.
    progress: JobProgress,
    /// When it was accepted.
    created_at: Timestamp,
    /// When it began, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// The status that the plain call would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// The body of its answer, as that of the plain call. Not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    result: Option<Box<RawValue>>,
    /// The body of its error, as that of the plain call. Not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    error: Option<Box<RawValue>>,
    /// What became of telling its `callback_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<Told>,
    /// Whether it survives a restart of the server, as it does unless the database is in memory.
    durable: bool,
}

/// How far a job is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobProgress {
    /// How many of its calls have been answered.
    pub(super) done: u64,
    /// How many calls it makes.
    pub(super) total: u64,
}

impl JobView {
    /// All but its answer, and what became of telling it.
    pub(crate) fn brief(job: &JobSummary, durable: bool) -> Self {
        let outline = Outline::of(job);
        let at = |moment: alula_jobs::Timestamp| Timestamp::from_millis(moment.as_millis());
        // That of a job of several steps is told in steps.
        let progress = match job.steps {
            (done, total) if total > 1 => JobProgress { done: done.into(), total: total.into() },
            _ => JobProgress { done: outline.done(job), total: outline.calls },
        };
        Self {
            job_id: job.id,
            url: url(job.id),
            endpoint: outline.endpoint.to_owned(),
            status: status(job.state),
            attempts: job.attempts,
            progress,
            created_at: at(job.created_at),
            started_at: job.started_at.map(at),
            finished_at: job.finished_at.map(at),
            http_status: None,
            result: None,
            error: None,
            callback: None,
            durable,
        }
    }

    /// All of it.
    pub(crate) fn whole(job: &Job, callback: Option<Told>, durable: bool) -> Self {
        let brief = Self { callback, ..Self::brief(job, durable) };
        let Some(outcome) = outcome(job) else { return brief };
        let http_status = Some(outcome.status());
        match outcome.is_success() {
            true => Self { http_status, result: Some(outcome.into_body()), ..brief },
            false => Self { http_status, error: Some(outcome.into_body()), ..brief },
        }
    }
}

/// What the plain call would have been answered with, if the job has ended with an answer.
pub(super) fn outcome(job: &Job) -> Option<Outcome> {
    if let Ok(Some(outcome)) = job.result() {
        return Some(outcome);
    }
    // A worker that is gone has left no answer.
    (job.state == JobState::Failed).then(Outcome::lost)
}

/// Where a job is found.
pub(crate) fn url(id: JobId) -> String {
    format!("/jobs/{id}")
}
