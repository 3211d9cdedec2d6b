//! Calls over MCP in a test.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{TestClient, TestResponse};
use crate::{
    HttpError,
    mcp::{Engine, test},
};

/// How many rounds of questions a call may take.
const ROUNDS_MAX: usize = 20;

type Answering = Box<dyn Fn(&str, &Value) -> Value + Send + Sync>;

/// The MCP server of an application in a test; made by [`TestClient::mcp`].
///
/// It speaks the newest revision of the protocol: over HTTP, through all that stands around the
/// endpoint of [`App::mcp`](crate::App::mcp), or else without a transport, as over stdio.
///
/// # Panics
///
/// Its methods panic where a test would want to fail: on an error of the protocol. What a tool
/// makes an error is a result that says so.
///
/// ```
/// use alula::prelude::*;
/// use serde_json::json;
///
/// /// Greet someone.
/// #[tool]
/// async fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Greeter", "1.0.0").tool(greet).client().await;
/// let greeting = client.mcp().call("greet", json!({ "name": "Ada" })).await;
/// assert_eq!(greeting.text(), "Hello, Ada!");
/// let error = client.mcp().call("greet", json!({})).await;
/// assert_eq!((error.is_error(), error.text()), (true, "Invalid arguments: name: Field required"));
/// # });
/// ```
#[must_use = "nothing is sent before a method is called"]
pub struct TestMcp<'a> {
    client: &'a TestClient,
    engine: &'a Arc<Engine>,
    headers: HeaderMap,
    answering: Option<Answering>,
}

/// What a call over MCP came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCall {
    result: Value,
    notifications: Vec<Value>,
}

impl TestClient {
    /// The MCP server of the application.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn mcp(&self) -> TestMcp<'_> {
        match self.ready_mcp() {
            Some(engine) => {
                TestMcp { client: self, engine, headers: HeaderMap::new(), answering: None }
            }
            None => panic!("the app has nothing to offer over MCP; add `.tool(…)`"),
        }
    }
}

impl TestMcp<'_> {
    /// Adds a header to each request.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let value =
            HeaderValue::try_from(value).unwrap_or_else(|error| panic!("`{value}`: {error}"));
        self.headers.append(name, value);
        self
    }

    /// Adds `Authorization: Bearer …` to each request.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Answers what the server asks, by its method and its parameters: for a form the `content` of
    /// an accepted one, or else the whole answer.
    pub fn answering(
        mut self,
        answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.answering = Some(Box::new(answer));
        self
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> TestCall {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Reads a resource.
    pub async fn read(&self, uri: &str) -> TestCall {
        self.request("resources/read", json!({ "uri": uri })).await
    }

    /// Makes a prompt.
    pub async fn prompt(&self, name: &str, arguments: Value) -> TestCall {
        self.request("prompts/get", json!({ "name": name, "arguments": arguments })).await
    }

    /// The tools, as clients read of them.
    pub async fn tools(&self) -> Vec<Value> {
        self.list("tools/list", "tools").await
    }

    /// The prompts, as clients read of them.
    pub async fn prompts(&self) -> Vec<Value> {
        self.list("prompts/list", "prompts").await
    }

    /// The resources that have one URI, as clients read of them.
    pub async fn resources(&self) -> Vec<Value> {
        self.list("resources/list", "resources").await
    }

    async fn list(&self, method: &str, key: &str) -> Vec<Value> {
        let (mut all, mut params) = (Vec::new(), json!({}));
        loop {
            let TestCall { mut result, .. } = self.request(method, params).await;
            let part = result.get_mut(key).and_then(Value::as_array_mut);
            all.extend(part.map(std::mem::take).unwrap_or_default());
            match result.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return all,
            }
        }
    }

    /// Makes any request.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn request(&self, method: &str, params: Value) -> TestCall {
        match self.try_request(method, params).await {
            Ok(call) => call,
            Err(error) => panic!("`{method}`: {error}"),
        }
    }

    /// Makes any request; gives the error of the protocol, if it is one.
    ///
    /// # Errors
    ///
    /// The `error` of the answer; where the caller is refused, its `code` is -32001, and its `status`
    /// is that of HTTP.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub async fn try_request(&self, method: &str, params: Value) -> Result<TestCall, Value> {
        let mut params = match params {
            Value::Object(params) => params,
            other => panic!("the parameters are an object, and not {other}"),
        };
        let mut notifications = Vec::new();
        for round in 0..ROUNDS_MAX {
            let (mut answer, said) = self.send(round, method, params.clone()).await?;
            notifications.extend(said);
            let Some(result) = answer.get_mut("result").map(Value::take) else {
                return Err(answer.get_mut("error").map(Value::take).unwrap_or_default());
            };
            if result.get("resultType").is_none_or(|kind| kind != "input_required") {
                return Ok(TestCall { result, notifications });
            }
            self.answer(&result, &mut params);
        }
        panic!("`{method}` has not ended after {ROUNDS_MAX} rounds");
    }

    async fn send(
        &self,
        round: usize,
        method: &str,
        mut params: Map<String, Value>,
    ) -> Result<(Value, Vec<Value>), Value> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": test::VERSION,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {
                "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {},
            },
            "io.modelcontextprotocol/logLevel": "debug",
            "progressToken": 1,
        });
        params.entry("_meta").or_insert(meta);
        if let Some(path) = test::path(self.engine) {
            return self.send_over_http(path, round, method, params).await;
        }
        let message = json!({ "jsonrpc": "2.0", "id": round, "method": method, "params": params });
        let sent = test::send(self.engine, self.headers.clone(), &message).await;
        self.client.settle().await;
        sent.map_err(|error: HttpError| {
            let status = error.status().as_u16();
            json!({ "code": -32001, "message": error.message(), "status": status })
        })
    }

    async fn send_over_http(
        &self,
        path: &str,
        round: usize,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<(Value, Vec<Value>), Value> {
        let headers = test::headers(self.engine, method, &params);
        let request = headers
            .iter()
            .fold(self.client.post(path), |request, (name, value)| request.header(name, value));
        let mut request = request
            .json(&json!({ "jsonrpc": "2.0", "id": round, "method": method, "params": params }));
        request.request.headers_mut().extend(self.headers.clone());
        let response = request.await;
        let is_stream = response.header("content-type").starts_with("text/event-stream");
        let mut messages: Vec<Value> = match is_stream {
            true => response.events().iter().map(super::TestEvent::json).collect(),
            false => serde_json::from_slice(response.bytes()).into_iter().collect(),
        };
        match messages.pop() {
            Some(answer) if answer.get("jsonrpc").is_some() => Ok((answer, messages)),
            answer => Err(refused(&response, answer.as_ref())),
        }
    }

    /// Answers what a result asks, for the next round.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    fn answer(&self, result: &Value, params: &mut Map<String, Value>) {
        let Some(answering) = &self.answering else {
            panic!("the server asks something; add `.answering(…)`: {result}");
        };
        let requests = result.get("inputRequests").and_then(Value::as_object);
        let responses = requests.into_iter().flatten().map(|(key, request)| {
            let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
            let answer = answering(method, request.get("params").unwrap_or(&Value::Null));
            let is_content = method == "elicitation/create" && answer.get("action").is_none();
            let answer = match is_content {
                true => json!({ "action": "accept", "content": answer }),
                false => answer,
            };
            (key.clone(), answer)
        });
        params.insert("inputResponses".to_owned(), Value::Object(responses.collect()));
        match result.get("requestState") {
            Some(state) => _ = params.insert("requestState".to_owned(), state.clone()),
            None => _ = params.shift_remove("requestState"),
        }
    }
}

/// What stands before MCP has refused a request.
fn refused(response: &TestResponse, body: Option<&Value>) -> Value {
    let detail = body.and_then(|body| body.get("detail"));
    let message = match detail {
        Some(Value::String(text)) => text.clone(),
        Some(detail) => detail.to_string(),
        None => String::from_utf8_lossy(response.bytes()).into_owned(),
    };
    json!({ "code": -32001, "message": message, "status": response.status().as_u16() })
}

impl TestCall {
    /// Whether a tool says that it has failed.
    pub fn is_error(&self) -> bool {
        self.result.get("isError") == Some(&Value::Bool(true))
    }

    /// The first text: of a result, of a resource, or of a message.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn text(&self) -> &str {
        let parts = ["/content", "/contents", "/messages"].into_iter();
        let parts = parts.filter_map(|place| self.result.pointer(place)?.as_array()).flatten();
        let mut texts = parts.filter_map(|part| {
            part.get("text").or_else(|| part.pointer("/content/text")).and_then(Value::as_str)
        });
        match texts.next() {
            Some(text) => text,
            None => panic!("there is no text in {}", self.result),
        }
    }

    /// The value that a tool gives to programs. What is no object is the `result` of one.
    ///
    /// # Panics
    ///
    /// If there is none, or it is no `T`.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn structured<T: DeserializeOwned>(&self) -> T {
        let value = self.result.get("structuredContent").cloned().unwrap_or_default();
        let value = serde_json::from_value(value);
        value.unwrap_or_else(|error| panic!("{error} in {}", self.result))
    }

    /// The whole result.
    pub fn result(&self) -> &Value {
        &self.result
    }

    /// What was said during the call: progress, and the log.
    pub fn notifications(&self) -> &[Value] {
        &self.notifications
    }
}

impl fmt::Debug for TestMcp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestMcp").field("headers", &self.headers).finish_non_exhaustive()
    }
}
