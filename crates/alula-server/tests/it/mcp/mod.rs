//! What programs that talk to models get from the server, by MCP.

mod documents;
mod http;
mod stdio;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    process::Alula,
};

/// What a request of the newest revision says of its client.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A message of the newest revision.
fn message(method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = meta();
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// A call of a tool.
fn call(name: &str, arguments: &Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

/// The names of what a list has.
fn names<'a>(list: &'a Value, kind: &str) -> Vec<&'a str> {
    let items = list["result"][kind].as_array().unwrap_or_else(|| panic!("no {kind} in {list}"));
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// The text of a result.
fn text(answer: &Value) -> &str {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}"))
}

impl Alula {
    /// A request of the newest revision over HTTP.
    fn mcp(&self, method: &str, params: &Value) -> RequestBuilder {
        let request = http()
            .post(self.url("/mcp"))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .json(&message(method, params));
        match params["name"].as_str().or(params["uri"].as_str()) {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// What the holder of a key is answered.
    async fn mcp_with(&self, key: &str, method: &str, params: &Value) -> Answer {
        Answer::of(self.mcp(method, params).bearer_auth(key)).await
    }

    /// What is answered where no key is needed.
    async fn ask_mcp(&self, method: &str, params: &Value) -> Value {
        Answer::of(self.mcp(method, params)).await.is(200)
    }
}
