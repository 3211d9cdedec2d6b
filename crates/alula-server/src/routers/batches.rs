//! Thousands of questions at once, answered later.

use alula::{Route, prelude::*};
use serde_json::{Value, json};

use super::{
    chat::a_question,
    jobs::{PAGE_MAX, Seen, no_job_id, page},
};
use crate::{
    dependencies::{caller, executed_once},
    services::jobs::{
        AcceptedBatch, BatchEnded, BatchLine, BatchStatus, BatchView, Jobs, LargeBatch,
    },
};

/// Seconds after which a client may look how far its batch is.
const POLL_SECONDS: u16 = 1;

/// The routes of this module. A batch may have so many bytes.
pub(crate) fn routes(bytes_max: usize) -> Vec<Route> {
    let create = routes![create].into_iter().map(|route| {
        let route = route.max_body(bytes_max).openapi_extra(of_create());
        executed_once(told_of_its_end(route))
    });
    create.chain(routes![list, batch, events, results, cancel, retry]).collect()
}

/// What the types of [`create`] do not say.
fn of_create() -> Value {
    let text =
        |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let questions = json!({ "properties": { "requests": { "items": a_question() } } });
    json!({
        "requestBody": { "content": { "application/json": { "schema": questions } } },
        "responses": {
            "202": {
                "headers": {
                    "Location": text("The batch."),
                    "Retry-After": text("Seconds after which to look how far it is."),
                },
            },
        },
    })
}

/// Describes the webhook that the route makes the server send.
fn told_of_its_end(route: Route) -> Route {
    let ended = post("", batch_ended).summary("Sent when a batch has ended").description(
        "By Standard Webhooks: signed in `webhook-signature`, with the same `webhook-id` at each \
         attempt. Any status from 200 to 299 takes it.",
    );
    route.callback("batch-ended", "{$request.body#/callback_url}", ended)
}

/// What a receiver of webhooks does; only the document has it.
async fn batch_ended(Json(_): Json<BatchEnded>) {}

/// Ask thousands of questions, and look for the answers later.
///
/// Each question is a job of its own in the database: it is tried again when its provider fails,
/// and one that fails for good does not stop the others. For a few questions whose answers are
/// awaited there is `POST /batch`.
#[post("/batches", status = 202)]
async fn create(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    head: ResponseHead,
    Json(batch): Json<LargeBatch>,
) -> Result<Json<AcceptedBatch>> {
    let accepted = jobs.submit_batch(&caller, batch).await?;
    head.header("location", &accepted.url);
    head.header("retry-after", POLL_SECONDS);
    Ok(Json(accepted))
}

/// Which batches to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct BatchPage {
    /// Only those that are there.
    #[serde(default)]
    status: Option<BatchStatus>,
    /// Only those behind this one in the list: the `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// How many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: u32,
}

/// Batches, the last first.
#[derive(Serialize, JsonSchema)]
struct BatchList {
    /// The batches, without their results.
    batches: Vec<BatchView>,
    /// What to ask for with `after` to get more; `null` if there are no more.
    #[schemars(with = "Option<String>")]
    next: Option<alula_jobs::JobId>,
}

/// List your batches, the last first.
#[get("/batches")]
async fn list(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Query(page): Query<BatchPage>,
) -> Result<Json<BatchList>> {
    let BatchPage { status, after, limit } = page;
    let after = after.map(|after| after.parse().map_err(|_| no_job_id(after))).transpose()?;
    let (batches, has_more) = jobs.batches(&caller, status, after, limit).await?;
    let next = batches.last().filter(|_| has_more).map(|batch| batch.batch_id);
    Ok(Json(BatchList { batches, next }))
}

/// Look how far a batch is.
#[get("/batches/{id}")]
async fn batch(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<BatchView>> {
    Ok(Json(jobs.batch(&caller, &id).await?))
}

/// Follow a batch as it goes on.
///
/// An event named `status` comes first and at the end, one named `progress` whenever more of its
/// requests have ended; of several changes at once only the last is told. Who comes back with
/// `Last-Event-ID` hears what is new, or gets 204 if that was the end.
#[get("/batches/{id}/events")]
async fn events(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
    Header(Seen { last_event_id }): Header<Seen>,
) -> Result<Either<Sse<impl Stream<Item = Event<BatchView>>>, Status<204, ()>>> {
    Ok(match jobs.follow_batch(&caller, &id, last_event_id.as_deref()).await? {
        Some(changes) => Either::Left(Sse::new(changes)),
        None => Either::Right(Status(())),
    })
}

/// Read what has become of the requests of a batch.
///
/// A line of JSON for each that has ended, in the order of the batch; while it runs, those that
/// have ended by now. A line without `index` is the last one, and says why there are no more.
#[get("/batches/{id}/results")]
async fn results(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<JsonLines<impl Stream<Item = BatchLine>>> {
    Ok(JsonLines::new(jobs.batch_results(&caller, &id).await?))
}

/// Stop what has not ended of a batch. What has ended keeps its results.
#[post("/batches/{id}/cancel")]
async fn cancel(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<BatchView>> {
    Ok(Json(jobs.cancel_batch(&caller, &id).await?))
}

/// Ask those requests of a batch once more that have failed or were cancelled.
#[post("/batches/{id}/retry", status = 202)]
async fn retry(
    caller: Depends<caller>,
    jobs: State<Jobs>,
    Path(id): Path<String>,
) -> Result<Json<BatchView>> {
    Ok(Json(jobs.retry_batch(&caller, &id).await?))
}
