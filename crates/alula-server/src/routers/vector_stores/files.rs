//! Files of a vector store.

use alula::{Route, prelude::*};
use serde_json::json;

use super::{
    views::{Page, Removed, VectorStoreFile},
    wire::{
        ChunkingStrategy, FileAttributes, FileStatus, VectorStoreFilePage, are_attributes,
        attributes, chunker,
    },
};
use crate::{
    dependencies::caller,
    services::vector_stores::{Attachment, VectorStores},
};

/// After how many milliseconds a client may look again at what is being indexed.
pub(super) const POLL_MILLIS: u32 = 500;
/// The header that OpenAI's clients read that from.
pub(super) const POLL_AFTER: &str = "openai-poll-after-ms";

/// What puts something into a store.
pub(super) fn making() -> Vec<Route> {
    routes![attach]
}

/// The other routes of this module.
pub(super) fn routes() -> Vec<Route> {
    let pieces = json!({ "responses": { "200": { "content": { "application/json": {
        "schema": { "type": "object" } } } } } });
    let content = routes![content].into_iter().map(|route| route.openapi_extra(pieces.clone()));
    routes![list, show, change, detach].into_iter().chain(content).collect()
}

/// A file to put into a store.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct AttachedFile {
    /// Which one: a file of `/v1/files`, or a document.
    file_id: String,
    /// Up to 16 values of your own that searches can filter by.
    #[serde(default)]
    #[validate(custom = are_attributes)]
    attributes: Option<FileAttributes>,
    /// How it is cut into chunks.
    #[serde(default)]
    chunking_strategy: Option<ChunkingStrategy>,
}

impl From<AttachedFile> for Attachment {
    fn from(attached: AttachedFile) -> Self {
        let AttachedFile { file_id, attributes: written, chunking_strategy } = attached;
        let (attributes, chunker) = (attributes(written), chunker(chunking_strategy));
        Self { file: file_id, attributes, chunker }
    }
}

/// Put a file into a vector store.
///
/// It is found when its status is `completed`. One that is there already is indexed anew, and found
/// as it was until then.
#[post("/v1/vector_stores/{vector_store_id}/files")]
async fn attach(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
    Json(attached): Json<AttachedFile>,
) -> Result<Json<VectorStoreFile>> {
    let file = stores.attach(&caller, &vector_store_id, attached.into()).await?;
    Ok(Json(file.into()))
}

/// List the files of a vector store.
#[get("/v1/vector_stores/{vector_store_id}/files")]
async fn list(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
    Query(page): Query<VectorStoreFilePage>,
) -> Result<Json<Page<VectorStoreFile>>> {
    let (state, part) = (page.filter.map(Into::into), page.part());
    let listed = stores.files(caller.owner(), &vector_store_id, None, state, part);
    let (files, has_more) = listed.await?;
    let files = files.into_iter().map(VectorStoreFile::from).collect();
    Ok(Json(Page::new(files, has_more, |it| &it.id)))
}

/// Where a file of a store is.
#[derive(Deserialize, JsonSchema, Validate)]
struct FilePlace {
    vector_store_id: String,
    file_id: String,
}

/// Look at a file of a vector store.
#[get("/v1/vector_stores/{vector_store_id}/files/{file_id}")]
async fn show(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    head: ResponseHead,
    Path(FilePlace { vector_store_id, file_id }): Path<FilePlace>,
) -> Result<Json<VectorStoreFile>> {
    let file = stores.file(caller.owner(), &vector_store_id, &file_id).await?;
    let file = VectorStoreFile::from(file);
    if matches!(file.status, FileStatus::InProgress) {
        head.header(POLL_AFTER, POLL_MILLIS);
    }
    Ok(Json(file))
}

/// What searches can filter by from now on.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct ChangedVectorStoreFile {
    /// Up to 16 values of your own; `null` for none.
    #[validate(custom = are_attributes)]
    attributes: Option<FileAttributes>,
}

/// Replace the attributes of a file in a vector store.
#[post("/v1/vector_stores/{vector_store_id}/files/{file_id}")]
async fn change(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(FilePlace { vector_store_id, file_id }): Path<FilePlace>,
    Json(changed): Json<ChangedVectorStoreFile>,
) -> Result<Json<VectorStoreFile>> {
    let attributes = attributes(changed.attributes);
    let owner = caller.owner();
    let file = stores.set_attributes(owner, &vector_store_id, &file_id, &attributes).await?;
    Ok(Json(file.into()))
}

/// Take a file out of a vector store. The file itself stays.
#[delete("/v1/vector_stores/{vector_store_id}/files/{file_id}")]
async fn detach(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(FilePlace { vector_store_id, file_id }): Path<FilePlace>,
) -> Result<Json<Removed>> {
    stores.detach(caller.owner(), &vector_store_id, &file_id).await?;
    Ok(Json(Removed::new(file_id, "vector_store.file.deleted")))
}

/// Read the text of a file that is found in a vector store.
///
/// It comes in pieces, which are the whole text when they are put together.
#[get("/v1/vector_stores/{vector_store_id}/files/{file_id}/content")]
async fn content(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(FilePlace { vector_store_id, file_id }): Path<FilePlace>,
) -> Result<ByteStream<impl Stream<Item = Result<String>>>> {
    let pieces = stores.content(caller.owner(), &vector_store_id, &file_id).await?;
    Ok(ByteStream::new(pieces).content_type("application/json"))
}
