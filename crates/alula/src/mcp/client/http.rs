//! A server at an address: each request is a POST, whose answer is JSON or a stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Response, Url, redirect::Policy};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{
    ClientError, Notices, Tool,
    sse::Decoder,
    wire::{self, Outgoing},
};
use crate::mcp::message::{Id, Incoming, MODERN, notification};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// How much of an answer is read that only says what is wrong.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// How much of it is shown.
const DETAIL_CHARS_MAX: usize = 300;
/// How long the server may take to hear that nobody waits any more, or that a session is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// The argument of a tool that stands in a header, too: where it is, and the header.
type Parameter = (Vec<String>, HeaderName);

/// A connection. Clones are the same.
#[derive(Clone)]
pub(super) struct Http(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    state: Mutex<State>,
    notices: Option<Notices>,
    bytes_max: usize,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    /// Nothing before the handshake.
    protocol: Option<&'static str>,
    session: Option<HeaderValue>,
    parameters: HashMap<String, Vec<Parameter>>,
}

impl Http {
    pub(super) fn new(
        url: &str,
        headers: HeaderMap,
        connect_timeout: Duration,
        (bytes_max, notices): (usize, Option<Notices>),
    ) -> Result<Self, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable(reason);
        // It may hold a password, so it is not shown.
        let url = Url::parse(url).map_err(|error| unreachable(format!("its URL: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(rustls::ConfigBuilder::with_platform_verifier)
            .map_err(|error| unreachable(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Whether there is a proxy is for whoever reads the environment to say.
            .no_proxy()
            // A token for the server is not for another one.
            .redirect(Policy::none())
            .connect_timeout(connect_timeout)
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            client,
            url,
            headers,
            state: Mutex::default(),
            notices,
            bytes_max,
            tasks: TaskTracker::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_protocol(&self, version: Option<&'static str>) {
        let mut state = self.state();
        state.protocol = version;
        if version.is_none() {
            state.session = None;
        }
    }

    pub(super) fn session(&self) -> Option<HeaderValue> {
        self.state().session.clone()
    }

    pub(super) fn learn(&self, tools: &[Tool]) {
        let mut parameters = HashMap::new();
        for tool in tools {
            let mut found = Vec::new();
            find_parameters(&tool.input_schema, &mut Vec::new(), &mut found);
            if !found.is_empty() {
                parameters.insert(tool.name.clone(), found);
            }
        }
        self.state().parameters = parameters;
    }

    pub(super) async fn request(&self, outgoing: &Outgoing<'_>) -> Result<Value, ClientError> {
        let is_handshake = outgoing.method == "initialize";
        let headers = self.headers(outgoing);
        let has_session = headers.contains_key(SESSION);
        let abandoned = Abandoned { http: self, id: Some(outgoing.id) };
        let response = self.post(outgoing.message(), headers).await?;
        if !response.status().is_success() {
            abandoned.answered();
            return Err(failure(response, has_session).await);
        }
        if is_handshake {
            self.state().session = response.headers().get(SESSION).cloned();
        }
        let reply = match is_stream(&response) {
            true => self.read_stream(response, outgoing.id).await,
            false => {
                let body = read(response, self.0.bytes_max).await?;
                match self.take(&body, outgoing.id).await? {
                    Some(reply) => reply,
                    None => Err(ClientError::Protocol("it answered something else".to_owned())),
                }
            }
        };
        abandoned.answered();
        reply
    }

    pub(super) async fn notify(&self, method: &str, params: &Value) -> Result<(), ClientError> {
        let outgoing = Outgoing { id: 0, method, params };
        let headers = self.headers(&outgoing);
        self.send(notification(method, params), headers).await
    }

    /// Says that the session is over, and waits for what is still being said.
    pub(super) async fn close(&self) {
        let (headers, has_session) = {
            let mut state = self.state();
            (self.session_headers(&state), state.session.take().is_some())
        };
        if has_session {
            let request = self.0.client.delete(self.0.url.clone()).headers(headers);
            let _ = tokio::time::timeout(FAREWELL, request.send()).await;
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Sends what has no answer.
    async fn send(&self, message: Bytes, headers: HeaderMap) -> Result<(), ClientError> {
        let response = self.post(message, headers).await?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(failure(response, false).await),
        }
    }

    async fn post(&self, message: Bytes, headers: HeaderMap) -> Result<Response, ClientError> {
        let request = self.0.client.post(self.0.url.clone()).headers(headers).body(message);
        request.send().await.map_err(unreachable)
    }

    /// The headers of a request.
    fn headers(&self, outgoing: &Outgoing<'_>) -> HeaderMap {
        let state = self.state();
        let mut headers = self.session_headers(&state);
        let kinds = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, kinds);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if state.protocol != Some(MODERN) {
            return headers;
        }
        let Outgoing { method, params, .. } = outgoing;
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let name = match *method {
            "tools/call" | "prompts/get" => text("name"),
            "resources/read" => text("uri"),
            _ => None,
        };
        headers.insert("mcp-method", encoded(method));
        if let Some(name) = name {
            headers.insert("mcp-name", encoded(name));
        }
        let parameters = name.filter(|_| *method == "tools/call");
        let parameters = parameters.and_then(|name| state.parameters.get(name));
        let arguments = params.get("arguments").unwrap_or(&Value::Null);
        for (path, header) in parameters.into_iter().flatten() {
            let value = path.iter().try_fold(arguments, |value, name| value.get(name));
            let text = match value {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            };
            headers.insert(header.clone(), encoded(&text));
        }
        headers
    }

    fn session_headers(&self, state: &State) -> HeaderMap {
        let mut headers = self.0.headers.clone();
        if let Some(protocol) = state.protocol {
            headers.insert(VERSION, HeaderValue::from_static(protocol));
        }
        if let Some(session) = &state.session {
            headers.insert(SESSION, session.clone());
        }
        headers
    }

    async fn read_stream(&self, mut response: Response, id: u64) -> Result<Value, ClientError> {
        let mut decoder = Decoder::new(self.0.bytes_max);
        while let Some(chunk) = response.chunk().await.map_err(closed)? {
            for event in decoder.push(&chunk)? {
                if let Some(reply) = self.take(&event, id).await? {
                    return reply;
                }
            }
        }
        Err(ClientError::Closed("its stream ended before the answer".to_owned()))
    }

    /// Takes in a message; gives the answer, if it is that.
    async fn take(
        &self,
        message: &Bytes,
        id: u64,
    ) -> Result<Option<Result<Value, ClientError>>, ClientError> {
        match Incoming::parse(message) {
            Ok(Incoming::Response { id: of, result }) if of == Id::of_number(id) => {
                Ok(Some(result.map_err(|error| ClientError::refused(&error))))
            }
            Ok(Incoming::Response { .. }) => Ok(None),
            Ok(Incoming::Notification { method, params }) => {
                wire::tell(self.0.notices.as_ref(), &method, &params);
                Ok(None)
            }
            Ok(Incoming::Request(request)) => {
                let outgoing = Outgoing { id: 0, method: "", params: &Value::Null };
                let headers = self.headers(&outgoing);
                // Whether it arrives is the server's to notice.
                let _ = self.send(wire::answer(&request), headers).await;
                Ok(None)
            }
            Err(_) => Err(no_message(message)),
        }
    }
}

/// What is wrong, by an answer that says so. With 404 a server says that the session is over.
async fn failure(response: Response, has_session: bool) -> ClientError {
    let status = response.status();
    let is_plain = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::NOT_FOUND => has_session,
        _ => false,
    };
    let location = response.headers().get(header::LOCATION).cloned();
    let body = read(response, ERROR_BYTES_MAX).await.unwrap_or_default();
    if let Ok(Incoming::Response { result: Err(error), .. }) = Incoming::parse(&body)
        && !is_plain
    {
        return ClientError::refused(&error);
    }
    let detail = match location {
        Some(location) => format!("it is at {}", String::from_utf8_lossy(location.as_bytes())),
        None => detail(&body),
    };
    ClientError::Status { status: status.as_u16(), detail }
}

/// Tells a server with sessions that nobody waits for an answer any more, unless it has come. One
/// without sees that the connection ends.
struct Abandoned<'a> {
    http: &'a Http,
    id: Option<u64>,
}

impl Abandoned<'_> {
    fn answered(mut self) {
        self.id = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id, Handle::try_current()) else { return };
        if self.http.state().session.is_none() {
            return;
        }
        let http = self.http.clone();
        let told = async move {
            let params = json!({ "requestId": id, "reason": "nobody waits for it any more" });
            let _ = tokio::time::timeout(FAREWELL, http.notify(wire::CANCELLED, &params)).await;
        };
        self.http.0.tasks.spawn_on(told, &runtime);
    }
}

/// Finds the arguments that stand in headers, too, by the keyword `x-mcp-header`.
fn find_parameters(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        path.push(name.clone());
        let header = property.get("x-mcp-header").and_then(Value::as_str);
        let header = header.and_then(|name| format!("mcp-param-{name}").parse().ok());
        found.extend(header.map(|header| (path.clone(), header)));
        find_parameters(property, path, found);
        path.pop();
    }
}

/// A text as a header, encoded where it could not stand there as it is.
fn encoded(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim() == text
        && !text.starts_with("=?");
    let plain = HeaderValue::from_str(text).ok().filter(|_| is_plain);
    let base64 = || HeaderValue::try_from(format!("=?base64?{}?=", STANDARD.encode(text))).ok();
    // Base64 can always be a header.
    plain.or_else(base64).unwrap_or_else(|| HeaderValue::from_static(""))
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Bytes, ClientError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(closed)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(ClientError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What an error says, shortened: the `detail` or the `error` of JSON, or else the text.
fn detail(body: &[u8]) -> String {
    let json = serde_json::from_slice::<Value>(body).ok();
    let fields = ["/detail", "/error/message", "/error_description", "/error", "/message"];
    let field = json.as_ref().and_then(|json| {
        fields.iter().find_map(|field| json.pointer(field).and_then(Value::as_str))
    });
    let text = String::from_utf8_lossy(body);
    let text = field.unwrap_or(&text).trim();
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn no_message(message: &[u8]) -> ClientError {
    let text = String::from_utf8_lossy(message.get(..100).unwrap_or(message)).into_owned();
    ClientError::Protocol(format!("it answered {text:?}"))
}

fn unreachable(error: reqwest::Error) -> ClientError {
    ClientError::Unreachable(innermost(&error.without_url()))
}

fn closed(error: reqwest::Error) -> ClientError {
    ClientError::Closed(innermost(&error.without_url()))
}

/// The last cause, which is the one that explains.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_header_is_encoded() {
        assert_eq!(encoded("add"), "add");
        assert_eq!(encoded("café"), "=?base64?Y2Fmw6k=?=");
        assert_eq!(encoded(" x"), "=?base64?IHg=?=");
        assert_eq!(encoded("=?base64?eA==?="), "=?base64?PT9iYXNlNjQ/ZUE9PT89?=");
        assert_eq!(encoded("a\r\nb"), "=?base64?YQ0KYg==?=");
    }

    #[test]
    fn an_error_is_told_in_its_own_words_and_shortly() {
        assert_eq!(detail(br#"{"detail":"no"}"#), "no");
        assert_eq!(detail(br#"{"error":{"message":"no"}}"#), "no");
        assert_eq!(detail(br#"{"error":"invalid_token"}"#), "invalid_token");
        assert_eq!(detail(b" gone \n"), "gone");
        assert_eq!(detail("ä".repeat(400).as_bytes()).chars().count(), 301);
    }
}
