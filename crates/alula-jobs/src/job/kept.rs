//! A job, as it is kept.

use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{JobState, Progress, Step};
use crate::{JobId, Timestamp};

/// A job without what it is called with and what it gave, which may be large: what lists and
/// watches read of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobSummary {
    /// Its name.
    pub id: JobId,
    /// What lists say of it.
    pub label: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// The step that is next, running, or was the last. Empty for a batch that nothing follows.
    pub step: Step,
    /// How many steps are done, of how many.
    pub steps: (u32, u32),
    /// Where it is on its way.
    pub state: JobState,
    /// Those of a higher one go first.
    pub priority: i16,
    /// How often the step was tried.
    pub attempts: u32,
    /// Changes whenever a worker takes it, or somebody stops or restarts it.
    pub token: i64,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// What the step has said of its progress.
    pub progress: Option<Progress>,
    /// The job whose child it is.
    pub parent: Option<JobId>,
    /// The job that was enqueued when this one ended, if it has ended and one was to be.
    pub follower: Option<JobId>,
    /// The incarnation of the worker that has it.
    pub worker: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it may start.
    pub run_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Until when its worker has it.
    pub lease_until: Option<Timestamp>,
}

/// A job, as it is kept. It has the fields of its [`JobSummary`], too.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// All but its contents.
    pub summary: JobSummary,
    /// What the step is called with.
    pub args: Box<RawValue>,
    /// What the last step gave.
    pub result: Option<Box<RawValue>>,
}

impl Job {
    /// Reads its result; nothing if there is none.
    ///
    /// # Errors
    ///
    /// If the result is of another shape.
    pub fn result<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.result.as_deref().map(|result| serde_json::from_str(result.get())).transpose()
    }
}

impl Deref for Job {
    type Target = JobSummary;

    fn deref(&self) -> &JobSummary {
        &self.summary
    }
}
