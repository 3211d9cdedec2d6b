//! OpenAI's chat completions, and every server that is compatible with them.

mod adapt;
mod dialect;
mod failure;
mod family;
mod message;
mod mistral;
mod part;
mod request;
mod response;
mod stream;
mod writer;

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};

use self::dialect::{Dialect, Limit};
use super::{
    HttpLimits, OpenAiResponses, Provider,
    endpoint::{self, Endpoint, Speaker},
    failure::Failure,
    http, wire,
};
use crate::{
    ApiKey, ChatRequest, ChatResponse, ChatStream, Error, ErrorKind, RelayRequest, Result, Usage,
};

pub use failure::error_to_json;
pub(super) use message::{call_to_json, take_tool_calls};
pub(super) use part::{audio_to_json, part_from_json, part_to_json, take_audio};
pub(super) use request::{MAX_TOKENS_NAMES, function_to_json, take_tools};
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
}

impl OpenAi {
    /// OpenAI itself, under the name `openai`.
    pub fn new(key: impl Into<ApiKey>) -> Self {
        Self::compatible("openai", OFFICIAL_URL).key(key)
    }

    /// A compatible server under a name of its own, without a key.
    pub fn compatible(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { endpoint: Endpoint::new(name, base_url), dialect: &dialect::PLAIN }
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

    /// The JSON that a call would send.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] when the format cannot say what the request asks for.
    pub fn request_json(&self, request: &ChatRequest, stream: bool) -> Result<Value> {
        let request = match self.dialect.mistral {
            true => mistral::with_documents(request),
            false => Cow::Borrowed(request),
        };
        let mut body = request::write(&request, stream, self.dialect)?;
        self.name_limit(&mut body, &request);
        adapt::adapt(&mut body, self.dialect)?;
        Ok(Value::Object(body))
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
    let url = Url::parse(&endpoint.base_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let region = host.strip_suffix(OFFICIAL_HOST);
    region.is_some_and(|region| region.is_empty() || region.ends_with('.'))
}

/// Whether a model of this name is surely OpenAI's, and the address is too.
pub(super) fn serves(endpoint: &Endpoint, model: &str) -> bool {
    const FAMILIES: [&str; 6] = ["gpt-", "chatgpt-", "o1", "o3", "o4", "ft:gpt-"];
    is_official(endpoint) && FAMILIES.iter().any(|family| model.starts_with(family))
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

    fn relayed_body(&self, request: &RelayRequest) -> Result<Bytes> {
        if self.dialect.takes_all() {
            return request.body_with_usage();
        }
        let mut body: Map<String, Value> = serde_json::from_slice(&request.body_with_usage()?)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("not JSON: {error}")))?;
        if self.dialect.limit == Limit::OnlyOlder {
            use_older_limit(&mut body);
        }
        adapt::adapt(&mut body, self.dialect)?;
        Ok(Value::Object(body).to_string().into())
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
}

impl Provider for OpenAi {
    fn serves(&self, model: &str) -> bool {
        serves(&self.endpoint, model)
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
    wire::read(bytes, &HttpLimits::default(), stream::Chunks::default())
}

/// The error that a body or an event reports.
fn body_error(body: &Value) -> Error {
    endpoint::body_error(body, failure_kind)
}

pub(super) fn failure_kind(failure: &Failure) -> Option<ErrorKind> {
    failure.code.as_deref().and_then(|code| kind_by_code(code, failure)).or_else(|| {
        match failure.status {
            Some(400) if failure.mentions(&CONTEXT_WORDS) => Some(ErrorKind::ContextTooLong),
            // `OpenRouter` calls it so when the input was moderated away.
            Some(403) if failure.mentions(&["moderation", "was flagged"]) => {
                Some(ErrorKind::ContentFiltered)
            }
            // Groq has no capacity left for this tier.
            Some(498) => Some(ErrorKind::Overloaded { retry_after: failure.retry_after }),
            _ => None,
        }
    })
}

const CONTEXT_WORDS: [&str; 4] =
    ["context length", "maximum context", "context window", "context size"];

fn kind_by_code(code: &str, failure: &Failure) -> Option<ErrorKind> {
    let retry_after = failure.retry_after;
    match code {
        "insufficient_quota" | "billing_hard_limit_reached" => Some(ErrorKind::QuotaExceeded),
        "context_length_exceeded" | "string_above_max_length" | "exceed_context_size_error" => {
            Some(ErrorKind::ContextTooLong)
        }
        "content_filter" | "content_policy_violation" => Some(ErrorKind::ContentFiltered),
        "invalid_api_key" => Some(ErrorKind::Auth),
        "model_not_found" | "model_decommissioned" | "DeploymentNotFound" => {
            Some(ErrorKind::NotFound)
        }
        "rate_limit_exceeded" => Some(ErrorKind::RateLimited { retry_after }),
        "invalid_request_error" if failure.status.is_none_or(|status| status == 200) => {
            Some(ErrorKind::InvalidRequest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn url(base: &str) -> String {
        OpenAi::compatible("x", base).url().unwrap().to_string()
    }

    #[test]
    fn base_urls_come_in_many_forms() {
        let whole = "http://localhost:8000/v1/chat/completions";
        for base in [
            "http://localhost:8000",
            "http://localhost:8000/",
            "http://localhost:8000/v1",
            "http://localhost:8000/v1/",
            whole,
        ] {
            assert_eq!(url(base), whole, "{base}");
        }
        assert_eq!(
            url("https://api.groq.com/openai/v1"),
            "https://api.groq.com/openai/v1/chat/completions"
        );
        assert_eq!(
            url("https://x.example/openai/deployments/d?api-version=1"),
            "https://x.example/openai/deployments/d/chat/completions?api-version=1"
        );
    }

    #[test]
    fn a_bad_base_url_or_key_is_found_before_the_first_call() {
        for mut openai in [
            OpenAi::new("k").base_url("localhost:11434"),
            OpenAi::new("k").base_url("ftp://x"),
            OpenAi::new("k\n\u{e9}y"),
            OpenAi::new("k").header("bad name", "x"),
        ] {
            let error = openai.prepare(&crate::Http::default()).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Config);
        }
    }

    #[test]
    fn no_key_is_shown() {
        let openai =
            OpenAi::new("sk-secret").base_url("https://user:sk-secret@x.example/?key=sk-secret");
        assert!(!format!("{openai:?}").contains("secret"));
    }

    #[test]
    fn the_limit_of_tokens_has_the_name_that_the_server_knows() {
        let request = ChatRequest::new("m").user("hi").max_tokens(5);
        let official = OpenAi::new("k").request_json(&request, false).unwrap();
        assert_eq!(official["max_completion_tokens"], 5);
        let ollama = OpenAi::compatible("ollama", "http://localhost:11434");
        assert_eq!(ollama.request_json(&request, false).unwrap()["max_tokens"], 5);

        // Where the other fields came from makes no difference.
        let read = |body| request_from_json(body).unwrap();
        let set_later = read(json!({"model": "m", "messages": [], "seed": 1})).max_tokens(5);
        let written = OpenAi::new("k").request_json(&set_later, false).unwrap();
        assert_eq!(
            written,
            json!({"model": "m", "messages": [], "seed": 1, "max_completion_tokens": 5})
        );
        for name in ["max_tokens", "max_completion_tokens"] {
            let spelled = json!({"model": "m", "messages": [], name: 5});
            let written = OpenAi::new("k").request_json(&read(spelled.clone()), false).unwrap();
            assert_eq!(written, spelled);
        }
    }

    #[test]
    fn the_address_of_openai_is_known_by_its_host() {
        for (url, official) in [
            ("https://api.openai.com", true),
            ("https://API.OpenAI.com:443/v1/", true),
            ("https://eu.api.openai.com/v1", true),
            ("https://api.openai.com.evil.example/v1", false),
            ("https://notapi.openai.com/v1", false),
            ("https://proxy.example/api.openai.com", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_official(&OpenAi::new("k").base_url(url).endpoint), official, "{url}");
        }
    }
}
