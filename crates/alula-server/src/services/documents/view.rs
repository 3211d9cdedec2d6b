//! Documents as clients see them.

use alula::Validate;
use alula_jobs::{JobSummary, Progress as JobProgress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{pipeline::step_name, receive::kind_of};
use crate::{
    db::documents::{EntryState, Found},
    time::Timestamp,
};

/// How many steps there are.
const STEPS: u32 = 4;

/// Where a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DocumentStatus {
    /// It is made fit to be found.
    Processing,
    /// It is found. If `error` is there, that is why it could not be read anew.
    Ready,
    /// It cannot be found; `error` says why.
    Failed,
}

impl From<EntryState> for DocumentStatus {
    fn from(state: EntryState) -> Self {
        match state {
            EntryState::Processing => Self::Processing,
            EntryState::Ready => Self::Ready,
            EntryState::Failed => Self::Failed,
        }
    }
}

impl From<DocumentStatus> for EntryState {
    fn from(status: DocumentStatus) -> Self {
        match status {
            DocumentStatus::Processing => Self::Processing,
            DocumentStatus::Ready => Self::Ready,
            DocumentStatus::Failed => Self::Failed,
        }
    }
}

/// Why a document is not found, or not read anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Reason {
    /// A stable name of the reason.
    pub(crate) code: String,
    /// The reason in words.
    pub(crate) message: String,
}

/// A document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DocumentView {
    /// Its name.
    pub(crate) document_id: String,
    /// What its file is called.
    pub(crate) filename: String,
    /// Where it is.
    pub(crate) status: DocumentStatus,
    /// Its media type.
    pub(crate) content_type: Option<String>,
    /// How large its file is.
    pub(crate) bytes: i64,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub(crate) sha256: String,
    /// How many pages it has, if it has pages and they were counted.
    pub(crate) pages: Option<i64>,
    /// How many characters its text has, once it was taken out.
    pub(crate) characters: Option<i64>,
    /// In how many chunks it is found.
    pub(crate) chunks: i64,
    /// How many of these have vectors.
    pub(crate) embedded: i64,
    /// What searches can filter by.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(crate) attributes: Box<RawValue>,
    /// Whether searches leave it out that do not ask for it.
    pub(crate) archived: bool,
    /// Why it is not found; or, of one that is ready, why it could not be read anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Reason>,
    /// The last job for it.
    pub(crate) job_id: String,
    /// When it came.
    pub(crate) created_at: Timestamp,
    /// When its status was noted last.
    pub(crate) updated_at: Timestamp,
}

impl From<Found> for DocumentView {
    fn from(Found { document, entry }: Found) -> Self {
        let kind = kind_of(&document.kind);
        Self {
            document_id: document.id,
            filename: document.name,
            status: entry.state.into(),
            content_type: kind.map(|kind| kind.media_type().to_owned()),
            bytes: document.bytes,
            sha256: document.sha256,
            pages: document.pages,
            characters: document.characters,
            chunks: entry.chunks,
            embedded: entry.embedded,
            attributes: RawValue::from_string(entry.attributes)
                .unwrap_or_else(|_| RawValue::NULL.to_owned()),
            archived: entry.is_archived,
            error: entry.error.map(|(code, message)| Reason { code, message }),
            job_id: entry.job,
            created_at: document.created_at,
            updated_at: entry.updated_at,
        }
    }
}

/// How far a document is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StatusView {
    /// Its name.
    document_id: String,
    /// The last job for it.
    job_id: String,
    /// Where it is.
    status: DocumentStatus,
    /// Whether it stays so unless somebody asks for something else.
    terminal: bool,
    /// What is done: `queued`, `extract`, `chunk`, `embed` or `index`; where it failed; or `done`.
    step: &'static str,
    /// How many of the steps are done.
    progress: Progress,
    /// How far the step is, in chunks, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<Progress>,
    /// Why it is not found; or, of one that is ready, why it could not be read anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason>,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    /// Nothing if nobody knows.
    pub(crate) total: Option<u64>,
}

impl StatusView {
    /// That of a document, by its row and by its job if that is known.
    pub(super) fn new(found: &Found, job: Option<&JobSummary>) -> Self {
        let Found { document, entry } = found;
        let (mut status, mut error) = (DocumentStatus::from(entry.state), entry.error.clone());
        let of_it = job.filter(|_| status != DocumentStatus::Ready);
        // It has ended, and that is noted in a moment.
        if let Some(job) = of_it
            && status == DocumentStatus::Processing
            && job.state.is_final()
            && job.state != alula_jobs::JobState::Succeeded
        {
            status = match entry.is_live {
                true => DocumentStatus::Ready,
                false => DocumentStatus::Failed,
            };
            let words = job.error.clone().unwrap_or_else(|| "it was cancelled".to_owned());
            error = error.or(Some((job.state.as_str().to_owned(), words)));
        }
        let done = match (status, of_it) {
            (DocumentStatus::Ready, _) => STEPS,
            (_, Some(job)) => job.steps.0.min(STEPS),
            (_, None) => 0,
        };
        let step = match (status, of_it) {
            (DocumentStatus::Ready, _) => "done",
            (_, Some(job)) if job.started_at.is_some() || done > 0 => step_name(&job.step.name),
            _ => "queued",
        };
        let chunks = of_it.and_then(|job| job.progress.as_ref());
        let error = error.filter(|_| status != DocumentStatus::Processing);
        Self {
            document_id: document.id.clone(),
            job_id: entry.job.clone(),
            status,
            terminal: status != DocumentStatus::Processing,
            step,
            progress: Progress { done: done.into(), total: Some(STEPS.into()) },
            chunks: chunks
                .map(|JobProgress { done, total, .. }| Progress { done: *done, total: *total }),
            error: error.map(|(code, message)| Reason { code, message }),
        }
    }
}
