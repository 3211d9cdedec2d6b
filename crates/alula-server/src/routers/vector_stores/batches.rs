//! Files that are put into a vector store at once.

use alula::{Route, prelude::*};

use super::{
    files::{AttachedFile, POLL_AFTER, POLL_MILLIS},
    views::{Page, VectorStoreFile, VectorStoreFileBatch},
    wire::{
        ChunkingStrategy, FILES_MAX, FileAttributes, VectorStoreFilePage, are_attributes,
        attributes, chunker,
    },
};
use crate::{
    dependencies::caller,
    services::vector_stores::{Attachment, VectorStores},
};

/// What puts something into a store.
pub(super) fn making() -> Vec<Route> {
    routes![attach]
}

/// The other routes of this module.
pub(super) fn routes() -> Vec<Route> {
    routes![show, cancel, list]
}

/// Files to put into a store: either `file_ids`, or `files`.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(custom = has_one_list)]
struct AttachedFiles {
    /// Which ones, all with the same attributes and chunking.
    #[serde(default)]
    #[schemars(length(min = 1, max = FILES_MAX))]
    file_ids: Option<Vec<String>>,
    /// Which ones, each with its own attributes and chunking.
    #[serde(default)]
    #[schemars(length(min = 1, max = FILES_MAX))]
    files: Option<Vec<AttachedFile>>,
    /// Up to 16 values of your own that searches can filter by, of `file_ids`.
    #[serde(default)]
    #[validate(custom = are_attributes)]
    attributes: Option<FileAttributes>,
    /// How `file_ids` are cut into chunks.
    #[serde(default)]
    chunking_strategy: Option<ChunkingStrategy>,
}

fn has_one_list(attached: &AttachedFiles) -> Result<(), &'static str> {
    match (&attached.file_ids, &attached.files) {
        (Some(_), Some(_)) => Err("there are both file_ids and files"),
        (None, None) => Err("there are neither file_ids nor files"),
        _ => Ok(()),
    }
}

impl AttachedFiles {
    fn attachments(self) -> Vec<Attachment> {
        let Self { file_ids, files, attributes: written, chunking_strategy } = self;
        let (attributes, chunker) = (attributes(written), chunker(chunking_strategy));
        let same = |file| Attachment { file, attributes: attributes.clone(), chunker };
        match files {
            Some(files) => files.into_iter().map(Attachment::from).collect(),
            None => file_ids.into_iter().flatten().map(same).collect(),
        }
    }
}

/// Put many files into a vector store at once.
#[post("/v1/vector_stores/{vector_store_id}/file_batches")]
async fn attach(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
    Json(attached): Json<AttachedFiles>,
) -> Result<Json<VectorStoreFileBatch>> {
    let files = attached.attachments();
    let batch = stores.attach_all(&caller, &vector_store_id, files).await?;
    Ok(Json(VectorStoreFileBatch::new(vector_store_id, batch)))
}

/// Where a batch is.
#[derive(Deserialize, JsonSchema, Validate)]
struct BatchPlace {
    vector_store_id: String,
    batch_id: String,
}

/// Look how far a batch of files is.
#[get("/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}")]
async fn show(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    head: ResponseHead,
    Path(BatchPlace { vector_store_id, batch_id }): Path<BatchPlace>,
) -> Result<Json<VectorStoreFileBatch>> {
    let batch = stores.batch(caller.owner(), &vector_store_id, &batch_id).await?;
    if batch.counts.in_progress > 0 {
        head.header(POLL_AFTER, POLL_MILLIS);
    }
    Ok(Json(VectorStoreFileBatch::new(vector_store_id, batch)))
}

/// Stop indexing what has not ended of a batch of files.
#[post("/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel")]
async fn cancel(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(BatchPlace { vector_store_id, batch_id }): Path<BatchPlace>,
) -> Result<Json<VectorStoreFileBatch>> {
    let batch = stores.cancel_batch(caller.owner(), &vector_store_id, &batch_id).await?;
    Ok(Json(VectorStoreFileBatch::new(vector_store_id, batch)))
}

/// List the files of a batch.
#[get("/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files")]
async fn list(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(BatchPlace { vector_store_id, batch_id }): Path<BatchPlace>,
    Query(page): Query<VectorStoreFilePage>,
) -> Result<Json<Page<VectorStoreFile>>> {
    let (state, part) = (page.filter.map(Into::into), page.part());
    let listed = stores.files(caller.owner(), &vector_store_id, Some(&batch_id), state, part);
    let (files, has_more) = listed.await?;
    let files = files.into_iter().map(VectorStoreFile::from).collect();
    Ok(Json(Page::new(files, has_more, |it| &it.id)))
}
