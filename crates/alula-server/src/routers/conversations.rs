//! Conversations with stored history.

use alula::{ApiError, Either, HttpError, Route, Status, prelude::*};

use super::chat::{ChatEvent, events};
use crate::{
    db::{ConversationRow, DbError, MessageRow},
    dependencies::{caller, executed_once},
    error::CallError,
    services::{
        chat::{Answer, ChatAnswer, ChatRequest, Sources, UseDocuments, ask},
        conversations::{Conversations, NewConversation},
    },
    time::Timestamp,
};

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    let asking = routes![create, say].into_iter().map(executed_once);
    asking.chain(routes![list, show, remove]).collect()
}

/// What a conversation is made of.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct CreateConversation {
    /// For people.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    title: Option<String>,
    /// The model of messages that name none; the server's default if absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    model: Option<String>,
    /// Instructions for the model.
    #[serde(default)]
    #[schemars(length(max = 1_000_000))]
    system_prompt: Option<String>,
}

/// A conversation.
#[derive(Serialize, JsonSchema)]
struct Conversation {
    id: String,
    title: Option<String>,
    model: Option<String>,
    system_prompt: Option<String>,
    created_at: Timestamp,
    /// When the last message came.
    updated_at: Timestamp,
    /// How many messages it has.
    message_count: i64,
}

impl From<ConversationRow> for Conversation {
    fn from(row: ConversationRow) -> Self {
        Self {
            id: row.id,
            title: row.title,
            model: row.model,
            system_prompt: row.system_prompt,
            created_at: row.created_at,
            updated_at: row.updated_at,
            message_count: row.messages,
        }
    }
}

/// Start a conversation.
#[post("/conversations", status = 201)]
async fn create(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Json(request): Json<CreateConversation>,
) -> Result<Json<Conversation>, DbError> {
    let CreateConversation { title, model, system_prompt } = request;
    let new = NewConversation { title, model, system_prompt };
    Ok(Json(conversations.create(caller.owner(), new).await?.into()))
}

/// Which conversations to list.
#[derive(Deserialize, JsonSchema, Validate)]
struct ConversationsPage {
    /// How many.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// Those that are older than this one: `next` of the page before.
    #[serde(default)]
    after: Option<String>,
}

fn limit() -> i64 {
    20
}

/// A page of conversations.
#[derive(Serialize, JsonSchema)]
struct ConversationPage {
    /// Newest first.
    conversations: Vec<Conversation>,
    /// What to give as `after` for the next page; `null` at the end.
    next: Option<String>,
}

/// List the conversations, newest first.
#[get("/conversations")]
async fn list(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Query(page): Query<ConversationsPage>,
) -> Result<Json<ConversationPage>, DbError> {
    let after = page.after.as_deref();
    let mut rows = conversations.list(caller.owner(), after, page.limit + 1).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|row| row.id.clone());
    let conversations = rows.into_iter().map(Into::into).collect();
    Ok(Json(ConversationPage { conversations, next }))
}

/// Which messages to show.
#[derive(Deserialize, JsonSchema, Validate)]
struct MessagePage {
    /// How many, the last ones.
    #[serde(default = "messages")]
    #[schemars(range(min = 1, max = 1_000))]
    limit: i64,
    /// Those before this position.
    #[serde(default)]
    #[schemars(range(min = 1))]
    before: Option<i64>,
}

fn messages() -> i64 {
    100
}

/// A message of a conversation.
#[derive(Serialize, JsonSchema)]
struct Message {
    /// From 1.
    position: i64,
    /// `user` or `assistant`.
    role: String,
    /// The text.
    content: String,
    /// The model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Whether the answer broke off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    created_at: Timestamp,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            position: row.position,
            role: row.role,
            content: row.content,
            model: row.model,
            partial: row.is_partial,
            created_at: row.created_at,
        }
    }
}

/// A conversation with messages.
#[derive(Serialize, JsonSchema)]
struct ConversationMessages {
    #[serde(flatten)]
    conversation: Conversation,
    /// Oldest first.
    messages: Vec<Message>,
}

/// Show a conversation with its last messages.
#[get("/conversations/{id}")]
async fn show(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Path(id): Path<String>,
    Query(page): Query<MessagePage>,
) -> Result<Json<ConversationMessages>, HttpError> {
    let conversation = conversations.get(caller.owner(), &id).await?.into();
    let messages = conversations.messages(&id, page.before, page.limit).await;
    let messages = messages.map_err(ApiError::into_http)?;
    let messages = messages.into_iter().map(Into::into).collect();
    Ok(Json(ConversationMessages { conversation, messages }))
}

/// Remove a conversation with its messages.
#[delete("/conversations/{id}")]
async fn remove(
    caller: Depends<caller>,
    conversations: State<Conversations>,
    Path(id): Path<String>,
) -> Result<Status<204, ()>, HttpError> {
    conversations.remove(caller.owner(), &id).await?;
    Ok(Status(()))
}

/// The next message of a conversation.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Say {
    /// What to say to the model.
    #[schemars(length(min = 1, max = 1_000_000))]
    message: String,
    /// The model; that of the conversation if absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    model: Option<String>,
    /// Sampling temperature.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_tokens: Option<u64>,
    /// Whether to answer from documents, with citations: `true`, or which of them.
    #[serde(default)]
    use_documents: Option<UseDocuments>,
    /// Whether to send the answer as it is written, with the events of `/chat/stream`.
    #[serde(default)]
    stream: bool,
}

/// Say something in a conversation, and get the answer.
///
/// The model reads what was said before, as much of it as fits: the oldest turns are left out
/// first. The message and its answer are kept together, or neither if the call fails; of a stream
/// that breaks off what came is kept, marked `partial`.
#[post("/conversations/{id}/messages")]
async fn say(
    caller: Depends<caller>,
    sources: State<Sources>,
    scope: Scope,
    Path(id): Path<String>,
    Json(say): Json<Say>,
) -> Result<Either<Json<ChatAnswer>, Sse<impl Stream<Item = Event<ChatEvent>>>>, CallError> {
    let Say { message, model, temperature, max_tokens, use_documents, stream } = say;
    let request =
        ChatRequest::in_conversation(id, message, model, temperature, max_tokens, use_documents);
    Ok(match stream {
        true => {
            let answer = Answer::begin(&caller, &sources, request, &scope).await?;
            Either::Right(Sse::fallible(events(answer)))
        }
        false => Either::Left(Json(ask(&caller, &sources, request).await?)),
    })
}
