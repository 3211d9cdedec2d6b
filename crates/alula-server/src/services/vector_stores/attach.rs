//! Putting files into a store.

use std::collections::HashSet;

use alula::{ApiError as _, HttpError, Result};
use alula_jobs::JobId;
use alula_rag::{Attributes, Chunker};
use serde_json::json;

use super::{VectorStores, is_word, new_id, no_store};
use crate::{
    db::{BatchRow, DbError, FileRow, NewFileRow, Put, PutLimits},
    error::wrong,
    services::admission::Caller,
    time::Timestamp,
};

/// A file that is to be put into a store.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) file: String,
    pub(crate) attributes: Attributes,
    /// What cuts it; nothing for the usual way.
    pub(crate) chunker: Option<Chunker>,
}

impl VectorStores {
    /// Puts a file into one of the caller's stores. One that is there already is indexed anew.
    ///
    /// # Errors
    ///
    /// 404 for no store or no file, 400 where the store is full or has expired.
    pub(crate) async fn attach(
        &self,
        caller: &Caller,
        store: &str,
        attachment: Attachment,
    ) -> Result<FileRow> {
        let file = attachment.file.clone();
        let files = self.checked(caller.owner(), vec![attachment])?;
        self.open(caller.owner(), store).await?;
        self.put(caller, store, files, None).await?;
        self.file(caller.owner(), store, &file).await
    }

    /// Puts files into one of the caller's stores, all or none.
    ///
    /// # Errors
    ///
    /// As for one, and 400 for too many.
    pub(crate) async fn attach_all(
        &self,
        caller: &Caller,
        store: &str,
        attachments: Vec<Attachment>,
    ) -> Result<BatchRow> {
        let files = self.checked(caller.owner(), attachments)?;
        self.open(caller.owner(), store).await?;
        let id = new_id("vsfb");
        self.put(caller, store, files, Some(&id)).await?;
        self.batch(caller.owner(), store, &id).await
    }

    /// Files as they can be put into a store, each once.
    pub(super) fn checked(
        &self,
        owner: &str,
        mut files: Vec<Attachment>,
    ) -> Result<Vec<Attachment>> {
        let mut known = HashSet::new();
        files.retain(|attached| known.insert(attached.file.clone()));
        let max = self.0.limits.batch_files_max;
        if files.len() > max {
            let told = format!("{} files are more than the {max} that come at once", files.len());
            return Err(wrong("file_ids", told));
        }
        // Whoever tried again would wait for ever.
        let processed = self.0.documents.processed_max(owner).map(|limit| limit.max);
        if let Some(max) =
            processed.filter(|max| i64::try_from(files.len()).is_ok_and(|it| it > *max))
        {
            let told = format!(
                "{} files are more than the {max} documents of a key that are processed at a time",
                files.len()
            );
            return Err(wrong("file_ids", told));
        }
        match files.iter().find(|attached| !is_word(&attached.file)) {
            Some(attached) => Err(unknown(&attached.file)),
            None => Ok(files),
        }
    }

    /// Puts files that were checked into a store, as a batch if that has an id.
    pub(super) async fn put(
        &self,
        caller: &Caller,
        store: &str,
        files: Vec<Attachment>,
        batch: Option<&str>,
    ) -> Result<()> {
        let mut jobs = Vec::with_capacity(files.len());
        let mut rows = Vec::with_capacity(files.len());
        for Attachment { file, attributes, chunker } in files {
            let job = JobId::new();
            let chunker = chunker.unwrap_or(self.0.documents.settings().chunker);
            let chunking = json!({
                "max_chunk_size_tokens": chunker.tokens_max(),
                "chunk_overlap_tokens": chunker.overlap_tokens(),
            });
            rows.push(NewFileRow {
                file: file.clone(),
                attributes: serde_json::to_string(&attributes)?,
                chunking: Some(chunking.to_string()),
                job: job.to_string(),
            });
            jobs.push((file, job));
        }
        let (owner, max) = (caller.owner(), self.0.limits.files_max);
        let limits = PutLimits {
            now: Timestamp::now(),
            files_max: i64::try_from(max).unwrap_or(i64::MAX),
            processed: self.0.documents.processed_max(owner),
        };
        let put = self.0.db.put_vector_store_files((owner, store), &rows, batch, limits).await;
        match put.map_err(DbError::into_http)? {
            Put::Done => {}
            Put::NoStore => return Err(no_store(store)),
            Put::NoFile(file) => return Err(unknown(&file)),
            Put::NoRoom => {
                let told = format!("A vector store may have {max} files");
                return Err(HttpError::bad_request(told).code("vector_store_full"));
            }
            Put::TooMany => return Err(self.0.documents.too_many_processed().into_http()),
        }
        self.0.documents.enqueue_all(owner, store, jobs, caller.request_id()).await;
        Ok(())
    }
}

fn unknown(file: &str) -> HttpError {
    HttpError::not_found(format!("There is no file {file:?}"))
}
