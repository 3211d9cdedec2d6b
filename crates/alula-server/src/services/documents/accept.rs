//! From a file to a job.

use std::collections::BTreeMap;

use alula_jobs::{Ended, JobId, JobState, webhook::WebhookUrl};
use alula_rag::Attributes;
use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{DocumentStatus, Documents, Held, Received, Refusal, ends::Context, pipeline::Work};
use crate::{
    db::documents::{Entered, NewEntry, ProcessedMax, SentAs},
    services::retrieval::DEFAULT_COLLECTION,
};

/// What somebody wants of a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) attributes: Attributes,
    /// How it is to be cut: nothing for the usual way.
    pub(crate) chunking: Option<Value>,
    /// Who is told when it is ready, or has failed.
    pub(crate) callback: Option<WebhookUrl>,
}

impl Wish {
    /// Reads attributes as clients write them.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(crate) fn attributes_of(values: BTreeMap<String, Value>) -> Result<Attributes, String> {
        for (name, value) in &values {
            if !(value.is_string() || value.is_boolean() || value.is_number()) {
                return Err(format!("{name:?} is no text, number or truth"));
            }
        }
        let attributes = serde_json::to_value(values).and_then(serde_json::from_value);
        let attributes: Attributes = attributes.map_err(|error| error.to_string())?;
        attributes.check()?;
        Ok(attributes)
    }
}

/// A document that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Accepted {
    /// Its name. The same bytes have the same one.
    pub(crate) document_id: String,
    /// The job that makes it fit to be found.
    pub(crate) job_id: String,
    /// Where it is: `processing`, or `ready` if the same bytes were sent before.
    pub(crate) status: DocumentStatus,
}

impl Documents {
    /// Makes a document of a file, which is to be found among the owner's that are in no vector
    /// store.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub(crate) async fn accept(
        &self,
        owner: &str,
        held: Held,
        request_id: &str,
        wish: &Wish,
    ) -> Result<Accepted, Refusal> {
        let (job, sent_as) = (JobId::new(), held.sent_as());
        let sent_as = sent_as.as_ref().map(|(name, kind)| SentAs { name, kind });
        let limit = self.processed_max(owner);
        let entry = Wanted::new(DEFAULT_COLLECTION, job, wish, limit);
        match self.settle(held, Some(&entry.row())).await? {
            Received::New(id) => {
                self.enqueue(owner, DEFAULT_COLLECTION, &id, job, request_id).await;
                let (job_id, status) = (job.to_string(), DocumentStatus::Processing);
                Ok(Accepted { document_id: id, job_id, status })
            }
            Received::Known(id) => {
                self.enter(owner, (DEFAULT_COLLECTION, &id), request_id, wish, sent_as).await
            }
        }
    }

    /// Puts a document into a collection, by a job. One that is there already stays as it is; one
    /// that has failed there begins anew, as it is wanted now.
    async fn enter(
        &self,
        owner: &str,
        (collection, id): (&str, &str),
        request_id: &str,
        wish: &Wish,
        sent_as: Option<SentAs<'_>>,
    ) -> Result<Accepted, Refusal> {
        let job = JobId::new();
        let entry = Wanted::new(collection, job, wish, self.processed_max(owner));
        let mut entered = self.0.db.enter_document(owner, id, &entry.row(), sent_as).await?;
        if let Entered::Runs(known) = &entered
            && self.has_ended(owner, collection, id, known, request_id).await?
        {
            entered = self.0.db.enter_document(owner, id, &entry.row(), sent_as).await?;
        }
        let (job_id, status) = match entered {
            Entered::Gone => return Err(Refusal::Removed),
            Entered::NoRoom => return Err(self.too_many_processed()),
            Entered::Begun => {
                self.enqueue(owner, collection, id, job, request_id).await;
                (job.to_string(), DocumentStatus::Processing)
            }
            Entered::Runs(job) => (job, DocumentStatus::Processing),
            Entered::Ready(job) => {
                if let Some(url) = &wish.callback {
                    self.tell_of_known(collection, id, &job, url.as_str()).await?;
                }
                (job, DocumentStatus::Ready)
            }
        };
        Ok(Accepted { document_id: id.to_owned(), job_id, status })
    }

    /// Whether the job that is to be at a document has ended otherwise than well, which is noted
    /// then. One that was never enqueued is enqueued.
    pub(super) async fn has_ended(
        &self,
        owner: &str,
        collection: &str,
        document: &str,
        job: &str,
        request_id: &str,
    ) -> Result<bool, Refusal> {
        let Ok(id) = job.parse::<JobId>() else { return Ok(false) };
        let Some(known) = self.0.jobs.queue().summary(id).await? else {
            // Its process was killed before it could do so.
            self.enqueue(owner, collection, document, id, request_id).await;
            return Ok(false);
        };
        match known.state {
            JobState::Failed | JobState::Cancelled => {
                let context =
                    Context { collection: collection.to_owned(), document: document.to_owned() };
                let (state, token) = (known.state, known.token);
                let ended = Ended { job: id, state, token, context: RawValue::NULL.to_owned() };
                self.note_state(&context, &ended, known.error.as_deref()).await?;
                Ok(true)
            }
            // Two have asked for it at once, or somebody has written to the database.
            JobState::Succeeded => {
                let anew = JobId::new();
                let at = (collection, document);
                if self.0.db.give_document(at, (job, &anew.to_string())).await? {
                    self.enqueue(owner, collection, document, anew, request_id).await;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Enqueues the job of an entry. If that cannot be done now, upkeep does it.
    pub(crate) async fn enqueue(
        &self,
        owner: &str,
        collection: &str,
        document: &str,
        job: JobId,
        request_id: &str,
    ) {
        let work = Work::new(owner, collection, document, request_id);
        let attempts_max = self.0.jobs.attempts_max();
        let enqueued = match work.into_job(job, attempts_max) {
            Ok(job) => self.0.jobs.queue().enqueue(job).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = enqueued {
            tracing::warn!(error, document, %job, "a document waits until jobs can be enqueued");
        }
    }

    /// Tells somebody of a document that was ready before.
    async fn tell_of_known(
        &self,
        collection: &str,
        id: &str,
        job: &str,
        url: &str,
    ) -> Result<(), Refusal> {
        let Ok(job) = job.parse::<JobId>() else { return Ok(()) };
        let context = Context { collection: collection.to_owned(), document: id.to_owned() };
        let known = self.0.jobs.queue().summary(job).await.ok().flatten();
        let ended = Ended {
            job,
            state: JobState::Succeeded,
            token: known.map_or(0, |job| job.token),
            context: RawValue::NULL.to_owned(),
        };
        self.tell(&ended, &context, &JobId::new().to_string(), url).await
    }
}

/// An entry with the texts that are kept of it.
struct Wanted<'a> {
    collection: &'a str,
    job: String,
    attributes: String,
    chunking: Option<String>,
    callback: Option<(String, String)>,
    limit: Option<ProcessedMax<'a>>,
}

impl<'a> Wanted<'a> {
    fn new(collection: &'a str, job: JobId, wish: &Wish, limit: Option<ProcessedMax<'a>>) -> Self {
        let callback = wish.callback.as_ref().map(|url| {
            let url = url.as_str().to_owned();
            (name_of(&url), url)
        });
        Self {
            collection,
            job: job.to_string(),
            attributes: serde_json::to_string(&wish.attributes).unwrap_or_else(|_| "{}".to_owned()),
            chunking: wish.chunking.as_ref().map(Value::to_string),
            callback,
            limit,
        }
    }

    fn row(&self) -> NewEntry<'_> {
        NewEntry {
            collection: self.collection,
            job: &self.job,
            attributes: &self.attributes,
            chunking: self.chunking.as_deref(),
            callback: self.callback.as_ref().map(|(id, url)| (id.as_str(), url.as_str())),
            limit: self.limit,
        }
    }
}

/// A name for an address: whoever gives it twice is told once.
fn name_of(url: &str) -> String {
    let hash = digest(&SHA256, url.as_bytes());
    let hash = hash.as_ref().iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    format!("{hash:016x}")
}
