//! Google's Gemini.

mod config;
mod embed;
mod failure;
mod message;
mod part;
mod predict;
mod request;
mod response;
mod schema;
mod stream;
mod tool;
mod usage;
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
    EmbedLimits, HttpLimits, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http,
    structured::{self, ByTool},
    unary::Call,
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
pub use predict::{
    predict_request_from_json, predict_request_to_json, predict_response_from_slice,
    predict_response_to_vec,
};
use request::counted;
pub use request::{
    count_request_from_json, count_request_to_json, request_from_json, request_to_json,
};
pub use response::{response_from_json, response_to_json};
pub(super) use writer::Writer;

const OFFICIAL_URL: &str = "https://generativelanguage.googleapis.com";

/// The version of the API that is spoken where the address names none.
const VERSION: &str = "v1beta";

const VERTEX_HOST: &str = "aiplatform.googleapis.com";

/// Of older models; newer ones take one input.
// Source: cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings.
const VERTEX_LIMITS: EmbedLimits = EmbedLimits { inputs: 250, tokens: 20_000 };

/// Google's Gemini by the Gemini API, or a server that speaks it.
///
/// ```
/// use alula_llm::Gemini;
///
/// let gemini = Gemini::new("AIza…");
/// let behind_a_proxy = Gemini::compatible("proxied", "https://llm.example.com/gemini");
/// ```
///
/// Vertex AI speaks it too, with a token instead of a key:
///
/// ```
/// use alula_llm::Gemini;
///
/// let base = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/\
///             publishers/google";
/// let vertex = Gemini::compatible("vertex", base).header("authorization", "Bearer ya29…");
/// ```
#[derive(Clone)]
pub struct Gemini {
    endpoint: Endpoint,
}

impl Gemini {
    /// Google itself, under the name `gemini`, with a key of Google AI Studio.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        Self::compatible("gemini", OFFICIAL_URL).key(key)
    }

    /// A server that speaks the same under a name of its own, without a key.
    pub fn compatible(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { endpoint: Endpoint::new(name, base_url) }
    }

    /// Sets the key, which is sent as `x-goog-api-key`.
    #[must_use]
    pub fn key(mut self, key: impl Into<ApiKey>) -> Self {
        self.endpoint.key = Some(key.into());
        self
    }

    /// Sets the address: all that stands before `/models/…`.
    ///
    /// An address that names no version of the API gets `/v1beta`; a query string is kept.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.base_url = url.into();
        self
    }

    endpoint::settings!();

    /// The JSON that a call would send. The model is not part of it, but of the address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn request_json(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        let request = structured::sent(request, self.by_tool(request, stream))?;
        let mut body = request_to_json(&request, stream)?;
        if let Some(body) = body.as_object_mut() {
            // The name with which the request came, before a provider was found for it.
            body.shift_remove("model");
        }
        Ok(body)
    }

    /// The JSON that a call for vectors would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn embed_json(&self, request: &EmbedRequest) -> Result<Value> {
        match self.is_vertex() {
            true => predict_request_to_json(request),
            // A batch of one where there was none.
            false if request.single => {
                embed_request_to_json(&EmbedRequest { single: false, ..request.clone() })
            }
            false => embed_request_to_json(request),
        }
    }

    /// Whether the address is one of Vertex AI, which has embeddings in a form of its own.
    fn is_vertex(&self) -> bool {
        let url = Url::parse(&self.endpoint.base_url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.strip_suffix(VERTEX_HOST).is_some_and(|it| it.is_empty() || it.ends_with(['-', '.']))
    }

    /// The address of a method of a model.
    fn method_url(&self, model: &str, method: &str) -> Result<Url> {
        let mut url = self.url()?;
        url.set_path(&format!("{}/{}:{method}", url.path(), model_path(model)?));
        Ok(url)
    }
}

impl Speaker for Gemini {
    type Wire = stream::Chunks;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address without model and method.
    fn url(&self) -> Result<Url> {
        let mut url = http::base_url(&self.endpoint.base_url)?;
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/models").unwrap_or(path).to_owned();
        let is_version = |it: &str| {
            it.strip_prefix('v').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
        };
        if path.split('/').any(is_version) {
            url.set_path(&path);
        } else {
            url.set_path(&format!("{path}/{VERSION}"));
        }
        Ok(url)
    }

    fn call_url(&self, model: &str, stream: bool) -> Option<Result<Url>> {
        let method = if stream { "streamGenerateContent" } else { "generateContent" };
        let with_form = |mut url: Url| {
            if stream {
                url.query_pairs_mut().append_pair("alt", "sse");
            }
            url
        };
        Some(self.method_url(model, method).map(with_form))
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let mut headers = http::header_map(&self.endpoint.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.endpoint.key {
            headers.insert("x-goog-api-key", http::secret(key.expose())?);
        }
        Ok(headers)
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        self.request_json(request, stream)
    }

    const ID: &'static str = "responseId";
    const MODEL: &'static str = "modelVersion";
    const USAGE: &'static str = "usageMetadata";
    const VERDICT: &'static [&'static str] = &[];

    fn usage(fields: Map<String, Value>) -> Usage {
        usage::usage_from_json(fields)
    }

    fn error_in(body: &Value) -> Option<&Value> {
        let is_error = body.get("error").is_some_and(|error| !error.is_null());
        is_error.then_some(body)
    }

    fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
        failure::failure_kind(failure)
    }

    fn response_from_json(body: Value) -> Result<ChatResponse> {
        response_from_json(body)
    }

    /// The models before Gemini 3 refuse a form of the answer beside functions.
    fn by_tool(&self, request: &ChatRequest, _: bool) -> ByTool {
        let by_tool = structured::is_wanted(request)
            && request.origin != Some(Protocol::GeminiGenerate)
            && structured::has_tools(request)
            && message::is_old(&request.model);
        ByTool::when(by_tool, false)
    }

    fn count_call(&self, request: &ChatRequest) -> Result<Call<Protocol>> {
        let mut body = self.request_json(request, false)?;
        if !self.is_vertex() {
            if let Some(body) = body.as_object_mut() {
                body.insert("model".to_owned(), model_path(&request.model)?.into());
            }
            body = counted(body);
        }
        let url = self.method_url(&request.model, "countTokens")?;
        Ok(Call { url, body, protocol: Protocol::GeminiGenerate })
    }

    fn embed_call(&self, request: &EmbedRequest) -> Result<Call<EmbedProtocol>> {
        let (method, protocol) = match self.is_vertex() {
            true => ("predict", EmbedProtocol::Vertex),
            false => ("batchEmbedContents", EmbedProtocol::Gemini),
        };
        let url = self.method_url(&request.model, method)?;
        Ok(Call { url, body: self.embed_json(request)?, protocol })
    }
}

impl Provider for Gemini {
    fn serves(&self, model: &str) -> bool {
        model.starts_with("gemini-")
    }

    fn embed_limits(&self, model: &str) -> EmbedLimits {
        match self.is_vertex() {
            true if model.starts_with("gemini-") => EmbedLimits { inputs: 1, ..VERTEX_LIMITS },
            true => VERTEX_LIMITS,
            false => EmbedLimits { inputs: 100, ..EmbedLimits::default() },
        }
    }

    fn protocol(&self) -> Protocol {
        Protocol::GeminiGenerate
    }

    endpoint::calls!();
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.debug(f, "Gemini")
    }
}

/// Decodes the bytes of a streamed answer, from wherever they come, up to the usual limits.
pub fn decode_stream<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> ChatStream
where
    E: std::error::Error + Send + Sync + 'static,
{
    wire::read(Box::pin(bytes), &HttpLimits::default(), stream::Chunks::default())
}

/// The part of the address that names the model: `models/…` unless another collection is named.
///
/// The name comes from who asks, so it must not lead anywhere else.
fn model_path(model: &str) -> Result<String> {
    let is_plain = |segment: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        segment.chars().all(known) && segment.chars().any(|c| c != '.')
    };
    if !model.split('/').all(is_plain) {
        return Err(request::invalid(format!("model: {model:?} is no name of a model")));
    }
    let collection = if model.contains('/') { "" } else { "models/" };
    Ok(format!("{collection}{model}"))
}

/// The error that a body or an event reports.
fn body_error(body: &Value) -> Error {
    endpoint::body_error(body, failure::failure_kind)
}

#[cfg(test)]
mod tests;
