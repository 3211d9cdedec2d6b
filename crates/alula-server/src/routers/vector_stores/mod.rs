//! Vector stores, for clients of OpenAI.

mod batches;
mod files;
mod search;
pub(super) mod views;
pub(super) mod wire;

use alula::{Router, prelude::*};

use self::{
    views::{Page, Removed, VectorStore},
    wire::{
        ChunkingStrategy, ExpiresAfter, FILES_MAX, Metadata, VectorStorePage, are_metadata,
        chunker, even_null,
    },
};
use super::envelope::openai_router;
use crate::{
    db::VectorStoreChange,
    dependencies::{caller, executed_once},
    services::vector_stores::{Attachment, NewStore, VectorStores},
};

/// The routes of this module. What is made is made once for a request with an `Idempotency-Key`.
pub(crate) fn router() -> Router {
    let making = routes![create].into_iter().chain(files::making()).chain(batches::making());
    openai_router()
        .routes(making.map(executed_once))
        .routes(routes![list, show, change, remove])
        .routes(files::routes())
        .routes(batches::routes())
        .routes(search::routes())
}

/// What a vector store is made of.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct NewVectorStore {
    /// For people.
    #[serde(default)]
    #[schemars(length(max = 256))]
    name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 4_096))]
    description: Option<String>,
    /// Files that are put into it at once.
    #[serde(default)]
    #[schemars(length(max = FILES_MAX))]
    file_ids: Option<Vec<String>>,
    /// How these are cut into chunks.
    #[serde(default)]
    chunking_strategy: Option<ChunkingStrategy>,
    /// When it is removed; never if this is absent.
    #[serde(default)]
    expires_after: Option<ExpiresAfter>,
    /// Up to 16 texts of your own.
    #[serde(default)]
    #[validate(custom = are_metadata)]
    metadata: Option<Metadata>,
}

/// Make a vector store: files that are searched together.
#[post("/v1/vector_stores")]
async fn create(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Json(new): Json<NewVectorStore>,
) -> Result<Json<VectorStore>> {
    let chunker = chunker(new.chunking_strategy);
    let files = new.file_ids.unwrap_or_default().into_iter();
    let files = files.map(|file| Attachment { file, attributes: Default::default(), chunker });
    let store = NewStore {
        name: new.name.unwrap_or_default(),
        description: new.description,
        metadata: serde_json::to_string(&new.metadata.unwrap_or_default())?,
        expires_days: new.expires_after.map(|it| it.days),
        files: files.collect(),
    };
    Ok(Json(stores.create(&caller, store).await?.into()))
}

/// List your vector stores.
#[get("/v1/vector_stores")]
async fn list(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Query(page): Query<VectorStorePage>,
) -> Result<Json<Page<VectorStore>>> {
    let (stores, has_more) = stores.list(caller.owner(), page.part()).await?;
    let stores = stores.into_iter().map(VectorStore::from).collect();
    Ok(Json(Page::new(stores, has_more, |it| &it.id)))
}

/// Look at a vector store.
#[get("/v1/vector_stores/{vector_store_id}")]
async fn show(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
) -> Result<Json<VectorStore>> {
    Ok(Json(stores.get(caller.owner(), &vector_store_id).await?.into()))
}

/// What shall be different. A field that is absent stays as it is.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct ChangedVectorStore {
    /// For people.
    #[serde(default)]
    #[schemars(length(max = 256))]
    name: Option<String>,
    /// When it is removed; `null` for never.
    #[serde(default, deserialize_with = "even_null")]
    #[schemars(with = "Option<ExpiresAfter>")]
    expires_after: Option<Option<ExpiresAfter>>,
    /// Up to 16 texts of your own, in place of those that were there.
    #[serde(default)]
    #[validate(custom = are_metadata)]
    metadata: Option<Metadata>,
}

/// Change a vector store.
#[post("/v1/vector_stores/{vector_store_id}")]
async fn change(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
    Json(changed): Json<ChangedVectorStore>,
) -> Result<Json<VectorStore>> {
    let ChangedVectorStore { name, expires_after, metadata } = changed;
    let change = VectorStoreChange {
        name,
        metadata: metadata.map(|it| serde_json::to_string(&it)).transpose()?,
        expires_days: expires_after.map(|it| it.map(|it| it.days)),
    };
    Ok(Json(stores.change(caller.owner(), &vector_store_id, change).await?.into()))
}

/// Remove a vector store with all that is indexed in it. Its files stay.
#[delete("/v1/vector_stores/{vector_store_id}")]
async fn remove(
    caller: Depends<caller>,
    stores: State<VectorStores>,
    Path(vector_store_id): Path<String>,
) -> Result<Json<Removed>> {
    stores.remove(caller.owner(), &vector_store_id).await?;
    Ok(Json(Removed::new(vector_store_id, "vector_store.deleted")))
}
