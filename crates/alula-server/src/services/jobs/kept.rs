//! What is kept of a request until it is answered, and what is read of it again.

use alula::Result;
use alula_jobs::{JobState, JobSummary, NewJob, Progress};
use serde::{Deserialize, Serialize};

use super::{JobStatus, Work, answer};
use crate::services::admission::Caller;

/// A request that is answered later, as the arguments of its job.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The key that asked, by its id; nothing where none was needed.
    pub(super) key: Option<String>,
    /// The id of the request, which its provider and the log get too.
    pub(super) request_id: String,
    pub(super) work: Box<Work>,
}

impl Work {
    /// The job of it, for who has asked.
    pub(super) fn into_job(self, caller: &Caller, attempts_max: u32) -> Result<NewJob> {
        let label = Outline { endpoint: self.endpoint(), calls: self.calls() as u64 }.label();
        let kept = Kept {
            key: caller.key().map(|key| key.id.as_ref().to_owned()),
            request_id: caller.request_id().to_owned(),
            work: Box::new(self),
        };
        let job = NewJob::new(answer::step(attempts_max), &kept)?;
        let job = job.label(label).owner(caller.owner());
        Ok(match caller.trace() {
            Some(parent) => job.trace(parent),
            None => job,
        })
    }
}

/// What lists tell of a request, as the label of its job: its endpoint, and how many calls it makes
/// if that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    /// The endpoint that was asked.
    pub(super) endpoint: &'a str,
    /// How many calls it makes.
    pub(super) calls: u64,
}

impl<'a> Outline<'a> {
    fn label(&self) -> String {
        match self.calls {
            1 => self.endpoint.to_owned(),
            calls => format!("{} {calls}", self.endpoint),
        }
    }

    /// That of a job. Only another program can have made one without.
    pub(super) fn of(job: &'a JobSummary) -> Self {
        let label = job.label.as_deref().unwrap_or_default();
        let (endpoint, calls) = label.split_once(' ').unwrap_or((label, ""));
        Self { endpoint, calls: calls.parse().unwrap_or(1) }
    }

    /// How many calls of a job have been answered.
    pub(super) fn done(&self, job: &JobSummary) -> u64 {
        match job.state {
            JobState::Succeeded => self.calls,
            _ => job.progress.as_ref().map_or(0, |Progress { done, .. }| *done),
        }
    }
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
