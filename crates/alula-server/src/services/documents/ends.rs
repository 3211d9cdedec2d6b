//! When the job of a document has ended.

use std::time::Duration;

use alula::Validate;
use alula_jobs::{Ended, Failure, Handler, JobContext, JobState, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Documents, Refusal};
use crate::{db::documents::EntryState, time::Timestamp};

/// The queue of ends, which wait for nothing else.
pub(super) const QUEUE: &str = "documents-ended";
pub(super) const RUNNING_MAX: u32 = 4;
const NAME: &str = "document-ended.v1";
/// It is tried for a day.
const ATTEMPTS_MAX: u32 = 300;
/// How long it takes until a database is asked again that is away.
const AWAY: Duration = Duration::from_secs(5);
/// How long it takes until it is tried again to tell somebody, and for how long.
const WAIT: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is done when a job of a document ends, however.
pub(super) fn step() -> Step {
    Step::new(NAME).queue(QUEUE).max_attempts(ATTEMPTS_MAX)
}

/// Whose job has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Context {
    pub(super) collection: String,
    pub(super) document: String,
}

/// What the callback of a document gets.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
pub(crate) struct DocumentEnded {
    /// `document.ready` or `document.failed`.
    r#type: String,
    /// When it was known.
    timestamp: String,
    /// Which document.
    data: EndedDocument,
}

/// A document that is ready, or has failed.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct EndedDocument {
    /// Its name.
    document_id: String,
    /// The job that it was.
    job_id: String,
    /// Where it is found, on the server that was asked.
    url: String,
    /// `ready` or `failed`.
    status: String,
    /// A stable name of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Documents {
    /// What does it.
    pub(super) fn end_handler(&self) -> Handler {
        let documents = self.clone();
        let handler = Handler::new(NAME, move |ended: Ended, job: JobContext| {
            let documents = documents.clone();
            async move { documents.note_end(&ended, &job).await }
        });
        handler.queue(QUEUE).timeout(Duration::from_secs(60))
    }

    async fn note_end(&self, ended: &Ended, job: &JobContext) -> Result<(), Failure> {
        let context: Context = serde_json::from_str(ended.context.get())?;
        let known = self.0.jobs.queue().summary(ended.job).await;
        let known = known.map_err(|_| Failure::later(AWAY))?;
        if known.as_ref().is_some_and(|job| job.token != ended.token) {
            // It began again: this end is of no interest any more.
            return Ok(());
        }
        let error = known.and_then(|job| job.error);
        self.note_state(&context, ended, error.as_deref()).await?;
        let db = &self.0.db;
        let callbacks = db.document_callbacks(&ended.job.to_string()).await?;
        if !callbacks.is_empty() && !self.0.jobs.tells() {
            // Another process may have the secret to sign with, as this one has not.
            let age = job.clock().now() - job.created_at();
            if age < WAIT_MAX {
                return Err(Failure::later(WAIT));
            }
        }
        for (id, url) in &callbacks {
            // Each end is told once.
            self.tell(ended, &context, &format!("{id}-{}", ended.token), url).await?;
        }
        if ended.state != JobState::Succeeded {
            // Somebody may try it again: whoever was told of the failure is told what becomes of that.
            return Ok(());
        }
        let told: Vec<String> = callbacks.into_iter().map(|(id, _)| id).collect();
        Ok(db.forget_document_callbacks(&told).await?)
    }

    /// Notes that a document has failed, if its job has.
    pub(super) async fn note_state(
        &self,
        Context { collection, document }: &Context,
        ended: &Ended,
        error: Option<&str>,
    ) -> Result<(), crate::db::DbError> {
        let reason = match ended.state {
            JobState::Succeeded => return Ok(()),
            JobState::Cancelled => ("cancelled", "somebody has cancelled its job"),
            _ => ("gave_up", error.unwrap_or("its job was begun as often as it may be")),
        };
        let job = ended.job.to_string();
        self.0.db.document_has_failed(collection, document, &job, reason).await
    }

    /// Has somebody told where a document is, by a job of the name that is made of `id`. Of one that
    /// was removed nothing is told.
    pub(super) async fn tell(
        &self,
        ended: &Ended,
        Context { collection, document }: &Context,
        id: &str,
        url: &str,
    ) -> Result<(), Refusal> {
        let reason = match self.0.db.document_outcome(collection, document).await? {
            // As it was before, if this was to read it anew.
            Some((EntryState::Ready, reason)) => {
                reason.filter(|_| ended.state != JobState::Succeeded)
            }
            Some((EntryState::Failed, reason)) => Some(reason.unwrap_or_default()),
            // It has begun anew since.
            Some((EntryState::Processing, _)) if ended.state == JobState::Succeeded => None,
            Some((EntryState::Processing, _)) => {
                Some((ended.state.as_str().to_owned(), "it is tried once more".to_owned()))
            }
            None => return Ok(()),
        };
        let status = if reason.is_none() { "ready" } else { "failed" };
        let (code, error) = reason.unzip();
        let body = DocumentEnded {
            r#type: format!("document.{status}"),
            timestamp: Timestamp::now().to_string(),
            data: EndedDocument {
                document_id: document.clone(),
                job_id: ended.job.to_string(),
                url: format!("/documents/{document}"),
                status: status.to_owned(),
                code,
                error,
            },
        };
        Ok(self.0.jobs.tell(id, url, ended, &body).await?)
    }
}
