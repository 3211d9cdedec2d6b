//! The API of Anthropic, for clients that are written for it.

use alula::{ErrorContext, ErrorFormat, HttpError, Operation, Router, prelude::*};
use alula_llm::model::Protocol;
use serde_json::{Map, Value};

use crate::{
    dependencies::{caller, executed_once},
    services::{
        jobs::{Deferrable, Prefer, deferrable},
        relay::{Asked, RelayError, Relayed, counted, in_words_of, relay_or_defer},
    },
};

/// The routes of this module.
pub(crate) fn router() -> Router {
    let asking = routes![messages].into_iter().map(deferrable).map(executed_once);
    let routes = asking.chain(routes![count_tokens]);
    Router::new().tag("Anthropic").error_format(AnthropicErrors).routes(routes)
}

/// Anthropic's messages.
///
/// Any model answers, whoever its provider is.
#[post("/v1/messages")]
async fn messages(
    caller: Depends<caller>,
    prefer: Prefer,
    request: Asked<Messages>,
) -> Result<Deferrable<Relayed>, RelayError> {
    let Asked { headers, body, .. } = request;
    relay_or_defer(&caller, prefer, Protocol::AnthropicMessages, headers, body).await
}

/// Count the tokens of a request to `/v1/messages`, without making it.
///
/// Where the provider cannot count, this is an estimate.
#[post("/v1/messages/count_tokens")]
async fn count_tokens(
    caller: Depends<caller>,
    request: Asked<Counted>,
) -> Result<Relayed, RelayError> {
    counted(&caller, Protocol::AnthropicMessages, &request.body).await
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

/// A request to `/v1/messages/count_tokens`, with the fields that most requests have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "what the document says")]
struct Counted {
    /// The model, perhaps as `provider/model`; the server's default if absent.
    #[serde(default)]
    model: String,
    /// The conversation.
    messages: Vec<Map<String, Value>>,
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
        in_words_of(Protocol::AnthropicMessages, error, Some(cx.request_id()))
    }

    fn schema(operation: &mut Operation<'_>, _: bool) -> Value {
        operation.output_schema::<AnthropicError>()
    }
}
