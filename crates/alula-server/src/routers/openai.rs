//! The API of OpenAI, for clients that are written for it.

use alula::{ErrorContext, ErrorFormat, HttpError, Operation, Router, prelude::*};
use alula_llm::{Error, ErrorKind, model::Protocol};
use serde_json::{Map, Value};

use crate::{
    dependencies::{caller, executed_once},
    services::{
        jobs::{Deferrable, Prefer, Work, deferrable},
        relay::{Asked, RelayError, Relayed, counted, embedded, in_words_of, relay_or_defer},
    },
};

/// The routes of this module.
pub(crate) fn router() -> Router {
    let later = routes![chat_completions, responses, embeddings].into_iter().map(deferrable);
    let routes = later.map(executed_once).chain(routes![input_tokens, models, model]);
    Router::new().tag("OpenAI").error_format(OpenAiErrors).routes(routes)
}

/// OpenAI's chat completions.
///
/// Any model answers, whoever its provider is. Where that is a server of the same protocol,
/// unknown fields go along in both directions.
#[post("/v1/chat/completions")]
async fn chat_completions(
    caller: Depends<caller>,
    prefer: Prefer,
    request: Asked<ChatCompletion>,
) -> Result<Deferrable<Relayed>, RelayError> {
    let Asked { headers, body, .. } = request;
    relay_or_defer(&caller, prefer, Protocol::OpenAiChat, headers, body).await
}

/// OpenAI's responses.
///
/// Any model answers, whoever its provider is; what only OpenAI has, such as
/// `previous_response_id`, needs OpenAI's responses as the provider.
#[post("/v1/responses")]
async fn responses(
    caller: Depends<caller>,
    prefer: Prefer,
    request: Asked<ModelResponse>,
) -> Result<Deferrable<Relayed>, RelayError> {
    let Asked { headers, body, .. } = request;
    relay_or_defer(&caller, prefer, Protocol::OpenAiResponses, headers, body).await
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
async fn models(caller: Depends<caller>) -> Json<ModelList> {
    let data = caller.models().models().into_iter().map(Model::new).collect();
    Json(ModelList { object: "list", data, has_more: false })
}

/// One model that has a name here.
#[get("/v1/models/{*model}")]
async fn model(
    caller: Depends<caller>,
    Path(model): Path<String>,
) -> Result<Json<Model>, RelayError> {
    let llm = caller.models();
    let found = llm.models().into_iter().find(|(name, _)| *name == model);
    let error = || Error::new(ErrorKind::NotFound, format!("there is no model {model:?}"));
    let unknown = || RelayError::Provider(Protocol::OpenAiChat, error());
    found.map(Model::new).map(Json).ok_or_else(unknown)
}

/// Count the tokens of a request to `/v1/responses`, without making it.
///
/// Where the provider cannot count, this is an estimate.
#[post("/v1/responses/input_tokens")]
async fn input_tokens(
    caller: Depends<caller>,
    request: Asked<ModelResponse>,
) -> Result<Relayed, RelayError> {
    counted(&caller, Protocol::OpenAiResponses, &request.body).await
}

/// OpenAI's embeddings.
///
/// Any provider that has embeddings answers. A list longer than the provider takes goes to it in
/// several calls.
#[post("/v1/embeddings")]
async fn embeddings(
    caller: Depends<caller>,
    Prefer(later): Prefer,
    request: Asked<Embeddings>,
) -> Result<Deferrable<Relayed>, RelayError> {
    match later {
        Some(later) => {
            let work = Work::embeddings(&request.body)?;
            Ok(later.take_on(&caller, work, None).await?)
        }
        None => embedded(&caller, &request.body).await.map(Deferrable::Now),
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

/// A request to `/v1/embeddings`, with the fields that most requests have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what the document says")]
struct Embeddings {
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    model: String,
    /// A text, or a list of texts.
    input: Value,
    /// How many numbers each vector shall have.
    #[serde(default)]
    dimensions: Option<u64>,
    /// `float` or `base64`.
    #[serde(default)]
    encoding_format: Option<String>,
}

/// Errors as OpenAI has them.
struct OpenAiErrors;

/// The body of an error.
#[derive(Serialize, JsonSchema)]
pub(super) struct OpenAiError {
    /// What went wrong.
    error: Map<String, Value>,
}

impl ErrorFormat for OpenAiErrors {
    type Body = Value;

    fn body(&self, error: &HttpError, _: &ErrorContext<'_>) -> Value {
        in_words_of(Protocol::OpenAiChat, error, None)
    }

    fn schema(operation: &mut Operation<'_>, _: bool) -> Value {
        operation.output_schema::<OpenAiError>()
    }
}
