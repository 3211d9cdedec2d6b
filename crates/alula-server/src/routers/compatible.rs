//! The APIs of OpenAI and Anthropic, for clients that are written for them.

use std::marker::PhantomData;

use alula::{
    Bytes, ErrorContext, ErrorFormat, HttpError, Input, Operation, Rejection, RequestContext,
    Router, http::HeaderMap, prelude::*,
};
use alula_llm::{Error, ErrorKind, Llm, model::Protocol};
use serde_json::{Map, Value};

use crate::services::relay::{RelayError, Relayed, passed_on, relay};

/// The routes for clients of OpenAI.
pub(crate) fn openai() -> Router {
    let routes = routes![chat_completions, responses, models, model];
    Router::new().tag("OpenAI").error_format(OpenAiErrors).routes(routes)
}

/// The routes for clients of Anthropic.
pub(crate) fn anthropic() -> Router {
    Router::new().tag("Anthropic").error_format(AnthropicErrors).routes(routes![messages])
}

/// OpenAI's chat completions.
///
/// Any model answers, whoever its provider is. Where that is a server of the same protocol,
/// unknown fields go along in both directions.
#[post("/v1/chat/completions")]
async fn chat_completions(
    llm: State<Llm>,
    request: Asked<ChatCompletion>,
) -> Result<Relayed, RelayError> {
    relay(&llm, Protocol::OpenAiChat, request.headers, request.body).await
}

/// OpenAI's responses.
///
/// Any model answers, whoever its provider is; what only OpenAI has, such as
/// `previous_response_id`, needs OpenAI's responses as the provider.
#[post("/v1/responses")]
async fn responses(llm: State<Llm>, request: Asked<ModelResponse>) -> Result<Relayed, RelayError> {
    relay(&llm, Protocol::OpenAiResponses, request.headers, request.body).await
}

/// The models that have a name.
#[derive(Serialize, JsonSchema)]
struct ModelList {
    /// `list`.
    object: &'static str,
    /// The models.
    data: Vec<Model>,
    /// Whether there are more; Anthropic's clients ask.
    has_more: bool,
}

/// A model, in the words of OpenAI and of Anthropic at once.
#[derive(Serialize, JsonSchema)]
struct Model {
    /// Its name.
    id: String,
    /// `model`, for OpenAI.
    object: &'static str,
    /// When it was made, in seconds since 1970; nobody knows.
    created: u64,
    /// The provider that is asked first.
    owned_by: String,
    /// `model`, for Anthropic.
    r#type: &'static str,
    /// Its name, for Anthropic.
    display_name: String,
    /// When it was made, for Anthropic; nobody knows.
    created_at: &'static str,
}

impl Model {
    fn new((name, provider): (&str, &str)) -> Self {
        Self {
            id: name.to_owned(),
            object: "model",
            created: 0,
            owned_by: provider.to_owned(),
            r#type: "model",
            display_name: name.to_owned(),
            created_at: "1970-01-01T00:00:00Z",
        }
    }
}

/// The models that have a name here.
///
/// Providers serve others too; ask for them as `provider/model`.
#[get("/v1/models")]
async fn models(llm: State<Llm>) -> Json<ModelList> {
    let data = llm.models().into_iter().map(Model::new).collect();
    Json(ModelList { object: "list", data, has_more: false })
}

/// One model that has a name here.
#[get("/v1/models/{*model}")]
async fn model(llm: State<Llm>, Path(model): Path<String>) -> Result<Json<Model>, RelayError> {
    let found = llm.models().into_iter().find(|(name, _)| *name == model);
    let error = || Error::new(ErrorKind::NotFound, format!("there is no model {model:?}"));
    let unknown = || RelayError::new(Protocol::OpenAiChat, error());
    found.map(Model::new).map(Json).ok_or_else(unknown)
}

/// Anthropic's messages.
///
/// Any model answers, whoever its provider is.
#[post("/v1/messages")]
async fn messages(llm: State<Llm>, request: Asked<Messages>) -> Result<Relayed, RelayError> {
    relay(&llm, Protocol::AnthropicMessages, request.headers, request.body).await
}

/// A request that goes on as it came; `T` is what the document says of it.
struct Asked<T> {
    /// Those that go on with it.
    headers: HeaderMap,
    body: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T: JsonSchema + 'static> Input for Asked<T> {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        let root = operation.input_schema::<T>();
        operation.request_body("application/json", &root);
    }

    async fn extract((): &(), cx: &mut RequestContext) -> Result<Self, Rejection> {
        let headers = passed_on(cx.headers());
        Ok(Self { headers, body: cx.bytes().await?, of: PhantomData })
    }
}

/// A request to `/v1/chat/completions`, with the fields that most requests have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what the document says")]
struct ChatCompletion {
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    model: String,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
    /// Whether to send the answer as it is written.
    #[serde(default)]
    stream: bool,
}

/// A request to `/v1/responses`, with the fields that most requests have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what the document says")]
struct ModelResponse {
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    model: String,
    /// What to say to the model: a text, or a list of items.
    #[serde(default)]
    input: Value,
    /// Whether to send the answer as it is written.
    #[serde(default)]
    stream: bool,
}

/// A request to `/v1/messages`, with the fields that most requests have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what the document says")]
struct Messages {
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    model: String,
    /// The longest answer, in tokens.
    max_tokens: u64,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
    /// Whether to send the answer as it is written.
    #[serde(default)]
    stream: bool,
}

/// Errors as OpenAI has them.
struct OpenAiErrors;

/// The body of an error.
#[derive(Serialize, JsonSchema)]
struct OpenAiError {
    /// What went wrong.
    error: Map<String, Value>,
}

impl ErrorFormat for OpenAiErrors {
    type Body = Value;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> Value {
        in_words_of(Protocol::OpenAiChat, error)
    }

    fn schema(operation: &mut Operation<'_>, _: bool) -> Value {
        operation.output_schema::<OpenAiError>()
    }
}

/// Errors as Anthropic has them.
struct AnthropicErrors;

/// The body of an error.
#[derive(Serialize, JsonSchema)]
struct AnthropicError {
    /// `error`.
    r#type: String,
    /// What went wrong.
    error: Map<String, Value>,
    /// The request, to quote in a support ticket.
    request_id: Option<String>,
}

impl ErrorFormat for AnthropicErrors {
    type Body = Value;

    fn body(&self, error: &HttpError, cx: &ErrorContext<'_>) -> Value {
        let mut body = in_words_of(Protocol::AnthropicMessages, error);
        if let Some(body) = body.as_object_mut() {
            body.insert("request_id".to_owned(), cx.request_id().into());
        }
        body
    }

    fn schema(operation: &mut Operation<'_>, _: bool) -> Value {
        operation.output_schema::<AnthropicError>()
    }
}

/// The body of an error, be it a provider's or the server's own.
fn in_words_of(protocol: Protocol, error: &HttpError) -> Value {
    if let Some(error) = error.cause().and_then(|cause| cause.downcast_ref::<Error>()) {
        return protocol.error_to_json(error).1;
    }
    let kind = match error.status().as_u16() {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited { retry_after: None },
        503 => ErrorKind::Overloaded { retry_after: None },
        status if status < 500 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Config,
    };
    protocol.error_to_json(&Error::new(kind, error.message())).1
}
