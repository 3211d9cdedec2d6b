//! OpenAI's chat completions, and every server that is compatible with them.

mod adapt;
mod dialect;
mod embed;
mod failure;
mod family;
mod media;
mod message;
mod mistral;
mod part;
mod request;
mod response;
mod stream;
mod writer;

use std::{borrow::Cow, fmt, sync::OnceLock};

use bytes::Bytes;
use futures_util::Stream;
use memchr::memmem;
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};

use self::{
    dialect::{Dialect, Embeddings, Limit, OFFICIAL_EMBEDDINGS, Schema},
    request::MAX_TOKENS_NAMES,
};
use super::{
    HttpLimits, OpenAiResponses, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http, openai_responses,
    structured::{self, ByTool},
    unary::{self, Call},
    wire,
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, EmbedLimits, EmbedRequest, Error, ErrorKind,
    RelayRequest, Result, Usage,
    model::{EmbedProtocol, Protocol, Thinking},
    parts::Parts,
};

pub use embed::{
    embed_request_from_json, embed_request_to_json, embed_response_from_slice,
    embed_response_to_json, embed_response_to_vec,
};
pub use failure::error_to_json;
pub(super) use failure::failure_kind;
pub(super) use message::{call_to_json, take_tool_calls};
pub(super) use part::{audio_to_json, part_from_json, part_to_json, take_audio};
pub(super) use request::{function_to_json, is_carried_out, take_tools};
pub use request::{request_from_json, request_to_json};
pub use response::{response_from_json, response_to_json};
pub(super) use writer::Writer;

const OFFICIAL_URL: &str = "https://api.openai.com/v1";
const OFFICIAL_HOST: &str = "api.openai.com";

/// OpenAI, or a server that speaks its chat completions.
///
/// Those with a constructor of their own are asked in the words that they know;
/// [`compatible`](Self::compatible) is for all others.
///
/// ```
/// use alula_llm::OpenAi;
///
/// let openai = OpenAi::new("sk-…");
/// let groq = OpenAi::groq("gsk-…");
/// let mine = OpenAi::compatible("mine", "http://localhost:9000");
/// ```
#[derive(Clone)]
pub struct OpenAi {
    endpoint: Endpoint,
    dialect: &'static Dialect,
    /// Whether it speaks OpenAI's responses as well; unless that is said, OpenAI itself does.
    has_responses: Option<bool>,
    /// The same by its responses, once somebody has asked in them.
    by_responses: OnceLock<OpenAiResponses>,
}

impl OpenAi {
    /// OpenAI itself, under the name `openai`.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        Self::compatible("openai", OFFICIAL_URL).key(key)
    }

    /// A compatible server under a name of its own, without a key.
    pub fn compatible(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self::of(Endpoint::new(name, base_url))
    }

    /// Another API of the server there.
    pub(super) fn of(endpoint: Endpoint) -> Self {
        // The address of another protocol is another one.
        Self {
            endpoint: Endpoint { ready: None, ..endpoint },
            dialect: &dialect::PLAIN,
            has_responses: None,
            by_responses: OnceLock::new(),
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<ApiKey>) -> Self {
        self.endpoint.key = Some(key.into());
        self
    }

    /// Sets the address: `http://localhost:8000`, `…/v1`, or the whole `…/chat/completions`.
    ///
    /// An address without a path gets `/v1`; a query string is kept.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.base_url = url.into();
        self
    }

    endpoint::settings!();

    /// The same server by its responses API, with the settings made so far.
    ///
    /// ```
    /// use alula_llm::OpenAi;
    ///
    /// let openai = OpenAi::new("sk-…").responses();
    /// ```
    pub fn responses(self) -> OpenAiResponses {
        OpenAiResponses::of(self.endpoint)
    }

    /// Says whether the server speaks OpenAI's responses as well, so that
    /// [`Llm::relay`](crate::Llm::relay) passes requests in them on as they are. Unless that is
    /// said, OpenAI itself does, and for others they are translated.
    ///
    /// ```
    /// use alula_llm::OpenAi;
    ///
    /// let vllm = OpenAi::vllm().has_responses(true);
    /// ```
    #[must_use]
    pub fn has_responses(mut self, has_responses: bool) -> Self {
        self.has_responses = Some(has_responses);
        self
    }

    /// The JSON that a call would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn request_json(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        super::media::check(request, &self.dialect.takes, &self.endpoint.name)?;
        let request = structured::sent(request, self.by_tool(request, stream))?;
        let request = media::fetched(&request, self.dialect.by_url);
        let request = match self.dialect.mistral {
            true => mistral::with_documents(&request),
            false => Cow::Borrowed(&*request),
        };
        let mut body = request::write(&request, stream, self.dialect)?;
        self.name_limit(&mut body, &request);
        adapt::adapt(&mut body, self.dialect)?;
        Ok(Value::Object(body))
    }

    /// The JSON that a call for vectors would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] when the server has no embeddings,
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn embed_json(&self, request: &EmbedRequest) -> Result<Value> {
        let embeddings = self.embeddings();
        embeddings.ok_or_else(|| super::unsupported("it has no embeddings"))?.body(request)
    }

    /// How the server turns texts into vectors, if it does.
    fn embeddings(&self) -> Option<Embeddings> {
        if is_official(&self.endpoint) {
            Some(OFFICIAL_EMBEDDINGS)
        } else {
            self.dialect.embeddings
        }
    }

    /// Gives the limit of the answer the name that the server knows.
    fn name_limit(&self, body: &mut Map<String, Value>, request: &ChatRequest) {
        // OpenAI's reasoning models refuse the old name, and other servers do not know the new
        // one.
        let limit = if is_official(&self.endpoint) { Limit::Newer } else { self.dialect.limit };
        let [newer, older] = MAX_TOKENS_NAMES;
        match limit {
            Limit::Newer if !request::spells_max_tokens(request) => {
                if let Some(max_tokens) = body.shift_remove(older) {
                    body.insert(newer.to_owned(), max_tokens);
                }
            }
            Limit::OnlyOlder => use_older_limit(body),
            // Who spelled a name out gets it.
            Limit::Newer | Limit::Older => {}
        }
    }
}

/// Names the limit of the answer as servers of old do.
fn use_older_limit(body: &mut Map<String, Value>) {
    let [newer, older] = MAX_TOKENS_NAMES;
    if let Some(max_tokens) = body.shift_remove(newer) {
        body.insert(older.to_owned(), max_tokens);
    }
}

/// Whether the address is OpenAI's own, be it the one of a region (`eu.api.openai.com`).
fn is_official(endpoint: &Endpoint) -> bool {
    let has_official_host = |url: &Url| {
        let region = url.host_str().and_then(|host| host.strip_suffix(OFFICIAL_HOST));
        region.is_some_and(|region| region.is_empty() || region.ends_with('.'))
    };
    match &endpoint.ready {
        Some(ready) => has_official_host(ready.address.url()),
        None => Url::parse(&endpoint.base_url).is_ok_and(|url| has_official_host(&url)),
    }
}

/// Whether a model of this name is surely OpenAI's, and the address is too.
pub(super) fn serves(endpoint: &Endpoint, model: &str) -> bool {
    const FAMILIES: [&str; 7] =
        ["gpt-", "chatgpt-", "o1", "o3", "o4", "ft:gpt-", "text-embedding-"];
    FAMILIES.iter().any(|family| model.starts_with(family)) && is_official(endpoint)
}

pub(super) fn header_map(endpoint: &Endpoint) -> Result<HeaderMap> {
    let mut headers = http::header_map(&endpoint.headers)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &endpoint.key {
        let value = http::secret(&format!("Bearer {}", key.expose()))?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

impl Speaker for OpenAi {
    type Wire = stream::Chunks;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn url(&self) -> Result<Url> {
        let mut url = http::base_url(&self.endpoint.base_url)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            url.set_path("/v1/chat/completions");
        } else if !path.ends_with("/chat/completions") {
            url.set_path(&format!("{path}/chat/completions"));
        }
        Ok(url)
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let (Some(key), Some(name)) = (&self.endpoint.key, self.dialect.key_header) else {
            return header_map(&self.endpoint);
        };
        let mut headers = http::header_map(&self.endpoint.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // An empty key leaves the place to a header of one's own.
        if !key.expose().is_empty() {
            headers.insert(name, http::secret(key.expose())?);
        }
        Ok(headers)
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        self.request_json(request, stream)
    }

    fn by_tool(&self, request: &ChatRequest, stream: bool) -> ByTool {
        let by_tool = structured::is_wanted(request)
            && match self.dialect.schema {
                Schema::Native => false,
                Schema::Tool => true,
                Schema::Some(families) => {
                    stream
                        || structured::has_tools(request)
                        || !families.iter().any(|family| request.model.starts_with(family))
                }
            };
        // Of those that need it, one refuses to be made to call a tool while it thinks.
        let thinks = matches!(request.thinking, Some(Thinking::Adaptive | Thinking::Budget(_)))
            || request.model.contains("reasoner");
        ByTool::when(by_tool, thinks && self.dialect.schema == Schema::Tool)
    }

    /// An answer by a tool must be translated.
    fn by(&self, protocol: Protocol) -> Option<&dyn Provider> {
        let has_responses = || self.has_responses.unwrap_or_else(|| is_official(&self.endpoint));
        let has_it = protocol == Protocol::OpenAiResponses && has_responses();
        has_it.then(|| {
            let other = || OpenAiResponses::of(self.endpoint.clone()).made_ready();
            self.by_responses.get_or_init(other) as &dyn Provider
        })
    }

    fn relays(&self, request: &RelayRequest) -> bool {
        self.dialect.schema == Schema::Native
            || memmem::find(request.body(), b"json_schema").is_none()
            || request
                .chat()
                .is_ok_and(|chat| self.by_tool(chat, request.is_stream()) == ByTool::No)
    }

    fn relayed_body(&self, request: &RelayRequest) -> Result<Parts> {
        let parts = match self.dialect.stream_options {
            true => request.parts_with_usage()?,
            false => request.parts_for_model(),
        };
        if self.dialect.takes_all() {
            return Ok(parts);
        }
        let bytes = parts.whole();
        let sent: Map<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("not JSON: {error}")))?;
        let mut body = sent.clone();
        if self.dialect.limit == Limit::OnlyOlder {
            use_older_limit(&mut body);
        }
        adapt::adapt(&mut body, self.dialect)?;
        // What the server takes anyway goes there as it was written.
        Ok(if body == sent { bytes.into() } else { Value::Object(body).to_string().into() })
    }

    const REPORTS_USAGE: bool = false;
    const VERDICT: &'static [&'static str] = &["object"];

    fn usage(fields: Map<String, Value>) -> Usage {
        response::usage_from_json(fields)
    }

    fn error_in(body: &Value) -> Option<&Value> {
        response::error_in(body)
    }

    fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
        failure_kind(failure)
    }

    fn response_from_json(body: Value) -> Result<ChatResponse> {
        response_from_json(body)
    }

    /// Chat completions cannot count, but OpenAI's other API has the same models.
    fn count_call(&self, request: &ChatRequest) -> Result<Call<Protocol>> {
        if !is_official(&self.endpoint) {
            return Err(super::unsupported("it counts no tokens"));
        }
        let url = unary::with_end(self.url()?, "/chat/completions", "/responses/input_tokens");
        let body = openai_responses::count_to_json(request)?;
        Ok(Call { url, body, protocol: Protocol::OpenAiResponses })
    }

    fn embed_call(&self, request: &EmbedRequest) -> Result<Call<EmbedProtocol>> {
        let url = unary::with_end(self.url()?, "/chat/completions", "/embeddings");
        Ok(Call { url, body: self.embed_json(request)?, protocol: EmbedProtocol::OpenAi })
    }
}

impl Provider for OpenAi {
    fn serves(&self, model: &str) -> bool {
        serves(&self.endpoint, model)
    }

    fn embed_limits(&self, _: &str) -> EmbedLimits {
        self.embeddings().map(|it| it.limits).unwrap_or_default()
    }

    endpoint::calls!();
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.debug(f, "OpenAi")
    }
}

/// Decodes the bytes of a streamed answer, from wherever they come, up to the usual limits.
pub fn decode_stream<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> ChatStream
where
    E: std::error::Error + Send + Sync + 'static,
{
    wire::read(Box::pin(bytes), &HttpLimits::default(), stream::Chunks::default())
}

/// The error that a body or an event reports.
fn body_error(body: &Value) -> Error {
    endpoint::body_error(body, failure_kind)
}

#[cfg(test)]
mod tests;
