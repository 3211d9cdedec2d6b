//! Documents: bringing them, looking after them, removing them.

mod create;
mod upload;

use std::collections::BTreeMap;

use alula::{ApiError as _, HttpError, Route, prelude::*};
use alula_rag::Attributes;
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use crate::{
    dependencies::caller,
    services::{
        documents::{
            DocumentEnded, DocumentSettings, DocumentStatus, DocumentView, Documents, StatusView,
            Wish, is_document, kind_of,
        },
        retrieval::DEFAULT_COLLECTION,
    },
};

/// The most documents in one list, and how many there are unless another number is asked for.
const PAGE_MAX: u32 = 100;
const PAGE: u32 = 20;
/// Seconds after which a client may look how far its document is.
const POLL_SECONDS: u16 = 1;
/// Of what nobody knows more.
const OCTETS: &str = "application/octet-stream";

/// The routes of this module, with the limits of these settings.
pub(crate) fn routes(settings: &DocumentSettings) -> Vec<Route> {
    let create = create::routes().into_iter().chain(upload::routes(settings));
    // Each has an operation of its own in the document.
    let create = (1..).zip(create).map(|(number, route)| {
        told_of_its_end(route.openapi_extra(of_create()), &format!("document_ended_{number}"))
    });
    let about = routes![list, document, status, content, change, retry, reindex];
    // What has begun to go, goes whole.
    let remove = routes![remove].into_iter().map(Route::run_to_completion);
    create.chain(about).chain(remove).collect()
}

/// What the types do not say.
fn of_create() -> Value {
    let text =
        |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "responses": { "202": { "headers": {
            "Location": text("The document; not for several."),
            "Retry-After": text("Seconds after which to look how far it is."),
        } } },
    })
}

/// Describes the webhook that the route makes the server send.
fn told_of_its_end(route: Route, operation_id: &str) -> Route {
    let ended = post("", document_ended)
        .operation_id(operation_id)
        .summary("Sent when a document is ready, or has failed")
        .description(
            "By Standard Webhooks: signed in `webhook-signature`, with the same `webhook-id` at \
             each attempt. Any status from 200 to 299 takes it.",
        );
    route.callback("document-ended", "{$request.body#/callback_url}", ended)
}

/// What a receiver of webhooks does; only the document has it.
async fn document_ended(Json(_): Json<DocumentEnded>) {}

/// Which documents to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct DocumentPage {
    /// Only those that are there.
    #[serde(default)]
    status: Option<DocumentStatus>,
    /// Only those behind this one in the list: the `next` of the page before. It may be gone.
    #[serde(default)]
    #[schemars(length(max = 64))]
    after: Option<String>,
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: u32,
}

fn page() -> u32 {
    PAGE
}

/// Documents, the last first.
#[derive(Serialize, JsonSchema)]
struct DocumentList {
    documents: Vec<DocumentView>,
    /// What to ask for with `after` to get more; `null` if there are no more.
    next: Option<String>,
}

/// List your documents, the last first.
#[get("/documents")]
async fn list(
    caller: Depends<caller>,
    documents: State<Documents>,
    Query(page): Query<DocumentPage>,
) -> Result<Json<DocumentList>> {
    let DocumentPage { status, after, limit } = page;
    if let Some(after) = after.as_deref().filter(|after| !is_document(after)) {
        return Err(HttpError::validation(vec![alula::Detail {
            kind: "value_error".into(),
            loc: vec!["query".into(), "after".into()],
            msg: "Value error, it is no name of a document".to_owned(),
            input: after.into(),
            ctx: Some(json!({ "error": {} })),
        }]));
    }
    let listed =
        documents.list(caller.owner(), DEFAULT_COLLECTION, status, after.as_deref(), limit);
    let (documents, has_more) = listed.await?;
    let next = documents.last().filter(|_| has_more).map(|last| last.document_id.clone());
    Ok(Json(DocumentList { documents, next }))
}

/// Look at a document.
#[get("/documents/{id}")]
async fn document(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
) -> Result<Json<DocumentView>> {
    Ok(Json(documents.find(caller.owner(), DEFAULT_COLLECTION, &id).await?.into()))
}

/// Look how far a document is.
///
/// `terminal` says whether it stays so. A document that has failed says why, in words and by a
/// `code` that stays the same.
#[get("/documents/{id}/status")]
async fn status(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
) -> Result<Json<StatusView>> {
    Ok(Json(documents.status(caller.owner(), DEFAULT_COLLECTION, &id).await?))
}

/// Read the file of a document, byte for byte.
///
/// It comes as a download: no browser shows or runs what somebody has sent.
#[get("/documents/{id}/content")]
async fn content(
    caller: Depends<caller>,
    documents: State<Documents>,
    head: ResponseHead,
    Path(id): Path<String>,
) -> Result<ByteStream<impl Stream<Item = Result<Bytes>>>> {
    let document = documents.find(caller.owner(), DEFAULT_COLLECTION, &id).await?.document;
    let content = documents.content(&document).await?;
    head.header("content-security-policy", "sandbox");
    head.header("x-content-type-options", "nosniff");
    let media_type = kind_of(&document.kind).map_or(OCTETS, alula_rag::Kind::media_type);
    let bytes = u64::try_from(document.bytes).unwrap_or_default();
    let content = ByteStream::new(content.map_err(|error| error.into_http()));
    Ok(content.content_type(media_type).content_length(bytes).attachment(&document.name))
}

/// What to change of a document.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct ChangeDocument {
    /// What searches can filter by: texts, numbers and truths. They replace those that are there.
    #[serde(default)]
    attributes: Option<BTreeMap<String, Value>>,
    /// Whether searches leave it out that do not ask for it.
    #[serde(default)]
    archived: Option<bool>,
}

/// Change what searches know of a document.
#[patch("/documents/{id}")]
async fn change(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
    Json(change): Json<ChangeDocument>,
) -> Result<Json<DocumentView>> {
    let ChangeDocument { attributes, archived } = change;
    let attributes = attributes.map(|values| read_attributes("attributes", values)).transpose()?;
    let changed =
        documents.change(caller.owner(), DEFAULT_COLLECTION, &id, attributes.as_ref(), archived);
    Ok(Json(changed.await?))
}

/// Remove a document with its file and all that is found of it, at whatever a job is with it.
#[delete("/documents/{id}", status = 204)]
async fn remove(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
) -> Result<()> {
    // One that was sent by another way is not among these.
    let removed = documents.remove_of(caller.owner(), DEFAULT_COLLECTION, &id).await;
    match removed.map_err(|refusal| refusal.into_http())? {
        true => Ok(()),
        false => Err(HttpError::not_found("There is no such document")),
    }
}

/// Try a document once more that has failed, from the step on that failed.
#[post("/documents/{id}/retry", status = 202)]
async fn retry(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
) -> Result<Json<StatusView>> {
    let request_id = caller.request_id();
    Ok(Json(documents.retry(caller.owner(), DEFAULT_COLLECTION, &id, request_id).await?))
}

/// Read a document anew, and index it anew. It is found as it was until that is done.
#[post("/documents/{id}/reindex", status = 202)]
async fn reindex(
    caller: Depends<caller>,
    documents: State<Documents>,
    Path(id): Path<String>,
) -> Result<Json<StatusView>> {
    let request_id = caller.request_id();
    Ok(Json(documents.reindex(caller.owner(), DEFAULT_COLLECTION, &id, request_id).await?))
}

/// Reads attributes of the field of a body.
fn read_attributes(field: &'static str, values: BTreeMap<String, Value>) -> Result<Attributes> {
    let input: Map<String, Value> = values.clone().into_iter().collect();
    Wish::attributes_of(values).map_err(|why| wrong(field, &why, input.into()))
}

/// 422 for a field of a body.
fn wrong(field: &'static str, why: &str, input: Value) -> HttpError {
    HttpError::validation(vec![alula::Detail {
        kind: "value_error".into(),
        loc: vec!["body".into(), field.into()],
        msg: format!("Value error, {why}"),
        input,
        ctx: Some(json!({ "error": {} })),
    }])
}

/// 422 for a field of a body that is not there.
fn missing(field: &'static str) -> HttpError {
    HttpError::validation(vec![alula::Detail {
        kind: "missing".into(),
        loc: vec!["body".into(), field.into()],
        msg: "Field required".to_owned(),
        input: Value::Null,
        ctx: None,
    }])
}
