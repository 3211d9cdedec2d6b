//! What clients see of a job.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    JobId,
    job::{Job, State, Status, Told},
    outcome::OutcomeBody,
};
use crate::time::Timestamp;

/// A request that is answered later.
#[derive(Serialize, JsonSchema)]
pub(crate) struct JobView {
    /// Its name.
    job_id: JobId,
    /// Where it is found.
    url: String,
    /// The endpoint that was asked.
    endpoint: &'static str,
    /// Where it is.
    status: Status,
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
    result: Option<OutcomeBody>,
    /// The body of its error, as that of the plain call. Not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    error: Option<OutcomeBody>,
    /// What became of telling its `callback_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<Told>,
    /// Whether it survives a restart of the server: not yet.
    durable: bool,
}

/// How far a job is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct JobProgress {
    /// How many of its calls have been answered.
    done: usize,
    /// How many calls it makes.
    total: usize,
}

impl JobView {
    /// All but its answer.
    pub(crate) fn brief(job: &Job, state: &State) -> Self {
        let total = job.work.steps();
        let done = if state.status == Status::Succeeded { total } else { state.done };
        Self {
            job_id: job.id,
            url: job.url(),
            endpoint: job.work.endpoint(),
            status: state.status,
            attempts: state.attempts,
            progress: JobProgress { done, total },
            created_at: job.created,
            started_at: state.started,
            finished_at: state.finished,
            http_status: state.outcome.as_ref().map(|outcome| outcome.status()),
            result: None,
            error: None,
            callback: state.told,
            durable: false,
        }
    }

    /// All of it.
    pub(crate) fn whole(job: &Job) -> Self {
        let state = job.state();
        let brief = Self::brief(job, &state);
        match state.outcome {
            Some(outcome) if outcome.is_success() => {
                Self { result: Some(OutcomeBody(outcome)), ..brief }
            }
            error => Self { error: error.map(OutcomeBody), ..brief },
        }
    }
}

impl Job {
    /// Where it is found.
    pub(crate) fn url(&self) -> String {
        format!("/jobs/{}", self.id)
    }
}
