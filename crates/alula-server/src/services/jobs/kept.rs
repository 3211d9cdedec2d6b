//! What is kept of a request until it is answered, and what is read of it again.

use alula_jobs::{Job, JobState, Progress};
use serde::{Deserialize, Serialize};

use super::{JobStatus, Work, answer};
use crate::services::admission::Caller;

/// A request that is answered later, as the arguments of its job.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) outline: Outline,
    /// The key that asked, by its id; nothing where none was needed.
    pub(super) key: Option<String>,
    /// The id of the request, which its provider and the log get too.
    pub(super) request_id: String,
    pub(super) work: Box<Work>,
}

impl Work {
    /// What is kept of it, and of who has asked.
    pub(super) fn kept(self, caller: &Caller) -> Kept {
        let outline = Outline { endpoint: self.endpoint().to_owned(), calls: self.calls() as u64 };
        Kept {
            outline,
            key: caller.key().map(|key| key.id.as_ref().to_owned()),
            request_id: caller.request_id().to_owned(),
            work: Box::new(self),
        }
    }
}

/// What lists tell of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outline {
    /// The endpoint that was asked.
    pub(super) endpoint: String,
    /// How many calls it makes.
    pub(super) calls: u64,
}

impl Outline {
    /// That of a job. Only another program can have written one without.
    pub(super) fn of(job: &Job) -> Self {
        let outline = serde_json::from_str(job.args.get());
        outline.unwrap_or_else(|_| Self { endpoint: String::new(), calls: 1 })
    }

    /// How many calls of a job have been answered.
    pub(super) fn done(&self, job: &Job) -> u64 {
        match job.state {
            JobState::Succeeded => self.calls,
            _ => job.progress.as_ref().map_or(0, |Progress { done, .. }| *done),
        }
    }
}

/// The endpoint that was asked, if the job answers a request.
pub(crate) fn endpoint(job: &Job) -> Option<String> {
    let is_request = job.step.queue == answer::QUEUE;
    is_request.then(|| Outline::of(job).endpoint).filter(|endpoint| !endpoint.is_empty())
}

/// Where a job is, as clients see it.
pub(super) fn status(state: JobState) -> JobStatus {
    match state {
        JobState::Scheduled | JobState::Queued => JobStatus::Queued,
        JobState::Running | JobState::Waiting => JobStatus::Running,
        JobState::Succeeded => JobStatus::Succeeded,
        JobState::Failed => JobStatus::Failed,
        JobState::Cancelled => JobStatus::Cancelled,
    }
}
