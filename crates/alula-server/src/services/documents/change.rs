//! Documents that are looked at, changed, done again and removed.

use std::time::Duration;

use alula::{ApiError as _, Bytes, HttpError, Result};
use alula_jobs::{JobId, JobState};
use alula_rag::{Attributes, Scope};
use futures_util::stream::BoxStream;

use super::{
    CHANGES_MAX, CLAIM, DocumentStatus, DocumentView, Documents, ObjectError, Refusal, StatusView,
    names, receive::after,
};
use crate::{
    db::documents::{Change, DocumentRow, Found, Restarted},
    services::{jobs::failed as jobs_failed, retrieval::store_failed},
    time::Timestamp,
};

/// How long after it was removed what is left of a document is looked for once more: a worker that
/// has not heard of it may have written something.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// How old a job may be that goes on.
const OLD: Duration = Duration::from_secs(12 * 3600);

impl Documents {
    /// A document of an owner in a collection.
    pub(crate) async fn find(&self, owner: &str, collection: &str, id: &str) -> Result<Found> {
        if !names::is_document(id) {
            return Err(no_document());
        }
        let found = self.0.db.document_in(owner, collection, id).await;
        found.map_err(|error| error.into_http())?.ok_or_else(no_document)
    }

    /// A document of an owner, wherever it is.
    pub(crate) async fn document(&self, owner: &str, id: &str) -> Result<DocumentRow> {
        let found = self.0.db.document(owner, id).await.map_err(|error| error.into_http())?;
        found.ok_or_else(no_document)
    }

    /// Those of a collection, the newest first: at most so many of those behind `after`, which may
    /// be gone. Also, whether there are more.
    pub(crate) async fn list(
        &self,
        owner: &str,
        collection: &str,
        status: Option<DocumentStatus>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<DocumentView>, bool)> {
        let (state, more) = (status.map(Into::into), i64::from(limit) + 1);
        let found = self.0.db.documents_in(owner, collection, state, after, more).await;
        let mut found = found.map_err(|error| error.into_http())?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        Ok((found.into_iter().map(Into::into).collect(), has_more))
    }

    /// How far a document is.
    pub(crate) async fn status(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<StatusView> {
        let found = self.find(owner, collection, id).await?;
        let job = match found.entry.job.parse::<JobId>() {
            Ok(job) => self.0.jobs.queue().summary(job).await.ok().flatten(),
            Err(_) => None,
        };
        Ok(StatusView::new(&found, job.as_ref()))
    }

    /// The bytes of a document, as they were sent.
    pub(crate) async fn content(
        &self,
        document: &DocumentRow,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>> {
        let stream = async { self.objects().await?.stream(&names::of_bytes(&document.id)).await };
        match stream.await {
            Ok(content) => Ok(content),
            Err(ObjectError::Missing(_)) => Err(no_document()),
            Err(error) => Err(error.into_http()),
        }
    }

    /// Changes what belongs to a document in a collection.
    pub(crate) async fn change(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        attributes: Option<&Attributes>,
        is_archived: Option<bool>,
    ) -> Result<DocumentView> {
        let json = attributes.map(serde_json::to_string).transpose()?;
        let change = Change { attributes: json.as_deref(), is_archived };
        let changed = self.0.db.change_document(owner, collection, id, &change).await;
        if !changed.map_err(|error| error.into_http())? {
            return Err(no_document());
        }
        // What is not there yet gets it when it is published.
        let (store, at) = (self.0.retrieval.store(), Scope::new(owner, collection).entry(id));
        let mut written = self.find(owner, collection, id).await?;
        for _ in 0..CHANGES_MAX {
            if attributes.is_some() {
                let attributes = serde_json::from_str(&written.entry.attributes)?;
                store.set_attributes(at, &attributes).await.map_err(store_failed)?;
            }
            if is_archived.is_some() {
                let is_archived = written.entry.is_archived;
                store.set_archived(at, is_archived).await.map_err(store_failed)?;
            }
            // Of two who change it at once, what the row has counts.
            let now = self.find(owner, collection, id).await?;
            let is_same = now.entry.attributes == written.entry.attributes
                && now.entry.is_archived == written.entry.is_archived;
            written = now;
            if is_same {
                break;
            }
        }
        Ok(written.into())
    }

    /// Does once more what has failed, from the step on that failed.
    ///
    /// # Errors
    ///
    /// 409 for a document that has not failed.
    pub(crate) async fn retry(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        request_id: &str,
    ) -> Result<StatusView> {
        let found = self.find_settled(owner, collection, id, request_id).await?;
        if DocumentStatus::from(found.entry.state) != DocumentStatus::Failed {
            return Err(HttpError::conflict("The document has not failed"));
        }
        let queue = self.0.jobs.queue();
        if let Ok(job) = found.entry.job.parse::<JobId>() {
            // What an old one waits for it gives up sooner than a new one.
            let known = queue.summary(job).await.ok().flatten();
            let known = known.filter(|known| queue.time().now() - known.created_at < OLD);
            let known = known.map(|job| job.state);
            if matches!(known, Some(JobState::Failed | JobState::Cancelled)) {
                self.restart(owner, collection, &found, job, false).await?;
                queue.retry(job).await.map_err(jobs_failed)?;
                return self.status(owner, collection, id).await;
            }
        }
        self.begin_anew(owner, collection, &found, false, request_id).await
    }

    /// Takes the text of a document out anew, and all that follows. It is found as it was until
    /// then.
    ///
    /// # Errors
    ///
    /// 409 for one that a job is at.
    pub(crate) async fn reindex(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        request_id: &str,
    ) -> Result<StatusView> {
        let found = self.find_settled(owner, collection, id, request_id).await?;
        if DocumentStatus::from(found.entry.state) == DocumentStatus::Processing {
            return Err(HttpError::conflict("A job is at the document already"));
        }
        self.begin_anew(owner, collection, &found, true, request_id).await
    }

    /// A document whose end is noted, if its job has ended.
    async fn find_settled(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        request_id: &str,
    ) -> Result<Found> {
        let found = self.find(owner, collection, id).await?;
        if DocumentStatus::from(found.entry.state) != DocumentStatus::Processing {
            return Ok(found);
        }
        let ended = self.has_ended(owner, collection, id, &found.entry.job, request_id).await;
        match ended.map_err(|refusal| refusal.into_http())? {
            true => self.find(owner, collection, id).await,
            false => Ok(found),
        }
    }

    async fn begin_anew(
        &self,
        owner: &str,
        collection: &str,
        found: &Found,
        is_anew: bool,
        request_id: &str,
    ) -> Result<StatusView> {
        let (id, job) = (&found.document.id, JobId::new());
        self.restart(owner, collection, found, job, is_anew).await?;
        self.enqueue(owner, collection, id, job, request_id).await;
        self.status(owner, collection, id).await
    }

    /// Gives a document to a job.
    async fn restart(
        &self,
        owner: &str,
        collection: &str,
        Found { document, entry }: &Found,
        job: JobId,
        is_anew: bool,
    ) -> Result<()> {
        let jobs = (entry.job.as_str(), job.to_string());
        let at = (collection, document.id.as_str());
        let (jobs, limit) = ((jobs.0, jobs.1.as_str()), self.processed_max(owner));
        let restarted = self.0.db.restart_document(at, jobs, is_anew, limit).await;
        match restarted.map_err(|error| error.into_http())? {
            Restarted::Done => Ok(()),
            Restarted::NoRoom => Err(self.too_many_processed().into_http()),
            Restarted::TooLate => {
                self.find(owner, collection, &document.id).await?;
                Err(HttpError::conflict("Another job is at the document now"))
            }
        }
    }

    /// Removes a document that is in a collection, wherever else it is. Whether it was there.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub(crate) async fn remove_of(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<bool, Refusal> {
        if !names::is_document(id) {
            return Ok(false);
        }
        let is_there = self.0.db.document_in(owner, collection, id).await?.is_some();
        let was_there = async || {
            let places = self.0.db.document_places(owner, id).await?;
            Ok::<_, Refusal>(places.iter().any(|(known, _)| known == collection))
        };
        match is_there || was_there().await? {
            true => self.remove(owner, id).await,
            false => Ok(false),
        }
    }

    /// Removes a document with all that belongs to it. Whether it was there, or was still found.
    ///
    /// # Errors
    ///
    /// If it may still be found. Then upkeep removes it, or whoever asks once more.
    pub(crate) async fn remove(&self, owner: &str, id: &str) -> Result<bool, Refusal> {
        let db = &self.0.db;
        // First of all, so that whatever is cut short from here on is known.
        let marked = db.remove_document(owner, id, after(CLAIM)).await?;
        let was_found = match (self.unlink(owner, id).await, marked) {
            (Ok(was_found), _) => was_found,
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => {
                // Upkeep need not wait until this one is surely over.
                if let Err(error) = db.look_again_for_document(id, Timestamp::now()).await {
                    tracing::debug!(%error, document = id, "it is looked after later");
                }
                return Err(error);
            }
        };
        let Some(generation) = marked else { return Ok(was_found) };
        // What cannot be done now is done by upkeep, soon.
        let cleared = async {
            self.clear(owner, id, generation).await?;
            Ok::<_, Refusal>(db.look_again_for_document(id, after(LOOK_AGAIN)).await?)
        };
        if let Err(error) = cleared.await {
            tracing::warn!(%error, document = id, "what is left of a document is removed later");
        }
        Ok(true)
    }

    /// Lets nobody find a document any more that is being removed, in whatever collection it is.
    /// Whether anybody would have found it. Its jobs do not put it there again, as they need what is
    /// unlinked here.
    async fn unlink(&self, owner: &str, id: &str) -> Result<bool, Refusal> {
        let mut was_found = false;
        for (collection, _) in self.0.db.document_places(owner, id).await? {
            let at = Scope::new(owner, &collection).entry(id);
            was_found |= self.0.retrieval.store().delete_entry(at).await?;
        }
        Ok(was_found)
    }

    /// Lets nobody find what a job puts of a document into a collection that shall have nothing of
    /// it. The job fails at that.
    pub(crate) async fn hide(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<(), Refusal> {
        let at = Scope::new(owner, collection).entry(id);
        self.0.retrieval.store().delete_entry(at).await?;
        Ok(())
    }

    /// Takes a document out of a collection; the document stays. Whether it was there.
    ///
    /// # Errors
    ///
    /// If it may still be found there. Then it is shown as one that has failed, and can be taken out
    /// again.
    pub(crate) async fn take_out(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
    ) -> Result<bool, Refusal> {
        let Some(found) = self.0.db.document_in(owner, collection, id).await? else {
            return Ok(false);
        };
        let job = &found.entry.job;
        // What is cut short from here on is not taken for one that is found.
        self.0.db.stop_document(owner, collection, id, job).await?;
        self.clear_entry(owner, collection, id, job).await?;
        // Its job may have put it there again before it was stopped. What is put there behind this
        // is somebody else's.
        self.clear_entry(owner, collection, id, job).await?;
        Ok(self.0.db.take_document_out(owner, collection, id).await?)
    }

    /// Removes what belongs to a document, but for its row. First of all, what is found of it.
    pub(super) async fn clear(
        &self,
        owner: &str,
        id: &str,
        generation: i64,
    ) -> Result<(), Refusal> {
        self.unlink(owner, id).await?;
        for (collection, job) in self.0.db.document_places(owner, id).await? {
            self.clear_entry(owner, &collection, id, &job).await?;
        }
        let objects = self.objects().await?;
        objects.remove(&names::of_bytes(id)).await?;
        for generation in 1..=generation {
            objects.remove(&names::of_text(id, generation)).await?;
        }
        Ok(())
    }

    /// Stops the job of a document in a collection, and removes its chunks.
    async fn clear_entry(
        &self,
        owner: &str,
        collection: &str,
        id: &str,
        job: &str,
    ) -> Result<(), Refusal> {
        let at = Scope::new(owner, collection).entry(id);
        self.0.retrieval.store().delete_entry(at).await?;
        if let Ok(job) = job.parse::<JobId>() {
            self.0.jobs.queue().cancel(job).await?;
        }
        Ok(())
    }
}

pub(super) fn no_document() -> HttpError {
    HttpError::not_found("There is no such document")
}
