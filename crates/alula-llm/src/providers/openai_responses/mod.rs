//! OpenAI's responses.
//!
//! An answer of this API is a list of items: messages, calls, reasoning. All of them are parts of
//! one message here, in their order. What an item says about itself, such as its id and its
//! status, stands in `extra` of the part: beside the call it is, or under `item` for a message or a
//! reasoning, whose further entries are parts without that field. Items that the model has no name
//! for, such as the calls of tools that run at the provider, are [`Part::Other`](crate::Part).

mod content;
mod input;
mod item;
mod progress;
mod request;
mod response;
mod stream;
mod tool;
mod writer;

use std::fmt;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Url, header::HeaderMap};
use serde_json::{Map, Value};

use super::{
    HttpLimits, OpenAi, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http,
    media::{self, Sources, Takes},
    openai,
    unary::{self, Call},
    wire,
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, EmbedLimits, EmbedRequest, Error, ErrorKind,
    Result, Usage,
    model::{EmbedProtocol, Protocol},
};

pub use request::{request_from_json, request_to_json};
pub use response::{response_from_json, response_to_json};
pub(super) use writer::Writer;

const PROTOCOL: Protocol = Protocol::OpenAiResponses;

/// The field of a part's `extra` that holds the other fields of the item it begins.
const ITEM: &str = "item";

/// What the API takes.
const TAKES: Takes = Takes { image: Sources::ALL, audio: Sources::BYTES, file: Sources::ALL };

/// OpenAI by its responses API, or a server that speaks it.
///
/// It gives what chat completions do not: summaries of the reasoning, and reasoning that goes on
/// over several turns; tools that run at OpenAI; conversations that OpenAI keeps
/// (`previous_response_id`). [`OpenAi`] speaks chat completions; both in one
/// [`Llm`](crate::Llm) need names of their own.
///
/// ```
/// use alula_llm::{ChatRequest, Llm, OpenAi, OpenAiResponses};
///
/// # fn main() -> alula_llm::Result<()> {
/// let responses = OpenAiResponses::new("sk-…");
/// let chat = OpenAi::new("sk-…").name("openai-chat");
/// let llm = Llm::builder().provider(responses).provider(chat).build()?;
///
/// // Fields that the model does not name are those of the API.
/// let request = ChatRequest::new("openai/gpt-5-mini")
///     .user("What is an alula?")
///     .extra("store", false)
///     .extra("include", vec!["reasoning.encrypted_content"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAiResponses {
    endpoint: Endpoint,
}

impl OpenAiResponses {
    /// OpenAI itself, under the name `openai`.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        OpenAi::new(key).responses()
    }

    /// A compatible server under a name of its own, without a key.
    pub fn compatible(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        OpenAi::compatible(name, base_url).responses()
    }

    pub(super) fn of(endpoint: Endpoint) -> Self {
        // The address of another protocol is another one.
        Self { endpoint: Endpoint { ready: None, ..endpoint } }
    }

    /// What cannot be made ready says so at each call.
    pub(super) fn made_ready(mut self) -> Self {
        self.endpoint.ready = endpoint::ready(&self).ok();
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<ApiKey>) -> Self {
        self.endpoint.key = Some(key.into());
        self
    }

    /// Sets the address: `http://localhost:8000`, `…/v1`, or the whole `…/responses`.
    ///
    /// An address without a path gets `/v1`; a query string is kept.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.base_url = url.into();
        self
    }

    endpoint::settings!();

    /// The same server by its older API, whose embeddings it shares.
    fn chat_completions(&self) -> OpenAi {
        OpenAi::of(self.endpoint.clone())
    }

    /// The JSON that a call would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn request_json(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        media::check(request, &TAKES, &self.endpoint.name)?;
        request_to_json(request, stream)
    }
}

impl Speaker for OpenAiResponses {
    type Wire = stream::Items;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn url(&self) -> Result<Url> {
        let mut url = http::base_url(&self.endpoint.base_url)?;
        let path = url.path().trim_end_matches('/').to_owned();
        let path = path.strip_suffix("/chat/completions").unwrap_or(&path);
        if path.is_empty() {
            url.set_path("/v1/responses");
        } else if !path.ends_with("/responses") {
            url.set_path(&format!("{path}/responses"));
        }
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap> {
        openai::header_map(&self.endpoint)
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        self.request_json(request, stream)
    }

    const VERDICT: &'static [&'static str] = &["status"];

    fn usage(fields: Map<String, Value>) -> Usage {
        response::usage_from_json(fields)
    }

    fn error_in(body: &Value) -> Option<&Value> {
        let is_error = body.get("error").is_some_and(|error| !error.is_null())
            || body.get("status").and_then(Value::as_str) == Some("failed");
        is_error.then_some(body)
    }

    fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
        failure_kind(failure)
    }

    fn response_from_json(body: Value) -> Result<ChatResponse> {
        response_from_json(body)
    }

    fn count_call(&self, request: &ChatRequest) -> Result<Call<Protocol>> {
        Ok(Call {
            url: unary::with_end(self.url()?, "", "/input_tokens"),
            body: count_to_json(request)?,
            protocol: PROTOCOL,
        })
    }

    fn embed_call(&self, request: &EmbedRequest) -> Result<Call<EmbedProtocol>> {
        let url = unary::with_end(self.url()?, "/responses", "/embeddings");
        let body = self.chat_completions().embed_json(request)?;
        Ok(Call { url, body, protocol: EmbedProtocol::OpenAi })
    }
}

impl Provider for OpenAiResponses {
    fn serves(&self, model: &str) -> bool {
        openai::serves(&self.endpoint, model)
    }

    fn protocol(&self) -> Protocol {
        PROTOCOL
    }

    fn embed_limits(&self, model: &str) -> EmbedLimits {
        self.chat_completions().embed_limits(model)
    }

    endpoint::calls!();
}

impl fmt::Debug for OpenAiResponses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.debug(f, "OpenAiResponses")
    }
}

/// Decodes the bytes of a streamed answer, from wherever they come, up to the usual limits.
pub fn decode_stream<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> ChatStream
where
    E: std::error::Error + Send + Sync + 'static,
{
    wire::read(Box::pin(bytes), &HttpLimits::default(), stream::Items::default())
}

/// The error that a body or an event reports.
fn body_error(body: &Value) -> Error {
    endpoint::body_error(body, failure_kind)
}

/// The kinds of errors that come without a status: in an answer that failed, or in a stream.
fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    match failure.code.as_deref()? {
        // The status says whether it is only busy.
        "server_error" | "vector_store_timeout" if failure.status.is_none() => {
            Some(ErrorKind::Unavailable)
        }
        "image_content_policy_violation" | "cyber_policy" | "bio_policy" => {
            Some(ErrorKind::ContentFiltered)
        }
        "invalid_prompt" => Some(ErrorKind::InvalidRequest),
        code if code.contains("image") => Some(ErrorKind::InvalidRequest),
        _ => openai::failure_kind(failure),
    }
}

/// Whether the extra fields of something of this origin may be sent in this format.
fn own(origin: Option<Protocol>) -> bool {
    PROTOCOL.accepts(origin)
}

/// Whether something came in this format, and so must go out as it was.
fn exact(origin: Option<Protocol>) -> bool {
    origin == Some(PROTOCOL)
}

/// What a request to count tokens may hold; it is refused with anything else.
// Source: platform.openai.com/docs/api-reference/responses/input-tokens.
const COUNTED: [&str; 11] = [
    "conversation",
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
];

/// The JSON of a request to count tokens.
pub(super) fn count_to_json(request: &ChatRequest) -> Result<Value> {
    Ok(unary::only(request_to_json(request, false)?, &COUNTED))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_come_in_many_forms() {
        let whole = "http://localhost:8000/v1/responses";
        for base in [
            "http://localhost:8000",
            "http://localhost:8000/",
            "http://localhost:8000/v1",
            "http://localhost:8000/v1/",
            "http://localhost:8000/v1/chat/completions",
            whole,
        ] {
            let url = OpenAiResponses::compatible("x", base).url().unwrap();
            assert_eq!(url.as_str(), whole, "{base}");
        }
        let azure = "https://x.openai.azure.com/openai/responses?api-version=1";
        let url = OpenAiResponses::new("k").base_url(azure).url().unwrap();
        assert_eq!(url.as_str(), azure);
    }

    #[test]
    fn it_has_the_settings_of_the_provider_it_was_made_from() {
        let responses = OpenAi::new("sk-secret").name("mine").responses();
        assert_eq!(Provider::name(&responses), "mine");
        assert!(responses.serves("gpt-5") && !responses.serves("claude-5"));
        assert_eq!(responses.header_map().unwrap()["authorization"], "Bearer sk-secret");
        assert!(!format!("{responses:?}").contains("secret"));
    }
}
