//! Ask a model: at once, as a stream, or many at a time.

use alula::{Route, prelude::*};
use futures_util::stream;
use serde_json::{Value, json};

use crate::{
    dependencies::{caller, executed_once},
    error::CallError,
    services::{
        batch::{Batch, BatchItem, ask_all},
        chat::{Answer, ChatAnswer, ChatRequest, Citation, Piece, Sources, Summary, ToolCall, ask},
        jobs::{Deferrable, JobEnded, Prefer, Work, deferrable, wrong_callback},
    },
};

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    let one = body_schema(&a_question());
    let many = body_schema(&json!({ "items": a_question() }));
    let chat = routes![chat].into_iter().map(|route| told_of_its_end(deferrable(route)));
    let asking_one = chat.chain(routes![chat_stream]).map(|route| route.openapi_extra(one.clone()));
    let batch =
        routes![batch].into_iter().map(|route| deferrable(route.openapi_extra(many.clone())));
    asking_one.chain(batch).map(executed_once).collect()
}

/// Describes the webhook that the route makes the server send.
fn told_of_its_end(route: Route) -> Route {
    let ended = post("", job_ended).summary("Sent when a job has ended").description(
        "By Standard Webhooks: signed in `webhook-signature`, with the same `webhook-id` at each \
         attempt. Any status from 200 to 299 takes it.",
    );
    route.callback("job-ended", "{$request.body#/callback_url}", ended)
}

/// What [`ChatRequest`] checks by a function, in the words of JSON Schema: for the document alone,
/// as the function says it better to whoever forgets both.
pub(super) fn a_question() -> Value {
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
///
/// With `Prefer: respond-async` it comes later: from the job that this answers with, and, if there
/// is a `callback_url`, announced by a webhook.
#[post("/chat")]
async fn chat(
    caller: Depends<caller>,
    sources: State<Sources>,
    Prefer(later): Prefer,
    Json(request): Json<ChatRequest>,
) -> Result<Deferrable<Json<ChatAnswer>>, CallError> {
    if let Some(later) = later {
        let callback = request.callback_url().map(str::to_owned);
        let work = Work::Chat(Box::new(request));
        return Ok(later.take_on(&caller, work, callback.as_deref()).await?);
    }
    no_callback(&request)?;
    Ok(Deferrable::Now(Json(ask(&caller, &sources, request).await?)))
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
    /// What the text before it is from.
    Citation {
        /// A part of a document.
        citation: Box<Citation>,
    },
    /// A tool of `mcp_servers` is called.
    ToolCall {
        /// Which, and with what.
        tool_call: ToolCall,
    },
    /// It has been called.
    ToolResult {
        /// The same, with its result.
        tool_result: ToolCall,
    },
    /// The end.
    Summary(Box<Summary>),
}

/// Ask a model and read the answer as it is written.
///
/// The events are `{"token": "…"}`, and `{"reasoning": "…"}` where the model thinks first; with
/// `use_documents` also `{"citation": {…}}`, once for each part of a document that is cited; then one
/// with `usage`, `stop_reason` and `tool_calls`; then `[DONE]`. The status is sent with the
/// first token: a provider that fails before it is an error with its status. A failure after it
/// is an event named `error`, and no `[DONE]` follows.
///
/// With `mcp_servers`, each call of a tool is told as `{"tool_call": …}` and, once it has ended, as
/// `{"tool_result": …}`.
#[post("/chat/stream")]
async fn chat_stream(
    caller: Depends<caller>,
    sources: State<Sources>,
    scope: Scope,
    Json(request): Json<ChatRequest>,
) -> Result<Sse<impl Stream<Item = Event<ChatEvent>>>, CallError> {
    no_callback(&request)?;
    let answer = Answer::begin(&caller, &sources, request, &scope).await?;
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
            Some(Ok(Piece::Citation(citation))) => Ok(Event::new(ChatEvent::Citation { citation })),
            Some(Ok(Piece::ToolCall(tool_call))) => {
                Ok(Event::new(ChatEvent::ToolCall { tool_call }))
            }
            Some(Ok(Piece::ToolResult(tool_result))) => {
                Ok(Event::new(ChatEvent::ToolResult { tool_result }))
            }
            Some(Ok(Piece::End(summary))) => Ok(Event::new(ChatEvent::Summary(summary))),
            Some(Err(error)) => Err(error),
            None => return Some((Ok(Event::raw("[DONE]")), None)),
        };
        Some((event, Some(answer)))
    })
}

/// Ask many questions at once.
///
/// The answers come in the order of the questions. A question that fails has an `error` in its
/// place and does not stop the others.
#[post("/batch")]
async fn batch(
    caller: Depends<caller>,
    sources: State<Sources>,
    Prefer(later): Prefer,
    Json(batch): Json<Batch>,
) -> Result<Deferrable<Json<Vec<BatchItem>>>> {
    batch.0.iter().try_for_each(no_callback)?;
    match later {
        Some(later) => later.take_on(&caller, Work::Batch(batch.0), None).await,
        None => {
            let answers = ask_all(&caller, &sources, batch.0, || {}).await;
            Ok(Deferrable::Now(Json(answers)))
        }
    }
}

/// Refuses a webhook where none is sent, before its client waits for it.
fn no_callback(request: &ChatRequest) -> Result<()> {
    match request.callback_url() {
        Some(url) => Err(wrong_callback(url, "it needs `POST /chat` and `Prefer: respond-async`")),
        None => Ok(()),
    }
}

/// What a receiver of webhooks does; only the document has it.
async fn job_ended(Json(_): Json<JobEnded>) {}
