//! What is in a store.

use alula::{ApiError, HttpError, Result};
use alula_rag::Attributes;
use futures_util::{StreamExt as _, stream};

use super::{VectorStores, check_cursors, is_id, is_word};
use crate::{
    db::{BatchRow, Cancelled, DbError, FileRow, FileState, ListPart},
    time::Timestamp,
};

/// How many jobs are stopped at a time.
const STOPPED_AT_ONCE: usize = 4;

impl VectorStores {
    /// A part of the files of one of the owner's stores, perhaps of a batch, perhaps in a state.
    /// Also, whether there are more.
    ///
    /// # Errors
    ///
    /// 404 for no store or no batch, 400 for a cursor that can be no file.
    pub(crate) async fn files(
        &self,
        owner: &str,
        store: &str,
        batch: Option<&str>,
        state: Option<FileState>,
        part: ListPart<'_>,
    ) -> Result<(Vec<FileRow>, bool)> {
        match batch {
            Some(batch) => drop(self.batch(owner, store, batch).await?),
            None => drop(self.row(owner, store).await?),
        }
        check_cursors(part, is_word)?;
        let part_and_one = part.and_one_more();
        let rows = self.0.db.vector_store_files((owner, store), batch, state, part_and_one).await;
        let mut rows = rows.map_err(DbError::into_http)?;
        let has_more = part.cut(&mut rows);
        Ok((rows, has_more))
    }

    /// A file of one of the owner's stores.
    ///
    /// # Errors
    ///
    /// 404 if it is not there.
    pub(crate) async fn file(&self, owner: &str, store: &str, file: &str) -> Result<FileRow> {
        self.row(owner, store).await?;
        let no_file = || no_file(store, file);
        if !is_word(file) {
            return Err(no_file());
        }
        let found = self.0.db.vector_store_file(store, file).await;
        found.map_err(DbError::into_http)?.ok_or_else(no_file)
    }

    /// Replaces the attributes of a file in one of the owner's stores.
    pub(crate) async fn set_attributes(
        &self,
        owner: &str,
        store: &str,
        file: &str,
        attributes: &Attributes,
    ) -> Result<FileRow> {
        self.file(owner, store, file).await?;
        self.0.documents.change(owner, store, file, Some(attributes), None).await?;
        self.file(owner, store, file).await
    }

    /// Takes a file out of one of the owner's stores.
    pub(crate) async fn detach(&self, owner: &str, store: &str, file: &str) -> Result<()> {
        self.file(owner, store, file).await?;
        let taken = self.0.documents.take_out(owner, store, file).await;
        match taken.map_err(ApiError::into_http)? {
            true => Ok(()),
            false => Err(no_file(store, file)),
        }
    }

    /// Stops indexing files that nobody wants to be indexed any more. Jobs that cannot be stopped
    /// notice that themselves.
    async fn stop(&self, owner: &str, store: &str, files: Vec<Cancelled>) {
        stream::iter(files)
            .for_each_concurrent(STOPPED_AT_ONCE, async |file| {
                let Cancelled { document, job, is_found } = file;
                // A job that publishes it at this moment has it found, or finds nothing to publish.
                if !is_found
                    && let Err(error) = self.0.documents.hide(owner, store, &document).await
                {
                    tracing::warn!(%error, document, store, "a cancelled file may be found");
                }
                let Ok(job) = job.parse() else { return };
                if let Err(error) = self.0.jobs.queue().cancel(job).await {
                    tracing::debug!(%error, %job, "the job of a file goes on for nobody");
                }
            })
            .await;
    }

    /// Files that were put into one of the owner's stores at once.
    ///
    /// # Errors
    ///
    /// 404 if there are none of this name.
    pub(crate) async fn batch(&self, owner: &str, store: &str, id: &str) -> Result<BatchRow> {
        self.row(owner, store).await?;
        let no_batch = || HttpError::not_found(format!("There is no file batch {id:?}"));
        if !is_id(id, "vsfb_") {
            return Err(no_batch());
        }
        let found = self.0.db.vector_store_batch(store, id).await;
        found.map_err(DbError::into_http)?.ok_or_else(no_batch)
    }

    /// Stops indexing what has not ended of a batch.
    pub(crate) async fn cancel_batch(
        &self,
        owner: &str,
        store: &str,
        id: &str,
    ) -> Result<BatchRow> {
        let batch = self.batch(owner, store, id).await?;
        if batch.counts.in_progress == 0 {
            return Ok(batch);
        }
        let files = self.0.db.cancel_vector_store_batch(store, id, Timestamp::now()).await;
        self.stop(owner, store, files.map_err(DbError::into_http)?).await;
        self.batch(owner, store, id).await
    }
}

pub(super) fn no_file(store: &str, file: &str) -> HttpError {
    HttpError::not_found(format!("There is no file {file:?} in the vector store {store:?}"))
}
