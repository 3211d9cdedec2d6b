//! Cohere's chat, in its second version.

mod embed;
mod failure;
mod message;
mod request;
mod response;
mod stream;
mod writer;

use std::fmt;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};

use super::{
    EmbedLimits, HttpLimits, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http,
    media::{self, Sources, Takes},
    structured::{self, ByTool},
    unary::{self, Call},
    wire,
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, EmbedRequest, Error, ErrorKind, Result, Usage,
    model::{EmbedProtocol, Protocol},
};

pub use embed::{
    embed_request_from_json, embed_request_to_json, embed_response_from_slice,
    embed_response_to_vec,
};
pub use failure::error_to_json;
pub use request::{request_from_json, request_to_json};
pub use response::{response_from_json, response_to_json};
pub(super) use writer::Writer;

/// How many inputs a call for vectors may hold.
// Source: docs.cohere.com/reference/embed.
const INPUTS_MAX: usize = 96;

/// What Cohere takes. Documents are text, be it as bytes.
const TAKES: Takes =
    Takes { image: Sources::URL_OR_BYTES, audio: Sources::NONE, file: Sources::BYTES };

/// Cohere, or a server that speaks version 2 of its chat.
///
/// ```
/// use alula_llm::{ChatRequest, Cohere};
/// use serde_json::json;
///
/// # fn main() -> alula_llm::Result<()> {
/// let cohere = Cohere::new("co-…");
/// let request = ChatRequest::new("command-a-03-2025")
///     .user("When was the first flight?")
///     .extra("documents", json!([{"data": {"text": "The first flight was in 1903."}}]));
/// assert_eq!(cohere.request_json(&request, false)?["documents"][0]["data"]["text"],
///     "The first flight was in 1903.");
/// # Ok(())
/// # }
/// ```
///
/// What only Cohere knows (`documents`, `citation_options`, `safety_mode`, …) is set with
/// [`ChatRequest::extra`]. A document among the parts of a message becomes one of `documents`, if
/// it is text. The plan that the model makes before it calls tools is a
/// [`Reasoning`](crate::model::Reasoning) whose `field` is `tool_plan`.
#[derive(Clone)]
pub struct Cohere {
    endpoint: Endpoint,
}

impl Cohere {
    /// Cohere itself, under the name `cohere`.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        let mut endpoint = Endpoint::new("cohere", "https://api.cohere.com");
        endpoint.key = Some(key.into());
        Self { endpoint }
    }

    /// Sets the address, with or without `/v2` or the whole `/v2/chat`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.base_url = url.into();
        self
    }

    endpoint::settings!();

    /// The JSON that a call would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn request_json(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        media::check(request, &TAKES, &self.endpoint.name)?;
        request_to_json(&*structured::sent(request, self.by_tool(request, stream))?, stream)
    }

    /// The JSON that a call for vectors would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn embed_json(&self, request: &EmbedRequest) -> Result<Value> {
        embed::whole_request_to_json(request)
    }
}

impl Speaker for Cohere {
    type Wire = stream::Messages;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn url(&self) -> Result<Url> {
        let mut url = http::base_url(&self.endpoint.base_url)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if path.ends_with("/v2") {
            url.set_path(&format!("{path}/chat"));
        } else if !path.ends_with("/chat") {
            url.set_path(&format!("{path}/v2/chat"));
        }
        Ok(url)
    }

    /// There is no second version of it.
    fn models_url(&self) -> Result<Url> {
        let mut url = self.url()?;
        let path = url.path().trim_end_matches("/chat");
        let path = format!("{}/v1/models", path.trim_end_matches("/v2"));
        url.set_path(&path);
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let mut headers = http::header_map(&self.endpoint.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.endpoint.key {
            headers.insert(AUTHORIZATION, http::secret(&format!("Bearer {}", key.expose()))?);
        }
        Ok(headers)
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        self.request_json(request, stream)
    }

    /// An answer that broke off at the provider comes with a status of success.
    const VERDICT: &'static [&'static str] = &["finish_reason", "message"];

    fn usage(fields: Map<String, Value>) -> Usage {
        response::usage_from_json(fields)
    }

    fn error_in(body: &Value) -> Option<&Value> {
        let is_error = body.get("finish_reason").and_then(Value::as_str) == Some("ERROR")
            || body.get("message").is_some_and(Value::is_string);
        is_error.then_some(body)
    }

    fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
        failure::failure_kind(failure)
    }

    fn response_from_json(body: Value) -> Result<ChatResponse> {
        response_from_json(body)
    }

    /// A form of the answer and tools exclude each other.
    fn by_tool(&self, request: &ChatRequest, _: bool) -> ByTool {
        let by_tool = structured::is_wanted(request)
            && request.origin != Some(Protocol::CohereChat)
            && structured::has_tools(request);
        ByTool::when(by_tool, false)
    }

    fn embed_call(&self, request: &EmbedRequest) -> Result<Call<EmbedProtocol>> {
        let url = unary::with_end(self.url()?, "/chat", "/embed");
        Ok(Call { url, body: self.embed_json(request)?, protocol: EmbedProtocol::Cohere })
    }
}

impl Provider for Cohere {
    fn serves(&self, model: &str) -> bool {
        // `command-r:35b` is the name of the weights in an Ollama.
        ["command-", "c4ai-aya", "embed-v", "embed-english-", "embed-multilingual-"]
            .iter()
            .any(|family| model.starts_with(family))
            && !model.contains(':')
    }

    fn protocol(&self) -> Protocol {
        Protocol::CohereChat
    }

    fn embed_limits(&self, _: &str) -> EmbedLimits {
        EmbedLimits { inputs: INPUTS_MAX, ..EmbedLimits::default() }
    }

    endpoint::calls!();
}

impl fmt::Debug for Cohere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.debug(f, "Cohere")
    }
}

/// Decodes the bytes of a streamed answer, from wherever they come, up to the usual limits.
pub fn decode_stream<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> ChatStream
where
    E: std::error::Error + Send + Sync + 'static,
{
    wire::read(Box::pin(bytes), &HttpLimits::default(), stream::Messages::default())
}

/// The error that a body or an event reports.
fn body_error(body: &Value) -> Error {
    endpoint::body_error(body, failure::failure_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_come_in_many_forms() {
        let whole = "http://localhost:8000/v2/chat";
        for base in [
            "http://localhost:8000",
            "http://localhost:8000/",
            "http://localhost:8000/v2",
            "http://localhost:8000/v2/",
            whole,
        ] {
            let url = Cohere::new("k").base_url(base).url().unwrap();
            assert_eq!(url.as_str(), whole, "{base}");
        }
        let url = Cohere::new("k").base_url("https://x.example/cohere").url().unwrap();
        assert_eq!(url.as_str(), "https://x.example/cohere/v2/chat");
    }

    #[test]
    fn no_key_is_shown() {
        let cohere =
            Cohere::new("co-secret").base_url("https://u:co-secret@x.example/?key=co-secret");
        assert!(!format!("{cohere:?}").contains("secret"));
    }

    #[test]
    fn its_models_are_known_by_their_names() {
        let cohere = Cohere::new("k");
        for (model, known) in [
            ("command-a-03-2025", true),
            ("c4ai-aya-expanse-32b", true),
            ("command-r:35b", false),
            ("commander", false),
        ] {
            assert_eq!(cohere.serves(model), known, "{model}");
        }
    }
}
