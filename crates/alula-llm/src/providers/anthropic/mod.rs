//! Anthropic's messages.

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
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};

use super::{
    HttpLimits, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http,
    media::{self, Sources, Takes},
    structured::{self, ByTool},
    unary::{self, Call},
    wire,
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, Result, Usage,
    model::{Protocol, Thinking},
};

pub use failure::error_to_json;
pub use request::{request_from_json, request_to_json};
pub use response::{response_from_json, response_to_json};
pub(super) use writer::Writer;

/// The version of the API that is spoken.
const VERSION: &str = "2023-06-01";

/// The longest answer when the request sets none; the API demands a number.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// What a request to count tokens may hold; it is refused with anything else.
// Source: docs.anthropic.com/en/api/messages-count-tokens.
const COUNTED: [&str; 10] = [
    "cache_control",
    "context_management",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];

/// What Anthropic takes.
const TAKES: Takes = Takes { image: Sources::ALL, audio: Sources::NONE, file: Sources::ALL };

/// Anthropic, or a server that speaks its messages.
///
/// ```
/// use alula_llm::Anthropic;
///
/// let anthropic = Anthropic::new("sk-ant-…").default_max_tokens(8192);
/// ```
#[derive(Clone)]
pub struct Anthropic {
    endpoint: Endpoint,
    betas: Vec<String>,
    default_max_tokens: u64,
}

impl Anthropic {
    /// Anthropic itself, under the name `anthropic`.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        let mut endpoint = Endpoint::new("anthropic", "https://api.anthropic.com");
        endpoint.key = Some(key.into());
        Self { endpoint, betas: Vec::new(), default_max_tokens: DEFAULT_MAX_TOKENS }
    }

    /// Sets the address, with or without `/v1` or the whole `/v1/messages`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.base_url = url.into();
        self
    }

    /// Switches a beta feature on, by its name in the `anthropic-beta` header.
    #[must_use]
    pub fn beta(mut self, feature: impl Into<String>) -> Self {
        self.betas.push(feature.into());
        self
    }

    /// Sets the longest answer, in tokens, of requests that set none.
    #[must_use]
    pub fn default_max_tokens(mut self, max_tokens: u64) -> Self {
        self.default_max_tokens = max_tokens;
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
        let request = structured::sent(request, self.by_tool(request, stream))?;
        let mut body = request_to_json(&request, stream)?;
        if let Some(body) = body.as_object_mut() {
            body.entry("max_tokens").or_insert_with(|| self.default_max_tokens.into());
        }
        Ok(body)
    }
}

impl Speaker for Anthropic {
    type Wire = stream::Blocks;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn url(&self) -> Result<Url> {
        let mut url = http::base_url(&self.endpoint.base_url)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if path.ends_with("/v1") {
            url.set_path(&format!("{path}/messages"));
        } else if !path.ends_with("/messages") {
            url.set_path(&format!("{path}/v1/messages"));
        }
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let mut headers = http::header_map(&self.endpoint.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        if let Some(key) = &self.endpoint.key {
            headers.insert("x-api-key", http::secret(key.expose())?);
        }
        if !self.betas.is_empty() {
            headers.insert("anthropic-beta", http::secret(&self.betas.join(","))?);
        }
        Ok(headers)
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        self.request_json(request, stream)
    }

    const VERDICT: &'static [&'static str] = &["type"];

    fn usage(fields: Map<String, Value>) -> Usage {
        response::usage_from_json(fields)
    }

    fn error_in(body: &Value) -> Option<&Value> {
        let is_error = body.get("type").and_then(Value::as_str) == Some("error");
        is_error.then_some(body)
    }

    fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
        failure::failure_kind(failure)
    }

    fn response_from_json(body: Value) -> Result<ChatResponse> {
        response_from_json(body)
    }

    fn by_tool(&self, request: &ChatRequest, _: bool) -> ByTool {
        // Who asks in this protocol's own words knows the model.
        let by_tool = structured::is_wanted(request)
            && request.origin != Some(Protocol::AnthropicMessages)
            && is_old(&request.model);
        let thinks = matches!(request.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)));
        ByTool::when(by_tool, thinks)
    }

    fn count_call(&self, request: &ChatRequest) -> Result<Call<Protocol>> {
        let url = unary::with_end(self.url()?, "", "/count_tokens");
        let body = unary::only(self.request_json(request, false)?, &COUNTED);
        Ok(Call { url, body, protocol: Protocol::AnthropicMessages })
    }
}

impl Provider for Anthropic {
    fn serves(&self, model: &str) -> bool {
        model.starts_with("claude")
    }

    fn protocol(&self) -> Protocol {
        Protocol::AnthropicMessages
    }

    endpoint::calls!();
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.debug(f, "Anthropic")
    }
}

/// Decodes the bytes of a streamed answer, from wherever they come, up to the usual limits.
pub fn decode_stream<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> ChatStream
where
    E: std::error::Error + Send + Sync + 'static,
{
    wire::read(Box::pin(bytes), &HttpLimits::default(), stream::Blocks::default())
}

/// Whether the model is from before there were answers by a schema.
// Source: platform.claude.com/docs/en/build-with-claude/structured-outputs.
fn is_old(model: &str) -> bool {
    const FAMILIES: [&str; 7] = [
        "claude-2",
        "claude-3",
        "claude-instant",
        "claude-sonnet-4-0",
        "claude-sonnet-4-2025",
        "claude-opus-4-0",
        "claude-opus-4-2025",
    ];
    FAMILIES.iter().any(|family| model.starts_with(family))
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
        let whole = "http://localhost:8000/v1/messages";
        for base in [
            "http://localhost:8000",
            "http://localhost:8000/",
            "http://localhost:8000/v1",
            "http://localhost:8000/v1/",
            whole,
        ] {
            let url = Anthropic::new("k").base_url(base).url().unwrap();
            assert_eq!(url.as_str(), whole, "{base}");
        }
        let url = Anthropic::new("k").base_url("https://x.example/anthropic").url().unwrap();
        assert_eq!(url.as_str(), "https://x.example/anthropic/v1/messages");
    }

    #[test]
    fn a_request_without_a_limit_gets_the_default_one() {
        let anthropic = Anthropic::new("k").default_max_tokens(7);
        let request = ChatRequest::new("claude").user("hi");
        assert_eq!(anthropic.request_json(&request, false).unwrap()["max_tokens"], 7);
        let request = request.max_tokens(9);
        assert_eq!(anthropic.request_json(&request, false).unwrap()["max_tokens"], 9);
    }
}
