//! Files that are kept until somebody puts them into a vector store, as clients of OpenAI know them.

use alula::{ApiError as _, Bytes, HttpError, Result, UploadFile};
use alula_jobs::JobId;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};

use super::{
    Documents, Incoming, Pieces, Purpose, Received, Refusal, change::no_document, pipeline::Work,
};
use crate::{
    db::{DbError, ListPart, documents::DocumentRow},
    time::Timestamp,
};

/// A file that is to be kept.
#[derive(Debug)]
pub(crate) struct NewFile<'a> {
    pub(crate) owner: &'a str,
    /// In OpenAI's words.
    pub(crate) purpose: &'a str,
    /// When it is to be removed.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) file: &'a UploadFile,
}

/// What a form holds of a file.
struct Spooled(BoxStream<'static, Result<Bytes>>);

impl Pieces for Spooled {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.0.try_next().await
    }
}

impl Documents {
    /// Keeps a file. It is in no collection.
    ///
    /// # Errors
    ///
    /// 413 for one that is too large, 403 for one too many, 400 for one without a byte.
    pub(crate) async fn keep_file(&self, new: NewFile<'_>) -> Result<DocumentRow> {
        let NewFile { owner, purpose, expires_at, file } = new;
        if file.size() == 0 {
            return Err(HttpError::bad_request("The file is empty"));
        }
        let incoming = Incoming {
            owner,
            name: file.file_name().unwrap_or("file"),
            media_type: file.content_type(),
            purpose: Purpose::File(purpose),
            expires_at,
        };
        let mut pieces = Spooled(file.stream().boxed());
        let held = self.hold(&incoming, &mut pieces).await.map_err(Refusal::into_http)?;
        let settled = self.settle(held, None).await.map_err(Refusal::into_http)?;
        let (Received::New(id) | Received::Known(id)) = settled;
        self.document(owner, &id).await
    }

    /// A part of an owner's files, perhaps of a purpose. Also, whether there are more.
    pub(crate) async fn files(
        &self,
        owner: &str,
        purpose: Option<&str>,
        part: ListPart<'_>,
    ) -> Result<(Vec<DocumentRow>, bool)> {
        let files = self.0.db.files(owner, purpose, part.and_one_more()).await;
        let mut files = files.map_err(DbError::into_http)?;
        let has_more = part.cut(&mut files);
        Ok((files, has_more))
    }

    /// Removes a file, from all vector stores as well.
    ///
    /// # Errors
    ///
    /// 404 if the owner has no such file.
    pub(crate) async fn remove_file(&self, owner: &str, id: &str) -> Result<()> {
        match self.remove(owner, id).await.map_err(Refusal::into_http)? {
            true => Ok(()),
            false => Err(no_document()),
        }
    }

    /// Enqueues the jobs of entries of a collection. What cannot be enqueued now is by upkeep.
    pub(crate) async fn enqueue_all(
        &self,
        owner: &str,
        collection: &str,
        entries: Vec<(String, JobId)>,
        request_id: &str,
    ) {
        let attempts_max = self.0.jobs.attempts_max();
        let jobs = entries.into_iter().map(|(document, job)| {
            Work::new(owner, collection, &document, request_id).into_job(job, attempts_max)
        });
        let enqueued = match jobs.collect::<Result<Vec<_>, _>>() {
            Ok(jobs) => self.0.jobs.queue().enqueue_all(jobs).await.map_err(|it| it.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = enqueued {
            tracing::warn!(error, collection, "files wait until jobs can be enqueued");
        }
    }
}
