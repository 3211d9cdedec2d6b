//! Ask a model: at once, as a stream, or many at a time.

use alula::{ApiError as _, Route, prelude::*};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    dependencies::caller,
    error::CallError,
    services::{
        chat::{Answer, ChatAnswer, ChatRequest, Piece, Summary, ask},
        conversations::Conversations,
    },
};

/// The most questions in one batch.
const BATCH_MAX: usize = 100;
/// How many questions of a batch are asked at the same time.
const BATCH_CONCURRENCY: usize = 16;

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    let one = body_schema(&a_question());
    let many = body_schema(&json!({ "items": a_question() }));
    let asking_one = routes![chat, chat_stream].into_iter();
    let mut routes: Vec<_> = asking_one.map(|route| route.openapi_extra(one.clone())).collect();
    routes.extend(routes![batch].into_iter().map(|route| route.openapi_extra(many.clone())));
    routes
}

/// What [`ChatRequest`] checks by a function, in the words of JSON Schema: for the document alone,
/// as the function says it better to whoever forgets both.
fn a_question() -> Value {
    let message = json!({
        "properties": { "message": { "type": "string" } },
        "required": ["message"],
    });
    let turn = json!({
        "type": "object",
        "properties": { "role": { "type": "string" } },
        "required": ["role"],
    });
    let conversation = json!({
        "properties": {
            "options": {
                "type": "object",
                "properties": { "messages": { "type": "array", "items": turn } },
                "required": ["messages"],
            },
        },
        "required": ["options"],
    });
    json!({ "anyOf": [message, conversation] })
}

fn body_schema(schema: &Value) -> Value {
    json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } })
}

/// Ask a model and wait for the whole answer.
#[post("/chat")]
async fn chat(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Json(request): Json<ChatRequest>,
) -> Result<Json<ChatAnswer>, CallError> {
    Ok(Json(ask(&caller, &conversations, request).await?))
}

/// One event of a streamed answer.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ChatEvent {
    /// More text.
    Token {
        /// The text to add.
        token: String,
    },
    /// More of what the model thinks before it answers.
    Reasoning {
        /// The text to add.
        reasoning: String,
    },
    /// The end.
    Summary(Box<Summary>),
}

/// Ask a model and read the answer as it is written.
///
/// The events are `{"token": "…"}`, and `{"reasoning": "…"}` where the model thinks first; then
/// one with `usage`, `stop_reason` and `tool_calls`; then `[DONE]`. The status is sent with the
/// first token: a provider that fails before it is an error with its status. A failure after it
/// is an event named `error`, and no `[DONE]` follows.
#[post("/chat/stream")]
async fn chat_stream(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    scope: Scope,
    Json(request): Json<ChatRequest>,
) -> Result<Sse<impl Stream<Item = Event<ChatEvent>>>, CallError> {
    let answer = Answer::begin(&caller, &conversations, request, &scope).await?;
    Ok(Sse::fallible(events(answer)))
}

/// The events of an answer, up to the mark of its end.
pub(super) fn events(
    answer: Answer,
) -> impl Stream<Item = Result<Event<ChatEvent>, CallError>> + Send + 'static {
    stream::unfold(Some(answer), async |answer| {
        let mut answer = answer?;
        let event = match answer.next().await {
            Some(Ok(Piece::Token(token))) => Ok(Event::new(ChatEvent::Token { token })),
            Some(Ok(Piece::Reasoning(reasoning))) => {
                Ok(Event::new(ChatEvent::Reasoning { reasoning }))
            }
            Some(Ok(Piece::End(summary))) => Ok(Event::new(ChatEvent::Summary(summary))),
            Some(Err(error)) => Err(error),
            None => return Some((Ok(Event::raw("[DONE]")), None)),
        };
        Some((event, Some(answer)))
    })
}

/// Questions to be asked at the same time.
#[derive(Deserialize, JsonSchema, Validate)]
struct Batch(#[schemars(length(min = 1, max = BATCH_MAX))] Vec<ChatRequest>);

/// What became of one question of a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum BatchItem {
    /// It was answered.
    Answer(Box<ChatAnswer>),
    /// It failed.
    Error {
        /// Why.
        error: BatchError,
    },
}

/// Why a question of a batch failed.
#[derive(Serialize, JsonSchema)]
struct BatchError {
    /// The status that the question alone would have had.
    status: u16,
    /// What is wrong.
    detail: Value,
}

/// Ask many questions at once.
///
/// The answers come in the order of the questions. A question that fails has an `error` in its
/// place and does not stop the others.
#[post("/batch")]
async fn batch(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Json(Batch(requests)): Json<Batch>,
) -> Json<Vec<BatchItem>> {
    let answer = |request| {
        let (caller, conversations) = (&caller, &conversations);
        async move {
            match ask(caller, conversations, request).await {
                Ok(answer) => BatchItem::Answer(Box::new(answer)),
                Err(error) => failed(error),
            }
        }
    };
    Json(stream::iter(requests).map(answer).buffered(BATCH_CONCURRENCY).collect().await)
}

fn failed(error: CallError) -> BatchItem {
    let http = error.into_http();
    if http.status().is_server_error() {
        tracing::warn!(status = http.status().as_u16(), "in a batch: {}", http.log_message());
    }
    let error = BatchError { status: http.status().as_u16(), detail: http.detail().clone() };
    BatchItem::Error { error }
}
