//! What clients see of a batch.

use alula::Validate;
use alula_jobs::{Counts, JobId, JobState, JobSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    services::jobs::view::{JobProgress, Told},
    time::Timestamp,
};

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BatchStatus {
    /// Some of its requests have not ended.
    Running,
    /// All of its requests have ended: well, or with an error.
    Completed,
    /// Somebody has stopped it.
    Cancelled,
}

impl BatchStatus {
    pub(in crate::services::jobs) fn of(state: JobState) -> Self {
        match state {
            JobState::Succeeded | JobState::Failed => Self::Completed,
            JobState::Cancelled => Self::Cancelled,
            _ => Self::Running,
        }
    }

    pub(in crate::services::jobs) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What is kept of it.
    pub(super) fn states(self) -> &'static [JobState] {
        match self {
            Self::Running => &[JobState::Waiting],
            Self::Completed => &[JobState::Succeeded],
            Self::Cancelled => &[JobState::Cancelled],
        }
    }
}

/// How many requests of a batch there are of each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct BatchCounts {
    /// Those that wait for their turn, or for another try.
    queued: u64,
    /// Those whose provider is asked.
    running: u64,
    /// Those with an answer.
    succeeded: u64,
    /// Those with an error.
    failed: u64,
    /// Those that somebody has stopped.
    cancelled: u64,
}

impl From<&Counts> for BatchCounts {
    fn from(counts: &Counts) -> Self {
        Self {
            queued: counts.of(JobState::Scheduled) + counts.of(JobState::Queued),
            running: counts.of(JobState::Running) + counts.of(JobState::Waiting),
            succeeded: counts.of(JobState::Succeeded),
            failed: counts.of(JobState::Failed),
            cancelled: counts.of(JobState::Cancelled),
        }
    }
}

/// A batch of requests that are answered later.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BatchView {
    /// Its name.
    #[schemars(with = "String", regex(pattern = r"^job_[0-9a-f]{32}$"))]
    pub(crate) batch_id: JobId,
    /// Where it is found.
    url: String,
    /// Where it is.
    status: BatchStatus,
    /// How many of its requests have ended.
    progress: JobProgress,
    /// How many there are of each status.
    counts: BatchCounts,
    /// When it was accepted.
    created_at: Timestamp,
    /// When the last of it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// What became of telling its `callback_url`. Not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<Told>,
    /// Whether it survives a restart of the server, as it does unless the database is in memory.
    durable: bool,
}

impl BatchView {
    /// All but what became of telling it.
    pub(super) fn new(batch: &JobSummary, counts: &Counts, durable: bool) -> Self {
        let at = |moment: alula_jobs::Timestamp| Timestamp::from_millis(moment.as_millis());
        Self {
            batch_id: batch.id,
            url: url(batch.id),
            status: BatchStatus::of(batch.state),
            progress: JobProgress { done: counts.ended(), total: counts.total() },
            counts: counts.into(),
            created_at: at(batch.created_at),
            finished_at: batch.finished_at.map(at),
            callback: None,
            durable,
        }
    }

    /// With what became of telling it.
    pub(super) fn told(self, callback: Option<Told>) -> Self {
        Self { callback, ..self }
    }
}

/// A batch that was accepted and is answered later.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AcceptedBatch {
    /// Its name.
    #[schemars(with = "String", regex(pattern = r"^job_[0-9a-f]{32}$"))]
    batch_id: JobId,
    /// Where it is found.
    pub(crate) url: String,
    /// Where it is.
    status: BatchStatus,
    /// How many requests it has.
    total: u64,
    /// Whether it survives a restart of the server, as it does unless the database is in memory.
    durable: bool,
}

impl AcceptedBatch {
    pub(super) fn new(id: JobId, total: u64, durable: bool) -> Self {
        Self { batch_id: id, url: url(id), status: BatchStatus::Running, total, durable }
    }
}

/// Where a batch is found.
pub(in crate::services::jobs) fn url(id: JobId) -> String {
    format!("/batches/{id}")
}
